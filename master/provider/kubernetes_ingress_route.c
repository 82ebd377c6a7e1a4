/*
 * kubernetes_ingress_route.c - the paths of an Ingress become routers; the default backend one more.
 *
 * A path that is wrong is a router that is disabled and says why; the others serve. Paths of one Ingress whose names come to
 * the same get the hash of their rule behind it. Those that are disabled do not count for that, so that the names of the
 * others are Traefik's, which has no routers for broken paths.
 */
#include "master/provider/kubernetes_ingress.h"

#include "common/base/text.h"

#define DEFAULT_ROUTER "default-router"
#define DEFAULT_SERVICE "default-backend"

struct candidate { /* a router before it has its name */
    struct k8s_place place;
    struct slice key;
    struct router_config config;
    struct element errors;
};

struct routes { /* of one Ingress */
    struct k8s *k8s;
    const struct ingress *ingress;
    struct router_annotations options;
    struct candidate *items;
    size_t count, capacity;
};

static void add_host(struct text *out, struct slice host, bool v2)
{
    struct text regexp;

    if (!v2 || !slice_has_prefix(host, SLICE("*."))) {
        ingress_add_matcher(out, "Host", host);
        return;
    }
    text_init(&regexp);
    text_printf(&regexp, "{subdomain:[a-zA-Z0-9-]+}%.*s", SLICE_ARG(slice_from(host, 1)));
    ingress_add_matcher(out, "HostRegexp", text_slice(&regexp));
    text_free(&regexp);
}

/* Whole segments, as Kubernetes defines a prefix: /abc takes /abc, /abc/ and /abc/x, not /abcx. */
static void add_strict_prefix(struct text *out, struct slice path)
{
    struct text below;

    if (slice_eq(path, SLICE("/"))) {
        ingress_add_matcher(out, "PathPrefix", path);
        return;
    }
    if (slice_has_suffix(path, SLICE("/"))) {
        path.len--;
    }
    text_init(&below);
    text_printf(&below, "%.*s/", SLICE_ARG(path));
    text_add_char(out, '(');
    ingress_add_matcher(out, "Path", path);
    text_add_cstr(out, " || ");
    ingress_add_matcher(out, "PathPrefix", text_slice(&below));
    text_add_char(out, ')');
    text_free(&below);
}

/* The matcher for the path; an error is added when the annotation names none. */
static const char *matcher_of(struct routes *routes, const struct k8s_place *place,
                              const struct ingress_path *path, struct element *element)
{
    static const char *const matchers[] = {"PathPrefix", "Path", "PathRegexp"};
    struct slice wanted = routes->options.path_matcher;

    if (slice_eq(path->path_type, SLICE("Exact"))) {
        return "Path";
    }
    if (slice_eq(path->path_type, SLICE("Prefix")) || wanted.len == 0) {
        return "PathPrefix";
    }
    for (size_t i = 0; i < ARRAY_LEN(matchers); i++) {
        if (slice_eq(wanted, slice_cstr(matchers[i]))) {
            return matchers[i];
        }
    }
    k8s_error(routes->k8s, place, element, true,
              "annotation " INGRESS_ANNOTATIONS
              "router.pathmatcher: \"%.*s\" is none of Path, PathPrefix, PathRegexp",
              SLICE_ARG(wanted));
    return matchers[0];
}

static struct slice make_rule(struct routes *routes, const struct k8s_place *place, struct slice host,
                              const struct ingress_path *path, struct element *element)
{
    struct k8s *k8s = routes->k8s;
    struct slice syntax =
        routes->options.rule_syntax.len ? routes->options.rule_syntax : k8s->config->core.default_rule_syntax;
    const char *matcher = path->path.len ? matcher_of(routes, place, path, element) : "";
    struct slice rule;
    struct text text;

    text_init(&text);
    text_add_cstr(&text, "");
    if (host.len) {
        add_host(&text, host, slice_eq(syntax, SLICE("v2")));
    }
    if (host.len && path->path.len) {
        text_add_cstr(&text, " && ");
    }
    if (path->path.len && k8s->options->strict_prefix_matching && strcmp(matcher, "PathPrefix") == 0) {
        add_strict_prefix(&text, path->path);
    } else if (path->path.len) {
        ingress_add_matcher(&text, matcher, path->path);
    }
    rule = pool_copy(k8s->model->pool, text_slice(&text));
    text_free(&text);
    return rule;
}

