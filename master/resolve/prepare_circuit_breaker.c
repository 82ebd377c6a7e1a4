/*
 * prepare_circuit_breaker.c - circuitBreaker: the expression compiled, and a table of the board for each router that uses it;
 * another one when the expression is another, because other things are counted then.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "common/rule/breaker_expression.h"
#include "master/resolve/prepare.h"
#include "shm/breaker.h"

#define MILLISECOND INT64_C(1000000)
#define LAYOUT_BREAKER UINT64_C(0x6272656b)

_Static_assert(BREAKER_COUNTS == BREAKER_COUNTERS, "what is counted has room");

const void *prepare_circuit_breaker(struct preparation *at, const struct circuit_breaker *options)
{
    struct prepared_circuit_breaker *made = pool_zalloc(at->pool, sizeof(*made));
    struct breaker_program program;
    struct error why;

    if (!breaker_expression_compile(at->pool, options->expression, &program, &why)) {
        return prepare_wrong(at, "%s", why.text);
    }
    if (options->response_code < 200) {
        return prepare_wrong(at, "responseCode: %" PRId64 " ends no answer, write 200 to 599",
                             options->response_code);
    }
    made->code = program.code;
    made->ranges = program.ranges;
    made->latency = program.latency;
    made->check = options->check_period > 0 ? options->check_period : 100 * MILLISECOND;
    made->fallback = options->fallback_duration > 0 ? options->fallback_duration : 10000 * MILLISECOND;
    made->recovery = options->recovery_duration > 0 ? options->recovery_duration : 10000 * MILLISECOND;
    made->status = options->response_code;
    prepare_table(at, hash_slice(hash_slice(LAYOUT_BREAKER, program.code), program.ranges) | 1, true);
    return made;
}
