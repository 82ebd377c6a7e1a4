/*
 * schema.h - the one description of every option: a table of fields for each configuration struct.
 *
 * From the table come: decoding (YAML, TOML, JSON, CRD spec, flags, environment), defaults, bounds,
 * "unknown field, did you mean", JSON for the API (secrets as ***), the reference page, and the
 * packing of a struct into arena pages and its check there (shm/page.h). A new option is one row.
 *
 * Kinds and the C type at the field's offset:
 *   SCHEMA_BOOL bool | SCHEMA_INT int64_t | SCHEMA_DOUBLE double
 *   SCHEMA_OPT_BOOL struct opt_bool | SCHEMA_OPT_INT struct opt_int   (absent is different from zero)
 *   SCHEMA_DURATION int64_t nanoseconds; text "10s", "1h30m", "250ms", a bare number is seconds
 *   SCHEMA_STRING, SCHEMA_ENUM struct slice       SCHEMA_STRINGS struct list of struct slice
 *   SCHEMA_STRING_MAP struct string_map           SCHEMA_REGEX struct regex_text (Go syntax, checked)
 *   SCHEMA_REGEXES struct list of struct regex_text
 *   SCHEMA_STRUCT the struct itself, embedded     SCHEMA_OPTIONAL pointer to the struct, NULL if absent
 *   SCHEMA_LIST struct list of the struct         SCHEMA_MAP struct map: names and structs
 *   SCHEMA_DOC struct doc *, taken as it is (free-form: plugin); never packed. With `sub` it is a list of such structs
 *              that the user of the table decodes one by one
 *
 * In arena memory the same structs are stored with every pointer replaced by an offset from the start
 * of the page; the accessors of shm/page.h turn them back. Only code that holds a page reads them.
 */
#ifndef WEIR_COMMON_SCHEMA_SCHEMA_H
#define WEIR_COMMON_SCHEMA_SCHEMA_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/slice.h"
#include "common/doc/doc.h"

struct text;

struct opt_bool {
    bool set, value;
};

struct opt_int {
    int64_t value;
    bool set;
};

struct list { /* items are of the type that the field's row names */
    void *items;
    size_t count;
};

struct string_pair {
    struct slice key, value;
};

struct string_map { /* sorted by key, keys unique */
    struct string_pair *items;
    size_t count;
};

struct map { /* sorted by key (byte order), keys unique; values[i] belongs to keys[i] */
    struct slice *keys;
    void *values;
    size_t count;
};

struct regex_text {
    struct slice pattern; /* as the user wrote it */
    uint32_t slot;        /* number in the generation's table of regexes, set when packed */
};

enum schema_kind {
    SCHEMA_BOOL,
    SCHEMA_INT,
    SCHEMA_DOUBLE,
    SCHEMA_OPT_BOOL,
    SCHEMA_OPT_INT,
    SCHEMA_DURATION,
    SCHEMA_STRING,
    SCHEMA_ENUM,
    SCHEMA_STRINGS,
    SCHEMA_STRING_MAP,
    SCHEMA_REGEX,
    SCHEMA_REGEXES,
    SCHEMA_STRUCT,
    SCHEMA_OPTIONAL,
    SCHEMA_LIST,
    SCHEMA_MAP,
    SCHEMA_DOC,
};

enum schema_flags {
    SCHEMA_SECRET = 1 << 0,      /* encoders, logs and messages print *** and a short keyed hash */
    SCHEMA_REQUIRED = 1 << 1,    /* absent or empty is an error */
    SCHEMA_ALLOW_EMPTY = 1 << 2, /* SCHEMA_OPTIONAL: `x: {}`, `--x`, `--x=true` make it with its defaults */
    SCHEMA_DEPRECATED = 1 << 3,  /* accepted, one warning; text says what to write instead */
    SCHEMA_INERT = 1 << 4,       /* accepted for compatibility without effect, one warning names it */
    SCHEMA_NOT_SERVED = 1 << 5,  /* understood, not acted upon by this build: "not yet served" */
    SCHEMA_DEFAULT_ON = 1 << 6,  /* SCHEMA_OPTIONAL: present with its defaults even when not written */
    SCHEMA_OMIT_EMPTY = 1 << 7,  /* not encoded when it has its zero value (Go's omitempty) */
    SCHEMA_SECRET_HEADERS =
        1
        << 8, /* SCHEMA_STRING_MAP of header fields: the values of those that carry credentials are secrets */
    SCHEMA_INT_OR_STRING =
        1 << 9, /* SCHEMA_DOC: a number or a text, and which of the two it is has a meaning */
    SCHEMA_SOFT_CHOICES =
        1 << 10, /* SCHEMA_ENUM: another word is taken, one warning says that it is none of them */
    SCHEMA_NUMBERS = 1 << 11, /* SCHEMA_STRINGS: each of them is a number */
};

struct schema;

struct schema_field {
    const char *name; /* as documented: camelCase */
    enum schema_kind kind;
    size_t offset;
    uint32_t flags;
    const char *fallback; /* default as text, in the syntax of the kind; NULL means zero value */
    double min, max;      /* numbers, durations (ns); both 0: no bound; max from 9.2e18: only min counts */
    const char *const *choices; /* SCHEMA_ENUM: NULL-terminated, matched exactly, else error with the list */
    const struct schema *sub;   /* for STRUCT, OPTIONAL, LIST, MAP */
    const char *text;           /* one-line description for the reference */
};

