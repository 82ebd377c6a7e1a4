/*
 * doc.c - the document tree itself: building, reading, comparing, writing as JSON. See doc.h.
 *
 * Not here: the readers (yaml.c, json.c, toml.c) and what they share (doc_internal.c).
 */
#include "common/doc/doc.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/doc/doc_internal.h"

struct doc *doc_make(struct pool *pool, enum doc_kind kind, struct slice file, size_t line, size_t column)
{
    struct doc *node = pool_zalloc(pool, sizeof(*node));

    node->kind = kind;
    node->file = file;
    node->line = line > UINT32_MAX ? UINT32_MAX : (uint32_t)line;
    node->column = column > UINT32_MAX ? UINT32_MAX : (uint32_t)column;
    return node;
}

struct doc *doc_new(struct pool *pool, enum doc_kind kind)
{
    return doc_make(pool, kind, (struct slice){0}, 0, 0);
}

struct doc *doc_new_string(struct pool *pool, struct slice text)
{
    struct doc *node = doc_new(pool, DOC_STRING);

    node->text = pool_copy(pool, text);
    return node;
}

void doc_list_add(struct pool *pool, struct doc *list, struct doc *item)
{
    list->list.items =
        pool_grow(pool, list->list.items, list->list.count, &list->list.capacity, sizeof(*list->list.items));
    list->list.items[list->list.count++] = item;
}

void doc_map_append(struct pool *pool, struct doc *map, struct slice key, size_t line, struct doc *value)
{
    map->map.entries =
        pool_grow(pool, map->map.entries, map->map.count, &map->map.capacity, sizeof(*map->map.entries));
    map->map.entries[map->map.count++] = (struct doc_entry){
        .key = key,
        .line = line > UINT32_MAX ? UINT32_MAX : (uint32_t)line,
        .value = value,
    };
}

static struct doc_entry *find(const struct doc *node, struct slice key)
{
    if (node == NULL || node->kind != DOC_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < node->map.count; i++) {
        if (slice_eq(node->map.entries[i].key, key)) {
            return &node->map.entries[i];
        }
    }
    return NULL;
}

void doc_map_set(struct pool *pool, struct doc *map, struct slice key, struct doc *value)
{
    struct doc_entry *entry = find(map, key);

    if (entry) {
        entry->value = value;
        return;
    }
    doc_map_append(pool, map, pool_copy(pool, key), value->line, value);
}

struct doc *doc_get(const struct doc *node, const char *key)
{
    struct doc_entry *entry = find(node, slice_cstr(key));

    return entry ? entry->value : NULL;
}

struct doc *doc_path(const struct doc *node, ...)
{
    struct doc *at = (struct doc *)node;
    va_list keys;

    va_start(keys, node);
    for (const char *key = va_arg(keys, const char *); key; key = va_arg(keys, const char *)) {
        at = doc_get(at, key);
    }
    va_end(keys);
    return at;
}

struct slice doc_text(const struct doc *node, struct slice fallback)
{
    if (node == NULL || node->kind == DOC_NULL || node->kind == DOC_LIST || node->kind == DOC_MAP) {
        return fallback;
    }
    return node->text;
}

bool doc_int(const struct doc *node, int64_t *out)
{
    if (node == NULL || node->kind != DOC_INT) {
        return false;
    }
    *out = node->integer;
    return true;
}

bool doc_bool(const struct doc *node, bool *out)
{
    if (node == NULL || node->kind != DOC_BOOL) {
        return false;
    }
    *out = node->boolean;
    return true;
}

/* Keys of nearly every object of Kubernetes: clones share them, so that a look for one of them stays in the cache. Sorted. */
static const char *const common_keys[] = {
    "addresses",
    "annotations",
    "apiVersion",
    "clusterIP",
    "conditions",
    "controller",
    "creationTimestamp",
    "endpoints",
    "entryPoints",
    "host",
    "http",
    "kind",
    "kubernetes.io/service-name",
    "labels",
    "match",
    "metadata",
    "middlewares",
    "name",
    "namespace",
    "number",
    "ownerReferences",
    "path",
    "pathType",
    "paths",
    "port",
    "ports",
    "priority",
    "protocol",
    "ready",
    "routes",
    "rules",
    "selector",
    "service",
    "services",
    "serving",
    "spec",
    "status",
    "targetPort",
    "terminating",
    "type",
    "uid",
    "weight",
};

