/*
 * model.c - keeping the objects of a dynamic configuration: making, adding, sorting, finding them, noting errors.
 *
 * Not here: those of TCP, UDP, TLS (layer4.c), what the objects mean (dynamic.c has the options), who refers to whom
 * (master/resolve).
 */
#include "common/base/memory.h"
#include "common/model/dynamic.h"
#include "common/rule/rule.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MODEL_POOL_FIRST 4096
/* Of an element: whoever writes an object chooses how many things are wrong with it. */
#define ERRORS_MOST 32u

struct model *model_new(void)
{
    struct pool *pool = pool_new(MODEL_POOL_FIRST, 0);
    struct model *model = pool_zalloc(pool, sizeof *model);

    model->pool = pool;
    return model;
}

void model_free(struct model *model)
{
    if (model == NULL) {
        return;
    }
    void (*release)(void *) = model->release;
    void *context = model->release_context;

    for (size_t i = 0; i < model->router_count; i++) {
        rule_free(model->routers[i]->rule);
    }
    for (size_t i = 0; i < model->service_count; i++) {
        pool_free(model->services[i]->servers_pool);
    }
    layer4_free(model);
    for (struct model *patch = model->patches, *next; patch; patch = next) {
        next = patch->next;
        model_free(patch);
    }
    pool_free(model->pool); /* the model itself lives there */
    if (release) {
        release(context);
    }
}

void *model_object_new(struct model *model, size_t size, struct slice name, struct slice provider)
{
    struct element *element =
        pool_zalloc(model->pool, size); /* struct element is the first member of every object */

    element->name = pool_copy(model->pool, name);
    element->provider = pool_copy(model->pool, provider);
    return element;
}

struct http_router *model_adopt_router(struct model *model, struct slice name, struct slice provider)
{
    struct http_router *router = pool_zalloc(model->pool, sizeof(*router));

    router->element.name = name;
    router->element.provider = provider;
    model->routers = pool_grow(model->pool, model->routers, model->router_count, &model->router_capacity,
                               sizeof(*model->routers));
    model->routers[model->router_count++] = router;
    return router;
}

#define MODEL_ADD(function, type, array, count, capacity)                                                    \
    struct type *function(struct model *model, struct slice name, struct slice provider)                     \
    {                                                                                                        \
        struct type *object = model_object_new(model, sizeof *object, name, provider);                       \
        model->array =                                                                                       \
            pool_grow(model->pool, model->array, model->count, &model->capacity, sizeof *model->array);      \
        model->array[model->count++] = object;                                                               \
        return object;                                                                                       \
    }

MODEL_ADD(model_add_router, http_router, routers, router_count, router_capacity)
MODEL_ADD(model_add_service, http_service, services, service_count, service_capacity)
MODEL_ADD(model_add_middleware, http_middleware, middlewares, middleware_count, middleware_capacity)
MODEL_ADD(model_add_transport, servers_transport, transports, transport_count, transport_capacity)

#define WHOLE (SIZE_MAX - 1) /* operators need the end of a message too */

void model_notice(struct model *model, bool is_error, const struct origin *origin, const char *format, ...)
{
    struct notice *notice;
    va_list args;

    model->notices = pool_grow(model->pool, model->notices, model->notice_count, &model->notice_capacity,
                               sizeof *model->notices);
    notice = &model->notices[model->notice_count++];
    memset(notice, 0, sizeof *notice);
    notice->is_error = is_error;
    if (origin) {
        notice->origin.file = pool_copy(model->pool, origin->file);
        notice->origin.object = pool_copy(model->pool, origin->object);
        notice->origin.line = origin->line;
    }
    va_start(args, format);
    notice->text = pool_vprintf(model->pool, WHOLE, format, args);
    va_end(args);
}

static void error_add(struct model *model, struct element *element, struct slice text)
{
    size_t count = element->errors.count;
    struct slice *grown = pool_alloc(model->pool, (count + 1) * sizeof *grown);

    if (count) {
        memcpy(grown, element->errors.items, count * sizeof *grown);
    }
    grown[count] = text;
    element->errors = (struct list){grown, count + 1};
}

void element_error(struct model *model, struct element *element, bool critical, const char *format, ...)
{
    const struct slice *items = element->errors.items;
    struct slice text;
    va_list args;

    va_start(args, format);
    text = pool_vprintf(model->pool, WHOLE, format, args);
    va_end(args);
    for (size_t i = 0; i < element->errors.count; i++) {
        if (slice_eq(items[i], text)) {
            return; /* the same error is found once for every way that leads to it */
        }
    }
    if (element->errors.count < ERRORS_MOST) {
        error_add(model, element, text);
    } else if (element->errors.count == ERRORS_MOST) {
        error_add(model, element, SLICE("there are more errors than are told"));
    }
    if (critical) {
        element->status = ELEMENT_DISABLED;
    } else if (element->status == ELEMENT_ENABLED) {
        element->status = ELEMENT_WARNING;
    }
}

/* Merges the sorted halves of [low, high) of `from` into `to`. Stable, unlike qsort(). */
static void merge(void *const *from, void **to, size_t low, size_t middle, size_t high)
{
    size_t left = low, right = middle;

    for (size_t at = low; at < high; at++) {
        const struct element *a = left < middle ? from[left] : NULL, *b = right < high ? from[right] : NULL;

        to[at] = a && (b == NULL || slice_cmp(a->name, b->name) <= 0) ? from[left++] : from[right++];
    }
}

static bool in_order(void *const *array, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (slice_cmp(((struct element *)array[i - 1])->name, ((struct element *)array[i])->name) > 0) {
            return false;
        }
    }
    return true;
}

void model_objects_sort(void *objects, size_t count)
{
    void **from = objects, **to;

    if (count < 2 || in_order(from, count)) {
        return;
    }
    to = xmalloc(count * sizeof(*to));
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = low + 2 * width < count ? low + 2 * width : count;

            merge(from, to, low, middle, high);
        }
        void **swap = from;

        from = to;
        to = swap;
    }
    if (from != objects) { /* the last round ended in the other array, which is then called `from` */
        memcpy(objects, from, count * sizeof(*from));
        to = from;
    }
    free(to);
}

void model_sort(struct model *model)
{
    model_objects_sort(model->routers, model->router_count);
    model_objects_sort(model->services, model->service_count);
    model_objects_sort(model->middlewares, model->middleware_count);
    model_objects_sort(model->transports, model->transport_count);
    layer4_sort(model);
}

void *model_objects_find(void *objects, size_t count, struct slice name)
{
    struct element **elements = objects;
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_cmp(elements[middle]->name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && slice_eq(elements[low]->name, name) ? elements[low] : NULL;
}

struct http_router *model_find_router(const struct model *model, struct slice name)
{
    return model_objects_find(model->routers, model->router_count, name);
}

struct http_service *model_find_service(const struct model *model, struct slice name)
{
    return model_objects_find(model->services, model->service_count, name);
}

struct http_middleware *model_find_middleware(const struct model *model, struct slice name)
{
    return model_objects_find(model->middlewares, model->middleware_count, name);
}

struct servers_transport *model_find_transport(const struct model *model, struct slice name)
{
    return model_objects_find(model->transports, model->transport_count, name);
}

bool service_tells_health(const struct service_config *config)
{
    if (config->load_balancer) {
        return config->load_balancer->health_check != NULL;
    }
    if (config->weighted || config->highest_random_weight) {
        return (config->weighted ? config->weighted : config->highest_random_weight)->health_check != NULL;
    }
    return (config->mirroring && config->mirroring->health_check) ||
           (config->failover && config->failover->health_check);
}
