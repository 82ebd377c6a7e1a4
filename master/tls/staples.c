/*
 * staples.c - see staples.h.
 */
#include "master/tls/staples.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/tls/ocsp.h"

#define RETRY_FIRST 30
#define RETRY_MOST 3600
#define RENEW_LEAST 60    /* so soon an answer is not asked for again */
#define RENEW_UNTOLD 3600 /* one that names no end */
#define BUCKETS 1024

struct staple {
    struct staple *next; /* in its bucket */
    uint64_t id;         /* of certificate, issuer and whom to ask */
    struct pool *
        pool; /* of what follows, but the answer; NULL: an earlier master had it, no compile has used it yet */
    struct slice name, certificate, issuer, request;
    struct slice urls[OCSP_RESPONDERS_MOST];
    size_t url_count, url; /* url: the one that is asked, or comes next */
    char *answer;
    size_t answer_len;
    int64_t due, until, retry;
    uint64_t round;               /* of the compile that used it last */
    bool asking, revoked, unkept; /* unkept: the answer was not packed yet */
};

struct staples {
    pthread_mutex_t mutex;
    struct staple *buckets[BUCKETS];
    uint64_t round;
    int64_t due; /* none is due before */
    bool changed, unkept;
};

struct packed { /* behind it: the answer */
    uint64_t id;
    int64_t due, until;
    uint32_t answer_len, revoked;
    uint64_t hash; /* of the rest, with 0 in this place */
};

struct staples *staples_new(void)
{
    struct staples *staples = xcalloc(1, sizeof(*staples));

    (void)pthread_mutex_init(&staples->mutex, NULL);
    staples->due = INT64_MAX;
    return staples;
}

static void staple_free(struct staple *staple)
{
    pool_free(staple->pool);
    free(staple->answer);
    free(staple);
}

/* Those that no compile has used since `round`; all with UINT64_MAX. What an earlier master had stays for its time: a certificate
 * may come late. */
static void sweep(struct staples *staples, uint64_t round)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct staple **link = &staples->buckets[i];

        while (*link) {
            struct staple *staple = *link;

            bool waits = staple->pool == NULL && staple->until != 0 && round != UINT64_MAX;

            if (staple->round == round || waits) {
                link = &staple->next;
                continue;
            }
            *link = staple->next;
            staple_free(staple);
        }
    }
}

void staples_free(struct staples *staples)
{
    if (staples) {
        sweep(staples, UINT64_MAX);
        (void)pthread_mutex_destroy(&staples->mutex);
        free(staples);
    }
}

/* ---- a compile ---- */
void staples_begin(struct staples *staples)
{
    pthread_mutex_lock(&staples->mutex);
    staples->round++;
    pthread_mutex_unlock(&staples->mutex);
}

void staples_end(struct staples *staples)
{
    pthread_mutex_lock(&staples->mutex);
    sweep(staples, staples->round);
    pthread_mutex_unlock(&staples->mutex);
}

static struct staple **place_of(struct staples *staples, uint64_t id)
{
    struct staple **link = &staples->buckets[id % BUCKETS];

    while (*link && (*link)->id != id) {
        link = &(*link)->next;
    }
    return link;
}

static uint64_t identify(const struct keypair *pair, const struct string_map *overrides)
{
    uint64_t id = pair->row.identity;

    for (size_t i = 0; i < overrides->count; i++) {
        id = hash_slice(hash_slice(id, overrides->items[i].key), overrides->items[i].value);
    }
    return hash_finish(id);
}

static struct slice overridden(struct slice url, const struct string_map *overrides)
{
    for (size_t i = 0; i < overrides->count; i++) {
        if (slice_eq(overrides->items[i].key, url)) {
            return overrides->items[i].value;
        }
    }
    return url;
}

static struct staple *staple_new(uint64_t id)
{
    struct staple *staple = xcalloc(1, sizeof(*staple));

    staple->id = id;
    staple->retry = RETRY_FIRST;
    return staple;
}

