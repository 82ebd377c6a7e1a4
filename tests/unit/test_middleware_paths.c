/*
 * test_middleware_paths.c - addPrefix, stripPrefix, stripPrefixRegex, replacePath, replacePathRegex: what the
 * upstream gets for which path. The expected values are what Traefik 3.7 sends in the same configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/fake_exchange.h"

#define TEXTS(...)                                                                                           \
    {                                                                                                        \
        (struct slice[]){__VA_ARGS__}, sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice)          \
    }
#define REGEXES(...)                                                                                         \
    {                                                                                                        \
        (struct regex_text[]){__VA_ARGS__},                                                                  \
            sizeof((struct regex_text[]){__VA_ARGS__}) / sizeof(struct regex_text)                           \
    }
#define REGEX(text)                                                                                          \
    {                                                                                                        \
        .pattern = SLICE_INIT(text)                                                                          \
    }

static struct add_prefix pre = {SLICE_INIT("/pre")}, no_slash = {SLICE_INIT("pre")};
static struct add_prefix odd_prefix = {SLICE_INIT("/a b%20c/")}, encoded_prefix = {SLICE_INIT("/x%2Fy")};
static struct strip_prefix api = {.prefixes = TEXTS(SLICE_INIT("/api"), SLICE_INIT("/a/b"))};
static struct strip_prefix api_slash = {.prefixes = TEXTS(SLICE_INIT("/api")), .force_slash = true};
static struct strip_prefix blank = {.prefixes = TEXTS(SLICE_INIT(" /foo bar "))};
static struct strip_prefix final_slash = {.prefixes = TEXTS(SLICE_INIT("/foo/"))};
static struct strip_prefix_regex versions = {.regex = REGEXES(REGEX("^/v[0-9]+"), REGEX("/[a-z]+/x"))};
static struct replace_path fixed = {SLICE_INIT("/fixed")}, odd_path = {SLICE_INIT("/a b/%20?x#y")};
static struct replace_path question = {SLICE_INIT("/r?x=1")};
static struct replace_path bad_path = {SLICE_INIT("/bad%zz")}, empty_path = {SLICE_INIT("")};
static struct replace_path_regex foo_bar = {REGEX("^/foo/(.*)"), SLICE_INIT("/bar/$1")};
static struct replace_path_regex foo_trim = {REGEX("^/foo/(.*)$"), SLICE_INIT(" /$1%2f ")};
static struct replace_path_regex foo_rest = {REGEX("^/foo(.*)"), SLICE_INIT("$1")};
static struct replace_path_regex foo_up = {REGEX("^/foo(.*)"), SLICE_INIT("/..$1")};
static struct replace_path_regex foo_host = {REGEX("^/foo(.*)"), SLICE_INIT("//h$1")};
#define ENDLESS "^/(x+x+)+y"
#define ENDS "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!y"
static struct strip_prefix_regex endless_prefix = {.regex = REGEXES(REGEX("^/a"), REGEX(ENDLESS))};
static struct replace_path_regex endless = {REGEX(ENDLESS), SLICE_INIT("/private")};
static struct replace_path_regex percent = {REGEX("o"), SLICE_INIT("%")};

struct step {
    enum middleware_kind kind;
    const void *params;
};
#define STEP(kind, params)                                                                                   \
    {                                                                                                        \
        MIDDLEWARE_##kind, &(params)                                                                         \
    }

struct path_case {
    struct step steps[2]; /* the second may be absent */
    const char *target;
    const char *want; /* "URI | headers", or "status body" */
};

