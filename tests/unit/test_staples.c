/* test_staples.c - which OCSP answers are there and when each is asked for again, on a clock of the test's own. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "master/tls/staples.h"
#include "master/tls/vault_inner.h"
#include "ocsp_sample.h"

#define BYTES(array) slice_of((const char *)(array), sizeof(array))
#define NOW (SAMPLE_PRODUCED + 10)
#define HALF ((SAMPLE_UNTIL - SAMPLE_PRODUCED) / 2)

static struct slice chain[2], name;
static struct keypair pair;
static const struct string_map nobody;
static const struct error failure = {"it does not listen"};

static struct slice compile(struct staples *staples, const struct string_map *overrides, struct pool *pool)
{
    struct slice answer;

    staples_begin(staples);
    answer = staples_for(staples, &pair, overrides, pool);
    staples_end(staples);
    return answer;
}

static struct staples *stand(struct pool **pool)
{
    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    chain[0] = BYTES(sample_certificate);
    chain[1] = BYTES(sample_issuer);
    name = SLICE("a.test");
    pair = (struct keypair){.row = {.chain = {chain, 2}, .identity = 7}, .names = {&name, 1}};
    *pool = pool_new(1024, 0);
    return staples_new();
}

static void answer(struct staples *staples, struct staple_question *question, int rc, int64_t now)
{
    staples_answered(staples, question, rc, rc == 0 ? BYTES(sample_answer) : SLICE(""), now, &failure);
    pool_free(question->pool);
}

static void asks_keeps_renews_and_drops(void **state)
{
    struct staple_question question, again;
    struct pool *pool;
    struct staples *staples = stand(&pool);

    (void)state;
    assert_false(staples_next(staples, NOW, &question));
    assert_int_equal(compile(staples, &nobody, pool).len, 0);
    assert_true(staples_next(staples, NOW, &question));
    assert_true(slice_eq(question.url, SLICE("http://one.test/")));
    assert_true(slice_eq(question.request, BYTES(sample_question)));
    assert_true(slice_eq(question.name, name));
    assert_false(staples_next(staples, NOW, &again)); /* it is being asked */
    assert_false(staples_take_changed(staples));
    answer(staples, &question, 0, NOW);
    assert_true(staples_take_changed(staples));
    assert_false(staples_take_changed(staples));
    assert_true(slice_eq(compile(staples, &nobody, pool), BYTES(sample_answer)));
    assert_false(staples_next(staples, SAMPLE_PRODUCED + HALF - 1, &question));
    assert_true(staples_next(staples, SAMPLE_PRODUCED + HALF, &question));
    answer(staples, &question, 0,
           SAMPLE_PRODUCED + HALF); /* the same one: nothing is new, and it is not asked for at once */
    assert_false(staples_take_changed(staples));
    assert_false(staples_next(staples, SAMPLE_PRODUCED + HALF + 59, &question));
    assert_true(staples_next(staples, SAMPLE_UNTIL, &question));
    assert_true(staples_take_changed(staples)); /* its time is over */
    answer(staples, &question, -1, SAMPLE_UNTIL);
    assert_int_equal(compile(staples, &nobody, pool).len, 0);
    staples_free(staples);
    pool_free(pool);
}

static void waits_longer_each_time(void **state)
{
    static const int64_t waits[] = {30, 60, 120, 240, 480, 960, 1920, 3600, 3600};
    struct staple_question question;
    struct pool *pool;
    struct staples *staples = stand(&pool);
    int64_t now = NOW;

    (void)state;
    (void)compile(staples, &nobody, pool);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        for (int url = 0; url < 2; url++) { /* both that it names, one after the other */
            assert_true(staples_next(staples, now, &question));
            assert_true(slice_eq(question.url, url ? SLICE("http://two.test/x") : SLICE("http://one.test/")));
            answer(staples, &question, -1, now);
        }
        assert_false(staples_next(staples, now + waits[i] - 1, &question));
        now += waits[i];
    }
    staples_free(staples);
    pool_free(pool);
}

