/*
 * middlewares.h - the middlewares page: kind and packed parameters of every middleware that a router uses.
 *
 * A middleware that keeps something for each router has a row for each of them; the parameters are shared.
 */
#ifndef WEIR_SHM_MIDDLEWARES_H
#define WEIR_SHM_MIDDLEWARES_H

#include "common/model/middlewares.h"
#include "shm/board.h"
#include "shm/page.h"

struct middleware_row { /* stored */
    struct slice name;
    enum middleware_kind kind;
    const void
        *params; /* of the kind's struct, prepared (common/model/prepared.h) or its options: page_at() */
    struct list services; /* uint32_t: numbers of those that it asks */
    struct list words;    /* struct board_ref: what it keeps on the board */
    struct table_ref table;
};

struct middlewares_root {
    struct list rows; /* struct middleware_row */
};

struct middleware_input {
    struct slice name;
    enum middleware_kind kind;
    const void *params; /* native; the same pointer as in an earlier row: stored once */
    const uint32_t *services;
    uint32_t service_count;
    const struct board_ref *words;
    uint32_t word_count;
    struct table_ref table;
};

void middlewares_build(struct page_builder *builder, const struct middleware_input *rows, size_t count);
int middlewares_check(const struct page *page, struct error *why);
uint32_t middlewares_count(const struct page *page);
/* NULL: there is none of that number. */
static inline const struct middleware_row *middlewares_at(const struct page *page, uint32_t number)
{
    const struct list *rows = &((const struct middlewares_root *)page_root(page))->rows;

    return number < rows->count ? (const struct middleware_row *)page_at(page, rows->items) + number : NULL;
}

#endif