/* No URLs, and never due, for a certificate that nobody can be asked about: found out once. */
static void staple_fill(struct staple *staple, const struct keypair *pair, const struct string_map *overrides)
{
    const struct slice *chain = pair->row.chain.items, *names = pair->names.items;
    struct error why;

    staple->pool = pool_new(1024, 0);
    staple->certificate = pool_copy(staple->pool, chain[0]);
    staple->issuer = /* one without another one has signed itself */
        pool_copy(staple->pool, chain[pair->row.chain.count > 1 ? 1 : 0]);
    staple->name = pool_copy(staple->pool, pair->names.count ? names[0] : SLICE("(no name)"));
    staple->url_count = ocsp_responders(staple->certificate, staple->pool, staple->urls);
    for (size_t i = 0; i < staple->url_count; i++) {
        staple->urls[i] = pool_copy(staple->pool, overridden(staple->urls[i], overrides));
    }
    if (staple->url_count &&
        ocsp_request(staple->certificate, staple->issuer, staple->pool, &staple->request, &why) < 0) {
        log_warn("OCSP: nobody can be asked about %.*s: %s", SLICE_ARG(staple->name), why.text);
        staple->url_count = 0;
    }
    if (staple->url_count == 0) {
        staple->due = INT64_MAX;
    }
}

struct slice staples_for(struct staples *staples, const struct keypair *pair,
                         const struct string_map *overrides, struct pool *pool)
{
    uint64_t id = identify(pair, overrides);
    struct slice answer = SLICE("");
    struct staple **place;

    pthread_mutex_lock(&staples->mutex);
    place = place_of(staples, id);
    if (*place == NULL) {
        *place = staple_new(id);
    }
    if ((*place)->pool == NULL) {
        staple_fill(*place, pair, overrides);
        staples->due = 0; /* looked at with the next question */
    }
    (*place)->round = staples->round;
    if ((*place)->answer) {
        answer = pool_copy(pool, slice_of((*place)->answer, (*place)->answer_len));
    }
    pthread_mutex_unlock(&staples->mutex);
    return answer;
}

/* ---- the loop ---- */
static void drop_answer(struct staples *staples, struct staple *staple)
{
    free(staple->answer);
    staple->answer = NULL;
    staple->answer_len = 0;
    staples->changed = staples->unkept = true;
}

static void question_fill(struct staple_question *question, struct staple *staple)
{
    question->id = staple->id;
    question->pool = pool_new(1024, 0);
    question->url = pool_copy(question->pool, staple->urls[staple->url]);
    question->request = pool_copy(question->pool, staple->request);
    question->name = pool_copy(question->pool, staple->name);
    staple->asking = true;
}

bool staples_next(struct staples *staples, int64_t now, struct staple_question *out)
{
    struct staple *found = NULL;

    pthread_mutex_lock(&staples->mutex);
    if (staples->due <= now) {
        staples->due = INT64_MAX;
        for (size_t i = 0; i < BUCKETS; i++) {
            for (struct staple *staple = staples->buckets[i]; staple; staple = staple->next) {
                int64_t due = staple->answer && staple->until < staple->due ? staple->until : staple->due;

                if (staple->pool == NULL) {
                    staple->until = staple->until > now ? staple->until : 0; /* goes with the next compile */
                    continue;
                }
                if (staple->answer && staple->until <= now) {
                    log_warn("OCSP: the answer about %.*s is over, none is stapled", SLICE_ARG(staple->name));
                    drop_answer(staples, staple);
                }
                if (found == NULL && !staple->asking && staple->due <= now) {
                    found = staple;
                }
                if (!staple->asking && due < staples->due) {
                    staples->due = due;
                }
            }
        }
        if (found) {
            question_fill(out, found);
        }
    }
    pthread_mutex_unlock(&staples->mutex);
    return found != NULL;
}

static void refused(struct staple *staple, int64_t now, const struct error *why)
{
    log_warn("OCSP: no answer about %.*s from %.*s: %s", SLICE_ARG(staple->name),
             SLICE_ARG(staple->urls[staple->url]), why->text);
    if (++staple->url < staple->url_count) { /* the next one at once */
        staple->due = now;
        return;
    }
    staple->url = 0;
    staple->due = now + staple->retry;
    staple->retry = 2 * staple->retry < RETRY_MOST ? 2 * staple->retry : RETRY_MOST;
}

static void accepted(struct staples *staples, struct staple *staple, struct slice answer, int64_t now,
                     const struct ocsp_answer *read)
{
    int64_t due =
        read->until == INT64_MAX ? now + RENEW_UNTOLD : read->produced + (read->until - read->produced) / 2;

    if (read->status == OCSP_REVOKED && !staple->revoked) {
        log_warn("OCSP: %.*s says that the certificate of %.*s is revoked; it is served all the same",
                 SLICE_ARG(staple->urls[staple->url]), SLICE_ARG(staple->name));
    }
    log_debug("OCSP: %.*s has answered about %.*s", SLICE_ARG(staple->urls[staple->url]),
              SLICE_ARG(staple->name));
    staple->revoked = read->status == OCSP_REVOKED;
    staple->until = read->until;
    staple->due = due > now + RENEW_LEAST ? due : now + RENEW_LEAST;
    staple->retry = RETRY_FIRST;
    staple->url = 0;
    if (!slice_eq(slice_of(staple->answer, staple->answer_len), answer)) {
        drop_answer(staples, staple);
        staple->answer = xstrndup(answer.ptr, answer.len);
        staple->answer_len = answer.len;
    }
    staple->unkept = staples->unkept = true; /* other times at least */
}

