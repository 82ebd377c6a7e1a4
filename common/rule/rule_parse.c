/*
 * rule_parse.c - a rule's text becomes a tree.
 *
 *   or:    and { "||" and }        and: unary { "&&" unary }
 *   unary: "!" unary | "(" or ")" | Name "(" [ string { "," string } [","] ] ")"
 *
 * Chains are joined into balanced trees, so the depth of a tree is bounded by the nesting, not by the length.
 * Not here: tokens (rule_scan.c), what a matcher's arguments mean (rule_matchers.c, rule_v2.c).
 */
#include "common/rule/rule_inner.h"

#include <errno.h>

#include "common/schema/schema.h"

struct parser {
    struct rule_scanner scanner;
    struct rule_token token; /* the one to look at */
    enum rule_syntax syntax;
    struct error *why;
    struct rule **rules; /* every predicate made so far: their regexes are freed when parsing fails */
    size_t count, capacity;
};

static int parse_or(struct parser *p, unsigned depth, struct rule **out);

static int next(struct parser *p)
{
    return rule_scan(&p->scanner, &p->token, p->why);
}

static int unexpected(struct parser *p, const char *wanted)
{
    switch (p->token.kind) {
    case TOKEN_END:
        return error_set(p->why, -EINVAL, "column %u: expected %s, found the end of the rule",
                         p->token.column, wanted);
    case TOKEN_BREAK:
        return error_set(
            p->why, -EINVAL,
            "column %u: expected %s, found a line break: an operator or comma must stand before the line "
            "break, not behind it",
            p->token.column, wanted);
    default:
        return error_set(p->why, -EINVAL, "column %u: expected %s, found %.*s", p->token.column, wanted,
                         SLICE_ARG(slice_head(p->token.text, 60)));
    }
}

static int parse_arguments(struct parser *p, struct rule_call *call)
{
    size_t capacity = 0;

    while (p->token.kind != TOKEN_CLOSE) {
        if (p->token.kind != TOKEN_STRING) {
            return unexpected(p, "a string in back quotes or double quotes");
        }
        call->values = pool_grow(call->pool, call->values, call->count, &capacity, sizeof(*call->values));
        call->values[call->count++] = p->token.value;

        int rc = next(p);

        if (rc < 0) {
            return rc;
        }
        if (p->token.kind == TOKEN_COMMA) {
            if ((rc = next(p)) < 0) {
                return rc;
            }
        } else if (p->token.kind != TOKEN_CLOSE) {
            return unexpected(p, "',' or ')'");
        }
    }
    return next(p);
}

static int parse_call(struct parser *p, struct rule **out)
{
    struct rule_call call = {.pool = p->scanner.pool, .name = p->token.text, .column = p->token.column};
    int rc = next(p);

    if (rc < 0) {
        return rc;
    }
    if (p->token.kind != TOKEN_OPEN) {
        return error_set(p->why, -EINVAL,
                         "column %u: %.*s is not defined: a matcher is written Name(`value`)", call.column,
                         SLICE_ARG(slice_head(call.name, 60)));
    }
    if ((rc = next(p)) < 0 || (rc = parse_arguments(p, &call)) < 0 ||
        (rc = rule_call_build(&call, p->syntax, out, p->why)) < 0) {
        return rc;
    }
    p->rules = pool_grow(call.pool, p->rules, p->count, &p->capacity, sizeof(struct rule *));
    p->rules[p->count++] = *out;
    return 0;
}

static int parse_unary(struct parser *p, unsigned depth, struct rule **out)
{
    bool negated = p->token.kind == TOKEN_NOT;
    int rc = 0;

    if (depth > RULE_MAX_NESTING) {
        return error_set(p->why, -EINVAL, "column %u: the rule nests deeper than %d", p->token.column,
                         RULE_MAX_NESTING);
    }
    if (p->token.kind == TOKEN_NAME) {
        return parse_call(p, out);
    }
    if (!negated && p->token.kind != TOKEN_OPEN) {
        return unexpected(p, "a matcher, '!' or '('");
    }
    if ((rc = next(p)) < 0) {
        return rc;
    }
    if (negated) {
        if ((rc = parse_unary(p, depth + 1, out)) < 0) {
            return rc;
        }
        *out = rule_invert(p->scanner.pool, *out);
        return 0;
    }
    if ((rc = parse_or(p, depth + 1, out)) < 0) {
        return rc;
    }
    return p->token.kind == TOKEN_CLOSE ? next(p) : unexpected(p, "')'");
}

