/*
 * resolve_helper.h - for tests of resolving: a static configuration from flags and models from YAML, as a file of the
 * file provider would be.
 */
#ifndef WEIR_TESTS_UNIT_RESOLVE_HELPER_H
#define WEIR_TESTS_UNIT_RESOLVE_HELPER_H

#include "master/resolve/resolve.h"
#include "master/static/load.h"

/* args: separated by blanks. Fails the test when they are refused. */
void resolve_static(struct static_loaded *loaded, const char *args);
/* What stands under `http:`; names in the YAML may hold "@provider" (else file). Bad options fail the test. The text lives
 * in the model's pool. */
struct model *resolve_model(const char *yaml);

/* "a | b": the errors of an element. "" for none. In a buffer that the next call overwrites. */
const char *resolve_errors(const struct element *element);
/* "a,b": a list of slices, likewise. */
const char *resolve_list(const struct list *list);

#endif