/* What the annotations say, and whose router it is. */
static struct router_observability *observability(struct k8s *k8s, const struct kube_object *object,
                                                  const struct router_annotations *options,
                                                  const struct ingress_target *target)
{
    struct pool *pool = k8s->model->pool;
    struct router_observability *made = pool_zalloc(pool, sizeof(*made));

    if (options->observability) {
        *made = *options->observability;
    }
    made->metadata = pool_zalloc(pool, sizeof(*made->metadata));
    made->metadata->ingress = pool_zalloc(pool, sizeof(*made->metadata->ingress));
    *made->metadata->ingress = (struct ingress_metadata){.namespace = object->namespace,
                                                         .ingress_name = object->name,
                                                         .service_name = target->service,
                                                         .service_port = doc_text(target->port, SLICE(""))};
    return made;
}

static void visit_path(void *context, const struct k8s_place *place, struct slice host,
                       struct slice path_text, const struct ingress_path *path, struct element *element)
{
    struct routes *routes = context;
    struct k8s *k8s = routes->k8s;
    const struct kube_object *object = place->object;
    const struct router_annotations *options = &routes->options;
    const struct ingress_path unread = {.path = path_text}; /* for the rule of one that is disabled */
    struct ingress_target target = {.service = SLICE("")};
    struct slice service;

    routes->items =
        pool_grow(k8s->scratch, routes->items, routes->count, &routes->capacity, sizeof(*routes->items));
    struct candidate *item = &routes->items[routes->count++];

    *item = (struct candidate){
        .place = *place,
        .key = k8s_normalize(k8s->scratch,
                             pool_printf(k8s->scratch, "%.*s-%.*s-%.*s%.*s", SLICE_ARG(object->namespace),
                                         SLICE_ARG(object->name), SLICE_ARG(host), SLICE_ARG(path_text))),
        .config = {.entry_points = options->entry_points,
                   .middlewares = options->middlewares,
                   .rule_syntax = options->rule_syntax,
                   .priority = options->priority,
                   .tls = options->tls},
    };
    if (path && ingress_target(k8s, place, path->backend, element, &target) &&
        ingress_use_service(k8s, place, &target, element, &service)) {
        item->config.service = service;
    }
    item->config.observability = observability(k8s, object, options, &target);
    item->config.rule = make_rule(routes, place, host, path ? path : &unread, element);
    item->errors = *element;
}

static bool good(const struct candidate *item)
{
    return item->errors.status != ELEMENT_DISABLED;
}

struct key_use {
    size_t all, serving;
};

/* Those that serve, or the others. One that does not serve never takes the place of one that does. */
static void add_those(struct routes *routes, const struct seen *keys, bool serving)
{
    struct k8s *k8s = routes->k8s;

    for (size_t i = 0; i < routes->count; i++) {
        struct candidate *item = &routes->items[i];
        const struct key_use *use = seen_get(keys, item->key);
        struct slice name = item->key;
        struct http_router *router;

        if (good(item) != serving) {
            continue;
        }
        if (use->all > 1 && (use->serving != 1 || !serving)) {
            name = k8s_hashed_name(k8s->scratch, item->key, item->config.rule);
        }
        router = seen_get(&k8s->routers, name);
        if (router && !slice_eq(router->element.origin.object, item->place.object->origin.object)) {
            k8s_notice_error(k8s, &item->place,
                             "its router would be called %.*s, as that of %.*s: rename this Ingress",
                             SLICE_ARG(name), SLICE_ARG(router->element.origin.object));
            k8s_note_made(k8s, MADE_ROUTER, &router->element, item->place.object);
            continue;
        }
        if (router && !serving) {
            item->errors.status = ELEMENT_WARNING;
        } else {
            router = k8s_add_router(k8s, &item->place, name);
            router->config = item->config;
        }
        k8s_copy_errors(k8s, &item->errors, &router->element);
    }
}

