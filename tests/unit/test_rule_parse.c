/*
 * test_rule_parse.c - what the rule language accepts and refuses, in both syntaxes, and what its errors say.
 *
 * The verdicts are those of Traefik 3.7, asked rule by rule.
 */
#include "common/base/text.h"
#include "common/schema/schema.h"
#include "tests/unit/routes_sample.h"

static void check_verdicts(const char *const *rules, size_t count, enum rule_syntax syntax, bool accepted)
{
    for (size_t i = 0; i < count; i++) {
        struct pool *pool = pool_new(1024, 0);
        struct rule *rule = NULL;
        struct error why = {{0}};
        int rc = rule_parse(pool, slice_cstr(rules[i]), syntax, &rule, &why);

        if ((rc == 0) != accepted) {
            fail_msg("%s: %s", rules[i], rc == 0 ? "accepted" : why.text);
        }
        assert_true(accepted == (rule != NULL));
        assert_true(accepted || why.text[0]);
        rule_free(rule);
        pool_free(pool);
    }
}

static void v3_is_accepted(void **state)
{
    static const char *const rules[] = {
        "Host(`a.test`)",
        "Host(\"a.test\")",
        "host(`a.test`)",
        "HOST(`a.test`)",
        "Pathprefix(`/a`)",
        "pathprefix(`/a`) && HOSTREGEXP(`a`)",
        "Host(`a.test`,)",
        "Host(`a.test`,\n)",
        "Host (`a.test`)",
        "Host(`a.test`) &&\n  Path(`/`)",
        "Host(`a.test`)\n",
        "  (  Host(`a.test`) )  ",
        "!!Host(`a.test`)",
        "!(Host(`a.test`) || !Path(`/`))",
        "Host(`a.test`) /* either */ || Host(`b.test`) // that is all",
        "Host(`*`)",
        "Host(`*.a.test`)",
        "Host(`a.test.`)",
        "Host(`*foo`)",
        "Host(`a.test:80`)",
        "HostRegexp(`^.+\\.a\\.test$`)",
        "Path(`/{x}`)",
        "PathRegexp(`^/a/[0-9]+`)",
        "PathRegexp(\"^/a/\\\\d+\")",
        "Method(`get`)",
        "Header(`X-A`, `1`)",
        "HeaderRegexp(`X-A`, `^[0-9]$`)",
        "Cookie(`a`, `b=c`)",
        "Query(`a`)",
        "Query(`a`, `b`)",
        "QueryRegexp(`a`)",
        "QueryRegexp(`a`, `b+`)",
        "ClientIP(`10.0.0.0/8`)",
        "ClientIP(`::1`)",
        "Path(\"/\\u00e9\\x41\\101\\t\")",
    };

    (void)state;
    check_verdicts(rules, ARRAY_LEN(rules), RULE_V3, true);
}

static void v3_is_refused(void **state)
{
    static const char *const rules[] = {
        "",
        " ",
        "Cookie(`a`)",
        "Cookie(`a`, ``)",
        "Cookie(``, `a`)",
        "Cookie(`a=b`, `c`)",
        "Cookie(`a`, `b;c`)",
        "Cookie(`a`, `b c`)",
        "Cookie(`a`, `\"b`)",
        "a",
        "`a`",
        "Host",
        "Host(",
        "Host()",
        "Host(``)",
        "Host(`a`",
        "Host(`a)",
        "Host(\"a)",
        "Host(\"a\nb\")",
        "Host(\"a\\qb\")",
        "Host(\"\\x4\")",
        "Host(\"\\400\")",
        "Host(\"\\ud800\")",
        "Host('a')",
        "Host(a)",
        "Host(1)",
        "Host((`a`))",
        "Host(`a`,,`b`)",
        "Host(`a` `b`)",
        "Host(`a`\n)",
        "Host(`a`) Host(`b`)",
        "Host(`a`)\n&& Path(`/`)",
        "Host(`a`);",
        "Host(`a`) & Path(`/`)",
        "Host(`a`) and Path(`/`)",
        "Host(`a`) &&",
        "&& Host(`a`)",
        "(Host(`a`)",
        "Host(`a`))",
        "!",
        "Host(`a`) != Host(`b`)",
        "-Host(`a`)",
        "Host(Path(`/`))",
        "x.Host(`a`)",
        "Hst(`a`)",
        "hOST(`a`)",
        "pathPrefix(`/a`)",
        "Host(`a`, `b`)",
        "Host(`b\xc3\xbc"
        "cher.de`)",
        "HostRegexp(`\xc3\xbc`)",
        "HostRegexp(`(`)",
        "Path(`a`)",
        "PathPrefix(`a`)",
        "PathRegexp(`a(?=b)`)",
        "Method(`GET`, `PUT`)",
        "Header(`X-A`)",
        "Header(`X-A`, `1`, `2`)",
        "Headers(`X-A`, `1`)",
        "Query(`a`, `b`, `c`)",
        "ClientIP(`10.0.0`)",
        "ClientIP(`10.0.0.0/33`)",
        "Host(`a\xff`)",
        "Host(`a`) /* open",
    };

    (void)state;
    check_verdicts(rules, ARRAY_LEN(rules), RULE_V3, false);
}

