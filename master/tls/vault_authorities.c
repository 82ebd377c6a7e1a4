/*
 * vault_authorities.c - authorities that servers' certificates are checked against, by where they stand: a path or a text.
 *
 * The system's are more than a hundred: they are parsed again only when their file is another one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "master/tls/vault_inner.h"

#define POOL_FIRST 8192
#define SYSTEM_FILE "/etc/ssl/certs/ca-certificates.crt"

static void set_free(struct vault_authorities *set)
{
    pool_free(set->pool);
    free(set->place);
    free(set);
}

static struct vault_authorities *set_find(struct vault *vault, struct slice place)
{
    struct vault_authorities *set = vault->authorities;
    uint64_t hash = hash_slice(0, place);

    while (set && (set->hash != hash || !slice_eq(slice_of(set->place, set->place_len), place))) {
        set = set->next;
    }
    return set;
}

/* What was read before stays when this fails. */
static void set_read(struct vault_authorities *set, const char *path)
{
    struct slice text = slice_of(set->place, set->place_len);
    struct pool *pool = pool_new(POOL_FIRST, 0);
    struct list list;
    int rc = path ? files_read(path, pool, &text, &set->why) : 0;

    if (rc == 0) {
        rc = authorities_read(text, pool, &list, &set->why);
    }
    if (rc < 0) {
        pool_free(pool);
        return;
    }
    pool_free(set->pool);
    set->pool = pool;
    set->list = list;
    set->why.text[0] = '\0';
}

int vault_authorities(struct vault *vault, struct slice value, struct list *out, struct error *why)
{
    struct vault_authorities *set = set_find(vault, value);
    struct file_state state;
    char path[PATH_MAX];
    bool file = vault_path(value, path);

    memset(&state, 0, sizeof(state));
    if (file) {
        files_state(path, &state);
        files_add(vault->using, path, &state, true);
    } else if (slice_find_slice(value, SLICE("-----BEGIN")) < 0) {
        return error_set(why, -EINVAL, "it is neither a path nor PEM");
    }
    if (set == NULL) {
        set = xcalloc(1, sizeof(*set));
        set->place = xstrndup(value.ptr, value.len);
        set->place_len = value.len;
        set->hash = hash_slice(0, value);
        set->next = vault->authorities;
        vault->authorities = set;
        set->state = state;
        set_read(set, file ? path : NULL);
    } else if (memcmp(&set->state, &state, sizeof(state)) != 0) {
        set->state = state;
        set_read(set, path);
    }
    set->round = vault->round;
    *why = set->why;
    *out = set->list;
    return set->pool ? 0 : -EINVAL;
}

int vault_system_authorities(struct vault *vault, struct list *out, struct error *why)
{
    const char *file = getenv("SSL_CERT_FILE");

    return vault_authorities(vault, slice_cstr(file && file[0] ? file : SYSTEM_FILE), out, why);
}

void authorities_sweep(struct vault *vault)
{
    struct vault_authorities **link = &vault->authorities;

    while (*link) {
        struct vault_authorities *set = *link;

        if (set->round == vault->round) {
            link = &set->next;
            continue;
        }
        *link = set->next;
        set_free(set);
    }
}

void authorities_free(struct vault *vault)
{
    vault->round++;
    authorities_sweep(vault);
}
