/*
 * compile_sticky.c - how clients stick to a server or a service: the values of the cookie, old and new, and what is set.
 *
 * The values are those that Traefik makes of the same URL or service's name, so that sessions survive the change-over:
 * today the first half of the SHA-256 in hexadecimal; once the name itself, its FNV-1 hash, and the hash of that hash.
 *
 * Not here: the cookie's name (master/resolve/sticky.c), reading it (worker/sticky.c).
 */
#include <stdlib.h>

#include <openssl/sha.h>

#include "common/http/cookie.h"
#include "master/compile/compiler.h"

#define VALUE_BYTES 8u /* of the digest: 16 digits */
#define VALUES_EACH 4u

static struct slice value_now(struct pool *pool, struct slice name)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    static const char digits[] = "0123456789abcdef";
    char text[2 * VALUE_BYTES];

    SHA256((const unsigned char *)name.ptr, name.len, digest);
    for (size_t i = 0; i < VALUE_BYTES; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    return pool_copy(pool, slice_of(text, sizeof(text)));
}

static struct slice value_fnv(struct pool *pool, struct slice of)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < of.len; i++) {
        hash = hash * 0x100000001b3ULL ^ (unsigned char)of.ptr[i];
    }
    return pool_printf(pool, "%llx", (unsigned long long)hash);
}

/* By hash; of equal ones what is of today first, then the last of its name. */
static int by_hash(const void *a, const void *b)
{
    const struct sticky_value *x = a, *y = b;

    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    if (x->outdated != y->outdated) {
        return x->outdated < y->outdated ? -1 : 1;
    }
    return x->position > y->position ? -1 : x->position < y->position;
}

static void values_add(struct pool *pool, struct sticky_value *values, struct slice now, struct slice name,
                       uint32_t position)
{
    struct slice once = value_fnv(pool, name), twice = value_fnv(pool, once);
    const struct slice all[VALUES_EACH] = {now, name, once, twice};

    for (uint32_t i = 0; i < VALUES_EACH; i++) {
        values[i] = (struct sticky_value){sticky_hash(all[i]), position, i > 0};
    }
}

void compile_sticky(struct compiler *compiler, const struct sticky *sticky, const struct slice *names,
                    size_t count, struct service *row)
{
    const struct sticky_cookie *cookie = sticky ? sticky->cookie : NULL;
    struct pool *pool = compiler->pool;
    struct sticky_value *values;
    struct slice *cookies, attributes;
    size_t used = 0;

    if (cookie == NULL) {
        return;
    }
    attributes = cookie_attributes(pool, &(struct cookie_options){.path = cookie->path,
                                                                  .domain = cookie->domain,
                                                                  .same_site = cookie->same_site,
                                                                  .max_age = cookie->max_age,
                                                                  .http_only = cookie->http_only,
                                                                  .secure = cookie->secure});
    cookies = pool_zalloc(pool, (count + 1) * sizeof(*cookies));
    values = pool_alloc(pool, (count + 1) * VALUES_EACH * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        struct slice now;

        if (names[i].len == 0) {
            continue;
        }
        now = value_now(pool, names[i]);
        cookies[i] = pool_printf(pool, "%.*s=%.*s%.*s", SLICE_ARG(cookie->name), SLICE_ARG(now),
                                 SLICE_ARG(attributes));
        values_add(pool, values + used, now, names[i], (uint32_t)i);
        used += VALUES_EACH;
    }
    if (used > 0) {
        qsort(values, used, sizeof(*values), by_hash);
    }
    row->cookie = cookie->name;
    row->cookies = (struct list){cookies, count};
    row->sticky_values = (struct list){values, used};
}
