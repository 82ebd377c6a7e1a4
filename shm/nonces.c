/*
 * nonces.c - see nonces.h. Compare-and-swap only: a worker may die anywhere.
 *
 * A table is groups of entries, a nonce belongs into one group. An entry is the nonce's key and its state: when it was seen last
 * (seconds), and the highest count that was taken. Who takes an entry over changes the key first; a nonce leaves for its client
 * after that, so nobody but its maker touches an entry whose state is still that of the one before.
 */
#include "shm/nonces.h"

#include <openssl/base64.h>

#include "shm/board.h"

#define GROUP 16u
#define MARK 8u        /* bytes of a nonce that tell that it is ours */
#define PRECIOUS 3600u /* seconds that one with a user is kept longer than one without */
#define SECOND_NS INT64_C(1000000000)

struct entry {
    _Atomic uint64_t key;   /* 0: free */
    _Atomic uint64_t state; /* seconds << 32 | count */
};

#define GROUPS (TABLE_BYTES / sizeof(struct entry) / GROUP)

_Static_assert((NONCE_RANDOM + MARK) / 3 * 4 == NONCE_LEN && (NONCE_RANDOM + MARK) % 3 == 0, "base64");

/* What is derived of a text for one purpose. */
static uint64_t derived(struct board *board, struct table_ref ref, char purpose, const void *text, size_t len)
{
    char whole[1 + NONCE_RANDOM] = {purpose};

    memcpy(whole + 1, text, len);
    return table_key(board, ref, slice_of(whole, 1 + len));
}

static uint64_t state_of(int64_t now_ns, uint32_t count)
{
    return (uint64_t)(now_ns / SECOND_NS) << 32 | count;
}

static struct entry *group_of(void *table, uint64_t key)
{
    return (struct entry *)table + key % GROUPS * GROUP;
}

/* How long it should stay: the least goes first. */
static uint64_t worth(const struct entry *entry)
{
    uint64_t state = atomic_load(&entry->state);

    return atomic_load(&entry->key) == 0 ? 0 : 1 + (state >> 32) + ((uint32_t)state ? PRECIOUS : 0);
}

static void remember(void *table, uint64_t key, int64_t now_ns)
{
    struct entry *group = group_of(table, key);

    for (unsigned tries = 0; tries < GROUP; tries++) {
        struct entry *least = &group[0];
        uint64_t owner;

        for (unsigned i = 1; i < GROUP; i++) {
            least = worth(&group[i]) < worth(least) ? &group[i] : least;
        }
        owner = atomic_load(&least->key);
        if (atomic_compare_exchange_strong(&least->key, &owner, key)) {
            atomic_store(&least->state, state_of(now_ns, 0));
            return;
        }
    } /* others were faster each time: it is forgotten from the start */
}

bool nonce_make(struct board *board, struct table_ref ref, const uint8_t random[NONCE_RANDOM], int64_t now_ns,
                char out[NONCE_LEN])
{
    void *table = table_at(board, ref);
    uint64_t mark = derived(board, ref, 'n', random, NONCE_RANDOM);
    uint8_t bytes[NONCE_RANDOM + MARK], text[NONCE_LEN + 1];

    if (table == NULL) {
        return false;
    }
    remember(table, derived(board, ref, 'k', random, NONCE_RANDOM), now_ns);
    memcpy(bytes, random, NONCE_RANDOM);
    memcpy(bytes + NONCE_RANDOM, &mark, MARK);
    (void)EVP_EncodeBlock(text, bytes, sizeof(bytes));
    memcpy(out, text, NONCE_LEN);
    return true;
}

static enum nonce_verdict take(struct entry *entry, uint64_t key, uint32_t count, int64_t now_ns)
{
    uint64_t state = atomic_load(&entry->state);

    for (;;) {
        uint32_t last = (uint32_t)state;

        if (atomic_load(&entry->key) != key) {
            return NONCE_STALE; /* it gave way just now */
        }
        if (count <= last) {
            return count == last ? NONCE_USED : NONCE_STALE;
        }
        if (atomic_compare_exchange_weak(&entry->state, &state, state_of(now_ns, count))) {
            return atomic_load(&entry->key) == key ? NONCE_TAKEN : NONCE_STALE;
        }
    }
}

enum nonce_verdict nonce_take(struct board *board, struct table_ref ref, struct slice nonce, uint32_t count,
                              int64_t now_ns)
{
    void *table = table_at(board, ref);
    uint8_t bytes[NONCE_RANDOM + MARK];
    uint64_t mark, key;
    size_t len;

    if (table == NULL || nonce.len != NONCE_LEN ||
        !EVP_DecodeBase64(bytes, &len, sizeof(bytes), (const uint8_t *)nonce.ptr, nonce.len) ||
        len != sizeof(bytes)) {
        return NONCE_ALIEN;
    }
    mark = derived(board, ref, 'n', bytes, NONCE_RANDOM);
    if (memcmp(&mark, bytes + NONCE_RANDOM, MARK) != 0) {
        return NONCE_ALIEN;
    }
    key = derived(board, ref, 'k', bytes, NONCE_RANDOM);
    for (unsigned i = 0; i < GROUP; i++) {
        struct entry *entry = &group_of(table, key)[i];

        if (atomic_load(&entry->key) == key) {
            return take(entry, key, count, now_ns);
        }
    }
    return NONCE_STALE;
}

void nonce_mark(struct board *board, struct table_ref ref, char out[NONCE_MARK_LEN])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t mark = derived(board, ref, 'o', "", 0);

    for (size_t i = 0; i < NONCE_MARK_LEN; i++) {
        out[i] = digits[mark >> (4 * i) & 15];
    }
}
