/*
 * test_schema_decode.c - every kind of field from documents, in strict and lenient mode, and the words of every error.
 */
#include "tests/unit/schema_sample.h"

#include <errno.h>

#define STATIC_FLAGS (SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES)

/* What is shown: the object as JSON without the parts at their default that every case would repeat. */
static struct slice shown(struct pool *pool, const struct sample *sample)
{
    static const char *const noise[] = {
        "\"flag\":true,",
        "\"level\":\"low\",",
        "\"names\":[\"a\",\"b\"],",
        "\"sub\":" SUB_DEFAULTS ",",
        "\"always\":" SUB_DEFAULTS ",",
        "\"sub\":" SUB_DEFAULTS,
        "\"always\":" SUB_DEFAULTS,
    };
    struct text json;

    text_init(&json);
    schema_encode(&sample_schema, sample, &json);
    for (size_t i = 0; i < ARRAY_LEN(noise); i++) {
        char *at = strstr(json.ptr, noise[i]);

        if (at) {
            memmove(at, at + strlen(noise[i]), strlen(at + strlen(noise[i])) + 1);
        }
    }
    struct slice copy = pool_copy(pool, slice_cstr(json.ptr));

    text_free(&json);
    return copy;
}

struct decode_case {
    unsigned flags;
    const char *yaml, *json, *issues;
};

static void run_cases(const struct decode_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pool *pool = pool_new(1024, 0);
        struct schema_report report;
        struct sample sample;

        print_message("case %zu\n", i);
        schema_report_init(&report, pool);
        schema_defaults(&sample_schema, pool, &sample);
        int rc = schema_decode(&sample_schema, pool, sample_yaml(pool, cases[i].yaml), cases[i].flags,
                               &sample, &report);

        assert_string_equal(sample_issues(pool, &report).ptr, cases[i].issues ? cases[i].issues : "");
        assert_int_equal(rc, report.errors ? -EINVAL : 0);
        if (cases[i].json) {
            assert_string_equal(shown(pool, &sample).ptr, cases[i].json);
        }
        pool_free(pool);
    }
}

