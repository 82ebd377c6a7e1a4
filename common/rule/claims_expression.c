/*
 * claims_expression.c - see claims_expression.h. The program is in reverse Polish order: a test pushes a truth, ! turns the last
 * one, && and || take two and push one.
 *
 * A test is its letter, the number of its texts and the texts, the first of them a path. Text: length (2 bytes), bytes. Path:
 * a text of such texts, one for each step.
 */
#include "common/rule/claims_expression.h"

#include <errno.h>

#define NESTING_MOST 20 /* each holds two truths at most: the stack has 64 */
#define TEXT_MOST 4096
#define TEXTS_MOST 64

enum operation {
    OP_EQUALS = '=',
    OP_PREFIX = '^',
    OP_CONTAINS = '~',
    OP_SPLIT = '/',
    OP_ONE_OF = '1',
    OP_AND = '&',
    OP_OR = '|',
    OP_NOT = '!',
};

static const struct {
    struct slice name;
    enum operation operation;
    unsigned least, most; /* texts */
} tests[] = {
    {SLICE_INIT("Equals"), OP_EQUALS, 2, 2},         {SLICE_INIT("Prefix"), OP_PREFIX, 2, 2},
    {SLICE_INIT("Contains"), OP_CONTAINS, 2, 2},     {SLICE_INIT("SplitContains"), OP_SPLIT, 3, 3},
    {SLICE_INIT("OneOf"), OP_ONE_OF, 2, TEXTS_MOST},
};

/* ---- compile ---- */
struct compiler {
    struct slice rest;
    char *out;
    size_t len;
    unsigned nesting;
    struct error *why;
};

static bool wrong(struct compiler *c, const char *what)
{
    error_set(c->why, -EINVAL, "%s at \"%.*s\"", what, SLICE_ARG(slice_head(c->rest, 100)));
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

static void put_length(char *at, size_t len)
{
    at[0] = (char)(len >> 8);
    at[1] = (char)len;
}

/* A key as a path at `out`, which has room for 3 bytes a character and 4 more; returns its bytes, 0: it is none. */
static size_t pack_path(struct slice key, char *out)
{
    size_t len = 4, step = 2; /* lengths of the whole and of the step come first */

    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '.') {
            put_length(out + step, len - step - 2);
            step = len;
            len += 2;
            continue;
        }
        if (key.ptr[i] == '\\') {
            i++;
            if (i == key.len || (key.ptr[i] != '.' && key.ptr[i] != '\\')) {
                return 0;
            }
        }
        out[len++] = key.ptr[i];
    }
    put_length(out + step, len - step - 2);
    put_length(out, len - 2);
    return key.len ? len : 0;
}

static bool text(struct compiler *c, bool key)
{
    c->rest = slice_trim(c->rest);

    char mark = c->rest.len ? c->rest.ptr[0] : 0;
    struct slice inner = slice_from(c->rest, 1);
    ptrdiff_t end = mark == '"' || mark == '`' ? slice_find(inner, mark) : -1;

    if (end < 0 || end > TEXT_MOST) {
        return wrong(c, "a `text` is missing");
    }
    if (key) {
        size_t len = pack_path(slice_head(inner, (size_t)end), c->out + c->len);

        if (len == 0) {
            return wrong(c, "no name of a claim (a dot is written \\., a backslash \\\\)");
        }
        c->len += len;
    } else {
        put_length(c->out + c->len, (size_t)end);
        memcpy(c->out + c->len + 2, inner.ptr, (size_t)end);
        c->len += 2 + (size_t)end;
    }
    c->rest = slice_from(inner, (size_t)end + 1);
    return true;
}

static bool test(struct compiler *c, size_t number)
{
    unsigned count = 0;
    size_t head = c->len;

    c->out[c->len++] = (char)tests[number].operation;
    c->len++;
    do {
        if (count == tests[number].most || !text(c, count == 0)) {
            return count == tests[number].most ? wrong(c, "too many texts") : false;
        }
        count++;
    } while (eat(c, SLICE(",")));
    if (count < tests[number].least) {
        return wrong(c, "another text is missing");
    }
    c->out[head + 1] = (char)count;
    return eat(c, SLICE(")")) || wrong(c, "\")\" is missing");
}

static bool any_of(struct compiler *c);

static bool operand(struct compiler *c)
{
    bool negated = false;

    while (eat(c, SLICE("!"))) {
        negated = !negated;
    }
    if (eat(c, SLICE("("))) {
        if (++c->nesting > NESTING_MOST) {
            return wrong(c, "too many parentheses");
        }
        if (!any_of(c)) {
            return false;
        }
        c->nesting--;
        if (!eat(c, SLICE(")"))) {
            return wrong(c, "\")\" is missing");
        }
    } else {
        size_t i = 0;

        while (i < ARRAY_LEN(tests) && !eat(c, tests[i].name)) {
            i++;
        }
        if (i == ARRAY_LEN(tests)) {
            return wrong(c, "Equals, Prefix, Contains, SplitContains or OneOf is missing");
        }
        if (!eat(c, SLICE("("))) {
            return wrong(c, "\"(\" is missing");
        }
        if (!test(c, i)) {
            return false;
        }
    }
    if (negated) {
        c->out[c->len++] = OP_NOT;
    }
    return true;
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
        c->out[c->len++] = OP_AND;
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
        c->out[c->len++] = OP_OR;
    }
    return true;
}