static void add_routers(struct routes *routes)
{
    struct k8s *k8s = routes->k8s;
    struct seen keys;

    seen_init(&keys, k8s->scratch);
    for (size_t i = 0; i < routes->count; i++) {
        struct candidate *item = &routes->items[i];
        struct key_use *use = seen_get(&keys, item->key);

        if (use == NULL) {
            use = pool_zalloc(k8s->scratch, sizeof(*use));
            seen_set(&keys, item->key, use);
        }
        use->all++;
        use->serving += good(item);
    }
    add_those(routes, &keys, true);
    add_those(routes, &keys, false);
}

/* Its errors are notices: as long as no default backend is good there is no router to keep them. */
void ingress_load_default(struct k8s *k8s, const struct ingress *ingress,
                          const struct router_annotations *options)
{
    const char *key = ingress->old_api ? "backend" : "defaultBackend";
    struct k8s_place place =
        k8s_step(k8s, &ingress->spec_place, doc_get(ingress->spec_place.node, key), "%s", key);
    const struct http_router *other = seen_get(&k8s->routers, SLICE(DEFAULT_ROUTER));
    struct element errors = {.name = SLICE("")};
    struct service_config config;
    struct ingress_target target;

    if (ingress->spec.default_backend == NULL) {
        return;
    }
    if (other) {
        k8s_notice_error(k8s, &place, "there is one already, of %.*s: it is used, remove the other",
                         SLICE_ARG(other->element.origin.object));
        return;
    }
    k8s_copy_errors(k8s, &ingress->errors, &errors);
    if (errors.status == ELEMENT_DISABLED ||
        !ingress_target(k8s, &place, ingress->spec.default_backend, &errors, &target) ||
        !ingress_load_balancer(k8s, &place, &target, &errors, &config)) {
        for (size_t i = 0; i < errors.errors.count; i++) {
            model_notice(k8s->model, true, &place.object->origin, "%.*s",
                         SLICE_ARG(((const struct slice *)errors.errors.items)[i]));
        }
        return;
    }
    struct http_router *router = k8s_add_router(k8s, &place, SLICE(DEFAULT_ROUTER));

    k8s_add_service(k8s, &place, SLICE(DEFAULT_SERVICE))->config = config;
    k8s_copy_errors(k8s, &errors, &router->element);
    router->config = (struct router_config){
        .entry_points = options->entry_points,
        .middlewares = options->middlewares,
        .service = SLICE(DEFAULT_SERVICE),
        .rule = SLICE("PathPrefix(\"/\")"),
        .rule_syntax = SLICE("default"),
        .priority = INT32_MIN,
        .tls = options->tls,
        .observability = observability(k8s, place.object, options, &target),
    };
}

static void check_references(struct routes *routes, struct element *element)
{
    const struct ingress *ingress = routes->ingress;
    struct slice namespace = ingress->place.object->namespace;
    const char *what = routes->options.middlewares.count                         ? "router.middlewares"
                       : routes->options.tls && routes->options.tls->options.len ? "router.tls.options"
                                                                                 : NULL;

    if (what && !k8s_cross_provider_allowed(routes->k8s, namespace)) {
        k8s_error(routes->k8s, &ingress->place, element, true,
                  "annotation " INGRESS_ANNOTATIONS "%s: namespace %.*s is not in crossProviderNamespaces",
                  what, SLICE_ARG(namespace));
    }
}

void ingress_load_routes(struct k8s *k8s, struct ingress *ingress)
{
    struct routes routes = {.k8s = k8s, .ingress = ingress};
    bool rules =
        ingress->spec.rules && ingress->spec.rules->kind == DOC_LIST && ingress->spec.rules->list.count > 0;

    ingress_annotations(k8s, &ingress->place, ingress->annotations, "router", &router_annotations_schema,
                        &routes.options, &ingress->errors);
    check_references(&routes, &ingress->errors);
    if (ingress->spec.default_backend && rules) {
        k8s_warn(k8s, &ingress->spec_place,
                 "the default backend of an Ingress with rules is not used: put it into an Ingress without "
                 "rules");
    } else {
        ingress_load_default(k8s, ingress, &routes.options);
    }
    ingress_walk(k8s, ingress, visit_path, &routes);
    add_routers(&routes);
}
