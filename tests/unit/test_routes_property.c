/*
 * test_routes_property.c - the index agrees with "sort by precedence, the first rule that matches wins".
 *
 * Random sets of routers over a small vocabulary, so that keys overlap, repeat and contradict each other,
 * against random requests. The seed of a failing round is printed; WEIR_SEED and WEIR_ROUNDS repeat or
 * lengthen it.
 */
#include "tests/unit/routes_sample.h"

#include "common/base/text.h"

#define MAX_ROUTERS 60
#define REQUESTS 60

static uint64_t state;

static uint32_t pick(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % below);
}

#define PICK(array) ((array)[pick(ARRAY_LEN(array))])

static const char *const matchers_v3[] = {
    "Host(`a.test`)",
    "Host(`b.test`)",
    "Host(`A.test.`)",
    "Host(`x.a.test`)",
    "Host(`*.a.test`)",
    "Host(`*.test`)",
    "Host(`*`)",
    "Host(`*.`)",
    "Host(`one`)",
    "Host(`*foo`)",
    "HostRegexp(`^[a-z]+\\.test$`)",
    "HostRegexp(`a\\.test$`)",
    "HostRegexp(`^a\\.test$`)",
    "HostRegexp(`(?i)^X\\.A`)",
    "HostRegexp(`^$`)",
    "HostRegexp(`tes`)",
    "Path(`/`)",
    "Path(`/api`)",
    "Path(`/api/v1`)",
    "Path(`/b`)",
    "PathPrefix(`/`)",
    "PathPrefix(`/a`)",
    "PathPrefix(`/api`)",
    "PathPrefix(`/api/`)",
    "PathPrefix(`/api/v1`)",
    "PathPrefix(`/b`)",
    "PathRegexp(`^/api/v[0-9]+`)",
    "PathRegexp(`v1$`)",
    "PathRegexp(`^/api$`)",
    "PathRegexp(`(?i)^/API`)",
    "PathRegexp(`/(api|b)/`)",
    "PathRegexp(`^/b.*x`)",
    "PathRegexp(`pi/v1`)",
    "Method(`GET`)",
    "Method(`post`)",
    "Method(`PUT`)",
    "Header(`X-A`, `1`)",
    "Header(`x-a`, `2`)",
    "Header(`X-B`, `1`)",
    "Header(`Host`, `a.test`)",
    "HeaderRegexp(`X-A`, `^[12]$`)",
    "HeaderRegexp(`X-B`, `^abc`)",
    "HeaderRegexp(`X-B`, `abc-def`)",
    "HeaderRegexp(`X-A`, `^2$`)",
    "Query(`q`, `1`)",
    "Query(`q`)",
    "Query(`p`, `a b`)",
    "QueryRegexp(`q`, `^[12]$`)",
    "QueryRegexp(`p`, `a.b`)",
    "QueryRegexp(`p`)",
    "ClientIP(`10.0.0.0/8`)",
    "ClientIP(`192.168.0.0/16`)",
    "ClientIP(`10.1.2.3`)",
};
static const char *const matchers_v2[] = {
    "Host(`a.test`)",
    "Host(`b.test`, `a.test`)",
    "Host(`*.a.test`)",
    "HostHeader(`b.test.`)",
    "HostRegexp(`{sub:[a-z]+}.test`)",
    "HostRegexp(`{s}.a.test`, `one`)",
    "HostRegexp(`a.test`)",
    "Path(`/api`, `/b`)",
    "Path(`/api/{id:v[0-9]}`)",
    "Path(`/{x}`)",
    "PathPrefix(`/api`)",
    "PathPrefix(`/a`, `/b`)",
    "PathPrefix(`/{x:api|b}`)",
    "PathPrefix(`/api/{v}`)",
    "Method(`GET`, `PUT`)",
    "Headers(`X-A`, `1`)",
    "Headers(`X-A`, `1`, `X-B`, `1`)",
    "HeadersRegexp(`X-A`, `[12]`, `X-B`, `abc`)",
    "Query(`q=1`)",
    "Query(`q=1`, `p={v:a.*}`)",
    "Query(`q={any}`)",
    "Query(`p=`)",
    "ClientIP(`10.0.0.0/8`, `::1`)",
    "ClientIP(`127.0.0.1`)",
};
static const char *const hosts[] = {"a.test", "b.test",  "x.a.test", "y.x.a.test", "one",
                                    "",       "a.test.", "test",     ".a.test",    "zz"};
