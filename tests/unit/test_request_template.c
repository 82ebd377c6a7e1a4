/*
 * test_request_template.c - templates over a request: what they give, and which are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/rule/request_template.h"

static struct slice field(void *context, enum template_field field, struct slice name)
{
    static const char *const texts[] = {"host", "GET", "HTTP/1.1", "/u?q", "1.2.3.4:5", "/p", "/rp", "q"};

    (void)context;
    return field == TEMPLATE_HEADER ? name : slice_cstr(texts[field]);
}

static void give_what_is_written(void **state)
{
    static const struct {
        const char *text, *made;
    } cases[] = {
        {"", ""},
        {"plain ] [ text", "plain ] [ text"},
        {"[[.Host]]", "host"},
        {"a [[.Method]] b [[ .Proto ]]", "a GET b HTTP/1.1"},
        {"[[.RequestURI]] [[.URL]] [[.URL.String]]", "/u?q /u?q /u?q"},
        {"[[.RemoteAddr]][[.URL.Path]][[.URL.RawPath]][[.URL.RawQuery]]", "1.2.3.4:5/p/rpq"},
        {"[[.UserAgent]] [[.Header.Get \"X-A\"]] [[ .Header.Get  `X b` ]]", "User-Agent X-A X b"},
        {"a  [[- .Host]] b", "ahost b"},
        {"a [[.Host -]]  b", "a hostb"},
        {"a [[- .Host -]]  [[.Host]]", "ahosthost"},
        {"[[/* a ]] b */]]", NULL},
        {"x[[/* a */]]y[[\"]\"]]", "xy]"},
        {"[[]]", NULL},
        {"[[.Host", NULL},
        {"[[.host]]", NULL},
        {"[[.Body]]", NULL},
        {"[[if .Host]]x[[end]]", NULL},
        {"[[.Header.Get X]]", NULL},
        {"[[\"a\\n\"]]", NULL},
        {"[[.Host | printf]]", NULL},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice program;
        struct error why = {""};
        bool good = request_template_compile(pool, slice_cstr(cases[i].text), SLICE("[["), SLICE("]]"),
                                             &program, &why);

        print_message("case %zu\n", i);
        assert_int_equal(good, cases[i].made != NULL);
        if (good) {
            assert_true(
                slice_eq(request_template_run(pool, program, field, NULL), slice_cstr(cases[i].made)));
        } else {
            assert_true(why.text[0] != '\0');
        }
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(give_what_is_written)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