static void every_kind_decodes(void **state)
{
    static const struct decode_case cases[] = {
        {0, "", "{}", NULL},
        {0, "{}", "{}", NULL},
        {0, "{number: ~, items: ~, sub: ~, always: ~, flag: ~, text: ~, entries: ~, freeForm: ~, labels: ~}",
         "{}", NULL},
        {0, "flag: false", "{\"flag\":false,}", NULL},
        {0, "number: 12", "{\"number\":12,}", NULL},
        {0, "number: 12.0", "{\"number\":12,}", NULL},
        {0, "number: 9223372036854775807", "{\"number\":9223372036854775807,}", NULL},
        {0, "ratio: 0.25", "{\"ratio\":0.25,}", NULL},
        {0, "ratio: 1", "{\"ratio\":1,}", NULL},
        {0, "maybe: false", "{\"maybe\":false,}", NULL},
        {0, "limit: 0", "{\"limit\":0,}", NULL},
        {0, "wait: 1m30s", "{\"wait\":\"1m30s\",}", NULL},
        {0, "wait: 90", "{\"wait\":\"1m30s\",}", NULL},
        {0, "wait: '90'", "{\"wait\":\"1m30s\",}", NULL},
        {0, "text: \"a\\\"b\"", "{\"text\":\"a\\\"b\",}", NULL},
        {0, "text: ''", "{}", NULL},
        {0, "level: high", "{\"level\":\"high\",}", NULL},
        {0, "level: ''", "{}", NULL},
        {0, "names: [x, 'y, z']", "{\"names\":[\"x\",\"y, z\"],}", NULL},
        {0, "names: []", "{}", NULL},
        {0, "pattern: ^a(b|c)$", "{\"pattern\":\"^a(b|c)$\",}", NULL},
        {0, "patterns: [a, 'b,c']", "{\"patterns\":[\"a\",\"b,c\"],}", NULL},
        {0, "sub: {port: 81, timeOut: 5}", "{\"sub\":{\"port\":81,\"timeOut\":\"5s\"},}", NULL},
        {0, "sub: {}", "{}", NULL},
        {0, "bare: {}", "{\"bare\":" SUB_DEFAULTS ",}", NULL},
        {0, "strict: {}", "{\"strict\":" SUB_DEFAULTS ",}", NULL},
        {0, "bare: {port: 1}", "{\"bare\":{\"port\":1,\"timeOut\":\"10s\"},}", NULL},
        {0, "always: {port: 9}", "{\"always\":{\"port\":9,\"timeOut\":\"10s\"}}", NULL},
        {0, "items: [{name: a}, {name: b, weight: 0}]",
         "{\"items\":[{\"name\":\"a\",\"weight\":1},{\"name\":\"b\",\"weight\":0}]}", NULL},
        {0, "entries: {web: {address: ':80'}, api: {extra: {}}}",
         "{\"entries\":{\"api\":{\"address\":\"\",\"inner\":" SUB_DEFAULTS ",\"extra\":" SUB_DEFAULTS
         "},\"web\":{\"address\":\":80\",\"inner\":" SUB_DEFAULTS "}}}",
         NULL},
        {0, "freeForm: {a: [1, x, ~]}", "{\"freeForm\":{\"a\":[1,\"x\",null]}}", NULL},
        /* lenient: flags, environment, files */
        {STATIC_FLAGS, "FLAG: 'false'", "{\"flag\":false,}", NULL},
        {STATIC_FLAGS, "{flag: 0, maybe: '1'}", "{\"flag\":false,\"maybe\":true,}", NULL},
        {STATIC_FLAGS, "{number: '-7', limit: \"8\"}", "{\"number\":-7,\"limit\":8,}", NULL},
        {STATIC_FLAGS, "ratio: '0.5'", "{\"ratio\":0.5,}", NULL},
        {STATIC_FLAGS, "text: 0x10", "{\"text\":\"16\",}", NULL},
        {STATIC_FLAGS, "text: 1.10", "{\"text\":\"1.10\",}", NULL},
        {STATIC_FLAGS, "text: True", "{\"text\":\"true\",}", NULL},
        {STATIC_FLAGS, "NAMES: 'x, y ,z'", "{\"names\":[\"x\",\"y\",\"z\"],}", NULL},
        {STATIC_FLAGS, "names: ''", "{}", NULL},
        {STATIC_FLAGS, "{SUB: {port: 81}, sub: {timeOut: 5}, Sub: {}}",
         "{\"sub\":{\"port\":81,\"timeOut\":\"5s\"},}", NULL},
        {STATIC_FLAGS, "{entries: {b: {}, a: {address: ':1'}}, ENTRIES: {a: {extra: {}}}}",
         "{\"entries\":{\"a\":{\"address\":\":1\",\"inner\":" SUB_DEFAULTS ",\"extra\":" SUB_DEFAULTS
         "},\"b\":{\"address\":\"\",\"inner\":" SUB_DEFAULTS "}}}",
         NULL},
        {STATIC_FLAGS, "{names: {}, patterns: {}, items: {}}", "{}", NULL},
        {STATIC_FLAGS, "names: [1, ' x ', true]", "{\"names\":[\"1\",\"x\",\"true\"],}", NULL},
        {STATIC_FLAGS, "patterns: a,b", "{\"patterns\":[\"a\",\"b\"],}", NULL},
        {STATIC_FLAGS, "{SUB: {PORT: '81', TimeOUT: '5'}}", "{\"sub\":{\"port\":81,\"timeOut\":\"5s\"},}",
         NULL},
        {STATIC_FLAGS, "bare: true", "{\"bare\":" SUB_DEFAULTS ",}", NULL},
        {STATIC_FLAGS, "bare: 'TRUE'", "{\"bare\":" SUB_DEFAULTS ",}", NULL},
        {STATIC_FLAGS, "bare: ''", "{\"bare\":" SUB_DEFAULTS ",}", NULL},
        {STATIC_FLAGS, "bare: false", "{}", NULL},
        {STATIC_FLAGS, "bare: {}", "{\"bare\":" SUB_DEFAULTS ",}", NULL},
        {STATIC_FLAGS, "entries: {Web: true, api: {}}",
         "{\"entries\":{\"Web\":{\"address\":\"\",\"inner\":" SUB_DEFAULTS
         "},\"api\":{\"address\":\"\",\"inner\":" SUB_DEFAULTS "}}}",
         NULL},
    };

    (void)state;
    run_cases(cases, ARRAY_LEN(cases));
}

