/*
 * test_schema_flags.c - command lines and environments into documents, by Traefik's rules, and what is refused.
 */
#include "tests/unit/schema_sample.h"

#include <errno.h>

#define ARGS_MAX 8

struct flag_case {
    const char *args[ARGS_MAX];
    const char *json;  /* the document */
    const char *error; /* or the whole error */
};

static int count_args(const char *const *args)
{
    int count = 0;

    while (count < ARGS_MAX && args[count]) {
        count++;
    }
    return count;
}

static void check_flags(const struct flag_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pool *pool = pool_new(1024, 0);
        struct doc *out = NULL;
        struct error why = {0};
        struct text json;

        print_message("case %zu\n", i);
        text_init(&json);
        int rc = schema_from_flags(&sample_schema, pool, count_args(cases[i].args),
                                   (char **)(uintptr_t)cases[i].args, &out, &why);

        if (cases[i].error) {
            assert_int_equal(rc, -EINVAL);
            assert_string_equal(why.text, cases[i].error);
            assert_null(out);
        } else {
            assert_string_equal(why.text, "");
            assert_int_equal(rc, 0);
            doc_to_json(out, &json);
            assert_string_equal(json.ptr, cases[i].json);
        }
        text_free(&json);
        pool_free(pool);
    }
}

static void flags_become_documents(void **state)
{
    static const struct flag_case cases[] = {
        {{NULL}, "{}", NULL},
        {{"--"}, "{}", NULL},
        {{"--text=a"}, "{\"text\":\"a\"}", NULL},
        {{"-text=a"}, "{\"text\":\"a\"}", NULL},
        {{"--TEXT=a"}, "{\"text\":\"a\"}", NULL},
        {{"--text", "a"}, "{\"text\":\"a\"}", NULL},
        {{"--text="}, "{\"text\":\"\"}", NULL},
        {{"--text=a=b=c"}, "{\"text\":\"a=b=c\"}", NULL},
        {{"--text=a", "--Text=b"}, "{\"text\":\"b\"}", NULL},
        {{"--text", "a b"}, "{\"text\":\"a b\"}", NULL},
        {{"--number", "-5"}, "{\"number\":\"-5\"}", NULL},
        {{"--number=-5", "--flag"}, "{\"flag\":true,\"number\":\"-5\"}", NULL},
        /* switches */
        {{"--flag"}, "{\"flag\":true}", NULL},
        {{"--flag=false"}, "{\"flag\":\"false\"}", NULL},
        {{"--maybe", "--flag"}, "{\"flag\":true,\"maybe\":true}", NULL},
        {{"--bare"}, "{\"bare\":true}", NULL},
        {{"--bare=true"}, "{\"bare\":\"true\"}", NULL},
        {{"--bare", "--bare.port=1"}, "{\"bare\":{\"port\":\"1\"}}", NULL},
        {{"--bare=true", "--bare.port=1"}, "{\"bare\":{\"port\":\"1\"}}", NULL},
        {{"--bare.port=1", "--bare=false"}, "{\"bare\":\"false\"}", NULL},
        {{"--sub.port", "81"}, "{\"sub\":{\"port\":\"81\"}}", NULL},
        /* lists of texts */
        {{"--names=a,b"}, "{\"names\":\"a,b\"}", NULL},
        {{"--names=a", "--NAMES=b,c"}, "{\"names\":\"a,b,c\"}", NULL},
        {{"--names[0]=a", "--names[1]=b,c"}, "{\"names\":[\"a\",\"b,c\"]}", NULL},
        {{"--entries.x.names=a", "--entries.x.names=b"}, "{\"entries\":{\"x\":{\"names\":\"a,b\"}}}", NULL},
        /* lists of structs, in the order of their numbers */
        {{"--items[0].name=a", "--items[1].name=b", "--items[0].weight=2"},
         "{\"items\":[{\"name\":\"a\",\"weight\":\"2\"},{\"name\":\"b\"}]}",
         NULL},
        {{"--items[10].name=c", "--items[2].name=b", "--items[0].name=a"},
         "{\"items\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]}",
         NULL},
        /* maps: names keep the case in which the first name (in byte order) has them */
        {{"--entries.Web.address=:80"}, "{\"entries\":{\"Web\":{\"address\":\":80\"}}}", NULL},
        {{"--ENTRIES.web.ADDRESS=:80"}, "{\"entries\":{\"web\":{\"address\":\":80\"}}}", NULL},
        {{"--entries.web.address=:80", "--entries.WEB.inner.port=1"},
         "{\"entries\":{\"WEB\":{\"inner\":{\"port\":\"1\"},\"address\":\":80\"}}}",
         NULL},
        {{"--entries.web"}, "{\"entries\":{\"web\":true}}", NULL},
        {{"--entries.web", "--entries.web.extra"}, "{\"entries\":{\"web\":{\"extra\":true}}}", NULL},
        {{"--entries.web.address", ":80", "--flag"},
         "{\"entries\":{\"web\":{\"address\":\":80\"}},\"flag\":true}",
         NULL},
        {{"--labels.Foo=x", "--labels.a.b=y"}, "{\"labels\":{\"Foo\":\"x\",\"a\":{\"b\":\"y\"}}}", NULL},
        /* free form takes everything below it */
        {{"--freeForm.Plug.in.Key=V", "--freeform.plug.list[1]=b", "--freeform.plug.list[0]=a",
          "--freeform.plug.on"},
         "{\"freeForm\":{\"Plug\":{\"in\":{\"Key\":\"V\"},\"list\":[\"a\",\"b\"],\"on\":true}}}",
         NULL},
        {{"--freeForm"}, "{\"freeForm\":true}", NULL},
        {{"--freeForm.x", "y", "--flag"}, "{\"flag\":true,\"freeForm\":{\"x\":\"y\"}}", NULL},
        {{"--freeForm=true", "--freeForm.a=1"}, "{\"freeForm\":{\"a\":\"1\"}}", NULL},
    };

    (void)state;
    check_flags(cases, ARRAY_LEN(cases));
}

