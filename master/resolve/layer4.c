/*
 * layer4.c - what resolving TCP, UDP and TLS has in common: merging, names, entry points, users.
 *
 * TLS options and stores called "default" are for all providers and keep that name; defined twice they are none, as in
 * Traefik.
 */
#include "master/resolve/resolver.h"

#define DEFAULT SLICE("default")

static bool shared_name(enum layer4_kind kind, struct slice name)
{
    return (kind == TLS_OPTIONS || kind == TLS_STORE) && slice_eq(name, DEFAULT);
}

void layer4_take(struct resolver *resolver, const struct model *from)
{
    struct pool *pool = resolver->model->pool;

    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        for (size_t i = 0; i < from->layer4[kind].count; i++) {
            const struct element *element = from->layer4[kind].items[i];
            struct slice name = shared_name(kind, element->name)
                                    ? element->name
                                    : qualified(pool, element->name, element->provider);
            struct element *to = layer4_add(resolver->model, kind, name, element->provider);

            name = to->name;
            memcpy(to, element, layer4_types[kind].size);
            to->name = name;
        }
    }
}

/* Two namespaces of one provider: neither decides about the routers of the others, so the options of the house hold. */
static void use_those_of_the_house(struct resolver *resolver, struct element *options)
{
    options->status = ELEMENT_ENABLED;
    options->errors = (struct list){0};
    schema_defaults(layer4_types[TLS_OPTIONS].schema, resolver->model->pool,
                    layer4_config(TLS_OPTIONS, options));
}

/* Two of them: the first stays, disabled, so that what is wrong can be seen. */
static void refuse_twice(struct resolver *resolver, enum layer4_kind kind)
{
    const struct layer4_objects *objects = &resolver->model->layer4[kind];

    for (size_t i = 1; i < objects->count; i++) {
        const struct element *other = objects->items[i];
        struct element *first = objects->items[i - 1];

        if (slice_eq(other->name, DEFAULT) && slice_eq(first->name, DEFAULT)) {
            bool house = kind == TLS_OPTIONS && slice_eq(first->provider, other->provider);

            if (house) {
                use_those_of_the_house(resolver, first);
            }
            element_error(resolver->model, first, !house,
                          "the default is defined a second time (%.*s%s%.*s:%u): none of them is used",
                          SLICE_ARG(other->origin.object), other->origin.object.len ? " " : "",
                          SLICE_ARG(other->origin.file), other->origin.line);
            return;
        }
    }
}

void layer4_unique(struct resolver *resolver)
{
    refuse_twice(resolver, TLS_OPTIONS);
    refuse_twice(resolver, TLS_STORE);
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        struct layer4_objects *objects = &resolver->model->layer4[kind];

        objects->count = unique(resolver->model, layer4_types[kind].name, objects->items, objects->count);
    }
}

void layer4_tables(struct resolver *resolver)
{
    struct pool *pool = resolver->model->pool;

    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        const struct layer4_objects *objects = &resolver->model->layer4[kind];

        name_table_make(pool, &resolver->layer4[kind], objects->items, objects->count);
        resolver->layer4_visits[kind] = pool_zalloc(pool, objects->count + 1);
        resolver->layer4_user_room[kind] =
            pool_zalloc(pool, (objects->count + 1) * sizeof(*resolver->layer4_user_room[kind]));
    }
}

void layer4_points(struct resolver *resolver, struct element *element, const struct list *wanted, bool tcp,
                   struct list *out)
{
    const struct slice *names = wanted->items;
    size_t capacity = 0;

    for (size_t i = 0; i < wanted->count; i++) {
        const struct entry_point_model *point = point_find(resolver, names[i]);

        if (point == NULL || point->tcp != tcp) {
            point_missing(resolver, element, names[i], tcp);
        }
    }
    for (size_t i = 0; i < resolver->point_count; i++) {
        for (size_t k = 0; k < wanted->count; k++) {
            if (resolver->points[i].tcp == tcp && slice_eq(resolver->points[i].name, names[k])) {
                list_add_slice(resolver->model->pool, out, &capacity, resolver->points[i].name);
                break;
            }
        }
    }
    if (out->count == 0) {
        element_error(resolver->model, element, true, "no valid entryPoint for this router");
    }
}

void layer4_used(struct resolver *resolver, enum layer4_kind kind, struct slice name,
                 const struct element *router)
{
    struct pool *pool = resolver->model->pool;
    uint32_t position = name_table_find(pool, &resolver->layer4[kind], name, router->provider);

    if (position == NOWHERE) {
        return;
    }
    list_add_slice(pool, &resolver->model->layer4[kind].items[position]->used_by,
                   &resolver->layer4_user_room[kind][position], router->name);
}
