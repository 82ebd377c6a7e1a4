/*
 * schema_sample.h - a made-up configuration with every kind of field, for the tests of the schema engine.
 */
#ifndef WEIR_TESTS_UNIT_SCHEMA_SAMPLE_H
#define WEIR_TESTS_UNIT_SCHEMA_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/schema/schema.h"

struct sample_item {
    struct slice name;
    int64_t weight;
};

struct sample_sub {
    int64_t port;
    struct slice token;
    int64_t timeout;
};

struct sample_entry {
    struct slice address;
    struct sample_sub inner;
    struct sample_sub *extra;
    struct list names;
};

struct sample {
    bool flag;
    int64_t number;
    double ratio;
    struct opt_bool maybe;
    struct opt_int limit;
    int64_t wait;
    struct slice text, level;
    struct list names; /* struct slice */
    struct string_map labels;
    struct regex_text pattern;
    struct list patterns; /* struct regex_text */
    struct sample_sub sub;
    struct sample_sub *bare, *strict, *always, *unserved;
    struct list items;  /* struct sample_item */
    struct map entries; /* struct sample_entry */
    struct doc *free_form;
    int64_t old, inert, later;
};

#define FIELD(type, member) .offset = offsetof(type, member)

static const struct schema_field sample_item_fields[] = {
    {.name = "name",
     .kind = SCHEMA_STRING,
     FIELD(struct sample_item, name),
     .flags = SCHEMA_REQUIRED,
     .text = "Its name."},
    {.name = "weight",
     .kind = SCHEMA_INT,
     FIELD(struct sample_item, weight),
     .fallback = "1",
     .min = 0,
     .max = 100},
};
static const struct schema sample_item_schema = SCHEMA(struct sample_item, "item", sample_item_fields);

static inline int sample_sub_check(void *object, struct error *why)
{
    const struct sample_sub *sub = object;

    return sub->port == 666 ? error_set(why, -1, "port 666 and timeout do not go together") : 0;
}

static const struct schema_field sample_sub_fields[] = {
    {.name = "port",
     .kind = SCHEMA_INT,
     FIELD(struct sample_sub, port),
     .fallback = "80",
     .min = 1,
     .max = 65535,
     .text = "Where."},
    {.name = "token",
     .kind = SCHEMA_STRING,
     FIELD(struct sample_sub, token),
     .flags = SCHEMA_SECRET | SCHEMA_OMIT_EMPTY},
    {.name = "timeOut",
     .kind = SCHEMA_DURATION,
     FIELD(struct sample_sub, timeout),
     .fallback = "10s",
     .min = 0,
     .max = 3600e9},
};
static const struct schema sample_sub_schema = {
    .name = "sub",
    .size = sizeof(struct sample_sub),
    .fields = sample_sub_fields,
    .count = ARRAY_LEN(sample_sub_fields),
    .check = sample_sub_check,
};

static const struct schema_field sample_entry_fields[] = {
    {.name = "address", .kind = SCHEMA_STRING, FIELD(struct sample_entry, address)},
    {.name = "inner", .kind = SCHEMA_STRUCT, FIELD(struct sample_entry, inner), .sub = &sample_sub_schema},
    {.name = "extra",
     .kind = SCHEMA_OPTIONAL,
     FIELD(struct sample_entry, extra),
     .sub = &sample_sub_schema,
     .flags = SCHEMA_ALLOW_EMPTY},
    {.name = "names", .kind = SCHEMA_STRINGS, FIELD(struct sample_entry, names), .flags = SCHEMA_OMIT_EMPTY},
};
static const struct schema sample_entry_schema = SCHEMA(struct sample_entry, "entry", sample_entry_fields);

static const char *const sample_levels[] = {"low", "high", NULL};

