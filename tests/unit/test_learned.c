/* test_learned.c - what was learned of others, and when each is asked again, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "master/master/fetch.h"
#include "master/tls/learned.h"

#define SECOND INT64_C(1000000000)
#define START (1000 * SECOND)
#define ONE SLICE("{\"keys\":[{\"kty\":\"oct\",\"k\":\"b25lIG9uZSBvbmU\",\"kid\":\"one\"}]}")
#define TWO SLICE("{\"keys\":[{\"kty\":\"oct\",\"k\":\"dHdvIHR3byB0d28\",\"kid\":\"two\"}]}")
#define URL SLICE("https://a.test/keys?secret")

static const struct error failure = {"it does not listen"};
static const struct learned_way once = {.kind = &learned_keys, .timeout_ns = SECOND};

static struct slice compile(struct learned *learned, struct pool *pool)
{
    struct slice text;

    learned_begin(learned);
    text = learned_for(learned, URL, &once, pool);
    learned_end(learned);
    return text;
}

static struct learned *stand(struct pool **pool)
{
    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    *pool = pool_new(1024, 0);
    return learned_new();
}

/* Asks at that time, which must be the first at which it is due, and answers at once. */
static void asks_at(struct learned *learned, int64_t now, int rc, struct slice text, int64_t age)
{
    struct learned_question question, again;

    assert_false(learned_next(learned, &learned_keys, now - 1, &question));
    assert_true(learned_next(learned, &learned_keys, now, &question));
    assert_true(slice_eq(question.url, URL));
    assert_false(learned_next(learned, &learned_keys, now + 9999 * SECOND, &again)); /* it is being asked */
    learned_answered(learned, &question, rc, text, age, now, &failure);
    pool_free(question.pool);
}

static void first(struct learned *learned, struct pool *pool, struct slice text, int64_t age)
{
    struct learned_question question;

    assert_int_equal(compile(learned, pool).len, 0);
    assert_true(learned_next(learned, &learned_keys, START, &question));
    learned_answered(learned, &question, 0, text, age, START, &failure);
    pool_free(question.pool);
}

static void ages(void **state)
{
    static const struct {
        int64_t told, kept;
    } cases[] = {{-1, 3600}, {0, 30}, {29, 30}, {30, 30}, {77, 77}, {86400, 86400}, {INT32_MAX, 86400}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pool *pool;
        struct learned *learned = stand(&pool);

        first(learned, pool, ONE, cases[i].told);
        assert_true(learned_take_changed(learned));
        assert_false(learned_take_changed(learned));
        asks_at(learned, START + cases[i].kept * SECOND, 0, ONE, -1);
        assert_false(learned_take_changed(learned)); /* the same once more */
        asks_at(learned, START + (cases[i].kept + 3600) * SECOND, 0, TWO, -1);
        assert_true(learned_take_changed(learned));
        assert_true(slice_eq(compile(learned, pool), TWO));
        learned_free(learned);
        pool_free(pool);
    }
}

static void cache_control(void **state)
{
    static const struct {
        const char *text;
        int64_t age;
    } cases[] = {{"", -1},
                 {"public", -1},
                 {"max-age=60", 60},
                 {"public ,Max-Age=7, immutable", 7},
                 {"max-age=0", 0},
                 {"max-age=", -1},
                 {"max-age=-1", -1},
                 {"max-age=1x", -1},
                 {"s-maxage=5", -1},
                 {"max-age=99999999999", INT32_MAX},
                 {"max-age=99999999999999999999999", -1},
                 {"no-store", 0},
                 {"max-age=9, NO-CACHE", 0},
                 {",,", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fetch_max_age(slice_cstr(cases[i].text)), cases[i].age);
    }
}

/* Silence, garbage and learned without keys: the last one stays, the waits double and have a bound. */
static void failures(void **state)
{
    static const int64_t waits[] = {2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    struct slice texts[] = {SLICE(""), SLICE("garbage"), SLICE("{\"keys\":[]}"), SLICE("[]")};
    int64_t now = START + 60 * SECOND;
    struct pool *pool;
    struct learned *learned = stand(&pool);

    (void)state;
    first(learned, pool, ONE, 60);
    assert_true(learned_take_changed(learned));
    asks_at(learned, now, -1, SLICE(""), -1);
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct learned_question question;

        assert_false(learned_next(learned, &learned_keys, now + waits[i] * SECOND - 1, &question));
        now += waits[i] * SECOND * 5 / 4;
        assert_true(learned_next(learned, &learned_keys, now, &question));
        learned_answered(learned, &question, i % 4 ? 0 : -1, texts[i % 4], 60, now, &failure);
        pool_free(question.pool);
        assert_true(slice_eq(compile(learned, pool), ONE));
    }
    assert_false(learned_take_changed(learned));
    learned_free(learned);
    pool_free(pool);
}

