/*
 * chain.c - see chain.h. A middleware that answered does not see its own answer: those before it do.
 */
#include "worker/chain.h"

#include "common/base/log.h"
#include "shm/middlewares.h"
#include "worker/middleware.h"
#include "worker/worker.h"

static const struct middleware_row *row_at(const struct exchange *ex, const struct list *chain,
                                           uint32_t position)
{
    const uint32_t *numbers = page_at(ex->generation->pages[PAGE_ROUTES], chain->items);

    return middlewares_at(ex->generation->pages[PAGE_MIDDLEWARES], numbers[position]);
}

static const struct list *chain_of(const struct exchange *ex)
{
    return &routes_at(ex->generation->pages[PAGE_ROUTES], ex->route)->middlewares;
}

static const void *params_of(const struct exchange *ex, const struct middleware_row *row)
{
    return page_at(ex->generation->pages[PAGE_MIDDLEWARES], row->params);
}

static void run(struct exchange *ex)
{
    const struct list *chain = chain_of(ex);

    while (ex->position < chain->count) {
        const struct middleware_row *row = row_at(ex, chain, ex->position);
        const struct middleware_type *type = middleware_types[row->kind];
        enum mw_verdict verdict = MW_PASS;

        ex->chain_done = ex->position + 1;
        if (type && type->on_request) {
            ex->doing = type->name;
            log_debug("middleware %.*s (%s)",
                      SLICE_ARG(page_text(ex->generation->pages[PAGE_MIDDLEWARES], row->name)), type->name);
            verdict = type->on_request(ex, params_of(ex, row));
        }
        switch (verdict) {
        case MW_PASS:
            ex->position++;
            break;
        case MW_ANSWERED:
            exchange_respond(ex);
            return;
        case MW_SUSPENDED:
            ex->step = EXCHANGE_SUSPENDED;
            return;
        }
    }
    exchange_serve(ex);
}

void chain_start(struct exchange *ex, const struct route *route)
{
    ex->position = 0;
    ex->mw_state = NULL;
    if (route->middlewares.count) {
        ex->mw_state = pool_zalloc(ex->pool, route->middlewares.count * sizeof(*ex->mw_state));
        run(ex);
    } else {
        exchange_serve(ex);
    }
}

void exchange_resume(struct exchange *ex)
{
    if (ex->step != EXCHANGE_SUSPENDED) {
        return;
    }
    ex->step = EXCHANGE_REQUEST;
    if (ex->answered) {
        exchange_respond(ex);
        return;
    }
    ex->position++;
    run(ex);
}

void chain_response(struct exchange *ex)
{
    if (ex->route == ROUTE_NONE || ex->chain_done == 0) {
        return;
    }

    const struct list *chain = chain_of(ex);

    /* position: how many passed the request on */
    for (uint32_t i = ex->position; i-- > 0;) {
        const struct middleware_row *row = row_at(ex, chain, i);
        const struct middleware_type *type = middleware_types[row->kind];

        if (type && type->on_response) {
            ex->position = i;
            type->on_response(ex, params_of(ex, row));
        }
    }
}

void chain_done(struct exchange *ex)
{
    if (ex->route == ROUTE_NONE) {
        return;
    }

    const struct list *chain = chain_of(ex);

    for (uint32_t i = ex->chain_done; i-- > 0;) {
        const struct middleware_row *row = row_at(ex, chain, i);
        const struct middleware_type *type = middleware_types[row->kind];

        if (type && type->on_done) {
            ex->position = i;
            type->on_done(ex, params_of(ex, row));
        }
    }
    ex->chain_done = 0;
}

bool chain_release(struct exchange *ex)
{
    if (ex->route == ROUTE_NONE) {
        return true;
    }

    const struct list *chain = chain_of(ex);

    for (uint32_t i = 0; i < ex->chain_done; i++) {
        const struct middleware_type *type = middleware_types[row_at(ex, chain, i)->kind];

        if (type && type->on_done) {
            return false;
        }
    }
    ex->chain_done = 0;
    return true;
}
