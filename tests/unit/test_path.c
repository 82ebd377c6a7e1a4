/*
 * test_path.c - request targets and what becomes of them: host, escaped path, routing path, query. The
 * expected values of targets and URLs are what Go's net/url and Traefik 3.7's entry point make of the same
 * bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/http/url.h"

struct target_case {
    const char *method;
    struct slice target;
    bool sanitize;
    struct slice want; /* "host|raw|path|query with its ?", or "bad", or "refused" */
};
#define CASE(method, target, sanitize, want)                                                                 \
    {                                                                                                        \
        method, SLICE_INIT(target), sanitize, SLICE_INIT(want)                                               \
    }

/* clang-format off */
static const struct target_case cases[] = {
    CASE("GET", "/", true, "|/|/|"),
    CASE("GET", "/a/b", true, "|/a/b|/a/b|"),
    CASE("GET", "/a?b=c", true, "|/a|/a|?b=c"),
    CASE("GET", "/a?", true, "|/a|/a|?"),
    CASE("GET", "/a?\?b", true, "|/a|/a|?\?b"),
    CASE("GET", "/a//b", true, "|/a/b|/a/b|"),
    CASE("GET", "/a/./b", true, "|/a/b|/a/b|"),
    CASE("GET", "/a/../b", true, "|/b|/b|"),
    CASE("GET", "/../../x", true, "|/x|/x|"),
    CASE("GET", "/a/b/..", true, "|/a|/a|"),
    CASE("GET", "/a/b/.", true, "|/a/b|/a/b|"),
    CASE("GET", "/a/b/../", true, "|/a/|/a/|"),
    CASE("GET", "/a/", true, "|/a/|/a/|"),
    CASE("GET", "//", true, "|/|/|"),
    CASE("GET", "///a", true, "|/a|/a|"),
    CASE("GET", "/.", true, "|/|/|"),
    CASE("GET", "/..", true, "|/|/|"),
    CASE("GET", "/...", true, "|/...|/...|"),
    CASE("GET", "/.well-known/x", true, "|/.well-known/x|/.well-known/x|"),
    CASE("GET", "/a/.b/..c", true, "|/a/.b/..c|/a/.b/..c|"),
    CASE("GET", "/a%2fb", true, "|/a%2Fb|/a%2Fb|"),
    CASE("GET", "/a%2Fb", true, "|/a%2Fb|/a%2Fb|"),
    CASE("GET", "/%61%7e%2d", true, "|/a~-|/a~-|"),
    CASE("GET", "/%2e%2e/x", true, "|/x|/x|"),
    CASE("GET", "/a/%2E%2E/b", true, "|/b|/b|"),
    CASE("GET", "/a%2f..%2fb", true, "|/a%2F..%2Fb|/a%2F..%2Fb|"),
    CASE("GET", "/%c3%a9", true, "|/%C3%A9|/\xc3\xa9|"),
    CASE("GET", "/\xe9", true, "|/%E9|/\xe9|"),
    CASE("GET", "/\xc3\xa9%2Fx", true, "|/%C3%A9/x|/\xc3\xa9/x|"),
    CASE("GET", "/a%20b", true, "|/a%20b|/a b|"),
    CASE("GET", "/a;b=c", true, "|/a;b=c|/a;b=c|"),
    CASE("GET", "/a!'()*[]", true, "|/a!'()*[]|/a!'()*[]|"),
    CASE("GET", "/a\"<>^`{|}\\", true, "|/a%22%3C%3E%5E%60%7B%7C%7D%5C|/a\"<>^`{|}\\|"),
    CASE("GET", "/%25", true, "|/%25|/%25|"),
    CASE("GET", "/%2525", true, "|/%2525|/%2525|"),
    CASE("GET", "/%00", true, "|/%00|/\x00|"),
    CASE("GET", "/%zz", true, "bad"),
    CASE("GET", "/%", true, "bad"),
    CASE("GET", "/%4", true, "bad"),
    CASE("GET", "/a%", true, "bad"),
    CASE("GET", "/a#b", true, "refused"),
    CASE("GET", "/a?b#c", true, "|/a|/a|?b#c"),
    CASE("GET", "/%23", true, "|/%23|/%23|"),
    CASE("GET", "/a:b@c$d&e+f,g=h~i", true, "|/a:b@c$d&e+f,g=h~i|/a:b@c$d&e+f,g=h~i|"),
    CASE("GET", "*", true, "|*|*|"),
    CASE("GET", "/*", true, "|/*|/*|"),
    CASE("GET", "*x", true, "bad"),
    CASE("GET", "a", true, "bad"),
    CASE("GET", "a/b", true, "bad"),
    CASE("GET", "?", true, "bad"),
    CASE("GET", "#", true, "bad"),
    CASE("GET", "", true, "bad"),
    CASE("GET", "http://h", true, "h|/|/|"),
    CASE("GET", "http://h/", true, "h|/|/|"),
    CASE("GET", "http://h/a//b?c", true, "h|/a/b|/a/b|?c"),
    CASE("GET", "http://H.Test:80/x", true, "H.Test:80|/x|/x|"),
    CASE("GET", "HTTPS://h?x", true, "h|/|/|?x"),
    CASE("GET", "http://u:p@h/x", true, "h|/x|/x|"),
    CASE("GET", "http://h#x", true, "bad"),
    CASE("GET", "http://[::1]:8/x", true, "[::1]:8|/x|/x|"),
    CASE("GET", "http://[::1/x", true, "bad"),
    CASE("GET", "http://[a]/", true, "bad"),
    CASE("GET", "http://h:x/", true, "bad"),
    CASE("GET", "http://h:1:2/", true, "bad"),
    CASE("GET", "http:///x", true, "|/x|/x|"),
    CASE("GET", "http:/x", true, "|/x|/x|"),
    CASE("GET", "http:x", true, "bad"),
    CASE("GET", "ftp://h/x", true, "h|/x|/x|"),
    CASE("GET", "1http://h/", true, "bad"),
    CASE("GET", "://h/", true, "bad"),
    CASE("GET", "http://h%41/", true, "bad"),
    CASE("GET", "//h/x", true, "|/h/x|/h/x|"),
    CASE("GET", "/a%20b%09c", true, "|/a%20b%09c|/a b\x09" "c|"),
    CASE("GET", "/%E4%b8%ad", true, "|/%E4%B8%AD|/\xe4\xb8\xad|"),
    CASE("GET", "/a%5cb", true, "|/a%5Cb|/a\\b|"),
    CASE("GET", "/%3F%3f", true, "|/%3F%3F|/%3F%3F|"),
    CASE("GET", "/a/%2E", true, "|/a|/a|"),
    CASE("GET", "/a/b%2F..", true, "|/a/b%2F..|/a/b%2F..|"),
    CASE("GET", "/%2F%2F", true, "|/%2F%2F|/%2F%2F|"),
    CASE("GET", "/a%2F/./b", true, "|/a%2F/b|/a%2F/b|"),
    CASE("GET", "/a//b", false, "|/a//b|/a//b|"),
    CASE("GET", "/a/../b", false, "|/a/../b|/a/../b|"),
    CASE("GET", "/%61", false, "|/a|/a|"),
    CASE("GET", "/%2e%2e/x", false, "|/../x|/../x|"),
    CASE("GET", "http://h", false, "h|||"),
    CASE("GET", "/a%2fb", false, "|/a%2Fb|/a%2Fb|"),
    CASE("GET", "*", false, "|*|*|"),
    CASE("CONNECT", "h:443", true, "h:443|/|/|"),
    CASE("CONNECT", "[::1]:443", true, "[::1]:443|/|/|"),
    CASE("CONNECT", "h", true, "h|/|/|"),
    CASE("CONNECT", "h:x", true, "bad"),
    CASE("CONNECT", "/p/x", true, "|/p/x|/p/x|"),
    CASE("CONNECT", "h/p", true, "h|/p|/p|"),
};
/* clang-format on */

