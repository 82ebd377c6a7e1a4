/*
 * middlewares.h - the middlewares page: kind and packed parameters of every middleware that a router uses.
 */
#ifndef WEIR_SHM_MIDDLEWARES_H
#define WEIR_SHM_MIDDLEWARES_H

#include "common/model/middlewares.h"
#include "shm/page.h"

struct middleware_row { /* stored */
    struct slice name;
    enum middleware_kind kind;
    const void *params; /* of the kind's struct: page_at() */
};

struct middleware_input {
    struct slice name;
    enum middleware_kind kind;
    const void *params; /* decoded, native */
};

void middlewares_build(struct page_builder *builder, const struct middleware_input *rows, size_t count);
int middlewares_check(const struct page *page, struct error *why);
uint32_t middlewares_count(const struct page *page);
const struct middleware_row *middlewares_at(const struct page *page, uint32_t number);

#endif
