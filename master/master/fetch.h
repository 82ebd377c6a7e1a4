/*
 * fetch.h - one answer of one URL, for what the master asks of others on its loop: it is looked at from the heart.
 *
 * http and https, with verification (against the system's authorities unless `tls` says otherwise); redirects are not
 * followed: only 2xx counts. Name, connection, head and every silence have a bound each (FETCH_PATIENCE_MS), the whole one
 * too (FETCH_WHOLE_NS).
 */
#ifndef WEIR_MASTER_MASTER_FETCH_H
#define WEIR_MASTER_MASTER_FETCH_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/tls/tls.h"

#define FETCH_PATIENCE_MS 10000
#define FETCH_WHOLE_NS (INT64_C(30) * 1000000000)

struct uv_loop_s;
struct fetch;

struct fetch_request {
    struct slice url;    /* server_url_to_ask() must take it */
    struct slice method; /* upper case */
    struct slice fields; /* whole lines with CRLF, besides Host, User-Agent */
    struct slice body;
    size_t most;                   /* bytes of the answer's body; more is an error */
    struct tls_client_options tls; /* for https */
    int64_t timeout_ns;            /* in place of all those bounds; 0: they hold */
};

struct fetch_result {
    int rc; /* 0, or a negative errno with words in `why` */
    struct error why;
    struct slice body; /* good until fetch_free() */
    int64_t max_age_s; /* fetch_max_age() of Cache-Control */
};

/* Seconds, INT32_MAX at the most; 0 for no-store and no-cache; -1: it says nothing. */
int64_t fetch_max_age(struct slice cache_control);

/* Texts are copied. A negative errno: nothing was begun. */
int fetch_new(struct uv_loop_s *loop, const struct fetch_request *request, struct fetch **out,
              struct error *why);
/* NULL: it is under way. */
const struct fetch_result *fetch_result(struct fetch *fetch);
/* Also while it is under way; its handles close with the loop's. NULL is fine. */
void fetch_free(struct fetch *fetch);

#endif
