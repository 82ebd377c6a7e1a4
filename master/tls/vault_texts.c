/*
 * vault_texts.c - texts of files that a reader may refuse: the last one that it took stays good.
 */
#include <errno.h>
#include <limits.h>
#include <openssl/mem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "master/tls/vault_inner.h"

#define TEXTS_FIRST 64     /* a power of two */
#define FRESH_NS 300000000 /* whoever writes a file does not pause for so long */

static void kept_text_free(struct vault_text *text)
{
    OPENSSL_cleanse(text->text, text->len);
    free(text->text);
    free(text->path);
    free(text);
}

static uint64_t hash_of(const char *path)
{
    return hash_slice(0, slice_cstr(path));
}

static struct vault_text *text_find(struct vault *vault, const char *path, vault_accept *accept)
{
    uint64_t hash = hash_of(path);
    struct vault_text *text = vault && vault->text_size ? vault->texts[hash & (vault->text_size - 1)] : NULL;

    while (text && (text->hash != hash || text->accept != accept || strcmp(text->path, path) != 0)) {
        text = text->next;
    }
    return text;
}

static void put(struct vault *vault, struct vault_text *text)
{
    struct vault_text **bucket = &vault->texts[text->hash & (vault->text_size - 1)];

    text->next = *bucket;
    *bucket = text;
}

static void make_room(struct vault *vault)
{
    struct vault_text **old = vault->texts;
    size_t size = vault->text_size;

    if (vault->text_count < size) {
        return;
    }
    vault->text_size = size ? 2 * size : TEXTS_FIRST;
    vault->texts = xcalloc(vault->text_size, sizeof(struct vault_text *));
    for (size_t i = 0; i < size; i++) {
        while (old[i]) {
            struct vault_text *text = old[i];

            old[i] = text->next;
            put(vault, text);
        }
    }
    free(old);
}

static void remember(struct vault *vault, const char *path, vault_accept *accept, struct slice taken)
{
    struct vault_text *text = text_find(vault, path, accept);

    if (text == NULL) {
        text = xcalloc(1, sizeof(*text));
        text->path = xstrndup(path, strlen(path));
        text->hash = hash_of(path);
        text->accept = accept;
        make_room(vault);
        put(vault, text);
        vault->text_count++;
    } else {
        OPENSSL_cleanse(text->text, text->len);
        free(text->text);
    }
    text->text = xstrndup(taken.len ? taken.ptr : "", taken.len);
    text->len = taken.len;
    text->round = vault->round;
}

/* Somebody may be in the middle of writing it. */
static bool is_fresh(const struct file_state *state)
{
    struct timespec now;
    int64_t age;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    age = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - state->modified_ns;
    return state->exists && age >= 0 && age < FRESH_NS;
}

int vault_accepted(struct vault *vault, struct slice path, struct pool *pool, vault_accept *accept,
                   void *context, struct error *why)
{
    struct file_state state;
    struct vault_text *last;
    char name[PATH_MAX];
    struct slice text;
    struct error unused;
    int rc;

    if (!slice_to_cstr(path, name, sizeof(name)) || name[0] == '\0') {
        return error_set(why, -EINVAL, "it is no path");
    }
    last = text_find(vault, name, accept);
    if (vault) {
        files_state(name, &state);
        if (last && is_fresh(&state)) {
            memset(&state, 0, sizeof(state)); /* it is looked at once more */
            files_add(vault->using, name, &state, false);
            last->round = vault->round;
            return accept(context, pool_copy(pool, slice_of(last->text, last->len)), why);
        }
        files_add(vault->using, name, &state, false);
    }
    rc = files_read(name, pool, &text, why);
    if (rc == 0) {
        rc = accept(context, text, why);
    }
    if (rc == 0) {
        if (vault) {
            remember(vault, name, accept, text);
        }
        return 0;
    }

    if (last == NULL || accept(context, pool_copy(pool, slice_of(last->text, last->len)), &unused) < 0) {
        return rc;
    }
    last->round = vault->round;
    return 1;
}

void texts_sweep(struct vault *vault)
{
    for (size_t i = 0; i < vault->text_size; i++) {
        struct vault_text **link = &vault->texts[i];

        while (*link) {
            struct vault_text *text = *link;

            if (text->round == vault->round) {
                link = &text->next;
                continue;
            }
            *link = text->next;
            kept_text_free(text);
            vault->text_count--;
        }
    }
}

void texts_free(struct vault *vault)
{
    vault->round++;
    texts_sweep(vault);
    free(vault->texts);
}
