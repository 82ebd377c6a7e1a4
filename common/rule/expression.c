/*
 * expression.c - see expression.h. An operand pushes a truth, && and || take two and push one.
 */
#include "common/rule/expression.h"

#include <errno.h>
#include <string.h>

#define NESTING_MOST 20 /* each holds two truths at most: the stack has 64 */
#define AND '&'
#define OR '|'

/* ---- compile ---- */

bool expression_wrong(struct expression *e, const char *what)
{
    error_set(e->why, -EINVAL, "%s: %s at \"%.*s\"", e->option, what, SLICE_ARG(e->rest));
    return false;
}

bool expression_eat(struct expression *e, struct slice word)
{
    e->rest = slice_trim(e->rest);
    if (!slice_has_prefix(e->rest, word)) {
        return false;
    }
    e->rest = slice_from(e->rest, word.len);
    return true;
}

void expression_put(struct expression *e, const void *bytes, size_t len)
{
    if (len) {
        memcpy(e->out + e->len, bytes, len);
        e->len += len;
    }
}

static void put_operator(struct expression *e, char operator)
{
    expression_put(e, &operator, 1);
}

enum comparison expression_comparison(struct expression *e)
{
    static const struct {
        struct slice text;
        enum comparison what;
    } all[] = {{{"==", 2}, EQUAL},      {{"!=", 2}, DIFFERENT}, {{"<=", 2}, LESS_EQUAL},
               {{">=", 2}, MORE_EQUAL}, {{"<", 1}, LESS},       {{">", 1}, MORE}};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (expression_eat(e, all[i].text)) {
            return all[i].what;
        }
    }
    return NO_COMPARISON;
}

static bool any_of(struct expression *e);

static bool operand(struct expression *e)
{
    if (!expression_eat(e, SLICE("("))) {
        return e->operand(e);
    }
    if (++e->nesting > NESTING_MOST) {
        return expression_wrong(e, "too many parentheses");
    }
    if (!any_of(e)) {
        return false;
    }
    e->nesting--;
    return expression_eat(e, SLICE(")")) || expression_wrong(e, "\")\" is missing");
}

static bool all_of(struct expression *e)
{
    if (!operand(e)) {
        return false;
    }
    while (expression_eat(e, SLICE("&&"))) {
        if (!operand(e)) {
            return false;
        }
        put_operator(e, AND);
    }
    return true;
}

static bool any_of(struct expression *e)
{
    if (!all_of(e)) {
        return false;
    }
    while (expression_eat(e, SLICE("||"))) {
        if (!all_of(e)) {
            return false;
        }
        put_operator(e, OR);
    }
    return true;
}

bool expression_compile(struct pool *pool, struct expression *e, struct slice text, struct slice *program,
                        struct error *why)
{
    e->rest = text;
    e->out = pool_alloc(pool, text.len + 8);
    e->len = 0;
    e->nesting = 0;
    e->why = why;
    if (!any_of(e)) {
        return false;
    }
    e->rest = slice_trim(e->rest);
    if (e->rest.len) {
        return expression_wrong(e, "&& or || is missing");
    }
    *program = slice_of(e->out, e->len);
    return true;
}

/* ---- run ---- */

bool comparison_holds(double value, enum comparison what, double with)
{
    switch (what) {
    case EQUAL:
        return value >= with && value <= with;
    case DIFFERENT:
        return value < with || value > with;
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

bool expression_holds(struct slice program,
                      bool (*holds)(const void *facts, struct slice program, size_t *at), const void *facts)
{
    uint64_t stack = 0;

    for (size_t at = 0; at < program.len;) {
        uint64_t top = stack & 1, below = stack >> 1 & 1;

        if (program.ptr[at] == AND || program.ptr[at] == OR) {
            stack = stack >> 2 << 1 | (program.ptr[at] == AND ? top & below : top | below);
            at++;
        } else {
            stack = stack << 1 | holds(facts, program, &at);
        }
    }
    return stack & 1;
}