/* The parts with bars between them, in the pool. */
static struct slice joined(struct pool *pool, const struct request_path *path)
{
    struct slice all = path->host;

    assert_true(pool_join(pool, all, SLICE("|"), &all) && pool_join(pool, all, path->raw, &all) &&
                pool_join(pool, all, SLICE("|"), &all) && pool_join(pool, all, path->path, &all) &&
                pool_join(pool, all, SLICE("|"), &all) &&
                pool_join(pool, all, path->has_query ? SLICE("?") : SLICE(""), &all) &&
                pool_join(pool, all, path->query, &all));
    return all;
}

static void targets(void **state)
{
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct request_path path;
        struct slice said = {NULL, 0};

        print_message("case %zu\n", i);
        switch (
            path_prepare(pool, slice_cstr(cases[i].method), cases[i].target, cases[i].sanitize, 0, &path)) {
        case PATH_OK:
            said = joined(pool, &path);
            break;
        case PATH_BAD:
            said = SLICE("bad");
            break;
        case PATH_REFUSED:
            said = SLICE("refused");
            break;
        case PATH_TOO_LONG:
            said = SLICE("too long");
            break;
        }
        assert_int_equal(said.len, cases[i].want.len);
        assert_memory_equal(said.ptr, cases[i].want.ptr, said.len);
        pool_reset(pool);
    }
    pool_free(pool);
}

