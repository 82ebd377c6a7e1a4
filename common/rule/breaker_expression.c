/*
 * breaker_expression.c - see breaker_expression.h. Operands: letter, comparison, number to compare with; then the quantile,
 * or the two counters of a ratio. Numbers are doubles without alignment.
 */
#include "common/rule/breaker_expression.h"

#include <stdlib.h>
#include <string.h>

#include "common/rule/expression.h"

#define NUMBER_MOST 40 /* characters */

enum operation { OP_NETWORK = 'n', OP_STATUS = 's', OP_LATENCY = 'l', OP_REQUESTS = 'r' };

struct ranges {
    struct breaker_range *items;
    unsigned count;
};

/* ---- compile ---- */

static bool to_double(struct slice text, double *out)
{
    char buffer[NUMBER_MOST + 1], *end;

    if (text.len == 0 || !slice_to_cstr(text, buffer, sizeof(buffer))) {
        return false;
    }
    *out = strtod(buffer, &end);
    return *end == '\0' && *out <= 1e15;
}

/* The number that stands there; has it a point or an exponent as asked? */
static bool number(struct expression *e, bool with_point, double *out)
{
    size_t len = 0;
    bool point = false;

    e->rest = slice_trim(e->rest);
    for (; len < e->rest.len && len < NUMBER_MOST; len++) {
        char c = e->rest.ptr[len];
        bool exponent = len > 0 && (c == '-' || c == '+') && (e->rest.ptr[len - 1] | 0x20) == 'e';

        if (!(c >= '0' && c <= '9') && c != '.' && (c | 0x20) != 'e' && !exponent) {
            break;
        }
        point = point || c == '.' || (c | 0x20) == 'e';
    }
    if (point != with_point || !to_double(slice_head(e->rest, len), out)) {
        return expression_wrong(e, with_point ? "a number with a point (0.5) is missing"
                                              : "a number without a point is missing");
    }
    e->rest = slice_from(e->rest, len);
    return true;
}

/* "== 5": behind the operand, in front of it in the program. */
static bool compared(struct expression *e, enum operation operation, bool with_point)
{
    char head[2] = {(char)operation, (char)expression_comparison(e)};
    double value;

    if (head[1] == NO_COMPARISON) {
        return expression_wrong(e, "a comparison is missing");
    }
    if (!number(e, with_point, &value)) {
        return false;
    }
    expression_put(e, head, sizeof(head));
    expression_put(e, &value, sizeof(value));
    return true;
}

/* The counter of a range: one that is there, or a new one. */
static bool counter(struct expression *e, unsigned from, unsigned to, uint8_t *out)
{
    struct ranges *ranges = e->context;
    struct breaker_range range = {{(uint8_t)(from >> 8), (uint8_t)from}, {(uint8_t)(to >> 8), (uint8_t)to}};
    unsigned at = 0;

    while (at < ranges->count && memcmp(&ranges->items[at], &range, sizeof(range)) != 0) {
        at++;
    }
    if (at == BREAKER_COUNTERS - BREAKER_RANGES) {
        return expression_wrong(e, "more ranges of statuses than can be counted, before");
    }
    if (at == ranges->count) {
        ranges->items[ranges->count++] = range;
    }
    *out = (uint8_t)(BREAKER_RANGES + at);
    return true;
}

static bool status(struct expression *e, unsigned *out)
{
    double value;

    if (!number(e, false, &value)) {
        return false;
    }
    *out = value < UINT16_MAX ? (unsigned)value : UINT16_MAX;
    return true;
}

static bool status_ratio(struct expression *e)
{
    unsigned bounds[4] = {0};
    uint8_t counters[2];

    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        if (i > 0 && !expression_eat(e, SLICE(","))) {
            return expression_wrong(e, "\",\" is missing");
        }
        if (!status(e, &bounds[i])) {
            return false;
        }
    }
    if (!expression_eat(e, SLICE(")"))) {
        return expression_wrong(e, "\")\" is missing");
    }
    if (!counter(e, bounds[0], bounds[1], &counters[0]) || !counter(e, bounds[2], bounds[3], &counters[1]) ||
        !compared(e, OP_STATUS, true)) {
        return false;
    }
    expression_put(e, counters, sizeof(counters));
    return true;
}

