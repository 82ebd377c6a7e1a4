/*
 * test_middleware_redirects.c - redirectScheme and redirectRegex: status and Location for which request. The
 * expected values are what Traefik 3.7 answers in the same configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/fake_exchange.h"

static struct redirect_scheme https = {.scheme = SLICE_INIT("https")};
static struct redirect_scheme https_8443 = {
    .scheme = SLICE_INIT("https"), .port = SLICE_INIT("8443"), .permanent = true};
static struct redirect_scheme https_443 = {.scheme = SLICE_INIT("https"), .port = SLICE_INIT("443")};
static struct redirect_scheme http_80 = {.scheme = SLICE_INIT("http"), .port = SLICE_INIT("80")};

#define REGEX(text, with, for_good)                                                                          \
    {                                                                                                        \
        .regex = {.pattern = SLICE_INIT(text)}, .replacement = SLICE_INIT(with), .permanent = (for_good)     \
    }
static struct redirect_regex old_new = REGEX("^http://(.*?)/old/(.*)", "https://${1}/new/$2", false);
static struct redirect_regex www = REGEX("^http://([^/]+)(/.*)?$", "http://www.x.test$2", true);
static struct redirect_regex broken = REGEX("^.*$", "http://ho st/%zz", false);
static struct redirect_regex relative = REGEX("^http://[^/]+/(.*)$", "/rel $1#\xc3\xa9", false);
static struct redirect_regex endless = REGEX("^http://a.test/(x+x+)+y", "https://b.test/", false);
static struct redirect_regex tls_only = REGEX("^https://a.test/(.*)", "https://b.test/$1", false);

static const struct {
    enum middleware_kind kind;
    const void *params;
    const char *method, *host, *target;
    const char *proto; /* X-Forwarded-Proto as it stands in the chain */
    bool tls;
    const char *want; /* "status Location", "pass", or "status" and body */
} cases[] = {
#define SCHEME(params) MIDDLEWARE_redirect_scheme, &(params)
#define URL(params) MIDDLEWARE_redirect_regex, &(params)
    {SCHEME(https), "GET", "a.test", "/x?q=1", NULL, false, "302 https://a.test/x?q=1"},
    {SCHEME(https), "GET", "a.test", "/", NULL, false, "302 https://a.test/"},
    {SCHEME(https), "POST", "a.test", "/x", NULL, false, "307 https://a.test/x"},
    {SCHEME(https), "HEAD", "a.test", "/x", NULL, false, "307 https://a.test/x"},
    {SCHEME(https_8443), "GET", "a.test", "/x", NULL, false, "301 https://a.test:8443/x"},
    {SCHEME(https_8443), "PUT", "a.test", "/x", NULL, false, "308 https://a.test:8443/x"},
    {SCHEME(https_443), "GET", "a.test", "/x", NULL, false, "302 https://a.test/x"},
    {SCHEME(http_80), "GET", "a.test", "/x", NULL, false, "pass"},
    {SCHEME(https), "GET", "a.test:8000", "/x", NULL, false, "302 https://a.test/x"},
    {SCHEME(https_8443), "GET", "a.test:8000", "/x", NULL, false, "301 https://a.test:8443/x"},
    {SCHEME(https), "GET", "a.test:80", "/x", NULL, false, "302 https://a.test/x"},
    {SCHEME(https_443), "GET", "a.test:1", "/x", NULL, false, "302 https://a.test/x"},
    {SCHEME(http_80), "GET", "a.test:80", "/x", NULL, false, "pass"},
    {SCHEME(http_80), "GET", "a.test:8080", "/x", NULL, false, "302 http://a.test/x"},
    {SCHEME(https), "GET", "a.test", "/x", NULL, true, "pass"},
    {SCHEME(https), "GET", "a.test:443", "/x", NULL, true, "pass"},
    {SCHEME(https), "GET", "a.test:8443", "/x", NULL, true, "302 https://a.test/x"},
    {SCHEME(https_8443), "GET", "a.test:8443", "/x", NULL, true, "pass"},
    {SCHEME(https), "GET", "a.test", "/x", "https", false, "pass"},
    {SCHEME(https), "GET", "a.test", "/x", "WSS", false, "pass"},
    {SCHEME(https), "GET", "a.test", "/x", "ws", true, "302 https://a.test/x"},
    {SCHEME(https), "GET", "a.test", "/x", "odd", false, "302 https://a.test/x"},
    {SCHEME(https), "GET", "a.test", "/x", "odd", true, "pass"},
    {SCHEME(https), "GET", "a.test", "/a;b?c;d&e=%3b", NULL, false, "302 https://a.test/a;b?c;d&e=%3b"},
    {SCHEME(https), "GET", "a.test", "/a%2fb%41\xc3\xa9?\xc3\xa9#f", NULL, false,
     "302 https://a.test/a/bA%C3%A9?\xc3\xa9#f"},
    {SCHEME(https), "GET", "[::1]", "/x", NULL, false, "302 https://[::1]/x"},
    {SCHEME(https), "GET", "[::1]:80", "/x", NULL, false, "302 https://[::1]/x"}, /* Traefik: 502 */
    {SCHEME(https_8443), "GET", "[::1]:1234", "/x", NULL, false, "301 https://[::1]:8443/x"},
    {SCHEME(https), "GET", "a.test:", "/x", NULL, false, "302 https://a.test:/x"},
    {SCHEME(https), "GET", "a.test", "//x//y", NULL, false, "302 https://a.test/x/y"},
    {SCHEME(https), "GET", "a.test", "/!'()*[]", NULL, false, "302 https://a.test/!'()*[]"},
    {SCHEME(https), "GET", "a.test", "/x?", NULL, false, "302 https://a.test/x?"},
    {SCHEME(https), "GET", "a.test", "/x??", NULL, false, "302 https://a.test/x??"},
    {SCHEME(https), "GET", "other", "http://a.test/x?y", NULL, false, "302 https://a.test/x?y"},
    {SCHEME(https), "CONNECT", "a.test", "a.test:443", NULL, false, "307 https://a.test/"},

    {URL(old_new), "GET", "a.test", "/old/x?y=1", NULL, false, "302 https://a.test/new/x?y=1"},
    {URL(old_new), "GET", "a.test", "/new", NULL, false, "pass"},
    {URL(old_new), "POST", "a.test", "/old/x", NULL, false, "307 https://a.test/new/x"},
    {URL(www), "GET", "a.test", "/p?q", NULL, false, "301 http://www.x.test/p?q"},
    {URL(www), "GET", "a.test:81", "/p?q", NULL, false, "301 http://www.x.test/p?q"},
    {URL(www), "DELETE", "a.test", "/p", NULL, false, "308 http://www.x.test/p"},
    {URL(www), "GET", "www.x.test", "/p", NULL, false, "pass"},
    {URL(broken), "GET", "a.test", "/x", NULL, false, "502 Bad Gateway"},
    {URL(relative), "GET", "a.test", "/x", NULL, false, "302 /rel%20x#%C3%A9"},
    {URL(relative), "GET", "a.test", "/%C3%A9?a;b", NULL, false, "302 /rel%20%C3%A9?a;b#%C3%A9"},
    {URL(tls_only), "GET", "a.test", "/x", "https", false, "pass"},
    {URL(tls_only), "GET", "a.test", "/x", NULL, true, "302 https://b.test/x"},
};