#define DURATION_HINT "is no duration (write 10s, 1m30s or seconds as a number)\n"

static void every_error_names_place_and_expectation(void **state)
{
    static const struct decode_case cases[] = {
        {0, "[]", NULL, "f.yml:1:1: a list does not fit: options are expected here\n"},
        {0, "word", NULL, "f.yml:1:1: \"word\" does not fit: options are expected here\n"},
        /* scalars */
        {0, "flag: 'true'", NULL, "f.yml:1:7: flag: \"true\" is neither true nor false\n"},
        {0, "flag: 1", NULL, "f.yml:1:7: flag: 1 is neither true nor false\n"},
        {STATIC_FLAGS, "flag: yes", NULL, "f.yml:1:7: flag: \"yes\" is neither true nor false\n"},
        {STATIC_FLAGS, "flag: {}", NULL, "f.yml:1:7: flag: a map is neither true nor false\n"},
        {0, "number: '1'", NULL, "f.yml:1:9: number: \"1\" is no whole number\n"},
        {0, "number: 1.5", NULL, "f.yml:1:9: number: 1.5 is no whole number\n"},
        {0, "number: true", NULL, "f.yml:1:9: number: true is no whole number\n"},
        {0, "number: 9223372036854775808", NULL,
         "f.yml:1:9: number: 9223372036854775808 is no whole number\n"},
        {STATIC_FLAGS, "number: '9223372036854775808'", NULL,
         "f.yml:1:9: number: \"9223372036854775808\" is no whole number\n"},
        {STATIC_FLAGS, "number: '1e3'", NULL, "f.yml:1:9: number: \"1e3\" is no whole number\n"},
        {STATIC_FLAGS, "number: ' 1'", NULL, "f.yml:1:9: number: \" 1\" is no whole number\n"},
        {STATIC_FLAGS, "number: ''", NULL, "f.yml:1:9: number: \"\" is no whole number\n"},
        {0, "number: -11", NULL, "f.yml:1:9: number: -11 is out of bounds, it must be at least -10\n"},
        {0, "limit: 10", NULL, "f.yml:1:8: limit: 10 is out of bounds, it must be between 0 and 9\n"},
        {STATIC_FLAGS, "limit: '10'", "{}",
         "f.yml:1:8: limit: \"10\" is out of bounds, it must be between 0 and 9\n"},
        {0, "limit: [1]", NULL, "f.yml:1:8: limit: a list is no whole number\n"},
        {0, "ratio: 1.5", NULL, "f.yml:1:8: ratio: 1.5 is out of bounds, it must be between 0 and 1\n"},
        {0, "ratio: x", NULL, "f.yml:1:8: ratio: \"x\" is no number\n"},
        {0, "ratio: .nan", NULL, "f.yml:1:8: ratio: .nan is no number\n"},
        {STATIC_FLAGS, "ratio: 'nan'", NULL, "f.yml:1:8: ratio: \"nan\" is no number\n"},
        {STATIC_FLAGS, "ratio: '0.5x'", NULL, "f.yml:1:8: ratio: \"0.5x\" is no number\n"},
        {0, "wait: abc", NULL, "f.yml:1:7: wait: \"abc\" " DURATION_HINT},
        {0, "wait: 1.5", NULL, "f.yml:1:7: wait: 1.5 " DURATION_HINT},
        {0, "wait: true", NULL, "f.yml:1:7: wait: true " DURATION_HINT},
        {0, "wait: 9223372037", NULL, "f.yml:1:7: wait: 9223372037 " DURATION_HINT},
        {0, "sub: {timeOut: 2h}", NULL,
         "f.yml:1:16: sub.timeOut: \"2h\" is out of bounds, it must be between 0s and 1h0m0s\n"},
        {0, "sub: {timeOut: -1s}", NULL,
         "f.yml:1:16: sub.timeOut: \"-1s\" is out of bounds, it must be between 0s and 1h0m0s\n"},
        {0, "text: 12", NULL, "f.yml:1:7: text: 12 is no text: put it in quotes\n"},
        {0, "text: true", NULL, "f.yml:1:7: text: true is no text: put it in quotes\n"},
        {STATIC_FLAGS, "text: [a]", NULL, "f.yml:1:7: text: a list is no text\n"},
        {0, "level: medium", "{}", "f.yml:1:8: level: \"medium\" is not among the choices: low, high\n"},
        {0, "level: High", NULL, "f.yml:1:8: level: \"High\" is not among the choices: low, high\n"},
        {0, "level: 1", NULL, "f.yml:1:8: level: 1 is no text: put it in quotes\n"},
        /* lists and maps of texts */
        {0, "names: a,b", NULL, "f.yml:1:8: names: \"a,b\" is no list of texts\n"},
        {0, "names: [a, 1, [b]]", "{}",
         "f.yml:1:12: names[1]: 1 is no text: put it in quotes\nf.yml:1:15: names[2]: a list is no text\n"},
        {STATIC_FLAGS, "names: {a: b}", NULL, "f.yml:1:8: names: a map is no list of texts\n"},
        {0, "names: [~]", NULL, "f.yml:1:9: names[0]: nothing is no text\n"},
        {0, "labels: x", NULL, "f.yml:1:9: labels: *** is no map of texts\n"},
        {0, "labels: {a: [x]}", NULL, "f.yml:1:13: labels.a: a list is no text\n"},
        {0, "labels: {a: 12}", NULL, "f.yml:1:13: labels.a: *** is no text: put it in quotes\n"},
        {STATIC_FLAGS, "labels: {a.b: x, a: {b: y}}", NULL,
         "f.yml:1:9: labels: the key \"a.b\" is there twice\n"},
        /* structs */
        {0, "sub: x", NULL, "f.yml:1:6: sub: \"x\" does not fit: options are expected below it\n"},
        {STATIC_FLAGS, "sub: true", NULL,
         "f.yml:1:6: sub: true does not fit: options are expected below it\n"},
        {0, "bare: true", NULL, "f.yml:1:7: bare: true does not fit: options are expected below it\n"},
        {0, "bare: []", NULL, "f.yml:1:7: bare: a list does not fit: options are expected below it\n"},
        {STATIC_FLAGS, "bare: 1", NULL,
         "f.yml:1:7: bare: 1 does not fit: options are expected below it, or true\n"},
        {STATIC_FLAGS, "strict: true", NULL,
         "f.yml:1:9: strict: cannot stand alone: it needs at least one option below it\n"},
        {STATIC_FLAGS, "strict: {}", NULL,
         "f.yml:1:9: strict: is empty: it needs at least one option below it\n"},
        {STATIC_FLAGS, "always: false", "{}",
         "W f.yml:1:9: always: is part of the defaults, false does not switch it off\n"},
        {0, "items: {}", NULL, "f.yml:1:8: items: a map is no list\n"},
        {0, "items: [x, ~, {name: a}]", NULL,
         "f.yml:1:9: items[0]: \"x\" does not fit: options are expected here (known: name, "
         "weight)\nf.yml:1:12: items[1]: is "
         "empty\n"},
        {0, "entries: [a]", NULL, "f.yml:1:10: entries: a list is no map of names\n"},
        {0, "entries: {a: x}", NULL,
         "f.yml:1:14: entries.a: \"x\" does not fit: options are expected here (known: address, inner, "
         "extra, names)\n"},
        {STATIC_FLAGS, "entries: {a: false}", NULL,
         "f.yml:1:14: entries.a: false does not fit: options are expected here (known: address, inner, "
         "extra, names)\n"},
        {0, "entries: {a: ~}", "{}",
         "W f.yml:1:14: entries.a: is empty and left out (write {} for all defaults)\n"},
        /* names */
        {0, "nubmer: 1", NULL, "f.yml:1: nubmer: unknown field \"nubmer\", did you mean \"number\"?\n"},
        {0, "qqq: 1", NULL, "f.yml:1: qqq: unknown field \"qqq\"\n"},
        {0, "Number: 1", NULL, "f.yml:1: Number: unknown field \"Number\", did you mean \"number\"?\n"},
        {STATIC_FLAGS, "{number: 1, NUMBER: 2}", NULL,
         "f.yml:1: number: is there twice, in different letter case\n"},
        {STATIC_FLAGS, "sub: {port: 1}\nSUB: {port: 2}", NULL, "f.yml:2: sub.port: is there twice\n"},
        {STATIC_FLAGS, "sub: {port: 1}\nSUB: {PORT: 2}", NULL,
         "f.yml:2: sub.port: is there twice, in different letter case\n"},
        {STATIC_FLAGS, "entries: {a: {address: ':1'}}\nENTRIES: {a: {address: ':2'}}", NULL,
         "f.yml:2: entries.a: is there twice\n"},
        {STATIC_FLAGS, "bare: true\nBARE: {port: 2}", NULL,
         "f.yml:2: bare: is there twice, in different letter case\n"},
        {0, "sub:\n  port: 1\n  prot: 2", NULL,
         "f.yml:3: sub.prot: unknown field \"prot\", did you mean \"port\"? (known: port, token, timeOut)\n"},
        {0, "entries:\n  web:\n    inner: {x: 1}", NULL,
         "f.yml:3: entries.web.inner.x: unknown field \"x\" (known: port, token, timeOut)\n"},
        {0, "\"a\\nb\": 1", NULL, "f.yml:1: a?b: unknown field \"a?b\"\n"},
        /* required, checks, several at once */
        {0, "items: [{weight: 2}, {name: ''}]", NULL,
         "f.yml:1:9: items[0].name: is required\nf.yml:1:22: items[1].name: is required\n"},
        {0, "items: [{name: [1], weight: 101}]", NULL,
         "f.yml:1:16: items[0].name: a list is no text\n"
         "f.yml:1:29: items[0].weight: 101 is out of bounds, it must be between 0 and 100\n"},
        {0, "bare: {port: 666}", NULL, "f.yml:1:7: bare: port 666 and timeout do not go together\n"},
        {0, "entries: {a: {extra: {port: 666, timeOut: x}}}", NULL,
         "f.yml:1:43: entries.a.extra.timeOut: \"x\" " DURATION_HINT},
        /* regular expressions */
        {0, "pattern: 12", NULL, "f.yml:1:10: pattern: 12 is no text: put it in quotes\n"},
        /* warnings */
        {0, "{old: 1, inert: 2, later: 3}", "{\"old\":1,\"inert\":2,\"later\":3}",
         "W f.yml:1:7: old: is deprecated: write number\n"
         "W f.yml:1:17: inert: is accepted, but has no effect in weir\n"
         "W f.yml:1:27: later: is understood, but not yet served by this build\n"},
        {STATIC_FLAGS, "unserved: true", "{\"unserved\":" SUB_DEFAULTS "}",
         "W f.yml:1:11: unserved: is understood, but not yet served by this build\n"},
        {STATIC_FLAGS, "unserved: false", "{}", NULL},
    };

    (void)state;
    run_cases(cases, ARRAY_LEN(cases));
}

