/*
 * pack.c - a decoded struct becomes bytes of a page by its schema, and is checked there by the same schema.
 *
 * pack_into() and check_field() are two sides of one table: a kind that is added to one is added to the other. Members
 * that no row of the schema names stay zero in the page.
 *
 * Not here: the page itself (page_build.c, page.c).
 */
#include <errno.h>

#include "shm/page.h"
#include "shm/page_inner.h"

#define DEPTH_MAX 32 /* of structs in structs: no schema of ours comes near */

static void pack_struct(struct page_builder *builder, const struct schema *schema, const char *from,
                        uint64_t to, unsigned depth);

static struct slice *slice_at(struct page_builder *builder, uint64_t offset)
{
    return builder_at(builder, offset);
}

static void pack_slice(struct page_builder *builder, const struct slice *from, uint64_t to)
{
    struct slice stored = builder_text(builder, *from);

    *slice_at(builder, to) = stored;
}

static void pack_regex(struct page_builder *builder, const struct regex_text *from, uint64_t to)
{
    struct slice pattern = builder_text(builder, from->pattern);
    struct regex_text *stored = builder_at(builder, to);

    stored->pattern = pattern;
    stored->slot = pattern.len > 0 ? builder_regex(builder) : 0;
}

/* Room for the items of a list; the list's own two words are written at `to`. */
static uint64_t pack_list(struct page_builder *builder, size_t count, size_t size, uint64_t to)
{
    uint64_t items = 0;
    struct list *stored;

    if (count > 0) {
        items = builder_alloc(builder, count * size, PAGE_ALIGN);
    }
    stored = builder_at(builder, to);
    stored->items = stored_pointer(items);
    stored->count = count;
    return items;
}

static void pack_strings(struct page_builder *builder, const struct list *from, uint64_t to)
{
    uint64_t items = pack_list(builder, from->count, sizeof(struct slice), to);

    for (size_t i = 0; i < from->count; i++) {
        pack_slice(builder, (const struct slice *)from->items + i, items + i * sizeof(struct slice));
    }
}

static void pack_string_map(struct page_builder *builder, const struct string_map *from, uint64_t to)
{
    /* struct string_map and struct list have the same two members in the same places */
    uint64_t items = pack_list(builder, from->count, sizeof(struct string_pair), to);

    for (size_t i = 0; i < from->count; i++) {
        uint64_t at = items + i * sizeof(struct string_pair);

        pack_slice(builder, &from->items[i].key, at + offsetof(struct string_pair, key));
        pack_slice(builder, &from->items[i].value, at + offsetof(struct string_pair, value));
    }
}

static void pack_regexes(struct page_builder *builder, const struct list *from, uint64_t to)
{
    uint64_t items = pack_list(builder, from->count, sizeof(struct regex_text), to);

    for (size_t i = 0; i < from->count; i++) {
        pack_regex(builder, (const struct regex_text *)from->items + i,
                   items + i * sizeof(struct regex_text));
    }
}

static void pack_structs(struct page_builder *builder, const struct schema *sub, const struct list *from,
                         uint64_t to, unsigned depth)
{
    uint64_t items = pack_list(builder, from->count, sub->size, to);

    for (size_t i = 0; i < from->count; i++) {
        pack_struct(builder, sub, (const char *)from->items + i * sub->size, items + i * sub->size,
                    depth + 1);
    }
}

static void pack_map(struct page_builder *builder, const struct schema *sub, const struct map *from,
                     uint64_t to, unsigned depth)
{
    struct map stored = {.count = from->count};
    uint64_t keys = 0, values = 0;

    if (from->count > 0) {
        keys = builder_alloc(builder, from->count * sizeof(struct slice), PAGE_ALIGN);
        values = builder_alloc(builder, from->count * sub->size, PAGE_ALIGN);
    }
    for (size_t i = 0; i < from->count; i++) {
        pack_slice(builder, &from->keys[i], keys + i * sizeof(struct slice));
        pack_struct(builder, sub, (const char *)from->values + i * sub->size, values + i * sub->size,
                    depth + 1);
    }
    stored.keys = stored_pointer(keys);
    stored.values = stored_pointer(values);
    memcpy(builder_at(builder, to), &stored, sizeof(stored));
}

