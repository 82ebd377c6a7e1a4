/*
 * regex_literals.c - the texts that every match of a regular expression must contain, for prefilters.
 *
 * Conservative: what is found is certain, what is not found may still be there. Alternations, optional
 * parts and classes end a text; groups, boundaries and the first round of a repetition are looked into.
 * U+FFFD is never part of one, because it also stands for malformed bytes.
 */
#include "common/rule/regex.h"
#include "common/rule/regex_tree.h"

struct collector {
    struct pool *pool;
    struct regex_literals *out;
    size_t capacity;
    struct text run; /* the text being read */
    bool lower_case;
    bool consumed; /* something that takes characters was seen */
    bool anchored; /* the run began at the beginning of the subject and was not broken */
    bool has_prefix;
};

static void run_end(struct collector *c)
{
    if (c->run.len) {
        struct slice literal = pool_copy(c->pool, text_slice(&c->run));

        c->out->items = pool_grow(c->pool, c->out->items, c->out->count, &c->capacity, sizeof(struct slice));
        c->out->items[c->out->count++] = literal;
        if (c->anchored && !c->has_prefix) {
            c->out->prefix = literal;
            c->has_prefix = true;
        }
        text_clear(&c->run);
    }
    c->anchored = false;
    c->consumed = true;
}

static void add_rune(struct collector *c, const struct regex_node *node, uint32_t rune)
{
    bool letter =
        rune >= 0x80 || (ascii_lower((unsigned char)rune) >= 'a' && ascii_lower((unsigned char)rune) <= 'z');
    char bytes[4];

    if (rune == 0xfffd || (rune >= 0xd800 && rune < 0xe000) ||
        (letter && node->fold && (!c->lower_case || rune >= 0x80))) {
        run_end(c);
        return;
    }
    if (letter && node->fold) {
        rune = ascii_lower((unsigned char)rune);
    }
    text_add(&c->run, slice_of(bytes, regex_encode(rune, bytes)));
    c->consumed = true;
}

static void collect(struct collector *c, const struct regex_node *node)
{
    const struct regex_class *class = node->class;

    switch (node->op) {
    case REGEX_EMPTY:
    case REGEX_BEGIN_LINE:
    case REGEX_END_LINE:
    case REGEX_WORD_BOUNDARY:
    case REGEX_NO_WORD_BOUNDARY:
        break;
    case REGEX_BEGIN_TEXT:
        c->anchored = c->anchored || !c->consumed;
        break;
    case REGEX_END_TEXT:
        if (c->anchored && !c->has_prefix) {
            c->out->exact = true;
        }
        break;
    case REGEX_LITERAL:
        add_rune(c, node, node->rune);
        break;
    case REGEX_CLASS:
        if (!class->negated && class->count == 1 && class->items[0].kind == ITEM_RANGE &&
            class->items[0].low == class->items[0].high) {
            add_rune(c, node, class->items[0].low);
        } else {
            run_end(c);
        }
        break;
    case REGEX_CAPTURE:
    case REGEX_CONCAT:
        for (size_t i = 0; i < node->count; i++) {
            collect(c, node->subs[i]);
        }
        break;
    case REGEX_REPEAT:
        if (node->min >= 1) {
            collect(c, node->subs[0]);
        }
        if (node->min != 1 || node->max != 1) {
            run_end(c);
        }
        break;
    case REGEX_ANY:
    case REGEX_ANY_NOT_LF:
    case REGEX_ALTERNATE:
        run_end(c);
        break;
    }
}

void regex_literals(struct pool *pool, struct slice pattern, bool lower_case, struct regex_literals *out)
{
    struct collector c = {.pool = pool, .out = out, .lower_case = lower_case};
    struct regex_tree tree;

    *out = (struct regex_literals){.prefix = SLICE("")};
    if (regex_parse(pool, pattern, &tree, NULL) < 0) {
        return;
    }
    text_init(&c.run);
    collect(&c, tree.root);
    run_end(&c);
    text_free(&c.run);
}

struct slice regex_required_literal(struct pool *pool, struct slice pattern)
{
    struct regex_literals literals;
    struct slice longest = SLICE("");

    regex_literals(pool, pattern, false, &literals);
    for (size_t i = 0; i < literals.count; i++) {
        longest = literals.items[i].len > longest.len ? literals.items[i] : longest;
    }
    return longest;
}
