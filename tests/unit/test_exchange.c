/* test_exchange.c - a whole exchange in one process, no socket: a fake codec asks, routing, chain and own answers are real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/http/path.h"
#include "master/resolve/prepare.h"
#include "shm/secrets.h"
#include "shm/tls_options.h"
#include "shm/middlewares.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/static_page.h"
#include "shm/tcp_page.h"
#include "shm/transports.h"
#include "shm/udp_page.h"
#include "tests/unit/sealed_page.h"
#include "worker/codec.h"
#include "worker/listener.h"
#include "worker/upstream.h"
#include "worker/worker.h"

static struct worker worker;
static struct entry_options options;
static struct pool *pool;

/* ---- the fake codec: notes what it is given ---- */
static struct {
    unsigned status;
    struct text body;
    char location[128], added[128], type[64];
    int heads, ends, aborts;
} got;

static void note_header(const struct exchange *ex, const char *name, char *to, size_t size)
{
    const struct header *item = headers_find(&ex->response.headers, slice_cstr(name));

    to[0] = '\0';
    if (item) {
        slice_to_cstr(item->value, to, size);
    }
}

static void fake_head(struct exchange *ex)
{
    got.heads++;
    got.status = ex->response.status;
    note_header(ex, "Location", got.location, sizeof(got.location));
    note_header(ex, "X-Added", got.added, sizeof(got.added));
    note_header(ex, "Content-Type", got.type, sizeof(got.type));
}

static bool fake_body(struct exchange *ex, struct slice data)
{
    (void)ex;
    text_add(&got.body, data);
    return true;
}

static void fake_finish(struct exchange *ex, const struct headers *trailers)
{
    (void)trailers;
    got.ends++;
    exchange_end(ex);
}

static void fake_abort(struct exchange *ex)
{
    got.aborts++;
    exchange_end(ex);
}

static void fake_nothing(struct exchange *ex)
{
    (void)ex;
}

static const struct codec fake = {
    .name = "fake",
    .send_head = fake_head,
    .send_body = fake_body,
    .finish = fake_finish,
    .flush = fake_nothing,
    .resume = fake_nothing,
    .abort = fake_abort,
};

/* ---- one generation for all tests ---- */
static struct page *static_page(void)
{
    struct page_builder *builder = builder_new(PAGE_STATIC);
    static struct entry_point config;
    struct entry_point_input row = {.name = SLICE("web"), .config = &config, .port = 80};

    schema_defaults(&entry_point_schema, pool, &config);
    static_page_build(builder, &row, 1,
                      &(struct static_root){.host_name = SLICE("router-1"), .stopping_status = 418});
    return sealed_page(builder, PAGE_STATIC);
}

static struct page *middlewares_page(void)
{
    struct page_builder *builder = builder_new(PAGE_MIDDLEWARES);
    static struct string_pair added = {SLICE_INIT("X-Added"), SLICE_INIT("by the chain")};
    struct prepared_headers headers = {.custom_response =
                                           prepare_fields(pool, &(struct string_map){&added, 1}, false)};
    static struct redirect_scheme redirect;
    struct middleware_input rows[] = {
        {.name = SLICE("headers"), .kind = MIDDLEWARE_set_headers, .params = &headers},
        {.name = SLICE("redirect"), .kind = MIDDLEWARE_redirect_scheme, .params = &redirect},
    };

    schema_defaults(&redirect_scheme_schema, pool, &redirect);
    redirect.scheme = SLICE("https");
    middlewares_build(builder, rows, ARRAY_LEN(rows));
    return sealed_page(builder, PAGE_MIDDLEWARES);
}

static struct page *services_page(void)
{
    struct page_builder *builder = builder_new(PAGE_SERVICES);
    struct service rows[] = {
        {.name = SLICE("empty")},
        {.name = SLICE("ping@internal"), .kind = SERVICE_INTERNAL, .internal = INTERNAL_PING},
        {.name = SLICE("noop@internal"), .kind = SERVICE_INTERNAL, .internal = INTERNAL_NOOP},
    };

    services_build(builder, 0, services_shift(0, 0), 1, rows, ARRAY_LEN(rows));
    return sealed_page(builder, PAGE_SERVICES);
}

static struct page *udp_page(void)
{
    struct page_builder *builder = builder_new(PAGE_UDP);

    udp_page_build(builder, NULL, 0, NULL, 0);
    return sealed_page(builder, PAGE_UDP);
}

static struct page *tls_page(void)
{
    struct page_builder *builder = builder_new(PAGE_TLS);

    tls_options_build(builder, &(struct tls_options_input){.fallback = TLS_OPTIONS_BROKEN});
    return sealed_page(builder, PAGE_TLS);
}

