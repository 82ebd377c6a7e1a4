/*
 * kubernetes_crd_name.c - the names of routes, and what a reference to another object resolves to.
 *
 * The rules are Traefik's; see kubernetes_crd.h. Whether the object that a name means exists is master/resolve's business,
 * whose a name is kubernetes_crd_owner.c's.
 */
#include "master/provider/kubernetes_crd.h"

struct slice crd_route_name(struct pool *pool, struct slice namespace, struct slice object,
                            struct slice match)
{
    struct slice name = k8s_object_name(pool, namespace, object);

    return k8s_hashed_name(pool, name, match);
}

bool crd_reference_name(struct k8s *crd, const struct k8s_place *place, struct element *element,
                        enum crd_named kind, struct slice parent, struct slice namespace, struct slice name,
                        struct slice *out)
{
    if (slice_find(name, '@') >= 0) {
        if (!crd->options->allow_cross_namespace && slice_has_suffix(name, SLICE("@" CRD_PROVIDER))) {
            k8s_error(crd, place, element, true,
                      "\"%.*s\": names ending in @kubernetescrd need "
                      "--providers.kubernetesCRD.allowCrossNamespace=true",
                      SLICE_ARG(name));
            return false;
        }
        if (!k8s_cross_provider_allowed(crd, parent)) {
            k8s_error(crd, place, element, true, "\"%.*s\": namespace %.*s is not in crossProviderNamespaces",
                      SLICE_ARG(name), SLICE_ARG(parent));
            return false;
        }
        if (namespace.len) {
            k8s_warn(crd, place, "namespace %.*s is ignored: \"%.*s\" belongs to another provider",
                     SLICE_ARG(namespace), SLICE_ARG(name));
        }
        *out = name;
        return true;
    }
    if (namespace.len == 0) {
        namespace = parent;
    }
    if (!crd->options->allow_cross_namespace && !slice_eq(namespace, parent)) {
        k8s_error(crd, place, element, true,
                  "%.*s/%.*s is not in the namespace %.*s: another namespace needs "
                  "--providers.kubernetesCRD.allowCrossNamespace=true",
                  SLICE_ARG(namespace), SLICE_ARG(name), SLICE_ARG(parent));
        return false;
    }
    struct slice full = k8s_object_name(crd->model->pool, namespace, name);

    if (!crd_means(crd, place, element, kind, namespace, name, full)) {
        return false;
    }
    *out = full;
    return true;
}

bool crd_reference_names(struct k8s *crd, const struct k8s_place *place, struct element *element,
                         enum crd_named kind, struct slice parent, const struct list *references,
                         struct list *out)
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
        struct k8s_place at = k8s_step(crd, place, node, "middlewares[%zu]", i);

        if (items[i].name.len == 0) {
            good = false; /* the decoder said so */
            continue;
        }
        if (crd_reference_name(crd, &at, element, kind, parent, items[i].namespace, items[i].name,
                               &names[count])) {
            count++;
        } else {
            good = false;
        }
    }
    *out = (struct list){names, count};
    return good;
}
