/*
 * test_rule_match.c - which requests a rule matches: hosts, paths, methods, headers, query values, addresses.
 *
 * The answers are those of Traefik 3.7.
 */
#include "common/base/text.h"
#include "tests/unit/routes_sample.h"

struct match_case {
    const char *rule;
    const char *request; /* "METHOD host/path?query" */
    bool matches;
};

static void check_cases(const struct match_case *cases, size_t count, enum rule_syntax syntax)
{
    struct pool *scratch = pool_new(1024, 65536);

    for (size_t i = 0; i < count; i++) {
        struct pool *pool = pool_new(1024, 0);
        struct sample_request sample;
        struct rule *rule = NULL;
        struct error why = {{0}};

        if (rule_parse(pool, slice_cstr(cases[i].rule), syntax, &rule, &why) < 0) {
            fail_msg("%s: %s", cases[i].rule, why.text);
        }
        sample_init(&sample, scratch, cases[i].request);
        sample_add_header(&sample, SLICE("Host"), SLICE("a.test"));
        sample_add_header(&sample, SLICE("x-one"), SLICE("1"));
        sample_add_header(&sample, SLICE("X-Two"), SLICE("a"));
        sample_add_header(&sample, SLICE("X-Two"), SLICE("b"));
        sample_add_header(&sample, SLICE("X-Empty"), SLICE(""));
        sample_add_header(&sample, SLICE("Cookie"), SLICE("x=1;who=a.b ; empty="));
        sample_add_header(&sample, SLICE("Cookie"), SLICE("q=\"(2)\""));
        if (rule_matches(rule, &sample.request) != cases[i].matches) {
            fail_msg("%s %s %s", cases[i].rule, cases[i].matches ? "must match" : "must not match",
                     cases[i].request);
        }
        rule_free(rule);
        pool_free(pool);
        pool_reset(scratch);
    }
    pool_free(scratch);
}

