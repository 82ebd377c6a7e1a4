/* test_log_line.c - a record is one line of valid UTF-8 in both formats, whatever a peer or a file had in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "common/base/slice.h"
#include "common/doc/doc.h"

static char last[8192];

static void keep(void *context, struct slice line)
{
    (void)context;
    assert_true(line.len < sizeof(last));
    memcpy(last, line.ptr, line.len);
    last[line.len] = '\0';
}

static const struct {
    const char *message, *common, *json;
} cases[] = {
    {"plain words", "plain words", "\"plain words\""},
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
    {"\xe2\x82\xac \xf0\x9f\x99\x82", "\xe2\x82\xac \xf0\x9f\x99\x82", "\"\xe2\x82\xac \xf0\x9f\x99\x82\""},
    {"a\xff"
     "b",
     "a\\xffb",
     "\"a\xef\xbf\xbd"
     "b\""},
    {"cut \xe2\x82", "cut \\xe2\\x82", "\"cut \xef\xbf\xbd\xef\xbf\xbd\""},
    {"overlong \xc0\xaf", "overlong \\xc0\\xaf", "\"overlong \xef\xbf\xbd\xef\xbf\xbd\""},
    {"half \xed\xa0\x80", "half \\xed\\xa0\\x80", "\"half \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"line\nline\x1b[1m\x7f", "line\\x0aline\\x1b[1m\\x7f", "\"line\\nline\\u001b[1m\\u007f\""},
    {"control \xc2\x9b"
     "1m",
     "control \\xc2\\x9b1m",
     "\"control \xc2\x9b"
     "1m\""},
};

static void check_line(const char *expected)
{
    size_t len = strlen(last);

    assert_true(len > 0 && last[len - 1] == '\n' && strchr(last, '\n') == last + len - 1);
    assert_true(doc_is_utf8(slice_of(last, len)));
    if (strstr(last, expected) == NULL) {
        fail_msg("%s is not in %s", expected, last);
    }
}

static void test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        log_setup(LOG_LEVEL_INFO, LOG_FORMAT_COMMON, NULL);
        log_info("%s", cases[i].message);
        check_line(cases[i].common);
        log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON, NULL);
        log_info("%s", cases[i].message);
        check_line(cases[i].json);
    }
}

static void test_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (enum log_format format = LOG_FORMAT_COMMON; format <= LOG_FORMAT_JSON; format++) {
            log_setup(LOG_LEVEL_INFO, format, NULL);
            log_at(LOG_LEVEL_INFO, LOG_FIELDS("key", cases[i].message), "m");
            check_line("key");
        }
    }
}

/* Messages are cut at a length, not in the middle of a character. */
static void test_long(void **state)
{
    char message[4001];

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(message, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(message); i += 3) {
            memcpy(message + i, "\xe2\x82\xac", 4);
        }
        log_setup(LOG_LEVEL_INFO, LOG_FORMAT_COMMON, NULL);
        log_info("%s", message);
        check_line("\xe2\x82\xac...");
    }
}

static int setup(void **state)
{
    (void)state;
    log_set_sink(keep, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
