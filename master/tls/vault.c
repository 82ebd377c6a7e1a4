/*
 * vault.c - see vault.h: pairs by what they were read from.
 */
#include <errno.h>
#include <limits.h>
#include <openssl/mem.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "master/tls/learned.h"
#include "master/tls/staples.h"
#include "master/tls/vault_inner.h"

#define BUCKETS_FIRST 64

struct vault *vault_new(bool fallback)
{
    struct vault *vault = xcalloc(1, sizeof(*vault));

    vault->size = BUCKETS_FIRST;
    vault->buckets = xcalloc(vault->size, sizeof(struct vault_pair *));
    vault->fd = -1;
    vault->fallback = fallback;
    vault->staples = fallback ? staples_new() : NULL;
    vault->learned = fallback ? learned_new() : NULL;
    text_init(&vault->kept.learned);
    (void)pthread_mutex_init(&vault->mutex, NULL);
    return vault;
}

static void pair_free(struct vault_pair *pair)
{
    keypair_free(&pair->pair);
    free(pair);
}

void vault_free(struct vault *vault)
{
    if (vault == NULL) {
        return;
    }
    for (size_t i = 0; i < vault->size; i++) {
        while (vault->buckets[i]) {
            struct vault_pair *next = vault->buckets[i]->next;

            pair_free(vault->buckets[i]);
            vault->buckets[i] = next;
        }
    }
    free(vault->buckets);
    texts_free(vault);
    staples_free(vault->staples);
    learned_free(vault->learned);
    authorities_free(vault);
    vault_files_unref(vault->using);
    vault_files_unref(vault->used);
    kept_free(&vault->kept);
    (void)pthread_mutex_destroy(&vault->mutex);
    free(vault);
}

/* ---- a compile ---- */
struct staples *vault_staples(struct vault *vault)
{
    return vault->staples;
}

struct learned *vault_learned(struct vault *vault)
{
    return vault->learned;
}

void vault_begin(struct vault *vault)
{
    vault->round++;
    if (vault->staples) {
        staples_begin(vault->staples);
        learned_begin(vault->learned);
    }
    vault_files_unref(vault->using);
    vault->using = files_new();
}

static void sweep(struct vault *vault)
{
    for (size_t i = 0; i < vault->size; i++) {
        struct vault_pair **link = &vault->buckets[i];

        while (*link) {
            struct vault_pair *pair = *link;

            if (pair->round == vault->round) {
                link = &pair->next;
                continue;
            }
            *link = pair->next;
            pair_free(pair);
            vault->count--;
        }
    }
}

void vault_end(struct vault *vault)
{
    struct vault_files *old;

    sweep(vault);
    texts_sweep(vault);
    if (vault->staples) {
        staples_end(vault->staples);
        learned_end(vault->learned);
    }
    authorities_sweep(vault);
    vault_keep_staples(vault); /* here, because it may be much */
    pthread_mutex_lock(&vault->mutex);
    old = vault->used;
    vault->used = vault->using;
    vault->using = NULL;
    pthread_mutex_unlock(&vault->mutex);
    vault_files_unref(old);
}

uint64_t vault_round(const struct vault *vault)
{
    return vault->round;
}

void vault_keep_staples(struct vault *vault)
{
    pthread_mutex_lock(&vault->mutex);
    if (vault->staples && staples_take_unkept(vault->staples)) {
        kept_store_staples(vault);
    }
    pthread_mutex_unlock(&vault->mutex);
}

int vault_amend(struct vault *vault, struct pool *pool, struct list *changed)
{
    struct vault_files *files = vault_files(vault);
    bool good;

    *changed = (struct list){0};
    vault_files_unref(vault->using);
    vault->using = files_new();
    good = files == NULL || files_part(files, vault->using, pool, changed);
    vault_files_unref(files);
    if (!good) {
        vault_amended(vault, false);
    }
    return good ? 0 : -EAGAIN;
}

void vault_amended(struct vault *vault, bool good)
{
    struct vault_files *old = vault->using;

    pthread_mutex_lock(&vault->mutex);
    if (good) {
        old = vault->used;
        vault->used = vault->using;
    }
    vault->using = NULL;
    pthread_mutex_unlock(&vault->mutex);
    vault_files_unref(old);
}

struct vault_files *vault_files(struct vault *vault)
{
    struct vault_files *files;

    pthread_mutex_lock(&vault->mutex);
    files = vault->used && vault->used->count ? vault->used : NULL;
    if (files) {
        atomic_fetch_add(&files->references, 1);
    }
    pthread_mutex_unlock(&vault->mutex);
    return files;
}

/* ---- paths and texts ---- */
static bool is_text(struct slice value)
{
    return slice_find_slice(value, SLICE("-----BEGIN")) >= 0;
}

/* The path, when it is one. */
bool vault_path(struct slice value, char path[PATH_MAX])
{
    return !is_text(value) && slice_to_cstr(value, path, PATH_MAX) && path[0];
}