static void bad_flags_are_refused(void **state)
{
    static const struct flag_case cases[] = {
        {{"--nubmer=1"}, NULL, "flag --nubmer: unknown, did you mean number?"},
        {{"--Entires.web.address=:80"},
         NULL,
         "flag --Entires.web.address: unknown, did you mean entries.web.address?"},
        {{"--entries.web.adress=:80"},
         NULL,
         "flag --entries.web.adress: unknown, did you mean entries.web.address?"},
        {{"--ENTRIES.web.inner.prot=:80"},
         NULL,
         "flag --ENTRIES.web.inner.prot: unknown, did you mean entries.web.inner.port?"},
        {{"--items[0].nmae=x"}, NULL, "flag --items[0].nmae: unknown, did you mean items[0].name?"},
        {{"--qqqq"}, NULL, "flag --qqqq: unknown"},
        {{"--sub.port.x=1"}, NULL, "flag --sub.port.x: unknown: sub.port has no options below it"},
        {{"--items.name=1"}, NULL, "flag --items.name: unknown: items is a list, write items[0]"},
        {{"--names.x=1"}, NULL, "flag --names.x: unknown: names is a list, write names[0]"},
        {{"--items[x].name=1"}, NULL, "flag --items[x].name: unknown: items is a list, write items[0]"},
        {{"--sub[0].port=1"}, NULL, "flag --sub[0].port: unknown"},
        {{"--entries[0].address=1"}, NULL, "flag --entries[0].address: unknown"},
        {{"--number"}, NULL, "--number: needs a value, write --number=VALUE"},
        {{"--number", "--flag"}, NULL, "--number: needs a value, write --number=VALUE"},
        {{"--names"}, NULL, "--names: needs a value, write --names=VALUE"},
        {{"--flag", "false"},
         NULL,
         "unexpected argument \"false\" behind --flag: values of switches need a '='"},
        {{"check"}, NULL, "unexpected argument \"check\": flags begin with --"},
        {{""}, NULL, "unexpected argument \"\": flags begin with --"},
        {{"-"}, NULL, "unexpected argument \"-\": flags begin with --"},
        {{"--", "x"}, NULL, "unexpected argument \"x\" behind --: values of switches need a '='"},
        {{"---flag"}, NULL, "---flag: bad flag, write --name=value"},
        {{"--=x"}, NULL, "--=x: bad flag, write --name=value"},
        {{"-=x"}, NULL, "-=x: bad flag, write --name=value"},
        {{"--sub..port=1"},
         NULL,
         "flag --sub..port: is malformed: names are separated by single dots, numbers of list items stand in "
         "[]"},
        {{"--sub.=1"},
         NULL,
         "flag --sub.: is malformed: names are separated by single dots, numbers of list items stand in []"},
        {{"--.sub=1"},
         NULL,
         "flag --.sub: is malformed: names are separated by single dots, numbers of list items stand in []"},
        {{"--items[0=1"},
         NULL,
         "flag --items[0: is malformed: names are separated by single dots, numbers of list items stand in "
         "[]"},
        {{"--items[0]name=1"},
         NULL,
         "flag --items[0]name: is malformed: names are separated by single dots, numbers of list items stand "
         "in []"},
        {{"--items.[0].name=1"},
         NULL,
         "flag --items.[0].name: is malformed: names are separated by single dots, numbers of list items "
         "stand in []"},
        {{"--bare=1", "--bare.port=2"},
         NULL,
         "--bare: has a value (\"1\") although options below it are set too"},
        {{"--sub=false", "--sub.port=2"},
         NULL,
         "--sub: has a value (\"false\") although options below it are set too"},
        {{"--names[0]=a", "--names=b"},
         NULL,
         "--names: has a value (\"b\") although options below it are set too"},
        {{"--text=a", "--text=\xff"}, NULL, "argument 2 is not UTF-8: --text=\xff"},
        {{"--freeForm.a[0]=1", "--freeForm.a.b=1"}, NULL, "a: list items and names are mixed below it"},
    };

    (void)state;
    check_flags(cases, ARRAY_LEN(cases));
}

