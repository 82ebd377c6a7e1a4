/*
 * kubernetes_status.c - judges the objects of a cluster: what of each came into force, and what is wrong with it.
 *
 * Errors are kept on what an object became (routers, services, middlewares...) and in notices; here they are put together
 * by object again. Only for the weir that says it in the cluster (kube_live_leads()).
 *
 * Not here: how it is said (master/kube/verdict.h), addresses of Ingresses (kubernetes_balancer.c).
 */
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/model/dynamic.h"
#include "master/kube/verdict.h"
#include "master/provider/kubernetes.h"

#define ERRORS_MOST 8 /* texts in a message */

struct part { /* of an object: an element that it became, or a notice about it */
    struct slice object;
    size_t number; /* in the order of the model */
    enum element_status status;
    bool is_route;
    struct slice name;
    const struct slice *errors;
    size_t error_count;
};

struct parts {
    struct pool *pool;
    struct part *items;
    size_t count, capacity;
};

static void add_part(struct parts *parts, struct part part)
{
    parts->items =
        pool_grow(parts->pool, parts->items, parts->count, &parts->capacity, sizeof(*parts->items));
    part.number = parts->count;
    parts->items[parts->count++] = part;
}

static void add_element(struct parts *parts, const struct element *element, struct slice provider,
                        bool is_route)
{
    if (slice_eq(element->provider, provider) && element->origin.file.len == 0) {
        add_part(parts, (struct part){.object = element->origin.object,
                                      .status = element->status,
                                      .is_route = is_route,
                                      .name = element->name,
                                      .errors = element->errors.items,
                                      .error_count = element->errors.count});
    }
}

static int by_object(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    int order = slice_cmp(a->object, b->object);

    return order ? order : (a->number > b->number) - (a->number < b->number);
}

static void gather(struct parts *parts, const struct model *model, struct slice provider)
{
    for (size_t i = 0; i < model->router_count; i++) {
        add_element(parts, &model->routers[i]->element, provider, true);
    }
    for (size_t i = 0; i < model->service_count; i++) {
        add_element(parts, &model->services[i]->element, provider, false);
    }
    for (size_t i = 0; i < model->middleware_count; i++) {
        add_element(parts, &model->middlewares[i]->element, provider, false);
    }
    for (size_t i = 0; i < model->transport_count; i++) {
        add_element(parts, &model->transports[i]->element, provider, false);
    }
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        for (size_t i = 0; i < model->layer4[kind].count; i++) {
            add_element(parts, model->layer4[kind].items[i], provider,
                        kind == TCP_ROUTER || kind == UDP_ROUTER);
        }
    }
    for (size_t i = 0; i < model->notice_count; i++) {
        const struct notice *notice = &model->notices[i];

        if (notice->origin.object.len && notice->origin.file.len == 0) {
            add_part(parts, (struct part){.object = notice->origin.object,
                                          .status = notice->is_error ? ELEMENT_DISABLED : ELEMENT_WARNING,
                                          .errors = &notice->text,
                                          .error_count = 1});
        }
    }
    if (parts->count) {
        qsort(parts->items, parts->count, sizeof(*parts->items), by_object);
    }
}

/* Those of one object; *count of them. */
static const struct part *parts_of(const struct parts *parts, struct slice object, size_t *count)
{
    size_t low = 0, high = parts->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(parts->items[middle].object, object) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *count = 0;
    while (low + *count < parts->count && slice_eq(parts->items[low + *count].object, object)) {
        (*count)++;
    }
    return &parts->items[low];
}

/* ---- one object ---- */
struct finding {
    size_t routes, routes_refused, refused, warned;
    uint64_t said[ERRORS_MOST]; /* hashes: nothing is told twice */
    size_t said_count, unsaid;
    struct text errors;
};

static bool said_before(struct finding *finding, struct slice text)
{
    uint64_t hash = hash_slice(0, text);

    for (size_t i = 0; i < finding->said_count; i++) {
        if (finding->said[i] == hash) {
            return true;
        }
    }
    if (finding->said_count == ERRORS_MOST) {
        finding->unsaid++;
        return true;
    }
    finding->said[finding->said_count++] = hash;
    return false;
}

/* Errors of what is refused first: whoever reads the beginning knows the worst. */
static void add_errors(struct finding *finding, const struct part *parts, size_t count,
                       enum element_status status)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; parts[i].status == status && j < parts[i].error_count; j++) {
            struct slice text = parts[i].errors[j];
            bool named = count > 1 && parts[i].name.len && !slice_has_prefix(text, SLICE("spec"));

            if (!said_before(finding, text)) {
                text_printf(&finding->errors, "%s%.*s%s%.*s", finding->errors.len ? "; " : "",
                            SLICE_ARG(named ? parts[i].name : SLICE("")), named ? ": " : "", SLICE_ARG(text));
            }
        }
    }
}

