/*
 * yaml_scalar.h - what a plain YAML scalar means: null, true, 12, 0x1f, 1.5, or just text.
 */
#ifndef WEIR_COMMON_DOC_YAML_SCALAR_H
#define WEIR_COMMON_DOC_YAML_SCALAR_H

#include "common/doc/doc.h"

/* Sets kind and value from node->text as the YAML 1.2 core schema and Go's reader see it (yes, no, on, off are text). */
void yaml_resolve_plain(struct doc *node);

/* The same under an explicit tag ("tag:yaml.org,2002:int"); false when the text is none of that kind or the tag unknown. */
bool yaml_resolve_tagged(struct doc *node, struct slice tag);

#endif
