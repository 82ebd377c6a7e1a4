/*
 * dotted.c - names with dots into a tree, see dotted.h.
 *
 * Two steps, as in Traefik: a tree of names in which letter case does not count (struct branch), then a document in
 * which known fields carry the table's spelling and names of map entries the one that was written first.
 */
#include "common/schema/dotted.h"

#include <errno.h>
#include <stdlib.h>

#include "common/schema/schema_internal.h"

/* ---- walking a name along the tables ---- */

/* Where a name has led so far. */
enum spot { SPOT_STRUCT, SPOT_MAP, SPOT_LIST, SPOT_TEXTS, SPOT_TEXT_MAP, SPOT_FREE, SPOT_LEAF };

struct walk {
    enum spot spot;
    const struct schema *schema;      /* SPOT_STRUCT: its fields; SPOT_MAP, SPOT_LIST: of what is in it */
    const struct schema_field *field; /* the last one met */
    bool in_free;                     /* inside a free-form field or a map of texts */
};

static void enter_field(struct walk *walk, const struct schema_field *field)
{
    walk->field = field;
    walk->schema = field->sub;
    switch (field->kind) {
    case SCHEMA_STRUCT:
    case SCHEMA_OPTIONAL:
        walk->spot = SPOT_STRUCT;
        break;
    case SCHEMA_MAP:
        walk->spot = SPOT_MAP;
        break;
    case SCHEMA_LIST:
        walk->spot = SPOT_LIST;
        break;
    case SCHEMA_STRINGS:
    case SCHEMA_REGEXES:
        walk->spot = SPOT_TEXTS;
        break;
    case SCHEMA_STRING_MAP:
        walk->spot = SPOT_TEXT_MAP;
        break;
    case SCHEMA_DOC:
        walk->spot = SPOT_FREE;
        break;
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_DOUBLE:
    case SCHEMA_OPT_BOOL:
    case SCHEMA_OPT_INT:
    case SCHEMA_DURATION:
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
    case SCHEMA_REGEX:
        walk->spot = SPOT_LEAF;
        break;
    }
}

static bool is_index(struct slice part)
{
    uint64_t number;

    return part.len > 2 && part.ptr[0] == '[' && part.ptr[part.len - 1] == ']' &&
           slice_to_u64(slice_of(part.ptr + 1, part.len - 2), &number) && number <= UINT32_MAX;
}

/* Cuts the next part off: a name, or the [3] behind one. False when it is malformed. */
static bool next_part(struct slice *rest, struct slice *part)
{
    if (rest->len > 0 && rest->ptr[0] == '[') {
        ptrdiff_t close = slice_find(*rest, ']');

        if (close < 0) {
            return false;
        }
        *part = slice_head(*rest, (size_t)close + 1);
        *rest = slice_from(*rest, part->len);
        if (rest->len > 0 && rest->ptr[0] != '.' && rest->ptr[0] != '[') {
            return false;
        }
    } else {
        size_t len = 0;

        while (len < rest->len && rest->ptr[len] != '.' && rest->ptr[len] != '[') {
            len++;
        }
        *part = slice_head(*rest, len);
        *rest = slice_from(*rest, len);
    }
    if (rest->len > 0 && rest->ptr[0] == '.') {
        *rest = slice_from(*rest, 1);
        if (rest->len == 0 || rest->ptr[0] == '[') {
            return false; /* ends in a dot, or "a.[0]" */
        }
    }
    return part->len > 0;
}

/* One step; false when the part leads nowhere from here. */
static bool step(struct walk *walk, struct slice part)
{
    const struct schema_field *field;

    switch (walk->spot) {
    case SPOT_STRUCT:
        if (is_index(part) || (field = schema_find(walk->schema, part, true)) == NULL) {
            return false;
        }
        enter_field(walk, field);
        return true;
    case SPOT_MAP:
        walk->spot = SPOT_STRUCT;
        return !is_index(part);
    case SPOT_LIST:
        walk->spot = SPOT_STRUCT;
        return is_index(part);
    case SPOT_TEXTS:
        walk->spot = SPOT_LEAF;
        return is_index(part);
    case SPOT_TEXT_MAP:
    case SPOT_FREE:
        walk->in_free = true;
        return true;
    case SPOT_LEAF:
        return false;
    }
    return false;
}

