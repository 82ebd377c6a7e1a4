/*
 * kubernetes_model.c - objects of the model by name: each is made once, with the place where it was written.
 */
#include "common/base/hash.h"
#include "master/provider/kubernetes.h"

/* ---- what was made of which objects ---- */
static void note(struct k8s *k8s, struct k8s_made made)
{
    if (k8s->alone) {
        k8s->made =
            pool_grow(k8s->scratch, k8s->made, k8s->made_count, &k8s->made_capacity, sizeof(*k8s->made));
        k8s->made[k8s->made_count++] = made;
    }
}

void k8s_note_made(struct k8s *k8s, enum k8s_made_kind kind, struct element *element,
                   const struct kube_object *object)
{
    note(k8s, (struct k8s_made){hash_slice((uint64_t)kind, element->name), element, object, kind, 0});
}

uint64_t k8s_asked_key(struct slice namespace, struct slice service)
{
    return hash_slice(hash_slice(ASKED_SERVICE, namespace), service);
}

void k8s_note_asked(struct k8s *k8s, struct slice namespace, struct slice service,
                    const struct kube_object *object)
{
    note(k8s, (struct k8s_made){k8s_asked_key(namespace, service), NULL, object, ASKED_SERVICE, 0});
}

uint64_t k8s_needed_key(struct slice kind, struct slice namespace, struct slice name)
{
    return hash_slice(hash_slice(hash_slice(ASKED_SECRET, kind), namespace), name);
}

void k8s_note_needed(struct k8s *k8s, struct slice kind, struct slice namespace, struct slice name)
{
    note(k8s, (struct k8s_made){k8s_needed_key(kind, namespace, name), NULL, k8s->reading, ASKED_SECRET, 0});
}

void k8s_note_meant(struct k8s *k8s, unsigned domain, struct slice name, struct slice whom,
                    const struct kube_object *object)
{
    note(k8s, (struct k8s_made){hash_slice((uint64_t)MEANT + domain, name), NULL, object, MEANT,
                                hash_slice(0, whom)});
}

/* ---- objects ---- */
struct http_router *k8s_add_router(struct k8s *k8s, const struct k8s_place *place, struct slice name)
{
    struct http_router *router = seen_get(&k8s->routers, name);

    if (router) {
        struct element element = {.name = router->element.name, .provider = router->element.provider};

        *router = (struct http_router){.element = element};
    } else {
        router = model_add_router(k8s->model, name, slice_cstr(k8s->provider));
        seen_set(&k8s->routers, router->element.name, router);
    }
    k8s_note_made(k8s, MADE_ROUTER, &router->element, place->object);
    router->element.origin = place->object->origin;
    if (place->node && place->node->line) {
        router->element.origin.line = place->node->line;
    }
    return router;
}

bool k8s_twin_wins(struct k8s *k8s, const struct k8s_place *place, const struct element *before,
                   const struct element *after)
{
    bool wins = after->status != ELEMENT_DISABLED || before->status == ELEMENT_DISABLED;

    k8s_warn(k8s, place, "has the same match as the route at line %u: %s is used", before->origin.line,
             wins ? "this one" : "that one");
    return wins;
}

struct http_service *k8s_add_service(struct k8s *k8s, const struct k8s_place *place, struct slice name)
{
    struct http_service *service = seen_get(&k8s->services, name);

    if (service) { /* several references make the same load balancer: the last one wins, as upstream */
        struct element element = {.name = service->element.name, .provider = service->element.provider};

        *service = (struct http_service){.element = element};
    } else {
        service = model_add_service(k8s->model, name, slice_cstr(k8s->provider));
        seen_set(&k8s->services, service->element.name, service);
    }
    k8s_note_made(k8s, MADE_SERVICE, &service->element, place->object);
    service->element.origin = place->object->origin;
    if (place->node && place->node->line) {
        service->element.origin.line = place->node->line;
    }
    return service;
}

void *k8s_add_layer4(struct k8s *k8s, const struct k8s_place *place, enum layer4_kind kind, struct slice name)
{
    const struct layer4_type *type = &layer4_types[kind];
    struct element *element = seen_get(&k8s->layer4[kind], name);

    if (element) { /* as upstream: the last one wins */
        struct element kept = {.name = element->name, .provider = element->provider};

        memset(element, 0, type->size);
        *element = kept;
    } else {
        element = layer4_add(k8s->model, kind, name, slice_cstr(k8s->provider));
        seen_set(&k8s->layer4[kind], element->name, element);
    }
    k8s_note_made(k8s, MADE_OTHER, element, place->object);
    schema_defaults(type->schema, k8s->model->pool, layer4_config(kind, element));
    element->origin = place->object->origin;
    if (place->node && place->node->line) {
        element->origin.line = place->node->line;
    }
    return element;
}

void k8s_add_certificate(struct k8s *k8s, const struct k8s_place *place, struct element *user,
                         struct slice secret, struct slice store)
{
    struct slice namespace = place->object->namespace, certificate, key;
    struct slice name = pool_printf(k8s->scratch, "%.*s/%.*s", SLICE_ARG(namespace), SLICE_ARG(secret));
    struct error why;

    if (seen_get(&k8s->layer4[TLS_CERTIFICATE], name)) {
        return;
    }
    if (!k8s_certificate_secret(k8s, namespace, secret, &certificate, &key, &why)) {
        k8s_error(k8s, place, user, false, "%s", why.text);
        return;
    }
    struct tls_keypair *pair = k8s_add_layer4(k8s, place, TLS_CERTIFICATE, name);

    pair->config.cert_file = certificate;
    pair->config.key_file = key;
    if (store.len) {
        struct slice *stores = pool_alloc(k8s->model->pool, sizeof(*stores));

        *stores = store;
        pair->config.stores = (struct list){stores, 1};
    }
}
