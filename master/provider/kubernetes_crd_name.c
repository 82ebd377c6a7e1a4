/*
 * kubernetes_crd_name.c - the names that the CRD provider gives, and what a reference to another object resolves to.
 *
 * The rules are Traefik's; see kubernetes_crd.h. Whether the object that a name means exists is master/resolve's business.
 */
#include "master/provider/kubernetes_crd.h"

#include <openssl/sha.h>

static bool word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

struct slice crd_normalize(struct pool *pool, struct slice name)
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

struct slice crd_object_name(struct pool *pool, struct slice namespace, struct slice name)
{
    return crd_normalize(
        pool, namespace.len ? pool_printf(pool, "%.*s-%.*s", SLICE_ARG(namespace), SLICE_ARG(name)) : name);
}

struct slice crd_route_name(struct pool *pool, struct slice namespace, struct slice object,
                            struct slice match)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[21];

    SHA256((const unsigned char *)(match.ptr ? match.ptr : ""), match.len, digest);
    for (size_t i = 0; i < 10; i++) {
        static const char digits[] = "0123456789abcdef";

        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[20] = '\0';
    return crd_object_name(pool, namespace, pool_printf(pool, "%.*s-%s", SLICE_ARG(object), hex));
}

bool crd_cross_provider_allowed(const struct crd *crd, struct slice namespace)
{
    const struct list *allowed = &crd->options->cross_provider_namespaces;
    const struct slice *names = allowed->items;

    if (allowed->items == NULL) {
        return true;
    }
    for (size_t i = 0; i < allowed->count; i++) {
        if (slice_eq(names[i], namespace)) {
            return true;
        }
    }
    return false;
}

bool crd_reference_name(struct crd *crd, const struct crd_place *place, struct element *element,
                        struct slice namespace, struct slice name, struct slice *out)
{
    struct slice parent = place->object->namespace;

    if (slice_find(name, '@') >= 0) {
        if (!crd->options->allow_cross_namespace && slice_has_suffix(name, SLICE("@" CRD_PROVIDER))) {
            crd_error(crd, place, element, true,
                      "\"%.*s\": names ending in @kubernetescrd need "
                      "--providers.kubernetesCRD.allowCrossNamespace=true",
                      SLICE_ARG(name));
            return false;
        }
        if (!crd_cross_provider_allowed(crd, parent)) {
            crd_error(crd, place, element, true, "\"%.*s\": namespace %.*s is not in crossProviderNamespaces",
                      SLICE_ARG(name), SLICE_ARG(parent));
            return false;
        }
        if (namespace.len) {
            crd_warn(crd, place, "namespace %.*s is ignored: \"%.*s\" belongs to another provider",
                     SLICE_ARG(namespace), SLICE_ARG(name));
        }
        *out = name;
        return true;
    }
    if (namespace.len == 0) {
        namespace = parent;
    }
    if (!crd->options->allow_cross_namespace && !slice_eq(namespace, parent)) {
        crd_error(crd, place, element, true,
                  "%.*s/%.*s is not in the namespace %.*s: another namespace needs "
                  "--providers.kubernetesCRD.allowCrossNamespace=true",
                  SLICE_ARG(namespace), SLICE_ARG(name), SLICE_ARG(parent));
        return false;
    }
    *out = crd_object_name(crd->model->pool, namespace, name);
    return true;
}

bool crd_reference_names(struct crd *crd, const struct crd_place *place, struct element *element,
                         const struct list *references, struct list *out)
{
    const struct crd_reference *items = references->items;
    const struct doc *nodes = doc_get(place->node, "middlewares");
    bool good = true;

    if (references->count == 0) {
        return true;
    }
    struct slice *names = pool_zalloc(crd->model->pool, references->count * sizeof(*names));
    size_t count = 0; /* refused ones are left out: the element is disabled by their error */

    for (size_t i = 0; i < references->count; i++) {
        const struct doc *node =
            nodes && nodes->kind == DOC_LIST && i < nodes->list.count ? nodes->list.items[i] : NULL;
        struct crd_place at = crd_step(crd, place, node, "middlewares[%zu]", i);

        if (items[i].name.len == 0) {
            good = false; /* the decoder said so */
            continue;
        }
        if (crd_reference_name(crd, &at, element, items[i].namespace, items[i].name, &names[count])) {
            count++;
        } else {
            good = false;
        }
    }
    *out = (struct list){names, count};
    return good;
}