static struct page *secrets_page(void)
{
    struct page_builder *builder = builder_new(PAGE_SECRETS);

    secrets_build(
        builder, &(struct secrets_input){.fallback = {CERTIFICATE_NONE, CERTIFICATE_NONE, CERTIFICATE_NONE}});
    return sealed_page(builder, PAGE_SECRETS);
}

static struct page *certificates_page(void)
{
    struct page_builder *builder = builder_new(PAGE_CERTIFICATES);

    certificates_build(builder, &(struct certificates_input){.row_count = 0});
    return sealed_page(builder, PAGE_CERTIFICATES);
}

static struct page *tcp_routes_page(void)
{
    struct page_builder *builder = builder_new(PAGE_TCP_ROUTES);

    routes_build(builder, NULL, 0);
    return sealed_page(builder, PAGE_TCP_ROUTES);
}

static struct page *tcp_page(void)
{
    struct page_builder *builder = builder_new(PAGE_TCP);

    tcp_page_build(builder, &(struct tcp_page_input){.first_service = 0});
    return sealed_page(builder, PAGE_TCP);
}

static struct page *transports_page(void)
{
    struct page_builder *builder = builder_new(PAGE_TRANSPORTS);
    struct transport transport = {.name = SLICE("default")};

    transports_build(builder, &transport, 1, NULL);
    return sealed_page(builder, PAGE_TRANSPORTS);
}

static struct rule *rule(const char *text)
{
    struct rule *out = NULL;
    struct error why;

    assert_int_equal(rule_parse(pool, slice_cstr(text), RULE_V3, &out, &why), 0);
    return out;
}

static struct page *routes_page(void)
{
    struct page_builder *builder = builder_new(PAGE_ROUTES);
    static const uint32_t web[] = {0}, both[] = {0, 1}, first[] = {0};
    struct route_input rows[] = {
        {.name = SLICE("empty"),
         .rule = rule("Path(`/empty`)"),
         .service = 0,
         .middlewares = first,
         .middleware_count = 1},
        {.name = SLICE("ping"), .rule = rule("Path(`/ping`)"), .service = 1},
        {.name = SLICE("noop"), .rule = rule("Path(`/noop`)"), .service = 2},
        {.name = SLICE("redirect"),
         .rule = rule("Path(`/redirect`)"),
         .service = 0,
         .middlewares = both,
         .middleware_count = 2},
        {.name = SLICE("strict"),
         .rule = rule("PathPrefix(`/strict`)"),
         .service = 1,
         .flags = PATH_SLASH << ROUTE_DENY_ENCODED_SHIFT},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows[i].entry_points = web;
        rows[i].entry_point_count = 1;
        rows[i].priority = 10;
    }
    routes_build(builder, rows, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rule_free((struct rule *)(uintptr_t)rows[i].rule);
    }
    return sealed_page(builder, PAGE_ROUTES);
}

static int group_setup(void **state)
{
    struct error why;
    int fd;

    (void)state;
    pool = pool_new(4096, 0);
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &worker.board, &why), 0);
    close(fd);
    worker.slab = board_slab(worker.board, 0);
    uv_loop_init(&worker.loop);
    assert_int_equal(serve_start(&worker, &why), 0);

    struct page *pages[PAGE_KINDS] = {
        [PAGE_STATIC] = static_page(),
        [PAGE_ROUTES] = routes_page(),
        [PAGE_MIDDLEWARES] = middlewares_page(),
        [PAGE_TRANSPORTS] = transports_page(),
        [PAGE_TLS] = tls_page(),
        [PAGE_SECRETS] = secrets_page(),
        [PAGE_UDP] = udp_page(),
        [PAGE_TCP_ROUTES] = tcp_routes_page(),
        [PAGE_TCP] = tcp_page(),
        [PAGE_SERVICES] = services_page(),
    };

    for (size_t i = 0; i < CERTIFICATE_GROUPS; i++) {
        pages[PAGE_CERTIFICATES + i] = certificates_page();
    }
    if (generation_new(1, pages, PAGE_KINDS, NULL, &worker.generation, &why) < 0) {
        fail_msg("%s", why.text);
    }
    options = (struct entry_options){.generation = worker.generation,
                                     .row = entry_points_at(pages[PAGE_STATIC], 0),
                                     .sanitize_path = true,
                                     .host_name = SLICE("router-1")};
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    serve_stop(&worker);
    generation_unref(worker.generation);
    uv_loop_close(&worker.loop);
    board_unmap(worker.board);
    pool_free(pool);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    text_free(&got.body);
    memset(&got, 0, sizeof(got));
    text_init(&got.body);
    text_add_cstr(&got.body, "");
    return 0;
}