/* Each question is asked again soon, so often as is said, before the longer waits. */
static void asked_again_soon(void **state)
{
    const struct learned_way way = {.kind = &learned_keys, .timeout_ns = SECOND, .retries = 2};
    static const int64_t waits[] = {SECOND / 10, SECOND / 5, 2 * SECOND, SECOND / 10, SECOND / 5, 4 * SECOND};
    struct slice key = SLICE("https://a.test/keys?secret\n0123456789abcdef");
    struct learned_question question;
    int64_t now = START;
    struct pool *pool;
    struct learned *learned = stand(&pool);

    (void)state;
    learned_begin(learned);
    assert_int_equal(learned_for(learned, URL, &once, pool).len, 0);
    learned_end(learned);
    learned_begin(learned); /* now only the one with a way of its own */
    assert_int_equal(learned_for(learned, key, &way, pool).len, 0);
    learned_end(learned);
    assert_true(slice_eq(learned_name(key), SLICE("https://a.test/keys")));
    assert_true(learned_next(learned, &learned_keys, now, &question));
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        assert_true(slice_eq(question.url, URL));
        assert_int_equal(question.way.retries, 2);
        learned_answered(learned, &question, -1, SLICE(""), -1, now, &failure);
        pool_free(question.pool);
        assert_false(learned_next(learned, &learned_keys, now + waits[i] - 1, &question));
        now += waits[i] * 5 / 4;
        assert_true(learned_next(learned, &learned_keys, now, &question));
    }
    pool_free(question.pool);
    learned_free(learned);
    pool_free(pool);
}

static void a_key_is_missed(void **state)
{
    struct board_ref word;
    struct board *board;
    struct error why;
    struct pool *pool;
    struct learned *learned = stand(&pool);
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &board, &why), 0);
    word = board_word(board, 7, 1);
    first(learned, pool, ONE, -1);
    for (int i = 0; i < 2; i++) { /* each compile says its words anew */
        learned_begin(learned);
        (void)learned_for(learned, URL, &once, pool);
        learned_heed(learned, URL, word);
        learned_heed(learned, URL, (struct board_ref){0}); /* the board was full */
        learned_end(learned);
    }
    learned_listen(learned, board);
    asks_at(learned, START + 3600 * SECOND, 0, ONE, -1);
    atomic_store(board_at(board, word), 1);
    learned_listen(learned, board);
    assert_int_equal(atomic_load(board_at(board, word)), 0);
    struct learned_question question;
    int64_t now = START + 3601 * SECOND;

    assert_true(learned_next(learned, &learned_keys, now, &question));
    learned_answered(learned, &question, 0, ONE, -1, now, &failure);
    pool_free(question.pool);
    atomic_store(board_at(board, word), 1); /* again: that has to wait */
    learned_listen(learned, board);
    asks_at(learned, now + 30 * SECOND, 0, TWO, -1);
    asks_at(learned, now + (30 + 3600) * SECOND, 0, TWO, -1);
    learned_free(learned);
    pool_free(pool);
    board_unmap(board);
    close(fd);
}

/* Clusters: only who asks for that kind gets them; what failed counts; because of what is missed it is asked again soon,
 * less soon while it changes or fails. */
static void clusters(void **state)
{
    static const struct {
        int rc;
        struct slice text;
        int64_t again; /* until it may be asked because of that once more */
        unsigned turn;
    } steps[] = {{0, SLICE_INIT("a"), SECOND, 0},     {0, SLICE_INIT("b"), 2 * SECOND, 0},
                 {0, SLICE_INIT("b"), SECOND / 2, 0}, {0, SLICE_INIT("a"), SECOND, 0},
                 {-1, SLICE_INIT(""), 2 * SECOND, 0}, {-1, SLICE_INIT(""), 4 * SECOND, 1},
                 {-1, SLICE_INIT(""), 8 * SECOND, 2}, {-1, SLICE_INIT(""), 8 * SECOND, 3},
                 {0, SLICE_INIT("a"), SECOND / 2, 4}};
    const struct learned_way way = {
        .kind = &learned_clusters, .username = SLICE("u"), .password = SLICE("p")};
    struct slice key = SLICE("redis://a:1,b:2\n0123456789abcdef");
    struct learned_question question;
    int64_t now = START;
    struct board *board;
    struct error why;
    struct pool *pool;
    struct learned *learned = stand(&pool);
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &board, &why), 0);
    _Atomic uint64_t *word = board_at(board, board_word(board, 7, 1));

    learned_begin(learned);
    assert_int_equal(learned_for(learned, key, &way, pool).len, 0);
    learned_heed(learned, key, board_word(board, 7, 1));
    learned_end(learned);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        atomic_store(word, 1);
        learned_listen(learned, board);
        assert_false(learned_next(learned, &learned_keys, now, &question));
        if (i > 0) {
            assert_false(learned_next(learned, &learned_clusters, now - 1, &question));
        }
        assert_true(learned_next(learned, &learned_clusters, now, &question));
        assert_true(slice_eq(question.url, SLICE("redis://a:1,b:2")));
        assert_true(slice_eq(question.way.password, SLICE("p")));
        assert_int_equal(question.turn, steps[i].turn);
        learned_answered(learned, &question, steps[i].rc, steps[i].text, 30, now, &failure);
        pool_free(question.pool);
        now += steps[i].again;
    }
    learned_free(learned);
    pool_free(pool);
    board_unmap(board);
    close(fd);
}