static void pack_optional(struct page_builder *builder, const struct schema *sub, const char *from,
                          uint64_t to, unsigned depth)
{
    void *object;
    uint64_t made;
    void *stored;

    memcpy(&object, from, sizeof(object));
    if (!object) {
        return;
    }
    made = builder_alloc(builder, sub->size, PAGE_ALIGN);
    pack_struct(builder, sub, object, made, depth + 1);
    stored = stored_pointer(made);
    memcpy(builder_at(builder, to), &stored, sizeof(stored));
}

static void pack_field(struct page_builder *builder, const struct schema_field *field, const char *from,
                       uint64_t to, unsigned depth)
{
    const void *value = from;

    switch (field->kind) {
    case SCHEMA_BOOL:
        memcpy(builder_at(builder, to), from, sizeof(bool));
        break;
    case SCHEMA_INT:
    case SCHEMA_DURATION:
        memcpy(builder_at(builder, to), from, sizeof(int64_t));
        break;
    case SCHEMA_DOUBLE:
        memcpy(builder_at(builder, to), from, sizeof(double));
        break;
    case SCHEMA_OPT_BOOL:
        *(struct opt_bool *)builder_at(builder, to) = *(const struct opt_bool *)value;
        break;
    case SCHEMA_OPT_INT: { /* member by member: the bytes between them stay zero */
        struct opt_int *stored = builder_at(builder, to);

        stored->value = ((const struct opt_int *)value)->value;
        stored->set = ((const struct opt_int *)value)->set;
        break;
    }
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
        pack_slice(builder, value, to);
        break;
    case SCHEMA_STRINGS:
        pack_strings(builder, value, to);
        break;
    case SCHEMA_STRING_MAP:
        pack_string_map(builder, value, to);
        break;
    case SCHEMA_REGEX:
        pack_regex(builder, value, to);
        break;
    case SCHEMA_REGEXES:
        pack_regexes(builder, value, to);
        break;
    case SCHEMA_STRUCT:
        pack_struct(builder, field->sub, from, to, depth + 1);
        break;
    case SCHEMA_OPTIONAL:
        pack_optional(builder, field->sub, from, to, depth);
        break;
    case SCHEMA_LIST:
        pack_structs(builder, field->sub, value, to, depth);
        break;
    case SCHEMA_MAP:
        pack_map(builder, field->sub, value, to, depth);
        break;
    case SCHEMA_DOC: /* never packed: the place stays NULL */
        break;
    }
}

static void pack_struct(struct page_builder *builder, const struct schema *schema, const char *from,
                        uint64_t to, unsigned depth)
{
    if (depth > DEPTH_MAX) {
        return; /* what is deeper stays zero, and the reader finds it so */
    }
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        pack_field(builder, field, from + field->offset, to + field->offset, depth);
    }
}

void pack_into(struct page_builder *builder, const struct schema *schema, const void *object, uint64_t offset)
{
    pack_struct(builder, schema, object, offset, 0);
}

uint64_t pack(struct page_builder *builder, const struct schema *schema, const void *object)
{
    uint64_t offset = builder_alloc(builder, schema->size, PAGE_ALIGN);

    pack_into(builder, schema, object, offset);
    return offset;
}

/* ---- checking ---- */

struct check {
    const struct page *page;
    uint64_t left; /* bytes that tables may still take: overlapping tables cannot make a check run for ever */
    struct error *why;
};

static int check_struct(struct check *check, const struct schema *schema, uint64_t at, unsigned depth);

static const void *check_at(const struct check *check, uint64_t offset)
{
    return page_at(check->page, stored_pointer(offset));
}

static bool check_table(struct check *check, const void *stored, uint64_t count, size_t size)
{
    if (!page_holds(check->page, (uintptr_t)stored, count, size, PAGE_ALIGN)) {
        return false;
    }
    if (count > 0 && (size == 0 || count > check->left / size)) {
        return false;
    }
    check->left -= count * size;
    return true;
}

static bool check_strings(struct check *check, const struct slice *items, size_t count)
{
    const struct slice *strings;

    if (!check_table(check, items, count, sizeof(*items))) {
        return false;
    }
    strings = page_at(check->page, items);
    for (size_t i = 0; i < count; i++) {
        if (!page_holds_text(check->page, strings[i])) {
            return false;
        }
    }
    return true;
}

