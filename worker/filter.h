/*
 * filter.h - middlewares that see bodies go by: hold them, change them, count them.
 *
 * A middleware asks for it in its on_request (filter_request) or on_response (filter_response). Bytes of a request go
 * through the filters in the order of the chain, those of a response in reverse, and a filter hands on what it wants, when
 * it wants, by filter_pass_*(). Nobody copies: data is valid during the call only, body_store.h keeps what must wait.
 *
 * Hooks do not have the parameters of the middleware: a long body outlives its configuration (I4). What they need is in
 * filter->state. A hook may end the exchange (answer instead, or break it off); neither filter nor exchange may be touched
 * afterwards.
 *
 * A held answer: on_response asks for the filter and returns MW_SUSPENDED: the head waits, the body comes to the filter,
 * which takes it or says false (backed up) until exchange_response_resume() has sent the head.
 */
#ifndef WEIR_WORKER_FILTER_H
#define WEIR_WORKER_FILTER_H

#include "common/base/slice.h"

struct exchange;
struct headers;
struct body_filter;

struct filter_hooks { /* absent: the bytes go by */
    /* A part of the request's body; last: none follows (data may be empty). false: backed up: no more until
     * exchange_want_body() or exchange_read_body() is called. */
    bool (*on_request_body)(struct body_filter *filter, struct slice data, bool last,
                            const struct headers *trailers);
    /* The next one wants (more of) the request's body. true: it comes from here; false: ask those before. */
    bool (*on_request_wanted)(struct body_filter *filter);
    /* A part of the response's body. false: backed up: on_response_drained() follows. */
    bool (*on_response_body)(struct body_filter *filter, struct slice data);
    void (*on_response_end)(struct body_filter *filter, const struct headers *trailers);
    /* The server has sent what it had: whoever waits for the client's sake should not wait longer. */
    void (*on_response_flush)(struct body_filter *filter);
    /* The next one takes bytes again. true: so do we. */
    bool (*on_response_drained)(struct body_filter *filter);
};

struct body_filter {
    struct exchange *ex;
    const struct filter_hooks *hooks;
    void *state;              /* the middleware's own */
    struct body_filter *next; /* that gets the bytes after this one; NULL: the server or the client */
};

/* Within on_request and on_response of a middleware. The filter lives as long as the exchange. */
struct body_filter *filter_request(struct exchange *ex, void *state);
struct body_filter *filter_response(struct exchange *ex, void *state);

/* From hooks, or later: to the next one. false: backed up. */
bool filter_pass_request(struct body_filter *filter, struct slice data, bool last,
                         const struct headers *trailers);
bool filter_pass_response(struct body_filter *filter, struct slice data);
/* The last call: the exchange ends in there, at once or later. */
void filter_end_response(struct body_filter *filter, const struct headers *trailers);

/* ---- for exchange.c ---- */
bool filters_request_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers);
/* true: a filter gives the request's body. */
bool filters_request_wanted(struct exchange *ex);
/* The last filter wants it, no server yet. true: one before gives it. */
bool filters_request_held(struct exchange *ex);
bool filters_response_body(struct exchange *ex, struct slice data);
void filters_response_end(struct exchange *ex, const struct headers *trailers);
void filters_response_flush(struct exchange *ex);
/* true: whoever feeds the response may go on. */
bool filters_response_drained(struct exchange *ex);

#endif