/* ptr NULL: it is none of them. */
static struct slice common_key(struct slice key)
{
    size_t low = 0, high = ARRAY_LEN(common_keys);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct slice at = slice_cstr(common_keys[middle]);
        int order = slice_cmp(at, key);

        if (order == 0) {
            return at;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (struct slice){NULL, 0};
}

static size_t rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

size_t doc_clone_bytes(const struct doc *node)
{
    size_t bytes = rounded(sizeof(*node)) + rounded(node->file.len + 1) + rounded(node->text.len + 1);

    if (node->kind == DOC_LIST) {
        bytes += rounded(node->list.count * sizeof(*node->list.items));
        for (size_t i = 0; i < node->list.count; i++) {
            bytes += doc_clone_bytes(node->list.items[i]);
        }
    } else if (node->kind == DOC_MAP) {
        bytes += rounded(node->map.count * sizeof(*node->map.entries));
        for (size_t i = 0; i < node->map.count; i++) {
            const struct doc_entry *entry = &node->map.entries[i];

            bytes += common_key(entry->key).ptr ? 0 : rounded(entry->key.len + 1);
            bytes += doc_clone_bytes(entry->value);
        }
    }
    return bytes;
}

struct doc *doc_clone(struct pool *pool, const struct doc *node)
{
    struct doc *copy = pool_alloc(pool, sizeof(*copy));

    *copy = *node;
    copy->file = node->file.len ? pool_copy(pool, node->file) : (struct slice){0};
    copy->text = node->text.ptr ? pool_copy(pool, node->text) : (struct slice){0};
    if (node->kind == DOC_LIST) {
        copy->list.capacity = node->list.count;
        copy->list.items = pool_alloc(pool, node->list.count * sizeof(*copy->list.items));
        for (size_t i = 0; i < node->list.count; i++) {
            copy->list.items[i] = doc_clone(pool, node->list.items[i]);
        }
    } else if (node->kind == DOC_MAP) {
        copy->map.capacity = node->map.count;
        copy->map.entries = pool_alloc(pool, node->map.count * sizeof(*copy->map.entries));
        for (size_t i = 0; i < node->map.count; i++) {
            const struct doc_entry *entry = &node->map.entries[i];
            struct slice key = common_key(entry->key);

            copy->map.entries[i] = (struct doc_entry){
                .key = key.ptr ? key : pool_copy(pool, entry->key),
                .line = entry->line,
                .value = doc_clone(pool, entry->value),
            };
        }
    }
    return copy;
}

static int by_key(const void *a, const void *b)
{
    const struct doc_entry *const *left = a, *const *right = b;

    return slice_cmp((*left)->key, (*right)->key);
}

/* New array of pointers to the entries in the order of their keys; free() it. */
static const struct doc_entry **sorted_entries(const struct doc *map)
{
    const struct doc_entry **sorted = xmalloc(map->map.count * sizeof(*sorted) + 1);

    for (size_t i = 0; i < map->map.count; i++) {
        sorted[i] = &map->map.entries[i];
    }
    qsort(sorted, map->map.count, sizeof(*sorted), by_key);
    return sorted;
}

/* Large maps are sorted first: comparing each key with each would take quadratic time. */
static bool large_maps_equal(const struct doc *a, const struct doc *b)
{
    const struct doc_entry **left = sorted_entries(a), **right = sorted_entries(b);
    bool equal = true;

    for (size_t i = 0; equal && i < a->map.count; i++) {
        equal = slice_eq(left[i]->key, right[i]->key) && doc_equal(left[i]->value, right[i]->value);
    }
    free(left);
    free(right);
    return equal;
}

static bool maps_equal(const struct doc *a, const struct doc *b)
{
    if (a->map.count != b->map.count) {
        return false;
    }
    if (a->map.count > 32) {
        return large_maps_equal(a, b);
    }
    for (size_t i = 0; i < a->map.count; i++) {
        const struct doc_entry *mine = &a->map.entries[i], *other = &b->map.entries[i];

        if (!slice_eq(mine->key, other->key)) {
            other = find(b, mine->key);
        }
        if (other == NULL || !doc_equal(mine->value, other->value)) {
            return false;
        }
    }
    return true;
}

bool doc_equal(const struct doc *a, const struct doc *b)
{
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL || a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case DOC_NULL:
        return true;
    case DOC_BOOL:
        return a->boolean == b->boolean;
    case DOC_INT:
        return a->integer == b->integer;
    case DOC_FLOAT: /* what does not fit a double differs in its text only; NaN equals itself here */
        return a->text.len && b->text.len ? slice_eq(a->text, b->text)
                                          : memcmp(&a->number, &b->number, sizeof(a->number)) == 0;
    case DOC_STRING:
        return slice_eq(a->text, b->text);
    case DOC_LIST:
        if (a->list.count != b->list.count) {
            return false;
        }
        for (size_t i = 0; i < a->list.count; i++) {
            if (!doc_equal(a->list.items[i], b->list.items[i])) {
                return false;
            }
        }
        return true;
    case DOC_MAP:
        return maps_equal(a, b);
    }
    return false;
}