static void bad_regexes_are_named(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct schema_report report;
    struct sample sample;

    (void)state;
    schema_report_init(&report, pool);
    schema_defaults(&sample_schema, pool, &sample);
    schema_decode(&sample_schema, pool, sample_yaml(pool, "pattern: a(b\npatterns: [ok, '(?<=x)y', '*']"), 0,
                  &sample, &report);
    assert_int_equal(report.errors, 3);
    const char *all = sample_issues(pool, &report).ptr;

    assert_non_null(strstr(all, "f.yml:1:10: pattern: \"a(b\" is no regular expression: "));
    assert_non_null(strstr(all, "f.yml:2:16: patterns[1]: \"(?<=x)y\" is no regular expression: "));
    assert_non_null(strstr(all, "f.yml:2:27: patterns[2]: \"*\" is no regular expression: "));
    assert_int_equal(sample.patterns.count, 0);
    assert_int_equal(sample.pattern.pattern.len, 0);
    pool_free(pool);
}

static void maps_are_sorted_by_their_keys(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct schema_report report;
    struct sample sample;

    (void)state;
    schema_report_init(&report, pool);
    schema_defaults(&sample_schema, pool, &sample);
    assert_int_equal(
        schema_decode(&sample_schema, pool,
                      sample_yaml(pool, "labels: {b: 1, B: x, a: {c: y, b: ~, d: ''}, ab: true}\n"
                                        "entries: {b: {}, a: {address: x}, B: {}}"),
                      STATIC_FLAGS, &sample, &report),
        0);
    /* a.b has no value, which is not the empty one */
    static const char *const keys[] = {"B", "a.c", "a.d", "ab", "b"}, *const values[] = {"x", "y", "", "true",
                                                                                         "1"};

    assert_int_equal(sample.labels.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(slice_eq(sample.labels.items[i].key, slice_cstr(keys[i])));
        assert_true(slice_eq(sample.labels.items[i].value, slice_cstr(values[i])));
    }
    assert_int_equal(sample.entries.count, 3);
    assert_true(slice_eq(sample.entries.keys[0], SLICE("B")));
    assert_true(slice_eq(sample.entries.keys[1], SLICE("a")));
    assert_true(slice_eq(((struct sample_entry *)sample.entries.values)[1].address, SLICE("x")));
    assert_int_equal(((struct sample_entry *)sample.entries.values)[2].inner.port, 80);
    pool_free(pool);
}

