/*
 * doc.h - a document tree: what YAML, JSON and TOML readers make, what the schema decodes.
 *
 * Every node knows its file, line and column, so that errors can name them. A tree lives in the
 * pool it was read into. Readers are strict: duplicate keys, bad escapes, aliases that explode,
 * depth over 64 and files over 64 MiB are errors.
 *
 * YAML aliases share nodes: a tree that was read is only read from then on; who wants to change it makes a doc_clone().
 */
#ifndef WEIR_COMMON_DOC_DOC_H
#define WEIR_COMMON_DOC_DOC_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/slice.h"

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_INT, DOC_FLOAT, DOC_STRING, DOC_LIST, DOC_MAP };

struct doc;

struct doc_entry {
    struct slice key;
    uint32_t line;
    struct doc *value; /* never NULL */
};

struct doc {
    enum doc_kind kind;
    uint32_t line, column; /* from 1; 0 when the text had none (flags, environment) */
    struct slice file;     /* name for messages; empty when there is none */
    struct slice text;     /* of a scalar: as written, unescaped (also "true", "12": kind says what it is) */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct {
            struct doc **items;
            size_t count, capacity;
        } list;
        struct {
            struct doc_entry *entries; /* in the order of the text */
            size_t count, capacity;
        } map;
    };
};

/* Readers. `name` goes into messages. On failure *out is untouched and *why holds
 * "NAME:LINE:COLUMN: what is wrong". Text is copied into the pool: the input may go. */
int doc_read_json(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                  struct error *why);
int doc_read_toml(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                  struct error *why);

/* One document (empty text gives a DOC_NULL). More than one is an error. */
int doc_read_yaml(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                  struct error *why);

/* All documents of a stream, empty ones left out. A malformed document is reported through on_error
 * and the rest goes on after the next "---" at the start of a line (I1); returns the number of
 * documents that were bad. on_document and on_error are called in order. */
typedef void doc_found(void *context, struct doc *document);
typedef void doc_bad(void *context, const struct error *why);
int doc_read_yaml_stream(struct pool *pool, struct slice name, struct slice text, doc_found *on_document,
                         doc_bad *on_error, void *context);

/* By the ending of the name: .yml .yaml .json .toml; -EINVAL for others. */
int doc_read_file_text(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                       struct error *why);

/* The value under key, or NULL; NULL too when node is NULL or no map. Exact letters. */
struct doc *doc_get(const struct doc *node, const char *key);
/* doc_get over several steps: doc_path(d, "metadata", "name", NULL). */
struct doc *doc_path(const struct doc *node, ...) __attribute__((sentinel));
/* The text of a scalar (numbers and booleans as written), or `fallback`. */
struct slice doc_text(const struct doc *node, struct slice fallback);
bool doc_int(const struct doc *node, int64_t *out);
bool doc_bool(const struct doc *node, bool *out);

/* Builders (flags, environment, tests, providers). All copy text into the pool. */
struct doc *doc_new(struct pool *pool, enum doc_kind kind);
struct doc *doc_new_string(struct pool *pool, struct slice text);
void doc_list_add(struct pool *pool, struct doc *list, struct doc *item);
/* Replaces an entry of the same key. */
void doc_map_set(struct pool *pool, struct doc *map, struct slice key, struct doc *value);
/* A map with the entries of the maps a and b; what is a map in both is joined in its turn. NULL when another key is in
 * both: *twice is the entry of b, or the part of it, in which that stands. Shares the values; the two stay as they are. */
struct doc *doc_join(struct pool *pool, const struct doc *a, const struct doc *b,
                     const struct doc_entry **twice);
struct doc *doc_clone(struct pool *pool, const struct doc *node);
size_t doc_clone_bytes(const struct doc *node); /* what that takes of a pool at most */

/* Valid UTF-8? All readers refuse what is not; builders trust their caller. */
bool doc_is_utf8(struct slice text);

/* Deep equality; order of map entries does not matter, positions neither. */
bool doc_equal(const struct doc *a, const struct doc *b);

/* Compact JSON. */
struct text;
void doc_to_json(const struct doc *node, struct text *out);

#endif