static void find(struct finding *finding, const struct part *parts, size_t count)
{
    *finding = (struct finding){.routes = 0};
    text_init(&finding->errors);
    for (size_t i = 0; i < count; i++) {
        finding->routes += parts[i].is_route;
        finding->routes_refused += parts[i].is_route && parts[i].status == ELEMENT_DISABLED;
        finding->refused += parts[i].status == ELEMENT_DISABLED;
        finding->warned += parts[i].status == ELEMENT_WARNING;
    }
    add_errors(finding, parts, count, ELEMENT_DISABLED);
    add_errors(finding, parts, count, ELEMENT_WARNING);
    if (finding->unsaid) {
        text_printf(&finding->errors, "; and %zu more", finding->unsaid);
    }
}

static void judge(struct kube_verdicts *verdicts, const struct kube_object *object,
                  const struct kube_resource *resource, const struct part *parts, size_t count,
                  const struct doc *balancer)
{
    enum kube_accepted accepted = KUBE_ACCEPTED;
    const char *reason = "Accepted";
    struct finding finding;
    struct text message;

    find(&finding, parts, count);
    text_init(&message);
    if (finding.refused) {
        bool partly = finding.routes > finding.routes_refused;

        accepted = KUBE_REFUSED;
        reason = partly ? "PartlyRefused" : "Refused";
        if (partly) {
            text_printf(&message, "%zu of %zu routes refused: ", finding.routes_refused, finding.routes);
        }
    } else if (finding.warned) {
        reason = "AcceptedWithWarnings";
    } else {
        text_add_cstr(&message, "in force");
    }
    text_add(&message, text_slice(&finding.errors));
    kube_verdict_add(verdicts, object, resource, accepted, reason, text_slice(&message), balancer);
    text_free(&finding.errors);
    text_free(&message);
}

/* ---- all ---- */
static bool is_claimed(const struct k8s_judging *judging, const struct kube_object *object)
{
    size_t low = 0, high = judging->claim_count; /* in the order of the store */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = store_order(judging->claims[middle], object);

        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static const struct kube_resource *resource_of(const struct k8s_judging *judging,
                                               const struct kube_object *object)
{
    for (const struct kube_resource *at = judging->resources; at->kind; at++) {
        if (at->status != KUBE_STATUS_NONE && slice_eq(object->kind, slice_cstr(at->kind)) &&
            slice_eq(object->group, slice_cstr(at->group))) {
            return at;
        }
    }
    return NULL;
}

static bool same_name(const struct kube_object *a, const struct kube_object *b)
{
    return slice_eq(a->kind, b->kind) && slice_eq(a->namespace, b->namespace) && slice_eq(a->name, b->name);
}

struct kube_verdicts *k8s_verdicts(const struct k8s_judging *judging, struct kube_store *store,
                                   const struct model *model, const struct static_config *config)
{
    struct kube_verdicts *verdicts = kube_verdicts_new(kube_store_ref(store));
    struct parts parts = {.pool = pool_new(65536, 0)};
    const struct kube_object **objects;
    const struct doc *balancer = NULL;
    size_t count = kube_objects(store, &objects);

    gather(&parts, model, slice_cstr(judging->provider));
    if (judging->balancer) {
        (void)judging->balancer(config, store, verdicts->pool, &balancer,
                                NULL); /* the load has said why not */
    }
    for (size_t i = 0; i < count; i++) {
        const struct kube_resource *resource = resource_of(judging, objects[i]);
        size_t part_count;

        if (resource == NULL) {
            continue;
        }
        const struct part *own = parts_of(&parts, objects[i]->origin.object, &part_count);

        if (resource->status == KUBE_STATUS_BALANCER ? !is_claimed(judging, objects[i]) : part_count == 0) {
            continue; /* for somebody else */
        }
        if (i + 1 < count && same_name(objects[i], objects[i + 1]) && resource_of(judging, objects[i + 1])) {
            kube_verdict_add(verdicts, objects[i], resource, KUBE_REFUSED, "Superseded",
                             SLICE("there is one of this name in the newer API group, which counts: remove "
                                   "this one"),
                             NULL);
            continue;
        }
        judge(verdicts, objects[i], resource, own, part_count, balancer);
    }
    pool_free(parts.pool);
    return verdicts;
}

struct kube_verdicts *k8s_judge(const struct static_config *config, const struct provider_state *state,
                                const struct model *model)
{
    const struct k8s_live *live = k8s_state_live_const(state);

    if (live->live == NULL || live->stale || !kube_live_leads(live->live)) {
        return NULL;
    }
    return k8s_verdicts(&live->judging, k8s_state_store(state), model, config);
}

void k8s_judged(struct provider_state *state, struct kube_verdicts *verdicts)
{
    struct k8s_live *live = k8s_state_live(state);

    if (live->live) {
        kube_live_judged(live->live, verdicts);
    } else {
        kube_verdicts_free(verdicts);
    }
}
