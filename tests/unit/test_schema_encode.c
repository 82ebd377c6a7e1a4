/*
 * test_schema_encode.c - structs as JSON, secrets, what is left out, round trips, and the reference page.
 */
#include "tests/unit/schema_sample.h"

static struct slice encode(struct pool *pool, const struct sample *sample)
{
    struct text json;

    text_init(&json);
    schema_encode(&sample_schema, sample, &json);
    struct slice copy = pool_copy(pool, text_slice(&json));

    text_free(&json);
    return copy;
}

static struct sample decode(struct pool *pool, const char *yaml)
{
    struct schema_report report;
    struct sample sample;

    schema_report_init(&report, pool);
    schema_defaults(&sample_schema, pool, &sample);
    schema_decode(&sample_schema, pool, sample_yaml(pool, yaml), 0, &sample, &report);
    assert_string_equal(sample_issues(pool, &report).ptr, "");
    return sample;
}

static void defaults_are_those_of_the_table(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct sample sample;

    (void)state;
    memset(&sample, 0xff, sizeof(sample));
    schema_defaults(&sample_schema, pool, &sample);
    assert_true(sample.flag);
    assert_int_equal(sample.number, 0);
    assert_false(sample.maybe.set);
    assert_true(slice_eq(sample.level, SLICE("low")));
    assert_int_equal(sample.names.count, 2);
    assert_true(slice_eq(((struct slice *)sample.names.items)[1], SLICE("b")));
    assert_int_equal(sample.sub.port, 80);
    assert_int_equal(sample.sub.timeout, 10000000000);
    assert_null(sample.bare);
    assert_null(sample.free_form);
    assert_int_equal(sample.always->port, 80);
    assert_int_equal(sample.entries.count, 0);
    assert_string_equal(encode(pool, &sample).ptr,
                        "{\"flag\":true,\"level\":\"low\",\"names\":[\"a\",\"b\"],\"sub\":" SUB_DEFAULTS
                        ",\"always\":" SUB_DEFAULTS "}");
    pool_free(pool);
}

static void every_kind_is_written(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct sample sample = decode(
        pool, "{flag: false, number: -3, ratio: 0.1, maybe: true, limit: 0, wait: 1h30m, text: \"a\\\"\\n\", "
              "level: high,\n"
              " names: [x], pattern: ^a, patterns: [b, c], sub: {port: 1}, bare: {}, strict: {timeOut: 0s},\n"
              " items: [{name: n}], entries: {e: {address: z, names: [p]}}, freeForm: [1, {a: ~}]}");

    (void)state;
    assert_string_equal(encode(pool, &sample).ptr,
                        "{\"flag\":false,\"number\":-3,\"ratio\":0.1,\"maybe\":true,\"limit\":0,\"wait\":"
                        "\"1h30m0s\",\"text\":\"a\\\"\\n\","
                        "\"level\":\"high\",\"names\":[\"x\"],\"pattern\":\"^a\",\"patterns\":[\"b\",\"c\"],"
                        "\"sub\":{\"port\":1,\"timeOut\":\"10s\"},\"bare\":" SUB_DEFAULTS
                        ",\"strict\":{\"port\":80,\"timeOut\":\"0s\"},"
                        "\"always\":" SUB_DEFAULTS ",\"items\":[{\"name\":\"n\",\"weight\":1}],"
                        "\"entries\":{\"e\":{\"address\":\"z\",\"inner\":" SUB_DEFAULTS
                        ",\"names\":[\"p\"]}},\"freeForm\":[1,{\"a\":null}]}");
    pool_free(pool);
}

