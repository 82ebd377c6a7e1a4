/*
 * toml_internal.h - the cursor that toml.c (tables, keys), toml_string.c and toml_scalar.c (single values) share.
 */
#ifndef WEIR_COMMON_DOC_TOML_INTERNAL_H
#define WEIR_COMMON_DOC_TOML_INTERNAL_H

#include "common/doc/doc_internal.h"

struct toml {
    struct pool *pool;
    struct slice name; /* in the pool */
    const char *at, *end, *line_start;
    size_t line;
    struct error *why;
};

static inline size_t toml_column(const struct toml *toml)
{
    return (size_t)(toml->at - toml->line_start) + 1;
}

#define toml_fail(toml, ...) doc_fail((toml)->why, (toml)->name, (toml)->line, toml_column(toml), __VA_ARGS__)

static inline char toml_peek(const struct toml *toml)
{
    return toml->at < toml->end ? *toml->at : '\0';
}

static inline struct slice toml_rest(const struct toml *toml)
{
    return slice_of(toml->at, (size_t)(toml->end - toml->at));
}

/* Steps over LF or CRLF if one is here. */
bool toml_newline(struct toml *toml);

/* A string at its opening quote, of any of the four forms when multi_line is true, else of the two short ones. */
int toml_string(struct toml *toml, bool multi_line, struct slice *out);

/* A number, boolean, date or time: what is neither string, array nor inline table. */
int toml_scalar(struct toml *toml, struct doc **out);

#endif