static void plain_paths_cost_no_memory(void **state)
{
    static const struct slice plain[] = {
        SLICE_INIT("/"),
        SLICE_INIT("/api/v1/users/42?fields=a,b&x=%20"),
        SLICE_INIT("/a.b/.c/d..e/~f"),
        SLICE_INIT("/a!$&'()*+,;=:@b/"),
    };
    struct pool *pool = pool_new(0, 1); /* any byte asked for is over its limit */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        struct request_path path;

        print_message("case %zu\n", i);
        assert_int_equal(path_prepare(pool, SLICE("GET"), plain[i], true, 0x7f, &path), PATH_OK);
        assert_ptr_equal(path.raw.ptr, plain[i].ptr);
        assert_ptr_equal(path.path.ptr, plain[i].ptr);
    }
    pool_free(pool);
}

static void path_over_the_bound(void **state)
{
    static const struct slice long_ones[] = {
        SLICE_INIT("/a/../bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        SLICE_INIT("/%41bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        SLICE_INIT("/\xc3\xa9"),
        SLICE_INIT("/%C3%A9"),
    };
    struct pool *pool = pool_new(0, 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(long_ones); i++) {
        struct request_path path;

        print_message("case %zu\n", i);
        assert_int_equal(path_prepare(pool, SLICE("GET"), long_ones[i], true, 0, &path), PATH_TOO_LONG);
    }
    pool_free(pool);
}

static void encoded_characters(void **state)
{
    static const struct {
        const char *target;
        unsigned refused;
        enum path_result want;
    } encoded[] = {
        {"/a%2Fb", 0, PATH_OK},
        {"/a%2Fb", PATH_SLASH, PATH_REFUSED},
        {"/a%2fb", PATH_SLASH, PATH_REFUSED},
        {"/a%2Fb", (unsigned)~PATH_SLASH, PATH_OK},
        {"/a%5cb", PATH_BACK_SLASH, PATH_REFUSED},
        {"/a\\b", PATH_BACK_SLASH, PATH_REFUSED}, /* goes upstream as %5C */
        {"/%00", PATH_NULL, PATH_REFUSED},
        {"/%3b", PATH_SEMICOLON, PATH_REFUSED},
        {"/;", PATH_SEMICOLON, PATH_OK},
        {"/%252F", PATH_SLASH, PATH_OK},
        {"/%252F", PATH_PERCENT, PATH_REFUSED},
        {"/%3F", PATH_QUESTION, PATH_REFUSED},
        {"/a?%3F", PATH_QUESTION, PATH_OK},
        {"/%23", PATH_HASH, PATH_REFUSED},
        {"/%2e%2E/%2F", PATH_SLASH, PATH_REFUSED},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(encoded); i++) {
        struct request_path path;

        print_message("case %zu\n", i);
        assert_int_equal(
            path_prepare(pool, SLICE("GET"), slice_cstr(encoded[i].target), true, encoded[i].refused, &path),
            encoded[i].want);
    }
    pool_free(pool);
}

static void hosts(void **state)
{
    static const struct {
        const char *host, *want; /* NULL: not a host */
    } names[] = {
        {"a.test", "a.test"},
        {"A.Test:8080", "a.test"},
        {"a.test.", "a.test."},
        {"a.test.:80", "a.test."},
        {"[::1]", "::1"},
        {"[::1]:80", "::1"},
        {"[2001:DB8::A]:1", "2001:db8::a"},
        {"::1", "::1"},
        {"a:b:c", "a:b:c"},
        {"a:", "a"},
        {":80", ""},
        {"", ""},
        {"[::1", "[::1"},
        {"[]", ""},
        {"[]:1", ""},
        {"[a]b:1", "[a]b:1"},
        {"a]:1", "a]:1"},
        {"a[:1", "a[:1"},
        {"a b", NULL},
        {"a/b", NULL},
        {"a@b", NULL},
        {"\xc3\xa9", NULL},
        {"a\tb", NULL},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct slice out = {NULL, 0};

        print_message("case %zu\n", i);
        assert_int_equal(host_canonical(pool, slice_cstr(names[i].host), &out), names[i].want != NULL);
        assert_int_equal(host_valid(slice_cstr(names[i].host)), names[i].want != NULL);
        assert_true(names[i].want == NULL || slice_eq(out, slice_cstr(names[i].want)));
    }
    pool_free(pool);
}

static void semicolons(void **state)
{
    struct pool *pool = pool_new(4096, 0);
    struct slice out;

    (void)state;
    assert_int_equal(query_encode_semicolons(pool, SLICE("a;b=1;&c"), &out), PATH_OK);
    assert_true(slice_eq(out, SLICE("a%3Bb=1%3B&c")));
    assert_int_equal(query_split_semicolons(pool, SLICE("a;b=1;&c"), &out), PATH_OK);
    assert_true(slice_eq(out, SLICE("a&b=1&&c")));
    assert_int_equal(query_encode_semicolons(pool, SLICE("a=b"), &out), PATH_OK);
    assert_true(slice_eq(out, SLICE("a=b")));
    pool_free(pool);
}

static void urls_are_written_again(void **state)
{
    static const struct {
        const char *url, *want; /* NULL: malformed */
    } urls[] = {
        {"http://h/p?q#f", "http://h/p?q#f"},
        {"HTTPS://H:443/P", "https://H:443/P"},
        {"http://h", "http://h"},
        {"http://h/a b?c d#e f", "http://h/a%20b?c d#e%20f"},
        {"http://h/%zz", NULL},
        {"http://h/%2F%41", "http://h/%2F%41"},
        {"http://h st/", NULL},
        {"http://h{1}/", NULL},
        {"http://h:x/", NULL},
        {"http://h:1:2/", NULL},
        {"x://h:1:2/", "x://h:1:2/"},
        {"http://[::1]:80/", "http://[::1]:80/"},
        {"http://[::1/", NULL},
        {"http://[fe80::1%25en0]/", "http://[fe80::1%25en0]/"},
        {"http://\xc3\xa9/\xc3\xa9", "http://%C3%A9/%C3%A9"},
        {"http://u:p@h/", "http://u:p@h/"},
        {"http://u:p%40x@h/", "http://u:p%40x@h/"},
        {"http://u v@h/", NULL},
        {"//h/p", "//h/p"},
        {"///p", "///p"},
        {"/p", "/p"},
        {"p", "p"},
        {"a:b", "a:b"},
        {"a/b:c", "a/b:c"},
        {"1:b", NULL},
        {":b", NULL},
        {"mailto:x y", "mailto:x y"},
        {"", ""},
        {"*", "*"},
        {"?", "?"},
        {"#", ""},
        {"http:///p", "http:///p"},
        {"http:/p", "http:/p"},
        {"http://h/\x01", NULL},
        {"http://h/\n", NULL},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct slice out = {NULL, 0};

        print_message("case %zu\n", i);
        assert_int_equal(url_normalise(pool, slice_cstr(urls[i].url), &out),
                         urls[i].want ? PATH_OK : PATH_BAD);
        assert_true(urls[i].want == NULL || slice_eq(out, slice_cstr(urls[i].want)));
    }
    pool_free(pool);
}

/* Every short text of bytes that mean something: what is called plain is what all the steps leave alone. */
static void plain_is_the_same_in_all_forms(void **state)
{
    static const char letters[] = "/.a%;~";
    struct pool *pool = pool_new(4096, 0);
    unsigned found = 0;

    (void)state;
    for (unsigned n = 0; n < 6 * 6 * 6 * 6 * 6; n++) {
        char text[5];
        struct slice path = slice_of(text, 1 + n % sizeof(text)), to;
        struct url_path url;

        for (unsigned i = 0, rest = n; i < sizeof(text); i++, rest /= 6) {
            text[i] = letters[rest % 6];
        }
        if (path_is_plain(path)) {
            found++;
            assert_true(path_unescape(pool, path, &to) == PATH_OK && slice_eq(to, path));
            assert_true(path_escape(pool, path, &to) == PATH_OK && slice_eq(to, path));
            assert_true(path_routing(pool, path, &to) == PATH_OK && slice_eq(to, path));
            url = (struct url_path){.path = path};
            assert_true(url_path_clean(pool, &url) == PATH_OK && slice_eq(url.path, path) &&
                        url.raw.len == 0);
        } else if (path_unescape(pool, path, &to) == PATH_OK && slice_eq(to, path) && path.ptr[0] == '/') {
            url = (struct url_path){.path = path};
            assert_true(path_escape(pool, path, &to) != PATH_OK || !slice_eq(to, path) ||
                        url_path_clean(pool, &url) != PATH_OK || !slice_eq(url.path, path));
        }
    }
    assert_true(found > 100);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(plain_paths_cost_no_memory),
        cmocka_unit_test(plain_is_the_same_in_all_forms),
        cmocka_unit_test(path_over_the_bound),
        cmocka_unit_test(encoded_characters),
        cmocka_unit_test(hosts),
        cmocka_unit_test(semicolons),
        cmocka_unit_test(urls_are_written_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
