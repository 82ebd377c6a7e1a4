/*
 * key_sets.c - see key_sets.h.
 */
#include "master/tls/key_sets.h"

#include <openssl/mem.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/http/jwk.h"

#define SECOND INT64_C(1000000000)
#define AGE_LEAST_S 30
#define AGE_MOST_S 86400
#define AGE_UNTOLD_S 3600
#define RETRY_SOON (SECOND / 10)
#define RETRY_FIRST (2 * SECOND)
#define RETRY_MOST (300 * SECOND)
#define MISSED_AGAIN (30 * SECOND) /* so soon a key that is missed is not asked for again */
#define BUCKETS 1024

struct key_set {
    struct key_set *next; /* in its bucket */
    char *key;
    size_t key_len;
    struct pool *pool; /* what `way` lies in; NULL: nobody has said it yet */
    struct key_set_way way;
    unsigned failures; /* of this question, which is asked again soon */
    char *text;        /* NULL: none came yet */
    size_t text_len;
    int64_t due, heeded, retry; /* heeded: when it was asked because a key was missed */
    struct board_ref *words;
    size_t word_count, word_room;
    uint64_t round; /* of the compile that used it last; 0: of an earlier master, none did yet */
    bool asking, missed;
};

struct key_sets {
    pthread_mutex_t mutex;
    struct key_set *buckets[BUCKETS];
    uint64_t round;
    size_t count;
    bool changed;
};

struct key_sets *key_sets_new(void)
{
    struct key_sets *sets = xcalloc(1, sizeof(*sets));

    (void)pthread_mutex_init(&sets->mutex, NULL);
    return sets;
}

/* A set may hold secrets. */
static void drop_text(struct key_set *set)
{
    if (set->text) {
        OPENSSL_cleanse(set->text, set->text_len);
    }
    free(set->text);
    set->text = NULL;
    set->text_len = 0;
}

/* Those that no compile has used since `round`, but those that wait for their first one; all with UINT64_MAX. */
static void sweep(struct key_sets *sets, uint64_t round)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct key_set **link = &sets->buckets[i];

        while (*link) {
            struct key_set *set = *link;

            if (set->round == round || (set->round == 0 && round != UINT64_MAX)) {
                link = &set->next;
                continue;
            }
            *link = set->next;
            drop_text(set);
            pool_free(set->pool);
            free(set->words);
            free(set->key);
            free(set);
            sets->count--;
        }
    }
}

void key_sets_free(struct key_sets *sets)
{
    if (sets) {
        sweep(sets, UINT64_MAX);
        (void)pthread_mutex_destroy(&sets->mutex);
        free(sets);
    }
}

static struct slice key_of(const struct key_set *set)
{
    return slice_of(set->key, set->key_len);
}

/* By the key itself: who writes one can make its hash that of another. */
static struct key_set **place_of(struct key_sets *sets, struct slice key)
{
    struct key_set **link = &sets->buckets[hash_slice(0, key) % BUCKETS];

    while (*link && !slice_eq(key_of(*link), key)) {
        link = &(*link)->next;
    }
    return link;
}

static struct slice url_of(struct slice key)
{
    return slice_split(&key, '\n');
}

/* ---- a compile ---- */
void key_sets_begin(struct key_sets *sets)
{
    pthread_mutex_lock(&sets->mutex);
    sets->round++;
    pthread_mutex_unlock(&sets->mutex);
}

void key_sets_end(struct key_sets *sets)
{
    pthread_mutex_lock(&sets->mutex);
    sweep(sets, sets->round);
    pthread_mutex_unlock(&sets->mutex);
}

static struct key_set *set_new(struct key_sets *sets, struct slice key)
{
    struct key_set *set = xcalloc(1, sizeof(*set));

    *set = (struct key_set){.key = xstrndup(key.ptr, key.len),
                            .key_len = key.len,
                            .due = INT64_MIN,
                            .heeded = INT64_MIN / 2,
                            .retry = RETRY_FIRST};
    sets->count++;
    return set;
}

static struct key_set_way way_copy(struct pool *pool, const struct key_set_way *from)
{
    struct key_set_way way = *from;

    way.tls.ca = pool_copy(pool, from->tls.ca);
    way.tls.certificate = pool_copy(pool, from->tls.certificate);
    way.tls.key = pool_copy(pool, from->tls.key);
    return way;
}

