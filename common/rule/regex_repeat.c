/*
 * regex_repeat.c - repetitions of Go's regular expressions: *, +, ?, {2,5} and their lazy forms, with Go's bounds.
 */
#include "common/rule/regex_tree.h"

/* Decimal without leading zeros; -1 for a number past all bounds. */
static bool read_count(struct slice *rest, int *out)
{
    struct slice s = *rest;
    int value = 0;

    if (s.len == 0 || s.ptr[0] < '0' || s.ptr[0] > '9' ||
        (s.len > 1 && s.ptr[0] == '0' && s.ptr[1] >= '0' && s.ptr[1] <= '9')) {
        return false;
    }
    for (; s.len && s.ptr[0] >= '0' && s.ptr[0] <= '9'; s = slice_from(s, 1)) {
        value = value < 0 || value >= 100000000 ? -1 : value * 10 + (s.ptr[0] - '0');
    }
    *out = value;
    *rest = s;
    return true;
}

/* {2}, {2,}, {2,5}: false when it is none of these, then the brace is a literal. */
static bool read_braces(struct slice *rest, int *min, int *max)
{
    struct slice s = slice_from(*rest, 1);

    if (!read_count(&s, min) || s.len == 0) {
        return false;
    }
    *max = *min;
    if (s.ptr[0] == ',') {
        s = slice_from(s, 1);
        if (s.len && s.ptr[0] == '}') {
            *max = -1;
        } else if (!read_count(&s, max)) {
            return false;
        } else if (*max < 0) {
            *min = -1;
        }
    }
    if (s.len == 0 || s.ptr[0] != '}') {
        return false;
    }
    *rest = slice_from(s, 1);
    return true;
}

/* Counts of repeats inside each other must not multiply past the limit. */
static bool repeat_fits(const struct regex_node *node, int limit)
{
    if (node->op == REGEX_REPEAT && node->max != 0 && !(node->min <= 1 && node->max <= 1)) {
        int count = node->max < 0 ? node->min : node->max;

        if (count > limit) {
            return false;
        }
        if (count > 0) {
            limit /= count;
        }
    }
    for (size_t i = 0; i < node->count; i++) {
        if (!repeat_fits(node->subs[i], limit)) {
            return false;
        }
    }
    return true;
}

/* *last: where the repetition directly before began; two in a row are refused. */
static int repeat(struct regex_parser *p, struct regex_node *concat, int min, int max, struct slice before,
                  struct slice *last)
{
    bool lazy = (p->flags & FLAG_LAZY) != 0;

    if (p->rest.len && p->rest.ptr[0] == '?') {
        p->rest = slice_from(p->rest, 1);
        lazy = !lazy;
    }
    if (last->ptr) {
        return regex_fail(p, "invalid nested repetition operator", regex_since(p, *last));
    }
    if (concat->count == 0) {
        return regex_fail(p, "missing argument to repetition operator", regex_since(p, before));
    }
    struct regex_node *node = regex_node(p, REGEX_REPEAT);

    node->min = min;
    node->max = max;
    node->lazy = lazy;
    regex_add(p, node, concat->subs[concat->count - 1]);
    concat->subs[concat->count - 1] = node;
    if ((min >= 2 || max >= 2) && !repeat_fits(node, 1000)) {
        return regex_fail(p, "invalid repeat count", regex_since(p, before));
    }
    *last = before;
    return 0;
}

int regex_parse_repeat(struct regex_parser *p, struct regex_node *concat, struct slice *last, bool *handled)
{
    struct slice before = p->rest;
    int min = 0, max = -1;

    *handled = true;
    switch (before.ptr[0]) {
    case '{':
        if (!read_braces(&p->rest, &min, &max)) {
            *handled = false;
            return 0;
        }
        if (min < 0 || min > 1000 || max > 1000 || (max >= 0 && min > max)) {
            return regex_fail(p, "invalid repeat count", regex_since(p, before));
        }
        return repeat(p, concat, min, max, before, last);
    case '+':
        min = 1;
        break;
    case '?':
        max = 1;
        break;
    default:
        break;
    }
    p->rest = slice_from(p->rest, 1);
    return repeat(p, concat, min, max, before, last);
}
