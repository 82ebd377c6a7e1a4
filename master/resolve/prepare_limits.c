/*
 * prepare_limits.c - the middlewares that bound what a source may ask for: what makes a source, and numbers ready to count with.
 */
#include "master/resolve/prepare.h"

#include <inttypes.h>

#include "shm/rate.h"

/* What stands in a table (prepare_table()): counts; times of one scale. Scales lie within 128 of 0. */
#define LAYOUT_IN_FLIGHT 1
#define LAYOUT_RATE(shift) ((uint64_t)(0x100 + 128 + (shift)))

bool prepare_source(struct preparation *at, const struct source_criterion *criterion,
                    enum source_kind otherwise, struct prepared_source *out)
{
    static const struct source_criterion none;
    const struct source_criterion *by = criterion ? criterion : &none;

    *out = (struct prepared_source){.kind = otherwise, .header = by->request_header_name};
    if ((by->ip_strategy != NULL) + (by->request_header_name.len > 0) + by->request_host > 1) {
        return prepare_wrong(at, "sourceCriterion: %s and %s are mutually exclusive",
                             by->ip_strategy ? "iPStrategy" : "requestHost",
                             by->request_header_name.len ? "RequestHeaderName" : "RequestHost");
    }
    if (by->request_header_name.len) {
        out->kind = SOURCE_HEADER;
    } else if (by->request_host) {
        out->kind = SOURCE_HOST;
    } else if (by->ip_strategy) {
        out->kind = SOURCE_ADDRESS;
        if (!prepare_client(at, by->ip_strategy, &out->client)) {
            return prepare_wrong(at, "sourceCriterion.ipStrategy.excludedIPs: %.*s", SLICE_ARG(at->wrong));
        }
    }
    return true;
}

const void *prepare_rate_limit(struct preparation *at, const struct rate_limit *options)
{
    struct prepared_rate_limit *made = pool_zalloc(at->pool, sizeof(*made));

    if (!prepare_source(at, options->source_criterion, SOURCE_ADDRESS, &made->source)) {
        return NULL;
    }
    if (options->average == 0) { /* no limit, redis or not */
        return made;
    }

    struct rate rate = rate_make(options->average, options->period ? options->period : 1000000000,
                                 options->burst > 1 ? options->burst : 1);

    made->interval = rate.interval;
    made->tolerance = rate.tolerance;
    made->max_delay_ns = rate.max_delay_ns;
    made->shift = rate.shift;
    if (options->redis) {
        return prepare_redis(at, options, made) ? made : NULL;
    }
    prepare_table(at, LAYOUT_RATE(rate.shift), !slice_eq(options->scope, SLICE("middleware")));
    return made;
}

const void *prepare_in_flight_req(struct preparation *at, const struct in_flight_req *options)
{
    struct prepared_in_flight_req *made = pool_zalloc(at->pool, sizeof(*made));

    if (!prepare_source(at, options->source_criterion, SOURCE_HOST, &made->source)) {
        return NULL;
    }
    made->amount = options->amount;
    made->body = pool_printf(at->pool, "max connections reached: %" PRId64, options->amount);
    prepare_table(at, LAYOUT_IN_FLIGHT, true);
    return made;
}
