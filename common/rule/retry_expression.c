/*
 * retry_expression.c - see retry_expression.h. Operands: letter, comparison, then a number of two bytes or a text behind its
 * length.
 */
#include "common/rule/retry_expression.h"

#include "common/rule/expression.h"

#define TEXT_MOST 64 /* of a method */

enum operation { OP_NETWORK = 'n', OP_ATTEMPTS = 'a', OP_STATUS = 's', OP_METHOD = 'm' };

/* ---- compile ---- */

static void put(struct expression *e, int byte)
{
    char c = (char)byte;

    expression_put(e, &c, 1);
}

static bool number(struct expression *e)
{
    size_t len = 0;
    uint64_t value;

    e->rest = slice_trim(e->rest);
    while (len < e->rest.len && e->rest.ptr[len] >= '0' && e->rest.ptr[len] <= '9') {
        len++;
    }
    if (!slice_to_u64(slice_head(e->rest, len), &value) || value > UINT16_MAX) {
        return expression_wrong(e, "a number from 0 to 65535 is missing");
    }
    e->rest = slice_from(e->rest, len);
    put(e, (int)(value >> 8));
    put(e, (int)(value & 0xff));
    return true;
}

static bool quoted(struct expression *e)
{
    e->rest = slice_trim(e->rest);

    char mark = e->rest.len ? e->rest.ptr[0] : 0;
    struct slice inner = slice_from(e->rest, 1);
    ptrdiff_t end = mark == '"' || mark == '`' ? slice_find(inner, mark) : -1;

    if (end < 0 || end > TEXT_MOST) {
        return expression_wrong(e, "a \"method\" is missing");
    }
    put(e, (int)end);
    expression_put(e, inner.ptr, (size_t)end);
    e->rest = slice_from(inner, (size_t)end + 1);
    return true;
}

static bool compared(struct expression *e, enum operation operation)
{
    enum comparison what = expression_comparison(e);

    if (what == NO_COMPARISON || (operation == OP_METHOD && what > DIFFERENT)) {
        return expression_wrong(e,
                                operation == OP_METHOD ? "== or != is missing" : "a comparison is missing");
    }
    put(e, operation);
    put(e, what);
    return operation == OP_METHOD ? quoted(e) : number(e);
}

static bool operand(struct expression *e)
{
    if (expression_eat(e, SLICE("IsNetworkError()"))) {
        put(e, OP_NETWORK);
        return true;
    }
    if (expression_eat(e, SLICE("Attempts()"))) {
        return compared(e, OP_ATTEMPTS);
    }
    if (expression_eat(e, SLICE("ResponseCode()"))) {
        return compared(e, OP_STATUS);
    }
    if (expression_eat(e, SLICE("RequestMethod()"))) {
        return compared(e, OP_METHOD);
    }
    return expression_wrong(e, "IsNetworkError(), Attempts(), ResponseCode() or RequestMethod() is missing");
}

bool retry_expression_compile(struct pool *pool, struct slice text, struct slice *program, struct error *why)
{
    struct expression expression = {.option = "retryExpression", .operand = operand};

    return expression_compile(pool, &expression, text, program, why);
}

/* ---- run ---- */

static bool holds(const void *context, struct slice program, size_t *at)
{
    const struct retry_facts *facts = context;
    const unsigned char *code = (const unsigned char *)program.ptr + *at;

    if (code[0] == OP_NETWORK) {
        *at += 1;
        return facts->status == 502 || facts->status == 504;
    }
    if (code[0] == OP_METHOD) {
        *at += 3 + (size_t)code[2];
        return slice_eq(facts->method, slice_of((const char *)code + 3, code[2])) == (code[1] == EQUAL);
    }
    *at += 4;
    return comparison_holds(code[0] == OP_STATUS ? facts->status : facts->attempts, (enum comparison)code[1],
                            (unsigned)code[2] << 8 | code[3]);
}

bool retry_expression_holds(struct slice program, const struct retry_facts *facts)
{
    return expression_holds(program, holds, facts);
}
