/*
 * schema_internal.h - what the parts of the schema engine share; nobody else includes it.
 */
#ifndef WEIR_COMMON_SCHEMA_SCHEMA_INTERNAL_H
#define WEIR_COMMON_SCHEMA_SCHEMA_INTERNAL_H

#include "common/base/text.h"
#include "common/schema/schema.h"

/* Where in the object we are: a chain of frames on the stack, turned into text only when something is wrong. */
struct place {
    const struct place *above; /* NULL at the object that is decoded */
    struct slice name;         /* of a field or map entry; empty for the item of a list */
    size_t index;              /* of an item */
};

/* "routes[0].services[1].port", in the pool. */
struct slice place_text(struct pool *pool, const struct place *place);

struct decoder {
    struct pool *pool;
    unsigned flags; /* enum schema_decode_flags */
    struct schema_report *report;
};

/* Adds an error at a node; place becomes the key. */
void decoder_error(struct decoder *decoder, const struct doc *at, const struct place *place,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The value as messages show it: "abc", 12, a list; *** for a secret. In the pool, cut when long. */
struct slice doc_shown(struct pool *pool, const struct doc *node, uint32_t field_flags);

/* decode_scalar.c: everything without a schema of its own. */
void decode_scalar(struct decoder *decoder, const struct schema_field *field, const struct doc *node,
                   void *target, const struct place *place);
/* Text of a scalar: always of a string; of numbers and booleans when types are lenient. False: not that kind. */
bool decode_text(const struct decoder *decoder, const struct doc *node, struct slice *out);

/* {} where a list is expected: an empty one in what users write by hand, as in Traefik. */
bool decode_empty_list(const struct decoder *decoder, const struct doc *node);

/* The field of this name (exactly, or in any case), or NULL. */
const struct schema_field *schema_find(const struct schema *schema, struct slice name, bool any_case);

/* `unknown field "foo", did you mean "bar"? (known: bar, baz)`. In the pool. */
struct slice schema_unknown_text(struct pool *pool, const struct schema *schema, struct slice name);
/* `"foo" does not fit: options are expected here (known: bar, baz)`. In the pool. */
struct slice schema_no_options_text(struct pool *pool, const struct schema *schema, const struct doc *node);

/* Is the value what an absent one would be in Go: false, 0, "", nil, nothing in it? */
bool schema_is_zero(const struct schema_field *field, const void *value);

/* Items of a list whose row is a SCHEMA_LIST or the values of a SCHEMA_MAP. */
static inline void *schema_item(const struct schema *sub, void *items, size_t i)
{
    return (char *)items + i * sub->size;
}

/* "***" and eight hexadecimal digits that are the same for the same secret within this process. */
void schema_secret_text(struct slice secret, struct text *out);

#endif
