/*
 * rows.h - short forms for writing tables of options; used by the files of this folder only.
 *
 * ROW is one field of a real struct. The U_ forms describe options that this build understands but does not act upon:
 * their values are checked by kind and land in struct unserved, a scratch that nobody reads. When an option gets served
 * its row moves to a struct of its own.
 */
#ifndef WEIR_COMMON_MODEL_ROWS_H
#define WEIR_COMMON_MODEL_ROWS_H

#include "common/schema/schema.h"

/* name, kind without SCHEMA_, struct, member, then named initialisers: .flags, .fallback, .sub, .text ... */
#define ROW(label, kind_, type, member, ...)                                                                 \
    {                                                                                                        \
        .name = (label), .kind = SCHEMA_##kind_, .offset = offsetof(type, member), __VA_ARGS__               \
    }

/* SCHEMA() whose objects are looked at as a whole once they are read. */
#define CHECKED(c_type, label, field_array, function)                                                        \
    {                                                                                                        \
        .name = (label), .size = sizeof(c_type), .fields = (field_array), .count = ARRAY_LEN(field_array),   \
        .check = (function)                                                                                  \
    }

/* Go's omitempty: most fields of the dynamic configuration. */
#define OMIT SCHEMA_OMIT_EMPTY

struct unserved {
    bool flag;
    int64_t number;
    double real;
    struct slice text;
    struct list list;
    struct string_map pairs;
    struct map map;
    struct unserved *sub;
    struct doc *doc;
    struct slice secret; /* apart from the others, so that no row without SCHEMA_SECRET ever shows them */
    struct string_map secret_pairs;
};

#define U_ROW(label, kind_, member, ...) ROW(label, kind_, struct unserved, member, __VA_ARGS__)
#define U_FLAG(label, text_) U_ROW(label, BOOL, flag, .text = (text_))
#define U_FLAG_ON(label, text_) U_ROW(label, BOOL, flag, .fallback = "true", .text = (text_))
#define U_NUMBER(label, default_, text_) U_ROW(label, INT, number, .fallback = (default_), .text = (text_))
#define U_TIME(label, default_, text_) U_ROW(label, DURATION, number, .fallback = (default_), .text = (text_))
#define U_TEXT(label, default_, text_) U_ROW(label, STRING, text, .fallback = (default_), .text = (text_))
#define U_SECRET(label, text_) U_ROW(label, STRING, secret, .flags = SCHEMA_SECRET, .text = (text_))
#define U_LIST(label, text_) U_ROW(label, STRINGS, list, .text = (text_))
#define U_PAIRS(label, text_) U_ROW(label, STRING_MAP, pairs, .text = (text_))
#define U_SECRETS(label, text_)                                                                              \
    U_ROW(label, STRING_MAP, secret_pairs, .flags = SCHEMA_SECRET, .text = (text_))
#define U_DOC(label, text_) U_ROW(label, DOC, doc, .text = (text_))
#define U_SUB(label, schema_, text_)                                                                         \
    U_ROW(label, OPTIONAL, sub, .flags = SCHEMA_ALLOW_EMPTY, .sub = &(schema_), .text = (text_))
#define U_MAP(label, schema_, text_)                                                                         \
    U_ROW(label, MAP, map, .flags = SCHEMA_ALLOW_EMPTY, .sub = &(schema_), .text = (text_))

/* Part of the tables that several files share. */
extern const struct schema unserved_tls_client, unserved_otlp_grpc,
    unserved_otlp_http; /* static_observability.c */

#endif
