/*
 * layers.c - routing in layers: which routers are children of which, and what keeps a router out of the tree.
 *
 * A router that names parents has no entry points of its own: its parents hand requests on to it, behind their
 * middlewares. Where entry points' options made several routers of one parent, all of them are parents. Errors are worded
 * as Traefik's, and what it leaves out of the tree is left out here.
 *
 * Not here: what else is wrong with a router (routers.c), the ways through the tree (master/compile/plan.c).
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "master/resolve/resolver.h"

struct layers {
    struct resolver *resolver;
    struct model *model;
    struct name_table names;
    uint32_t
        *made; /* positions of routers that entry points made of others, in order of what they were made of */
    size_t made_count;
    size_t *capacities; /* of each router's children */
    bool *left_out;     /* by its provider or for its TLS: it is shown, and nobody's parent or child */
    bool *seen;         /* from some root */
};

struct step { /* the way from a root to a router: on the stack */
    const struct step *above;
    uint32_t router;
    unsigned depth;
};

/* ---- names of parents ---- */

static int made_order(const void *a, const void *b, void *context)
{
    struct http_router *const *routers = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = slice_cmp(routers[x]->made_of, routers[y]->made_of);

    return order ? order : x < y ? -1 : x > y;
}

static void made_sort(struct layers *layers)
{
    struct model *model = layers->model;

    layers->made = xcalloc(model->router_count + 1, sizeof(*layers->made));
    for (size_t i = 0; i < model->router_count; i++) {
        if (model->routers[i]->made_of.len) {
            layers->made[layers->made_count++] = (uint32_t)i;
        }
    }
    qsort_r(layers->made, layers->made_count, sizeof(*layers->made), made_order, model->routers);
}

/* Adds the names of those that were made of `name`. */
static void made_add(const struct layers *layers, struct slice name, struct list *out, size_t *capacity)
{
    struct http_router *const *routers = layers->model->routers;
    size_t low = 0, high = layers->made_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(routers[layers->made[middle]]->made_of, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < layers->made_count && slice_eq(routers[layers->made[low]]->made_of, name); low++) {
        if (!layers->left_out[layers->made[low]]) {
            list_add_slice(layers->model->pool, out, capacity, routers[layers->made[low]]->element.name);
        }
    }
}

static uint32_t find(const struct layers *layers, struct slice name)
{
    uint32_t position = name_table_find(layers->model->pool, &layers->names, name, SLICE(""));

    return position == NOWHERE || layers->left_out[position] ? NOWHERE : position;
}

/* Where any entry point adds something to its routers, a name that nobody has is dropped, as Traefik does. */
static void parents_name(const struct layers *layers, struct http_router *router, bool models)
{
    struct pool *pool = layers->model->pool;
    const struct list from = router->config.parent_refs;
    struct list out = {NULL, 0};
    size_t capacity = 0;

    for (size_t i = 0; i < from.count; i++) {
        struct slice name = qualified(pool, ((const struct slice *)from.items)[i], router->element.provider);

        if (!models || find(layers, name) != NOWHERE) {
            list_add_slice(pool, &out, &capacity, name);
        }
        if (models) {
            made_add(layers, name, &out, &capacity);
        }
    }
    router->config.parent_refs = out;
    router->child = out.count > 0;
}

/* ---- the tree ---- */

/* Children come in their order: one that named this parent before is the last. */
static void child_add(const struct layers *layers, uint32_t parent, uint32_t child)
{
    struct http_router *router = layers->model->routers[parent];
    uint32_t *items = (uint32_t *)(uintptr_t)router->children.items;

    if (router->children.count && items[router->children.count - 1] == child) {
        return;
    }
    items = pool_grow(layers->model->pool, items, router->children.count, &layers->capacities[parent],
                      sizeof(*items));
    items[router->children.count] = child;
    router->children = (struct list){items, router->children.count + 1};
}

/* With TLS of its own and no entry point, which is where TLS options are agreed on: there is no such router. */
static void secure_leave_out(const struct layers *layers, uint32_t position)
{
    struct http_router *router = layers->model->routers[position];

    if (!layers->left_out[position] && router->config.tls && router->config.entry_points.count == 0) {
        element_error(layers->model, &router->element, true, "non-root router cannot have TLS configuration");
        layers->left_out[position] = true;
    }
}

static void parents_check(const struct layers *layers, uint32_t position)
{
    struct http_router *router = layers->model->routers[position];
    const struct slice *names = router->config.parent_refs.items;
    const char *wrong = router->config.tls                  ? "TLS"
                        : router->config.observability      ? "Observability"
                        : router->config.entry_points.count ? "Entrypoints"
                                                            : NULL;

    if (layers->left_out[position]) {
        layers->seen[position] = true;
        return;
    }
    for (size_t i = 0; i < router->config.parent_refs.count; i++) {
        uint32_t parent = find(layers, names[i]);

        if (parent == NOWHERE) {
            element_error(layers->model, &router->element, true, "parent router \"%.*s\" does not exist",
                          SLICE_ARG(names[i]));
        } else {
            child_add(layers, parent, position);
        }
    }
    if (wrong) {
        element_error(layers->model, &router->element, true, "non-root router cannot have %s configuration",
                      wrong);
    }
}