static void secrets_stay_out_of_messages(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct schema_report report;
    struct sample sample;

    (void)state;
    schema_report_init(&report, pool);
    schema_defaults(&sample_schema, pool, &sample);
    schema_decode(
        &sample_schema, pool,
        sample_yaml(pool,
                    "labels: canary1\nsub: {token: 4711}\nbare: {token: [canary2]}\nstrict: {token: true}"),
        0, &sample, &report);
    assert_int_equal(report.errors, 4);
    const char *all = sample_issues(pool, &report).ptr;

    assert_null(strstr(all, "canary"));
    assert_null(strstr(all, "4711"));
    assert_non_null(strstr(all, "f.yml:2:14: sub.token: *** is no text: put it in quotes"));
    pool_free(pool);
}

static void long_values_are_cut(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct schema_report report;
    struct sample sample;
    struct text yaml;

    (void)state;
    text_init(&yaml);
    text_add_cstr(&yaml, "wait: ");
    for (int i = 0; i < 5000; i++) {
        text_add_cstr(&yaml, "wxyz");
    }
    text_add_cstr(&yaml, "\n");
    for (int i = 0; i < 5000; i++) {
        text_add_cstr(&yaml, i < 200 ? "long" : "");
    }
    text_add_cstr(&yaml, ": 1\n");
    schema_report_init(&report, pool);
    schema_defaults(&sample_schema, pool, &sample);
    assert_int_equal(schema_decode(&sample_schema, pool, sample_yaml(pool, yaml.ptr), 0, &sample, &report),
                     -EINVAL);
    assert_int_equal(report.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(report.issues[i].text.len < 1024);
    }
    text_free(&yaml);
    pool_free(pool);
}

