/*
 * prepare_retry.c - retry: after what, how often, and how the pauses grow: over all attempts not beyond twice the first.
 */
#include <inttypes.h>
#include <math.h>

#include "master/resolve/prepare.h"

#define BODY_DEFAULT ((int64_t)2 << 20)
#define BODY_MOST ((int64_t)64 << 20) /* "no bound" in the options */

const void *prepare_retry(struct preparation *at, const struct retry *options)
{
    struct prepared_retry *made = pool_zalloc(at->pool, sizeof(*made));

    if (options->status.count == 0 && options->disable_retry_on_network_error) {
        return prepare_wrong(at, "retry middleware requires at least HTTP status codes or retry on TCP");
    }
    if (options->attempts <= 0) {
        return prepare_wrong(at, "incorrect (or empty) value for attempt (%" PRId64 ")", options->attempts);
    }
    if (!prepare_statuses(at, &options->status, &made->statuses)) {
        return NULL;
    }
    made->attempts = options->attempts;
    made->timeout = options->timeout;
    made->initial_pause = options->initial_interval > 0 ? options->initial_interval : 0;
    made->growth = made->attempts > 1 ? (int64_t)(pow(2, 1.0 / (double)(made->attempts - 1)) * 1e6) : 1000000;
    made->body_most =
        options->max_request_body_bytes.set ? options->max_request_body_bytes.value : BODY_DEFAULT;
    if (made->body_most < 0) {
        made->body_most = BODY_MOST;
    }
    made->by_network = !options->disable_retry_on_network_error;
    made->every_method = options->retry_non_idempotent_method;
    return made;
}