static enum dotted_kind kind_of(const struct walk *walk)
{
    switch (walk->spot) {
    case SPOT_STRUCT:
        return DOTTED_SWITCH;
    case SPOT_FREE:
        return DOTTED_FREE;
    case SPOT_TEXTS:
        return DOTTED_LIST;
    case SPOT_LEAF:
        return walk->field->kind == SCHEMA_BOOL || walk->field->kind == SCHEMA_OPT_BOOL ? DOTTED_SWITCH
                                                                                        : DOTTED_VALUE;
    case SPOT_MAP:
    case SPOT_LIST:
    case SPOT_TEXT_MAP:
        return DOTTED_VALUE; /* refused later: they need something below */
    }
    return DOTTED_VALUE;
}

/* The text of *why for a part that leads nowhere; `before` is what of the name was good. */
static void explain(const struct walk *walk, struct slice before, struct slice part, struct slice rest,
                    struct error *why)
{
    const char *nearest = walk->spot == SPOT_STRUCT ? schema_nearest(walk->schema, part) : NULL;

    if (nearest) {
        error_set(why, 0, "unknown, did you mean %.*s%s%s%.*s?", SLICE_ARG(before), nearest,
                  rest.len ? "." : "", SLICE_ARG(slice_head(rest, 100)));
    } else if (walk->spot == SPOT_LEAF) {
        error_set(why, 0, "unknown: %.*s has no options below it",
                  SLICE_ARG(slice_head(before, before.len ? before.len - 1 : 0)));
    } else if (walk->spot == SPOT_LIST || walk->spot == SPOT_TEXTS) {
        error_set(why, 0, "unknown: %.*s is a list, write %.*s[0]",
                  SLICE_ARG(slice_head(before, before.len ? before.len - 1 : 0)),
                  SLICE_ARG(slice_head(before, before.len ? before.len - 1 : 0)));
    } else {
        error_set(why, 0, "unknown");
    }
}

enum dotted_kind dotted_resolve(const struct schema *schema, struct slice name, bool *root_known,
                                struct error *why)
{
    struct walk walk = {.spot = SPOT_STRUCT, .schema = schema};
    struct slice rest = name, part;
    struct text before; /* the good parts in the table's spelling */
    enum dotted_kind kind = DOTTED_UNKNOWN;

    text_init(&before);
    if (root_known) {
        *root_known = false;
    }
    for (size_t depth = 0;; depth++) {
        if (!next_part(&rest, &part)) {
            error_set(why, 0,
                      "is malformed: names are separated by single dots, numbers of list items stand in []");
            break;
        }
        if (depth >= DOTTED_DEPTH_MAX) {
            error_set(why, 0, "has more than %d parts", DOTTED_DEPTH_MAX);
            break;
        }
        const struct walk from = walk;

        if (!step(&walk, part)) {
            explain(&from, text_slice(&before), part, rest, why);
            break;
        }
        if (root_known) {
            *root_known = true;
        }
        if (rest.len == 0) {
            kind = walk.in_free && walk.spot == SPOT_TEXT_MAP ? DOTTED_VALUE : kind_of(&walk);
            break;
        }
        if (is_index(part) && before.len > 0) {
            before.len--;
        }
        text_add(&before, from.spot == SPOT_STRUCT ? slice_cstr(walk.field->name) : part);
        text_add_char(&before, '.');
    }
    text_free(&before);
    return kind;
}

/* ---- the tree of names ---- */

struct branch {
    struct slice name;
    const struct dotted_setting *setting; /* the value written at this very name, or NULL */
    struct branch **children;
    size_t count, capacity;
};

static struct branch *child(struct pool *pool, struct branch *branch, struct slice name)
{
    for (size_t i = 0; i < branch->count; i++) {
        if (slice_eq_nocase(branch->children[i]->name, name)) {
            return branch->children[i];
        }
    }
    struct branch *made = pool_zalloc(pool, sizeof(*made));

    made->name = pool_copy(pool, name);
    branch->children =
        pool_grow(pool, branch->children, branch->count, &branch->capacity, sizeof(*branch->children));
    branch->children[branch->count++] = made;
    return made;
}

static void insert(struct pool *pool, struct branch *root, const struct dotted_setting *setting)
{
    struct branch *at = root;
    struct slice rest = setting->name, part;

    while (rest.len > 0 && next_part(&rest, &part)) {
        at = child(pool, at, part);
    }
    at->setting = setting;
}

static int by_name(const void *a, const void *b)
{
    const struct dotted_setting *left = a, *right = b;
    int order = slice_cmp(left->name, right->name);

    return order != 0 ? order : (left->name.ptr > right->name.ptr) - (left->name.ptr < right->name.ptr);
}