/* A request as a codec would hand it over; everything is over when this returns. */
static void ask(const char *target)
{
    struct pool *own = pool_new(4096, 1 << 20);
    struct exchange ex = {.worker = &worker,
                          .pool = own,
                          .codec = &fake,
                          .entry = &options,
                          .entry_point = options.row,
                          .generation = generation_ref(worker.generation),
                          .request_done = true};

    address_parse(SLICE("10.1.2.3"), &ex.client);
    headers_init(&ex.request.headers, own);
    headers_add_id(&ex.request.headers, HEADER_HOST, SLICE("a.test:8080"));
    ex.request.method = SLICE("GET");
    ex.request.target = slice_cstr(target);
    ex.request.version_major = ex.request.version_minor = 1;
    exchange_begin(&ex);
    assert_null(ex.upstream);
    assert_null(ex.generation);
    pool_free(own);
    assert_int_equal(got.heads, 1);
    assert_int_equal(got.ends, 1);
    assert_int_equal(worker.slab->gauges[GAUGE_EXCHANGES], 0);
    assert_int_equal(atomic_load(&worker.generation->references), 1);
}

static uint64_t counted(enum reason reason)
{
    return worker.slab->counters[COUNT_REASONS + (unsigned)reason];
}

static void own_answers(void **state)
{
    static const struct {
        const char *target;
        unsigned status;
        enum reason reason;
        const char *body;
    } cases[] = {
        {"/none", 404, REASON_no_route, "404 page not found\n"},
        {"/empty", 503, REASON_no_server, "no available server\n"},
        {"/ping", 200, REASON_internal, "OK"},
        {"/noop", 418, REASON_internal, ""},
        {"/strict/a%2Fb", 400, REASON_encoded_character, ""},
        {"/strict/a", 200, REASON_internal, "OK"},
        {"/a%zz", 400, REASON_bad_request, "400 Bad Request"},
        {"/a#b", 400, REASON_bad_request, ""},
        {"/x/../ping", 200, REASON_internal, "OK"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t before = counted(cases[i].reason);

        print_message("%s\n", cases[i].target);
        forget(state);
        ask(cases[i].target);
        assert_int_equal(got.status, cases[i].status);
        assert_string_equal(got.body.ptr, cases[i].body);
        assert_int_equal(counted(cases[i].reason), before + 1);
    }
}

static void the_response_half_runs_on_own_answers(void **state)
{
    (void)state;
    ask("/empty");
    assert_int_equal(got.status, 503);
    assert_string_equal(got.added, "by the chain");
    assert_string_equal(got.type, "text/plain; charset=utf-8");
}

static void a_middleware_answers_for_those_before_it(void **state)
{
    (void)state;
    ask("/redirect");
    assert_int_equal(got.status, 302);
    assert_string_equal(got.location, "https://a.test/redirect");
    assert_string_equal(got.added, "by the chain");
    assert_int_equal(got.aborts, 0);
}

static void ping_says_how_the_tree_is(void **state)
{
    static const int64_t second = 1000000000;
    static const struct {
        int64_t beat_ago; /* of the master, seconds; 0: it never beat */
        bool draining, stopping;
        unsigned status;
    } cases[] = {
        {0, false, false, 200},  {1, false, false, 200},
        {60, false, false, 200}, {61, false, false, 503}, /* nobody can change anything here */
        {61, true, false, 200}, /* a worker that an upgrade left behind says nothing of the tree */
        {1, false, true, 418},  /* ping.terminatingStatusCode */
        {61, true, true, 418},
    };
    struct board_tree *tree = board_tree(worker.board);
    int64_t before = worker.now_ns;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        forget(state);
        worker.now_ns = 1000 * second;
        worker.draining = cases[i].draining;
        atomic_store(&tree->stopping, cases[i].stopping);
        atomic_store(&tree->master_heartbeat_ns,
                     cases[i].beat_ago ? (uint64_t)(worker.now_ns - cases[i].beat_ago * second) : 0);
        ask("/ping");
        assert_int_equal(got.status, cases[i].status);
        assert_string_equal(got.body.ptr, http_status_text((uint16_t)cases[i].status));
    }
    worker.now_ns = before;
    worker.draining = false;
    atomic_store(&tree->stopping, 0);
    atomic_store(&tree->master_heartbeat_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(own_answers, forget),
        cmocka_unit_test_setup(the_response_half_runs_on_own_answers, forget),
        cmocka_unit_test_setup(a_middleware_answers_for_those_before_it, forget),
        cmocka_unit_test_setup(ping_says_how_the_tree_is, forget),
    };
    int rc = cmocka_run_group_tests_name("exchange", tests, group_setup, group_teardown);

    text_free(&got.body);
    return rc;
}
