/* test_head_write.c - fields of a head: untouched lines as they came, removed ones gone, values that would end a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/http/h1.h"
#include "worker/head_write.h"

static struct pool *pool;
static struct h1_message message;
static struct h1_parser *parser;
static struct stage stage;

static const char request[] = "GET / HTTP/1.1\r\n"
                              "hOsT: a.test\r\n"
                              "x-one:1\r\n"
                              "Accept:   */*  \r\n"
                              "Connection: x-hop\r\n"
                              "X-Hop: gone\r\n"
                              "X-Two: 2\r\n"
                              "\r\n";

static int setup(void **state)
{
    static const struct h1_limits limits = {.max_head = 4096, .max_target = 4096, .max_headers = 100};
    struct h1_error error;

    (void)state;
    pool = pool_new(1024, 0);
    parser = h1_parser_new(H1_REQUEST, &limits);
    headers_init(&message.headers, pool);
    h1_parser_reset(parser, &message, SLICE(""));
    assert_int_equal(h1_parser_feed(parser, request, sizeof(request) - 1, &error), H1_HEAD_DONE);
    stage = (struct stage){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    h1_parser_free(parser);
    pool_free(pool);
    free(stage.ptr);
    return 0;
}

static void assert_written(const char *want)
{
    assert_int_equal(stage.len, strlen(want));
    assert_memory_equal(stage.ptr, want, stage.len);
}

static void lines_pass_as_they_came(void **state)
{
    uint64_t written = head_put_fields(&stage, &message.headers, 0, true);

    (void)state;
    assert_written("hOsT: a.test\r\nx-one:1\r\nAccept:   */*  \r\nX-Two: 2\r\n");
    assert_true(written & HEADER_BIT(HEADER_HOST));
    assert_true(written & HEADER_BIT(HEADER_ACCEPT));
    assert_false(written & HEADER_BIT(HEADER_CONNECTION));
}

static void removed_and_skipped_ones_are_left_out(void **state)
{
    (void)state;
    headers_remove(&message.headers, SLICE("X-ONE"));
    head_put_fields(&stage, &message.headers, HEADER_BIT(HEADER_HOST), true);
    assert_written("Accept:   */*  \r\nX-Two: 2\r\n");
}

static void fields_without_an_id_are_never_skipped(void **state)
{
    (void)state;
    head_put_fields(&stage, &message.headers, UINT64_MAX, true);
    assert_written("x-one:1\r\nX-Two: 2\r\n");
}

static void built_ones_follow_in_order(void **state)
{
    (void)state;
    headers_set(&message.headers, SLICE("X-One"), SLICE("new"));
    headers_add_id(&message.headers, HEADER_X_REAL_IP, SLICE("10.0.0.1"));
    head_put_fields(&stage, &message.headers, HEADER_BIT(HEADER_HOST) | HEADER_BIT(HEADER_ACCEPT), true);
    assert_written("X-Two: 2\r\nX-One: new\r\nX-Real-Ip: 10.0.0.1\r\n");
}

static void values_that_would_split_the_head_are_left_out(void **state)
{
    static const struct slice bad[] = {SLICE_INIT("a\r\nX-Evil: 1"), SLICE_INIT("a\nb"), SLICE_INIT("a\0b"),
                                       SLICE_INIT("\r")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        headers_add(&message.headers, SLICE("X-Made"), bad[i]);
    }
    headers_add(&message.headers, SLICE("X-Good"), SLICE("tab\tand \xc3\xa4"));
    head_put_fields(&stage, &message.headers, HEADER_BIT(HEADER_HOST) | HEADER_BIT(HEADER_ACCEPT), true);
    assert_written("x-one:1\r\nX-Two: 2\r\nX-Good: tab\tand \xc3\xa4\r\n");
}

static void numbers(void **state)
{
    (void)state;
    stage_number(&stage, 0);
    stage_literal(&stage, " ");
    stage_number(&stage, UINT64_MAX);
    stage_literal(&stage, " ");
    stage_hex(&stage, 0);
    stage_literal(&stage, " ");
    stage_hex(&stage, 0xdeadbeef12345678);
    assert_written("0 18446744073709551615 0 deadbeef12345678");
}

static void the_stage_grows_and_is_cut_back(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        stage_literal(&stage, "0123456789");
    }
    assert_int_equal(stage.len, 1000000);
    assert_memory_equal(stage.ptr + 999990, "0123456789", 10);
    stage_reset(&stage);
    assert_int_equal(stage.len, 0);
    assert_true(stage.capacity <= 64 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_pass_as_they_came, setup, teardown),
        cmocka_unit_test_setup_teardown(removed_and_skipped_ones_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_without_an_id_are_never_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(built_ones_follow_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(values_that_would_split_the_head_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(the_stage_grows_and_is_cut_back, setup, teardown),
    };

    return cmocka_run_group_tests_name("head_write", tests, NULL, NULL);
}
