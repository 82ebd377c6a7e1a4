/*
 * kubernetes_legacy.c - Ingresses with annotations of Traefik 1, from objects to frontends to routers; see kubernetes_legacy.h.
 *
 * life   legacy_init -> legacy_add for each Ingress, in order -> legacy_finish
 *
 * A part that is wrong (its Service is missing) is left out as long as its frontend has others; its error is then a warning of
 * the router. What is wrong with the annotations that count closes the whole frontend. Not here: what annotations mean.
 */
#include "master/provider/kubernetes_legacy.h"

struct taking { /* one Ingress while it is taken apart */
    struct legacy *legacy;
    const struct ingress *ingress;
    struct legacy_part **parts;
    size_t count, capacity;
};

void legacy_init(struct legacy *legacy, struct k8s *k8s)
{
    *legacy = (struct legacy){.k8s = k8s};
    seen_init(&legacy->by_base, k8s->scratch);
}

static void visit_path(void *context, const struct k8s_place *place, struct slice host,
                       struct slice path_text, const struct ingress_path *path, struct element *element)
{
    struct taking *taking = context;
    struct k8s *k8s = taking->legacy->k8s;
    struct legacy_part *part = pool_zalloc(k8s->scratch, sizeof(*part));

    part->ingress = taking->ingress;
    part->place = *place;
    part->host = host;
    part->path = path_text;
    part->path_type = path ? path->path_type : SLICE("");
    part->errors = *element;
    if (path && ingress_target(k8s, place, path->backend, &part->errors, &part->target)) {
        legacy_servers(k8s, part);
    }
    taking->parts = pool_grow(k8s->scratch, taking->parts, taking->count, &taking->capacity,
                              sizeof(struct legacy_part *));
    taking->parts[taking->count++] = part;
}

/* "PRIORITY-HOSTPATH": two Ingresses that differ in it are two frontends. */
static struct slice base_of(struct k8s *k8s, const struct legacy_part *part)
{
    int64_t priority = 0;

    if (slice_to_i64(legacy_text(part->ingress->annotations, "priority"), &priority) && priority > 0) {
        return pool_printf(k8s->scratch, "%lld-%.*s%.*s", (long long)priority, SLICE_ARG(part->host),
                           SLICE_ARG(part->path));
    }
    return pool_printf(k8s->scratch, "%.*s%.*s", SLICE_ARG(part->host), SLICE_ARG(part->path));
}

static void join_frontend(struct legacy *legacy, struct legacy_part *part)
{
    struct k8s *k8s = legacy->k8s;
    struct slice base = base_of(k8s, part);
    struct legacy_frontend *frontend = seen_get(&legacy->by_base, base);

    if (frontend == NULL) {
        frontend = pool_zalloc(k8s->scratch, sizeof(*frontend));
        frontend->base = base;
        frontend->host = part->host;
        frontend->path = part->path;
        seen_set(&legacy->by_base, base, frontend);
        legacy->frontends = pool_grow(k8s->scratch, legacy->frontends, legacy->count, &legacy->capacity,
                                      sizeof(struct legacy_frontend *));
        legacy->frontends[legacy->count++] = frontend;
    }
    frontend->parts = pool_grow(k8s->scratch, frontend->parts, frontend->count, &frontend->capacity,
                                sizeof(struct legacy_part *));
    frontend->parts[frontend->count++] = part;
}

void legacy_add(struct legacy *legacy, struct ingress *ingress)
{
    struct taking taking = {.legacy = legacy, .ingress = ingress};

    ingress_load_default(legacy->k8s, ingress, &(struct router_annotations){.priority = 0});
    ingress_walk(legacy->k8s, ingress, visit_path, &taking);
    legacy_weigh(legacy->k8s, ingress, taking.parts, taking.count);
    for (size_t i = 0; i < taking.count; i++) {
        join_frontend(legacy, taking.parts[i]);
    }
}

/* ---- frontends become routers ---- */

/* Names are given to the frontends that have them alone; the others, whatever their order, get the hash of their base. */
static void give_names(struct legacy *legacy)
{
    struct k8s *k8s = legacy->k8s;
    struct seen names;

    seen_init(&names, k8s->scratch);
    for (size_t i = 0; i < legacy->count; i++) {
        struct slice name = k8s_normalize(k8s->scratch, legacy->frontends[i]->base);
        size_t *uses = seen_get(&names, name);

        if (uses == NULL) {
            uses = pool_zalloc(k8s->scratch, sizeof(*uses));
            seen_set(&names, name, uses);
        }
        (*uses)++;
        legacy->frontends[i]->name = name;
    }
    for (size_t i = 0; i < legacy->count; i++) {
        struct legacy_frontend *frontend = legacy->frontends[i];

        if (*(size_t *)seen_get(&names, frontend->name) > 1 || frontend->name.len == 0 ||
            seen_get(&k8s->routers, frontend->name) || seen_get(&k8s->services, frontend->name)) {
            frontend->name = k8s_hashed_name(
                k8s->scratch, frontend->name.len ? frontend->name : SLICE("frontend"), frontend->base);
        }
    }
}

