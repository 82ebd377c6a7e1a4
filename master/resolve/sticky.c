/*
 * sticky.c - the names of cookies of sticky services, as the API shows them: the one that is configured with what a cookie's
 * name may not hold replaced, or one that is made of the service's name.
 *
 * Not here: who sets and reads the cookie.
 */
#include <openssl/sha.h>

#include "master/resolve/resolver.h"

#define HASH_PREFIX                                                                                          \
    "_TRAEFIK_BACKEND_" /* part of what is hashed: a client's cookie stays good when it changes over to weir */

static struct slice cookie_name(struct pool *pool, struct slice configured, struct slice service)
{
    unsigned char digest[SHA_DIGEST_LENGTH];

    if (configured.len) {
        struct slice name = pool_copy(pool, configured);
        char *at = (char *)(uintptr_t)name.ptr;
        size_t len = 0;

        for (size_t i = 0; i < configured.len; i++) {
            char c = configured.ptr[i];
            bool letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

            if (((unsigned char)c & 0xc0) == 0x80) {
                continue; /* a letter of several bytes is one that is replaced (texts are UTF-8) */
            }
            at[len++] = letter || (c && strchr("!#$%&'*+-.^`|~", c)) ? c : '_';
        }
        return slice_head(name, len);
    }
    struct slice hashed = pool_printf(pool, HASH_PREFIX "%.*s", SLICE_ARG(service));

    SHA1((const unsigned char *)hashed.ptr, hashed.len, digest);
    return pool_printf(pool, "_%02x%02x%x", digest[0], digest[1], digest[2] >> 4);
}

static struct sticky *named(struct pool *pool, const struct sticky *sticky, struct slice service)
{
    struct sticky *out;

    if (sticky == NULL || sticky->cookie == NULL) {
        return (struct sticky *)(uintptr_t)sticky;
    }
    out = pool_alloc(pool, sizeof(*out));
    out->cookie = pool_alloc(pool, sizeof(*out->cookie));
    *out->cookie = *sticky->cookie;
    out->cookie->name = cookie_name(pool, sticky->cookie->name, service);
    return out;
}

void sticky_fill(struct pool *pool, struct http_service *service)
{
    const struct load_balancer *balancer = service->config.load_balancer;
    const struct weighted *weighted = service->config.weighted;

    if (balancer && balancer->sticky) {
        struct load_balancer *copy = pool_alloc(pool, sizeof(*copy));

        *copy = *balancer;
        copy->sticky = named(pool, balancer->sticky, service->element.name);
        service->config.load_balancer = copy;
    }
    if (weighted && weighted->sticky) {
        struct weighted *copy = pool_alloc(pool, sizeof(*copy));

        *copy = *weighted;
        copy->sticky = named(pool, weighted->sticky, service->element.name);
        service->config.weighted = copy;
    }
}
