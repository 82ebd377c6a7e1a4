/*
 * test_rule_tcp.c - rules of TCP routers: what both syntaxes accept, what they refuse and why, what comes out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/rule/rule.h"
#include "common/schema/schema.h"

/* "host:a.test", "!any", "(x & y)" */
static void print(const struct rule *rule, struct text *out)
{
    switch (rule->op) {
    case RULE_AND:
    case RULE_OR:
        text_add_char(out, '(');
        print(rule->left, out);
        text_add_cstr(out, rule->op == RULE_AND ? " & " : " | ");
        print(rule->right, out);
        text_add_char(out, ')');
        return;
    case RULE_NOT:
        text_add_char(out, '!');
        print(rule->left, out);
        return;
    case RULE_PREDICATE:
        break;
    }
    const char *name = rule->predicate == RULE_ANY           ? "any"
                       : rule->predicate == RULE_HOST        ? "host:"
                       : rule->predicate == RULE_HOST_SUFFIX ? "suffix:"
                       : rule->predicate == RULE_HOST_REGEXP ? "regexp:"
                       : rule->predicate == RULE_CLIENT_IP   ? "ip:"
                       : rule->predicate == RULE_ALPN        ? "alpn:"
                                                             : "?";

    text_printf(out, "%s%.*s", name, SLICE_ARG(rule->value));
}

static void rules_become_trees(void **state)
{
    static const struct {
        enum rule_syntax syntax;
        const char *rule, *tree;
    } rows[] = {
        {RULE_TCP_V3, "HostSNI(`*`)", "any"},
        {RULE_TCP_V3, "HostSNI(`A.test.`)", "host:a.test"},
        {RULE_TCP_V3, "hostsni(`*.a.test`)", "suffix:.a.test"},
        {RULE_TCP_V3, "HostSNI(`10.0.0.1`)", "host:10.0.0.1"},
        {RULE_TCP_V3, "HostSNI(`a_b.test`) && !ALPN(`h2`)", "(host:a_b.test & !alpn:h2)"},
        {RULE_TCP_V3, "HostSNIRegexp(`^.+\\.a$`) || ClientIP(`10.0.0.0/8`)",
         "(regexp:^.+\\.a$ | ip:10.0.0.0/8)"},
        {RULE_TCP_V2, "HostSNI(`A.test`, `*`)", "(host:a.test | any)"},
        {RULE_TCP_V2, "HostSNIRegexp(`{sub:[a-z]+}.a.test`)", "regexp:(?i)^([a-z]+)\\.a\\.test$"},
        {RULE_TCP_V2, "ALPN(`h2`, `http/1.1`)", "(alpn:h2 | alpn:http/1.1)"},
        {RULE_TCP_V2, "ClientIP(`::1`, `10.0.0.1`)", "(ip:::1 | ip:10.0.0.1)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pool *pool = pool_new(1024, 0);
        struct rule *rule = NULL;
        struct error why = {{0}};
        struct text out;

        text_init(&out);
        if (rule_parse(pool, slice_cstr(rows[i].rule), rows[i].syntax, &rule, &why) < 0) {
            fail_msg("%s: %s", rows[i].rule, why.text);
        }
        print(rule, &out);
        assert_string_equal(out.ptr, rows[i].tree);
        text_free(&out);
        rule_free(rule);
        pool_free(pool);
    }
}

static void bad_rules_say_what_is_wrong(void **state)
{
    static const struct {
        enum rule_syntax syntax;
        const char *rule, *why;
    } rows[] = {
        {RULE_TCP_V3, "", "column 1: expected a matcher, '!' or '(', found the end of the rule"},
        {RULE_TCP_V3, "HostSNI()", "column 1: HostSNI: no value given"},
        {RULE_TCP_V3, "HostSNI(``)", "column 1: HostSNI: value 1 is empty"},
        {RULE_TCP_V3, "HostSNI(`a`, `b`)",
         "column 1: HostSNI: unexpected number of parameters; got 2, expected 1: join several with ||, as in "
         "Name(`a`) || Name(`b`)"},
        {RULE_TCP_V3, "HostSNI(`a b`)", "column 1: HostSNI: invalid value \"a b\": it is no host name"},
        {RULE_TCP_V3, "HostSNI(`*.`)", "column 1: HostSNI: invalid value \"*.\": it is no host name"},
        {RULE_TCP_V3, "HostSNI(`*a`)", "column 1: HostSNI: invalid value \"*a\": it is no host name"},
        {RULE_TCP_V2, "HostSNI(`*.a`)", "column 1: HostSNI: invalid value \"*.a\": it is no host name"},
        {RULE_TCP_V3, "ALPN(`acme-tls/1`)",
         "column 1: ALPN: invalid protocol value, \"acme-tls/1\" is not allowed"},
        {RULE_TCP_V2, "ALPN(`h2`, `acme-tls/1`)",
         "column 1: ALPN: invalid protocol value, \"acme-tls/1\" is not allowed"},
        {RULE_TCP_V2, "HostSNIRegexp(`{a`)", "column 1: HostSNIRegexp: unbalanced braces in \"{a\""},
        {RULE_TCP_V3, "Host(`a.test`)",
         "column 1: unsupported function: Host, did you mean HostSNI? (it is for HTTP routers)"},
        {RULE_V3, "HostSNI(`a.test`)",
         "column 1: unsupported function: HostSNI, did you mean Host? (it is for TCP routers)"},
        {RULE_V2, "ALPN(`h2`)", "column 1: unsupported function: ALPN (it is for TCP routers)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pool *pool = pool_new(1024, 0);
        struct rule *rule = NULL;
        struct error why = {{0}};

        assert_true(rule_parse(pool, slice_cstr(rows[i].rule), rows[i].syntax, &rule, &why) < 0);
        assert_string_equal(why.text, rows[i].why);
        pool_free(pool);
    }
}

static void first_name_of_a_rule(void **state)
{
    static const struct {
        const char *rule;
        int predicate; /* -1: none */
    } rows[] = {
        {"HostSNI(`*`)", RULE_ANY},
        {"ClientIP(`10.0.0.1`) && HostSNI(`a.test`)", RULE_HOST},
        {"ClientIP(`10.0.0.1`) || (ALPN(`h2`) && !HostSNI(`*.a.test`)) || HostSNI(`*`)", RULE_HOST_SUFFIX},
        {"HostSNIRegexp(`^a$`)", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pool *pool = pool_new(1024, 0);
        struct rule *rule = NULL;
        struct error why = {{0}};

        assert_int_equal(rule_parse(pool, slice_cstr(rows[i].rule), RULE_TCP_V3, &rule, &why), 0);
        const struct rule *first = rule_first_sni(rule);

        assert_int_equal(first ? (int)first->predicate : -1, rows[i].predicate);
        rule_free(rule);
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_become_trees),
        cmocka_unit_test(bad_rules_say_what_is_wrong),
        cmocka_unit_test(first_name_of_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