struct schema {
    const char *name; /* for the reference page: "entryPoint" */
    size_t size;
    const struct schema_field *fields;
    size_t count;
    /* Optional, after decoding and only when no field was wrong: rules that rows cannot say. It may change the
     * object. Returns 0 or writes *why. */
    int (*check)(void *object, struct error *why);
    /* What the program itself adds: encoded behind the fields, never decoded, in no reference. */
    const struct schema_field *shown;
    size_t shown_count;
};

#define SCHEMA(c_type, label, field_array)                                                                   \
    {                                                                                                        \
        .name = (label), .size = sizeof(c_type), .fields = (field_array), .count = ARRAY_LEN(field_array)    \
    }

/* One thing found wrong (or merely noteworthy) while decoding; severity decides what the caller does. */
enum schema_severity { SCHEMA_ERROR, SCHEMA_WARNING };
struct schema_issue {
    enum schema_severity severity;
    struct slice file;
    uint32_t line, column;
    struct slice key; /* dotted path from the decoded object: "routes[0].services[1].port" */
    struct slice text;
};
struct schema_report {
    struct pool *pool; /* where issues live */
    struct schema_issue *issues;
    size_t count, capacity, errors;
};
void schema_report_init(struct schema_report *report, struct pool *pool);
void schema_report_add(struct schema_report *report, enum schema_severity severity, const struct doc *at,
                       struct slice key, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "FILE:LINE:COLUMN: KEY: TEXT" with the parts that are known. */
struct slice schema_issue_text(struct pool *pool, const struct schema_issue *issue);

enum schema_decode_flags {
    /* Field names in any letter case: flags, environment, files of the static configuration. */
    SCHEMA_ANY_CASE = 1 << 0,
    /* As Traefik reads flags and files: scalars as text are converted ("true", "8"), a scalar for a list is split at
     * commas, true or false stands for a struct with ALLOW_EMPTY; without that flag `x: {}` is an error. */
    SCHEMA_LENIENT_TYPES = 1 << 1,
};

/* Sets every field of object (schema->size bytes) to its default. Pointers are made in the pool. */
void schema_defaults(const struct schema *schema, struct pool *pool, void *object);

/* Decodes node (a map, or NULL/DOC_NULL for "nothing written") over an object that schema_defaults()
 * prepared. Goes on after an error, so that all are reported. Returns 0 when no error was added, else
 * -EINVAL; the object is then usable only as far as the caller knows. null means "not written". Text is
 * shared with the tree's pool. */
int schema_decode(const struct schema *schema, struct pool *pool, const struct doc *node, unsigned flags,
                  void *object, struct schema_report *report);

/* JSON object of what is set, in table order. Fields at their default are written unless OMIT_EMPTY applies. */
void schema_encode(const struct schema *schema, const void *object, struct text *out);

/* Flags and environment become a document tree, which schema_decode() reads with ANY_CASE | LENIENT_TYPES.
 * args: without the program's name. `--a.b=c`, `--a.b c` (only where the field is no bool), bare `--a.b` = true,
 * `-a.b`, lists `--a.b[0].c=d`. An unknown flag is an error that names it and the nearest. */
int schema_from_flags(const struct schema *schema, struct pool *pool, int argc, char **argv, struct doc **out,
                      struct error *why);
/* Variables that begin with prefix + "_" ("TRAEFIK"); names split at "_" along the table, in any case; map entries get
 * lower-case names. One whose first word is no option is a warning in the report (it may be meant for somebody else), one
 * that leads nowhere further down an error, as in Traefik. *out is NULL if none was found. 0, or -EINVAL if errors were
 * added. */
int schema_from_env(const struct schema *schema, struct pool *pool, const char *prefix, char **environment,
                    struct doc **out, struct schema_report *report);

/* Markdown reference: a table of every option with its dotted name, kind, default and text. */
void schema_reference(const struct schema *schema, const char *prefix, struct text *out);

/* A part of a schema that custom resources have in another form: under that dotted path stands that schema. */
struct schema_part {
    const char *path; /* "forwardAuth.tls" */
    const struct schema *schema;
};
/* YAML of an OpenAPI v3 schema, structural in the sense of Kubernetes; indent: columns before each line. */
void schema_openapi(const struct schema *schema, const struct schema_part *parts, size_t part_count,
                    int indent, struct text *out);

/* The nearest of the field names (edit distance at most a third), or NULL. */
const char *schema_nearest(const struct schema *schema, struct slice name);
/* The same for other names, NULL behind the last one. */
const char *schema_nearest_of(const char *const *names, struct slice name);

/* Shared scalar readers: the only ones in the house. */
int parse_duration(struct slice text, int64_t *nanoseconds,
                   struct error *why);                                /* Go syntax; bare number = seconds */
int parse_size(struct slice text, int64_t *bytes, struct error *why); /* "10", "10k", "4Mi" */
int parse_bool(struct slice text, bool *out, struct error *why);      /* Go's strconv.ParseBool */
void format_duration(int64_t nanoseconds, struct text *out);          /* as Go prints: "1m30s", "0s" */

/* The next option (from row *from on, which is moved behind it) of a decoded object that is set and that this build does
 * not act upon; NULL when there is none. Looks at the rows of the object itself, not at structs below it. */
const struct schema_field *schema_unserved(const struct schema *schema, const void *object, size_t *from);

#endif