static void circle_tell(const struct layers *layers, const struct step *step, uint32_t victim)
{
    struct http_router *guilty = layers->model->routers[step->router];
    struct slice way = layers->model->routers[victim]->element.name;

    for (const struct step *at = step; at->router != victim; at = at->above) {
        way = pool_printf(layers->model->pool, "%.*s -> %.*s",
                          SLICE_ARG(layers->model->routers[at->router]->element.name), SLICE_ARG(way));
    }
    element_error(layers->model, &guilty->element, false,
                  "cyclic reference detected in router tree: %.*s -> %.*s",
                  SLICE_ARG(layers->model->routers[victim]->element.name), SLICE_ARG(way));
    guilty->in_circle = true;
}

static bool stands_above(const struct step *step, uint32_t router)
{
    while (step && step->router != router) {
        step = step->above;
    }
    return step != NULL;
}

/* From a router down; a child that stands above it is no child. */
static void descend(const struct layers *layers, const struct step *step)
{
    struct http_router *router = layers->model->routers[step->router];
    uint32_t *children = (uint32_t *)(uintptr_t)router->children.items;
    size_t kept = 0;

    layers->seen[step->router] = true;
    if (step->depth > DEPTH_MAX) {
        element_error(layers->model, &router->element, true, "too many routers stand above it");
        router->children.count = 0;
        return;
    }
    for (size_t i = 0; i < router->children.count; i++) {
        struct step below = {.above = step, .router = children[i], .depth = step->depth + 1};

        if (stands_above(step, children[i])) {
            circle_tell(layers, step, children[i]);
            continue;
        }
        if (!layers->seen[children[i]]) {
            descend(layers, &below);
        }
        children[kept++] = children[i];
    }
    router->children.count = kept;
}

static void tree_check(const struct layers *layers, struct http_router *router, bool seen)
{
    const char *wrong = !seen ? "router is not reachable"
                        : router->config.service.len && router->children.count
                            ? "router has both a service and is referenced as a parent by other routers"
                        : router->child && router->config.service.len == 0 && router->children.count == 0 &&
                                router->element.status != ELEMENT_DISABLED
                            ? "router has no service and no child routers"
                            : NULL;

    if (wrong) {
        element_error(layers->model, &router->element, true, "%s", wrong);
    }
}

void layers_resolve(struct resolver *resolver)
{
    struct model *model = resolver->model;
    struct layers layers = {.resolver = resolver, .model = model};
    bool any = false, models = false;

    for (size_t i = 0; i < model->router_count && !any; i++) {
        any = model->routers[i]->config.parent_refs.count > 0;
    }
    model->layered = any;
    if (!any) {
        return;
    }
    for (size_t i = 0; i < resolver->point_count; i++) {
        models = models || resolver->points[i].adds;
    }
    name_table_make(model->pool, &layers.names, model->routers, model->router_count);
    layers.capacities = xcalloc(model->router_count + 1, sizeof(*layers.capacities));
    layers.seen = xcalloc(model->router_count + 1, sizeof(*layers.seen));
    made_sort(&layers);
    layers.left_out = xcalloc(model->router_count + 1, sizeof(*layers.left_out));
    for (size_t i = 0; i < model->router_count; i++) {
        layers.left_out[i] = model->routers[i]->element.status == ELEMENT_DISABLED;
    }
    for (size_t i = 0; i < model->router_count; i++) {
        if (model->routers[i]->config.parent_refs.count) {
            parents_name(&layers, model->routers[i], models);
        }
    }
    for (size_t i = 0; i < model->router_count; i++) {
        if (model->routers[i]->child) {
            secure_leave_out(&layers, (uint32_t)i);
        }
    }
    for (size_t i = 0; i < model->router_count; i++) {
        if (model->routers[i]->child) {
            parents_check(&layers, (uint32_t)i);
        }
    }
    for (size_t i = 0; i < model->router_count; i++) {
        if (!model->routers[i]->child && !layers.seen[i]) {
            descend(&layers, &(struct step){.router = (uint32_t)i});
        }
    }
    for (size_t i = 0; i < model->router_count; i++) {
        tree_check(&layers, model->routers[i], layers.seen[i]);
    }
    free(layers.made);
    free(layers.capacities);
    free(layers.left_out);
    free(layers.seen);
}

bool layers_children_check(struct resolver *resolver, struct http_router *router)
{
    const uint32_t *children = router->children.items;
    size_t served = 0;

    for (size_t i = 0; i < router->children.count; i++) {
        const struct http_router *child = resolver->model->routers[children[i]];

        served += child->element.status != ELEMENT_DISABLED && !child->in_circle;
    }
    if (served == 0) {
        element_error(resolver->model, &router->element, true,
                      "building child routers muxer: no child routers could be added to muxer (%zu skipped)",
                      router->children.count);
    }
    return served > 0;
}