static const struct path_case cases[] = {
    {{STEP(add_prefix, pre)}, "/x", "/pre/x | "},
    {{STEP(add_prefix, pre)}, "/", "/pre/ | "},
    {{STEP(add_prefix, pre)}, "/x%2Fy?q", "/pre/x%2Fy?q | "},
    {{STEP(add_prefix, pre)}, "//a/../b", "/pre/b | "},
    {{STEP(add_prefix, no_slash)}, "/x", "/pre/x | "},
    {{STEP(add_prefix, no_slash)}, "/x%2Fy", "/pre/x%2Fy | "},
    {{STEP(add_prefix, odd_prefix)}, "/x", "/a%20b%2520c//x | "},
    {{STEP(add_prefix, odd_prefix)}, "/x%2Fy", "/a%20b%2520c//x/y | "},
    {{STEP(add_prefix, encoded_prefix)}, "/x", "/x%252Fy/x | "},
    {{STEP(add_prefix, encoded_prefix)}, "/x%2Fy", "/x%252Fy/x/y | "},

    {{STEP(strip_prefix, api)}, "/api", "/ | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api)}, "/api/", "/ | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api)}, "/api/x?q=1", "/x?q=1 | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api)}, "/apix", "/x | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api)}, "/a%2Fb/c", "/c | X-Forwarded-Prefix=/a/b;"},
    {{STEP(strip_prefix, api)}, "/a/b%2Fc", "/c | X-Forwarded-Prefix=/a/b;"},
    {{STEP(strip_prefix, api)}, "/other", "/other | "},
    {{STEP(strip_prefix, api)}, "/api//x", "/x | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api)}, "/api%2F..%2Fx", "400 Bad Request\n"},
    {{STEP(strip_prefix, api)}, "/api../x", "400 Bad Request\n"},
    {{STEP(strip_prefix, api)}, "/api%2F%2Fx", "400 Bad Request\n"},
    {{STEP(strip_prefix, api)}, "/%61pi/x", "/x | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api)}, "/api.%2Fx", "/.%2Fx | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api_slash)}, "/api", "/ | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api_slash)}, "/api/x", "/x | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api_slash)}, "/apix", "/x | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, blank)}, "/foo%20bar/x", "/x | X-Forwarded-Prefix=/foo bar;"},
    {{STEP(strip_prefix, blank)}, "/foo%20barx", "/x | X-Forwarded-Prefix=/foo bar;"},
    {{STEP(strip_prefix, final_slash)}, "/foo/x", "/x | X-Forwarded-Prefix=/foo/;"},
    {{STEP(strip_prefix, final_slash)}, "/foo/", "/ | X-Forwarded-Prefix=/foo/;"},
    {{STEP(strip_prefix, final_slash)}, "/foo/./x", "/x | X-Forwarded-Prefix=/foo/;"},
    {{STEP(strip_prefix, api), STEP(add_prefix, pre)}, "/api", "/pre | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api), STEP(add_prefix, pre)}, "/api/", "/pre/ | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api_slash), STEP(add_prefix, pre)}, "/api", "/pre/ | X-Forwarded-Prefix=/api;"},
    {{STEP(strip_prefix, api), STEP(strip_prefix, api)},
     "/api/api/x",
     "/x | X-Forwarded-Prefix=/api;"
     "X-Forwarded-Prefix=/api;"},

    {{STEP(strip_prefix_regex, versions)}, "/v1/x", "/x | X-Forwarded-Prefix=/v1;"},
    {{STEP(strip_prefix_regex, versions)}, "/v12", "/ | X-Forwarded-Prefix=/v12;"},
    {{STEP(strip_prefix_regex, versions)}, "/q/v1", "/q/v1 | "},
    {{STEP(strip_prefix_regex, versions)}, "/abc/x/y", "/y | X-Forwarded-Prefix=/abc/x;"},
    {{STEP(strip_prefix_regex, versions)}, "/1/abc/x/y", "/1/abc/x/y | "},
    {{STEP(strip_prefix_regex, versions)}, "/v1%2Fx", "/x | X-Forwarded-Prefix=/v1;"},
    {{STEP(strip_prefix_regex, versions)}, "/v1../x", "400 Bad Request\n"},
    {{STEP(strip_prefix_regex, endless_prefix)}, "/ab", "/b | X-Forwarded-Prefix=/a;"},
    {{STEP(strip_prefix_regex, endless_prefix)}, ENDS, "500 Internal Server Error\n"},

    {{STEP(replace_path, fixed)}, "/x?q", "/fixed?q | X-Replaced-Path=/x;"},
    {{STEP(replace_path, fixed)}, "/x%2fy", "/fixed | X-Replaced-Path=/x%2Fy;"},
    {{STEP(replace_path, odd_path)}, "/x", "/a%20b/%20%3Fx%23y | X-Replaced-Path=/x;"},
    {{STEP(replace_path, bad_path)}, "/x", "500 invalid URL escape \"%zz\"\n"},
    {{STEP(replace_path, empty_path)}, "/x", "/ | X-Replaced-Path=/x;"},
    {{STEP(replace_path, empty_path), STEP(add_prefix, pre)}, "/x", "/pre | X-Replaced-Path=/x;"},
    {{STEP(replace_path, empty_path), STEP(replace_path, fixed)},
     "/x",
     "/fixed | X-Replaced-Path=/x;X-Replaced-Path=;"},
    {{STEP(replace_path, question), STEP(replace_path, fixed)},
     "/x",
     "/fixed | X-Replaced-Path=/x;X-Replaced-Path=/r?x=1;"},
    {{STEP(replace_path, fixed), STEP(add_prefix, pre)}, "/x", "/pre/fixed | X-Replaced-Path=/x;"},

    {{STEP(replace_path_regex, foo_bar)}, "/foo/x?y", "/bar/x?y | X-Replaced-Path=/foo/x;"},
    {{STEP(replace_path_regex, foo_bar)}, "/foo/x%2fy", "/bar/x%2Fy | X-Replaced-Path=/foo/x%2Fy;"},
    {{STEP(replace_path_regex, foo_bar)}, "/nope", "/nope | "},
    {{STEP(replace_path_regex, endless)}, ENDS, "500 Internal Server Error\n"},
    {{STEP(replace_path_regex, foo_bar)}, "/foo/%7e%41", "/bar/~A | X-Replaced-Path=/foo/~A;"},
    {{STEP(replace_path_regex, foo_trim)}, "/foo/x", "/x%2f | X-Replaced-Path=/foo/x;"},
    {{STEP(replace_path_regex, foo_rest)}, "/foo", "/ | X-Replaced-Path=/foo;"},
    {{STEP(replace_path_regex, foo_rest)}, "/foo/x", "/x | X-Replaced-Path=/foo/x;"},
    {{STEP(replace_path_regex, foo_rest)}, "/foo%2Fx", "%2Fx | X-Replaced-Path=/foo%2Fx;"},
    {{STEP(replace_path_regex, foo_rest)}, "/foo/%2E.%2Fx", "/..%2Fx | X-Replaced-Path=/foo/..%2Fx;"},
    {{STEP(replace_path_regex, foo_up)}, "/foo/x", "400 Bad Request\n"},
    {{STEP(replace_path_regex, foo_host)}, "/foo/x", "400 Bad Request\n"},
    {{STEP(replace_path_regex, percent)}, "/foo", "500 invalid URL escape \"%%\"\n"},
};

