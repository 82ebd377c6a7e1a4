/*
 * claims_expression.h - which claims a token must have: Equals(`grp`, `admin`) && !Contains(`areas`, `home`).
 *
 * Equals, Prefix, Contains (of a text or of a list), SplitContains(key, separator, value), OneOf(list, value...), with && closer
 * than ||, ! and parentheses. Texts stand in `` or "". A key goes into objects by dots; \. is a dot, \\ a backslash. What is not
 * there fits nothing. The master compiles it into bytes, which workers run.
 */
#ifndef WEIR_COMMON_RULE_CLAIMS_EXPRESSION_H
#define WEIR_COMMON_RULE_CLAIMS_EXPRESSION_H

#include "common/doc/doc.h"

/* False: *why says what is wrong and where. The program lies in the pool. */
bool claims_expression_compile(struct pool *pool, struct slice text, struct slice *program,
                               struct error *why);
/* program: as compiled. */
bool claims_expression_holds(struct slice program, const struct doc *claims);

/* A key alone: packed for claims_find(). */
bool claims_path_compile(struct pool *pool, struct slice key, struct slice *path, struct error *why);
/* The claim, or NULL. path: packed. */
const struct doc *claims_find(const struct doc *claims, struct slice path);

#endif
