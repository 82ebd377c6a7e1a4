/*
 * learned.c - see learned.h.
 */
#include "master/tls/learned.h"

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
#define BUCKETS 1024

struct lesson {
    struct lesson *next; /* in its bucket */
    char *key;
    size_t key_len;
    struct pool *pool; /* what `way` lies in; NULL: nobody has said it yet */
    struct learned_way way;
    unsigned failures; /* of this question, which is asked again soon */
    unsigned turn;     /* all failures */
    char *text;        /* NULL: none came yet */
    size_t text_len;
    int64_t due, heeded, retry; /* heeded: when it was asked because something was missed */
    int64_t again; /* so long after that it is not asked because of that; 0: as the kind begins */
    struct board_ref *words;
    size_t word_count, word_room;
    uint64_t round; /* of the compile that used it last; 0: of an earlier master, none did yet */
    bool asking, missed;
};

static int check_keys(struct slice answer, struct error *why)
{
    struct pool *pool = pool_new(4096, 0);
    struct jwk *keys;
    size_t count;
    int rc = jwk_read_set(pool, SLICE("its answer"), answer, &keys, &count, why);

    pool_free(pool);
    return rc;
}

const struct learned_kind learned_keys = {.who = "jwt",
                                          .what = "keys",
                                          .check = check_keys,
                                          .again_ns = 30 * SECOND,
                                          .again_most_ns = 30 * SECOND,
                                          .retry_most_ns = 300 * SECOND};
const struct learned_kind learned_clusters = {.who = "rateLimit.redis",
                                              .what = "places of slots",
                                              .again_ns = SECOND / 2,
                                              .again_most_ns = 8 * SECOND,
                                              .retry_most_ns = 8 * SECOND};

struct learned {
    pthread_mutex_t mutex;
    struct lesson *buckets[BUCKETS];
    uint64_t round;
    size_t count;
    bool changed;
};

struct learned *learned_new(void)
{
    struct learned *learned = xcalloc(1, sizeof(*learned));

    (void)pthread_mutex_init(&learned->mutex, NULL);
    return learned;
}

/* It may hold secrets. */
static void drop_text(struct lesson *lesson)
{
    if (lesson->text) {
        OPENSSL_cleanse(lesson->text, lesson->text_len);
    }
    free(lesson->text);
    lesson->text = NULL;
    lesson->text_len = 0;
}

/* Those that no compile has used since `round`, but those that wait for their first one; all with UINT64_MAX. */
static void sweep(struct learned *learned, uint64_t round)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct lesson **link = &learned->buckets[i];

        while (*link) {
            struct lesson *lesson = *link;

            if (lesson->round == round || (lesson->round == 0 && round != UINT64_MAX)) {
                link = &lesson->next;
                continue;
            }
            *link = lesson->next;
            drop_text(lesson);
            pool_free(lesson->pool);
            free(lesson->words);
            free(lesson->key);
            free(lesson);
            learned->count--;
        }
    }
}

void learned_free(struct learned *learned)
{
    if (learned) {
        sweep(learned, UINT64_MAX);
        (void)pthread_mutex_destroy(&learned->mutex);
        free(learned);
    }
}

static struct slice key_of(const struct lesson *lesson)
{
    return slice_of(lesson->key, lesson->key_len);
}

/* By the key itself: who writes one can make its hash that of another. */
static struct lesson **place_of(struct learned *learned, struct slice key)
{
    struct lesson **link = &learned->buckets[hash_slice(0, key) % BUCKETS];

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
void learned_begin(struct learned *learned)
{
    pthread_mutex_lock(&learned->mutex);
    learned->round++;
    pthread_mutex_unlock(&learned->mutex);
}

void learned_end(struct learned *learned)
{
    pthread_mutex_lock(&learned->mutex);
    sweep(learned, learned->round);
    pthread_mutex_unlock(&learned->mutex);
}

static struct lesson *lesson_new(struct learned *learned, struct slice key)
{
    struct lesson *lesson = xcalloc(1, sizeof(*lesson));

    *lesson = (struct lesson){.key = xstrndup(key.ptr, key.len),
                              .key_len = key.len,
                              .due = INT64_MIN,
                              .heeded = INT64_MIN / 2,
                              .retry = RETRY_FIRST};
    learned->count++;
    return lesson;
}

static struct learned_way way_copy(struct pool *pool, const struct learned_way *from)
{
    struct learned_way way = *from;

    way.tls.ca = pool_copy(pool, from->tls.ca);
    way.tls.certificate = pool_copy(pool, from->tls.certificate);
    way.tls.key = pool_copy(pool, from->tls.key);
    way.username = pool_copy(pool, from->username);
    way.password = pool_copy(pool, from->password);
    return way;
}

struct slice learned_for(struct learned *learned, struct slice key, const struct learned_way *way,
                         struct pool *pool)
{
    struct slice text = SLICE("");
    struct lesson **place;

