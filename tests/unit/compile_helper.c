/*
 * compile_helper.c - see compile_helper.h.
 */
#include "tests/unit/compile_helper.h"

#include <unistd.h>

#include "common/rule/rule.h"

static struct slice point_names[] = {SLICE_INIT("traefik"), SLICE_INIT("web"), SLICE_INIT("websecure")};
struct entry_point points[3];
struct static_config config;

struct model *model;

int compile_set_up(void **state)
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

int compile_tear_down(void **state)
{
    (void)state;
    model_free(model);
    return 0;
}

struct list names(const char *text) /* "a b" */
{
    struct slice rest = slice_cstr(text), *items = pool_alloc(model->pool, 16 * sizeof(*items));
    size_t count = 0;

    while (rest.ptr && rest.len) {
        items[count++] = slice_split(&rest, ' ');
    }
    return (struct list){items, count};
}

struct http_router *router(const char *name, const char *service, const char *chain)
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

struct http_service *balancer(const char *name, const char *urls)
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

struct http_service *weighted(const char *name, const char *children)
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

struct http_middleware *prefix(const char *name)
{
    struct http_middleware *made = model_add_middleware(model, slice_cstr(name), SLICE("file"));

    made->config.add_prefix = pool_zalloc(model->pool, sizeof(struct add_prefix));
    made->config.add_prefix->prefix = SLICE("/p");
    return made;
}

struct compiled compile_with(struct board *board, uint64_t generation)
{
    struct compiled compiled;
    struct error why = {""};

    model_sort(model);
    assert_int_equal(compile_model(&config, model, board, generation, NULL, NULL, &compiled, &why), 0);
    assert_int_equal(compile_static(&config, &compiled.pages[PAGE_STATIC], &why), 0);
    return compiled;
}

/* Also shows that the pages fit together. */
struct generation *adopt(struct compiled *compiled)
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

struct generation *compile_now(void)
{
    struct compiled compiled = compile_with(NULL, 1);

    return adopt(&compiled);
}

const struct service *service_at(struct generation *generation, const char *name)
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

const struct route *route_at(struct generation *generation, const char *name)
{
    const struct page *page = generation->pages[PAGE_ROUTES];

    for (uint32_t i = 0; i < routes_count(page); i++) {
        if (slice_eq(page_text(page, routes_at(page, i)->name), slice_cstr(name))) {
            return routes_at(page, i);
        }
    }
    return NULL;
}

const struct server *server_at(struct generation *generation, const char *service, size_t i)
{
    const struct service *row = service_at(generation, service);

    assert_non_null(row);
    assert_true(i < row->servers.count);
    return (const struct server *)page_at(generation->pages[PAGE_SERVICES], row->servers.items) + i;
}

bool has_error(const struct element *element, const char *part)
{
    for (size_t i = 0; i < element->errors.count; i++) {
        if (slice_find_slice(((const struct slice *)element->errors.items)[i], slice_cstr(part)) >= 0) {
            return true;
        }
    }
    return false;
}