struct slice key_sets_for(struct key_sets *sets, struct slice key, const struct key_set_way *way,
                          struct pool *pool)
{
    struct slice text = SLICE("");
    struct key_set **place;

    pthread_mutex_lock(&sets->mutex);
    place = place_of(sets, key);
    if (*place == NULL) {
        *place = set_new(sets, key);
    }
    if ((*place)->round != sets->round) {
        (*place)->round = sets->round;
        (*place)->word_count = 0; /* each middleware says its own again */
    }
    pool_free((*place)->pool);
    (*place)->pool = pool_new(512, 0);
    (*place)->way = way_copy((*place)->pool, way);
    if ((*place)->text) {
        text = pool_copy(pool, slice_of((*place)->text, (*place)->text_len));
    }
    pthread_mutex_unlock(&sets->mutex);
    return text;
}

void key_sets_heed(struct key_sets *sets, struct slice key, struct board_ref word)
{
    struct key_set *set;

    pthread_mutex_lock(&sets->mutex);
    set = *place_of(sets, key);
    if (set && word.slot) {
        if (set->word_count == set->word_room) {
            set->word_room = set->word_room ? 2 * set->word_room : 4;
            set->words = xrealloc(set->words, set->word_room * sizeof(*set->words));
        }
        set->words[set->word_count++] = word;
    }
    pthread_mutex_unlock(&sets->mutex);
}

/* ---- the loop ---- */
void key_sets_listen(struct key_sets *sets, struct board *board)
{
    pthread_mutex_lock(&sets->mutex);
    for (size_t i = 0; sets->count && i < BUCKETS; i++) {
        for (struct key_set *set = sets->buckets[i]; set; set = set->next) {
            for (size_t k = 0; k < set->word_count; k++) {
                _Atomic uint64_t *word = board_at(board, set->words[k]);

                if (word && atomic_load_explicit(word, memory_order_relaxed)) {
                    atomic_store_explicit(word, 0, memory_order_relaxed);
                    set->missed = true;
                }
            }
        }
    }
    pthread_mutex_unlock(&sets->mutex);
}

static bool is_due(const struct key_set *set, int64_t now)
{
    return !set->asking && set->round &&
           (set->due <= now || (set->missed && now - set->heeded >= MISSED_AGAIN));
}

/* Who has not failed just now first, of those who waits longest: servers that hang do not keep others from being asked. */
static bool goes_before(const struct key_set *set, const struct key_set *other)
{
    return set->failures != other->failures ? set->failures < other->failures : set->due < other->due;
}

bool key_sets_next(struct key_sets *sets, int64_t now_ns, struct key_set_question *out)
{
    struct key_set *found = NULL;

    pthread_mutex_lock(&sets->mutex);
    for (size_t i = 0; sets->count && i < BUCKETS; i++) {
        for (struct key_set *set = sets->buckets[i]; set; set = set->next) {
            if (is_due(set, now_ns) && (found == NULL || goes_before(set, found))) {
                found = set;
            }
        }
    }
    if (found) {
        found->asking = true;
        found->heeded = found->missed ? now_ns : found->heeded;
        found->missed = false;
        out->pool = pool_new(512, 0);
        out->key = pool_copy(out->pool, key_of(found));
        out->url = url_of(out->key);
        out->way = way_copy(out->pool, &found->way);
    }
    pthread_mutex_unlock(&sets->mutex);
    return found != NULL;
}

/* Up to a quarter more. */
static int64_t spread(int64_t wait)
{
    uint32_t number;

    RAND_bytes((uint8_t *)&number, sizeof(number));
    return wait + (int64_t)((double)(wait / 4) * ((double)number / UINT32_MAX));
}

static void refused(struct key_set *set, int64_t now, const struct error *why)
{
    struct slice name = key_set_name(key_of(set));

    if (set->failures < set->way.retries) {
        int64_t wait = set->failures < 5 ? RETRY_SOON << set->failures : RETRY_FIRST;

        log_debug("jwt: no keys from %.*s: %s; asking again", SLICE_ARG(name), why->text);
        set->failures++;
        set->due = now + spread(wait);
        return;
    }
    set->failures = 0;
    log_warn("jwt: no keys from %.*s: %s%s", SLICE_ARG(name), why->text,
             set->text ? "; those that it gave before stay in force" : "");
    set->due = now + spread(set->retry);
    set->retry = 2 * set->retry < RETRY_MOST ? 2 * set->retry : RETRY_MOST;
}

