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

/* The middlewares from ex->position on; false: one of them has the request now. */
static bool run_list(struct exchange *ex, const struct list *chain)
{
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
            return false;
        case MW_SUSPENDED:
            ex->step = EXCHANGE_SUSPENDED;
            return false;
        }
    }
    return true;
}

/* A child's list begins with that of its parent: the position stays. */
static void run(struct exchange *ex)
{
    const struct route *route = routes_at(ex->generation->pages[PAGE_ROUTES], ex->route);

    for (;;) {
        if (!run_list(ex, &route->middlewares)) {
            return;
        }
        if (route->children == 0) {
            break;
        }
        if ((route = exchange_descend(ex, route->children)) == NULL) {
            return;
        }
    }
    exchange_serve(ex);
}

uint32_t exchange_asked_service(const struct exchange *ex, uint32_t index)
{
    const uint32_t *services = page_at(ex->generation->pages[PAGE_MIDDLEWARES],
                                       row_at(ex, chain_of(ex), ex->position)->services.items);

    return services[index];
}

_Atomic uint64_t *exchange_word(const struct exchange *ex, uint32_t index)
{
    const struct board_ref *words =
        page_at(ex->generation->pages[PAGE_MIDDLEWARES], row_at(ex, chain_of(ex), ex->position)->words.items);

    return board_at(ex->worker->board, words[index]);
}

struct table_ref exchange_table(const struct exchange *ex)
{
    return row_at(ex, chain_of(ex), ex->position)->table;
}

const struct middleware_type *chain_current(const struct exchange *ex)
{
    return middleware_types[row_at(ex, chain_of(ex), ex->position)->kind];
}

void chain_start(struct exchange *ex, const struct route *route)
{
    ex->position = 0;
    if (route->middlewares.count || route->children) {
        run(ex);
    } else {
        exchange_serve(ex);
    }
}

void chain_again(struct exchange *ex)
{
    ex->step = EXCHANGE_REQUEST;
    ex->position++;
    run(ex);
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

enum chain_result chain_response(struct exchange *ex)
{
    if (ex->route == ROUTE_NONE || ex->chain_done == 0) {
        return CHAIN_DONE;
    }

    const struct list *chain = chain_of(ex);

    while (ex->position > 0) { /* so many passed the request on */
        const struct middleware_row *row = row_at(ex, chain, --ex->position);
        const struct middleware_type *type = middleware_types[row->kind];

        if (type->on_response == NULL) {
            continue;
        }
        switch (type->on_response(ex, params_of(ex, row))) {
        case MW_PASS:
            break;
        case MW_SUSPENDED:
            if (ex->response.status == 101) { /* what follows is no body that could wait */
                break;
            }
            return CHAIN_HELD;
        case MW_ANSWERED:
            exchange_respond(ex);
            return CHAIN_ANSWERED;
        }
    }
    return CHAIN_DONE;
}