static const char *const paths[] = {"/",     "/api",   "/api/",   "/api/v1", "/api/v1/x", "/b",
                                    "/b/x",  "/a",     "/API",    "/api/v",  "*",         "",
                                    "/b/b/", "/apiv1", "/b\xffx", "/api/v22"};
static const char *const queries[] = {"",      "q=1",     "q",    "q=2&q=1", "p=a+b", "p=a%20b&q=1",
                                      "q=%zz", "q=1;p=1", "p=ab", "p=",      "&&q=&"};
static const char *const methods[] = {"GET", "POST", "PUT", "get"};
static const char *const header_values[] = {"1", "2", "3", "abc", "xabc-defx", ""};

static void write_rule(struct text *out, enum rule_syntax syntax, unsigned depth)
{
    static const char *const opening[] = {"", "(", "((", "!("};
    unsigned kind = pick(10);

    if (depth == 0 || kind < 3) {
        text_add_cstr(out, syntax == RULE_V3 ? PICK(matchers_v3) : PICK(matchers_v2));
        return;
    }
    for (unsigned i = 0, n = kind == 3 ? 1 : 2 + pick(3); i < n; i++) {
        const char *open = kind == 3 ? "!(" : opening[pick(8) % 4];
        bool joined = open[0] == 0; /* without parentheses precedence decides */

        text_add_cstr(out, i == 0 ? "" : (joined ? pick(2) : kind < 7) ? " && " : " || ");
        text_add_cstr(out, open);
        write_rule(out, syntax, depth - 1);
        text_add_cstr(out, open[0] == 0 ? "" : open[1] == '(' && open[0] == '(' ? "))" : ")");
    }
}

struct world {
    struct pool *pool, *scratch;
    struct route_input inputs[MAX_ROUTERS];
    struct rule *rules[MAX_ROUTERS];
    enum rule_syntax syntax[MAX_ROUTERS];
    size_t count;
};

static void add_router(struct world *world)
{
    static uint32_t both[] = {0, 1}, first[] = {0}, second[] = {1}, far[] = {1, 70};
    static uint32_t *const sets[] = {both, first, second, far};
    static const size_t sizes[] = {2, 1, 1, 2};
    size_t i = world->count;
    enum rule_syntax syntax = pick(4) ? RULE_V3 : RULE_V2;
    struct text text;
    struct error why = {{0}};
    uint32_t set = pick(8) ? 0 : pick(4);

    text_init(&text);
    write_rule(&text, syntax, pick(4));
    struct slice rule = pool_copy(world->pool, text_slice(&text));

    text_free(&text);
    if (rule_parse(world->pool, rule, syntax, &world->rules[i], &why) < 0) {
        fail_msg("%.*s: %s", SLICE_ARG(rule), why.text);
    }
    world->syntax[i] = syntax;
    world->inputs[i] = (struct route_input){
        .name = pool_printf(world->pool, "r%u@test", pick(1000)),
        .rule = world->rules[i],
        .rule_text = rule,
        .v2 = syntax == RULE_V2,
        .priority = pick(3) ? (int64_t)rule.len : (int64_t)pick(5) - 2,
        .precedence = (int32_t)pick(2) - 1,
        .entry_points = sets[set],
        .entry_point_count = sizes[set],
        .tls = pick(6) == 0,
        .service = (uint32_t)i,
        .layer = pick(4) ? 0 : 1 + pick(2),
    };
    world->count++;
}

static bool comes_before(const struct route_input *a, const struct route_input *b)
{
    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    if (a->precedence != b->precedence) {
        return a->precedence > b->precedence;
    }
    return slice_cmp(a->name, b->name) < 0;
}

/* By the definition: of all that match, none comes before it. UINT32_MAX when none matches. */
static uint32_t plain_answer(struct world *world, uint32_t layer, uint32_t entry_point, bool tls,
                             const struct rule_request *request)
{
    uint32_t best = UINT32_MAX;

    for (size_t i = 0; i < world->count; i++) {
        const struct route_input *input = &world->inputs[i];
        bool served = input->layer == layer && (layer || input->tls == tls);

        for (size_t j = 0, found = 0; layer == 0 && j < input->entry_point_count; j++) {
            found += input->entry_points[j] == entry_point;
            served = served && (found || j + 1 < input->entry_point_count);
        }
        if (served && (best == UINT32_MAX || comes_before(input, &world->inputs[best])) &&
            rule_matches(world->rules[i], request)) {
            best = (uint32_t)i;
        }
        pool_reset(world->scratch);
    }
    return best;
}