#define OMIT SCHEMA_OMIT_EMPTY
static const struct schema_field sample_fields[] = {
    {.name = "flag", .kind = SCHEMA_BOOL, FIELD(struct sample, flag), .fallback = "true", .text = "A|B"},
    {.name = "number",
     .kind = SCHEMA_INT,
     FIELD(struct sample, number),
     .flags = OMIT,
     .min = -10,
     .max = 9.3e18},
    {.name = "ratio", .kind = SCHEMA_DOUBLE, FIELD(struct sample, ratio), .flags = OMIT, .min = 0, .max = 1},
    {.name = "maybe", .kind = SCHEMA_OPT_BOOL, FIELD(struct sample, maybe)},
    {.name = "limit", .kind = SCHEMA_OPT_INT, FIELD(struct sample, limit), .min = 0, .max = 9},
    {.name = "wait", .kind = SCHEMA_DURATION, FIELD(struct sample, wait), .flags = OMIT},
    {.name = "text", .kind = SCHEMA_STRING, FIELD(struct sample, text), .flags = OMIT},
    {.name = "level",
     .kind = SCHEMA_ENUM,
     FIELD(struct sample, level),
     .choices = sample_levels,
     .fallback = "low"},
    {.name = "names", .kind = SCHEMA_STRINGS, FIELD(struct sample, names), .fallback = "a, b", .flags = OMIT},
    {.name = "labels",
     .kind = SCHEMA_STRING_MAP,
     FIELD(struct sample, labels),
     .flags = OMIT | SCHEMA_SECRET},
    {.name = "pattern", .kind = SCHEMA_REGEX, FIELD(struct sample, pattern), .flags = OMIT},
    {.name = "patterns", .kind = SCHEMA_REGEXES, FIELD(struct sample, patterns), .flags = OMIT},
    {.name = "sub", .kind = SCHEMA_STRUCT, FIELD(struct sample, sub), .sub = &sample_sub_schema},
    {.name = "bare",
     .kind = SCHEMA_OPTIONAL,
     FIELD(struct sample, bare),
     .sub = &sample_sub_schema,
     .flags = SCHEMA_ALLOW_EMPTY},
    {.name = "strict", .kind = SCHEMA_OPTIONAL, FIELD(struct sample, strict), .sub = &sample_sub_schema},
    {.name = "always",
     .kind = SCHEMA_OPTIONAL,
     FIELD(struct sample, always),
     .sub = &sample_sub_schema,
     .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_DEFAULT_ON},
    {.name = "items",
     .kind = SCHEMA_LIST,
     FIELD(struct sample, items),
     .sub = &sample_item_schema,
     .flags = OMIT},
    {.name = "entries",
     .kind = SCHEMA_MAP,
     FIELD(struct sample, entries),
     .sub = &sample_entry_schema,
     .flags = OMIT},
    {.name = "freeForm", .kind = SCHEMA_DOC, FIELD(struct sample, free_form)},
    {.name = "old",
     .kind = SCHEMA_INT,
     FIELD(struct sample, old),
     .flags = OMIT | SCHEMA_DEPRECATED,
     .text = "write number"},
    {.name = "inert", .kind = SCHEMA_INT, FIELD(struct sample, inert), .flags = OMIT | SCHEMA_INERT},
    {.name = "later", .kind = SCHEMA_INT, FIELD(struct sample, later), .flags = OMIT | SCHEMA_NOT_SERVED},
    {.name = "unserved",
     .kind = SCHEMA_OPTIONAL,
     FIELD(struct sample, unserved),
     .sub = &sample_sub_schema,
     .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_NOT_SERVED},
};
static const struct schema sample_schema = SCHEMA(struct sample, "sample", sample_fields);

/* What encoding shows when nothing was written. */
#define SAMPLE_DEFAULTS_HEAD "\"flag\":true"
#define SUB_DEFAULTS "{\"port\":80,\"timeOut\":\"10s\"}"

static inline struct doc *sample_yaml(struct pool *pool, const char *text)
{
    struct doc *out = NULL;
    struct error why = {0};

    if (doc_read_yaml(pool, SLICE("f.yml"), slice_cstr(text), &out, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return out;
}

/* All issues, one a line; warnings begin with "W ". */
static inline struct slice sample_issues(struct pool *pool, const struct schema_report *report)
{
    struct text all;

    text_init(&all);
    text_add_cstr(&all, "");
    for (size_t i = 0; i < report->count; i++) {
        text_printf(&all, "%s%.*s\n", report->issues[i].severity == SCHEMA_WARNING ? "W " : "",
                    SLICE_ARG(schema_issue_text(pool, &report->issues[i])));
    }
    struct slice copy = pool_copy(pool, text_slice(&all));

    text_free(&all);
    return copy;
}

#endif
