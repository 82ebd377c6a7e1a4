/*
 * kubernetes_ingress_annotation.c - annotations of today's Traefik as the tree that a table decodes.
 *
 * traefik.ingress.kubernetes.io/router.tls.domains.0.main: a.test becomes {tls: {domains: [{main: a.test}]}} for the
 * group "router". Every node keeps its annotation's line. Not here: what the options mean.
 */
#include "master/provider/kubernetes_ingress.h"

#include <stdlib.h>

#include "common/base/text.h"

#define DEPTH_MAX 8
#define NGINX_ANNOTATIONS SLICE("nginx.ingress.kubernetes.io/")

/* What follows "traefik.ingress.kubernetes.io/<group>." or is empty. */
static struct slice rest_of(struct slice key, struct slice group)
{
    struct slice prefix = SLICE(INGRESS_ANNOTATIONS), rest;

    if (!slice_has_prefix(key, prefix)) {
        return SLICE("");
    }
    rest = slice_from(key, prefix.len);
    if (rest.len <= group.len + 1 || !slice_eq_nocase(slice_head(rest, group.len), group) ||
        rest.ptr[group.len] != '.') {
        return SLICE("");
    }
    return slice_from(rest, group.len + 1);
}

static struct doc *child_nocase(const struct doc *map, struct slice key)
{
    for (size_t i = 0; i < map->map.count; i++) {
        if (slice_eq_nocase(map->map.entries[i].key, key)) {
            return map->map.entries[i].value;
        }
    }
    return NULL;
}

static struct doc *node_like(struct pool *pool, enum doc_kind kind, const struct doc *like)
{
    struct doc *node = doc_new(pool, kind);

    node->file = like->file;
    node->line = like->line;
    node->column = like->column;
    return node;
}

static void add(struct pool *pool, struct doc *map, struct slice key, struct doc *value, uint32_t line)
{
    doc_map_set(pool, map, key, value);
    for (size_t i = 0; i < map->map.count; i++) {
        if (slice_eq(map->map.entries[i].key, key)) {
            map->map.entries[i].line = line;
        }
    }
}

static bool says_false(const struct doc *node)
{
    bool value = true;

    return node && node->kind != DOC_MAP && parse_bool(doc_text(node, SLICE("")), &value, NULL) == 0 &&
           !value;
}

/* `tls: "true"` beside `tls.options: x` is the same as `tls.options` alone; `tls: "false"` beside it is the same as
 * nothing. */
static void put(struct pool *pool, struct doc *root, struct slice rest, const struct doc_entry *entry)
{
    struct doc *map = root;
    unsigned depth = 0;

    while (rest.ptr) {
        struct slice step = slice_split(&rest, '.');
        struct doc *child = child_nocase(map, step);
        bool last = rest.ptr == NULL || depth == DEPTH_MAX;

        if (last && child && child->kind == DOC_MAP && !says_false(entry->value)) {
            return;
        }
        if (!last && says_false(child)) {
            return;
        }
        if (last) {
            add(pool, map, step, entry->value, entry->line);
            return;
        }
        if (child == NULL || child->kind != DOC_MAP) {
            struct doc *made = node_like(pool, DOC_MAP, entry->value);

            for (size_t i = 0; child && i < map->map.count; i++) {
                if (map->map.entries[i].value == child) {
                    map->map.entries[i].value = made;
                }
            }
            if (child == NULL) {
                add(pool, map, step, made, entry->line);
            }
            child = made;
        }
        map = child;
        depth++;
    }
}

struct numbered {
    uint64_t number;
    struct doc *value;
};

static int by_number(const void *a, const void *b)
{
    const struct numbered *left = a, *right = b;

    return (left->number > right->number) - (left->number < right->number);
}

/* A map whose keys are all numbers is a list. */
static struct doc *with_lists(struct pool *pool, struct doc *node)
{
    size_t numbers = 0;

    if (node->kind != DOC_MAP || node->map.count == 0) {
        return node;
    }
    struct numbered *items = pool_alloc(pool, node->map.count * sizeof(*items));

    for (size_t i = 0; i < node->map.count; i++) {
        node->map.entries[i].value = with_lists(pool, node->map.entries[i].value);
        items[i].value = node->map.entries[i].value;
        numbers += slice_to_u64(node->map.entries[i].key, &items[i].number);
    }
    if (numbers < node->map.count) {
        return node;
    }
    struct doc *list = node_like(pool, DOC_LIST, node);

    qsort(items, numbers, sizeof(*items), by_number);
    for (size_t i = 0; i < numbers; i++) {
        doc_list_add(pool, list, items[i].value);
    }
    return list;
}

bool ingress_has_annotations(const struct doc *annotations, const char *group)
{
    for (size_t i = 0; annotations && annotations->kind == DOC_MAP && i < annotations->map.count; i++) {
        if (rest_of(annotations->map.entries[i].key, slice_cstr(group)).len) {
            return true;
        }
    }
    return false;
}

bool ingress_annotations(struct k8s *k8s, const struct k8s_place *place, const struct doc *annotations,
                         const char *group, const struct schema *schema, void *object,
                         struct element *element)
{
    struct pool *pool = k8s->scratch;
    struct k8s_place at =
        k8s_step(k8s, place, annotations, "metadata.annotations." INGRESS_ANNOTATIONS "%s", group);
    struct doc none = {.kind = DOC_NULL}, *root = node_like(pool, DOC_MAP, annotations ? annotations : &none);

    for (size_t i = 0; annotations && annotations->kind == DOC_MAP && i < annotations->map.count; i++) {
        const struct doc_entry *entry = &annotations->map.entries[i];
        struct slice rest = rest_of(entry->key, slice_cstr(group));

        if (rest.len) {
            put(pool, root, rest, entry);
        }
    }
    at.node = with_lists(pool, root);
    return k8s_decode(k8s, &at, schema, SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES, object, element);
}

void ingress_note_nginx(struct k8s *k8s, const struct ingress *ingress)
{
    const struct doc *annotations = ingress->annotations, *first = NULL;
    struct text names;

    text_init(&names);
    for (size_t i = 0; annotations && annotations->kind == DOC_MAP && i < annotations->map.count; i++) {
        const struct doc_entry *entry = &annotations->map.entries[i];

        if (slice_has_prefix(entry->key, NGINX_ANNOTATIONS)) {
            text_printf(&names, "%s%.*s", first ? ", " : "",
                        SLICE_ARG(slice_from(entry->key, NGINX_ANNOTATIONS.len)));
            first = first ? first : entry->value;
        }
    }
    if (first) {
        struct k8s_place at = k8s_step(k8s, &ingress->place, first, "metadata.annotations");

        k8s_warn(k8s, &at,
                 "those of ingress-nginx have no effect here (%.*s): write Middlewares, and their names "
                 "into " INGRESS_ANNOTATIONS "router.middlewares",
                 SLICE_ARG(text_slice(&names)));
    }
    text_free(&names);
}