/* The errors of parts: of all when none is good, else as warnings. */
static void take_part_errors(struct k8s *k8s, struct legacy_frontend *frontend)
{
    bool any_good = false;

    for (size_t i = 0; i < frontend->count; i++) {
        any_good = any_good || frontend->parts[i]->errors.status != ELEMENT_DISABLED;
    }
    for (size_t i = 0; i < frontend->count; i++) {
        struct element errors = frontend->parts[i]->errors;

        if (any_good && errors.status == ELEMENT_DISABLED) {
            errors.status = ELEMENT_WARNING;
        }
        k8s_copy_errors(k8s, &errors, &frontend->errors);
    }
}

static bool says_the_same(const struct doc *a, const struct doc *b)
{
    for (size_t i = 0; a && a->kind == DOC_MAP && i < a->map.count; i++) {
        struct slice key = a->map.entries[i].key;
        const struct doc *other = NULL;

        if (slice_find_slice(key, SLICE("ingress.kubernetes.io/")) < 0 ||
            slice_has_suffix(key, SLICE("/service-weights"))) {
            continue;
        }
        for (size_t j = 0; b && b->kind == DOC_MAP && j < b->map.count; j++) {
            if (slice_eq(b->map.entries[j].key, key)) {
                other = b->map.entries[j].value;
            }
        }
        if (other == NULL || !doc_equal(a->map.entries[i].value, other)) {
            return false;
        }
    }
    return true;
}

static void note_differences(struct k8s *k8s, struct legacy_frontend *frontend)
{
    const struct ingress *first = frontend->parts[0]->ingress;

    for (size_t i = 1; i < frontend->count; i++) {
        const struct ingress *other = frontend->parts[i]->ingress;

        if (other == first || other == frontend->parts[i - 1]->ingress ||
            (says_the_same(first->annotations, other->annotations) &&
             says_the_same(other->annotations, first->annotations))) {
            continue;
        }
        k8s_error(
            k8s, &other->place, &frontend->errors, false,
            "has the host and path of %.*s (%.*s:%u) and other annotations: those of the latter are used",
            SLICE_ARG(first->place.object->origin.object), SLICE_ARG(first->place.object->origin.file),
            first->place.object->origin.line);
    }
}

static void entry_points(struct k8s *k8s, struct legacy_frontend *frontend)
{
    struct slice rest = legacy_text(frontend->parts[0]->ingress->annotations, "frontend-entry-points");
    struct slice *names = NULL;
    size_t count = 0, capacity = 0;

    while (rest.len) {
        struct slice name = slice_trim(slice_split(&rest, ','));

        if (name.len) {
            names = pool_grow(k8s->model->pool, names, count, &capacity, sizeof(*names));
            names[count++] = name;
        }
    }
    frontend->config.entry_points = (struct list){names, count};
}

static void finish(struct k8s *k8s, struct legacy_frontend *frontend)
{
    const struct legacy_part *first = frontend->parts[0];
    struct http_router *router = k8s_add_router(k8s, &first->place, frontend->name);
    struct service_config config;

    frontend->name = router->element.name;
    k8s_note_asked(k8s, first->place.object->namespace, first->target.service, first->place.object);
    frontend->service =
        kube_get(k8s->store, "", "Service", first->place.object->namespace, first->target.service);
    take_part_errors(k8s, frontend);
    note_differences(k8s, frontend);
    legacy_rule(k8s, frontend);
    entry_points(k8s, frontend);
    legacy_middlewares(k8s, frontend);
    legacy_balance(k8s, frontend, &config);
    if (frontend->errors.status != ELEMENT_DISABLED) {
        k8s_add_service(k8s, &first->place, frontend->name)->config = config;
        frontend->config.service = frontend->name;
    }
    router->config = frontend->config;
    k8s_copy_errors(k8s, &frontend->errors, &router->element);
}

void legacy_finish(struct legacy *legacy)
{
    give_names(legacy);
    for (size_t i = 0; i < legacy->count; i++) {
        finish(legacy->k8s, legacy->frontends[i]);
    }
}
