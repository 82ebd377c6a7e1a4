/*
 * file_template.h - the one action of Go's templates that files may use: {{ env "NAME" }}.
 */
#ifndef WEIR_MASTER_PROVIDER_FILE_TEMPLATE_H
#define WEIR_MASTER_PROVIDER_FILE_TEMPLATE_H

#include "common/base/error.h"
#include "common/base/text.h"

/* Called for each variable that is not set (it becomes the empty text, as in Traefik). */
typedef void template_unset(void *context, uint32_t line, struct slice name);

/* Appends the text with every action replaced. Any other action is an error: *line says where, *why what. */
int file_template_expand(struct slice text, template_unset *unset, void *context, struct text *out,
                         uint32_t *line, struct error *why);

#endif
