/* test_digest.c - Digest in Authorization, the response it must give, and nonces whose counts are taken once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/http/digest.h"
#include "shm/nonces.h"
#include "tests/unit/board_helper.h"

#define SECOND INT64_C(1000000000)
#define R "response=\"6629fae49393a05397450978507c4ef1\""
#define REST ", nonce=n, cnonce=\"\", opaque=o, qop=auth, nc=00000001, " R

static const struct {
    const char *value;
    const char *username; /* NULL: refused */
    uint32_t count;
} values[] = {
    {"Digest username=\"bob\", uri=\"/x\"" REST, "bob", 1},
    {"dIGEST   username=bob,uri=\"/x\" ,realm=\"a, b\"" REST, "bob", 1},
    {"Digest username=\"a \\\"b\\\\\\c\", uri=\"/\", algorithm=md5" REST, "a \"b\\c", 1},
    {"Digest username=\"b,=b\", uri = \"/\", algorithm=\"MD5\"" REST, "b,=b", 1},
    {"Digest username=bob, uri=\"/\", nonce=n, cnonce=c, opaque=o, qop=\"auth\", nc=fFfFfFfF, " R, "bob",
     UINT32_MAX},
    {"Digest username=bob, uri=\"/\", nonce=n, cnonce=c, opaque=o, qop=auth, nc=00000000, " R, NULL, 0},
    {"Digest username=bob, uri=\"/\", nonce=n, cnonce=c, opaque=o, qop=auth, nc=100000000, " R, NULL, 0},
    {"Digest username=bob, uri=\"/\", nonce=n, cnonce=c, opaque=o, qop=auth, nc=0x1, " R, NULL, 0},
    {"Digest username=bob, uri=\"/\", nonce=n, cnonce=c, opaque=o, qop=auth-int, nc=1, " R, NULL, 0},
    {"Digest username=bob, uri=\"/\", nonce=n, cnonce=c, opaque=o, nc=1, " R, NULL, 0},
    {"Digest username=bob, uri=\"/\", nonce=n, cnonce=c, opaque=o, qop=auth, nc=1, response=\"00\"", NULL, 0},
    {"Digest username=bob, username=eve, uri=\"/\"" REST, NULL, 0},
    {"Digest username=\"\", uri=\"/\"" REST, NULL, 0},
    {"Digest uri=\"/\"" REST, NULL, 0},
    {"Digest username=bob, uri=\"/\", algorithm=SHA-256" REST, NULL, 0},
    {"Digest username=bob, uri=\"/\", algorithm=\"\"" REST, NULL, 0},
    {"Digest username=bob, uri=\"/\"" REST ",", NULL, 0},
    {"Digest username=bob,, uri=\"/\"" REST, NULL, 0},
    {"Digest username=bob uri=\"/\"" REST, NULL, 0},
    {"Digest username=\"bob, uri=\"/\"" REST, NULL, 0},
    {"Digest username=, uri=\"/\"" REST, NULL, 0},
    {"Digest username, uri=\"/\"" REST, NULL, 0},
    {"Digest username=\"bob\\", NULL, 0},
    {"Digest username=\"bob\\\"", NULL, 0},
    {"Digest ", NULL, 0},
    {"Digest", NULL, 0},
    {"", NULL, 0},
    {"Basic username=bob, uri=\"/\"" REST, NULL, 0},
};

static void what_is_a_login(void **state)
{
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct digest_login login;
        bool taken = digest_parse(pool, slice_cstr(values[i].value), &login);

        if (taken != (values[i].username != NULL)) {
            fail_msg("%s: %d", values[i].value, taken);
        }
        if (taken) {
            assert_true(slice_eq(login.username, slice_cstr(values[i].username)));
            assert_int_equal(login.count, values[i].count);
        }
    }
    pool_free(pool);
}

/* The example of RFC 2617 3.5. */
static void the_response_of_the_rfc(void **state)
{
    const struct digest_login login = {.nonce = SLICE("dcd98b7102dd2f0e8b11d0f600bfb0c093"),
                                       .uri = SLICE("/dir/index.html"),
                                       .cnonce = SLICE("0a4f113b"),
                                       .qop = SLICE("auth"),
                                       .nc = SLICE("00000001")};
    char response[DIGEST_HASH_LEN];

    (void)state;
    digest_response(SLICE("939e7578ed9e3c518a452acee763bce9"), SLICE("GET"), &login, response);
    assert_memory_equal(response, "6629fae49393a05397450978507c4ef1", DIGEST_HASH_LEN);
}

/* ---- nonces ---- */

struct nonce {
    char text[NONCE_LEN];
};

static struct nonce made(struct board *board, struct table_ref table, uint64_t number, int64_t seconds)
{
    uint8_t random[NONCE_RANDOM] = {0};
    struct nonce nonce;

    memcpy(random, &number, sizeof(number));
    assert_true(nonce_make(board, table, random, seconds * SECOND, nonce.text));
    return nonce;
}