    pthread_mutex_lock(&learned->mutex);
    place = place_of(learned, key);
    if (*place == NULL) {
        *place = lesson_new(learned, key);
    }
    if ((*place)->round != learned->round) {
        (*place)->round = learned->round;
        (*place)->word_count = 0; /* each middleware says its own again */
    }
    pool_free((*place)->pool);
    (*place)->pool = pool_new(512, 0);
    (*place)->way = way_copy((*place)->pool, way);
    (*place)->again = (*place)->again ? (*place)->again : way->kind->again_ns;
    if ((*place)->text) {
        text = pool_copy(pool, slice_of((*place)->text, (*place)->text_len));
    }
    pthread_mutex_unlock(&learned->mutex);
    return text;
}

void learned_heed(struct learned *learned, struct slice key, struct board_ref word)
{
    struct lesson *lesson;

    pthread_mutex_lock(&learned->mutex);
    lesson = *place_of(learned, key);
    if (lesson && word.slot) {
        if (lesson->word_count == lesson->word_room) {
            lesson->word_room = lesson->word_room ? 2 * lesson->word_room : 4;
            lesson->words = xrealloc(lesson->words, lesson->word_room * sizeof(*lesson->words));
        }
        lesson->words[lesson->word_count++] = word;
    }
    pthread_mutex_unlock(&learned->mutex);
}

/* ---- the loop ---- */
void learned_listen(struct learned *learned, struct board *board)
{
    pthread_mutex_lock(&learned->mutex);
    for (size_t i = 0; learned->count && i < BUCKETS; i++) {
        for (struct lesson *lesson = learned->buckets[i]; lesson; lesson = lesson->next) {
            for (size_t k = 0; k < lesson->word_count; k++) {
                _Atomic uint64_t *word = board_at(board, lesson->words[k]);

                if (word && atomic_load_explicit(word, memory_order_relaxed)) {
                    atomic_store_explicit(word, 0, memory_order_relaxed);
                    lesson->missed = true;
                }
            }
        }
    }
    pthread_mutex_unlock(&learned->mutex);
}

static bool is_due(const struct lesson *lesson, int64_t now)
{
    return !lesson->asking && lesson->round &&
           (lesson->due <= now || (lesson->missed && now - lesson->heeded >= lesson->again));
}

/* Who has not failed just now first, of those who waits longest: servers that hang do not keep others from being asked. */
static bool goes_before(const struct lesson *lesson, const struct lesson *other)
{
    return lesson->failures != other->failures ? lesson->failures < other->failures
                                               : lesson->due < other->due;
}

bool learned_next(struct learned *learned, const struct learned_kind *kind, int64_t now_ns,
                  struct learned_question *out)
{
    struct lesson *found = NULL;