static void issues_say_only_what_is_known(void **state)
{
    struct pool *pool = pool_new(256, 0);
    struct schema_report report;
    const struct doc place = {.file = SLICE_INIT("x.yml"), .line = 3, .column = 4},
                     line = {.file = SLICE_INIT("x.yml"), .line = 3}, file = {.file = SLICE_INIT("x.yml")};

    (void)state;
    schema_report_init(&report, pool);
    schema_report_add(&report, SCHEMA_ERROR, &place, SLICE("a.b"), "bad %d", 1);
    schema_report_add(&report, SCHEMA_WARNING, &line, SLICE("a"), "w");
    schema_report_add(&report, SCHEMA_ERROR, &file, SLICE("a"), "e");
    schema_report_add(&report, SCHEMA_ERROR, NULL, SLICE("a"), "e");
    schema_report_add(&report, SCHEMA_ERROR, NULL, (struct slice){0}, "e\nf");
    assert_int_equal(report.errors, 4);
    assert_string_equal(sample_issues(pool, &report).ptr,
                        "x.yml:3:4: a.b: bad 1\nW x.yml:3: a: w\nx.yml: a: e\na: e\ne?f\n");
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_decodes),
        cmocka_unit_test(every_error_names_place_and_expectation),
        cmocka_unit_test(bad_regexes_are_named),
        cmocka_unit_test(maps_are_sorted_by_their_keys),
        cmocka_unit_test(secrets_stay_out_of_messages),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(issues_say_only_what_is_known),
    };

    return cmocka_run_group_tests_name("schema_decode", tests, NULL, NULL);
}