/* With sanitizePath off: the path as it was written is what X-Replaced-Path shows and expressions see. */
static const struct path_case raw_cases[] = {
    {{STEP(add_prefix, pre)}, "//a/../b", "/pre//a/../b | "},
    {{STEP(replace_path, fixed)}, "/|^;?k=%2F", "/fixed?k=%2F | X-Replaced-Path=/|^;;"},
    {{STEP(replace_path, fixed)}, "//%25a/%23/'^,", "/fixed | X-Replaced-Path=//%25a/%23/'^,;"},
    {{STEP(replace_path, fixed)}, "/%5c%7E{", "/fixed | X-Replaced-Path=/%5C~{;"},
    {{STEP(replace_path, fixed)}, "/\xc3\xa9", "/fixed | X-Replaced-Path=/\xc3\x83\xc2\xa9;"},
    {{STEP(replace_path, fixed)}, "/%c3%a9", "/fixed | X-Replaced-Path=/%C3%A9;"},
    {{STEP(replace_path_regex, foo_bar)}, "/foo/{x", "/bar/%7Bx | X-Replaced-Path=/foo/{x;"},
    {{STEP(strip_prefix, api)}, "/api//x", "400 Bad Request\n"},
    {{STEP(strip_prefix, api)}, "/api/x%2fy{", "/x/y%7B | X-Forwarded-Prefix=/api;"},
};