static void deep_names_end(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct text flag;
    struct doc *out = NULL;
    struct error why = {0};

    (void)state;
    text_init(&flag);
    text_add_cstr(&flag, "--freeForm");
    for (int i = 0; i < 63; i++) {
        text_add_cstr(&flag, ".a");
    }
    assert_int_equal(schema_from_flags(&sample_schema, pool, 1, &flag.ptr, &out, &why), 0);
    for (int i = 0; i < 50000; i++) {
        text_add_cstr(&flag, ".a");
    }
    assert_int_equal(schema_from_flags(&sample_schema, pool, 1, &flag.ptr, &out, &why), -EINVAL);
    assert_non_null(strstr(why.text, "has more than 64 parts"));
    text_free(&flag);
    pool_free(pool);
}

/* The way a start takes: flags, document, struct; errors name the flag. */
static void flags_decode(void **state)
{
    static const char *args[] = {"--FLAG=false",        "--sub.timeout=5",   "--entries.web.address=:80",
                                 "--entries.web.extra", "--items[0].name=x", "--labels.A.b=c",
                                 "--names=p, q",        "--wait=1m",         "--bare"};
    struct pool *pool = pool_new(1024, 0);
    struct schema_report report;
    struct sample sample;
    struct doc *out = NULL;
    struct error why = {0};

    (void)state;
    schema_report_init(&report, pool);
    schema_defaults(&sample_schema, pool, &sample);
    assert_int_equal(
        schema_from_flags(&sample_schema, pool, ARRAY_LEN(args), (char **)(uintptr_t)args, &out, &why), 0);
    assert_int_equal(
        schema_decode(&sample_schema, pool, out, SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES, &sample, &report),
        0);
    const struct sample_entry *web = sample.entries.values;

    assert_false(sample.flag);
    assert_int_equal(sample.sub.timeout, 5000000000);
    assert_int_equal(sample.wait, 60000000000);
    assert_true(slice_eq(web->address, SLICE(":80")));
    assert_int_equal(web->extra->port, 80);
    assert_int_equal(sample.items.count, 1);
    assert_true(slice_eq(sample.labels.items[0].key, SLICE("A.b")));
    assert_true(slice_eq(((struct slice *)sample.names.items)[1], SLICE("q")));
    assert_non_null(sample.bare);
    assert_null(sample.strict);

    static const char *bad[] = {"--entries.web.extra.timeOut=abc", "--bare.token=canary", "--bare.port=0"};

    assert_int_equal(
        schema_from_flags(&sample_schema, pool, ARRAY_LEN(bad), (char **)(uintptr_t)bad, &out, &why), 0);
    assert_int_equal(
        schema_decode(&sample_schema, pool, out, SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES, &sample, &report),
        -EINVAL);
    assert_string_equal(
        sample_issues(pool, &report).ptr,
        "--bare.port: bare.port: \"0\" is out of bounds, it must be between 1 and 65535\n"
        "--entries.web.extra.timeOut: entries.web.extra.timeOut: \"abc\" is no duration (write 10s, 1m30s or "
        "seconds as a number)\n");
    pool_free(pool);
}

