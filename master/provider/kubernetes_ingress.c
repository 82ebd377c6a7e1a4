/*
 * kubernetes_ingress.c - the provider of Kubernetes' Ingresses: which of them count, and how they are taken apart.
 *
 * An Ingress is ours when its class is: an IngressClass with the controller traefik.io/ingress-controller, or the annotation
 * kubernetes.io/ingress.class, or none at all when providers.kubernetesIngress.ingressClass is not set. It is read as
 * today's Traefik reads it (kubernetes_ingress_route.c), or as Traefik 1 did when it has annotations of Traefik 1
 * (kubernetes_legacy.c). Ingresses of extensions/v1beta1 and networking.k8s.io/v1beta1 are read too.
 *
 * Not here: where the objects come from (kubernetes_load.c), annotations, routers, services (kubernetes_ingress_*.c).
 */
#include "master/provider/kubernetes_legacy.h"

#define GROUP "networking.k8s.io"
#define GROUP_OLD "extensions"
#define CONTROLLER "traefik.io/ingress-controller"
#define DEFAULT_CLASS_ANNOTATION "ingressclass.kubernetes.io/is-default-class"

/* ---- which objects ---- */

/* What is asked of an API server; Secrets and ConfigMaps only one by one (k8s_need()). Today's Ingress only: servers that
 * have the older versions have it too, or are older than Kubernetes 1.19. */
const char K8S_INGRESS_CLASS[] = "IngressClass";

static const struct kube_resource resources[] = {
    K8S_SERVER_RESOURCES,
    {.group = "networking.k8s.io",
     .version = "v1",
     .plural = "ingressclasses",
     .kind = K8S_INGRESS_CLASS,
     .cluster_scoped = true},
    {.group = "networking.k8s.io",
     .version = "v1",
     .plural = "ingresses",
     .kind = "Ingress",
     .vital = "objects with routes",
     .selectable = true,
     .status = KUBE_STATUS_BALANCER},
    {.kind = NULL},
};

static bool version_known(const struct kube_object *object)
{
    bool beta = slice_eq(object->version, SLICE("v1beta1"));

    return slice_eq(object->group, SLICE(GROUP)) ? beta || slice_eq(object->version, SLICE("v1"))
                                                 : slice_eq(object->group, SLICE(GROUP_OLD)) && beta;
}

static void notice_versions(struct k8s *k8s)
{
    const struct kube_object **objects;
    size_t count = kube_list(k8s->store, "Ingress", &objects);

    for (size_t i = 0; i < count; i++) {
        if ((slice_eq(objects[i]->group, SLICE(GROUP)) || slice_eq(objects[i]->group, SLICE(GROUP_OLD))) &&
            !version_known(objects[i]) && k8s_selected(k8s, objects[i])) {
            model_notice(k8s->model, true, &objects[i]->origin,
                         "apiVersion: unknown version \"%.*s\" of %.*s: write networking.k8s.io/v1",
                         SLICE_ARG(objects[i]->version), SLICE_ARG(objects[i]->group));
        }
    }
}

static bool classes_read(const struct k8s *k8s)
{
    return !k8s->options->disable_ingress_class_lookup && !k8s->options->disable_cluster_scope_resources;
}

/* An IngressClass of our controller, and of the name that the options want. */
static bool class_ours(const struct k8s *k8s, const struct kube_object *class)
{
    struct slice controller = doc_text(doc_path(class->doc, "spec", "controller", NULL), SLICE(""));
    struct slice wanted = k8s->options->ingress_class;

    return slice_eq(controller, SLICE(CONTROLLER)) && (wanted.len == 0 || slice_eq(class->name, wanted));
}

static bool named_class_wanted(struct k8s *k8s, const struct k8s_place *place, struct slice name)
{
    const struct kube_object *class =
        classes_read(k8s) ? kube_get(k8s->store, GROUP, "IngressClass", SLICE(""), name) : NULL;

    if (class == NULL && classes_read(k8s)) {
        k8s_warn(k8s, place,
                 "spec.ingressClassName: there is no IngressClass %.*s: this Ingress is not served "
                 "(controller: " CONTROLLER " makes a class ours)",
                 SLICE_ARG(name));
    }
    return class && class_ours(k8s, class);
}

/* Without a class the API server writes the default one into new Ingresses; manifests say which it would be. */
static bool default_class_ours(const struct k8s *k8s)
{
    const struct kube_object **classes;
    size_t count = classes_read(k8s) ? kube_list(k8s->store, "IngressClass", &classes) : 0;

    for (size_t i = 0; i < count; i++) {
        struct slice mark = doc_text(
            doc_path(classes[i]->doc, "metadata", "annotations", DEFAULT_CLASS_ANNOTATION, NULL), SLICE(""));

        if (slice_eq(mark, SLICE("true")) && class_ours(k8s, classes[i])) {
            return true;
        }
    }
    return false;
}