static void upstream_gets(const struct path_case *paths, size_t count)
{
    struct pool *pool = pool_new(4096, 0);
    char headers[300], said[700];

    for (size_t i = 0; i < count; i++) {
        struct exchange ex;
        enum mw_verdict verdict = MW_PASS;

        print_message("case %zu\n", i);
        fake_exchange(&ex, pool, "GET", "a.test", paths[i].target);
        for (size_t k = 0; k < 2 && paths[i].steps[k].params != NULL && verdict == MW_PASS; k++) {
            verdict = middleware_types[paths[i].steps[k].kind]->on_request(&ex, paths[i].steps[k].params);
        }
        if (verdict == MW_PASS) {
            fake_headers(&ex.request.headers, headers, sizeof(headers));
            snprintf(said, sizeof(said), "%.*s%s%.*s | %s",
                     SLICE_ARG(ex.request.raw_path.len > 0 ? ex.request.raw_path : SLICE("/")),
                     ex.request.has_query ? "?" : "", SLICE_ARG(ex.request.query), headers);
        } else {
            snprintf(said, sizeof(said), "%u %.*s", ex.response.status, SLICE_ARG(ex.response.own_body));
        }
        assert_string_equal(said, paths[i].want);
        pool_reset(pool);
    }
    pool_free(pool);
}

static void upstream_gets_clean_paths(void **state)
{
    (void)state;
    upstream_gets(cases, ARRAY_LEN(cases));
}

static void upstream_gets_paths_as_written(void **state)
{
    (void)state;
    fake_entry.sanitize_path = false;
    upstream_gets(raw_cases, ARRAY_LEN(raw_cases));
    fake_entry.sanitize_path = true;
}

/* A pool whose limit is reached: the request is refused, nothing is cut. */
static void path_over_the_bound(void **state)
{
    static char target[1000];
    static const struct step steps[] = {
        STEP(add_prefix, pre),
        STEP(replace_path_regex, foo_bar),
    };

    (void)state;
    memset(target, 'a', sizeof(target) - 1);
    memcpy(target, "/foo/", 5);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct pool *pool = pool_new(1024, 1024);
        struct exchange ex;

        print_message("case %zu\n", i);
        fake_exchange(&ex, pool, "GET", "a.test", target);
        assert_non_null(pool_try_alloc(pool, 300)); /* what a request uses up */
        assert_int_equal(middleware_types[steps[i].kind]->on_request(&ex, steps[i].params), MW_ANSWERED);
        assert_int_equal(ex.response.status, 414);
        assert_int_equal(ex.reason, REASON_uri_too_long);
        pool_free(pool);
    }
}

static void list_is_complete(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < MIDDLEWARE_KINDS; kind++) {
        assert_non_null(middleware_types[kind]);
        assert_non_null(middleware_types[kind]->name);
    }
}

static int free_regexes(void **state)
{
    (void)state;
    fake_regexes_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upstream_gets_clean_paths),
        cmocka_unit_test(upstream_gets_paths_as_written),
        cmocka_unit_test(path_over_the_bound),
        cmocka_unit_test(list_is_complete),
    };

    return cmocka_run_group_tests(tests, NULL, free_regexes);
}