static void v2_is_accepted(void **state)
{
    static const char *const rules[] = {
        "Host(`a.test`, `b.test`)",
        "HostHeader(`a.test`)",
        "HostRegexp(`a.test`, `{sub:[a-z]+}.a.test`)",
        "HostRegexp(`{sub}.a.test`)",
        "Path(`/a`, `/b/{id:[0-9]{2}}`)",
        "PathPrefix(`/a`, `/{x}`)",
        "Method(`GET`, `post`)",
        "Headers(`X-A`, `1`, `X-B`, `2`)",
        "HeadersRegexp(`X-A`, `^1`)",
        "Query(`a=b`)",
        "Query(`a=b`, `c={d}`)",
        "Query(`a=`)",
        "Query(`a`, `b`)",
        "ClientIP(`10.0.0.0/8`, `::1`)",
        "!Host(`a.test`, `b.test`)",
    };

    (void)state;
    check_verdicts(rules, ARRAY_LEN(rules), RULE_V2, true);
}

static void v2_is_refused(void **state)
{
    static const char *const rules[] = {
        "Host()",
        "Host(`a`, ``)",
        "Host(`\xc3\xbc`)",
        "HostRegexp(`{a`)",
        "HostRegexp(`a}`)",
        "HostRegexp(`{}`)",
        "HostRegexp(`{a:}`)",
        "HostRegexp(`{:a}`)",
        "HostRegexp(`{a:(}`)",
        "HostRegexp(`{a:x)(y}`)",
        "Path(`a`)",
        "Path(`/a`, `b`)",
        "PathRegexp(`/a`)",
        "Header(`X-A`, `1`)",
        "Headers(`X-A`)",
        "Headers(`X-A`, `1`, `X-B`)",
        "HeadersRegexp(`X-A`, `(`)",
        "Query(`a`)",
        "Query(`a=b`, `c`)",
        "Query(`a={v}`, `b={v}`)",
        "ClientIP(`10.0.0.0/8`, `x`)",
    };

    (void)state;
    check_verdicts(rules, ARRAY_LEN(rules), RULE_V2, false);
}

static void errors_name_column_and_remedy(void **state)
{
    static const struct {
        const char *rule;
        enum rule_syntax syntax;
        const char *text; /* must be in the message */
    } cases[] = {
        {"Host(`a`) && Hst(`b`)", RULE_V3, "column 14: unsupported function: Hst, did you mean Host?"},
        {"PathPrefx(`/b`)", RULE_V3, "did you mean PathPrefix?"},
        {"Headers(`a`, `b`)", RULE_V3, "v2 rule syntax"},
        {"PathRegexp(`/a`)", RULE_V2, "v3 rule syntax"},
        {"Host(`a`) || Path(`b`)", RULE_V3, "column 14: Path: path \"b\" does not start with a '/'"},
        {"Host(`a`, `b`)", RULE_V3, "got 2, expected 1"},
        {"Header(`a`)", RULE_V3, "got 1, expected 2"},
        {"Host(`a`)\n&& Path(`/`)", RULE_V3, "before the line break"},
        {"Host(`b\xc3\xbc"
         "cher`)",
         RULE_V3, "punycode"},
        {"Host(`a`) && ", RULE_V3, "column 14: expected a matcher, '!' or '(', found the end of the rule"},
        {"(Host(`a`)", RULE_V3, "expected ')'"},
        {"Host(a)", RULE_V3, "column 6: expected a string in back quotes"},
        {"PathRegexp(`a**`)", RULE_V3, "invalid nested repetition operator: `**`"},
        {"Host(`a`, ``)", RULE_V2, "value 2 is empty"},
        {"HostRegexp(`{a`)", RULE_V2, "unbalanced braces"},
        {"ClientIP(`10.0.0.300`)", RULE_V3, "column 1: ClientIP: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool *pool = pool_new(1024, 0);
        struct rule *rule = NULL;
        struct error why = {{0}};

        assert_int_not_equal(rule_parse(pool, slice_cstr(cases[i].rule), cases[i].syntax, &rule, &why), 0);
        if (!strstr(why.text, cases[i].text) || strchr(why.text, '\n')) {
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].rule, why.text, cases[i].text);
        }
        pool_free(pool);
    }
}