static void gone_meanwhile(void **state)
{
    struct learned_question question;
    struct pool *pool;
    struct learned *learned = stand(&pool);

    (void)state;
    assert_int_equal(compile(learned, pool).len, 0);
    assert_true(learned_next(learned, &learned_keys, START, &question));
    learned_begin(learned); /* a compile that does not have it any more */
    learned_end(learned);
    learned_answered(learned, &question, 0, ONE, -1, START, &failure);
    assert_false(learned_take_changed(learned));
    assert_false(learned_next(learned, &learned_keys, START, &question));
    pool_free(question.pool);
    assert_true(slice_eq(learned_name(URL), SLICE("https://a.test/keys")));
    learned_free(learned);
    pool_free(pool);
}

static void outlive_a_master(void **state)
{
    struct text bytes;
    struct pool *pool;
    struct learned *learned = stand(&pool), *next = learned_new();
    struct learned_question question;

    (void)state;
    text_init(&bytes);
    first(learned, pool, ONE, -1);
    learned_pack(learned, &bytes);
    for (size_t len = 0; len < bytes.len; len++) { /* half of it is nothing */
        struct learned *half = learned_new();

        learned_unpack(half, slice_head(text_slice(&bytes), len));
        assert_int_equal(compile(half, pool).len, 0);
        learned_free(half);
    }
    learned_unpack(next, text_slice(&bytes));
    assert_false(learned_next(next, &learned_keys, START, &question)); /* nobody uses it yet, ... */
    for (int i = 0; i < 3; i++) {
        learned_begin(next); /* ... which does not take it away: its provider may be late */
        learned_end(next);
    }
    assert_true(slice_eq(compile(next, pool), ONE));
    assert_true(learned_next(next, &learned_keys, START, &question));
    pool_free(question.pool);
    learned_begin(next);
    learned_end(next);
    assert_int_equal(compile(next, pool).len, 0);
    text_free(&bytes);
    learned_free(learned);
    learned_free(next);
    pool_free(pool);
}

/* The hash of tables has no secret: whoever may write a middleware can find a URL that hashes as another one does. The one here
 * is found by the way that hash.c goes through the first 16 bytes: load(p) ^ k1 = 1, load(p + 8) ^ seed = what shall come out. */
static void urls_of_one_hash(void **state)
{
    static const uint64_t k0 = 0xa0761d6478bd642fULL, k1 = 0xe7037ed1a0b428dbULL;
    char theirs[] = "https://a.test/keys?secret";
    struct slice other = slice_of(theirs, sizeof(theirs) - 1);
    uint64_t low, high, block[2];
    __uint128_t product;
    struct pool *pool;
    struct learned *learned = stand(&pool);

    (void)state;
    memcpy(&low, theirs, 8);
    memcpy(&high, theirs + 8, 8);
    product = (__uint128_t)(low ^ k1) * (high ^ k0);
    block[0] = k1 ^ 1;
    block[1] = ((uint64_t)product ^ (uint64_t)(product >> 64)) ^ k0;
    memcpy(theirs, block, sizeof(block));
    assert_int_equal(hash_slice(0, other), hash_slice(0, URL));
    assert_false(slice_eq(other, URL));
    first(learned, pool, ONE, 60);
    learned_begin(learned);
    assert_true(slice_eq(learned_for(learned, URL, &once, pool), ONE));
    assert_int_equal(learned_for(learned, other, &once, pool).len, 0);
    learned_end(learned);
    learned_free(learned);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages),
        cmocka_unit_test(cache_control),
        cmocka_unit_test(failures),
        cmocka_unit_test(asked_again_soon),
        cmocka_unit_test(a_key_is_missed),
        cmocka_unit_test(clusters),
        cmocka_unit_test(gone_meanwhile),
        cmocka_unit_test(outlive_a_master),
        cmocka_unit_test(urls_of_one_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
