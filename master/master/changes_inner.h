/*
 * changes_inner.h - what a struct known holds, between changes.c and changes_patch.c only.
 */
#ifndef WEIR_MASTER_CHANGES_INNER_H
#define WEIR_MASTER_CHANGES_INNER_H

#include "common/base/pool.h"
#include "common/base/slice.h"
#include "common/base/text.h"
#include "common/model/dynamic.h"
#include "common/model/layer4.h"

#define NAMES_MOST 5 /* of each sort of change in the line */

enum known_kind {
    KNOWN_ROUTER,
    KNOWN_SERVICE,
    KNOWN_MIDDLEWARE,
    KNOWN_TRANSPORT,
    KNOWN_LAYER4, /* and the kinds of layer4.h behind it */
    KNOWN_KINDS = KNOWN_LAYER4 + LAYER4_KINDS
};

struct known_object {
    struct slice name;
    uint64_t hash;
};

struct known_error {
    uint64_t hash;
    bool is_error; /* else a warning */
    struct slice text;
};

struct known {
    struct pool *pool;
    struct known_object *objects[KNOWN_KINDS]; /* sorted by name, as the model is */
    size_t counts[KNOWN_KINDS], capacities[KNOWN_KINDS];
    struct known_error *errors; /* sorted by hash */
    size_t error_count, error_capacity;
};

struct known_names { /* of one sort of change of one kind of object */
    struct slice first[NAMES_MOST];
    size_t count;
};

const char *known_kind_name(int kind);
/* Of its JSON form and its status. */
uint64_t known_hash(const struct element *element, const struct schema *schema, const void *config);

/* ---- errors ---- */
int known_by_hash(const void *left, const void *right); /* of struct known_error */
/* The text is in known->pool. */
void known_add_error(struct known *known, bool is_error, struct slice text);
/* "routes.yml:12: IngressRoute default/whoami: router whoami@file: what is wrong" with the parts that are known. A text
 * that begins with a place in the same file knows better where it is. */
struct slice known_located(struct pool *pool, const struct origin *origin, struct slice object,
                           struct slice text);
void known_remember_errors(struct known *known, int kind, const struct element *element);

/* ---- the line of changes ---- */
void known_note(struct known_names *names, struct slice name);
/* "routers: 1 added (a), 2 removed (b, c)", behind "; " when something stands there; nothing when there are none. */
void known_add_changes(struct text *out, int kind, const struct known_names *added,
                       const struct known_names *removed, const struct known_names *changed);
/* What was written, for free(). */
char *known_taken(struct text *out);

#endif
