/*
 * test_middleware_headers.c - the headers middleware: custom request and response headers, removal, Host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/resolve/prepare.h"
#include "tests/unit/fake_exchange.h"

#define PAIR(name, text)                                                                                     \
    {                                                                                                        \
        SLICE_INIT(name), SLICE_INIT(text)                                                                   \
    }
#define PAIRS_MAX 4

struct field {
    const char *name, *value;
};

static const struct {
    struct string_pair pairs[PAIRS_MAX]; /* customRequestHeaders or customResponseHeaders */
    struct field before[PAIRS_MAX];
    const char *want;
} cases[] = {
    {{PAIR("X-A", "1")}, {{NULL, NULL}}, "X-A=1;"},
    {{PAIR("x-custom-ID", "1")}, {{NULL, NULL}}, "X-Custom-Id=1;"},
    {{PAIR("etag", "1")}, {{NULL, NULL}}, "Etag=1;"},
    {{PAIR("X-A", "1")}, {{"x-a", "old"}, {"X-B", "b"}, {"X-A", "older"}}, "X-B=b;X-A=1;"},
    {{PAIR("X-A", "")}, {{"x-a", "old"}, {"X-B", "b"}, {"X-A", "older"}}, "X-B=b;"},
    {{PAIR("Cookie", ""), PAIR("User-Agent", "me")},
     {{"cookie", "c"}, {"user-agent", "you"}},
     "User-Agent=me;"},
    {{PAIR("Content-Length", "5"), PAIR("transfer-encoding", "x"), PAIR("Trailer", "y")},
     {{"Content-Length", "7"}},
     "Content-Length=7;"},
    {{PAIR("Content-Length", ""), PAIR("Transfer-Encoding", "")},
     {{"Content-Length", "7"}},
     "Content-Length=7;"},
    {{PAIR("Connection", "close"), PAIR("Keep-Alive", "9")}, {{"X-A", "1"}}, "X-A=1;"},
    {{PAIR("X A", "1"), PAIR("X-B", "1\r\nX-C: 2"), PAIR("", "x")}, {{"X-D", "1"}}, "X-D=1;"},
};

static void sets_and_removes(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    const struct middleware_type *type = middleware_types[MIDDLEWARE_set_headers];
    char said[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct prepared_headers params = {0};
        struct exchange ex;
        size_t count = 0;

        print_message("case %zu\n", i);
        while (count < PAIRS_MAX && cases[i].pairs[count].key.ptr != NULL) {
            count++;
        }
        for (int response = 0; response < 2; response++) {
            struct string_map map = {(struct string_pair *)cases[i].pairs, count};

            fake_exchange(&ex, pool, "GET", "a.test", "/");
            struct headers *headers = response ? &ex.response.headers : &ex.request.headers;

            params = (struct prepared_headers){0};
            *(response ? &params.custom_response : &params.custom_request) =
                prepare_fields(pool, &map, !response);
            for (size_t k = 0; k < PAIRS_MAX && cases[i].before[k].name != NULL; k++) {
                headers_add(headers, slice_cstr(cases[i].before[k].name),
                            slice_cstr(cases[i].before[k].value));
            }
            assert_int_equal(type->on_request(&ex, &params), MW_PASS);
            type->on_response(&ex, &params);
            fake_headers(headers, said, sizeof(said));
            assert_string_equal(said, cases[i].want);
            fake_headers(response ? &ex.request.headers : &ex.response.headers, said, sizeof(said));
            assert_string_equal(said, ""); /* the other half is not touched */
        }
        pool_reset(pool);
    }
    pool_free(pool);
}

