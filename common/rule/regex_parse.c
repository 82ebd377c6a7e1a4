/*
 * regex_parse.c - reads a regular expression the way Go's regexp/syntax does, with its refusals and its
 * words.
 */
#include "common/rule/regex_tree.h"

#include <errno.h>

static int parse_alternate(struct regex_parser *p, struct regex_node **out);

int regex_fail(struct regex_parser *p, const char *what, struct slice where)
{
    bool cut = where.len > 120;

    where = slice_head(where, 120);
    return error_set(p->why, -EINVAL, "error parsing regexp: %s: `%.*s%s`", what, SLICE_ARG(where),
                     cut ? "..." : "");
}

int regex_next_rune(struct regex_parser *p, uint32_t *rune)
{
    size_t n = regex_decode(p->rest, rune);

    if (n == 0) {
        return regex_fail(p, "invalid UTF-8", SLICE(""));
    }
    p->rest = slice_from(p->rest, n);
    return 0;
}

struct regex_node *regex_node(struct regex_parser *p, enum regex_op op)
{
    struct regex_node *node = pool_zalloc(p->pool, sizeof(*node));

    node->op = op;
    node->fold = (p->flags & FLAG_FOLD) != 0;
    return node;
}

void regex_add(struct regex_parser *p, struct regex_node *parent, struct regex_node *sub)
{
    parent->subs =
        pool_grow(p->pool, parent->subs, parent->count, &parent->capacity, sizeof(struct regex_node *));
    parent->subs[parent->count++] = sub;
}

static void add_op(struct regex_parser *p, struct regex_node *concat, enum regex_op op)
{
    regex_add(p, concat, regex_node(p, op));
}

static void add_literal(struct regex_parser *p, struct regex_node *concat, uint32_t rune)
{
    struct regex_node *node = regex_node(p, REGEX_LITERAL);

    node->rune = rune;
    regex_add(p, concat, node);
}

struct slice regex_since(const struct regex_parser *p, struct slice before)
{
    return slice_head(before, before.len - p->rest.len);
}

/* ---- groups ---- */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int open_capture(struct regex_parser *p, struct slice name, struct regex_node **out)
{
    if (p->tree->captures >= REGEX_MAX_CAPTURES) {
        return error_set(p->why, -EINVAL,
                         "regexp has more than %d groups: use (?:...) for those that are not referred to",
                         REGEX_MAX_CAPTURES);
    }
    *out = regex_node(p, REGEX_CAPTURE);
    (*out)->capture = (unsigned)++p->tree->captures;
    while (p->names_capacity <= p->tree->captures) {
        p->tree->names =
            pool_grow(p->pool, p->tree->names, p->names_capacity, &p->names_capacity, sizeof(struct slice));
    }
    p->tree->names[p->tree->captures] = name;
    return 0;
}

static int open_named(struct regex_parser *p, size_t skip, struct regex_node **out)
{
    ptrdiff_t end = slice_find(p->rest, '>');

    if (end < 0) {
        return regex_fail(p, "invalid named capture", p->rest);
    }
    struct slice name = slice_from(slice_head(p->rest, (size_t)end), skip);
    bool valid = name.len > 0;

    for (size_t i = 0; i < name.len; i++) {
        valid = valid && is_name_byte(name.ptr[i]);
    }
    if (!valid) {
        return regex_fail(p, "invalid named capture", slice_head(p->rest, (size_t)end + 1));
    }
    p->rest = slice_from(p->rest, (size_t)end + 1);
    return open_capture(p, name, out);
}

/* (?i), (?i:...), (?:...). *group false: the flags hold until the end of the group around. */
static int parse_flags(struct regex_parser *p, bool *group)
{
    static const char letters[] = "imsU";
    static const unsigned bits[] = {FLAG_FOLD, FLAG_LINES, FLAG_DOT_LF, FLAG_LAZY};
    struct slice before = p->rest;
    unsigned flags = p->flags;
    bool minus = false, saw_flag = false;

    p->rest = slice_from(p->rest, 2);
    while (p->rest.len) {
        uint32_t c;
        int rc = regex_next_rune(p, &c);

        if (rc < 0) {
            return rc;
        }
        const char *letter = c && c < 0x80 ? strchr(letters, (int)c) : NULL;

        if (letter) {
            unsigned bit = bits[letter - letters];

            flags = minus ? flags & ~bit : flags | bit;
            saw_flag = true;
        } else if (c == '-' && !minus) {
            minus = true;
            saw_flag = false;
        } else if ((c == ':' || c == ')') && (!minus || saw_flag)) {
            p->flags = flags;
            *group = c == ':';
            return 0;
        } else {
            break;
        }
    }
    return regex_fail(p, "invalid or unsupported Perl syntax", regex_since(p, before));
}

