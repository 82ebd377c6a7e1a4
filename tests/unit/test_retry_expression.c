/*
 * test_retry_expression.c - what is taken, what it says of an attempt, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/rule/retry_expression.h"

static void holds_as_written(void **state)
{
    static const struct {
        const char *text;
        unsigned attempts, status;
        bool holds;
    } cases[] = {
        {"IsNetworkError()", 1, 502, true},
        {"IsNetworkError()", 1, 504, true},
        {"IsNetworkError()", 1, 500, false},
        {"IsNetworkError() && Attempts() < 2", 1, 502, true},
        {"IsNetworkError() && Attempts() < 2", 2, 502, false},
        {"IsNetworkError()||ResponseCode()==500&&Attempts()<=2", 3, 502, true},
        {"IsNetworkError()||ResponseCode()==500&&Attempts()<=2", 3, 500, false},
        {"(IsNetworkError() || ResponseCode() == 500) && Attempts() <= 2", 3, 502, false},
        {"(IsNetworkError() || ResponseCode() == 500) && Attempts() <= 2", 2, 500, true},
        {"ResponseCode() != 200", 1, 200, false},
        {"ResponseCode() >= 500", 1, 500, true},
        {"ResponseCode() > 500", 1, 500, false},
        {" ( ( Attempts() > 1 ) ) ", 2, 200, true},
        {"RequestMethod() == \"GET\" && Attempts() < 3", 1, 200, true},
        {"RequestMethod() != `GET`", 1, 200, false},
        {"RequestMethod() == \"POST\" || ResponseCode() < 300", 1, 200, true},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct retry_facts facts = {cases[i].attempts, cases[i].status, SLICE("GET")};
        struct slice program;
        struct error why;

        print_message("case %zu\n", i);
        assert_true(retry_expression_compile(pool, slice_cstr(cases[i].text), &program, &why));
        assert_int_equal(retry_expression_holds(program, &facts), cases[i].holds);
    }
    pool_free(pool);
}

static void refused(void **state)
{
    static const char *const texts[] = {
        "",
        "  ",
        "Attempts()",
        "Attempts() <",
        "Attempts() < two",
        "Attempts() < 65536",
        "Attempts() < -1",
        "2 > Attempts()",
        "IsNetworkError",
        "!IsNetworkError()",
        "IsNetworkError() &&",
        "IsNetworkError() & Attempts() < 2",
        "IsNetworkError() Attempts() < 2",
        "(IsNetworkError()",
        "IsNetworkError())",
        "RequestMethod() < \"GET\"",
        "RequestMethod() == GET",
        "RequestMethod() == \"GET",
        "NetworkErrorRatio() > 0.5",
        "((((((((((((((((((((((IsNetworkError()))))))))))))))))))))))",
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct slice program;
        struct error why;

        print_message("case %zu\n", i);
        assert_false(retry_expression_compile(pool, slice_cstr(texts[i]), &program, &why));
        assert_true(slice_find_slice(slice_cstr(why.text), SLICE("retryExpression: ")) == 0);
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(holds_as_written), cmocka_unit_test(refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
