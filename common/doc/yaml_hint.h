/*
 * yaml_hint.h - words behind a problem of libyaml's that say what to look at.
 */
#ifndef WEIR_COMMON_DOC_YAML_HINT_H
#define WEIR_COMMON_DOC_YAML_HINT_H

#include "common/base/slice.h"

/* Or NULL. line and column, both from 0, of the problem in the text. */
const char *yaml_hint(const char *problem, struct slice text, size_t line, size_t column);

#endif
