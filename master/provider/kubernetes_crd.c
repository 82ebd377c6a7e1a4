/*
 * kubernetes_crd.c - the provider of Traefik's custom resources: which objects count, and in which order they are read.
 *
 * Both API groups are read: traefik.io/v1alpha1 and traefik.containo.us/v1alpha1 (whose rules are in the old syntax unless
 * they say otherwise). An object that is there in both is read from the newer group. Objects come from a store, filled by
 * manifests (--providers.kubernetesCRD.manifests) or by an API server.
 *
 * The model's text lives in the store's documents, so the model holds a reference to it.
 *
 * Not here: routes, services, middlewares, transports (kubernetes_crd_*.c).
 */
#include "master/provider/kubernetes_crd.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"

struct provider_state {
    struct kubernetes_source source;
};

#define OURS(lower, name)                                                                                    \
    {.group = CRD_GROUP, .version = "v1alpha1", .plural = lower, .kind = name, .selectable = true},          \
    {                                                                                                        \
        .group = CRD_GROUP_OLD, .version = "v1alpha1", .plural = lower, .kind = name, .selectable = true,    \
        .optional = true                                                                                     \
    }

/* What is asked of an API server; Secrets and ConfigMaps only one by one (kubernetes_source.h). */
static const struct kube_resource resources[] = {
    {.group = "", .version = "v1", .plural = "services", .kind = "Service"},
    {.group = "discovery.k8s.io", .version = "v1", .plural = "endpointslices", .kind = "EndpointSlice"},
    {.group = "", .version = "v1", .plural = "nodes", .kind = "Node", .cluster_scoped = true},
    OURS("ingressroutes", "IngressRoute"),
    OURS("ingressroutetcps", "IngressRouteTCP"),
    OURS("ingressrouteudps", "IngressRouteUDP"),
    OURS("middlewares", "Middleware"),
    OURS("middlewaretcps", "MiddlewareTCP"),
    OURS("traefikservices", "TraefikService"),
    OURS("serverstransports", "ServersTransport"),
    OURS("serverstransporttcps", "ServersTransportTCP"),
    OURS("tlsoptions", "TLSOption"),
    OURS("tlsstores", "TLSStore"),
    {.kind = NULL},
};

static const char *const served_kinds[] = {"IngressRoute", "Middleware", "TraefikService", "ServersTransport",
                                           NULL};
static const char *const later_kinds[] = {"IngressRouteTCP",
                                          "IngressRouteUDP",
                                          "MiddlewareTCP",
                                          "ServersTransportTCP",
                                          "TLSOption",
                                          "TLSStore",
                                          NULL};

