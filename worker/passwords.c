/*
 * passwords.c - see passwords.h.
 */
#include "worker/passwords.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/password.h"
#include "worker/exchange.h"
#include "worker/helper.h"
#include "worker/worker.h"

#define WAITING_MOST 64 /* computations, not exchanges */
#define KNOWN_NS (INT64_C(60) * 1000000000)
#define SETS 256 /* a power of two */
#define WAYS 4

struct fitting { /* a password that fits a hash; until_ns 0: free */
    uint8_t digest[SHA256_DIGEST_LENGTH];
    int64_t until_ns;
};

struct question;

struct waiter { /* in the exchange's pool */
    struct exchange *ex;
    password_decided *decided;
    void *context;
    struct question *question; /* NULL: it was answered */
    struct waiter *next;
};

struct question {
    struct helper_job job; /* first */
    struct passwords *passwords;
    struct question *next, **link; /* among those under way */
    struct waiter *waiters;
    atomic_bool unwanted; /* all of them have left: nobody computes it any more */
    uint8_t digest[SHA256_DIGEST_LENGTH];
    bool counts, right;
    size_t hash_len, password_len;
    char hash[PASSWORD_HASH_MOST], password[PASSWORD_MOST];
};

struct passwords {
    struct worker *worker;
    struct helper *helper;
    struct question *questions;
    struct crypt_data *scratch; /* the thread's */
    uint8_t key[SHA256_DIGEST_LENGTH];
    struct fitting known[SETS][WAYS];
};

/* ---- what is known ---- */

static void digest_of(const struct passwords *passwords, struct slice hash, struct slice password,
                      bool counts, uint8_t *digest)
{
    uint8_t text[PASSWORD_HASH_MOST + PASSWORD_MOST + 2];
    size_t len = 0;

    text[len++] = (uint8_t)counts;
    text[len++] = (uint8_t)hash.len;
    memcpy(text + len, hash.ptr, hash.len);
    len += hash.len;
    if (password.len) {
        memcpy(text + len, password.ptr, password.len);
        len += password.len;
    }
    (void)HMAC(EVP_sha256(), passwords->key, sizeof(passwords->key), text, len, digest, NULL);
    OPENSSL_cleanse(text, len);
}

static struct fitting *set_of(struct passwords *passwords, const uint8_t *digest)
{
    return passwords->known[digest[0] & (SETS - 1)];
}

static bool is_known(struct passwords *passwords, const uint8_t *digest)
{
    const struct fitting *set = set_of(passwords, digest);

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].until_ns > passwords->worker->now_ns &&
            CRYPTO_memcmp(set[i].digest, digest, sizeof(set[i].digest)) == 0) {
            return true;
        }
    }
    return false;
}

static void learn(struct passwords *passwords, const uint8_t *digest)
{
    struct fitting *set = set_of(passwords, digest), *oldest = set;

    for (size_t i = 1; i < WAYS; i++) {
        if (set[i].until_ns < oldest->until_ns) {
            oldest = &set[i];
        }
    }
    memcpy(oldest->digest, digest, sizeof(oldest->digest));
    oldest->until_ns = passwords->worker->now_ns + KNOWN_NS;
}

/* ---- questions ---- */

static void work(struct helper_job *job)
{
    struct question *question = (struct question *)job;

    if (atomic_load_explicit(&question->unwanted, memory_order_relaxed)) {
        return;
    }
    question->right =
        password_fits(slice_of(question->hash, question->hash_len),
                      slice_of(question->password, question->password_len), question->passwords->scratch);
}

static void question_free(struct question *question)
{
    *question->link = question->next;
    if (question->next) {
        question->next->link = question->link;
    }
    OPENSSL_cleanse(question, sizeof(*question));
    free(question);
}

static void done(struct helper_job *job, bool worked)
{
    struct question *question = (struct question *)job;
    bool right = question->right && question->counts;

    if (worked && right) {
        learn(question->passwords, question->digest);
    }
    while (question->waiters) {
        struct waiter *waiter = question->waiters;

        question->waiters = waiter->next;
        waiter->question = NULL;
        if (worked) { /* else the worker ends, and the exchange with it */
            waiter->decided(waiter->ex, waiter->context, right);
        }
    }
    question_free(question);
}

