/* test_compile.c - a resolved model in pages: what gets in, by which number, what is told. Servers: test_compile_servers.c. */
#include <stdio.h>
#include <stdlib.h>

#include "common/net/ranges.h"
#include "shm/middlewares.h"
#include "shm/transports.h"
#include "tests/unit/compile_helper.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_used_gets_in_sorted_by_name),
        TEST(pages_that_do_not_fit_together_are_refused),
        TEST(the_same_model_gives_the_same_pages),
        TEST(what_resolve_let_through_is_never_served_in_part),
        TEST(weighted_services_nest_and_never_circle),
        TEST(chains_are_replaced_by_their_members_and_services_add_theirs),
        TEST(transports_and_their_defaults),
        TEST(internal_services),
        TEST(refused_characters_belong_to_the_entry_point),
        TEST(the_static_page),
    };

    return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