static bool wanted(struct k8s *k8s, const struct k8s_place *place)
{
    const struct doc *doc = place->object->doc, *named = doc_path(doc, "spec", "ingressClassName", NULL);
    const struct doc *annotation = doc_path(doc, "metadata", "annotations", K8S_CLASS_ANNOTATION, NULL);

    if (named && named->kind != DOC_NULL) {
        return named_class_wanted(k8s, place, doc_text(named, SLICE("")));
    }
    return k8s_class_wanted(k8s, doc_text(annotation, SLICE(""))) ||
           (annotation == NULL && default_class_ours(k8s));
}

/* ---- taking one apart ---- */

bool ingress_target(struct k8s *k8s, const struct k8s_place *place,
                    const struct ingress_backend_spec *backend, struct element *element,
                    struct ingress_target *out)
{
    const struct doc *node = doc_get(place->node, "backend"), *service, *port;
    struct k8s_place at = k8s_step(k8s, place, node, "%s", node ? "backend" : "");

    node = node ? node : place->node; /* the default backend's place is its own */
    service = doc_get(node, "service");
    port = doc_get(service, "port");
    if (backend && backend->resource) {
        k8s_error(k8s, &at, element, true, "backends that are a resource are not supported: name a Service");
        return false;
    }
    if (backend && backend->service_name.len) {
        *out = (struct ingress_target){backend->service_name, backend->service_port};
        return true;
    }
    if (backend == NULL || backend->service == NULL) {
        k8s_error(k8s, &at, element, true, "names no Service");
        return false;
    }
    *out = (struct ingress_target){
        .service = backend->service->name,
        .port = backend->service->port && backend->service->port->name.len ? doc_get(port, "name")
                                                                           : doc_get(port, "number"),
    };
    return true;
}

static void walk_rule(struct k8s *k8s, const struct ingress *ingress, const struct k8s_place *place,
                      ingress_visit *visit, void *context)
{
    struct element errors = {.name = SLICE("")};
    struct ingress_rule rule;
    const struct doc *paths;

    k8s_copy_errors(k8s, &ingress->errors, &errors);
    k8s_decode(k8s, place, &ingress_rule_schema, 0, &rule, &errors);
    paths = doc_get(rule.http, "paths");
    if (paths == NULL || paths->kind != DOC_LIST || paths->list.count == 0) {
        k8s_warn(k8s, place, "has no http.paths: nothing is served for it");
        return;
    }
    for (size_t i = 0; i < paths->list.count; i++) {
        const struct doc *node = paths->list.items[i];
        struct k8s_place at = k8s_step(k8s, place, node, "http.paths[%zu]", i);
        struct element element = {.name = SLICE("")};
        struct ingress_path path;

        k8s_copy_errors(k8s, &errors, &element);
        bool whole = k8s_decode(k8s, &at, ingress->old_api ? &ingress_old_path_schema : &ingress_path_schema,
                                0, &path, &element);

        visit(context, &at, rule.host, doc_text(doc_get(node, "path"), SLICE("")), whole ? &path : NULL,
              &element);
    }
}

void ingress_walk(struct k8s *k8s, const struct ingress *ingress, ingress_visit *visit, void *context)
{
    const struct doc *rules = ingress->spec.rules;

    if (rules && rules->kind != DOC_LIST) {
        k8s_notice_error(k8s, &ingress->spec_place, "rules: must be a list");
        return;
    }
    for (size_t i = 0; rules && i < rules->list.count; i++) {
        struct k8s_place at = k8s_step(k8s, &ingress->spec_place, rules->list.items[i], "rules[%zu]", i);

        walk_rule(k8s, ingress, &at, visit, context);
    }
}

static void load_certificates(struct k8s *k8s, struct ingress *ingress)
{
    const struct ingress_tls *tls = ingress->spec.tls.items;
    const struct doc *nodes = doc_get(ingress->spec_place.node, "tls");

    for (size_t i = 0; i < ingress->spec.tls.count; i++) {
        struct k8s_place at =
            k8s_step(k8s, &ingress->spec_place, nodes->list.items[i], "tls[%zu].secretName", i);

        if (tls[i].secret_name.len) {
            k8s_add_certificate(k8s, &at, &ingress->errors, tls[i].secret_name, SLICE(""));
        }
    }
}

/* False: it is not ours. */
static bool load_object(struct k8s *k8s, struct legacy *legacy, const struct kube_object *object)
{
    struct ingress *ingress = pool_zalloc(k8s->scratch, sizeof(*ingress));
    const struct doc *spec = doc_get(object->doc, "spec");

    ingress->place = (struct k8s_place){.object = object};
    ingress->annotations = doc_path(object->doc, "metadata", "annotations", NULL);
    ingress->old_api = !slice_eq(object->version, SLICE("v1"));
    if (!wanted(k8s, &ingress->place)) {
        return false;
    }
    k8s_claim(k8s, object);
    ingress->spec_place = k8s_step(k8s, &ingress->place, spec, "spec");
    if (spec == NULL || spec->kind != DOC_MAP) {
        k8s_notice_error(k8s, &ingress->spec_place, "is missing");
        return true;
    }
    k8s_decode(k8s, &ingress->spec_place, ingress->old_api ? &ingress_old_spec_schema : &ingress_spec_schema,
               0, &ingress->spec, &ingress->errors);
    load_certificates(k8s, ingress);
    bool old = legacy_ingress(k8s, ingress);

    legacy_note_unknown(k8s, ingress, old);
    ingress_note_nginx(k8s, ingress);
    if (old) {
        legacy_add(legacy, ingress);
    } else {
        ingress_load_routes(k8s, ingress);
    }
    return true;
}