/* The exchange is over. */
static void leave(struct exchange *ex, void *state)
{
    struct waiter *waiter = state, **link;

    (void)ex;
    if (waiter->question == NULL) {
        return;
    }
    link = &waiter->question->waiters;
    while (*link != waiter) {
        link = &(*link)->next;
    }
    *link = waiter->next;
    if (waiter->question->waiters == NULL) {
        atomic_store_explicit(&waiter->question->unwanted, true, memory_order_relaxed);
    }
}

static struct question *question_new(struct passwords *passwords, struct slice hash, struct slice password,
                                     bool counts, const uint8_t *digest)
{
    struct question *question = xcalloc(1, sizeof(*question));

    question->job.work = work;
    question->job.done = done;
    question->passwords = passwords;
    question->counts = counts;
    question->hash_len = hash.len;
    question->password_len = password.len;
    memcpy(question->hash, hash.ptr, hash.len);
    if (password.len) {
        memcpy(question->password, password.ptr, password.len);
    }
    memcpy(question->digest, digest, sizeof(question->digest));
    question->next = passwords->questions;
    question->link = &passwords->questions;
    if (question->next) {
        question->next->link = &question->next;
    }
    passwords->questions = question;
    if (!helper_run(passwords->helper, &question->job)) {
        question_free(question);
        return NULL;
    }
    return question;
}

static struct question *question_find(const struct passwords *passwords, const uint8_t *digest)
{
    struct question *question = passwords->questions;

    while (question && (atomic_load_explicit(&question->unwanted, memory_order_relaxed) ||
                        CRYPTO_memcmp(question->digest, digest, sizeof(question->digest)) != 0)) {
        question = question->next;
    }
    return question;
}

enum password_answer passwords_ask(struct exchange *ex, struct slice hash, struct slice password, bool counts,
                                   password_decided *decided, void *context)
{
    struct passwords *passwords = ex->worker->passwords;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct question *question;

    if (password.len > PASSWORD_MOST || hash.len > PASSWORD_HASH_MOST) {
        return PASSWORD_WRONG; /* whoever's it is */
    }
    if (!password_hash_slow(hash)) {
        return password_fits(hash, password, NULL) && counts ? PASSWORD_RIGHT : PASSWORD_WRONG;
    }
    digest_of(passwords, hash, password, counts, digest);
    if (counts && is_known(passwords, digest)) {
        return PASSWORD_RIGHT;
    }
    question = question_find(passwords, digest);
    if (question == NULL) {
        question = question_new(passwords, hash, password, counts, digest);
    }
    if (question == NULL) {
        return PASSWORD_BUSY;
    }

    struct waiter *waiter = pool_alloc(ex->pool, sizeof(*waiter));

    *waiter = (struct waiter){
        .ex = ex, .decided = decided, .context = context, .question = question, .next = question->waiters};
    question->waiters = waiter;
    exchange_at_end(ex, leave, waiter);
    return PASSWORD_LATER;
}

bool passwords_known(const struct exchange *ex, struct slice hash, struct slice password)
{
    struct passwords *passwords = ex->worker->passwords;
    uint8_t digest[SHA256_DIGEST_LENGTH];

    if (password.len > PASSWORD_MOST || hash.len > PASSWORD_HASH_MOST || !password_hash_slow(hash)) {
        return false;
    }
    digest_of(passwords, hash, password, true, digest);
    return is_known(passwords, digest);
}

/* ---- life ---- */

int passwords_start(struct worker *worker, struct error *why)
{
    struct passwords *passwords = xcalloc(1, sizeof(*passwords));
    int rc;

    passwords->worker = worker;
    passwords->scratch = xcalloc(1, sizeof(*passwords->scratch));
    (void)RAND_bytes(passwords->key, sizeof(passwords->key));
    worker->passwords = passwords;
    rc = helper_new(worker, WAITING_MOST, false, &passwords->helper, why);
    if (rc < 0) {
        passwords_end(worker);
    }
    return rc;
}

void passwords_end(struct worker *worker)
{
    struct passwords *passwords = worker->passwords;

    if (passwords == NULL) {
        return;
    }
    helper_end(passwords->helper);
    free(passwords->scratch);
    OPENSSL_cleanse(passwords, sizeof(*passwords));
    free(passwords);
    worker->passwords = NULL;
}
