/*
 * detect.c - see detect.h. A filter next to the client, made once for an answer.
 */
#include "worker/detect.h"

#include <string.h>

#include "common/http/sniff.h"
#include "worker/exchange.h"
#include "worker/filter.h"

struct detection { /* in the exchange's pool */
    struct body_filter *filter;
    uint32_t discarded; /* of the answer that it is about */
    bool held;          /* the head waits */
    bool *over;         /* set when the exchange ends while bytes are handed on */
    size_t len;
    char first[SNIFF_BYTES];
};

static void let_go(struct exchange *ex, void *state)
{
    struct detection *detection = state;

    (void)ex;
    if (detection->over) {
        *detection->over = true;
    }
}

enum passed {
    PASSED,
    PASSED_BACKED_UP,
    PASSED_OVER /* the exchange is over, or its answer is another one */
};

static enum passed pass(struct detection *detection, struct slice piece)
{
    bool over = false, room;

    detection->over = &over; /* cppcheck-suppress autoVariables ; taken back below while there is one */
    room = filter_pass_response(detection->filter, piece);
    if (over) {
        return PASSED_OVER;
    }
    detection->over = NULL;
    return room ? PASSED : PASSED_BACKED_UP;
}

/* The head leaves, then what was kept and `more`. */
static enum passed let_pass(struct detection *detection, struct slice more)
{
    struct exchange *ex = detection->filter->ex;
    size_t kept = detection->len, part = SNIFF_BYTES - kept < more.len ? SNIFF_BYTES - kept : more.len;
    enum passed passed = PASSED;

    if (part) {
        memcpy(detection->first + kept, more.ptr, part);
    }
    if (kept + part) {
        headers_set_id(&ex->response.headers, HEADER_CONTENT_TYPE,
                       sniff_type(slice_of(detection->first, kept + part)));
    }
    detection->held = false;
    if (!exchange_response_resume(ex)) {
        return PASSED_OVER;
    }
    if (kept) {
        passed = pass(detection, slice_of(detection->first, kept));
    }
    return passed == PASSED_OVER || more.len == 0 ? passed : pass(detection, more);
}

static bool on_response_body(struct body_filter *filter, struct slice data)
{
    struct detection *detection = filter->state;

    if (!detection->held) {
        return filter_pass_response(filter, data);
    }
    if (detection->len + data.len >= SNIFF_BYTES) {
        return let_pass(detection, data) == PASSED;
    }
    if (data.len) {
        memcpy(detection->first + detection->len, data.ptr, data.len);
        detection->len += data.len;
    }
    return true;
}

static void on_response_end(struct body_filter *filter, const struct headers *trailers)
{
    struct detection *detection = filter->state;

    if (!detection->held || let_pass(detection, SLICE("")) != PASSED_OVER) {
        filter_end_response(filter, trailers);
    }
}

static void on_response_flush(struct body_filter *filter)
{
    struct detection *detection = filter->state;

    if (detection->held && detection->len) {
        (void)let_pass(detection, SLICE(""));
    }
}

static const struct filter_hooks hooks = {.on_response_body = on_response_body,
                                          .on_response_end = on_response_end,
                                          .on_response_flush = on_response_flush};

bool detect_holds(struct exchange *ex)
{
    const struct exchange_response *response = &ex->response;
    const struct header *encoded = headers_get(&response->headers, HEADER_CONTENT_ENCODING);
    struct detection *detection = ex->detection;

    if (!response->has_body || response->status == 101 ||
        headers_get(&response->headers, HEADER_CONTENT_TYPE) || (encoded && encoded->value.len) ||
        (detection && detection->discarded == ex->discarded)) {
        return false;
    }
    if (detection == NULL) {
        detection = ex->detection = pool_alloc(ex->pool, sizeof(*detection));
        exchange_at_end(ex, let_go, detection);
    }
    detection->over = NULL;
    detection->len = 0;
    detection->held = true;
    detection->discarded = ex->discarded;
    detection->filter = filter_outermost(ex, &hooks, detection);
    return true;
}
