/*
 * exchange_kept.c - what middlewares keep with an exchange and owe at its end, and the request once more without what
 * those behind have kept. See exchange.h.
 */
#include <string.h>

#include "shm/routes.h"
#include "worker/chain.h"
#include "worker/exchange_inner.h"
#include "worker/filter.h"

struct kept {
    uint32_t position;
    void *state;
    struct kept *next;
};

struct at_end {
    uint32_t position;
    bool at_answer;
    void (*undo)(struct exchange *ex, void *state);
    void *state;
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

static void owe(struct exchange *ex, void (*undo)(struct exchange *ex, void *state), void *state,
                bool at_answer)
{
    struct at_end *owed = pool_alloc(ex->pool, sizeof(*owed));

    *owed = (struct at_end){
        .position = ex->position, .at_answer = at_answer, .undo = undo, .state = state, .next = ex->at_end};
    ex->at_end = owed;
}

void exchange_at_end(struct exchange *ex, void (*undo)(struct exchange *ex, void *state), void *state)
{
    owe(ex, undo, state, false);
}

void exchange_at_answer(struct exchange *ex, void (*undo)(struct exchange *ex, void *state), void *state)
{
    owe(ex, undo, state, true);
}

static void undo_those(struct exchange *ex, uint32_t position, bool at_answer)
{
    struct at_end **link = &ex->at_end;

    while (*link) {
        struct at_end *owed = *link;

        if (owed->position < position || (at_answer && !owed->at_answer)) {
            link = &owed->next;
            continue;
        }
        *link = owed->next;
        owed->undo(ex, owed->state);
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
