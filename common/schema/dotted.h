/*
 * dotted.h - dotted names and their values ("entryPoints.web.address" = ":80") into a document tree, along a schema.
 *
 * Shared by flags.c and env.c, which only differ in how names and values are written.
 */
#ifndef WEIR_COMMON_SCHEMA_DOTTED_H
#define WEIR_COMMON_SCHEMA_DOTTED_H

#include "common/schema/schema.h"

#define DOTTED_DEPTH_MAX 64

/* What a name leads to. */
enum dotted_kind {
    DOTTED_UNKNOWN, /* see why */
    DOTTED_SWITCH,  /* true when nothing follows: a boolean, a struct, an entry of a map of structs */
    DOTTED_LIST,    /* of texts: given twice, both count */
    DOTTED_VALUE,
    DOTTED_FREE, /* at or below a free-form field: only the reader of it knows */
};

struct dotted_setting {
    struct slice name; /* as written, with dots */
    struct slice value;
    bool bare;          /* no value written: true */
    struct slice shown; /* for messages: "--api.insecure", "TRAEFIK_API_INSECURE" */
};

/* root_known (may be NULL): whether the first part of an unknown name is a field. *why gets the text without the name:
 * `unknown, did you mean entryPoints.web.address?` */
enum dotted_kind dotted_resolve(const struct schema *schema, struct slice name, bool *root_known,
                                struct error *why);

/* All names must have been resolved before. Sorts the settings by name, as Traefik does: where two names differ in
 * letter case only, the first one's case is kept. */
int dotted_tree(const struct schema *schema, struct pool *pool, struct dotted_setting *settings, size_t count,
                struct doc **out, struct error *why);

#endif
