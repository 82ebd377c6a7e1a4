/* test_compile.c - a resolved model in pages: what gets in, by which number, what stays over changes, what is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/net/ranges.h"
#include "common/rule/rule.h"
#include "master/compile/compile.h"
#include "shm/generation.h"
#include "shm/middlewares.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/static_page.h"
#include "shm/transports.h"

/* ---- a small configuration, built by hand ---- */

static struct slice point_names[] = {SLICE_INIT("traefik"), SLICE_INIT("web"), SLICE_INIT("websecure")};
static struct entry_point points[3];
static struct static_config config;

static struct model *model;

static int set_up(void **state)
{
    (void)state;
    memset(points, 0, sizeof(points));
    memset(&config, 0, sizeof(config));
    for (size_t i = 0; i < 3; i++) {
        points[i].address = i == 0 ? SLICE(":8080") : i == 1 ? SLICE(":80") : SLICE("[::]:443/tcp");
        points[i].http.encoded_characters =
            (struct encoded_characters){true, true, true, true, true, true, true};
    }
    config.entry_points = (struct map){point_names, points, 3};
    model = model_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    model_free(model);
    return 0;
}

static struct list names(const char *text) /* "a b" */
{
    struct slice rest = slice_cstr(text), *items = pool_alloc(model->pool, 16 * sizeof(*items));
    size_t count = 0;

    while (rest.ptr && rest.len) {
        items[count++] = slice_split(&rest, ' ');
    }
    return (struct list){items, count};
}

static struct http_router *router(const char *name, const char *service, const char *chain)
{
    struct http_router *made = model_add_router(model, slice_cstr(name), SLICE("file"));
    struct error why = {""};

    made->config.service = slice_cstr(service);
    made->config.rule = pool_printf(model->pool, "Host(`%s.test`)", name);
    assert_int_equal(rule_parse(model->pool, made->config.rule, RULE_V3, &made->rule, &why), 0);
    made->priority = (int64_t)made->config.rule.len;
    made->entry_points = names("web");
    made->chain = names(chain);
    return made;
}

static struct http_service *balancer(const char *name, const char *urls)
{
    struct http_service *made = model_add_service(model, slice_cstr(name), SLICE("file"));
    struct list texts = names(urls);
    struct server_config *servers = pool_zalloc(model->pool, (texts.count + 1) * sizeof(*servers));

    for (size_t i = 0; i < texts.count; i++) {
        servers[i].url = ((struct slice *)texts.items)[i];
    }
    made->config.load_balancer = pool_zalloc(model->pool, sizeof(struct load_balancer));
    made->config.load_balancer->servers = (struct list){servers, texts.count};
    return made;
}

static struct http_service *weighted(const char *name, const char *children)
{
    struct http_service *made = model_add_service(model, slice_cstr(name), SLICE("file"));
    struct list texts = names(children);
    struct weighted_service *items = pool_zalloc(model->pool, (texts.count + 1) * sizeof(*items));

    for (size_t i = 0; i < texts.count; i++) {
        items[i].name = ((struct slice *)texts.items)[i];
        items[i].weight = (struct opt_int){.set = true, .value = (int64_t)(texts.count - i)};
    }
    made->config.weighted = pool_zalloc(model->pool, sizeof(struct weighted));
    made->config.weighted->services = (struct list){items, texts.count};
    return made;
}

static struct http_middleware *prefix(const char *name)
{
    struct http_middleware *made = model_add_middleware(model, slice_cstr(name), SLICE("file"));

    made->config.add_prefix = pool_zalloc(model->pool, sizeof(struct add_prefix));
    made->config.add_prefix->prefix = SLICE("/p");
    return made;
}

/* ---- compiling it ---- */

static struct compiled compile_with(struct board *board, uint64_t generation)
{
    struct compiled compiled;
    struct error why = {""};

    model_sort(model);
    assert_int_equal(compile_model(&config, model, board, generation, NULL, NULL, &compiled, &why), 0);
    assert_int_equal(compile_static(&config, &compiled.pages[PAGE_STATIC], &why), 0);
    return compiled;
}

