/*
 * toml_scalar.c - single TOML values that are no strings: integers, floats, booleans, dates and times.
 *
 * Dates and times are checked and kept as text: no option of ours is a date.
 */
#include <math.h>

#include "common/doc/toml_internal.h"

/* ---- numbers ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool digit_fits(char c, unsigned base)
{
    unsigned char lower = ascii_lower((unsigned char)c);

    return base == 16 ? is_digit(c) || (lower >= 'a' && lower <= 'f') : c >= '0' && c < (char)('0' + base);
}

/* Digits with single underscores between them, without these into buf; false when malformed or too long. */
static bool plain_digits(struct slice s, unsigned base, char *buf, size_t size, size_t *len)
{
    bool was_digit = false;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '_') {
            if (!was_digit) {
                return false;
            }
            was_digit = false;
            continue;
        }
        if (!digit_fits(s.ptr[i], base) || *len + 1 >= size) {
            return false;
        }
        buf[(*len)++] = s.ptr[i];
        was_digit = true;
    }
    return was_digit;
}

/* Decimal digits without a needless zero in front. */
static bool decimal_whole(struct slice s, char *buf, size_t size, size_t *len)
{
    return plain_digits(s, 10, buf, size, len) && (s.len == 1 || s.ptr[0] != '0');
}

/* 0: an integer; 1: one that does not fit; -1: none at all. */
static int to_integer(struct slice token, int64_t *out)
{
    char buf[128];
    size_t len = 0;
    struct slice digits = token;
    unsigned base = 10;

    if (token.len > 2 && token.ptr[0] == '0' && strchr("xob", token.ptr[1])) {
        base = token.ptr[1] == 'x' ? 16 : token.ptr[1] == 'o' ? 8 : 2;
        digits = slice_from(token, 2);
        buf[len++] = '0';
        buf[len++] = token.ptr[1];
    } else if (token.len > 1 && (token.ptr[0] == '-' || token.ptr[0] == '+')) {
        digits = slice_from(token, 1);
        buf[len++] = token.ptr[0];
    }
    if (base == 10 ? !decimal_whole(digits, buf, sizeof(buf), &len)
                   : !plain_digits(digits, base, buf, sizeof(buf), &len)) {
        return -1;
    }
    return doc_parse_int(slice_of(buf, len), out) ? 0 : 1;
}

