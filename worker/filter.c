/*
 * filter.c - see filter.h. The list of a direction begins with the one that gets the bytes first.
 */
#include "worker/filter.h"

#include "worker/chain.h"
#include "worker/codec.h"
#include "worker/exchange_inner.h"
#include "worker/middleware.h"

static struct body_filter *add(struct exchange *ex, struct body_filter **list,
                               const struct filter_hooks *hooks, void *state)
{
    struct body_filter *filter = pool_zalloc(ex->pool, sizeof(*filter));

    while (*list) {
        list = &(*list)->next;
    }
    filter->ex = ex;
    filter->hooks = hooks;
    filter->state = state;
    *list = filter;
    return filter;
}

struct body_filter *filter_request(struct exchange *ex, void *state)
{
    return add(ex, &ex->request_filters, &chain_current(ex)->filter, state);
}

struct body_filter *filter_response(struct exchange *ex, void *state)
{
    return add(ex, &ex->response_filters, &chain_current(ex)->filter, state);
}

struct body_filter *filter_outermost(struct exchange *ex, const struct filter_hooks *hooks, void *state)
{
    return add(ex, &ex->response_filters, hooks, state);
}

/* ---- requests ---- */

static bool give_request(struct exchange *ex, struct body_filter *filter, struct slice data, bool last,
                         const struct headers *trailers)
{
    while (filter && filter->hooks->on_request_body == NULL) {
        filter = filter->next;
    }
    return filter ? filter->hooks->on_request_body(filter, data, last, trailers)
                  : exchange_give_request(ex, data, last, trailers);
}

bool filter_pass_request(struct body_filter *filter, struct slice data, bool last,
                         const struct headers *trailers)
{
    return give_request(filter->ex, filter->next, data, last, trailers);
}

bool filters_request_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers)
{
    return give_request(ex, ex->request_filters, data, last, trailers);
}

/* The last of the list is the nearest to the server. */
static bool wanted(struct body_filter *filter, bool by_last)
{
    if (filter == NULL || (filter->next == NULL && by_last)) {
        return false;
    }
    return wanted(filter->next, by_last) ||
           (filter->hooks->on_request_wanted && filter->hooks->on_request_wanted(filter));
}

bool filters_request_wanted(struct exchange *ex)
{
    return wanted(ex->request_filters, false);
}

bool filters_request_held(struct exchange *ex)
{
    return wanted(ex->request_filters, true);
}

/* ---- responses ---- */

static bool give_response(struct exchange *ex, struct body_filter *filter, struct slice data)
{
    while (filter && filter->hooks->on_response_body == NULL) {
        filter = filter->next;
    }
    return filter ? filter->hooks->on_response_body(filter, data) : exchange_give_response(ex, data);
}

static void end_response(struct exchange *ex, struct body_filter *filter, const struct headers *trailers)
{
    while (filter && filter->hooks->on_response_end == NULL) {
        filter = filter->next;
    }
    if (filter) {
        filter->hooks->on_response_end(filter, trailers);
    } else {
        exchange_finish_response(ex, trailers);
    }
}

bool filter_pass_response(struct body_filter *filter, struct slice data)
{
    return give_response(filter->ex, filter->next, data);
}

void filter_end_response(struct body_filter *filter, const struct headers *trailers)
{
    end_response(filter->ex, filter->next, trailers);
}

bool filters_response_body(struct exchange *ex, struct slice data)
{
    return give_response(ex, ex->response_filters, data);
}

void filters_response_end(struct exchange *ex, const struct headers *trailers)
{
    end_response(ex, ex->response_filters, trailers);
}

void filters_response_flush(struct exchange *ex)
{
    for (struct body_filter *filter = ex->response_filters; filter; filter = filter->next) {
        if (filter->hooks->on_response_flush) {
            filter->hooks->on_response_flush(filter);
        }
    }
}

/* The one next to the client first: it makes room for those behind it. */
static bool drained(struct body_filter *filter)
{
    if (filter == NULL) {
        return true;
    }
    return drained(filter->next) &&
           (filter->hooks->on_response_drained == NULL || filter->hooks->on_response_drained(filter));
}

bool filters_response_drained(struct exchange *ex)
{
    return drained(ex->response_filters);
}
