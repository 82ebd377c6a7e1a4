/*
 * names_table.c - the names that are known, shared by the loop and the thread that compiles.
 *
 * Guarded by one mutex that is never held over a call that could wait. Looking up an unknown name makes its entry and
 * wakes the loop; "localhost" is never asked.
 *
 * Not here: asking (names.c).
 */
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "master/compile/names_inner.h"

/* ---- the table (mutex held) ---- */

static size_t table_place(struct name *const *table, size_t size, const struct name *name)
{
    size_t at = name->hash & (size - 1);

    while (table[at] && table[at] != name) {
        at = (at + 1) & (size - 1);
    }
    return at;
}

static void table_rebuild(struct names *names, size_t size)
{
    struct name **table = xcalloc(size, sizeof(struct name *));

    for (size_t i = 0; i < names->size; i++) {
        if (names->table[i]) {
            table[table_place(table, size, names->table[i])] = names->table[i];
        }
    }
    free(names->table);
    names->table = table;
    names->size = size;
}

struct name *names_find(const struct names *names, const char *host, size_t len)
{
    uint64_t hash = hash_bytes(0, host, len);

    for (size_t at = hash & (names->size - 1); names->table[at]; at = (at + 1) & (names->size - 1)) {
        struct name *name = names->table[at];

        if (name->hash == hash && name->len == len && memcmp(name->host, host, len) == 0) {
            return name;
        }
    }
    return NULL;
}

static void name_free(struct name *name)
{
    free(name->host);
    free(name->addresses);
    free(name);
}

void names_forget(struct names *names)
{
    size_t gone = 0;

    for (size_t i = 0; i < names->size; i++) {
        struct name *name = names->table[i];

        if (name && !name->asking && name->round + 1 < names->round) {
            names->table[i] = NULL;
            names->count--;
            name_free(name);
            gone++;
        }
    }
    if (gone) {
        table_rebuild(names, names->size);
    }
}

void names_table_make(struct names *names)
{
    names->round = 1;
    names->size = 64;
    names->table = xcalloc(names->size, sizeof(struct name *));
    (void)pthread_mutex_init(&names->mutex, NULL);
}

void names_table_free(struct names *names)
{
    for (size_t i = 0; i < names->size; i++) {
        if (names->table[i]) {
            name_free(names->table[i]);
        }
    }
    free(names->table);
    pthread_mutex_destroy(&names->mutex);
}

/* ---- from the compiling thread ---- */

void names_begin(struct names *names)
{
    pthread_mutex_lock(&names->mutex);
    names->round++;
    pthread_mutex_unlock(&names->mutex);
}

static struct list copy_addresses(const struct name *name, struct pool *pool)
{
    struct address *copy;

    if (name->count == 0) {
        return (struct list){NULL, 0};
    }
    copy = pool_alloc(pool, name->count * sizeof(*copy));
    memcpy(copy, name->addresses, name->count * sizeof(*copy));
    return (struct list){copy, name->count};
}

static bool is_localhost(const char *host, size_t len)
{
    struct slice name = slice_of(host, len);

    return slice_eq(name, SLICE("localhost")) || slice_has_suffix(name, SLICE(".localhost"));
}

struct name *names_add(struct names *names, const char *host, size_t len)
{
    static const struct address local[] = {{.bytes = {127, 0, 0, 1}, .family = 4},
                                           {.bytes = {[15] = 1}, .family = 6}};
    struct name *name = xcalloc(1, sizeof(*name));

    name->names = names;
    name->host = xstrndup(host, len);
    name->len = len;
    name->hash = hash_bytes(0, host, len);
    if (is_localhost(host, len)) { /* RFC 6761: never a question for DNS */
        name->addresses = xmalloc(sizeof(local));
        memcpy(name->addresses, local, sizeof(local));
        name->count = ARRAY_LEN(local);
        name->answered = true;
        name->due_ms = UINT64_MAX;
    } else {
        (void)uv_async_send(&names->wake);
    }
    if (names->count + 1 > names->size / 2) {
        table_rebuild(names, names->size * 2);
    }
    names->table[table_place(names->table, names->size, name)] = name;
    names->count++;
    return name;
}

struct list names_lookup(struct names *names, struct slice host, struct pool *pool)
{
    char lower[256];
    struct list found = {NULL, 0};
    struct name *name;

    if (host.len == 0 || host.len >= sizeof(lower)) {
        return found;
    }
    for (size_t i = 0; i < host.len; i++) {
        lower[i] = (char)ascii_lower((unsigned char)host.ptr[i]);
    }
    lower[host.len] = '\0';
    pthread_mutex_lock(&names->mutex);
    name = names_find(names, lower, host.len);
    if (!name) {
        name = names_add(names, lower, host.len);
    }
    name->round = names->round;
    found = copy_addresses(name, pool);
    pthread_mutex_unlock(&names->mutex);
    return found;
}

bool names_pending(struct names *names)
{
    bool pending = false;

    pthread_mutex_lock(&names->mutex);
    for (size_t i = 0; i < names->size && !pending; i++) {
        pending = names->table[i] && !names->table[i]->answered && names->table[i]->round == names->round;
    }
    pthread_mutex_unlock(&names->mutex);
    return pending;
}