/* Also shows that the pages fit together. */
static struct generation *adopt(struct compiled *compiled)
{
    struct page *pages[PAGE_PLACES];
    struct generation *generation;
    struct error why = {""};
    size_t count = compiled->count;

    for (size_t i = 0; i < count; i++) {
        int fd;

        assert_int_equal(page_seal(compiled->pages[i], i + 1, &fd, &why), 0);
        assert_int_equal(page_adopt(fd, page_kind_at(i), &pages[i], &why), 0);
        close(fd);
    }
    compiled_free(compiled);
    if (generation_new(1, pages, count, NULL, &generation, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return generation;
}

static struct generation *compile_now(void)
{
    struct compiled compiled = compile_with(NULL, 1);

    return adopt(&compiled);
}

static const struct service *service_at(struct generation *generation, const char *name)
{
    const struct page *page;

    for (uint32_t i = 0; i < generation->services.count; i++) {
        const struct service *service = services_at(&generation->services, i, &page);

        if (slice_eq(page_text(page, service->name), slice_cstr(name))) {
            return service;
        }
    }
    return NULL;
}

static const struct route *route_at(struct generation *generation, const char *name)
{
    const struct page *page = generation->pages[PAGE_ROUTES];

    for (uint32_t i = 0; i < routes_count(page); i++) {
        if (slice_eq(page_text(page, routes_at(page, i)->name), slice_cstr(name))) {
            return routes_at(page, i);
        }
    }
    return NULL;
}

static const struct server *server_at(struct generation *generation, const char *service, size_t i)
{
    const struct service *row = service_at(generation, service);

    assert_non_null(row);
    assert_true(i < row->servers.count);
    return (const struct server *)page_at(generation->pages[PAGE_SERVICES], row->servers.items) + i;
}

static bool has_error(const struct element *element, const char *part)
{
    for (size_t i = 0; i < element->errors.count; i++) {
        if (slice_find_slice(((const struct slice *)element->errors.items)[i], slice_cstr(part)) >= 0) {
            return true;
        }
    }
    return false;
}

/* ---- the tests ---- */

static void only_what_is_used_gets_in_sorted_by_name(void **state)
{
    struct generation *generation;

    (void)state;
    router("r2@file", "s2@file", "m2@file m1@file");
    router("r1@file", "s1", "");
    router("broken@file", "s9@file", "m9@file")->element.status = ELEMENT_DISABLED;
    balancer("s2@file", "http://10.0.0.2:8000");
    balancer("s1@file", "http://10.0.0.1");
    balancer("s9@file", "http://10.0.0.9");
    prefix("m2@file");
    prefix("m1@file");
    prefix("m9@file");
    generation = compile_now();
    assert_int_equal(routes_count(generation->pages[PAGE_ROUTES]), 2);
    assert_int_equal(generation->services.count, 2);
    assert_int_equal(middlewares_count(generation->pages[PAGE_MIDDLEWARES]), 2);
    const struct route *r1 = route_at(generation, "r1@file"), *r2 = route_at(generation, "r2@file");

    assert_int_equal(r1->service, 0);
    assert_int_equal(r2->service, 1);
    assert_int_equal(r1->middlewares.count, 0);
    assert_int_equal(r2->middlewares.count, 2);
    const uint32_t *chain = page_at(generation->pages[PAGE_ROUTES], r2->middlewares.items);

    assert_int_equal(chain[0], 1); /* in the order of the chain, numbered by name */
    assert_int_equal(chain[1], 0);
    const struct server *server = server_at(generation, "s2@file", 0);
    const struct server_address *address = page_at(generation->pages[PAGE_SERVICES], server->addresses.items);

    assert_int_equal(server->addresses.count, 1);
    assert_int_equal(address->address.port, 8000);
    assert_int_equal(address->address.bytes[3], 2);
    assert_int_equal(service_at(generation, "s1@file")->pass_host_header, true);
    assert_int_equal(service_at(generation, "s1@file")->sequence.count, 1);
    generation_unref(generation);
}

static void pages_that_do_not_fit_together_are_refused(void **state)
{
    static const struct {
        enum page_kind from_smaller;
        const char *want;
    } cases[] = {
        {PAGE_SERVICES, "generation 5: route 1 names service 1 of 1"},
        {PAGE_MIDDLEWARES, "generation 5: route 1 names middleware 0 of 0"},
    };
    struct generation *smaller, *larger, *mixed = NULL;
    struct error why = {""};

    (void)state;
    router("r1@file", "s1@file", "");
    balancer("s1@file", "http://10.0.0.1");
    smaller = compile_now();
    router("r2@file", "s2@file", "m@file")->priority = -1;
    balancer("s2@file", "http://10.0.0.2");
    prefix("m@file");
    larger = compile_now();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page *pages[PAGE_KINDS];

        assert_int_equal(larger->page_count, PAGE_KINDS);
        memcpy(pages, larger->pages, sizeof(pages));
        pages[cases[i].from_smaller] = smaller->pages[cases[i].from_smaller];
        assert_true(generation_new(5, pages, PAGE_KINDS, i ? larger : NULL, &mixed, &why) < 0);
        assert_string_equal(why.text, cases[i].want);
        pages[PAGE_STATIC] = NULL;
        assert_true(generation_new(5, pages, PAGE_KINDS, i ? larger : NULL, &mixed, &why) < 0);
        assert_null(mixed);
    }
    assert_ptr_equal(generation_ref(larger), larger);
    generation_unref(larger);
    assert_int_equal(routes_count(larger->pages[PAGE_ROUTES]), 2); /* still there */
    generation_unref(larger);
    generation_unref(smaller);
    generation_unref(NULL);
}

static void one_endpoint_is_one_of_many_pages(void **state)
{
    struct compiled before, after;
    size_t changed = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct slice name = pool_printf(model->pool, "s%03d@file%c", i, 0), route;

        route = pool_printf(model->pool, "r%03d@file%c", i, 0);
        router(route.ptr, name.ptr, "");
        balancer(name.ptr, "http://10.0.0.1");
    }
    before = compile_with(NULL, 1);
    assert_int_equal(before.count, PAGE_SERVICES + 4);
    model_find_service(model, SLICE("s200@file"))->config.load_balancer->servers =
        balancer("other@file", "http://10.0.0.2")->config.load_balancer->servers;
    after = compile_with(NULL, 2);
    assert_int_equal(after.count, before.count);
    for (size_t i = 0; i < after.count; i++) {
        changed += builder_hash(before.pages[i]) != builder_hash(after.pages[i]);
    }
    assert_int_equal(changed, 1);
    compiled_free(&before);
    generation_unref(adopt(&after)); /* children and routes find what they name across pages */
}