static void knows_who_is_asked_instead_and_who_is_gone(void **state)
{
    struct string_pair instead = {SLICE("http://one.test/"), SLICE("http://other.test/")};
    const struct string_map overrides = {&instead, 1};
    struct staple_question question;
    struct pool *pool;
    struct staples *staples = stand(&pool);

    (void)state;
    (void)compile(staples, &overrides, pool);
    assert_true(staples_next(staples, NOW, &question));
    assert_true(slice_eq(question.url, SLICE("http://other.test/")));
    staples_begin(staples); /* a compile that does not have it any more */
    staples_end(staples);
    answer(staples, &question, 0, NOW);
    assert_false(staples_take_changed(staples));
    assert_int_equal(compile(staples, &nobody, pool).len, 0);
    chain[0] = BYTES(sample_issuer); /* names nobody who could be asked */
    pair.row.identity = 8;
    (void)compile(staples, &nobody, pool);
    assert_false(staples_next(staples, NOW, &question));
    staples_free(staples);
    pool_free(pool);
}

/* Taken up by the next master: in force at once, renewed when it would have been, not asked for before. */
static void outlives_a_master(void **state)
{
    struct staple_question question;
    struct pool *pool;
    struct staples *staples = stand(&pool), *next;
    struct text kept;
    size_t whole;

    (void)state;
    text_init(&kept);
    (void)compile(staples, &nobody, pool);
    assert_true(staples_next(staples, NOW, &question));
    assert_false(staples_take_unkept(staples));
    answer(staples, &question, 0, NOW);
    assert_true(staples_take_unkept(staples));
    assert_false(staples_take_unkept(staples));
    staples_pack(staples, false, &kept);
    whole = kept.len;
    staples_pack(staples, false, &kept); /* it was */
    assert_int_equal(kept.len, whole);
    staples_pack(staples, true, &kept);
    assert_int_equal(kept.len, 2 * whole);
    next = staples_new(); /* the second is half there: what is in front of it holds */
    assert_int_equal(staples_unpack(next, slice_head(text_slice(&kept), kept.len - 1), NOW), whole);
    assert_true(slice_eq(compile(next, &nobody, pool), BYTES(sample_answer)));
    staples_free(next);
    kept.len = whole;
    for (size_t part = 0; part < kept.len; part += 7) { /* what is not whole is nothing */
        next = staples_new();
        assert_int_equal(staples_unpack(next, slice_head(text_slice(&kept), part), NOW), 0);
        assert_int_equal(compile(next, &nobody, pool).len, 0);
        staples_free(next);
    }
    next = staples_new();
    (void)staples_unpack(next, text_slice(&kept), SAMPLE_UNTIL); /* its time is over */
    assert_int_equal(compile(next, &nobody, pool).len, 0);
    staples_free(next);

    next = staples_new();
    (void)staples_unpack(next, text_slice(&kept), NOW);
    staples_begin(next); /* a compile that does not know the certificate yet: it may come with the next one */
    staples_end(next);
    text_clear(&kept);
    staples_pack(next, true, &kept); /* for the one after that */
    assert_true(kept.len > sizeof(sample_answer));
    assert_true(slice_eq(compile(next, &nobody, pool), BYTES(sample_answer)));
    assert_false(staples_take_changed(next));
    assert_false(staples_next(next, SAMPLE_PRODUCED + HALF - 1, &question));
    assert_true(staples_next(next, SAMPLE_PRODUCED + HALF, &question));
    answer(next, &question, 0, SAMPLE_PRODUCED + HALF);
    assert_false(staples_take_changed(next));
    staples_free(next);
    staples_free(staples);
    text_free(&kept);
    pool_free(pool);
}

static void keep_one(struct vault *vault, int64_t now)
{
    struct staple_question question;

    assert_true(staples_next(vault->staples, now, &question));
    answer(vault->staples, &question, 0, now);
    vault_keep_staples(vault);
}

/* What could not be written is with what is written next. */
static void is_kept_though_once_it_could_not_be(void **state)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    struct rlimit usual, none;
    struct vault *vault = vault_new(true), *next = vault_new(true);
    struct pool *pool;

    (void)state;
    staples_free(stand(&pool));
    vault_adopt(vault, fd);
    (void)compile(vault->staples, &nobody, pool);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    none = (struct rlimit){0, usual.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    keep_one(vault, NOW);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    keep_one(vault, SAMPLE_PRODUCED + HALF);
    vault_adopt(next, dup(fd));
    assert_in_range(next->kept.staples_len, sizeof(sample_answer), sizeof(sample_answer) + 100);
    vault_free(next);
    vault_free(vault);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_keeps_renews_and_drops),
        cmocka_unit_test(waits_longer_each_time),
        cmocka_unit_test(knows_who_is_asked_instead_and_who_is_gone),
        cmocka_unit_test(outlives_a_master),
        cmocka_unit_test(is_kept_though_once_it_could_not_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