static void variables_become_documents(void **state)
{
    static const struct {
        const char *variables[ARGS_MAX];
        const char *json, *issues;
    } cases[] = {
        {{NULL}, NULL, ""},
        {{"PATH=/bin", "WEIR_TEXT=x", "TRAEFIKTEXT=x", "TRAEFIK=x", "TRAEFIK_=x", "TRAEFIK_TEXT"}, NULL, ""},
        {{"TRAEFIK_TEXT=a=b"}, "{\"text\":\"a=b\"}", ""},
        {{"traefik_Text=a"}, "{\"text\":\"a\"}", ""},
        {{"TRAEFIK_ENTRIES_WEB_ADDRESS=:80", "TRAEFIK_ENTRIES_WEB_INNER_PORT=1"},
         "{\"entries\":{\"web\":{\"address\":\":80\",\"inner\":{\"port\":\"1\"}}}}",
         ""},
        {{"TRAEFIK_BARE=true"}, "{\"bare\":\"true\"}", ""},
        {{"TRAEFIK_BARE="}, "{\"bare\":\"\"}", ""},
        {{"TRAEFIK_NAMES=a,b"}, "{\"names\":\"a,b\"}", ""},
        {{"TRAEFIK_ITEMS[0]_NAME=a"}, "{\"items\":[{\"name\":\"a\"}]}", ""},
        {{"TRAEFIK_LABELS_A_B=c"}, "{\"labels\":{\"a\":{\"b\":\"c\"}}}", ""},
        {{"TRAEFIK_FREEFORM_PLUGIN_KEY=v"}, "{\"freeForm\":{\"plugin\":{\"key\":\"v\"}}}", ""},
        {{"TRAEFIK_TEXT=a", "traefik_text=b"}, "{\"text\":\"b\"}", ""},
        {{"TRAEFIK_SERVICE_HOST=10.0.0.1", "TRAEFIK_TEXT=a"},
         "{\"text\":\"a\"}",
         "W TRAEFIK_SERVICE_HOST: service.host: ignored, unknown\n"},
        {{"TRAEFIK_NUBMER=1"}, NULL, "W TRAEFIK_NUBMER: nubmer: ignored, unknown, did you mean number?\n"},
        {{"TRAEFIK__X=1"},
         NULL,
         "W TRAEFIK__X: .x: ignored, is malformed: names are separated by single dots, numbers of list items "
         "stand in []\n"},
        {{"TRAEFIK_SUB_PROT=1", "TRAEFIK_TEXT=a"},
         "{\"text\":\"a\"}",
         "TRAEFIK_SUB_PROT: sub.prot: unknown, did you mean sub.port?\n"},
        {{"TRAEFIK_ENTRIES_MY_EP_ADDRESS=1"},
         NULL,
         "TRAEFIK_ENTRIES_MY_EP_ADDRESS: entries.my.ep.address: unknown\n"},
        {{"TRAEFIK_TEXT=\xc3"}, NULL, "TRAEFIK_TEXT: is not UTF-8\n"},
        {{"TRAEFIK_SUB=x", "TRAEFIK_SUB_PORT=1"},
         NULL,
         "TRAEFIK_SUB: has a value (\"x\") although options below it are set too\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool *pool = pool_new(1024, 0);
        struct schema_report report;
        struct doc *out = NULL;
        struct text json;
        char *environment[ARGS_MAX + 1] = {NULL};

        print_message("case %zu\n", i);
        text_init(&json);
        for (int j = 0; j < count_args(cases[i].variables); j++) {
            environment[j] = (char *)(uintptr_t)cases[i].variables[j];
        }
        schema_report_init(&report, pool);
        int rc = schema_from_env(&sample_schema, pool, "TRAEFIK", environment, &out, &report);

        assert_string_equal(sample_issues(pool, &report).ptr, cases[i].issues);
        assert_int_equal(rc, report.errors ? -EINVAL : 0);
        if (cases[i].json) {
            assert_non_null(out);
            doc_to_json(out, &json);
            assert_string_equal(json.ptr, cases[i].json);
        } else {
            assert_null(out);
        }
        text_free(&json);
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_become_documents),
        cmocka_unit_test(bad_flags_are_refused),
        cmocka_unit_test(deep_names_end),
        cmocka_unit_test(flags_decode),
        cmocka_unit_test(variables_become_documents),
    };

    return cmocka_run_group_tests_name("schema_flags", tests, NULL, NULL);
}