static void random_request(struct world *world, struct sample_request *sample)
{
    char line[256];

    (void)snprintf(line, sizeof(line), "%s %s", PICK(methods), "");
    sample_init(sample, world->scratch, line);
    sample->request.method = slice_cstr(PICK(methods));
    sample->request.host = slice_cstr(PICK(hosts));
    sample->request.path = slice_cstr(PICK(paths));
    sample->request.query = slice_cstr(PICK(queries));
    for (unsigned i = pick(4); i > 0; i--) {
        sample_add_header(sample,
                          pick(2)   ? SLICE("X-A")
                          : pick(3) ? SLICE("x-b")
                                    : SLICE("Host"),
                          slice_cstr(PICK(header_values)));
    }
    address_parse(pick(2)   ? SLICE("10.1.2.3")
                  : pick(2) ? SLICE("192.168.4.4")
                            : SLICE("::1"),
                  &sample->request.client);
}

static void explain(struct world *world, const struct page *page, const struct sample_request *sample,
                    uint32_t wanted, uint32_t got, uint64_t seed)
{
    const struct rule_request *r = &sample->request;

    print_message("seed %llu: %.*s host '%.*s' path '%.*s' query '%.*s'\n", (unsigned long long)seed,
                  SLICE_ARG(r->method), SLICE_ARG(r->host), SLICE_ARG(r->path), SLICE_ARG(r->query));
    for (size_t i = 0; i < sample->headers; i++) {
        print_message("  %.*s: %.*s\n", SLICE_ARG(sample->names[i]), SLICE_ARG(sample->values[i]));
    }
    print_message("wanted %.*s\n",
                  SLICE_ARG(wanted == UINT32_MAX ? SLICE("none") : world->inputs[wanted].rule_text));
    print_message("got %.*s\n",
                  SLICE_ARG(got == ROUTE_NONE ? SLICE("none") : page_text(page, routes_at(page, got)->rule)));
    fail_msg("the index disagrees (seed %llu)", (unsigned long long)seed);
}

static void one_round(uint64_t seed, unsigned routers)
{
    struct world world = {.pool = pool_new(64 * 1024, 0), .scratch = pool_new(4096, 1 << 20)};
    struct page *page;

    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    while (world.count < routers) {
        add_router(&world);
    }
    page = sample_page(world.inputs, world.count);
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct sample_request sample;

        random_request(&world, &sample);
        uint32_t entry_point = pick(10) ? pick(2) : pick(130);
        bool tls = pick(5) == 0;
        uint32_t layer = pick(5) ? 0 : 1 + pick(3); /* nobody is in the last one */
        uint32_t wanted = plain_answer(&world, layer, entry_point, tls, &sample.request);
        uint32_t got = layer ? routes_match_layer(page, layer, &sample.request)
                             : routes_match(page, entry_point, tls, &sample.request);
        bool agrees = (wanted == UINT32_MAX) == (got == ROUTE_NONE);

        if (agrees && got != ROUTE_NONE) { /* equal names may stand for each other */
            const struct route *route = routes_at(page, got);

            agrees = route->service == wanted ||
                     (!comes_before(&world.inputs[route->service], &world.inputs[wanted]) &&
                      !comes_before(&world.inputs[wanted], &world.inputs[route->service]));
            agrees = agrees && routes_try(page, got, entry_point, tls, &sample.request);
        }
        if (!agrees) {
            explain(&world, page, &sample, wanted, got, seed);
        }
        pool_reset(world.scratch);
    }
    page_unref(page);
    for (size_t i = 0; i < world.count; i++) {
        rule_free(world.rules[i]);
    }
    pool_free(world.pool);
    pool_free(world.scratch);
}

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    uint64_t value;

    return text && slice_to_u64(slice_cstr(text), &value) ? value : fallback;
}

static void small_sets(void **unused)
{
    uint64_t first = from_environment("WEIR_SEED", 1), rounds = from_environment("WEIR_ROUNDS", 6000);

    (void)unused;
    for (uint64_t seed = first; seed < first + rounds; seed++) {
        one_round(seed, 2 + (unsigned)(seed % 7));
    }
}

/* Enough routers under one key that long lists are cut up. */
static void large_sets(void **unused)
{
    uint64_t first = from_environment("WEIR_SEED", 1), rounds = from_environment("WEIR_ROUNDS", 2500);

    (void)unused;
    for (uint64_t seed = first; seed < first + rounds; seed++) {
        one_round(seed + 1000000, 30 + (unsigned)(seed % (MAX_ROUTERS - 29)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(small_sets), cmocka_unit_test(large_sets)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