bool claims_expression_compile(struct pool *pool, struct slice text_, struct slice *program,
                               struct error *why)
{
    /* a key's character takes 3 bytes at most, everything else no more than it is written with */
    struct compiler c = {.rest = text_, .out = pool_alloc(pool, 3 * text_.len + 16), .why = why};

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

bool claims_path_compile(struct pool *pool, struct slice key, struct slice *path, struct error *why)
{
    char *out = pool_alloc(pool, 3 * key.len + 4);
    size_t len = key.len <= TEXT_MOST ? pack_path(key, out) : 0;

    *path = slice_of(out + 2, len ? len - 2 : 0);
    return len > 0 ||
           error_set(why, -EINVAL, "\"%.*s\" is no name of a claim", SLICE_ARG(slice_head(key, 100))) == 0;
}

/* ---- run ---- */
static struct slice take_text(struct slice *rest)
{
    const unsigned char *at = (const unsigned char *)rest->ptr;
    size_t len = rest->len >= 2 ? (size_t)at[0] << 8 | at[1] : 0;
    struct slice taken = slice_head(slice_from(*rest, 2), len);

    *rest = slice_from(*rest, 2 + len);
    return taken;
}

const struct doc *claims_find(const struct doc *claims, struct slice path)
{
    while (claims && path.len) {
        struct slice step = take_text(&path);
        const struct doc *found = NULL;

        for (size_t i = 0; claims->kind == DOC_MAP && i < claims->map.count; i++) {
            if (slice_eq(claims->map.entries[i].key, step)) {
                found = claims->map.entries[i].value;
            }
        }
        claims = found;
    }
    return claims;
}

static bool is_scalar(const struct doc *value)
{
    return value->kind != DOC_NULL && value->kind != DOC_LIST && value->kind != DOC_MAP;
}

static bool is_text(const struct doc *value, struct slice text)
{
    return is_scalar(value) && slice_eq(value->text, text);
}

static bool has_item(const struct doc *value, struct slice text)
{
    for (size_t i = 0; value->kind == DOC_LIST && i < value->list.count; i++) {
        if (is_text(value->list.items[i], text)) {
            return true;
        }
    }
    return false;
}

static bool split_has(const struct doc *value, struct slice separator, struct slice text)
{
    struct slice rest = is_scalar(value) ? value->text : slice_of(NULL, 0);

    while (rest.ptr && separator.len) {
        ptrdiff_t end = slice_find_slice(rest, separator);

        if (slice_eq(end < 0 ? rest : slice_head(rest, (size_t)end), text)) {
            return true;
        }
        rest = end < 0 ? slice_of(NULL, 0) : slice_from(rest, (size_t)end + separator.len);
    }
    return false;
}

/* The test at the beginning of the program, which moves behind it. */
static bool holds(struct slice *program, const struct doc *claims)
{
    char operation = program->ptr[0];
    unsigned count = (unsigned char)program->ptr[1];
    struct slice texts[TEXTS_MOST];
    const struct doc *value;

    *program = slice_from(*program, 2);
    for (unsigned i = 0; i < count && i < TEXTS_MOST; i++) {
        texts[i] = take_text(program);
    }
    value = claims_find(claims, texts[0]);
    if (value == NULL) {
        return false;
    }
    switch (operation) {
    case OP_EQUALS:
        return is_text(value, texts[1]);
    case OP_PREFIX:
        return is_scalar(value) && slice_has_prefix(value->text, texts[1]);
    case OP_CONTAINS:
        return has_item(value, texts[1]) ||
               (is_scalar(value) && slice_find_slice(value->text, texts[1]) >= 0);
    case OP_SPLIT:
        return split_has(value, texts[1], texts[2]);
    default:
        break;
    }
    for (unsigned i = 1; i < count; i++) {
        if (has_item(value, texts[i])) {
            return true;
        }
    }
    return false;
}

bool claims_expression_holds(struct slice program, const struct doc *claims)
{
    uint64_t stack = 0;

    while (program.len) {
        uint64_t top = stack & 1, below = stack >> 1 & 1;
        char operation = program.ptr[0];

        if (operation == OP_AND || operation == OP_OR) {
            stack = stack >> 2 << 1 | (operation == OP_AND ? top & below : top | below);
        } else if (operation == OP_NOT) {
            stack ^= 1;
        } else {
            stack = stack << 1 | holds(&program, claims);
            continue;
        }
        program = slice_from(program, 1);
    }
    return stack & 1;
}
