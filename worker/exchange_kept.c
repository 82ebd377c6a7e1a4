/*
 * exchange_kept.c - what middlewares keep with an exchange and owe at its end, and the request once more without what
 * those behind have kept. See exchange.h.
 */
#include <string.h>

#include "shm/routes.h"
#include "worker/chain.h"
#include "worker/exchange_inner.h"
#include "worker/filter.h"
#include "worker/worker.h"

struct kept {
    uint32_t position;
    void *state;
    struct kept *next;
};

struct at_end {
    uint32_t position;
    void (*undo)(struct exchange *ex, void *state); /* NULL: it is a count */
    void *state;
    struct in_flight count;
    struct at_end *next;
};

void exchange_keep(struct exchange *ex, void *state)
{
    struct kept *kept = pool_alloc(ex->pool, sizeof(*kept));

    *kept = (struct kept){.position = ex->position, .state = state, .next = ex->kept};
    ex->kept = kept;
}

void *exchange_kept(const struct exchange *ex)
{
    for (const struct kept *kept = ex->kept; kept; kept = kept->next) {
        if (kept->position == ex->position) {
            return kept->state;
        }
    }
    return NULL;
}

/* That of the middlewares from a position on: others may stand there soon. */
static void forget_from(struct exchange *ex, uint32_t position)
{
    struct kept **link = &ex->kept;

    while (*link) {
        if ((*link)->position < position) {
            link = &(*link)->next;
        } else {
            *link = (*link)->next;
        }
    }
}

static struct at_end *owe(struct exchange *ex)
{
    struct at_end *owed = pool_zalloc(ex->pool, sizeof(*owed));

    owed->position = ex->position;
    owed->next = ex->at_end;
    return ex->at_end = owed;
}

void exchange_at_end(struct exchange *ex, void (*undo)(struct exchange *ex, void *state), void *state)
{
    struct at_end *owed = owe(ex);

    owed->undo = undo;
    owed->state = state;
}

void exchange_counted(struct exchange *ex, const struct in_flight *count)
{
    owe(ex)->count = *count;
}

static void pay(struct exchange *ex, const struct at_end *owed)
{
    if (owed->undo) {
        owed->undo(ex, owed->state);
    } else {
        in_flight_give(ex->worker->board, ex->worker->slot, &owed->count);
    }
}

static void undo_those(struct exchange *ex, uint32_t position, bool counts_only)
{
    struct at_end **link = &ex->at_end;

    while (*link) {
        struct at_end *owed = *link;

        if (owed->position < position || (counts_only && owed->undo)) {
            link = &owed->next;
            continue;
        }
        *link = owed->next;
        pay(ex, owed);
    }
}

void exchange_undo(struct exchange *ex, uint32_t position)
{
    undo_those(ex, position, false);
}

void exchange_undo_answer(struct exchange *ex)
{
    undo_those(ex, 0, true);
}

void exchange_hand_over(struct exchange *ex, struct held *held)
{
    struct at_end **link = &ex->at_end;

    while (*link) {
        if ((*link)->undo) {
            link = &(*link)->next;
        } else {
            held_add(held, &(*link)->count);
            *link = (*link)->next;
        }
    }
}

/* ---- once more ---- */

/* The fields may be changed on the way: the list is the snapshot's own. */
static void copy_fields(struct exchange_request *request, struct pool *pool)
{
    struct headers *headers = &request->headers;
    struct header *items = pool_alloc(pool, (headers->count + 1) * sizeof(*items));

    if (headers->count) {
        memcpy(items, headers->items, headers->count * sizeof(*items));
    }
    headers->items = items;
    headers->capacity = headers->count;
}

void exchange_snapshot(const struct exchange *ex, struct exchange_snapshot *snapshot)
{
    snapshot->route = ex->route;
    snapshot->request = ex->request;
    copy_fields(&snapshot->request, ex->pool);
    snapshot->client_appended = ex->client_appended;
    snapshot->not_append_forwarded_for = ex->not_append_forwarded_for;
    snapshot->filter = ex->request_filters;
    while (snapshot->filter && snapshot->filter->next) {
        snapshot->filter = snapshot->filter->next;
    }
}

void exchange_again(struct exchange *ex, const struct exchange_snapshot *snapshot)
{
    if (ex->step != EXCHANGE_HELD) {
        return;
    }
    exchange_undo(ex, ex->position + 1);
    forget_from(ex, ex->position + 1);
    ex->route = snapshot->route;
    if (ex->route != ROUTE_NONE) { /* a request of our own has none */
        ex->service = routes_at(ex->generation->pages[PAGE_ROUTES], ex->route)->service;
    }
    ex->request = snapshot->request;
    copy_fields(&ex->request, ex->pool);
    ex->client_appended = snapshot->client_appended;
    ex->not_append_forwarded_for = snapshot->not_append_forwarded_for;
    if (snapshot->filter) {
        snapshot->filter->next = NULL;
    } else {
        ex->request_filters = NULL;
    }
    ex->request_done = !ex->request.has_body && !ex->request.tunnel;
    ex->contact = CONTACT_NONE;
    ex->answered = false;
    ex->reason = REASON_none;
    chain_again(ex);
}
