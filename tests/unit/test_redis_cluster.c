/* test_redis_cluster.c - slots of keys, redirections, and maps made of what nodes of a Redis Cluster answer to CLUSTER SLOTS. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/net/redis_cluster.h"

static void slots(void **state)
{
    static const struct {
        struct slice key;
        unsigned slot;
    } cases[] = {
        {SLICE_INIT(""), 0},
        {SLICE_INIT("123456789"), 0x31c3},
        {SLICE_INIT("foo"), 12182},
        {SLICE_INIT("bar"), 5061},
        {SLICE_INIT("{foo}"), 12182},
        {SLICE_INIT("rate:{foo}:1"), 12182},
        {SLICE_INIT("a{foo}{bar}"), 12182},
        {SLICE_INIT("foo{}{bar}"), 8363}, /* an empty tag is none */
        {SLICE_INIT("foo{{bar}}zap"), 4015},
        {SLICE_INIT("{foo"), 13308},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(redis_slot_of(cases[i].key), cases[i].slot);
    }
}

static void redirections(void **state)
{
    static const struct {
        struct slice error;
        enum redis_redirect redirect;
        struct slice node;
    } cases[] = {
        {SLICE_INIT("MOVED 3999 127.0.0.1:6381"), REDIS_MOVED, SLICE_INIT("127.0.0.1:6381")},
        {SLICE_INIT("ASK 16383 ::1:6381"), REDIS_ASK, SLICE_INIT("::1:6381")},
        {SLICE_INIT("MOVED 0 :6381"), REDIS_MOVED, SLICE_INIT(":6381")},
        {SLICE_INIT("MOVED 16384 127.0.0.1:6381"), REDIS_STAYS, SLICE_INIT("")},
        {SLICE_INIT("MOVED x 127.0.0.1:6381"), REDIS_STAYS, SLICE_INIT("")},
        {SLICE_INIT("MOVED 1"), REDIS_STAYS, SLICE_INIT("")},
        {SLICE_INIT("MOVED 1 "), REDIS_STAYS, SLICE_INIT("")},
        {SLICE_INIT("MOVED 1 a:1 b"), REDIS_STAYS, SLICE_INIT("")},
        {SLICE_INIT("MOVED"), REDIS_STAYS, SLICE_INIT("")},
        {SLICE_INIT("ASKING 1 a:1"), REDIS_STAYS, SLICE_INIT("")},
        {SLICE_INIT(""), REDIS_STAYS, SLICE_INIT("")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice node = SLICE("");

        assert_int_equal(redis_redirect_read(cases[i].error, &node), cases[i].redirect);
        assert_true(slice_eq(node, cases[i].node));
    }
}

static void names_of_nodes(void **state)
{
    (void)state;
    assert_true(redis_node_is(SLICE("10.0.0.1:7000"), SLICE("10.0.0.1:7000"), SLICE("x:1")));
    assert_true(redis_node_is(SLICE("Node-1:7000"), SLICE("node-1:7000"), SLICE("x:1")));
    assert_true(redis_node_is(SLICE("fd00::1:7000"), SLICE("[fd00::1]:7000"), SLICE("x:1")));
    assert_true(redis_node_is(SLICE(":7001"), SLICE("[fd00::1]:7001"), SLICE("[fd00::1]:7000")));
    assert_false(redis_node_is(SLICE(":7001"), SLICE("x:7000"), SLICE("x:7001")));
    assert_false(redis_node_is(SLICE("10.0.0.1:7000"), SLICE("10.0.0.1:7001"), SLICE("10.0.0.1:7001")));
    assert_false(redis_node_is(SLICE("?:7000"), SLICE("10.0.0.1:7000"), SLICE("10.0.0.1:7000")));
}

/* ---- maps ---- */

/* As Redis 7 writes it: with an id and, of some, more. */
#define NODE(host, port) "*4\r\n" host ":" port "\r\n$2\r\nid\r\n*2\r\n$8\r\nhostname\r\n$1\r\nh\r\n"
#define A "$8\r\n10.0.0.1\r\n"
#define B "$8\r\n10.0.0.2\r\n"

/* The map as words: "host:port host:port | first-last=node ..." */
static const char *words_of(struct slice map, char *out, size_t size)
{
    struct slice nodes, ranges;
    size_t at = 0;

    assert_true(redis_map_parts(map, &nodes, &ranges));
    while (nodes.ptr) {
        struct slice node = slice_split(&nodes, '\n');

        at += (size_t)snprintf(out + at, size - at, "%.*s ", SLICE_ARG(node));
    }
    at += (size_t)snprintf(out + at, size - at, "|");
    for (size_t i = 0; i < ranges.len; i += sizeof(struct redis_range)) {
        const struct redis_range *range = (const void *)(ranges.ptr + i);

        at +=
            (size_t)snprintf(out + at, size - at, " %u-%u=%u", range->first[0] * 256u + range->first[1],
                             range->last[0] * 256u + range->last[1], range->node[0] * 256u + range->node[1]);
    }
    return out;
}

static const struct {
    const char *answer, *asked, *map;
} good[] = {
    {"*1\r\n*3\r\n:0\r\n:16383\r\n" NODE(A, "7000"), "10.0.0.1", "10.0.0.1:7000 | 0-16383=0"},
    /* out of order, replicas, ranges that touch, one slot, a hole */
    {"*4\r\n*3\r\n:101\r\n:200\r\n" NODE(B, "7001") "*4\r\n:0\r\n:99\r\n" NODE(B, "7001")
         NODE(A, "7000") "*3\r\n:100\r\n:100\r\n" NODE(B, "7001") "*3\r\n:300\r\n:300\r\n" NODE(A, "7002"),
     "10.0.0.1", "10.0.0.1:7000 10.0.0.1:7002 10.0.0.2:7001 | 0-200=2 300-300=1"},
    /* of older releases */
    {"*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$8\r\n10.0.0.1\r\n:7000\r\n", "x", "10.0.0.1:7000 | 0-5=0"},
    /* who does not know where it is is where it was asked */
    {"*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$-1\r\n", "7000"), "here", "here:7000 | 0-5=0"},
    {"*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$0\r\n\r\n", "7000"), "fd00::1", "[fd00::1]:7000 | 0-5=0"},
    {"*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$9\r\n127.0.0.1\r\n", "7000"), "10.0.0.1", "10.0.0.1:7000 | 0-5=0"},
    {"*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$9\r\n127.0.0.1\r\n", "7000"), "name", "127.0.0.1:7000 | 0-5=0"},
    {"*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$3\r\n::1\r\n", "7000"), "127.0.0.1", "[::1]:7000 | 0-5=0"},
    /* a replica that nobody can name */
    {"*1\r\n*4\r\n:0\r\n:5\r\n" NODE(A, "7000") NODE("$1\r\n?\r\n", "7001"), "x", "10.0.0.1:7000 | 0-5=0"},
};