/* ---- the provider ---- */

/* In a cluster those of others are nothing unusual; who has a folder of them means them to be served. */
static void note_none_ours(struct k8s *k8s, const struct kube_object *first, size_t count)
{
    struct k8s_place place = {.object = first, .node = first->doc};

    if (k8s->options->manifests.len) {
        k8s_warn(k8s, &place,
                 "is not served (of %zu Ingresses none is): a class of ours is an IngressClass with "
                 "controller: " CONTROLLER ", or, without one, kubernetes.io/ingress.class: traefik",
                 count);
    }
}

/* In a cluster only: manifests have no status. */
static void note_balancer(struct k8s *k8s)
{
    static const struct origin nowhere;
    const struct doc *addresses;
    struct error why;

    if (k8s->options->manifests.len == 0 &&
        ingress_balancer(k8s->config, k8s->store, k8s->scratch, &addresses, &why) < 0) {
        model_notice(k8s->model, true, &nowhere, "%s", why.text);
    }
}

/* Pods came where none were, or went, or a Service is another. What Ingresses share goes by names that are noted, but for
 * those of Traefik 1. One that changed is for a load: which ones are served is told to who writes their status. */
static bool alone(struct k8s *k8s, const struct kube_object *object)
{
    (void)k8s;
    return slice_eq(object->kind, SLICE("Ingress")) && version_known(object) &&
           !legacy_annotated(doc_path(object->doc, "metadata", "annotations", NULL));
}

static void read_some(struct k8s *k8s, const struct kube_object *const *objects, size_t count)
{
    struct legacy none;

    legacy_init(&none, k8s);
    for (size_t i = 0; i < count; i++) {
        (void)load_object(k8s, &none, objects[i]);
    }
}

/* A Service whose addresses are published is read by none of them. */
static bool publishes(const struct static_config *config)
{
    const struct kubernetes_provider *options = config->providers.kubernetes_ingress;

    return options->ingress_endpoint && options->ingress_endpoint->published_service.len;
}

static struct k8s begin(const struct static_config *config)
{
    return (struct k8s){.provider = INGRESS_PROVIDER,
                        .option = "providers.kubernetesIngress",
                        .options = config->providers.kubernetes_ingress,
                        .config = config,
                        .resources = resources,
                        .alone = publishes(config) ? NULL : alone,
                        .alone_unchanged = true,
                        .read = read_some};
}

static int refresh(const struct static_config *config, struct provider_state *state,
                   struct provider_changes *out)
{
    struct k8s k8s = begin(config);

    return k8s_refresh(&k8s, state, out);
}

static int load(const struct static_config *config, struct provider_state **state, struct model **out,
                struct error *why)
{
    struct k8s k8s = begin(config);
    int rc = k8s_begin(&k8s, state, why);

    if (rc == 0) {
        const struct kube_object **objects;
        struct legacy legacy;
        size_t count = k8s_objects(&k8s, "Ingress", version_known, &objects), ours = 0;

        k8s_copy_notices(&k8s);
        notice_versions(&k8s);
        legacy_init(&legacy, &k8s);
        for (size_t i = 0; i < count; i++) {
            ours += load_object(&k8s, &legacy, objects[i]);
        }
        if (count && !ours) {
            note_none_ours(&k8s, objects[0], count);
        }
        legacy_finish(&legacy);
        note_balancer(&k8s);
        k8s_state_live(*state)->judging.balancer = ingress_balancer;
        rc = k8s_settle(&k8s, *state, why);
    }
    if (rc == 0) {
        *out = k8s.model;
    }
    k8s_end(&k8s);
    return rc;
}

static bool enabled(const struct static_config *config)
{
    return config->providers.kubernetes_ingress != NULL;
}

static bool asks_cluster(const struct static_config *config)
{
    return enabled(config) && config->providers.kubernetes_ingress->manifests.len == 0;
}

static void watch_paths(const struct static_config *config, struct pool *pool, struct list *out)
{
    k8s_watch_paths(config->providers.kubernetes_ingress, pool, out);
}

const struct provider provider_kubernetes_ingress = {
    .name = INGRESS_PROVIDER,
    .enabled = enabled,
    .load = load,
    .watch_paths = watch_paths,
    .asks_cluster = asks_cluster,
    .refresh = refresh,
    K8S_SHARED_HOOKS,
};
