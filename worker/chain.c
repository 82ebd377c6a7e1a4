/*
 * chain.c - see chain.h. A middleware that answered does not see its own answer: those before it do.
 */
#include "worker/chain.h"

#include "common/base/log.h"
#include "shm/middlewares.h"
#include "shm/services.h"
#include "worker/exchange_inner.h"
#include "worker/middleware.h"
#include "worker/sticky.h"
#include "worker/worker.h"

static const struct list *chain_of(const struct exchange *ex)
{
    static const struct list none;

    return ex->route == ROUTE_NONE ? &none
                                   : &routes_at(ex->generation->pages[PAGE_ROUTES], ex->route)->middlewares;
}

/* Of the router's. */
static inline const struct middleware_row *row_at(const struct exchange *ex, const struct list *chain,
                                           uint32_t position)
{
    const uint32_t *numbers = page_at(ex->generation->pages[PAGE_ROUTES], chain->items);

    return middlewares_at(ex->generation->pages[PAGE_MIDDLEWARES], numbers[position]);
}

static struct service_step *step_at(const struct exchange *ex, uint32_t position)
{
    struct service_step *step = ex->steps;

    while (step && step->position != position) {
        step = step->before;
    }
    return step;
}

/* NULL where there is nothing: a chain has no hooks. */
static inline const struct middleware_type *type_at(const struct exchange *ex, const struct list *chain,
                                             uint32_t position, const void **params)
{
    const struct service_step *step = position < chain->count ? NULL : step_at(ex, position);
    const struct middleware_row *row = step ? step->row : row_at(ex, chain, position);

    if (row == NULL) {
        *params = NULL;
        return step->type;
    }
    *params = page_at(ex->generation->pages[PAGE_MIDDLEWARES], row->params);
    return middleware_types[row->kind];
}

static struct slice name_at(const struct exchange *ex, const struct list *chain, uint32_t position)
{
    const struct service_step *step;

    if (position < chain->count) {
        return page_text(ex->generation->pages[PAGE_MIDDLEWARES], row_at(ex, chain, position)->name);
    }
    step = step_at(ex, position);
    return step->row ? page_text(ex->generation->pages[PAGE_MIDDLEWARES], step->row->name)
                     : page_text(step->page, step->service->name);
}

/* What there is of the chain, from ex->position on; false: something of it has the request now. */
static bool run_list(struct exchange *ex, const struct list *chain)
{
    uint32_t count = ex->steps ? ex->steps->position + 1 : (uint32_t)chain->count;

    while (ex->position < count) {
        const void *params;
        const struct middleware_type *type = type_at(ex, chain, ex->position, &params);
        enum mw_verdict verdict = MW_PASS;

        ex->chain_done = ex->position + 1;
        if (type && type->on_request) {
            ex->doing = type->name;
            log_debug("middleware %.*s (%s)", SLICE_ARG(name_at(ex, chain, ex->position)), type->name);
            verdict = type->on_request(ex, params);
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

/* The layer of routers behind this one; 0: none. */
static uint32_t children_of(const struct exchange *ex)
{
    return ex->route == ROUTE_NONE ? 0 : routes_at(ex->generation->pages[PAGE_ROUTES], ex->route)->children;
}

/* A child's list begins with that of its parent: the position stays. */
static void run(struct exchange *ex)
{
    uint32_t children;

    for (;;) {
        if (!run_list(ex, chain_of(ex))) {
            return;
        }
        if ((children = children_of(ex)) == 0) {
            break;
        }
        if (exchange_descend(ex, children) == NULL) {
            return;
        }
    }
    exchange_serve(ex);
}

/* Of the middleware whose hook runs. */
static const struct middleware_row *row_now(const struct exchange *ex)
{
    const struct list *chain = chain_of(ex);

    return ex->position < chain->count ? row_at(ex, chain, ex->position) : step_at(ex, ex->position)->row;
}

uint32_t exchange_asked_service(const struct exchange *ex, uint32_t index)
{
    const uint32_t *services = page_at(ex->generation->pages[PAGE_MIDDLEWARES], row_now(ex)->services.items);

    return services[index];
}

_Atomic uint64_t *exchange_word(const struct exchange *ex, uint32_t index)
{
    const struct board_ref *words =
        page_at(ex->generation->pages[PAGE_MIDDLEWARES], row_now(ex)->words.items);

    return board_at(ex->worker->board, words[index]);
}

struct table_ref exchange_table(const struct exchange *ex)
{
    return row_now(ex)->table;
}

const struct middleware_type *chain_current(const struct exchange *ex)
{
    const void *params;

    return type_at(ex, chain_of(ex), ex->position, &params);
}

/* ---- services on the way ---- */

struct service_step *chain_service_step(const struct exchange *ex)
{
    return step_at(ex, ex->position);
}

uint32_t chain_way(const struct exchange *ex, bool *entered)
{
    if (ex->steps) {
        *entered = ex->steps->entered;
        return ex->steps->way;
    }
    *entered = ex->route != ROUTE_NONE; /* the router's chain ends with those of its own service */
    return ex->service;
}

static struct service_step *step_add(struct exchange *ex, const struct page *page,
                                     const struct service *service)
{
    struct service_step *step = pool_alloc(ex->pool, sizeof(*step));

    *step = (struct service_step){.position = ex->position,
                                  .page = page,
                                  .service = service,
                                  .cookies = ex->set_cookies,
                                  .before = ex->steps};
    for (const struct set_cookie *cookie = ex->set_cookies; cookie; cookie = cookie->next) {
        step->cookie_count++;
    }
    ex->steps = step;
    ex->step = EXCHANGE_REQUEST;
    return step;
}

void chain_step(struct exchange *ex, const struct middleware_type *type, const struct page *page,
                const struct service *service)
{
    step_add(ex, page, service)->type = type;
    run(ex);
}

void chain_middlewares(struct exchange *ex, const struct page *page, const struct service *service,
                       uint32_t number)
{
    const uint32_t *numbers = page_at(page, service->middlewares.items);
    uint32_t first = ex->position;

    for (size_t i = 0; i < service->middlewares.count; i++) {
        const struct middleware_row *row =
            middlewares_at(ex->generation->pages[PAGE_MIDDLEWARES], numbers[i]);
        struct service_step *step;

        if (row == NULL) { /* of a page that does not fit: nobody passes unguarded */
            exchange_answer(ex, 500, REASON_internal_error);
            exchange_respond(ex);
            return;
        }
        step = step_add(ex, page, service);
        step->position = first + (uint32_t)i;
        step->row = row;
        step->way = number;
        step->entered = true;
    }
    run(ex);
}

/* Those from a position on are no longer on the way, nor are the cookies that were set behind the last one that is. */
static void steps_take_off(struct exchange *ex, uint32_t position)
{
    struct set_cookie **last = &ex->set_cookies;

    while (ex->steps && ex->steps->position >= position) {
        ex->steps = ex->steps->before;
    }
    ex->set_cookies = ex->steps ? ex->steps->cookies : NULL;
    for (unsigned i = 0; ex->steps && i < ex->steps->cookie_count; i++) {
        last = &(*last)->next;
    }
    *last = NULL;
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
    steps_take_off(ex, ex->position);
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
    if (ex->chain_done == 0) {
        return CHAIN_DONE;
    }

    const struct list *chain = chain_of(ex);

    while (ex->position > 0) { /* so many passed the request on */
        const void *params;
        const struct middleware_type *type = type_at(ex, chain, --ex->position, &params);

        if (type->on_response == NULL) {
            continue;
        }
        switch (type->on_response(ex, params)) {
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