static enum nonce_verdict taken(struct board *board, struct table_ref table, const struct nonce *nonce,
                                uint32_t count, int64_t seconds)
{
    return nonce_take(board, table, slice_of(nonce->text, NONCE_LEN), count, seconds * SECOND);
}

static void a_count_is_taken_once(void **state)
{
    struct table_ref table = table_take(*state, 1, 1), other = table_take(*state, 2, 1);
    struct nonce a = made(*state, table, 1, 10), b = made(*state, table, 2, 10);

    assert_int_equal(taken(*state, table, &a, 1, 10), NONCE_TAKEN);
    assert_int_equal(taken(*state, table, &a, 1, 10), NONCE_USED);
    assert_int_equal(taken(*state, table, &a, 5, 99999), NONCE_TAKEN);
    assert_int_equal(taken(*state, table, &a, 4, 10), NONCE_STALE);
    assert_int_equal(taken(*state, table, &a, 5, 10), NONCE_USED);
    assert_int_equal(taken(*state, table, &b, UINT32_MAX, 10), NONCE_TAKEN);
    assert_int_equal(taken(*state, other, &b, 7, 10), NONCE_ALIEN);
}

static void what_is_none_of_ours(void **state)
{
    struct table_ref table = table_take(*state, 1, 1);
    struct nonce nonce = made(*state, table, 1, 10);
    struct slice text = slice_of(nonce.text, NONCE_LEN);

    assert_int_equal(nonce_take(*state, table, slice_head(text, NONCE_LEN - 1), 1, 0), NONCE_ALIEN);
    assert_int_equal(nonce_take(*state, table, SLICE(""), 1, 0), NONCE_ALIEN);
    assert_int_equal(nonce_take(*state, (struct table_ref){.slot = 0}, text, 1, 0), NONCE_ALIEN);
    for (size_t i = 0; i < NONCE_LEN; i++) {
        char before = nonce.text[i];

        nonce.text[i] = before == 'A' ? 'B' : 'A';
        assert_int_equal(nonce_take(*state, table, text, 1, 0), NONCE_ALIEN);
        nonce.text[i] = before;
    }
    assert_int_equal(nonce_take(*state, table, text, 1, 0), NONCE_TAKEN);
}

/* Many who never log in do not push those out who did; whoever is pushed out is asked anew. */
static void a_flood_of_strangers(void **state)
{
    struct table_ref table = table_take(*state, 1, 1);
    struct nonce users[64], first = made(*state, table, 1000, 10);
    unsigned kept = 0;

    for (uint64_t i = 0; i < ARRAY_LEN(users); i++) {
        users[i] = made(*state, table, i, 10);
        assert_int_equal(taken(*state, table, &users[i], 1, 10), NONCE_TAKEN);
    }
    for (uint64_t i = 0; i < 300000; i++) {
        (void)made(*state, table, 2000 + i, 20);
    }
    for (uint64_t i = 0; i < ARRAY_LEN(users); i++) {
        kept += taken(*state, table, &users[i], 2, 30) == NONCE_TAKEN;
    }
    assert_int_equal(kept, ARRAY_LEN(users));
    assert_int_equal(taken(*state, table, &first, 1, 30), NONCE_STALE);
}

/* ---- many at once ---- */
#define COUNTS 20000u

struct race {
    struct board *board;
    struct table_ref table;
    struct nonce nonce;
    atomic_uint taken[COUNTS + 1];
};

static void *take_all(void *context)
{
    struct race *race = context;

    for (uint32_t count = 1; count <= COUNTS; count++) {
        if (taken(race->board, race->table, &race->nonce, count, 20) == NONCE_TAKEN) {
            atomic_fetch_add(&race->taken[count], 1);
        }
    }
    return NULL;
}

static void nobody_takes_what_another_took(void **state)
{
    struct table_ref table = table_take(*state, 1, 1);
    struct race *race = calloc(1, sizeof(*race));
    pthread_t threads[4];

    assert_non_null(race);
    race->board = *state;
    race->table = table;
    race->nonce = made(*state, table, 1, 10);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, race), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    for (uint32_t count = 1; count <= COUNTS; count++) {
        assert_true(atomic_load(&race->taken[count]) <= 1);
    }
    assert_int_equal(atomic_load(&race->taken[COUNTS]), 1); /* the last one is somebody's */
    free(race);
}

static void the_mark_stays(void **state)
{
    struct table_ref table = table_take(*state, 1, 1), other = table_take(*state, 2, 1);
    char a[NONCE_MARK_LEN], b[NONCE_MARK_LEN];

    nonce_mark(*state, table, a);
    nonce_mark(*state, table, b);
    assert_memory_equal(a, b, sizeof(a));
    nonce_mark(*state, other, b);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_login),
        cmocka_unit_test(the_response_of_the_rfc),
        cmocka_unit_test_setup_teardown(a_count_is_taken_once, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(what_is_none_of_ours, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_strangers, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(nobody_takes_what_another_took, board_set_up, board_tear_down),
        cmocka_unit_test_setup_teardown(the_mark_stays, board_set_up, board_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