static void v3(void **state)
{
    static const struct match_case cases[] = {
        {"Host(`a.test`)", "GET a.test/", true},
        {"Host(`A.Test`)", "GET a.test/", true},
        {"Host(`a.test`)", "GET a.test./", true},
        {"Host(`a.test.`)", "GET a.test/", true},
        {"Host(`a.test`)", "GET b.a.test/", false},
        {"Host(`a.test:80`)", "GET a.test/", false},
        {"Host(`*`)", "GET /", true},
        {"Host(`*.a.test`)", "GET b.a.test/", true},
        {"Host(`*.a.test`)", "GET b.a.test./", true},
        {"Host(`*.a.test`)", "GET c.b.a.test/", false}, /* one label only */
        {"Host(`*.a.test`)", "GET a.test/", false},
        {"Host(`*.a.test`)", "GET .a.test/", true},
        {"Host(`*foo.test`)", "GET barfoo.test/", false}, /* whole labels only */
        {"Host(`*.`)", "GET one/", true},
        {"Host(`*.`)", "GET one.two/", false},
        {"Host(`.`)", "GET /", false},
        {"!Host(`a.test`)", "GET /", true},
        {"HostRegexp(`^[a-z]\\.test$`)", "GET a.test/", true},
        {"HostRegexp(`^[a-z]\\.test$`)", "GET a.test./", false}, /* a regexp sees the dot */
        {"HostRegexp(`test`)", "GET a.test/", true},
        {"HostRegexp(`^$`)", "GET a.test/", true}, /* tried against the empty flattened name too */
        {"Path(`/a`)", "GET a.test/a", true},
        {"Path(`/a`)", "GET a.test/a/", false},
        {"Path(`/a`)", "GET a.test/A", false},
        {"Path(`/a`)", "GET a.test/a?b=c", true},
        {"PathPrefix(`/a`)", "GET a.test/ab", true},
        {"PathPrefix(`/a/`)", "GET a.test/a", false},
        {"PathRegexp(`^/[0-9]+$`)", "GET a.test/12", true},
        {"PathRegexp(`b`)", "GET a.test/abc", true},
        {"Method(`get`)", "GET a.test/", true},
        {"Method(`get`)", "get a.test/", false},
        {"Header(`X-ONE`, `1`)", "GET a.test/", true},
        {"Header(`X-Two`, `b`)", "GET a.test/", true},
        {"Header(`X-Two`, `c`)", "GET a.test/", false},
        {"Header(`Host`, `a.test`)", "GET a.test/", false}, /* not a header to Go */
        {"HeaderRegexp(`X-Two`, `^[b-z]$`)", "GET a.test/", true},
        {"HeaderRegexp(`X-Empty`, `^$`)", "GET a.test/", true},
        {"HeaderRegexp(`X-None`, `.*`)", "GET a.test/", false},
        {"Cookie(`who`, `a.b`)", "GET a.test/", true}, /* ours */
        {"Cookie(`who`, `a`)", "GET a.test/", false},
        {"Cookie(`who`, `axb`)", "GET a.test/", false},
        {"Cookie(`ho`, `a.b`)", "GET a.test/", false},
        {"cookie(`Who`, `a.b`)", "GET a.test/", false},
        {"Cookie(`x`, `1`) && Cookie(`q`, `(2)`)", "GET a.test/", true},
        {"Query(`q`)", "GET a.test/?q", true},
        {"Query(`q`)", "GET a.test/?q=", true},
        {"Query(`q`)", "GET a.test/?q=1", false}, /* without a value it means the empty one */
        {"Query(`q`, `1`)", "GET a.test/?a=2&q=0&q=1", true},
        {"Query(`q`, `a b`)", "GET a.test/?q=a+b", true},
        {"Query(`q`, `a b`)", "GET a.test/?q=a%20b", true},
        {"Query(`q`, `a+b`)", "GET a.test/?q=a%2Bb", true},
        {"Query(`q`, `a=b`)", "GET a.test/?q=a=b", true},
        {"Query(`q x`, `1`)", "GET a.test/?q%20x=1", true},
        {"Query(`q`, `%zz`)", "GET a.test/?q=%zz", false}, /* malformed pairs are dropped */
        {"Query(`q`, `1`)", "GET a.test/?q=%z&q=1", true},
        {"Query(`q`, `1`)", "GET a.test/?q=1;a=2", false},
        {"Query(`q`, `1`)", "GET a.test/?a=2;b&q=1", true},
        {"QueryRegexp(`q`, `^[0-9]+$`)", "GET a.test/?q=x&q=12", true},
        {"QueryRegexp(`q`, `^a b$`)", "GET a.test/?q=a+b", true},
        {"QueryRegexp(`q`)", "GET a.test/?q", true},
        {"ClientIP(`10.0.0.0/8`)", "GET a.test/", true},
        {"ClientIP(`10.1.2.3`)", "GET a.test/", true},
        {"ClientIP(`10.1.2.4`)", "GET a.test/", false},
        {"ClientIP(`::/0`)", "GET a.test/", false},
        {"Host(`a.test`) && Path(`/a`) || Path(`/b`)", "GET b.test/b", true}, /* && binds closer */
        {"Host(`a.test`) && (Path(`/a`) || Path(`/b`))", "GET b.test/b", false},
        {"!Host(`a.test`) && Path(`/a`)", "GET b.test/a", true},
        {"!(Host(`a.test`) && Path(`/a`))", "GET a.test/b", true},
        {"!(Host(`a.test`) || Path(`/a`))", "GET a.test/b", false},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases), RULE_V3);
}