/* The value itself, and the state of the file if it is a path. */
static void digest_add(struct vault *vault, SHA256_CTX *place, SHA256_CTX *whole, struct slice value)
{
    struct file_state state;
    char path[PATH_MAX];

    memset(&state, 0, sizeof(state));
    SHA256_Update(place, &value.len, sizeof(value.len));
    SHA256_Update(place, value.ptr, value.len);
    if (vault_path(value, path)) {
        files_state(path, &state);
        files_add(vault->using, path, &state, true);
    }
    SHA256_Update(whole, &state, sizeof(state));
}

static int text_of(struct slice value, struct pool *pool, struct slice *out, struct error *why)
{
    char path[PATH_MAX];

    if (is_text(value)) {
        *out = value;
        return 0;
    }
    if (!vault_path(value, path)) {
        return error_set(why, -EINVAL, "it is neither a path nor PEM");
    }
    return files_read(path, pool, out, why);
}

int vault_text(struct vault *vault, struct slice value, struct pool *pool, struct slice *out,
               struct error *why)
{
    struct file_state state;
    char path[PATH_MAX];

    if (vault_path(value, path)) {
        files_state(path, &state);
        files_add(vault->using, path, &state, true);
    }
    return text_of(value, pool, out, why);
}

/* ---- pairs ---- */
static size_t bucket_of(const struct vault *vault, const uint8_t *key)
{
    size_t start;

    memcpy(&start, key, sizeof(start));
    return start & (vault->size - 1);
}

static void grow(struct vault *vault)
{
    struct vault_pair **old = vault->buckets;
    size_t size = vault->size;

    vault->size = 2 * size;
    vault->buckets = xcalloc(vault->size, sizeof(struct vault_pair *));
    for (size_t i = 0; i < size; i++) {
        while (old[i]) {
            struct vault_pair *pair = old[i];
            size_t bucket = bucket_of(vault, pair->place);

            old[i] = pair->next;
            pair->next = vault->buckets[bucket];
            vault->buckets[bucket] = pair;
        }
    }
    free(old);
}

static void read_pair(struct vault_pair *pair, struct slice certificate, struct slice key)
{
    struct pool *pool = pool_new(4096, 0);
    struct slice texts[2] = {{0}};
    int rc = text_of(certificate, pool, &texts[0], &pair->why);

    if (rc < 0) {
        error_prefix(&pair->why, "the certificate");
    } else if ((rc = text_of(key, pool, &texts[1], &pair->why)) < 0) {
        error_prefix(&pair->why, "the key");
    } else {
        (void)keypair_read(texts[0], texts[1], &pair->pair, &pair->why);
    }
    if (texts[1].len && texts[1].ptr != key.ptr) {
        OPENSSL_cleanse((void *)(uintptr_t)texts[1].ptr, texts[1].len);
    }
    pool_free(pool);
}

static struct vault_pair *pair_add(struct vault *vault, const uint8_t *place, const uint8_t *state)
{
    struct vault_pair *pair = xcalloc(1, sizeof(*pair));

    if (vault->count >= vault->size) {
        grow(vault);
    }
    memcpy(pair->place, place, sizeof(pair->place));
    memcpy(pair->state, state, sizeof(pair->state));
    pair->next = vault->buckets[bucket_of(vault, place)];
    vault->buckets[bucket_of(vault, place)] = pair;
    vault->count++;
    return pair;
}

/* What stood in the same place before and could be read. */
static struct vault_pair *last_good(struct vault *vault, const struct vault_pair *bad)
{
    struct vault_pair *at = vault->buckets[bucket_of(vault, bad->place)];

    while (at && (at->pair.pool == NULL || memcmp(at->place, bad->place, sizeof(at->place)) != 0)) {
        at = at->next;
    }
    return at;
}

const struct keypair *vault_pair(struct vault *vault, struct slice certificate, struct slice key,
                                 struct error *why)
{
    uint8_t place[SHA256_DIGEST_LENGTH], state[SHA256_DIGEST_LENGTH];
    SHA256_CTX of_place, of_state;
    struct vault_pair *pair;

    SHA256_Init(&of_place);
    SHA256_Init(&of_state);
    digest_add(vault, &of_place, &of_state, certificate);
    digest_add(vault, &of_place, &of_state, key);
    SHA256_Final(place, &of_place);
    SHA256_Final(state, &of_state);
    for (pair = vault->buckets[bucket_of(vault, place)];
         pair &&
         (memcmp(pair->place, place, sizeof(place)) != 0 || memcmp(pair->state, state, sizeof(state)) != 0);
         pair = pair->next) {
    }
    if (pair == NULL) {
        pair = pair_add(vault, place, state);
        read_pair(pair, certificate, key);
    }
    pair->round = vault->round;
    *why = pair->why;
    if (pair->pair.pool == NULL) {
        pair = last_good(vault, pair);
        if (pair == NULL) {
            return NULL;
        }
        pair->round = vault->round;
    }
    return &pair->pair;
}