void staples_answered(struct staples *staples, const struct staple_question *question, int rc,
                      struct slice answer, int64_t now, const struct error *why)
{
    struct error wrong = {""};
    struct ocsp_answer read;
    struct staple *staple;

    pthread_mutex_lock(&staples->mutex);
    staple = *place_of(staples, question->id);
    if (staple) { /* it may have gone meanwhile */
        staple->asking = false;
        wrong = rc < 0 ? *why : wrong;
        if (rc == 0) {
            rc = ocsp_answer_read(answer, staple->certificate, staple->issuer, now, &read, &wrong);
        }
        if (rc == 0 && read.status == OCSP_UNKNOWN) {
            rc = error_set(&wrong, -1, "it does not know the certificate");
        }
        if (rc == 0) {
            accepted(staples, staple, answer, now, &read);
        } else {
            refused(staple, now, &wrong);
        }
        staples->due = 0;
    }
    pthread_mutex_unlock(&staples->mutex);
}

bool staples_take_changed(struct staples *staples)
{
    bool changed;

    pthread_mutex_lock(&staples->mutex);
    changed = staples->changed;
    staples->changed = false;
    pthread_mutex_unlock(&staples->mutex);
    return changed;
}

/* ---- over masters ---- */
bool staples_take_unkept(struct staples *staples)
{
    bool unkept;

    pthread_mutex_lock(&staples->mutex);
    unkept = staples->unkept;
    staples->unkept = false;
    pthread_mutex_unlock(&staples->mutex);
    return unkept;
}

static uint64_t packed_hash(struct packed head, const char *answer)
{
    head.hash = 0;
    return hash_slice(hash_slice(0, slice_of((const char *)&head, sizeof(head))),
                      slice_of(answer, head.answer_len));
}

static void pack_one(const struct staple *staple, struct text *out)
{
    struct packed head = {.id = staple->id,
                          .due = staple->due,
                          .until = staple->until,
                          .answer_len = (uint32_t)staple->answer_len,
                          .revoked = staple->revoked};

    head.hash = packed_hash(head, staple->answer);
    text_add(out, slice_of((const char *)&head, sizeof(head)));
    text_add(out, slice_of(staple->answer, staple->answer_len));
}

void staples_pack(struct staples *staples, bool all, struct text *out)
{
    pthread_mutex_lock(&staples->mutex);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct staple *staple = staples->buckets[i]; staple; staple = staple->next) {
            if (staple->answer && (all || staple->unkept) &&
                out->len + sizeof(struct packed) + staple->answer_len <= STAPLES_KEPT) {
                pack_one(staple, out);
                staple->unkept = false;
            }
        }
    }
    pthread_mutex_unlock(&staples->mutex);
}

static void unpack_one(struct staples *staples, const struct packed *head, const char *answer)
{
    struct staple **place = place_of(staples, head->id);

    if (*place && (*place)->pool) {
        return;
    }
    if (*place == NULL) {
        *place = staple_new(head->id);
    }
    free((*place)->answer);
    (*place)->due = head->due;
    (*place)->until = head->until;
    (*place)->revoked = head->revoked != 0;
    (*place)->answer = xstrndup(answer, head->answer_len);
    (*place)->answer_len = head->answer_len;
}

size_t staples_unpack(struct staples *staples, struct slice bytes, int64_t now)
{
    size_t whole = 0;
    struct packed head;

    pthread_mutex_lock(&staples->mutex);
    while (bytes.len - whole >= sizeof(head)) {
        struct slice rest = slice_from(bytes, whole + sizeof(head));

        memcpy(&head, bytes.ptr + whole, sizeof(head));
        if (head.answer_len == 0 || head.answer_len > rest.len || packed_hash(head, rest.ptr) != head.hash) {
            break;
        }
        if (head.until > now) {
            unpack_one(staples, &head, rest.ptr);
        }
        whole += sizeof(head) + head.answer_len;
    }
    pthread_mutex_unlock(&staples->mutex);
    return whole;
}