static struct rule *parse(struct pool *pool, struct slice text, enum rule_syntax syntax)
{
    struct rule *rule = NULL;
    struct error why = {{0}};

    if (rule_parse(pool, text, syntax, &rule, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return rule;
}

static unsigned depth(const struct rule *rule)
{
    if (!rule) {
        return 0;
    }
    unsigned left = depth(rule->left), right = depth(rule->right);

    return 1 + (left > right ? left : right);
}

static void long_chains_stay_shallow(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct text text;

    (void)state;
    text_init(&text);
    for (unsigned i = 0; i < 4000; i++) {
        text_printf(&text, "%sHost(`h%u`)", i ? " || " : "", i);
    }
    struct rule *rule = parse(pool, text_slice(&text), RULE_V3);

    assert_true(depth(rule) <= 14);
    text_free(&text);
    pool_free(pool);
}

static void nesting_and_length_are_bounded(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct rule *rule = NULL;
    struct error why = {{0}};
    struct text text;

    (void)state;
    text_init(&text);
    for (unsigned i = 0; i < 5000; i++) {
        text_add_char(&text, i % 2 ? '(' : '!');
    }
    assert_int_not_equal(rule_parse(pool, text_slice(&text), RULE_V3, &rule, &why), 0);
    assert_non_null(strstr(why.text, "nests deeper"));
    text_clear(&text);
    text_add_cstr(&text, "Host(`");
    for (unsigned i = 0; i < RULE_MAX_TEXT; i++) {
        text_add_char(&text, 'a');
    }
    text_add_cstr(&text, "`)");
    assert_int_not_equal(rule_parse(pool, text_slice(&text), RULE_V3, &rule, &why), 0);
    assert_non_null(strstr(why.text, "longer than"));
    text_free(&text);
    pool_free(pool);
}

static bool negations_are_low(const struct rule *rule)
{
    switch (rule->op) {
    case RULE_PREDICATE:
        return true;
    case RULE_NOT:
        return rule->left->op == RULE_PREDICATE && !rule->right;
    default:
        return negations_are_low(rule->left) && negations_are_low(rule->right);
    }
}

static void negations_stand_above_predicates_only(void **state)
{
    static const char *const rules[] = {
        "!(Host(`a`) && (Path(`/`) || !Method(`GET`)))",
        "!(!(!(Host(`a`) || Path(`/`))))",
        "!Host(`a`)",
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        assert_true(negations_are_low(parse(pool, slice_cstr(rules[i]), RULE_V3)));
    }
    assert_true(negations_are_low(
        parse(pool, SLICE("!Host(`a`, `b`) && !(Path(`/a`, `/b`) || Headers(`a`, `b`))"), RULE_V2)));
    pool_free(pool);
}

static void hosts_of_a_rule(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct list list;

    (void)state;
    rule_hosts(
        pool,
        parse(pool,
              SLICE("(Host(`B.test`) || Host(`*.c.test`)) && !Host(`no`) && Host(`a.`) && Host(`b.test`)"),
              RULE_V3),
        &list);
    const struct slice *hosts = list.items;

    assert_int_equal(list.count, 3);
    assert_true(slice_eq(hosts[0], SLICE("b.test")));
    assert_true(slice_eq(hosts[1], SLICE("*.c.test")));
    assert_true(slice_eq(hosts[2], SLICE("a")));
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v3_is_accepted),
        cmocka_unit_test(v3_is_refused),
        cmocka_unit_test(v2_is_accepted),
        cmocka_unit_test(v2_is_refused),
        cmocka_unit_test(errors_name_column_and_remedy),
        cmocka_unit_test(long_chains_stay_shallow),
        cmocka_unit_test(nesting_and_length_are_bounded),
        cmocka_unit_test(negations_stand_above_predicates_only),
        cmocka_unit_test(hosts_of_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