static bool check_string_map(struct check *check, const struct string_map *map)
{
    const struct string_pair *pairs;

    if (!check_table(check, map->items, map->count, sizeof(*pairs))) {
        return false;
    }
    pairs = page_at(check->page, map->items);
    for (size_t i = 0; i < map->count; i++) {
        if (!page_holds_text(check->page, pairs[i].key) || !page_holds_text(check->page, pairs[i].value)) {
            return false;
        }
    }
    return true;
}

static bool check_regexes(struct check *check, const struct list *list)
{
    const struct regex_text *regexes;

    if (!check_table(check, list->items, list->count, sizeof(*regexes))) {
        return false;
    }
    regexes = page_at(check->page, list->items);
    for (size_t i = 0; i < list->count; i++) {
        if (!page_holds_regex(check->page, &regexes[i])) {
            return false;
        }
    }
    return true;
}

static bool check_structs(struct check *check, const struct schema *sub, const void *items, size_t count,
                          unsigned depth)
{
    if (!check_table(check, items, count, sub->size)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (check_struct(check, sub, (uintptr_t)items + i * sub->size, depth + 1) < 0) {
            return false;
        }
    }
    return true;
}

static bool check_map(struct check *check, const struct schema *sub, const struct map *map, unsigned depth)
{
    return check_strings(check, map->keys, map->count) &&
           check_structs(check, sub, map->values, map->count, depth);
}

static bool check_optional(struct check *check, const struct schema *sub, const void *const *stored,
                           unsigned depth)
{
    return !*stored || check_structs(check, sub, *stored, 1, depth);
}

static bool check_field(struct check *check, const struct schema_field *field, uint64_t offset,
                        unsigned depth)
{
    const void *at = check_at(check, offset);

    switch (field->kind) {
    case SCHEMA_BOOL:
        return page_holds_bool(at);
    case SCHEMA_INT:
    case SCHEMA_DURATION:
    case SCHEMA_DOUBLE:
        return true;
    case SCHEMA_OPT_BOOL:
        return page_holds_bool((const char *)at + offsetof(struct opt_bool, set)) &&
               page_holds_bool((const char *)at + offsetof(struct opt_bool, value));
    case SCHEMA_OPT_INT:
        return page_holds_bool((const char *)at + offsetof(struct opt_int, set));
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
        return page_holds_text(check->page, *(const struct slice *)at);
    case SCHEMA_STRINGS:
        return check_strings(check, ((const struct list *)at)->items, ((const struct list *)at)->count);
    case SCHEMA_STRING_MAP:
        return check_string_map(check, at);
    case SCHEMA_REGEX:
        return page_holds_regex(check->page, at);
    case SCHEMA_REGEXES:
        return check_regexes(check, at);
    case SCHEMA_STRUCT:
        return check_struct(check, field->sub, offset, depth + 1) == 0;
    case SCHEMA_OPTIONAL:
        return check_optional(check, field->sub, at, depth);
    case SCHEMA_LIST:
        return check_structs(check, field->sub, ((const struct list *)at)->items,
                             ((const struct list *)at)->count, depth);
    case SCHEMA_MAP:
        return check_map(check, field->sub, at, depth);
    case SCHEMA_DOC: {
        const void *none;

        memcpy(&none, at, sizeof(none));
        return none == NULL;
    }
    }
    return false;
}

/* The struct's own bytes are known to lie inside. The innermost name of what is wrong comes first in the text. */
static int check_struct(struct check *check, const struct schema *schema, uint64_t at, unsigned depth)
{
    if (depth > DEPTH_MAX) {
        return error_set(check->why, -EBADMSG, "%s is nested too deep", schema->name);
    }
    check->why->text[0] = '\0';
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        if (!check_field(check, field, at + field->offset, depth)) {
            if (check->why->text[0]) {
                error_prefix(check->why, "%s.%s", schema->name, field->name);
                return -EBADMSG;
            }
            return error_set(check->why, -EBADMSG, "%s.%s at %llu points outside or is no value of its kind",
                             schema->name, field->name, (unsigned long long)at);
        }
    }
    return 0;
}

int page_check(const struct page *page, const struct schema *schema, uint64_t offset, struct error *why)
{
    struct error unused = {""};
    struct check check = {.page = page, .left = page_size(page), .why = why ? why : &unused};

    if (offset == 0 || !page_holds(page, offset, 1, schema->size, PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "%s at %llu lies outside", schema->name, (unsigned long long)offset);
    }
    return check_struct(&check, schema, offset, 0);
}