static void v2(void **state)
{
    static const struct match_case cases[] = {
        {"Host(`a.test`, `b.test`)", "GET b.test/", true},
        {"HostHeader(`A.test.`)", "GET a.test/", true},
        {"Host(`*.test`)", "GET a.test/", false}, /* no wildcards in v2 */
        {"!Host(`a.test`, `b.test`)", "GET b.test/", false},
        {"!Host(`a.test`, `b.test`)", "GET c.test/", true},
        {"HostRegexp(`{sub}.a.test`)", "GET x.a.test/", true},
        {"HostRegexp(`{sub}.a.test`)", "GET y.x.a.test/", false},
        {"HostRegexp(`{sub:.+}.a.test`)", "GET y.x.a.test/", true},
        {"HostRegexp(`{sub:[A-Z]+}.a.test`)", "GET x.a.test/", true}, /* letter case does not matter */
        {"HostRegexp(`a.test`)", "GET a.test/", true},
        {"HostRegexp(`a.test`)", "GET aXtest/", false}, /* the dot is a dot */
        {"HostRegexp(`b.test`, `{x:a}.test`)", "GET a.test/", true},
        {"Path(`/a`, `/b`)", "GET a.test/b", true},
        {"Path(`/a/{id:[0-9]+}`)", "GET a.test/a/12", true},
        {"Path(`/a/{id:[0-9]+}`)", "GET a.test/a/12/x", false},
        {"Path(`/a/{id:[0-9]{2}}`)", "GET a.test/a/12", true},
        {"Path(`/a/{id}`)", "GET a.test/a/x", true},
        {"Path(`/a/{id}`)", "GET a.test/a/x/y", false},
        {"Path(`/a.c`)", "GET a.test/abc", false},
        {"PathPrefix(`/a`, `/b`)", "GET a.test/bcd", true},
        {"PathPrefix(`/{x:[a-c]}`)", "GET a.test/czz", true},
        {"PathPrefix(`/{x:[a-c]}`)", "GET a.test/z/a", false},
        {"Method(`get`, `PUT`)", "PUT a.test/", true},
        {"Headers(`X-One`, `1`, `X-Two`, `a`)", "GET a.test/", true},
        {"Headers(`X-One`, `1`, `X-Two`, `c`)", "GET a.test/", false}, /* all of them */
        {"Headers(`X-Two`, `c`, `X-Two`, `a`)", "GET a.test/",
         true}, /* of a name given twice the last counts */
        {"HeadersRegexp(`X-One`, `[0-9]`, `X-Two`, `^b`)", "GET a.test/", true},
        {"Query(`q=1`)", "GET a.test/?q=1", true},
        {"Query(`q=1`)", "GET a.test/?q=2&q=1", false}, /* the first value only */
        {"Query(`q=1`, `p={x:[a-z]+}`)", "GET a.test/?p=abc&q=1", true},
        {"Query(`q=1`, `p={x:[a-z]+}`)", "GET a.test/?p=9&q=1", false},
        {"Query(`q=`)", "GET a.test/?q=anything", true},
        {"Query(`q=`)", "GET a.test/?p=1", false},
        {"Query(`q={x}`)", "GET a.test/?q=", true},
        {"Query(`q`, `1`)", "GET a.test/?q=1", true},
        {"ClientIP(`192.168.0.0/16`, `10.1.2.3`)", "GET a.test/", true},
    };

    (void)state;
    check_cases(cases, ARRAY_LEN(cases), RULE_V2);
}

/* (a+)+$ on a long run of a's and a b takes for ever by backtracking. */
static void a_runaway_regexp_fails_closed(void **state)
{
    static const char *const rules[] = {"PathRegexp(`^/(a|a?)+$`)", "!PathRegexp(`^/(a|a?)+$`)"};
    struct pool *pool = pool_new(1024, 0), *scratch = pool_new(1024, 0);
    struct sample_request sample;

    (void)state;
    sample_init(&sample, scratch, "GET a.test/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct rule *rule = NULL;

        assert_int_equal(rule_parse(pool, slice_cstr(rules[i]), RULE_V3, &rule, NULL), 0);
        assert_int_equal(
            regex_test(rule->op == RULE_NOT ? rule->left->regex : rule->regex, sample.request.path),
            REGEX_LIMIT);
        assert_false(rule_matches(rule, &sample.request));
        rule_free(rule);
    }
    pool_free(pool);
    pool_free(scratch);
}

/* An encoded value that does not fit into the scratch memory is not known: neither a match nor its
 * opposite. */
static void without_scratch_memory_nothing_matches(void **state)
{
    struct pool *pool = pool_new(1024, 0), *scratch = pool_new(64, 64);
    struct sample_request sample;
    struct rule *rule = NULL;
    struct text line;
    static const char rule_text[] = "QueryRegexp(`q`, `A`) || !QueryRegexp(`q`, `A`)";

    (void)state;
    text_init(&line);
    text_add_cstr(&line, "GET a.test/?q=");
    for (size_t i = 0; i < 3000; i++) {
        text_add_char(&line, 'a');
    }
    text_add_cstr(&line, "%41");
    sample_init(&sample, scratch, line.ptr);
    assert_int_equal(rule_parse(pool, slice_cstr(rule_text), RULE_V3, &rule, NULL), 0);
    assert_false(rule_matches(rule, &sample.request));
    sample.request.query = SLICE("q=a%41");
    assert_true(rule_matches(rule, &sample.request));
    rule_free(rule);
    text_free(&line);
    pool_free(pool);
    pool_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v3),
        cmocka_unit_test(v2),
        cmocka_unit_test(a_runaway_regexp_fails_closed),
        cmocka_unit_test(without_scratch_memory_nothing_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