static void sends_to(void **state)
{
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct exchange ex;
        char said[200] = "pass";

        print_message("case %zu\n", i);
        fake_exchange(&ex, pool, cases[i].method, cases[i].host, cases[i].target);
        ex.request.tls = cases[i].tls;
        if (cases[i].proto != NULL) {
            headers_add_id(&ex.request.headers, HEADER_X_FORWARDED_PROTO, slice_cstr(cases[i].proto));
        }
        if (middleware_types[cases[i].kind]->on_request(&ex, cases[i].params) == MW_ANSWERED) {
            const struct header *location = headers_get(&ex.response.headers, HEADER_LOCATION);

            snprintf(said, sizeof(said), "%u %.*s", ex.response.status,
                     SLICE_ARG(location != NULL ? location->value : ex.response.own_body));
            assert_string_equal(http_status_text(ex.response.status),
                                pool_copy(pool, ex.response.own_body).ptr); /* the body is the status text */
        }
        assert_string_equal(said, cases[i].want);
        pool_reset(pool);
    }
    pool_free(pool);
}

static void what_takes_too_long_does_not_pass(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    struct exchange ex;

    (void)state;
    fake_exchange(&ex, pool, "GET", "a.test", "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!y");
    assert_int_equal(middleware_types[MIDDLEWARE_redirect_regex]->on_request(&ex, &endless), MW_ANSWERED);
    assert_int_equal(ex.response.status, 500);
    assert_int_equal(ex.reason, REASON_regex_limit);
    pool_free(pool);
}

