/*
 * kubernetes_name.c - the names that Traefik gives to what it makes of Kubernetes objects.
 */
#include "master/provider/kubernetes.h"

#include <openssl/sha.h>

static bool word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

struct slice k8s_normalize(struct pool *pool, struct slice name)
{
    char *out = pool_alloc(pool, name.len + 1);
    size_t len = 0;
    bool gap = false;

    for (size_t i = 0; i < name.len; i++) {
        if (!word((unsigned char)name.ptr[i])) {
            gap = true;
            continue;
        }
        if (gap && len > 0) {
            out[len++] = '-';
        }
        gap = false;
        out[len++] = name.ptr[i];
    }
    out[len] = '\0';
    return slice_of(out, len);
}

struct slice k8s_object_name(struct pool *pool, struct slice namespace, struct slice name)
{
    return k8s_normalize(
        pool, namespace.len ? pool_printf(pool, "%.*s-%.*s", SLICE_ARG(namespace), SLICE_ARG(name)) : name);
}

struct slice k8s_hashed_name(struct pool *pool, struct slice name, struct slice text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[21];

    SHA256((const unsigned char *)(text.ptr ? text.ptr : ""), text.len, digest);
    for (size_t i = 0; i < 10; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[20] = '\0';
    return pool_printf(pool, "%.*s-%s", SLICE_ARG(name), hex);
}
