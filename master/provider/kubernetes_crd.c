/*
 * kubernetes_crd.c - the provider of Traefik's custom resources: which objects count, and in which order they are read.
 *
 * Both API groups are read: traefik.io/v1alpha1 and traefik.containo.us/v1alpha1 (whose rules are in the old syntax unless
 * they say otherwise). An object that is there in both is read from the newer group.
 *
 * Not here: where the objects come from (kubernetes_load.c), routes, services, middlewares, transports (kubernetes_crd_*.c).
 */
#include "master/provider/kubernetes_crd.h"

#include "common/base/log.h"
#include "master/provider/kubernetes_crd_kinds.h"

#define OF_GROUP(of, lower, name)                                                                            \
    .group = (of), .version = "v1alpha1", .plural = (lower), .kind = (name), .selectable = true,             \
    .status = KUBE_STATUS_CONDITIONS
#define OURS(lower, name, ...)                                                                               \
    {OF_GROUP(CRD_GROUP, lower, name), __VA_ARGS__},                                                         \
    {                                                                                                        \
        OF_GROUP(CRD_GROUP_OLD, lower, name), .optional = true, __VA_ARGS__                                  \
    }
#define WITH_ROUTES .vital = "objects with routes"

/* What is asked of an API server; Secrets and ConfigMaps only one by one (k8s_need()). */
static const struct kube_resource resources[] = {
    K8S_SERVER_RESOURCES,
    OURS("ingressroutes", "IngressRoute", WITH_ROUTES),
    OURS("ingressroutetcps", "IngressRouteTCP", WITH_ROUTES),
    OURS("ingressrouteudps", "IngressRouteUDP", WITH_ROUTES),
    OURS("middlewares", "Middleware"),
    OURS("middlewaretcps", "MiddlewareTCP"),
    OURS("traefikservices", "TraefikService"),
    OURS("serverstransports", "ServersTransport"),
    OURS("serverstransporttcps", "ServersTransportTCP"),
    OURS("tlsoptions", "TLSOption"),
    OURS("tlsstores", "TLSStore"),
    {.kind = NULL},
};