static int parse_group(struct regex_parser *p, struct regex_node *concat)
{
    struct regex_node *capture = NULL, *inside = NULL;
    unsigned flags = p->flags;
    bool group = true;
    int rc = 0;

    if (slice_has_prefix(p->rest, SLICE("(?P<")) && p->rest.len > 4) {
        rc = open_named(p, 4, &capture);
    } else if (slice_has_prefix(p->rest, SLICE("(?<")) && p->rest.len > 3) {
        rc = open_named(p, 3, &capture);
    } else if (slice_has_prefix(p->rest, SLICE("(?"))) {
        rc = parse_flags(p, &group);
    } else {
        p->rest = slice_from(p->rest, 1);
        rc = open_capture(p, SLICE(""), &capture);
    }
    if (rc < 0 || !group) {
        return rc;
    }
    if (++p->depth > REGEX_MAX_NESTING) {
        return regex_fail(p, "expression nests too deeply", p->whole);
    }
    if ((rc = parse_alternate(p, &inside)) < 0) {
        return rc;
    }
    if (p->rest.len == 0) {
        return regex_fail(p, "missing closing )", p->whole);
    }
    p->rest = slice_from(p->rest, 1);
    p->depth--;
    p->flags = flags;
    if (capture) {
        regex_add(p, capture, inside);
        inside = capture;
    }
    regex_add(p, concat, inside);
    return 0;
}

/* ---- escapes ---- */

static int hex_digit(uint32_t c)
{
    return c >= '0' && c <= '9'   ? (int)c - '0'
           : c >= 'a' && c <= 'f' ? (int)c - 'a' + 10
           : c >= 'A' && c <= 'F' ? (int)c - 'A' + 10
                                  : -1;
}

/* Behind "\x". */
static int parse_hex(struct regex_parser *p, struct slice before, uint32_t *rune)
{
    uint32_t value = 0;
    bool braces = p->rest.len && p->rest.ptr[0] == '{';
    size_t digits = 0;

    p->rest = slice_from(p->rest, braces ? 1 : 0);
    for (;; digits++) {
        int digit = p->rest.len ? hex_digit((unsigned char)p->rest.ptr[0]) : -1;

        if (braces ? digits && p->rest.len && p->rest.ptr[0] == '}' : digits == 2) {
            p->rest = slice_from(p->rest, braces ? 1 : 0);
            *rune = value;
            return 0;
        }
        p->rest = slice_from(p->rest, 1);
        value = value * 16 + (uint32_t)(digit < 0 ? 0 : digit);
        if (digit < 0 || value > 0x10ffff) {
            return regex_fail(p, "invalid escape sequence", regex_since(p, before));
        }
    }
}

int regex_parse_escape(struct regex_parser *p, uint32_t *rune)
{
    static const char names[] = "afnrtv", values[] = "\a\f\n\r\t\v";
    struct slice before = p->rest;
    uint32_t c;
    int rc;

    p->rest = slice_from(p->rest, 1);
    if (p->rest.len == 0) {
        return regex_fail(p, "trailing backslash at end of expression", SLICE(""));
    }
    if ((rc = regex_next_rune(p, &c)) < 0) {
        return rc;
    }
    if (c < 0x80 && !is_name_byte((char)c)) {
        *rune = c;
        return 0;
    }
    if (c == '_') {
        *rune = c;
        return 0;
    }
    bool more_octal = p->rest.len && p->rest.ptr[0] >= '0' && p->rest.ptr[0] <= '7';

    if (c == '0' || (c >= '1' && c <= '7' && more_octal)) {
        *rune = c - '0';
        for (int i = 1; i < 3 && p->rest.len && p->rest.ptr[0] >= '0' && p->rest.ptr[0] <= '7'; i++) {
            *rune = *rune * 8 + (uint32_t)(p->rest.ptr[0] - '0');
            p->rest = slice_from(p->rest, 1);
        }
        return 0;
    }
    if (c == 'x') {
        return parse_hex(p, before, rune);
    }
    const char *name = c < 0x80 ? strchr(names, (int)c) : NULL;

    if (name && *name) {
        *rune = (unsigned char)values[name - names];
        return 0;
    }
    return regex_fail(p, "invalid escape sequence", regex_since(p, before));
}

/* \Q...\E: all literal. */
static int parse_quoted(struct regex_parser *p, struct regex_node *concat)
{
    p->rest = slice_from(p->rest, 2);
    while (p->rest.len && !slice_has_prefix(p->rest, SLICE("\\E"))) {
        uint32_t rune;
        int rc = regex_next_rune(p, &rune);

        if (rc < 0) {
            return rc;
        }
        add_literal(p, concat, rune);
    }
    p->rest = slice_from(p->rest, 2);
    return 0;
}