static int by_index(const void *a, const void *b)
{
    const struct branch *const *left = a, *const *right = b;
    uint64_t x = 0, y = 0;

    slice_to_u64(slice_of((*left)->name.ptr + 1, (*left)->name.len - 2), &x);
    slice_to_u64(slice_of((*right)->name.ptr + 1, (*right)->name.len - 2), &y);
    return (x > y) - (x < y);
}

/* ---- the tree of names into a document ---- */

struct builder {
    struct pool *pool;
    struct error *why;
};

static int build(struct builder *builder, struct branch *branch, struct walk walk, struct doc **out);

static struct doc *leaf(struct pool *pool, const struct dotted_setting *setting)
{
    struct doc *node = doc_new_string(pool, setting->bare ? SLICE("true") : setting->value);

    node->file = setting->shown; /* messages then begin with the flag or variable */
    if (setting->bare) {
        node->kind = DOC_BOOL;
        node->boolean = true;
    }
    return node;
}

static int build_list(struct builder *builder, struct branch *branch, struct walk walk, struct doc **out)
{
    struct doc *list = doc_new(builder->pool, DOC_LIST);

    qsort(branch->children, branch->count, sizeof(*branch->children), by_index);
    for (size_t i = 0; i < branch->count; i++) {
        struct walk item = walk;
        struct doc *node;

        step(&item, branch->children[i]->name);
        int rc = build(builder, branch->children[i], item, &node);

        if (rc < 0) {
            return rc;
        }
        doc_list_add(builder->pool, list, node);
    }
    *out = list;
    return 0;
}

static int build_map(struct builder *builder, struct branch *branch, struct walk walk, struct doc **out)
{
    struct doc *map = doc_new(builder->pool, DOC_MAP);

    for (size_t i = 0; i < branch->count; i++) {
        struct walk below = walk;
        struct slice name = branch->children[i]->name;
        struct doc *node;

        step(&below, name);
        if (walk.spot == SPOT_STRUCT) {
            name = slice_cstr(below.field->name);
        }
        int rc = build(builder, branch->children[i], below, &node);

        if (rc < 0) {
            return rc;
        }
        doc_map_set(builder->pool, map, name, node);
    }
    *out = map;
    return 0;
}

/* A value at a name that has options below it too: `--api=true --api.insecure` is fine, `--api=false` wins over what
 * is below (as in Traefik), anything else contradicts itself. */
static int both(struct builder *builder, const struct branch *branch, const struct walk *walk,
                bool *value_wins)
{
    const struct dotted_setting *setting = branch->setting;
    bool is_struct = walk->spot == SPOT_STRUCT || walk->spot == SPOT_FREE;

    *value_wins = false;
    if (setting->bare || setting->value.len == 0 || slice_eq_nocase(setting->value, SLICE("true"))) {
        return 0;
    }
    if (is_struct && slice_eq_nocase(setting->value, SLICE("false")) &&
        (walk->spot == SPOT_FREE || (walk->field && walk->field->flags & SCHEMA_ALLOW_EMPTY))) {
        *value_wins = true;
        return 0;
    }
    return error_set(builder->why, -EINVAL,
                     "%.*s: has a value (\"%.*s\") although options below it are set too",
                     SLICE_ARG(setting->shown), SLICE_ARG(slice_head(setting->value, 100)));
}

static int build(struct builder *builder, struct branch *branch, struct walk walk, struct doc **out)
{
    bool value_wins = branch->count == 0;

    if (branch->setting && branch->count > 0) {
        int rc = both(builder, branch, &walk, &value_wins);

        if (rc < 0) {
            return rc;
        }
    }
    if (value_wins) {
        *out = leaf(builder->pool, branch->setting);
        return 0;
    }
    for (size_t i = 0; i < branch->count; i++) {
        if (is_index(branch->children[i]->name) != is_index(branch->children[0]->name)) {
            return error_set(builder->why, -EINVAL, "%.*s: list items and names are mixed below it",
                             SLICE_ARG(branch->name));
        }
    }
    return is_index(branch->children[0]->name) ? build_list(builder, branch, walk, out)
                                               : build_map(builder, branch, walk, out);
}

int dotted_tree(const struct schema *schema, struct pool *pool, struct dotted_setting *settings, size_t count,
                struct doc **out, struct error *why)
{
    struct builder builder = {.pool = pool, .why = why};
    struct walk walk = {.spot = SPOT_STRUCT, .schema = schema};
    struct branch root = {0};

    if (count == 0) {
        *out = doc_new(pool, DOC_MAP);
        return 0;
    }
    qsort(settings, count, sizeof(*settings), by_name);
    for (size_t i = 0; i < count; i++) {
        insert(pool, &root, &settings[i]);
    }
    return build(&builder, &root, walk, out);
}
