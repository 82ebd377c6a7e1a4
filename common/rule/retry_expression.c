/*
 * retry_expression.c - see retry_expression.h. The program is in reverse Polish order: an operand pushes a truth, && and || take
 * two and push one.
 */
#include "common/rule/retry_expression.h"

#include <errno.h>
#include <string.h>

#define NESTING_MOST 20 /* each holds two truths at most: the stack has 64 */
#define TEXT_MOST 64    /* of a method */

enum operation {
    OP_NETWORK = 'n',
    OP_ATTEMPTS = 'a',
    OP_STATUS = 's',
    OP_METHOD = 'm',
    OP_AND = '&',
    OP_OR = '|'
};
enum comparison { EQUAL, DIFFERENT, LESS, MORE, LESS_EQUAL, MORE_EQUAL, NO_COMPARISON };

/* ---- compile ---- */

struct compiler {
    struct slice text, rest;
    char *out;
    size_t len;
    unsigned nesting;
    struct error *why;
};

static bool wrong(struct compiler *c, const char *what)
{
    error_set(c->why, -EINVAL, "retryExpression: %s at \"%.*s\"", what, SLICE_ARG(c->rest));
    return false;
}

static bool eat(struct compiler *c, struct slice word)
{
    c->rest = slice_trim(c->rest);
    if (!slice_has_prefix(c->rest, word)) {
        return false;
    }
    c->rest = slice_from(c->rest, word.len);
    return true;
}

static void put(struct compiler *c, int byte)
{
    c->out[c->len++] = (char)byte;
}

static enum comparison comparison(struct compiler *c)
{
    static const struct {
        struct slice text;
        enum comparison what;
    } all[] = {{{"==", 2}, EQUAL},      {{"!=", 2}, DIFFERENT}, {{"<=", 2}, LESS_EQUAL},
               {{">=", 2}, MORE_EQUAL}, {{"<", 1}, LESS},       {{">", 1}, MORE}};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (eat(c, all[i].text)) {
            return all[i].what;
        }
    }
    return NO_COMPARISON;
}

static bool number(struct compiler *c)
{
    size_t len = 0;
    uint64_t value;

    c->rest = slice_trim(c->rest);
    while (len < c->rest.len && c->rest.ptr[len] >= '0' && c->rest.ptr[len] <= '9') {
        len++;
    }
    if (!slice_to_u64(slice_head(c->rest, len), &value) || value > UINT16_MAX) {
        return wrong(c, "a number from 0 to 65535 is missing");
    }
    c->rest = slice_from(c->rest, len);
    put(c, (int)(value >> 8));
    put(c, (int)(value & 0xff));
    return true;
}

static bool quoted(struct compiler *c)
{
    c->rest = slice_trim(c->rest);

    char mark = c->rest.len ? c->rest.ptr[0] : 0;
    struct slice inner = slice_from(c->rest, 1);
    ptrdiff_t end = mark == '"' || mark == '`' ? slice_find(inner, mark) : -1;

    if (end < 0 || end > TEXT_MOST) {
        return wrong(c, "a \"method\" is missing");
    }
    put(c, (int)end);
    memcpy(c->out + c->len, inner.ptr, (size_t)end);
    c->len += (size_t)end;
    c->rest = slice_from(inner, (size_t)end + 1);
    return true;
}

static bool compared(struct compiler *c, enum operation operation)
{
    enum comparison what = comparison(c);

    if (what == NO_COMPARISON || (operation == OP_METHOD && what > DIFFERENT)) {
        return wrong(c, operation == OP_METHOD ? "== or != is missing" : "a comparison is missing");
    }
    put(c, operation);
    put(c, what);
    return operation == OP_METHOD ? quoted(c) : number(c);
}

static bool any_of(struct compiler *c);

static bool operand(struct compiler *c)
{
    if (eat(c, SLICE("("))) {
        if (++c->nesting > NESTING_MOST) {
            return wrong(c, "too many parentheses");
        }
        if (!any_of(c)) {
            return false;
        }
        c->nesting--;
        return eat(c, SLICE(")")) || wrong(c, "\")\" is missing");
    }
    if (eat(c, SLICE("IsNetworkError()"))) {
        put(c, OP_NETWORK);
        return true;
    }
    if (eat(c, SLICE("Attempts()"))) {
        return compared(c, OP_ATTEMPTS);
    }
    if (eat(c, SLICE("ResponseCode()"))) {
        return compared(c, OP_STATUS);
    }
    if (eat(c, SLICE("RequestMethod()"))) {
        return compared(c, OP_METHOD);
    }
    return wrong(c, "IsNetworkError(), Attempts(), ResponseCode() or RequestMethod() is missing");
}

static bool all_of(struct compiler *c)
{
    if (!operand(c)) {
        return false;
    }
    while (eat(c, SLICE("&&"))) {
        if (!operand(c)) {
            return false;
        }
        put(c, OP_AND);
    }
    return true;
}

static bool any_of(struct compiler *c)
{
    if (!all_of(c)) {
        return false;
    }
    while (eat(c, SLICE("||"))) {
        if (!all_of(c)) {
            return false;
        }
        put(c, OP_OR);
    }
    return true;
}

bool retry_expression_compile(struct pool *pool, struct slice text, struct slice *program, struct error *why)
{
    /* nothing that is written takes more bytes than its text */
    struct compiler c = {.text = text, .rest = text, .out = pool_alloc(pool, text.len + 8), .why = why};

    if (!any_of(&c)) {
        return false;
    }
    c.rest = slice_trim(c.rest);
    if (c.rest.len) {
        return wrong(&c, "&& or || is missing");
    }
    *program = slice_of(c.out, c.len);
    return true;
}

/* ---- run ---- */

static bool compare(unsigned value, enum comparison what, unsigned with)
{
    switch (what) {
    case EQUAL:
        return value == with;
    case DIFFERENT:
        return value != with;
    case LESS:
        return value < with;
    case MORE:
        return value > with;
    case LESS_EQUAL:
        return value <= with;
    case MORE_EQUAL:
        return value >= with;
    case NO_COMPARISON:
        break;
    }
    return false;
}

/* One operand at *at, which moves behind it. */
static bool holds(struct slice program, size_t *at, const struct retry_facts *facts)
{
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
    return compare(code[0] == OP_STATUS ? facts->status : facts->attempts, (enum comparison)code[1],
                   (unsigned)code[2] << 8 | code[3]);
}

bool retry_expression_holds(struct slice program, const struct retry_facts *facts)
{
    uint64_t stack = 0;

    for (size_t at = 0; at < program.len;) {
        uint64_t top = stack & 1, below = stack >> 1 & 1;

        if (program.ptr[at] == OP_AND || program.ptr[at] == OP_OR) {
            stack = stack >> 2 << 1 | (program.ptr[at] == OP_AND ? top & below : top | below);
            at++;
        } else {
            stack = stack << 1 | holds(program, &at, facts);
        }
    }
    return stack & 1;
}