static void what_is_written_reads_back(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct sample first = decode(pool, "{flag: false, number: 9007199254740993, ratio: 0.3, maybe: false, "
                                       "limit: 9, wait: 1.5ms, text: '\xc3\xa9', names: [],\n"
                                       " pattern: 'a{1,2}', items: [{name: n, weight: 0}, {name: m}], "
                                       "entries: {'': {extra: {port: 2}}, a.b: {}}}");
    struct doc *document = NULL;
    struct schema_report report;
    struct sample second;
    struct slice once = encode(pool, &first);

    (void)state;
    assert_int_equal(doc_read_json(pool, SLICE("j"), once, &document, NULL), 0);
    schema_report_init(&report, pool);
    schema_defaults(&sample_schema, pool, &second);
    second.names.count = 0; /* an empty list is left out, so the default would come back */
    assert_int_equal(schema_decode(&sample_schema, pool, document, 0, &second, &report), 0);
    assert_string_equal(encode(pool, &second).ptr, once.ptr);
    pool_free(pool);
}

static void secrets_are_never_written(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct sample
        a = decode(
            pool, "{labels: {k: canary-one, l: canary-one, m: canary-two, n: ''}, sub: {token: canary-one}}"),
        b = decode(pool, "{labels: {k: canary-one}}");
    const char *first = encode(pool, &a).ptr, *second = encode(pool, &b).ptr;
    const char *k = strstr(first, "\"k\":\"***"), *l = strstr(first, "\"l\":\"***"),
               *m = strstr(first, "\"m\":\"***"), *other = strstr(second, "\"k\":\"***"),
               *token = strstr(first, "\"token\":\"***");

    (void)state;
    assert_null(strstr(first, "canary"));
    assert_non_null(k);
    assert_non_null(l);
    assert_non_null(m);
    assert_non_null(token);
    assert_non_null(strstr(first, "\"n\":\"\"")); /* nothing to hide, and good to know */
    assert_memory_equal(k + 8, l + 8, 8);         /* the same secret looks the same... */
    assert_memory_equal(k + 8, other + 8, 8);
    assert_memory_equal(k + 8, token + 12, 8);
    assert_memory_not_equal(k + 8, m + 8, 8); /* ...and another one does not */
    assert_int_equal(k[16], '"');
    pool_free(pool);
}

static void the_reference_has_every_option(void **state)
{
    static const char *const rows[] = {
        "| Option | Kind | Default | What it does |\n|---|---|---|---|\n",
        "| `x.flag` | boolean | `true` | A\\|B. |\n",
        "| `x.number` | integer | `0` |  At least `-10`. |\n",
        "| `x.limit` | integer |  |  From `0` to `9`. |\n",
        "| `x.wait` | duration | `0s` |  |\n",
        "| `x.level` | choice | `low` |  One of `low`, `high`. |\n",
        "| `x.sub` | section |  |  |\n",
        "| `x.sub.port` | integer | `80` | Where. From `1` to `65535`. |\n",
        "| `x.sub.token` | text |  |  Never printed. |\n",
        "| `x.sub.timeOut` | duration | `10s` |  From `0s` to `1h0m0s`. |\n",
        "| `x.always` | section |  |  There by default. |\n",
        "| `x.items` | list of sections |  |  |\n",
        "| `x.items[n].name` | text |  | Its name. Required. |\n",
        "| `x.entries.<name>.inner.port` | integer |",
        "| `x.freeForm` | free form |  |  |\n",
        "| `x.old` | integer | `0` | write number. Deprecated. |\n",
        "| `x.inert` | integer | `0` |  Accepted without effect. |\n",
        "| `x.later` | integer | `0` |  Not yet served. |\n",
    };
    struct text page;

    (void)state;
    text_init(&page);
    schema_reference(&sample_schema, "x", &page);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("case %zu\n", i);
        assert_non_null(strstr(page.ptr, rows[i]));
    }
    text_clear(&page);
    schema_reference(&sample_item_schema, NULL, &page);
    assert_non_null(strstr(page.ptr, "| `name` | text |"));
    text_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table), cmocka_unit_test(every_kind_is_written),
        cmocka_unit_test(what_is_written_reads_back),      cmocka_unit_test(secrets_are_never_written),
        cmocka_unit_test(the_reference_has_every_option),
    };

    return cmocka_run_group_tests_name("schema_encode", tests, NULL, NULL);
}