/* The shortest decimal text that reads back as the same number. */
static void number_to_json(double number, struct text *out)
{
    char digits[40];

    if (!isfinite(number)) {
        text_add_cstr(out, "null"); /* JSON knows neither infinity nor NaN */
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof(digits), "%.*g", precision, number);
        if (strtod(digits, NULL) == number) {
            break;
        }
    }
    text_add_cstr(out, digits);
}

void doc_to_json(const struct doc *node, struct text *out)
{
    switch (node ? node->kind : DOC_NULL) {
    case DOC_NULL:
        text_add_cstr(out, "null");
        break;
    case DOC_BOOL:
        text_add_cstr(out, node->boolean ? "true" : "false");
        break;
    case DOC_INT:
        text_printf(out, "%lld", (long long)node->integer);
        break;
    case DOC_FLOAT:
        number_to_json(node->number, out);
        break;
    case DOC_STRING:
        text_add_json(out, node->text);
        break;
    case DOC_LIST:
        text_add_char(out, '[');
        for (size_t i = 0; i < node->list.count; i++) {
            if (i > 0) {
                text_add_char(out, ',');
            }
            doc_to_json(node->list.items[i], out);
        }
        text_add_char(out, ']');
        break;
    case DOC_MAP:
        text_add_char(out, '{');
        for (size_t i = 0; i < node->map.count; i++) {
            if (i > 0) {
                text_add_char(out, ',');
            }
            text_add_json(out, node->map.entries[i].key);
            text_add_char(out, ':');
            doc_to_json(node->map.entries[i].value, out);
        }
        text_add_char(out, '}');
        break;
    }
}

int doc_read_file_text(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                       struct error *why)
{
    ptrdiff_t dot = slice_rfind(name, '.');
    struct slice ending = slice_from(name, dot < 0 ? name.len : (size_t)dot);

    if (slice_eq_nocase(ending, SLICE(".yml")) || slice_eq_nocase(ending, SLICE(".yaml"))) {
        return doc_read_yaml(pool, name, text, out, why);
    }
    if (slice_eq_nocase(ending, SLICE(".json"))) {
        return doc_read_json(pool, name, text, out, why);
    }
    if (slice_eq_nocase(ending, SLICE(".toml"))) {
        return doc_read_toml(pool, name, text, out, why);
    }
    return doc_fail(why, name, 0, 0,
                    "unknown kind of file: the name must end in .yml, .yaml, .toml or .json");
}
