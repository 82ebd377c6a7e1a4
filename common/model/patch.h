/*
 * patch.h - a few objects of a provider's model have become others: what goes of it, and a small model with what comes.
 *
 * A provider makes it (provider.h, refresh()) when it knows that a load would change nothing else. Objects keep their
 * addresses, so that whoever holds one of the model's finds it there afterwards too.
 */
#ifndef WEIR_COMMON_MODEL_PATCH_H
#define WEIR_COMMON_MODEL_PATCH_H

#include "common/model/dynamic.h"

enum model_part { PART_ROUTER, PART_SERVICE, PART_MIDDLEWARE };

struct model_gone {
    enum model_part part;
    struct element *element; /* one of the model's */
};

struct model_patch {
    struct model *more;      /* whole objects, some of the names of what goes; NULL: there is no patch */
    struct model_gone *gone; /* malloc'd, none twice */
    size_t gone_count;
    struct slice
        *sources; /* in more's pool: origin.object of all that was read anew, or is not there any more */
    size_t source_count;
};

/* From now on `base` owns patch->more, whatever becomes of it: they are freed together. */
void model_patch_own(struct model *base, struct model_patch *patch);
/* After that: `base` is what a load would have given, in another order. */
void model_patch_apply(struct model *base, const struct model_patch *patch);
/* With `more`, unless it is owned. */
void model_patch_free(struct model_patch *patch);

#endif