static void maps(void **state)
{
    char words[512];
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct slice answer = slice_cstr(good[i].answer);
        struct redis_scan scan = {.at = 0};
        struct text map;

        text_init(&map);
        for (size_t len = 0; len < answer.len; len++) {
            assert_int_equal(redis_answer_scan(&scan, slice_head(answer, len)), 0);
        }
        assert_int_equal(redis_answer_scan(&scan, answer), answer.len);
        assert_int_equal(redis_map_read(answer, slice_cstr(good[i].asked), &map, &why), 0);
        assert_string_equal(words_of(text_slice(&map), words, sizeof(words)), good[i].map);
        text_free(&map);
    }
}

static const char *const bad[] = {
    "*0\r\n",
    "*-1\r\n",
    ":1\r\n",
    "*1\r\n:1\r\n",
    "*1\r\n*2\r\n:0\r\n:5\r\n",
    "*1\r\n*3\r\n:0\r\n:16384\r\n" NODE(A, "7000"),
    "*1\r\n*3\r\n:-1\r\n:5\r\n" NODE(A, "7000"),
    "*1\r\n*3\r\n:6\r\n:5\r\n" NODE(A, "7000"),
    "*1\r\n*3\r\n:0\r\n:5\r\n" NODE(A, "0"),
    "*1\r\n*3\r\n:0\r\n:5\r\n" NODE(A, "65536"),
    "*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$1\r\n?\r\n", "7000"),
    "*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$5\r\na/b:c\r\n", "7000"),
    "*1\r\n*3\r\n:0\r\n:5\r\n" NODE("$3\r\na\nb\r\n", "7000"),
    "*1\r\n*3\r\n:0\r\n:5\r\n" NODE(":1\r\n", "7000"),
    "*1\r\n*3\r\n:0\r\n:5\r\n*1\r\n" A,
    "*2\r\n*3\r\n:0\r\n:5\r\n" NODE(A, "7000") "*3\r\n:5\r\n:6\r\n" NODE(B, "7000"),
};

static void what_makes_no_map(void **state)
{
    struct error why;
    struct text map;

    (void)state;
    text_init(&map);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(redis_map_read(slice_cstr(bad[i]), SLICE("x"), &map, &why), -EBADMSG);
        assert_int_equal(map.len, 0);
    }
    text_free(&map);
}

static void what_is_no_answer(void **state)
{
    static const char *const texts[] = {"HTTP/1.1",         "*1\n",         "*x\r\n",
                                        "*99999999999\r\n", "*1\r\n%1\r\n", "*+1\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct redis_scan scan = {.at = 0};

        assert_int_equal(redis_answer_scan(&scan, slice_cstr(texts[i])), -EBADMSG);
    }
}

static void owners(void **state)
{
    static const struct redis_range ranges[] = {
        {{0, 0}, {0, 9}, {0, 3}}, {{0, 12}, {0, 12}, {1, 0}}, {{1, 0}, {63, 255}, {0, 1}}};
    const struct slice text = slice_of((const char *)ranges, sizeof(ranges));
    static const int cases[][2] = {{0, 3},   {9, 3},    {10, -1}, {11, -1},  {12, 256},
                                   {13, -1}, {255, -1}, {256, 1}, {16383, 1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(redis_range_find(text, (unsigned)cases[i][0]), cases[i][1]);
        assert_int_equal(redis_range_find(SLICE(""), (unsigned)cases[i][0]), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots),  cmocka_unit_test(redirections),      cmocka_unit_test(names_of_nodes),
        cmocka_unit_test(maps),   cmocka_unit_test(what_makes_no_map), cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(owners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
