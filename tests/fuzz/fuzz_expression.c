/*
 * fuzz_expression.c - expressions of buffering and circuitBreaker, templates of plugins: what is taken fits into its text and
 * runs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/rule/breaker_expression.h"
#include "common/rule/request_template.h"
#include "common/rule/retry_expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint64_t count(void *context, unsigned counter)
{
    if (counter >= BREAKER_COUNTERS) {
        abort();
    }
    return *(uint64_t *)context += counter;
}

static int64_t latency(void *context, double quantile)
{
    return (int64_t)(*(uint64_t *)context % 7) + (quantile > 50);
}

static struct slice field(void *context, enum template_field field, struct slice name)
{
    return *(uint64_t *)context % 3 == (uint64_t)field % 3 ? name : SLICE("x");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pool *pool = pool_new(1024, 0);
    struct slice text = slice_of((const char *)bytes, size), code;
    struct breaker_program program;
    uint64_t seed = size;
    struct error why;

    if (retry_expression_compile(pool, text, &code, &why)) {
        struct retry_facts facts = {2, 502, SLICE("GET")};

        if (code.len > text.len) {
            abort();
        }
        (void)retry_expression_holds(code, &facts);
    }
    if (breaker_expression_compile(pool, text, &program, &why)) {
        struct breaker_facts facts = {count, latency, &seed};

        if (program.code.len > text.len) {
            abort();
        }
        (void)breaker_expression_holds(program.code, &facts);
        (void)breaker_counters_of(program.ranges, 502);
    }
    if (request_template_compile(pool, text, SLICE("[["), SLICE("]]"), &code, &why)) {
        if (code.len > 4 * text.len + 64) {
            abort();
        }
        (void)request_template_run(pool, code, field, &seed);
    }
    pool_free(pool);
    return 0;
}