static void accepted(struct key_sets *sets, struct key_set *set, struct slice answer, int64_t age,
                     int64_t now)
{
    age = age < 0 ? AGE_UNTOLD_S : age < AGE_LEAST_S ? AGE_LEAST_S : age > AGE_MOST_S ? AGE_MOST_S : age;
    set->due = now + age * SECOND;
    set->retry = RETRY_FIRST;
    set->failures = 0;
    if (set->text == NULL || !slice_eq(slice_of(set->text, set->text_len), answer)) {
        drop_text(set);
        set->text = xstrndup(answer.ptr, answer.len);
        set->text_len = answer.len;
        sets->changed = true;
        log_info("jwt: %.*s gave other keys", SLICE_ARG(key_set_name(key_of(set))));
    }
}

void key_sets_answered(struct key_sets *sets, const struct key_set_question *question, int rc,
                       struct slice answer, int64_t max_age_s, int64_t now_ns, const struct error *why)
{
    struct error wrong = {""};
    struct key_set *set;

    if (rc == 0) { /* not under the mutex: it takes a while */
        struct pool *pool = pool_new(4096, 0);
        struct jwk *keys;
        size_t count;

        rc = jwk_read_set(pool, SLICE("its answer"), answer, &keys, &count, &wrong);
        pool_free(pool);
    } else {
        wrong = *why;
    }
    pthread_mutex_lock(&sets->mutex);
    set = *place_of(sets, question->key);
    if (set) { /* it may have gone meanwhile */
        set->asking = false;
        if (rc == 0) {
            accepted(sets, set, answer, max_age_s, now_ns);
        } else {
            refused(set, now_ns, &wrong);
        }
    }
    pthread_mutex_unlock(&sets->mutex);
}

bool key_sets_take_changed(struct key_sets *sets)
{
    bool changed;

    pthread_mutex_lock(&sets->mutex);
    changed = sets->changed;
    sets->changed = false;
    pthread_mutex_unlock(&sets->mutex);
    return changed;
}

/* ---- over masters: length of key and text, key, text, and so on ---- */
void key_sets_pack(struct key_sets *sets, struct text *out)
{
    pthread_mutex_lock(&sets->mutex);
    for (size_t i = 0; sets->count && i < BUCKETS; i++) {
        for (const struct key_set *set = sets->buckets[i]; set; set = set->next) {
            uint64_t sizes[2] = {set->key_len, set->text_len};

            if (set->round && set->text &&
                out->len + sizeof(sizes) + set->key_len + set->text_len <= KEY_SETS_KEPT) {
                text_add(out, slice_of((const char *)sizes, sizeof(sizes)));
                text_add(out, slice_of(set->key, set->key_len));
                text_add(out, slice_of(set->text, set->text_len));
            }
        }
    }
    pthread_mutex_unlock(&sets->mutex);
}

void key_sets_unpack(struct key_sets *sets, struct slice bytes)
{
    uint64_t sizes[2];

    pthread_mutex_lock(&sets->mutex);
    while (bytes.len >= sizeof(sizes)) {
        struct key_set **place;
        struct slice key;

        memcpy(sizes, bytes.ptr, sizeof(sizes));
        bytes = slice_from(bytes, sizeof(sizes));
        if (sizes[0] == 0 || sizes[1] == 0 || sizes[0] > bytes.len || sizes[1] > bytes.len - sizes[0]) {
            break;
        }
        key = slice_head(bytes, (size_t)sizes[0]);
        bytes = slice_from(bytes, (size_t)sizes[0]);
        place = place_of(sets, key);
        if (*place == NULL) {
            *place = set_new(sets, key);
            (*place)->text = xstrndup(bytes.ptr, (size_t)sizes[1]);
            (*place)->text_len = (size_t)sizes[1];
        }
        bytes = slice_from(bytes, (size_t)sizes[1]);
    }
    pthread_mutex_unlock(&sets->mutex);
}

struct slice key_set_name(struct slice key)
{
    struct slice url = url_of(key);
    ptrdiff_t query = slice_find(url, '?');

    return query < 0 ? url : slice_head(url, (size_t)query);
}