/* A chain of one operator. */
static int parse_chain(struct parser *p, unsigned depth, enum rule_op op, struct rule **out)
{
    enum rule_token_kind sign = op == RULE_AND ? TOKEN_AND : TOKEN_OR;
    struct rule *first = NULL, **rules = NULL;
    size_t count = 0, capacity = 0;

    for (;;) {
        struct rule *rule = NULL;
        int rc = op == RULE_AND ? parse_unary(p, depth, &rule) : parse_chain(p, depth, RULE_AND, &rule);

        if (rc < 0) {
            return rc;
        }
        if (p->token.kind != sign && count == 0) {
            *out = rule; /* the usual case: no chain */
            return 0;
        }
        if (count == 0) {
            first = rule;
        }
        rules = pool_grow(p->scanner.pool, rules, count, &capacity, sizeof(struct rule *));
        rules[count++] = rule;
        if (p->token.kind != sign) {
            break;
        }
        if ((rc = next(p)) < 0) {
            return rc;
        }
    }
    *out = count == 1 ? first : rule_join(p->scanner.pool, op, rules, count);
    return 0;
}

static int parse_or(struct parser *p, unsigned depth, struct rule **out)
{
    return parse_chain(p, depth, RULE_OR, out);
}

/* An error is one line, whatever the rule has in it. */
static void flatten(struct error *why)
{
    for (char *c = why ? why->text : NULL; c && *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
}

int rule_parse(struct pool *pool, struct slice text, enum rule_syntax syntax, struct rule **out,
               struct error *why)
{
    struct parser p = {.scanner = {.pool = pool, .text = text}, .syntax = syntax, .why = why};
    struct rule *rule = NULL;
    int rc;

    if (text.len > RULE_MAX_TEXT) {
        return error_set(why, -EINVAL, "the rule is longer than %d bytes", RULE_MAX_TEXT);
    }
    if ((rc = next(&p)) < 0 || (rc = parse_or(&p, 0, &rule)) < 0) {
        goto fail;
    }
    struct rule_token end = p.token;

    if (end.kind == TOKEN_BREAK && (rc = next(&p)) < 0) {
        goto fail;
    }
    if (p.token.kind != TOKEN_END) {
        p.token = end;
        rc = unexpected(&p, "'&&', '||' or the end of the rule");
        goto fail;
    }
    *out = rule;
    return 0;

fail:
    /* a predicate may stand under a negation by now: the tree of each call is freed, whoever refers to it */
    for (size_t i = 0; i < p.count; i++) {
        rule_free(p.rules[i]);
    }
    flatten(why);
    return rc;
}

void rule_free(struct rule *rule)
{
    if (!rule) {
        return;
    }
    rule_free(rule->left);
    rule_free(rule->right);
    regex_free(rule->regex);
    rule->regex = NULL;
}

struct rule *rule_join(struct pool *pool, enum rule_op op, struct rule **rules, size_t count)
{
    if (count == 1) {
        return rules[0];
    }
    struct rule *rule = pool_zalloc(pool, sizeof(*rule));
    size_t half = count / 2;

    rule->op = op;
    rule->left = rule_join(pool, op, rules, half);
    rule->right = rule_join(pool, op, rules + half, count - half);
    rule->column = rule->left->column;
    return rule;
}

struct rule *rule_invert(struct pool *pool, struct rule *rule)
{
    struct rule *inverse;

    switch (rule->op) {
    case RULE_NOT:
        return rule->left;
    case RULE_PREDICATE:
        inverse = pool_zalloc(pool, sizeof(*inverse));
        inverse->op = RULE_NOT;
        inverse->left = rule;
        inverse->column = rule->column;
        return inverse;
    case RULE_AND:
    case RULE_OR:
        rule->op = rule->op == RULE_AND ? RULE_OR : RULE_AND;
        rule->left = rule_invert(pool, rule->left);
        rule->right = rule_invert(pool, rule->right);
        break;
    }
    return rule;
}

static void add_hosts(struct pool *pool, const struct rule *rule, struct list *out, size_t *capacity)
{
    struct slice host;

    if (rule->op == RULE_AND || rule->op == RULE_OR) {
        add_hosts(pool, rule->left, out, capacity);
        add_hosts(pool, rule->right, out, capacity);
        return;
    }
    if (rule->op != RULE_PREDICATE || (rule->predicate != RULE_HOST && rule->predicate != RULE_HOST_SUFFIX)) {
        return;
    }
    host = rule->value;
    if (rule->predicate == RULE_HOST_SUFFIX) {
        host = pool_printf(pool, "*%.*s", SLICE_ARG(rule->value));
    }
    struct slice *items = out->items;

    for (size_t i = 0; i < out->count; i++) {
        if (slice_eq(items[i], host)) {
            return;
        }
    }
    out->items = pool_grow(pool, out->items, out->count, capacity, sizeof(struct slice));
    ((struct slice *)out->items)[out->count++] = host;
}

void rule_hosts(struct pool *pool, const struct rule *rule, struct list *out)
{
    size_t capacity = 0;

    *out = (struct list){0};
    if (rule) {
        add_hosts(pool, rule, out, &capacity);
    }
}