static struct list servers_of(const char *urls)
{
    static unsigned made;
    struct slice name = pool_printf(model->pool, "made%u@file", made++);

    return balancer(name.ptr, urls)->config.load_balancer->servers;
}

/* New servers alone make the very pages that compiling the changed model makes, and no other. */
static void new_servers_make_the_same_pages(void **state)
{
    struct compiled before, part, whole;
    struct list more, none;
    uint32_t position;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct slice name = pool_printf(model->pool, "s%03d@file%c", i, 0);

        router(pool_printf(model->pool, "r%03d@file%c", i, 0).ptr, name.ptr, "");
        balancer(name.ptr, "http://10.0.0.1");
    }
    weighted("w@file", "s001@file s200@file");
    router("rw@file", "w@file", "");
    more = servers_of("http://10.0.0.1 http://10.0.0.2:81");
    none = servers_of("");
    before = compile_with(NULL, 1);
    for (position = 0; !slice_eq(model->services[position]->element.name, SLICE("s200@file"));) {
        position++;
    }
    for (int i = 0; i < 2; i++) {
        struct servers_change change = {.position = position, .servers = i ? none : more};
        size_t made = 0;

        assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), 0);
        model->services[position]->config.load_balancer->servers = change.servers;
        whole = compile_with(NULL, 2);
        assert_int_equal(part.count, whole.count);
        for (size_t k = 0; k < part.count; k++) {
            if (part.pages[k]) {
                made++;
                assert_int_equal(builder_hash(part.pages[k]), builder_hash(whole.pages[k]));
            } else {
                assert_int_equal(builder_hash(before.pages[k]), builder_hash(whole.pages[k]));
            }
        }
        assert_int_equal(made, 1);
        compiled_free(&part);
        compiled_free(&whole);
    }
    compiled_free(&before);
}