static bool to_float(struct slice token, double *out)
{
    char buf[300];
    size_t len = 0;
    struct slice rest = token;
    bool negative = token.len > 0 && token.ptr[0] == '-';

    if (rest.len > 1 && (rest.ptr[0] == '-' || rest.ptr[0] == '+')) {
        buf[len++] = rest.ptr[0];
        rest = slice_from(rest, 1);
    }
    if (slice_eq(rest, SLICE("inf")) || slice_eq(rest, SLICE("nan"))) {
        *out = rest.ptr[0] == 'n' ? (double)NAN : negative ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    size_t whole = 0;

    while (whole < rest.len && strchr(".eE", rest.ptr[whole]) == NULL) {
        whole++;
    }
    if (whole == rest.len || !decimal_whole(slice_head(rest, whole), buf, sizeof(buf) - 32, &len)) {
        return false;
    }
    rest = slice_from(rest, whole);
    if (rest.len > 0 && rest.ptr[0] == '.') {
        size_t end = 1;

        while (end < rest.len && strchr("eE", rest.ptr[end]) == NULL) {
            end++;
        }
        buf[len++] = '.';
        if (!plain_digits(slice_of(rest.ptr + 1, end - 1), 10, buf, sizeof(buf) - 16, &len)) {
            return false;
        }
        rest = slice_from(rest, end);
    }
    if (rest.len > 1) { /* e or E */
        buf[len++] = 'e';
        rest = slice_from(rest, 1);
        if (rest.ptr[0] == '-' || rest.ptr[0] == '+') {
            buf[len++] = rest.ptr[0];
            rest = slice_from(rest, 1);
        }
        if (!plain_digits(rest, 10, buf, sizeof(buf), &len)) {
            return false;
        }
    } else if (rest.len == 1) {
        return false;
    }
    return doc_parse_float(slice_of(buf, len), out);
}

/* ---- dates and times ---- */

/* Does s begin with this picture? 9 stands for a digit, T for T, t or a blank, everything else for itself. */
static bool matches(struct slice s, const char *picture)
{
    size_t i = 0;

    for (; picture[i]; i++) {
        if (i >= s.len) {
            return false;
        }
        char c = s.ptr[i];

        if (picture[i] == '9'   ? !is_digit(c)
            : picture[i] == 'T' ? c != 'T' && c != 't' && c != ' '
                                : c != picture[i]) {
            return false;
        }
    }
    return true;
}

static int two_digits(const char *p)
{
    return (p[0] - '0') * 10 + (p[1] - '0');
}

static bool is_date(struct slice s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (!matches(s, "9999-99-99")) {
        return false;
    }
    int year = two_digits(s.ptr) * 100 + two_digits(s.ptr + 2), month = two_digits(s.ptr + 5),
        day = two_digits(s.ptr + 8);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Steps over 07:32, 07:32:00 or 07:32:00.999; false when it is none. */
static bool take_time(struct slice *s)
{
    if (!matches(*s, "99:99") || two_digits(s->ptr) > 23 || two_digits(s->ptr + 3) > 59) {
        return false;
    }
    if (!matches(*s, "99:99:")) {
        *s = slice_from(*s, 5);
        return true;
    }
    if (!matches(*s, "99:99:99") || two_digits(s->ptr + 6) > 60) {
        return false;
    }
    *s = slice_from(*s, 8);
    if (s->len > 0 && s->ptr[0] == '.') {
        size_t end = 1;

        while (end < s->len && is_digit(s->ptr[end])) {
            end++;
        }
        if (end == 1) {
            return false;
        }
        *s = slice_from(*s, end);
    }
    return true;
}

static bool is_date_or_time(struct slice s)
{
    if (!matches(s, "9999-99-99")) {
        return take_time(&s) && s.len == 0;
    }
    if (!is_date(s)) {
        return false;
    }
    if (s.len == 10) {
        return true;
    }
    bool with_time = matches(s, "9999-99-99T");

    s = slice_from(s, 11);
    if (!with_time || !take_time(&s)) {
        return false;
    }
    if (s.len == 1) {
        return s.ptr[0] == 'Z' || s.ptr[0] == 'z';
    }
    return s.len == 0 || (s.len == 6 && (matches(s, "+99:99") || matches(s, "-99:99")) &&
                          two_digits(s.ptr + 1) <= 23 && two_digits(s.ptr + 4) <= 59);
}

/* ---- all of them ---- */

static size_t token_length(struct slice rest)
{
    size_t len = 0;

    while (len < rest.len && strchr(" \t\r\n,]}#", rest.ptr[len]) == NULL) {
        len++;
    }
    /* "1979-05-27 07:32:00": the one value that may hold a blank */
    if (len == 10 && matches(rest, "9999-99-99 99")) {
        len = 11;
        while (len < rest.len && strchr(" \t\r\n,]}#", rest.ptr[len]) == NULL) {
            len++;
        }
    }
    return len;
}

int toml_scalar(struct toml *toml, struct doc **out)
{
    struct slice token = slice_head(toml_rest(toml), token_length(toml_rest(toml)));
    struct doc *node = doc_make(toml->pool, DOC_STRING, toml->name, toml->line, toml_column(toml));
    int rc;

    if (token.len == 0) {
        return toml_fail(toml, "a value is missing");
    }
    if (slice_eq(token, SLICE("true")) || slice_eq(token, SLICE("false"))) {
        node->kind = DOC_BOOL;
        node->boolean = token.ptr[0] == 't';
    } else if ((rc = to_integer(token, &node->integer)) >= 0) {
        if (rc > 0) {
            return toml_fail(toml, "%.*s does not fit 64 bits", SLICE_ARG(slice_head(token, 100)));
        }
        node->kind = DOC_INT;
    } else if (to_float(token, &node->number)) {
        node->kind = DOC_FLOAT;
    } else if (!is_date_or_time(token)) {
        return toml_fail(toml, "\"%.*s\" is no value (text needs quotes)", SLICE_ARG(slice_head(token, 100)));
    }
    node->text = pool_copy(toml->pool, token);
    toml->at += token.len;
    *out = node;
    return 0;
}
