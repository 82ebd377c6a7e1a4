/* test_server_url.c - URLs of servers: what they are taken apart into, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/compile/url.h"

static void urls_of_servers(void **state)
{
    static const struct {
        const char *url, *host, *authority, *path;
        int port;
    } cases[] = {
        /* NULL: refused */
        {"http://a", "a", "a", "", 80},
        {"http://a:81/x/y%20z", "a", "a:81", "/x/y%20z", 81},
        {"HTTP://A.test/", "A.test", "A.test", "/", 80},
        {"https://a", "a", "a", "", 443},
        {"http://[::1]:8080/", "::1", "[::1]:8080", "/", 8080},
        {"http://[::1]", "::1", "[::1]", "", 80},
        {"http://a:/", "a", "a:", "/", 80},
        {"http://u:p@a:1/?q#f", "a", "a:1", "/", 1},
        {"http://my_service.ns.svc:80", "my_service.ns.svc", "my_service.ns.svc:80", "", 80},
        {"a:80", NULL, NULL, NULL, 0},
        {"//a", NULL, NULL, NULL, 0},
        {"://a", NULL, NULL, NULL, 0},
        {"1http://a", NULL, NULL, NULL, 0},
        {"http://", NULL, NULL, NULL, 0},
        {"http:///x", NULL, NULL, NULL, 0},
        {"http://a b", NULL, NULL, NULL, 0},
        {"http://a/b c", "a", "a", "/b c", 80},
        {"http://a/b\tc", NULL, NULL, NULL, 0},
        {"http://a/%zz", NULL, NULL, NULL, 0},
        {"http://a/b%4", NULL, NULL, NULL, 0},
        {"http://a:0", NULL, NULL, NULL, 0},
        {"http://a:65536", NULL, NULL, NULL, 0},
        {"http://a:8o", NULL, NULL, NULL, 0},
        {"http://::1", NULL, NULL, NULL, 0},
        {"http://[::1", NULL, NULL, NULL, 0},
        {"http://[::1]x", NULL, NULL, NULL, 0},
        {"http://[a]", NULL, NULL, NULL, 0},
        {"http://[fe80::1%25eth0]", NULL, NULL, NULL, 0},
        {"http://a..b", NULL, NULL, NULL, 0},
        {"http://.a", NULL, NULL, NULL, 0},
        {"http://a%41", NULL, NULL, NULL, 0},
        {"", NULL, NULL, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server_url url;
        struct error why = {""};
        int rc = server_url_parse(slice_cstr(cases[i].url), &url, &why);

        print_message("case %zu: %s %s\n", i, cases[i].url, why.text);
        if (!cases[i].host) {
            assert_true(rc < 0);
            assert_true(why.text[0] != '\0');
            continue;
        }
        assert_int_equal(rc, 0);
        assert_true(slice_eq(url.host, slice_cstr(cases[i].host)));
        assert_true(slice_eq(url.authority, slice_cstr(cases[i].authority)));
        assert_true(slice_eq(url.path, slice_cstr(cases[i].path)));
        assert_int_equal(url.port, cases[i].port);
    }
}

/* Each as the reference answered it: 404 for the service, or errors of this server alone. */
static void which_of_the_bad_ones_go_reads(void **state)
{
    static const char *const malformed[] = {
        "http://bad host:80", "127.0.0.1:80", "http://a:b",    "http://a\\b",    "http://[::1",
        "http://[zz]:80",     ":foo",         "http://a:1:80", "http://::1:80",  "http://a%41b",
        "h ttp://a",          "1http://a",    "http://a\001",  "http://[::1]:x", "http://a/%zz",
        "http://a/%2",        "/%",           "//a/%zz",       "///%zz",
    };
    static const char *const readable[] = {
        "http://",
        "localhost:80",
        "foo",
        "",
        "http://a:99999",
        "http://a:0",
        "http://a!b",
        "//127.0.0.1:80",
        "http://a..b",
        "http://.a",
        "http:///x",
        "/x:y",
        "a/b:c",
        "http://[fe80::1%25eth0]:80",
        "http://\xc3\xa9",
    };
    struct server_url url;
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        print_message("%s\n", malformed[i]);
        assert_true(server_url_parse(slice_cstr(malformed[i]), &url, &why) < 0);
        assert_true(server_url_is_malformed(slice_cstr(malformed[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(readable); i++) {
        print_message("%s\n", readable[i]);
        assert_true(server_url_parse(slice_cstr(readable[i]), &url, &why) < 0);
        assert_false(server_url_is_malformed(slice_cstr(readable[i])));
    }
}

static void paths_as_they_are_sent(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},          {"/a%2Fb", "/a%2Fb"}, {"/a b", "/a%20b"}, {"/\xc3\xa9/%20", "/%C3%A9/%20"},
        {"/a\"", "/a%22"},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice sent = server_url_sent_path(pool, slice_cstr(cases[i][0]));

        assert_true(slice_eq(sent, slice_cstr(cases[i][1])));
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_of_servers),
        cmocka_unit_test(which_of_the_bad_ones_go_reads),
        cmocka_unit_test(paths_as_they_are_sent),
    };

    return cmocka_run_group_tests_name("server_url", tests, NULL, NULL);
}
