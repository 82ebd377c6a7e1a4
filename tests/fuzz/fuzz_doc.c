/*
 * fuzz_doc.c - document readers, flags and scalars on arbitrary bytes. The first byte picks which one.
 *
 * What was accepted must hold together: its JSON reads back as the same tree, a clone is equal to it.
 */
#include <stdlib.h>

#include "common/base/text.h"
#include "common/doc/doc.h"
#include "common/schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) ((condition) ? (void)0 : abort())

/* JSON has neither infinity nor NaN, and 1.0 may come back as 1. */
static bool has_floats(const struct doc *node)
{
    bool found = node->kind == DOC_FLOAT;

    for (size_t i = 0; node->kind == DOC_LIST && !found && i < node->list.count; i++) {
        found = has_floats(node->list.items[i]);
    }
    for (size_t i = 0; node->kind == DOC_MAP && !found && i < node->map.count; i++) {
        found = has_floats(node->map.entries[i].value);
    }
    return found;
}

static void check_tree(struct doc *tree)
{
    struct pool *pool = pool_new(4096, 0);
    struct doc *again = NULL;
    struct error why;
    struct text json;

    text_init(&json);
    doc_to_json(tree, &json);
    if (json.len <
        1000000) { /* aliases can make much out of little: that is bounded, but slow to read here */
        MUST(doc_read_json(pool, SLICE("again"), text_slice(&json), &again, &why) == 0);
        MUST(has_floats(tree) || doc_equal(tree, again));
        MUST(doc_equal(again, doc_clone(pool, again)));
    }
    text_free(&json);
    pool_free(pool);
}

static void found(void *context, struct doc *document)
{
    (void)context;
    check_tree(document);
}

static void bad(void *context, const struct error *why)
{
    (void)context;
    MUST(why->text[0] != '\0');
}

static void read_one(int (*reader)(struct pool *, struct slice, struct slice, struct doc **, struct error *),
                     struct pool *pool, struct slice text)
{
    struct doc *tree = NULL;
    struct error why = {0};

    if (reader(pool, SLICE("fuzz"), text, &tree, &why) == 0) {
        check_tree(tree);
    } else {
        MUST(tree == NULL && why.text[0] != '\0');
    }
}

static void scalars(struct slice text)
{
    struct text shown;
    int64_t value, again;
    bool boolean;

    if (parse_duration(text, &value, NULL) == 0) {
        text_init(&shown);
        format_duration(value, &shown);
        MUST(value == INT64_MIN || (parse_duration(text_slice(&shown), &again, NULL) == 0 && again == value));
        text_free(&shown);
    }
    if (parse_size(text, &value, NULL) == 0) {
        MUST(value >= 0);
    }
    parse_bool(text, &boolean, NULL);
}

struct item {
    struct slice name;
    struct list names;
};
struct root {
    bool on;
    struct list items;
    struct map map;
    struct string_map labels;
    struct doc *free_form;
    struct item *maybe;
    int64_t wait;
};
static const struct schema_field item_fields[] = {
    {.name = "name", .kind = SCHEMA_STRING, .offset = offsetof(struct item, name), .flags = SCHEMA_REQUIRED},
    {.name = "names", .kind = SCHEMA_STRINGS, .offset = offsetof(struct item, names)},
};
static const struct schema item_schema = SCHEMA(struct item, "item", item_fields);
static const struct schema_field root_fields[] = {
    {.name = "on", .kind = SCHEMA_BOOL, .offset = offsetof(struct root, on)},
    {.name = "items", .kind = SCHEMA_LIST, .offset = offsetof(struct root, items), .sub = &item_schema},
    {.name = "map", .kind = SCHEMA_MAP, .offset = offsetof(struct root, map), .sub = &item_schema},
    {.name = "labels", .kind = SCHEMA_STRING_MAP, .offset = offsetof(struct root, labels)},
    {.name = "free", .kind = SCHEMA_DOC, .offset = offsetof(struct root, free_form)},
    {.name = "maybe",
     .kind = SCHEMA_OPTIONAL,
     .offset = offsetof(struct root, maybe),
     .sub = &item_schema,
     .flags = SCHEMA_ALLOW_EMPTY},
    {.name = "wait", .kind = SCHEMA_DURATION, .offset = offsetof(struct root, wait), .max = 1e12},
};
static const struct schema root_schema = SCHEMA(struct root, "root", root_fields);

static void decode(struct pool *pool, const struct doc *tree, unsigned flags)
{
    struct schema_report report;
    struct root root;
    struct text json;

    text_init(&json);
    schema_report_init(&report, pool);
    schema_defaults(&root_schema, pool, &root);
    if (schema_decode(&root_schema, pool, tree, flags, &root, &report) == 0) {
        struct doc *again;

        schema_encode(&root_schema, &root, &json);
        MUST(doc_read_json(pool, SLICE("again"), text_slice(&json), &again, NULL) == 0);
    }
    for (size_t i = 0; i < report.count; i++) {
        schema_issue_text(pool, &report.issues[i]);
    }
    text_free(&json);
}

/* Lines are arguments. */
static void command_line(struct pool *pool, struct slice text)
{
    char *args[64];
    int count = 0;
    struct doc *tree = NULL;
    struct error why = {0};

    while (text.ptr && count < 64) {
        struct slice line = slice_split(&text, '\n');

        args[count++] = (char *)(uintptr_t)pool_copy(pool, line).ptr;
    }
    if (schema_from_flags(&root_schema, pool, count, args, &tree, &why) == 0) {
        decode(pool, tree, SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES);
    } else {
        MUST(why.text[0] != '\0');
    }
}

static void yaml_into_struct(struct pool *pool, struct slice text, unsigned flags)
{
    struct doc *tree = NULL;

    if (doc_read_yaml(pool, SLICE("fuzz"), text, &tree, NULL) == 0) {
        decode(pool, tree, flags);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct pool *pool = pool_new(4096, 0);
    struct slice text = slice_of((const char *)data + 1, size - 1);

    switch (data[0] % 8) {
    case 0:
        read_one(doc_read_yaml, pool, text);
        break;
    case 1:
        doc_read_yaml_stream(pool, SLICE("fuzz"), text, found, bad, NULL);
        break;
    case 2:
        read_one(doc_read_json, pool, text);
        break;
    case 3:
        read_one(doc_read_toml, pool, text);
        break;
    case 4:
        scalars(text);
        break;
    case 5:
        command_line(pool, text);
        break;
    case 6:
        yaml_into_struct(pool, text, 0);
        break;
    case 7:
        yaml_into_struct(pool, text, SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES);
        break;
    }
    pool_free(pool);
    return 0;
}