    pthread_mutex_lock(&learned->mutex);
    for (size_t i = 0; learned->count && i < BUCKETS; i++) {
        for (struct lesson *lesson = learned->buckets[i]; lesson; lesson = lesson->next) {
            if (is_due(lesson, now_ns) && lesson->way.kind == kind &&
                (found == NULL || goes_before(lesson, found))) {
                found = lesson;
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
        out->turn = found->turn;
        out->way = way_copy(out->pool, &found->way);
    }
    pthread_mutex_unlock(&learned->mutex);
    return found != NULL;
}

/* Up to a quarter more. */
static int64_t spread(int64_t wait)
{
    uint32_t number;

    RAND_bytes((uint8_t *)&number, sizeof(number));
    return wait + (int64_t)((double)(wait / 4) * ((double)number / UINT32_MAX));
}

/* Who changes all the time, or does not answer, is not asked all the time. */
static void be_patient(struct lesson *lesson)
{
    int64_t most = lesson->way.kind->again_most_ns;

    lesson->again = 2 * lesson->again < most ? 2 * lesson->again : most;
}

static void refused(struct lesson *lesson, int64_t now, const struct error *why)
{
    const struct learned_kind *kind = lesson->way.kind;
    struct slice name = learned_name(key_of(lesson));

    lesson->turn++;
    if (lesson->failures < lesson->way.retries) {
        int64_t wait = lesson->failures < 5 ? RETRY_SOON << lesson->failures : RETRY_FIRST;

        log_debug("%s: no %s from %.*s: %s; asking again", kind->who, kind->what, SLICE_ARG(name), why->text);
        lesson->failures++;
        lesson->due = now + spread(wait);
        return;
    }
    lesson->failures = 0;
    log_warn("%s: no %s from %.*s: %s%s", kind->who, kind->what, SLICE_ARG(name), why->text,
             lesson->text ? "; those that it gave before stay in force" : "");
    lesson->due = now + spread(lesson->retry);
    lesson->retry = 2 * lesson->retry < kind->retry_most_ns ? 2 * lesson->retry : kind->retry_most_ns;
    be_patient(lesson);
}

static void accepted(struct learned *learned, struct lesson *lesson, struct slice answer, int64_t age,
                     int64_t now)
{
    const struct learned_kind *kind = lesson->way.kind;

    age = age < 0 ? AGE_UNTOLD_S : age < AGE_LEAST_S ? AGE_LEAST_S : age > AGE_MOST_S ? AGE_MOST_S : age;
    lesson->due = now + age * SECOND;
    lesson->retry = RETRY_FIRST;
    lesson->failures = 0;
    if (lesson->text == NULL || !slice_eq(slice_of(lesson->text, lesson->text_len), answer)) {
        drop_text(lesson);
        lesson->text = xstrndup(answer.ptr, answer.len);
        lesson->text_len = answer.len;
        learned->changed = true;
        log_info("%s: %.*s gave other %s", kind->who, SLICE_ARG(learned_name(key_of(lesson))), kind->what);
        be_patient(lesson);
    } else {
        lesson->again = kind->again_ns;
    }
}

void learned_answered(struct learned *learned, const struct learned_question *question, int rc,
                      struct slice answer, int64_t max_age_s, int64_t now_ns, const struct error *why)
{
    struct error wrong = {""};
    struct lesson *lesson;

    if (rc < 0) {
        wrong = *why;
    } else if (question->way.kind->check) { /* not under the mutex: it takes a while */
        rc = question->way.kind->check(answer, &wrong);
    }
    pthread_mutex_lock(&learned->mutex);
    lesson = *place_of(learned, question->key);
    if (lesson) { /* it may have gone meanwhile */
        lesson->asking = false;
        if (rc == 0) {
            accepted(learned, lesson, answer, max_age_s, now_ns);
        } else {
            refused(lesson, now_ns, &wrong);
        }
    }
    pthread_mutex_unlock(&learned->mutex);
}

bool learned_take_changed(struct learned *learned)
{
    bool changed;

    pthread_mutex_lock(&learned->mutex);
    changed = learned->changed;
    learned->changed = false;
    pthread_mutex_unlock(&learned->mutex);
    return changed;
}

/* ---- over masters: length of key and text, key, text, and so on ---- */
void learned_pack(struct learned *learned, struct text *out)
{
    pthread_mutex_lock(&learned->mutex);
    for (size_t i = 0; learned->count && i < BUCKETS; i++) {
        for (const struct lesson *lesson = learned->buckets[i]; lesson; lesson = lesson->next) {
            uint64_t sizes[2] = {lesson->key_len, lesson->text_len};

            if (lesson->round && lesson->text &&
                out->len + sizeof(sizes) + lesson->key_len + lesson->text_len <= LEARNED_KEPT) {
                text_add(out, slice_of((const char *)sizes, sizeof(sizes)));
                text_add(out, slice_of(lesson->key, lesson->key_len));
                text_add(out, slice_of(lesson->text, lesson->text_len));
            }
        }
    }
    pthread_mutex_unlock(&learned->mutex);
}

void learned_unpack(struct learned *learned, struct slice bytes)
{
    uint64_t sizes[2];

    pthread_mutex_lock(&learned->mutex);
    while (bytes.len >= sizeof(sizes)) {
        struct lesson **place;
        struct slice key;

        memcpy(sizes, bytes.ptr, sizeof(sizes));
        bytes = slice_from(bytes, sizeof(sizes));
        if (sizes[0] == 0 || sizes[1] == 0 || sizes[0] > bytes.len || sizes[1] > bytes.len - sizes[0]) {
            break;
        }
        key = slice_head(bytes, (size_t)sizes[0]);
        bytes = slice_from(bytes, (size_t)sizes[0]);
        place = place_of(learned, key);
        if (*place == NULL) {
            *place = lesson_new(learned, key);
            (*place)->text = xstrndup(bytes.ptr, (size_t)sizes[1]);
            (*place)->text_len = (size_t)sizes[1];
        }
        bytes = slice_from(bytes, (size_t)sizes[1]);
    }
    pthread_mutex_unlock(&learned->mutex);
}

struct slice learned_name(struct slice key)
{
    struct slice url = url_of(key);
    ptrdiff_t query = slice_find(url, '?');

    return query < 0 ? url : slice_head(url, (size_t)query);
}
