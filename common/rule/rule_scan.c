/*
 * rule_scan.c - the lexical half of the rule language: Go's tokens, because Traefik reads a rule as a Go
 * expression.
 *
 * Line breaks end a statement after a name, a string or ')', comments are blanks, back-quoted strings lose
 * their carriage returns and double-quoted ones know Go's escapes. Not here: what may follow what
 * (rule_parse.c).
 */
#include "common/rule/rule_inner.h"

#include <errno.h>

static int scan_error(size_t at, struct error *why, const char *text)
{
    return error_set(why, -EINVAL, "column %zu: %s", at + 1, text);
}

/* Length of the UTF-8 sequence at p, or 0 when it is malformed. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    if (n == 0 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

static int check_text(struct slice text, struct error *why)
{
    const unsigned char *p = (const unsigned char *)text.ptr;

    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_length(p + i, text.len - i);

        if (n == 0) {
            return scan_error(i, why, "the rule is not valid UTF-8");
        }
        if (p[i] == 0) {
            return scan_error(i, why, "the rule has a NUL byte");
        }
        i += n;
    }
    return 0;
}

/* Skips blanks and comments. True when a line break among them ends the statement. */
static int skip_blanks(struct rule_scanner *s, bool *ended, struct error *why)
{
    *ended = false;
    while (s->at < s->text.len) {
        char c = s->text.ptr[s->at];
        char next = s->at + 1 < s->text.len ? s->text.ptr[s->at + 1] : 0;

        if (c == '\n' && s->statement_may_end) {
            *ended = true;
            return 0;
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            s->at++;
        } else if (c == '/' && next == '/') {
            while (s->at < s->text.len && s->text.ptr[s->at] != '\n') {
                s->at++;
            }
        } else if (c == '/' && next == '*') {
            ptrdiff_t end = slice_find_slice(slice_from(s->text, s->at + 2), SLICE("*/"));

            if (end < 0) {
                return scan_error(s->at, why, "comment not terminated");
            }
            struct slice comment = slice_head(slice_from(s->text, s->at), (size_t)end + 4);

            s->at += comment.len;
            if (s->statement_may_end && slice_find(comment, '\n') >= 0) {
                *ended = true;
                return 0;
            }
        } else {
            return 0;
        }
    }
    return 0;
}

static void put_rune(char *out, size_t *len, uint32_t rune)
{
    if (rune < 0x80) {
        out[(*len)++] = (char)rune;
    } else if (rune < 0x800) {
        out[(*len)++] = (char)(0xc0 | rune >> 6);
        out[(*len)++] = (char)(0x80 | (rune & 0x3f));
    } else if (rune < 0x10000) {
        out[(*len)++] = (char)(0xe0 | rune >> 12);
        out[(*len)++] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[(*len)++] = (char)(0x80 | (rune & 0x3f));
    } else {
        out[(*len)++] = (char)(0xf0 | rune >> 18);
        out[(*len)++] = (char)(0x80 | (rune >> 12 & 0x3f));
        out[(*len)++] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[(*len)++] = (char)(0x80 | (rune & 0x3f));
    }
}

static int digit_value(char c, unsigned base)
{
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : 99;

    return value < (int)base ? value : -1;
}

/* Reads exactly `count` digits from *at on. */
static bool read_digits(struct slice text, size_t *at, size_t count, unsigned base, uint32_t *out)
{
    uint32_t value = 0;

    for (size_t i = 0; i < count; i++) {
        int digit = *at < text.len ? digit_value(text.ptr[*at], base) : -1;

        if (digit < 0) {
            return false;
        }
        value = value * base + (uint32_t)digit;
        (*at)++;
    }
    *out = value;
    return true;
}

/* One escape; *at is behind the backslash. out has room: no escape gets longer. */
static bool read_escape(struct slice text, size_t *at, char *out, size_t *len)
{
    static const char names[] = "abfnrtv\\\"", values[] = "\a\b\f\n\r\t\v\\\"";
    uint32_t value = 0;
    char c = text.ptr[*at];
    const char *simple = c ? strchr(names, c) : NULL;

    if (simple) {
        out[(*len)++] = values[simple - names];
        (*at)++;
        return true;
    }
    if (c >= '0' && c <= '7') {
        if (!read_digits(text, at, 3, 8, &value) || value > 255) {
            return false;
        }
        out[(*len)++] = (char)value;
        return true;
    }
    (*at)++;
    if (c == 'x') {
        if (!read_digits(text, at, 2, 16, &value)) {
            return false;
        }
        out[(*len)++] = (char)value;
        return true;
    }
    if ((c != 'u' && c != 'U') || !read_digits(text, at, c == 'u' ? 4 : 8, 16, &value) || value > 0x10ffff ||
        (value >= 0xd800 && value < 0xe000)) {
        return false;
    }
    put_rune(out, len, value);
    return true;
}

