/*
 * kubernetes_crd_middleware.c - Middleware objects.
 *
 * Their spec is what the file provider's middlewares have, but for the parts that refer to other objects: those are cut
 * out before the rest is decoded by the common table, and read one by one. Which kinds are served, and that exactly one is
 * set, master/resolve checks for all providers.
 *
 * Not here: parts that name Secrets (kubernetes_crd_auth.c).
 */
#include "master/provider/kubernetes_crd.h"

/* ---- parts ---- */

static void load_chain(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware)
{
    struct chain *chain = pool_zalloc(crd->model->pool, sizeof(*chain));
    struct crd_chain spec;

    if (k8s_decode(crd, place, &crd_chain_schema, 0, &spec, &middleware->element)) {
        crd_reference_names(crd, place, &middleware->element, CRD_MIDDLEWARE, place->object->namespace,
                            &spec.middlewares, &chain->middlewares);
    }
    middleware->config.chain = chain;
}

/* A Service gets a load balancer of its own for this: NAMESPACE-NAME-errorpage-service, as upstream. */
static void load_errors_service(struct k8s *crd, const struct k8s_place *place,
                                struct http_middleware *middleware)
{
    struct element *element = &middleware->element;
    struct service_config *config;
    struct crd_service spec;
    struct slice name;

    if (!k8s_decode(crd, place, &crd_service_schema, 0, &spec, element) ||
        !crd_service_reference(crd, place, element, &spec, &name, &config)) {
        return;
    }
    if (config) {
        name = pool_printf(crd->scratch, "%.*s-errorpage-service", SLICE_ARG(element->name));
        if (!crd_takes_service(crd, place, element, name, place->object->namespace,
                               place->object->origin.object)) {
            return;
        }
        k8s_add_service(crd, place, name)->config = *config;
    }
    if (middleware->config.errors) {
        middleware->config.errors->service = pool_copy(crd->model->pool, name);
    }
}

static const struct part {
    const char *kind, *key; /* key: of what the kind holds; NULL: all of it */
    void (*load)(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware);
} parts[] = {
    {"chain", NULL, load_chain},
    {"basicAuth", NULL, crd_load_basic_auth},
    {"digestAuth", NULL, crd_load_digest_auth},
    {"forwardAuth", "tls", crd_load_forward_auth_tls},
    {"errors", "service", load_errors_service},
    {"rateLimit", "redis", crd_load_redis},
};

/* ---- the whole ---- */

static struct doc *map_like(struct pool *pool, const struct doc *map)
{
    struct doc *copy = doc_new(pool, DOC_MAP);

    *copy = (struct doc){.kind = DOC_MAP, .file = map->file, .line = map->line, .column = map->column};
    return copy;
}

static void entry_copy(struct pool *pool, struct doc *to, const struct doc_entry *entry, struct doc *value)
{
    doc_map_set(pool, to, entry->key, value);
    to->map.entries[to->map.count - 1].line = entry->line;
}

static const struct doc *without(struct pool *pool, const struct doc *map, const char *key)
{
    struct doc *copy = map_like(pool, map);

    for (size_t i = 0; i < map->map.count; i++) {
        if (!slice_eq(map->map.entries[i].key, slice_cstr(key))) {
            entry_copy(pool, copy, &map->map.entries[i], map->map.entries[i].value);
        }
    }
    return copy;
}

static const struct part *part_of(struct slice kind)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (slice_eq(kind, slice_cstr(parts[i].kind))) {
            return &parts[i];
        }
    }
    return NULL;
}

/* What the common table can read. */
static const struct doc *common_part(struct k8s *crd, const struct doc *spec)
{
    struct doc *copy = map_like(crd->scratch, spec);

    for (size_t i = 0; i < spec->map.count; i++) {
        const struct doc_entry *entry = &spec->map.entries[i];
        const struct part *part = part_of(entry->key);

        if (part == NULL || (part->key && entry->value->kind != DOC_MAP)) {
            entry_copy(crd->scratch, copy, entry, entry->value);
        } else if (part->key) {
            entry_copy(crd->scratch, copy, entry,
                       (struct doc *)(uintptr_t)without(crd->scratch, entry->value, part->key));
        }
    }
    return copy;
}

static void load_parts(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct doc *node = doc_get(place->node, parts[i].kind);
        struct k8s_place at = k8s_step(crd, place, node, "%s", parts[i].kind);

        if (node && parts[i].key) {
            node = doc_get(node, parts[i].key);
            at = k8s_step(crd, &at, node, "%s", parts[i].key);
        }
        if (node && node->kind != DOC_NULL) {
            parts[i].load(crd, &at, middleware);
        }
    }
}

/* In a file an empty list leaves the default; here it is one without any encoding, which resolve refuses. */
static void compress_emptied(const struct doc *spec, struct compress *compress)
{
    const struct doc *encodings = doc_get(doc_get(spec, "compress"), "encodings");

    if (compress && encodings && encodings->kind == DOC_LIST && encodings->list.count == 0) {
        compress->encodings = (struct list){NULL, 0};
    }
}

/* In a file 0 is a status, which resolve refuses; here it is as if nothing were written. */
static void breaker_emptied(struct circuit_breaker *breaker)
{
    if (breaker && breaker->response_code == 0) {
        breaker->response_code = 503; /* the default */
    }
}

void crd_read_middleware(struct k8s *crd, const struct kube_object *object)
{
    struct slice name = k8s_object_name(crd->scratch, object->namespace, object->name);
    struct k8s_place root = {.object = object}, place, rest;
    const struct doc *spec = middleware_unwrapped(crd->scratch, doc_get(object->doc, "spec"), false);
    struct http_middleware *middleware;

    if (!crd_owns(crd, CRD_MIDDLEWARE, object, name)) {
        return;
    }
    middleware = model_add_middleware(crd->model, name, SLICE(CRD_PROVIDER));
    k8s_note_made(crd, MADE_MIDDLEWARE, &middleware->element, object);
    middleware->element.origin = object->origin;
    place = k8s_step(crd, &root, spec, "spec");
    if (spec == NULL || spec->kind != DOC_MAP) {
        k8s_error(crd, &place, &middleware->element, true, "is missing");
        return;
    }
    rest = place;
    rest.node = common_part(crd, spec);
    k8s_decode(crd, &rest, &middleware_schema, 0, &middleware->config, &middleware->element);
    compress_emptied(spec, middleware->config.compress);
    breaker_emptied(middleware->config.circuit_breaker);
    crd->reading = object;
    load_parts(crd, &place, middleware);
    crd_load_named_secrets(crd, &place, middleware);
    crd->reading = NULL;
}

void crd_load_middlewares(struct k8s *crd)
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, "Middleware", &objects);

    for (size_t i = 0; i < count; i++) {
        crd_read_middleware(crd, objects[i]);
    }
}