static void host_goes_to_the_upstream(void **state)
{
    struct string_pair pairs[] = {PAIR("host", "other.test")}, empty[] = {PAIR("Host", "")};
    struct pool *pool = pool_new(4096, 0);
    struct prepared_headers params = {.custom_request =
                                          prepare_fields(pool, &(struct string_map){pairs, 1}, true)};
    struct exchange ex;
    char said[100];

    (void)state;
    fake_exchange(&ex, pool, "GET", "a.test", "/");
    ex.request.host_name = SLICE("a.test");
    middleware_types[MIDDLEWARE_set_headers]->on_request(&ex, &params);
    assert_true(slice_eq(ex.request.host, SLICE("other.test")));
    assert_true(slice_eq(ex.request.host_name, SLICE("a.test")));
    fake_headers(&ex.request.headers, said, sizeof(said));
    assert_string_equal(said, "");

    params.custom_request = prepare_fields(pool, &(struct string_map){empty, 1},
                                           true); /* an empty one does nothing: a request needs a Host */
    middleware_types[MIDDLEWARE_set_headers]->on_request(&ex, &params);
    assert_true(slice_eq(ex.request.host, SLICE("other.test")));
    pool_free(pool);
}

/* What weir adds by itself must not come back once a user took it away. */
static void forwarding_headers_stay_away(void **state)
{
    static const struct {
        const char *name;
        enum header_id id;
        bool suppressed;
    } names[] = {
        {"X-Forwarded-For", HEADER_X_FORWARDED_FOR, true},
        {"x-forwarded-for", HEADER_X_FORWARDED_FOR, false}, /* as in Traefik: only the canonical spelling */
        {"x-forwarded-host", HEADER_X_FORWARDED_HOST, true},
        {"X-Forwarded-Proto", HEADER_X_FORWARDED_PROTO, true},
        {"X-Real-Ip", HEADER_X_REAL_IP, true},
        {"Accept", HEADER_ACCEPT, false},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct string_pair pair = {slice_cstr(names[i].name), SLICE("")};
        struct string_map map = {&pair, 1};
        struct prepared_headers params = {.custom_request = prepare_fields(pool, &map, true)};
        struct exchange ex;

        print_message("case %zu\n", i);
        fake_exchange(&ex, pool, "GET", "a.test", "/");
        headers_add_id(&ex.request.headers, names[i].id, SLICE("x"));
        middleware_types[MIDDLEWARE_set_headers]->on_request(&ex, &params);
        assert_null(headers_get(&ex.request.headers, names[i].id));
        assert_int_equal(headers_suppressed(&ex.request.headers, names[i].id), names[i].suppressed);

        pair.value = SLICE("again"); /* a later middleware may set it anew */
        params.custom_request = prepare_fields(pool, &map, true);
        middleware_types[MIDDLEWARE_set_headers]->on_request(&ex, &params);
        assert_non_null(headers_get(&ex.request.headers, names[i].id));
        assert_false(headers_suppressed(&ex.request.headers, names[i].id));
        pool_reset(pool);
    }
    pool_free(pool);
}

/* Some servers take X_Auth and X-Auth for one variable: no other spelling of a name that is set or taken away
 * comes through from the client. */
static void other_spellings_of_the_client_go(void **state)
{
    struct string_pair pairs[] = {PAIR("X-Auth", "good"), PAIR("x_auth", "also"), PAIR("X-Gone", "")};
    struct pool *pool = pool_new(4096, 0);
    struct prepared_headers params = {
        .custom_request = prepare_fields(pool, &(struct string_map){pairs, ARRAY_LEN(pairs)}, true)};
    static const char *const names[] = {"X-Auth", "X_Auth", "x.auth",     "X_Gone",
                                        "X-GONE", "X-Aut",  "X-Authority"};
    struct exchange ex;
    char said[200];

    (void)state;
    fake_exchange(&ex, pool, "GET", "a.test", "/");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        headers_add(&ex.request.headers, slice_cstr(names[i]), SLICE("evil"));
    }
    middleware_types[MIDDLEWARE_set_headers]->on_request(&ex, &params);
    fake_headers(&ex.request.headers, said, sizeof(said));
    assert_string_equal(said, "X-Aut=evil;X-Authority=evil;X-Auth=good;X_auth=also;");
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_removes),
        cmocka_unit_test(host_goes_to_the_upstream),
        cmocka_unit_test(forwarding_headers_stay_away),
        cmocka_unit_test(other_spellings_of_the_client_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
