/*
 * provider_helper.h - for tests of sources and providers: a directory that goes away, models as text, golden files.
 */
#ifndef WEIR_TESTS_UNIT_PROVIDER_HELPER_H
#define WEIR_TESTS_UNIT_PROVIDER_HELPER_H

#include "common/base/text.h"
#include "master/provider/provider.h"

/* A new directory under TMPDIR; directory_remove() removes it with all that is in it. */
char *directory_new(void);
void directory_remove(char *directory);
/* Writes DIR/NAME (making directories in NAME) in one go, or appends nothing and truncates when text is "". */
void directory_write(const char *directory, const char *name, const char *text);
void directory_delete(const char *directory, const char *name);
/* The text of a file of the repository, NUL-terminated; fails the test when it cannot be read. free() it. */
char *file_text(const char *path);

/* One line of JSON for each object, sorted by kind and name: {"router":NAME,"status":..,"config":{..},"errors":[..]}. The
 * directory's path is cut off file names. */
void model_dump(struct model *model, const char *directory, struct text *out);

/* Compares with tests/unit/golden/NAME; WEIR_GOLDEN=write in the environment writes it instead. */
void assert_golden(const char *name, const struct text *text);

/* The model that a provider makes; a load that fails fails the test. */
struct model *provider_load(const struct provider *provider, const struct static_config *config,
                            struct provider_state **state);
/* model_dump() against a golden file. */
void assert_model(struct model *model, const char *directory, const char *golden);
/* What a provider's first load makes against a golden file. */
void assert_loads(const struct provider *provider, const struct static_config *config, const char *directory,
                  const char *golden);

/* The whole model as one text, for assertions by search. */
void assert_contains(const struct text *text, const char *part);
void assert_lacks(const struct text *text, const char *part);

#endif