static void servers_that_are_wrong_need_the_whole(void **state)
{
    struct compiled before, part;
    struct servers_change change = {.position = 0};

    (void)state;
    router("r@file", "s@file", "");
    balancer("s@file", "http://10.0.0.1");
    change.servers = servers_of("ftp://10.0.0.1");
    before = compile_with(NULL, 1);
    while (!slice_eq(model->services[change.position]->element.name, SLICE("s@file"))) {
        change.position++;
    }
    assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), -EAGAIN);
    compiled_free(&before);
}

/* The system's authorities are on the page only while some server is of https. */
static void the_first_server_of_https_needs_the_whole(void **state)
{
    struct servers_change change = {.position = 0};
    struct compiled before, part;
    struct http_service *service;

    (void)state;
    router("r@file", "s@file", "");
    service = balancer("s@file", "http://10.0.0.1");
    change.servers = servers_of("https://10.0.0.2");
    before = compile_with(NULL, 1);
    while (model->services[change.position] != service) {
        change.position++;
    }
    assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), -EAGAIN);
    compiled_free(&before);
    service->config.load_balancer->servers = servers_of("https://10.0.0.1");
    before = compile_with(NULL, 1);
    assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), 0);
    compiled_free(&part);
    compiled_free(&before);
}

static void the_same_model_gives_the_same_pages(void **state)
{
    struct compiled first, again, changed;
    struct load_balancer *servers;

    (void)state;
    router("r@file", "s@file", "m@file");
    servers = balancer("s@file", "http://10.0.0.1 http://10.0.0.2")->config.load_balancer;
    prefix("m@file");
    first = compile_with(NULL, 1);
    again = compile_with(NULL, 2);
    for (size_t i = 0; i < first.count; i++) {
        assert_int_equal(builder_hash(first.pages[i]), builder_hash(again.pages[i]));
    }
    ((struct server_config *)servers->servers.items)[1].url = SLICE("http://10.0.0.3");
    changed = compile_with(NULL, 3); /* one endpoint: one page */
    for (size_t i = 0; i < first.count; i++) {
        bool same = builder_hash(first.pages[i]) == builder_hash(changed.pages[i]);

        assert_int_equal(same, i != PAGE_SERVICES);
    }
    compiled_free(&first);
    compiled_free(&again);
    compiled_free(&changed);
}

static void servers_that_cannot_be_served_are_left_out_and_named_once(void **state)
{
    struct http_service *service;
    struct generation *generation;

    (void)state;
    router("r@file", "s@file", "");
    service = balancer(
        "s@file",
        "https://10.0.0.1 http://10.0.0.2 ftp://10.0.0.3 10.0.0.4 http://u:secret@10.0.0.5/x h2c://10.0.0.6 "
        "http://u:secret@[bad");
    generation = compile_now();
    generation_unref(generation);
    generation = compile_now();
    assert_int_equal(service_at(generation, "s@file")->servers.count, 4);
    assert_true(server_at(generation, "s@file", 3)->h2c && !server_at(generation, "s@file", 1)->h2c);
    assert_true(server_at(generation, "s@file", 0)->tls && !server_at(generation, "s@file", 1)->tls);
    assert_int_equal(service->element.status, ELEMENT_WARNING);
    assert_true(has_error(&service->element, "scheme ftp"));
    assert_true(has_error(&service->element, "10.0.0.4 is left out"));
    assert_true(has_error(&service->element, "user information in its URL has no effect"));
    assert_false(has_error(&service->element, "secret"));
    assert_int_equal(service->element.errors.count, 4);
    assert_true(
        slice_eq(page_text(generation->pages[PAGE_SERVICES], server_at(generation, "s@file", 2)->host),
                 SLICE("10.0.0.5")));
    generation_unref(generation);
}

