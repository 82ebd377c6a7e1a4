/*
 * static_internal.h - what the parts of loading share; nobody else includes it.
 */
#ifndef WEIR_MASTER_STATIC_STATIC_INTERNAL_H
#define WEIR_MASTER_STATIC_STATIC_INTERNAL_H

#include "master/static/load.h"

/* find.c: *path is empty when there is no file. *notes get a line for each thing worth saying. */
int config_file_find(struct pool *pool, int argc, char **argv, char **environment, struct slice *path,
                     struct static_loaded *loaded, struct error *why);
struct slice environment_get(char **environment, const char *name); /* ptr NULL when it is not there */

/* check.c: what is derived (implicit entry points...) and what must fit together. */
void static_derive(struct static_loaded *loaded);
/* legacy.c: what options of Traefik 1 stand for. */
void static_derive_legacy(struct static_loaded *loaded);
/* Whether a flag, or the tree of the file, has an option that only Traefik 1 knows and that means something today. */
bool static_first_generation(int argc, char **argv, const struct doc *tree);
/* Errors for what Traefik 1 wrote otherwise, with what to write today. */
void static_hint_flags(struct static_loaded *loaded, int argc, char **argv);
void static_hint_entry_points(struct static_loaded *loaded, const struct doc *tree);
void static_check(struct static_loaded *loaded);

/* load.c */
struct slice static_flag_name(const char *argument); /* without dashes and value; empty when it is no flag */
/* Decodes a part of the tree over an object with its defaults; key: what stands in front of the fields' names. */
void static_decode(struct static_loaded *loaded, const struct schema *schema, struct slice key,
                   const struct doc *tree, void *object);
void static_warn(struct static_loaded *loaded, const char *format, ...) __attribute__((format(printf, 2, 3)));
void static_error(struct static_loaded *loaded, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