static int scan_quoted(struct rule_scanner *s, struct rule_token *token, struct error *why)
{
    size_t at = s->at + 1, len = 0;
    char *out = pool_alloc(s->pool, s->text.len - s->at + 1);

    while (at < s->text.len && s->text.ptr[at] != '"') {
        char c = s->text.ptr[at];

        if (c == '\n') {
            return scan_error(s->at, why, "string literal not terminated");
        }
        at++;
        if (c != '\\') {
            out[len++] = c;
            continue;
        }
        size_t escape = at - 1;

        if (at >= s->text.len || !read_escape(s->text, &at, out, &len)) {
            return scan_error(
                escape, why,
                "unknown escape sequence in a double-quoted string; back quotes (`...`) need none");
        }
    }
    if (at >= s->text.len) {
        return scan_error(s->at, why, "string literal not terminated");
    }
    token->value = slice_of(out, len);
    s->at = at + 1;
    return 0;
}

static int scan_raw(struct rule_scanner *s, struct rule_token *token, struct error *why)
{
    struct slice rest = slice_from(s->text, s->at + 1);
    ptrdiff_t end = slice_find(rest, '`');

    if (end < 0) {
        return scan_error(s->at, why, "raw string literal not terminated: a closing back quote is missing");
    }
    token->value = slice_head(rest, (size_t)end);
    if (slice_find(token->value, '\r') >= 0) {
        char *out = pool_alloc(s->pool, token->value.len + 1);
        size_t len = 0;

        for (size_t i = 0; i < token->value.len; i++) {
            if (token->value.ptr[i] != '\r') {
                out[len++] = token->value.ptr[i];
            }
        }
        token->value = slice_of(out, len);
    }
    s->at += (size_t)end + 2;
    return 0;
}

static bool is_name_byte(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 ||
           (!first && c >= '0' && c <= '9');
}

static enum rule_token_kind scan_sign(struct rule_scanner *s)
{
    struct slice rest = slice_from(s->text, s->at);

    if (slice_has_prefix(rest, SLICE("&&"))) {
        s->at += 2;
        return TOKEN_AND;
    }
    if (slice_has_prefix(rest, SLICE("||"))) {
        s->at += 2;
        return TOKEN_OR;
    }
    s->at++;
    switch (rest.ptr[0]) {
    case '(':
        return TOKEN_OPEN;
    case ')':
        return TOKEN_CLOSE;
    case ',':
        return TOKEN_COMMA;
    case '!':
        if (rest.len > 1 && rest.ptr[1] == '=') {
            s->at++;
            return TOKEN_OTHER;
        }
        return TOKEN_NOT;
    default:
        return TOKEN_OTHER;
    }
}

int rule_scan(struct rule_scanner *s, struct rule_token *token, struct error *why)
{
    bool ended = false;
    int rc = s->at == 0 ? check_text(s->text, why) : 0;

    if (rc < 0 || (rc = skip_blanks(s, &ended, why)) < 0) {
        return rc;
    }
    size_t start = s->at;

    *token = (struct rule_token){.column = (uint32_t)start + 1};
    if (ended) {
        token->kind = TOKEN_BREAK;
        s->statement_may_end = false;
        return 0;
    }
    if (s->at >= s->text.len) {
        return 0;
    }
    char c = s->text.ptr[s->at];

    if (is_name_byte(c, true)) {
        token->kind = TOKEN_NAME;
        while (s->at < s->text.len && is_name_byte(s->text.ptr[s->at], false)) {
            s->at++;
        }
    } else if (c == '`') {
        token->kind = TOKEN_STRING;
        rc = scan_raw(s, token, why);
    } else if (c == '"') {
        token->kind = TOKEN_STRING;
        rc = scan_quoted(s, token, why);
    } else {
        token->kind = scan_sign(s);
    }
    if (rc < 0) {
        return rc;
    }
    token->text = slice_head(slice_from(s->text, start), s->at - start);
    s->statement_may_end =
        token->kind == TOKEN_NAME || token->kind == TOKEN_STRING || token->kind == TOKEN_CLOSE;
    return 0;
}