static void what_resolve_let_through_is_never_served_in_part(void **state)
{
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"no-service@file", "service gone@file does not exist"},
        {"no-middleware@file", "middleware gone@file does not exist"},
        {"bad-middleware@file", "middleware bad@file has errors"},
        {"no-entry-point@file", "it is served on no entry point"},
        {"no-kind@file", "service kindless@file cannot be served"},
        {"bad-service@file", "service bad@file cannot be served"},
    };
    struct generation *generation;

    (void)state;
    router("good@file", "s@file", "m@file");
    router("no-service@file", "gone@file", "");
    router("no-middleware@file", "s@file", "m@file gone@file");
    router("bad-middleware@file", "s@file", "bad@file");
    router("no-entry-point@file", "s@file", "")->entry_points = names("other");
    router("no-kind@file", "kindless@file", "");
    router("bad-service@file", "bad@file", "");
    balancer("s@file", "http://10.0.0.1");
    balancer("bad@file", "http://10.0.0.1")->element.status = ELEMENT_DISABLED;
    model_add_service(model, SLICE("kindless@file"), SLICE("file"));
    prefix("m@file");
    prefix("bad@file")->element.status = ELEMENT_DISABLED;
    generation = compile_now();
    assert_int_equal(routes_count(generation->pages[PAGE_ROUTES]), 1);
    assert_non_null(route_at(generation, "good@file"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_router *bad = model_find_router(model, slice_cstr(cases[i].name));

        print_message("case %zu: %s\n", i, cases[i].name);
        assert_int_equal(bad->element.status, ELEMENT_DISABLED);
        assert_true(has_error(&bad->element, cases[i].want));
    }
    generation_unref(generation);
}

static void weighted_services_nest_and_never_circle(void **state)
{
    struct generation *generation;

    (void)state;
    router("r@file", "outer@file", "");
    weighted("outer@file", "inner@file s1@file gone@file");
    weighted("inner@file", "s2 outer@file s1@file");
    balancer("s1@file", "http://10.0.0.1");
    balancer("s2@file", "http://10.0.0.2");
    generation = compile_now(); /* generation_new() refuses circles */
    const struct service *outer = service_at(generation, "outer@file"),
                         *inner = service_at(generation, "inner@file");
    const struct page *page = generation->pages[PAGE_SERVICES];
    const struct service_child *children = page_at(page, outer->children.items);

    assert_int_equal(outer->kind, SERVICE_WEIGHTED);
    assert_int_equal(outer->children.count, 2);
    assert_int_equal(children[0].weight, 3);
    assert_ptr_equal(services_at(&generation->services, children[0].service, &page), inner);
    assert_int_equal(outer->sequence.count, 5);
    assert_int_equal(inner->children.count, 2);
    assert_true(
        has_error(&model_find_service(model, SLICE("outer@file"))->element, "gone@file cannot be used"));
    assert_true(
        has_error(&model_find_service(model, SLICE("inner@file"))->element, "outer@file cannot be used"));
    generation_unref(generation);
}

static void chains_are_replaced_by_their_members_and_services_add_theirs(void **state)
{
    static const char *const want[] = {"a@file", "b@file", "c@file", "a@file"};
    struct http_middleware *chain;
    struct generation *generation;

    (void)state;
    router("r@file", "s@file", "a@file");
    balancer("s@file", "http://10.0.0.1")->config.middlewares = names("chain a");
    chain = model_add_middleware(model, SLICE("chain@file"), SLICE("file"));
    chain->config.chain = pool_zalloc(model->pool, sizeof(struct chain));
    chain->config.chain->middlewares = names("b c@file");
    prefix("a@file");
    prefix("b@file");
    prefix("c@file");
    generation = compile_now();
    const struct route *route = route_at(generation, "r@file");
    const uint32_t *numbers = page_at(generation->pages[PAGE_ROUTES], route->middlewares.items);

    assert_int_equal(route->middlewares.count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct page *page = generation->pages[PAGE_MIDDLEWARES];

        assert_true(slice_eq(page_text(page, middlewares_at(page, numbers[i])->name), slice_cstr(want[i])));
    }
    generation_unref(generation);
}