static bool latency(struct expression *e)
{
    double quantile;

    if (!number(e, true, &quantile)) {
        return false;
    }
    if (!expression_eat(e, SLICE(")"))) {
        return expression_wrong(e, "\")\" is missing");
    }
    if (!compared(e, OP_LATENCY, false)) {
        return false;
    }
    expression_put(e, &quantile, sizeof(quantile));
    return true;
}

static bool operand(struct expression *e)
{
    if (expression_eat(e, SLICE("NetworkErrorRatio()"))) {
        return compared(e, OP_NETWORK, true);
    }
    if (expression_eat(e, SLICE("RequestThreshold()"))) {
        return compared(e, OP_REQUESTS, false);
    }
    if (expression_eat(e, SLICE("ResponseCodeRatio("))) {
        return status_ratio(e);
    }
    if (expression_eat(e, SLICE("LatencyAtQuantileMS("))) {
        return latency(e);
    }
    return expression_wrong(e, "NetworkErrorRatio(), ResponseCodeRatio(500, 600, 0, 600), "
                               "LatencyAtQuantileMS(50.0) or RequestThreshold() is missing");
}

bool breaker_expression_compile(struct pool *pool, struct slice text, struct breaker_program *program,
                                struct error *why)
{
    struct ranges ranges = {pool_alloc(pool, BREAKER_COUNTERS * sizeof(struct breaker_range)), 0};
    struct expression expression = {.option = "expression", .operand = operand, .context = &ranges};

    if (!expression_compile(pool, &expression, text, &program->code, why)) {
        return false;
    }
    program->ranges = slice_of((const char *)ranges.items, ranges.count * sizeof(*ranges.items));
    program->latency = slice_find_slice(text, SLICE("LatencyAtQuantileMS")) >= 0;
    return true;
}

/* ---- run ---- */

uint32_t breaker_counters_of(struct slice ranges, unsigned status)
{
    const struct breaker_range *items = (const void *)ranges.ptr;
    uint32_t bits = 1u << BREAKER_REQUESTS;

    if (status == 502 || status == 504) {
        bits |= 1u << BREAKER_NETWORK;
    }
    for (size_t i = 0; i < ranges.len / sizeof(*items) && i < BREAKER_COUNTERS - BREAKER_RANGES; i++) {
        if (status >= ((unsigned)items[i].from[0] << 8 | items[i].from[1]) &&
            status < ((unsigned)items[i].to[0] << 8 | items[i].to[1])) {
            bits |= 1u << (BREAKER_RANGES + i);
        }
    }
    return bits;
}

static double ratio(const struct breaker_facts *facts, unsigned part, unsigned whole)
{
    uint64_t of = facts->count(facts->context, whole);

    return of ? (double)facts->count(facts->context, part) / (double)of : 0;
}

static bool holds(const void *context, struct slice program, size_t *at)
{
    const struct breaker_facts *facts = context;
    const unsigned char *code = (const unsigned char *)program.ptr + *at;
    double with, quantile, value = 0;

    memcpy(&with, code + 2, sizeof(with));
    *at += 2 + sizeof(with);
    switch (code[0]) {
    case OP_NETWORK:
        value = ratio(facts, BREAKER_NETWORK, BREAKER_REQUESTS);
        break;
    case OP_REQUESTS:
        value = (double)facts->count(facts->context, BREAKER_REQUESTS);
        break;
    case OP_STATUS:
        value = ratio(facts, code[10], code[11]);
        *at += 2;
        break;
    case OP_LATENCY:
        memcpy(&quantile, code + 10, sizeof(quantile));
        value = (double)facts->latency_ms(facts->context, quantile);
        *at += sizeof(quantile);
        break;
    }
    return comparison_holds(value, (enum comparison)code[1], with);
}

bool breaker_expression_holds(struct slice code, const struct breaker_facts *facts)
{
    return expression_holds(code, holds, facts);
}