static void location_is(struct exchange *ex, const char *want)
{
    assert_int_equal(middleware_types[MIDDLEWARE_redirect_scheme]->on_request(ex, &https), MW_ANSWERED);
    assert_true(slice_eq(headers_get(&ex->response.headers, HEADER_LOCATION)->value, slice_cstr(want)));
}

/* ';' in the query became '&' for rules and upstream: the Location has it as the client wrote it, until a
 * middleware writes the target anew. */
static void query_as_written(void **state)
{
    static struct add_prefix pre = {SLICE_INIT("/pre")};
    struct pool *pool = pool_new(4096, 0);
    struct exchange ex;

    (void)state;
    fake_exchange(&ex, pool, "GET", "a.test", "/x?a;b");
    assert_int_equal(query_split_semicolons(pool, ex.request.query, &ex.request.query), PATH_OK);
    location_is(&ex, "https://a.test/x?a;b");

    fake_exchange(&ex, pool, "GET", "a.test", "/x?a;b");
    assert_int_equal(query_encode_semicolons(pool, ex.request.query, &ex.request.query), PATH_OK);
    location_is(&ex, "https://a.test/x?a%3Bb");

    fake_exchange(&ex, pool, "GET", "a.test", "/x?a;b");
    assert_int_equal(query_split_semicolons(pool, ex.request.query, &ex.request.query), PATH_OK);
    assert_int_equal(middleware_types[MIDDLEWARE_add_prefix]->on_request(&ex, &pre), MW_PASS);
    location_is(&ex, "https://a.test/pre/x?a&b");
    pool_free(pool);
}

/* With sanitizePath off the target is taken as it came, also one that is a URL itself. */
static void target_as_written(void **state)
{
    static const struct {
        const char *host, *target, *want;
    } targets[] = {
        {"a.test", "//x/../{?q", "https://a.test//x/../%7B?q"},
        {"other", "http://a.test:80/x", "https://a.test/x"},
        {"other", "https://a.test/x", "pass"},
        {"a.test", "/%7ex?a#b", "https://a.test/~x?a#b"},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    fake_entry.sanitize_path = false;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct exchange ex;

        print_message("case %zu\n", i);
        fake_exchange(&ex, pool, "GET", targets[i].host, targets[i].target);
        if (strcmp(targets[i].want, "pass") == 0) {
            assert_int_equal(middleware_types[MIDDLEWARE_redirect_scheme]->on_request(&ex, &https), MW_PASS);
        } else {
            location_is(&ex, targets[i].want);
        }
        pool_reset(pool);
    }
    fake_entry.sanitize_path = true;
    pool_free(pool);
}

/* A request that is where it should be goes on as it is, without a fragment. */
static void pass_keeps_the_request(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    struct exchange ex;

    (void)state;
    fake_exchange(&ex, pool, "GET", "a.test", "/a%2Fb!?x=1#f");
    ex.request.tls = true;
    assert_int_equal(middleware_types[MIDDLEWARE_redirect_scheme]->on_request(&ex, &https), MW_PASS);
    assert_true(slice_eq(ex.request.raw_path, SLICE("/a%2Fb!")));
    assert_true(slice_eq(ex.request.query, SLICE("x=1")));
    pool_free(pool);
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
        cmocka_unit_test(sends_to),
        cmocka_unit_test(what_takes_too_long_does_not_pass),
        cmocka_unit_test(query_as_written),
        cmocka_unit_test(target_as_written),
        cmocka_unit_test(pass_keeps_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, free_regexes);
}