static int parse_backslash(struct regex_parser *p, struct regex_node *concat)
{
    static const struct {
        char letter;
        enum regex_op op;
    } ops[] = {{'A', REGEX_BEGIN_TEXT},
               {'b', REGEX_WORD_BOUNDARY},
               {'B', REGEX_NO_WORD_BOUNDARY},
               {'z', REGEX_END_TEXT}};
    char c = p->rest.len > 1 ? p->rest.ptr[1] : 0;
    bool found = false;
    uint32_t rune;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (c == ops[i].letter) {
            add_op(p, concat, ops[i].op);
            p->rest = slice_from(p->rest, 2);
            return 0;
        }
    }
    if (c == 'C') {
        return regex_fail(p, "invalid escape sequence", slice_head(p->rest, 2));
    }
    if (c == 'Q') {
        return parse_quoted(p, concat);
    }
    struct regex_node *node = regex_node(p, REGEX_CLASS);

    node->class = pool_zalloc(p->pool, sizeof(*node->class));
    if ((rc = regex_parse_class_escape(p, node->class, &found)) < 0) {
        return rc;
    }
    if (found) {
        regex_add(p, concat, node);
        return 0;
    }
    if ((rc = regex_parse_escape(p, &rune)) == 0) {
        add_literal(p, concat, rune);
    }
    return rc;
}

/* ---- the whole ---- */

static int parse_one(struct regex_parser *p, struct regex_node *concat, struct slice *last)
{
    struct regex_node *class = NULL;
    bool handled = false;
    uint32_t rune;
    int rc = 0;
    char c = p->rest.ptr[0];

    if (c == '*' || c == '+' || c == '?' || c == '{') {
        rc = regex_parse_repeat(p, concat, last, &handled);
        if (rc < 0 || handled) {
            return rc;
        }
    }
    *last = slice_of(NULL, 0);
    switch (c) {
    case '(':
        return parse_group(p, concat);
    case '[':
        if ((rc = regex_parse_class(p, &class)) == 0) {
            regex_add(p, concat, class);
        }
        return rc;
    case '\\':
        return parse_backslash(p, concat);
    case '^':
        add_op(p, concat, p->flags & FLAG_LINES ? REGEX_BEGIN_LINE : REGEX_BEGIN_TEXT);
        break;
    case '$':
        add_op(p, concat, p->flags & FLAG_LINES ? REGEX_END_LINE : REGEX_END_TEXT);
        break;
    case '.':
        add_op(p, concat, p->flags & FLAG_DOT_LF ? REGEX_ANY : REGEX_ANY_NOT_LF);
        break;
    default:
        if ((rc = regex_next_rune(p, &rune)) == 0) {
            add_literal(p, concat, rune);
        }
        return rc;
    }
    p->rest = slice_from(p->rest, 1);
    return 0;
}

static int parse_alternate(struct regex_parser *p, struct regex_node **out)
{
    struct regex_node *alternate = regex_node(p, REGEX_ALTERNATE), *concat = regex_node(p, REGEX_CONCAT);
    struct slice last = slice_of(NULL, 0);

    while (p->rest.len && p->rest.ptr[0] != ')') {
        if (p->rest.ptr[0] == '|') {
            p->rest = slice_from(p->rest, 1);
            regex_add(p, alternate, concat);
            concat = regex_node(p, REGEX_CONCAT);
            last = slice_of(NULL, 0);
            continue;
        }
        int rc = parse_one(p, concat, &last);

        if (rc < 0) {
            return rc;
        }
    }
    if (alternate->count == 0) {
        *out = concat;
        return 0;
    }
    regex_add(p, alternate, concat);
    *out = alternate;
    return 0;
}

int regex_parse(struct pool *pool, struct slice pattern, struct regex_tree *out, struct error *why)
{
    struct regex_tree tree = {0};
    struct regex_parser p = {.pool = pool, .whole = pattern, .rest = pattern, .tree = &tree, .why = why};

    if (pattern.len > REGEX_MAX_PATTERN) {
        return error_set(why, -EINVAL, "regexp is longer than %d bytes", REGEX_MAX_PATTERN);
    }
    tree.names = pool_grow(pool, NULL, 0, &p.names_capacity, sizeof(struct slice));
    tree.names[0] = SLICE("");

    int rc = parse_alternate(&p, &tree.root);

    if (rc == 0 && p.rest.len) {
        rc = regex_fail(&p, "unexpected )", pattern);
    }
    if (rc == 0) {
        *out = tree;
    }
    return rc;
}