static void transports_and_their_defaults(void **state)
{
    struct forwarding_timeouts timeouts = {
        .dial_timeout = 5, .response_header_timeout = 6, .idle_conn_timeout = 7, .send_timeout = 8};
    struct servers_transport *slow;
    struct http_service *service;
    struct generation *generation;

    (void)state;
    config.servers_transport.max_idle_conns_per_host = 9;
    router("r1@file", "s1@file", "");
    router("r2@file", "s2@file", "");
    router("r3@file", "s3@file", "");
    balancer("s1@file", "http://10.0.0.1");
    balancer("s2@file", "http://10.0.0.1")->config.load_balancer->servers_transport = SLICE("slow");
    service = balancer("s3@file", "http://10.0.0.1");
    service->config.load_balancer->servers_transport = SLICE("gone@file");
    slow = model_add_transport(model, SLICE("slow@file"), SLICE("file"));
    slow->config.forwarding_timeouts = &timeouts;
    model_add_transport(model, SLICE("unused@file"), SLICE("file"));
    generation = compile_now();
    const struct page *page = generation->pages[PAGE_TRANSPORTS];
    const struct transport *first = transports_at(page, 0), *second = transports_at(page, 1);

    assert_null(transports_at(page, 2));
    assert_int_equal(first->max_idle_conns_per_host, 9);
    assert_int_equal(first->dial_timeout, 30000000000);
    assert_int_equal(first->idle_conn_timeout, 90000000000);
    assert_true(slice_eq(page_text(page, second->name), SLICE("slow@file")));
    assert_int_equal(second->max_idle_conns_per_host, 200);
    assert_int_equal(second->dial_timeout, 5);
    assert_int_equal(second->response_header_timeout, 6);
    assert_int_equal(second->idle_conn_timeout, 7);
    assert_int_equal(first->send_timeout, 60000000000);
    assert_int_equal(second->send_timeout, 8);
    assert_int_equal(service_at(generation, "s1@file")->transport, 0);
    assert_int_equal(service_at(generation, "s2@file")->transport, 1);
    assert_int_not_equal(server_at(generation, "s1@file", 0)->identity,
                         server_at(generation, "s2@file", 0)->identity);
    assert_int_equal(service_at(generation, "s3@file")->servers.count, 0);
    assert_true(has_error(&service->element, "serversTransport gone@file does not exist"));
    generation_unref(generation);
}

static void internal_services(void **state)
{
    struct generation *generation;

    (void)state;
    router("ping@internal", "ping@internal", "")->element.provider = SLICE("internal");
    router("noop@file", "noop@internal", "");
    router("api@file", "api@internal", "");
    model_add_service(model, SLICE("ping@internal"), SLICE("internal"));
    model_add_service(model, SLICE("noop@internal"), SLICE("internal"));
    model_add_service(model, SLICE("api@internal"), SLICE("internal"));
    generation = compile_now();
    assert_int_equal(service_at(generation, "ping@internal")->internal, INTERNAL_PING);
    assert_int_equal(service_at(generation, "noop@internal")->internal, INTERNAL_NOOP);
    assert_int_equal(service_at(generation, "noop@internal")->kind, SERVICE_INTERNAL);
    assert_null(service_at(generation, "api@internal"));
    assert_null(route_at(generation, "api@file"));
    assert_true(route_at(generation, "ping@internal")->flags & ROUTE_INTERNAL);
    assert_false(route_at(generation, "noop@file")->flags & ROUTE_INTERNAL);
    generation_unref(generation);
}

