/* test_resp.c - the protocol of Redis: answers told from what is none however few bytes are there, commands byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/net/resp.h"

static const struct {
    struct slice bytes;
    enum resp_kind kind;
    struct slice text;
    int64_t number;
} answers[] = {
    {SLICE_INIT("+OK\r\n"), RESP_LINE, SLICE_INIT("OK"), 0},
    {SLICE_INIT("+\r\n"), RESP_LINE, SLICE_INIT(""), 0},
    {SLICE_INIT("-NOSCRIPT No matching script.\r\n"), RESP_ERROR, SLICE_INIT("NOSCRIPT No matching script."),
     0},
    {SLICE_INIT(":0\r\n"), RESP_NUMBER, SLICE_INIT(""), 0},
    {SLICE_INIT(":-1\r\n"), RESP_NUMBER, SLICE_INIT(""), -1},
    {SLICE_INIT(":9223372036854775807\r\n"), RESP_NUMBER, SLICE_INIT(""), INT64_MAX},
    {SLICE_INIT(":-9223372036854775808\r\n"), RESP_NUMBER, SLICE_INIT(""), INT64_MIN},
    {SLICE_INIT("$0\r\n\r\n"), RESP_TEXT, SLICE_INIT(""), 0},
    {SLICE_INIT("$4\r\na\r\nb\r\n"), RESP_TEXT, SLICE_INIT("a\r\nb"), 4},
    {SLICE_INIT("$-1\r\n"), RESP_NULL, SLICE_INIT(""), -1},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct resp_answer got;
        struct text more;

        for (size_t len = 0; len < answers[i].bytes.len; len++) {
            assert_int_equal(resp_read(slice_head(answers[i].bytes, len), &got), 0);
        }
        text_init(&more);
        text_add(&more, answers[i].bytes);
        text_add(&more, SLICE("*"));
        assert_int_equal(resp_read(text_slice(&more), &got), answers[i].bytes.len);
        assert_int_equal(got.kind, answers[i].kind);
        assert_true(slice_eq(got.text, answers[i].text));
        assert_int_equal(got.number, answers[i].number);
        text_free(&more);
    }
}

static const struct slice wrong[] = {
    SLICE_INIT("*"),
    SLICE_INIT("HTTP/1.1 400"),
    SLICE_INIT("%1\r\n"),
    SLICE_INIT("\r\n"),
    SLICE_INIT("+OK\n"),
    SLICE_INIT("+O\rK"),
    SLICE_INIT(":\r\n"),
    SLICE_INIT(":+1\r\n"),
    SLICE_INIT(": 1\r\n"),
    SLICE_INIT(":-\r\n"),
    SLICE_INIT(":1x\r\n"),
    SLICE_INIT(":9223372036854775808\r\n"),
    SLICE_INIT("$-2\r\n"),
    SLICE_INIT("$2\r\nabc"),
    SLICE_INIT("$2\r\nab\r\r"),
    SLICE_INIT("$2048\r\n"),
    SLICE_INIT(":-9223372036854775809\r\n"),
    SLICE_INIT("$99999999999999999999\r\n"),
};

static void test_what_is_none(void **state)
{
    struct resp_answer got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(resp_read(wrong[i], &got), -EBADMSG);
    }
}

static void test_no_answer_is_too_long(void **state)
{
    char bytes[RESP_ANSWER_MOST + 1];
    struct resp_answer got;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    bytes[0] = '-';
    assert_int_equal(resp_read(slice_of(bytes, RESP_ANSWER_MOST - 1), &got), 0);
    assert_int_equal(resp_read(slice_of(bytes, RESP_ANSWER_MOST), &got), -EBADMSG);
    bytes[RESP_ANSWER_MOST - 2] = '\r';
    bytes[RESP_ANSWER_MOST - 1] = '\n';
    assert_int_equal(resp_read(slice_of(bytes, RESP_ANSWER_MOST), &got), RESP_ANSWER_MOST);
    bytes[RESP_ANSWER_MOST - 2] = 'x';
    bytes[RESP_ANSWER_MOST - 1] = '\r';
    assert_int_equal(resp_read(slice_of(bytes, RESP_ANSWER_MOST + 1), &got), -EBADMSG);
}

static void test_codes(void **state)
{
    const struct resp_answer error = {.kind = RESP_ERROR, .text = SLICE("NOAUTH Authentication required.")},
                             line = {.kind = RESP_LINE, .text = SLICE("NOAUTH")};

    (void)state;
    assert_true(resp_is_error(&error, SLICE("NOAUTH")));
    assert_false(resp_is_error(&error, SLICE("NOAUT")));
    assert_false(resp_is_error(&error, SLICE("NOAUTH Authentication required. Again")));
    assert_false(resp_is_error(&line, SLICE("NOAUTH")));
}

static void test_words_of_errors(void **state)
{
    const struct resp_answer unknown = {
        .kind = RESP_ERROR,
        .text = SLICE("ERR unknown command 'AUTH', with args beginning with: 'a', with args")};
    const struct resp_answer known = {.kind = RESP_ERROR, .text = SLICE("WRONGPASS invalid pair")};

    (void)state;
    assert_true(slice_eq(resp_error_words(&unknown), SLICE("ERR unknown command 'AUTH'")));
    assert_true(slice_eq(resp_error_words(&known), known.text));
}

static void test_commands(void **state)
{
    struct text out;

    (void)state;
    text_init(&out);
    resp_add_head(&out, 3);
    resp_add_word(&out, SLICE("AUTH"));
    resp_add_word(&out, SLICE(""));
    resp_add_number(&out, -12);
    resp_add_head(&out, SIZE_MAX);
    resp_add_word(&out, SLICE("0123456789"));
    assert_true(slice_eq(text_slice(&out), SLICE("*3\r\n$4\r\nAUTH\r\n$0\r\n\r\n$3\r\n-12\r\n"
                                                 "*18446744073709551615\r\n$10\r\n0123456789\r\n")));
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_no_answer_is_too_long),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_words_of_errors),
        cmocka_unit_test(test_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