static bool among(const char *const *names, struct slice name)
{
    for (size_t i = 0; names[i]; i++) {
        if (slice_eq(name, slice_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool kind_known(struct slice kind)
{
    for (size_t i = 0; i < crd_kind_count; i++) {
        if (slice_eq(kind, slice_cstr(crd_kinds[i].name))) {
            return true;
        }
    }
    return false;
}

static bool group_ours(struct slice group)
{
    return slice_eq(group, SLICE(CRD_GROUP)) || slice_eq(group, SLICE(CRD_GROUP_OLD));
}

bool crd_ours(const struct kube_object *object)
{
    return group_ours(object->group) && slice_eq(object->version, SLICE("v1alpha1"));
}

size_t crd_objects(struct k8s *crd, const char *kind, const struct kube_object ***out)
{
    return k8s_objects(crd, kind, crd_ours, out);
}

bool crd_class_wanted(struct k8s *crd, const struct k8s_place *place)
{
    const struct doc *doc = place->object->doc, *named = doc_path(doc, "spec", "ingressClassName", NULL);
    struct slice class;

    if (named && named->kind != DOC_NULL) {
        class = doc_text(named, SLICE(""));
    } else {
        class = doc_text(doc_path(doc, "metadata", "annotations", K8S_CLASS_ANNOTATION, NULL), SLICE(""));
    }
    return k8s_class_wanted(crd, class);
}

static const char *nearest_kind(struct k8s *crd, struct slice kind)
{
    struct schema_field *fields = pool_zalloc(crd->scratch, crd_kind_count * sizeof(*fields));
    struct schema kinds = {.name = "kind", .fields = fields, .count = crd_kind_count};

    for (size_t i = 0; i < crd_kind_count; i++) {
        fields[i].name = crd_kinds[i].name;
    }
    return schema_nearest(&kinds, kind);
}

static bool group_of_gateways(struct slice group)
{
    return slice_eq(group, SLICE("gateway.networking.k8s.io")) ||
           slice_eq(group, SLICE("networking.x-k8s.io"));
}

/* Says what will not be read: unknown kinds, unknown versions, the Gateway API. Objects of others pass silently. */
static void notice_others(struct k8s *crd)
{
    const struct kube_object **objects;
    size_t count = kube_objects(crd->store, &objects);

    for (size_t i = 0; i < count; i++) {
        const struct kube_object *object = objects[i];

        if (group_of_gateways(object->group)) {
            model_notice(crd->model, false, &object->origin,
                         "the Gateway API is not yet served by this build");
        }
        if (!group_ours(object->group) || !k8s_selected(crd, object)) {
            continue;
        }
        if (!kind_known(object->kind)) {
            const char *nearest = nearest_kind(crd, object->kind);

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
            static const char *const used[] = {"Service", "EndpointSlice", "Endpoints",
                                               "Secret",  "ConfigMap",     "Node",
                                               "Ingress", "IngressClass",  NULL};

            if (!group_ours(objects[i]->group) && !among(used, objects[i]->kind)) {
                log_debug("%.*s%.*s is no object that weir reads", SLICE_ARG(objects[i]->origin.object),
                          SLICE_ARG(k8s_written_at(crd, &objects[i]->origin, objects[i]->origin.line)));
            }
        }
    }
}

/* ---- some objects without the others ---- */
static const struct {
    const char *kind;
    void (*read)(struct k8s *crd, const struct kube_object *object);
} single[] = {/* in the order of a load */
              {"IngressRoute", crd_read_route},
              {"Middleware", crd_read_middleware},
              {"TraefikService", crd_read_service}};

/* What stands in both groups is told of, and counts by both. */
static bool alone(struct k8s *crd, const struct kube_object *object)
{
    const char *kind = NULL;

    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        kind = slice_eq(object->kind, slice_cstr(single[i].kind)) ? single[i].kind : kind;
    }
    return kind && slice_eq(object->group, SLICE(CRD_GROUP)) && crd_ours(object) &&
           kube_get(crd->store, CRD_GROUP_OLD, kind, object->namespace, object->name) == NULL;
}

static void read_some(struct k8s *crd, const struct kube_object *const *objects, size_t count)
{
    crd_owners_begin(crd);
    for (size_t kind = 0; kind < ARRAY_LEN(single); kind++) {
        for (size_t i = 0; i < count; i++) {
            if (slice_eq(objects[i]->kind, slice_cstr(single[kind].kind)) && k8s_selected(crd, objects[i])) {
                single[kind].read(crd, objects[i]);
            }
        }
    }
}

/* ---- the provider ---- */
static struct k8s begin(const struct static_config *config)
{
    return (struct k8s){.provider = CRD_PROVIDER,
                        .option = "providers.kubernetesCRD",
                        .options = config->providers.kubernetes_crd,
                        .config = config,
                        .resources = resources,
                        .alone = alone,
                        .read = read_some};
}

static int refresh(const struct static_config *config, struct provider_state *state,
                   struct provider_changes *out)
{
    struct k8s crd = begin(config);

    return k8s_refresh(&crd, state, out);
}

static int load(const struct static_config *config, struct provider_state **state, struct model **out,
                struct error *why)
{
    struct k8s crd = begin(config);
    int rc = k8s_begin(&crd, state, why);

    if (rc == 0) {
        k8s_copy_notices(&crd);
        notice_others(&crd);
        crd_find_owners(&crd);
        crd_load_tls(&crd); /* before the routes: certificates of stores know their store */
        crd_load_routes(&crd);
        crd_load_middlewares(&crd);
        crd_load_services(&crd);
        crd_load_transports(&crd);
        crd_load_tcp(&crd);
        crd_load_udp(&crd);
        crd_look_later(&crd);
        rc = k8s_settle(&crd, *state, why);
    }
    if (rc == 0) {
        *out = crd.model;
    }
    k8s_end(&crd);
    return rc;
}

static bool enabled(const struct static_config *config)
{
    return config->providers.kubernetes_crd != NULL;
}

static bool asks_cluster(const struct static_config *config)
{
    return enabled(config) && config->providers.kubernetes_crd->manifests.len == 0;
}

static void watch_paths(const struct static_config *config, struct pool *pool, struct list *out)
{
    k8s_watch_paths(config->providers.kubernetes_crd, pool, out);
}

const struct provider provider_kubernetes_crd = {
    .name = CRD_PROVIDER,
    .enabled = enabled,
    .load = load,
    .watch_paths = watch_paths,
    .asks_cluster = asks_cluster,
    .refresh = refresh,
    K8S_SHARED_HOOKS,
};