static void refused_characters_belong_to_the_entry_point(void **state)
{
    struct generation *generation;
    uint32_t seen = 0;

    (void)state;
    points[2].http.encoded_characters.allow_encoded_slash = false;
    points[2].http.encoded_characters.allow_encoded_hash = false;
    router("both@file", "s@file", "")->entry_points = names("websecure web traefik");
    balancer("s@file", "http://10.0.0.1");
    generation = compile_now();
    const struct page *page = generation->pages[PAGE_ROUTES];

    assert_int_equal(routes_count(page), 2); /* one for web and traefik, one for websecure */
    for (uint32_t i = 0; i < 2; i++) {
        seen |= 1u << (routes_at(page, i)->flags >> ROUTE_DENY_ENCODED_SHIFT == (1u | 1u << 6));
        seen |= 4u << (routes_at(page, i)->flags >> ROUTE_DENY_ENCODED_SHIFT == 0);
    }
    assert_int_equal(seen, 1 | 2 | 4 | 8);
    generation_unref(generation);
}

static void tickets_and_health_stay_over_generations(void **state)
{
    struct load_balancer *servers;
    struct board *board;
    struct compiled compiled;
    struct generation *before, *after;
    struct health_check check = {0};
    struct error why;
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &board, &why), 0);
    close(fd);
    router("r@file", "s@file", "");
    router("r1@file", "one@file", "");
    balancer("one@file", "http://10.0.0.9");
    servers = balancer("s@file", "http://10.0.0.1 http://10.0.0.2")->config.load_balancer;
    servers->health_check = &check;
    compiled = compile_with(board, 1);
    before = adopt(&compiled);
    struct board_ref ticket = service_at(before, "s@file")->ticket,
                     health = server_at(before, "s@file", 1)->health;

    assert_int_equal(service_at(before, "one@file")->ticket.slot,
                     0); /* nothing to choose, nothing to remember */
    assert_int_equal(server_at(before, "one@file", 0)->health.slot, 0);
    atomic_store(board_at(board, ticket), 12);
    atomic_store(board_at(board, health), 1);
    ((struct server_config *)servers->servers.items)[0].url = SLICE("http://10.0.0.7");
    router("a-new-one@file", "s@file", "");
    compiled = compile_with(board, 2);
    after = adopt(&compiled);
    board_sweep(board, 2);
    assert_memory_equal(&service_at(after, "s@file")->ticket, &ticket, sizeof(ticket));
    assert_memory_equal(&server_at(after, "s@file", 1)->health, &health, sizeof(health));
    assert_int_equal(atomic_load(board_at(board, ticket)), 12);
    assert_int_equal(atomic_load(board_at(board, health)), 1);
    assert_null(board_at(board, server_at(before, "s@file", 0)->health)); /* of the server that is gone */
    assert_int_equal(atomic_load(board_at(board, server_at(after, "s@file", 0)->health)), 0);
    generation_unref(before);
    generation_unref(after);
    board_unmap(board);
}

/* Who has the identity of a server gets the connections that are kept to it: no URL can be made for that of another's. */
static void identities_of_servers_are_the_trees_own(void **state)
{
    uint64_t seen[3];
    struct board *board = NULL;

    (void)state;
    router("r@file", "s@file", "");
    (void)balancer("s@file", "http://10.0.0.1 http://10.0.0.2");
    for (size_t i = 0; i < 3; i++) {
        struct compiled compiled;
        struct generation *made;
        struct error why;
        int fd;

        if (i != 1) { /* the second compile has the board of the first */
            assert_int_equal(board_create(&fd, &why), 0);
            assert_int_equal(board_map(fd, &board, &why), 0);
            close(fd);
        }
        compiled = compile_with(board, i + 1);
        made = adopt(&compiled);
        seen[i] = server_at(made, "s@file", 0)->identity;
        assert_int_not_equal(seen[i], server_at(made, "s@file", 1)->identity);
        generation_unref(made);
        if (i != 0) {
            board_unmap(board);
        }
    }
    assert_int_equal(seen[0], seen[1]);
    assert_int_not_equal(seen[0], seen[2]);
}

