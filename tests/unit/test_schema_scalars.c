/*
 * test_schema_scalars.c - durations, sizes, booleans and "did you mean".
 */
#include "tests/unit/schema_sample.h"

#include <errno.h>

static void durations_are_read_as_go_reads_them(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {
        {"0", 0},
        {"10", 10000000000},
        {"-5", -5000000000},
        {"+5", 5000000000},
        {"0s", 0},
        {"10s", 10000000000},
        {"1m30s", 90000000000},
        {"1h", 3600000000000},
        {"1h1m1s1ms1us1ns", 3661001001001},
        {"250ms", 250000000},
        {"1.5h", 5400000000000},
        {".5s", 500000000},
        {"5.s", 5000000000},
        {"-1.5s", -1500000000},
        {"+1s", 1000000000},
        {"10\xc2\xb5s", 10000},
        {"10\xce\xbcs", 10000},
        {"1s1s", 2000000000},
        {"0.000000001s", 1},
        {"0.3333333333333333333h", 1200000000000},
        {"1.567890123s", 1567890123},
        {"41h13m2.599999941s", 148382599999941},
        {"9223372036", 9223372036000000000},
        {"9223372036854775807ns", INT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "abc",
                                      "s",
                                      "-",
                                      "+",
                                      ".",
                                      ".s",
                                      "1x",
                                      "1 s",
                                      " 1s",
                                      "1s ",
                                      "1S",
                                      "1d",
                                      "--1s",
                                      "1.2.3s",
                                      "1e3s",
                                      "9223372036854775808ns",
                                      "2562048h",
                                      "9223372037",
                                      "1s-1s",
                                      "99999999999999999999s",
                                      "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t got = -1;

        print_message("case %zu\n", i);
        assert_int_equal(parse_duration(slice_cstr(good[i].text), &got, NULL), 0);
        assert_int_equal(got, good[i].want);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error why = {0};
        int64_t got = 77;

        print_message("bad %zu\n", i);
        assert_true(parse_duration(slice_cstr(bad[i]), &got, &why) < 0);
        assert_int_equal(got, 77);
        assert_true(why.text[0] != '\0');
    }
    struct error why;
    int64_t got;

    parse_duration(SLICE("abc"), &got, &why);
    assert_string_equal(why.text, "\"abc\" is no duration (write 10s, 1m30s or seconds as a number)");
    assert_true(parse_duration(SLICE("1s\0s"), &got, &why) < 0);
}

static void durations_are_written_as_go_writes_them(void **state)
{
    static const struct {
        int64_t value;
        const char *want;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {999, "999ns"},
        {1000, "1\xc2\xb5s"},
        {1100, "1.1\xc2\xb5s"},
        {2200000, "2.2ms"},
        {1000000, "1ms"},
        {999999999, "999.999999ms"},
        {1000000000, "1s"},
        {3300000000, "3.3s"},
        {1000000001, "1.000000001s"},
        {60000000000, "1m0s"},
        {90000000000, "1m30s"},
        {245000000000, "4m5s"},
        {245001000000, "4m5.001s"},
        {3600000000000, "1h0m0s"},
        {18367001000000, "5h6m7.001s"},
        {86400000000000, "24h0m0s"},
        {-1500000000, "-1.5s"},
        {480000000001, "8m0.000000001s"},
        {INT64_MAX, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct text text;
        int64_t again;

        print_message("case %zu\n", i);
        text_init(&text);
        format_duration(cases[i].value, &text);
        assert_string_equal(text.ptr, cases[i].want);
        if (cases[i].value != INT64_MIN) {
            assert_int_equal(parse_duration(text_slice(&text), &again, NULL), 0);
            assert_int_equal(again, cases[i].value);
        }
        text_free(&text);
    }
}

static void sizes_have_units(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"10", 10},
        {"10k", 10000},
        {"10K", 10000},
        {"4Mi", 4194304},
        {"1Gi", 1073741824},
        {"2G", 2000000000},
        {"1Ti", 1099511627776},
        {"3MiB", 3145728},
        {"5kB", 5000},
        {"7B", 7},
        {"", -1},
        {"k", -1},
        {"-1", -1},
        {"1.5k", -1},
        {"1 k", -1},
        {"1x", -1},
        {"1kk", -1},
        {"9223372036854775808", -1},
        {"9007199254740992Ki", -1},
        {"99999999999999999999", -1},
        {"9223372036854775807", INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error why = {0};
        int64_t got = -1;

        print_message("case %zu\n", i);
        assert_int_equal(parse_size(slice_cstr(cases[i].text), &got, &why) < 0, cases[i].want < 0);
        assert_int_equal(got, cases[i].want);
    }
}

static void booleans_are_those_of_go(void **state)
{
    static const char *const yes[] = {"1", "t", "T", "true", "True", "TRUE"};
    static const char *const no[] = {"0", "f", "F", "false", "False", "FALSE"};
    static const char *const neither[] = {"", "yes", "tRue", "2", "true ", "on"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        struct error why;
        bool value = false;

        assert_int_equal(parse_bool(slice_cstr(yes[i]), &value, &why), 0);
        assert_true(value);
        assert_int_equal(parse_bool(slice_cstr(no[i]), &value, &why), 0);
        assert_false(value);
        assert_int_equal(parse_bool(slice_cstr(neither[i]), &value, &why), -EINVAL);
    }
}

static void the_nearest_name_is_offered(void **state)
{
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"nubmer", "number"},
        {"Number", "number"},
        {"numbers", "number"},
        {"umber", "number"},
        {"patern", "pattern"},
        {"entires", "entries"},
        {"freeform", "freeForm"},
        {"flga", "flag"},
        {"fla", "flag"},
        {"xyz", NULL},
        {"", NULL},
        {"zzzzzz", NULL},
        {"itmes", "items"},
        {"numberrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = schema_nearest(&sample_schema, slice_cstr(cases[i].name));

        print_message("case %zu\n", i);
        if (cases[i].want == NULL) {
            assert_null(got);
        } else {
            assert_non_null(got);
            assert_string_equal(got, cases[i].want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_as_go_reads_them),
        cmocka_unit_test(durations_are_written_as_go_writes_them),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(booleans_are_those_of_go),
        cmocka_unit_test(the_nearest_name_is_offered),
    };

    return cmocka_run_group_tests_name("schema_scalars", tests, NULL, NULL);
}