static bool among(const char *const *names, struct slice name)
{
    for (size_t i = 0; names[i]; i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool group_ours(struct slice group)
{
    return slice_eq(group, SLICE(CRD_GROUP)) || slice_eq(group, SLICE(CRD_GROUP_OLD));
}

struct slice crd_written_at(struct crd *crd, const struct origin *origin, uint32_t line)
{
    if (origin->file.len == 0) {
        return SLICE("");
    }
    return pool_printf(crd->scratch, " (%.*s:%u)", SLICE_ARG(origin->file), line);
}

bool crd_namespace_watched(const struct crd *crd, struct slice namespace)
{
    const struct slice *names = crd->options->namespaces.items;

    for (size_t i = 0; i < crd->options->namespaces.count; i++) {
        if (slice_eq(names[i], namespace)) {
            return true;
        }
    }
    return crd->options->namespaces.count == 0;
}

static bool selected(const struct crd *crd, const struct kube_object *object)
{
    return crd_namespace_watched(crd, object->namespace) &&
           selector_matches(crd->selector, doc_path(object->doc, "metadata", "labels", NULL));
}

size_t crd_objects(struct crd *crd, const char *kind, const struct kube_object ***out)
{
    const struct kube_object **all, **picked;
    size_t count = kube_list(crd->store, kind, &all), kept = 0;

    picked = pool_alloc(crd->scratch, (count + 1) * sizeof(struct kube_object *));
    for (size_t i = 0; i < count; i++) {
        if (!group_ours(all[i]->group) || !slice_eq(all[i]->version, SLICE("v1alpha1"))) {
            continue;
        }
        /* sorted by name, then group: the older group stands right before the newer */
        if (i + 1 < count && slice_eq(all[i]->group, SLICE(CRD_GROUP_OLD)) &&
            slice_eq(all[i + 1]->group, SLICE(CRD_GROUP)) && slice_eq(all[i]->name, all[i + 1]->name) &&
            slice_eq(all[i]->namespace, all[i + 1]->namespace)) {
            model_notice(crd->model, false, &all[i]->origin,
                         "is there in both API groups: the one of traefik.io%.*s is used, remove this one",
                         SLICE_ARG(crd_written_at(crd, &all[i + 1]->origin, all[i + 1]->origin.line)));
            continue;
        }
        if (selected(crd, all[i])) {
            picked[kept++] = all[i];
        }
    }
    *out = picked;
    return kept;
}

static const char *nearest_kind(struct slice kind)
{
    struct schema_field fields[ARRAY_LEN(served_kinds) + ARRAY_LEN(later_kinds)] = {0};
    struct schema kinds = {.name = "kind", .fields = fields};

    for (size_t i = 0; served_kinds[i]; i++) {
        fields[kinds.count++].name = served_kinds[i];
    }
    for (size_t i = 0; later_kinds[i]; i++) {
        fields[kinds.count++].name = later_kinds[i];
    }
    return schema_nearest(&kinds, kind);
}

/* Says what will not be read: kinds of later steps, unknown ones, unknown versions. Objects of others pass silently. */
static void notice_others(struct crd *crd)
{
    const struct kube_object **objects;
    size_t count = kube_objects(crd->store, &objects);

    for (size_t i = 0; i < count; i++) {
        const struct kube_object *object = objects[i];
        bool later = among(later_kinds, object->kind);
        bool ingress =
            slice_eq(object->kind, SLICE("Ingress")) && slice_eq(object->group, SLICE("networking.k8s.io"));

        if (!group_ours(object->group) && !ingress) {
            continue;
        }
        if (!selected(crd, object)) {
            continue;
        }
        if (ingress || later) {
            model_notice(crd->model, false, &object->origin,
                         "objects of kind %.*s are not yet served by this build", SLICE_ARG(object->kind));
        } else if (!among(served_kinds, object->kind)) {
            const char *nearest = nearest_kind(object->kind);

            model_notice(crd->model, true, &object->origin, "kind: unknown kind \"%.*s\" of %.*s%s%s",
                         SLICE_ARG(object->kind), SLICE_ARG(object->group), nearest ? ", did you mean " : "",
                         nearest ? nearest : "");
        } else if (!slice_eq(object->version, SLICE("v1alpha1"))) {
            model_notice(crd->model, true, &object->origin,
                         "apiVersion: unknown version \"%.*s\" of %.*s, v1alpha1 is expected",
                         SLICE_ARG(object->version), SLICE_ARG(object->group));
        }
    }
    if (log_threshold <= LOG_LEVEL_DEBUG) {
        for (size_t i = 0; i < count; i++) {
            static const char *const used[] = {"Service",   "EndpointSlice", "Endpoints", "Secret",
                                               "ConfigMap", "Node",          NULL};

            if (!group_ours(objects[i]->group) && !among(used, objects[i]->kind)) {
                log_debug("%.*s%.*s is no object that weir reads", SLICE_ARG(objects[i]->origin.object),
                          SLICE_ARG(crd_written_at(crd, &objects[i]->origin, objects[i]->origin.line)));
            }
        }
    }
}

static void copy_notices(struct crd *crd)
{
    const struct notice *notices;
    size_t count = kube_notices(crd->store, &notices);

    for (size_t i = 0; i < count; i++) {
        model_notice(crd->model, notices[i].is_error, &notices[i].origin, "%.*s", SLICE_ARG(notices[i].text));
    }
}

static void release_store(void *store)
{
    kube_store_free(store);
}

static int load_source(const struct kubernetes_crd_provider *options, struct kubernetes_source *source,
                       struct error *why)
{
    const struct kube_live_options live = {
        .access = {.endpoint = options->endpoint,
                   .token = options->token,
                   .ca_file = options->cert_auth_file_path},
        .namespaces = options->namespaces,
        .selector = options->label_selector,
        .throttle_ns = options->throttle_duration,
        .no_cluster_scope = options->disable_cluster_scope_resources,
        .resources = resources,
    };
    int rc = kubernetes_source_load(source, options->manifests, &live, why);

    if (rc < 0) {
        error_prefix(why, "providers.kubernetesCRD");
    }
    return rc;
}

static struct model *read_objects(struct crd *crd)
{
    crd->model = model_new();
    crd->model->release = release_store;
    crd->model->release_context = kube_store_ref((struct kube_store *)(uintptr_t)crd->store);
    seen_init(&crd->routers, crd->scratch);
    seen_init(&crd->services, crd->scratch);
    copy_notices(crd);
    notice_others(crd);
    crd_index_slices(crd);
    crd_load_routes(crd);
    crd_load_middlewares(crd);
    crd_load_services(crd);
    crd_load_transports(crd);
    return crd->model;
}

static int load(const struct static_config *config, struct provider_state **state, struct model **out,
                struct error *why)
{
    const struct kubernetes_crd_provider *options = config->providers.kubernetes_crd;
    struct crd crd = {.options = options};
    struct model *model;
    int rc;

    crd.scratch = crd.needs.pool = pool_new(65536, 0);
    rc = selector_parse(crd.scratch, options->label_selector, &crd.selector, why);
    if (rc < 0) {
        error_prefix(why, "providers.kubernetesCRD.labelSelector");
        goto out;
    }
    if (*state == NULL) {
        *state = xcalloc(1, sizeof(**state));
    }
    rc = load_source(options, &(*state)->source, why);
    if (rc < 0) {
        goto out;
    }
    crd.store = (*state)->source.store;
    model = read_objects(&crd);
    rc = kubernetes_source_settle(&(*state)->source, &crd.needs, why);
    if (rc < 0) {
        model_free(model);
        goto out;
    }
    *out = model;
out:
    pool_free(crd.scratch);
    return rc;
}

static bool enabled(const struct static_config *config)
{
    return config->providers.kubernetes_crd != NULL;
}

static void free_state(struct provider_state *state)
{
    if (state) {
        kubernetes_source_close(&state->source);
        free(state);
    }
}

static bool asks_cluster(const struct static_config *config)
{
    return config->providers.kubernetes_crd && config->providers.kubernetes_crd->manifests.len == 0;
}

static int wait_ready(struct provider_state *state, unsigned timeout_ms, struct error *why)
{
    return kube_live_wait(state->source.live, timeout_ms, why);
}

static void watch_paths(const struct static_config *config, struct pool *pool, struct list *out)
{
    const struct kubernetes_crd_provider *options = config->providers.kubernetes_crd;
    struct slice *paths;

    if (options == NULL || options->manifests.len == 0) {
        return;
    }
    paths = pool_alloc(pool, (out->count + 1) * sizeof(*paths));
    if (out->count) {
        memcpy(paths, out->items, out->count * sizeof(*paths));
    }
    paths[out->count] = options->manifests;
    *out = (struct list){paths, out->count + 1};
}

const struct provider provider_kubernetes_crd = {
    .name = CRD_PROVIDER,
    .enabled = enabled,
    .load = load,
    .free_state = free_state,
    .watch_paths = watch_paths,
    .asks_cluster = asks_cluster,
    .wait = wait_ready,
};
