/*
 * yaml_inner.h - between yaml.c (documents) and yaml_stream.c (texts with many).
 */
#ifndef WEIR_COMMON_DOC_YAML_INNER_H
#define WEIR_COMMON_DOC_YAML_INNER_H

#include "common/doc/doc.h"

/* Every document of the text, empty ones too, made in the pool with copies of what they need of it; `name` has to live as long as
 * they do. line_base is added to their lines. A negative errno with words: those before were given already. */
int yaml_read_text(struct pool *pool, struct slice name, size_t line_base, struct slice text,
                   doc_found *on_document, void *context, struct error *why);

struct slice yaml_without_bom(struct slice text);

#endif
