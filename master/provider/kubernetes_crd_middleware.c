/*
 * kubernetes_crd_middleware.c - Middleware objects.
 *
 * Their spec is what the file provider's middlewares have, but for chain: its members are references to objects, which
 * become names here. Which kinds are served, and that exactly one is set, master/resolve checks for all providers.
 */
#include "master/provider/kubernetes_crd.h"

/* The spec with `chain` put into the form that the table of middlewares reads: a list of names. */
static const struct doc *with_names(struct k8s *crd, const struct k8s_place *place, struct element *element)
{
    const struct doc *spec = place->node, *chain = doc_get(spec, "chain");
    struct k8s_place at = k8s_step(crd, place, chain, "chain");
    struct crd_chain references;
    struct list names = {0};

    if (chain == NULL || chain->kind != DOC_MAP) {
        return spec;
    }
    struct doc *copy = doc_new(crd->scratch, DOC_MAP), *inner = doc_new(crd->scratch, DOC_MAP);
    struct doc *list = doc_new(crd->scratch, DOC_LIST);

    *copy = (struct doc){.kind = DOC_MAP, .file = spec->file, .line = spec->line, .column = spec->column};
    *inner = (struct doc){.kind = DOC_MAP, .file = chain->file, .line = chain->line, .column = chain->column};
    if (k8s_decode(crd, &at, &crd_chain_schema, 0, &references, element)) {
        crd_reference_names(crd, &at, element, &references.middlewares, &names);
    }
    for (size_t i = 0; i < names.count; i++) {
        doc_list_add(crd->model->pool, list,
                     doc_new_string(crd->model->pool, ((const struct slice *)names.items)[i]));
    }
    doc_map_set(crd->scratch, inner, SLICE("middlewares"), list);
    for (size_t i = 0; i < spec->map.count; i++) {
        const struct doc_entry *entry = &spec->map.entries[i];

        doc_map_set(crd->scratch, copy, entry->key, entry->value == chain ? inner : entry->value);
        copy->map.entries[copy->map.count - 1].line = entry->line;
    }
    return copy;
}

static void load_middleware(struct k8s *crd, const struct kube_object *object)
{
    struct http_middleware *middleware = model_add_middleware(
        crd->model, k8s_object_name(crd->scratch, object->namespace, object->name), SLICE(CRD_PROVIDER));
    struct k8s_place root = {.object = object}, place;
    const struct doc *spec = doc_get(object->doc, "spec");

    middleware->element.origin = object->origin;
    place = k8s_step(crd, &root, spec, "spec");
    if (spec == NULL || spec->kind != DOC_MAP) {
        k8s_error(crd, &place, &middleware->element, true, "is missing");
        return;
    }
    place.node = with_names(crd, &place, &middleware->element);
    k8s_decode(crd, &place, &middleware_schema, 0, &middleware->config, &middleware->element);
}

void crd_load_middlewares(struct k8s *crd)
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, "Middleware", &objects);

    for (size_t i = 0; i < count; i++) {
        load_middleware(crd, objects[i]);
    }
}