static void the_static_page(void **state)
{
    struct slice trusted[] = {SLICE("10.0.0.0/8"), SLICE("::1")};
    struct trusted_peers peers = {.trusted_ips = {trusted, 2}};
    struct log_config log = {.level = SLICE("DEBUG"), .format = SLICE("json")};
    struct address inside = {.family = 4, .bytes = {10, 1, 2, 3}}, outside = {.family = 4, .bytes = {11}};
    struct page_builder *builder;
    struct error why = {""};
    struct compiled compiled;
    struct generation *generation;

    (void)state;
    points[1].forwarded_headers.trusted_ips = (struct list){trusted, 2};
    points[2].proxy_protocol = &peers;
    config.log = &log;
    compiled = compile_with(NULL, 1);
    generation = adopt(&compiled);
    const struct page *page = generation->pages[PAGE_STATIC];

    assert_int_equal(entry_points_count(page), 3);
    assert_int_equal(entry_points_at(page, 0)->port, 8080);
    assert_true(entry_points_at(page, 0)->internal);
    assert_false(entry_points_at(page, 1)->internal);
    assert_int_equal(entry_points_at(page, 1)->trusted.count, 2);
    assert_int_equal(entry_points_at(page, 2)->port, 443);
    assert_false(entry_points_at(page, 1)->proxy_protocol);
    assert_true(entry_points_at(page, 2)->proxy_protocol);
    assert_false(entry_points_at(page, 2)->proxy_insecure);
    assert_true(ranges_hold(page_text(page, entry_points_at(page, 2)->proxies), &inside));
    assert_false(ranges_hold(page_text(page, entry_points_at(page, 2)->proxies), &outside));
    generation_unref(generation);
    trusted[1] = SLICE("nonsense");
    assert_true(compile_static(&config, &builder, &why) < 0);
    assert_string_equal(
        why.text, "entryPoints.web.forwardedHeaders.trustedIPs: \"nonsense\" is no IP address or range");
    points[1].forwarded_headers.trusted_ips = (struct list){NULL, 0};
    assert_true(compile_static(&config, &builder, &why) < 0);
    assert_string_equal(
        why.text, "entryPoints.websecure.proxyProtocol.trustedIPs: \"nonsense\" is no IP address or range");
    points[2].proxy_protocol = NULL;
    points[2].address = SLICE("443");
    assert_true(compile_static(&config, &builder, &why) < 0);
    assert_string_equal(why.text, "entryPoints.websecure.address: \"443\" has no port");
}

static void localhost_needs_no_name_server(void **state)
{
    struct compiled compiled;
    struct generation *generation;
    struct error why = {""};

    (void)state;
    router("r@file", "s@file", "");
    balancer("s@file", "http://LocalHost:8000");
    model_sort(model);
    assert_int_equal(compile_model_resolved(&config, model, 1000, &compiled, &why), 0);
    assert_int_equal(compile_static(&config, &compiled.pages[PAGE_STATIC], &why), 0);
    generation = adopt(&compiled);
    const struct server *server = server_at(generation, "s@file", 0);
    const struct server_address *addresses =
        page_at(generation->pages[PAGE_SERVICES], server->addresses.items);

    assert_int_equal(server->addresses.count, 2);
    assert_int_equal(addresses[0].address.bytes[0], 127);
    assert_int_equal(addresses[0].address.port, 8000);
    assert_int_equal(addresses[1].address.family, 6);
    generation_unref(generation);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_used_gets_in_sorted_by_name),
        TEST(pages_that_do_not_fit_together_are_refused),
        TEST(one_endpoint_is_one_of_many_pages),
        TEST(new_servers_make_the_same_pages),
        TEST(servers_that_are_wrong_need_the_whole),
        TEST(the_first_server_of_https_needs_the_whole),
        TEST(the_same_model_gives_the_same_pages),
        TEST(servers_that_cannot_be_served_are_left_out_and_named_once),
        TEST(what_resolve_let_through_is_never_served_in_part),
        TEST(weighted_services_nest_and_never_circle),
        TEST(chains_are_replaced_by_their_members_and_services_add_theirs),
        TEST(transports_and_their_defaults),
        TEST(internal_services),
        TEST(refused_characters_belong_to_the_entry_point),
        TEST(tickets_and_health_stay_over_generations),
        TEST(identities_of_servers_are_the_trees_own),
        TEST(the_static_page),
        TEST(localhost_needs_no_name_server),
    };

    return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
