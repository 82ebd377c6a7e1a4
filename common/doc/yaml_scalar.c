/*
 * yaml_scalar.c - the meaning of plain scalars, see yaml_scalar.h.
 *
 * Go's reader is the measure: 0777 is octal, 1_000 is a thousand, a date is left as text.
 */
#include "common/doc/yaml_scalar.h"

#include <math.h>

#include "common/doc/doc_internal.h"

static bool is_one_of(struct slice text, const char *const *words)
{
    for (; *words; words++) {
        if (slice_eq(text, slice_cstr(*words))) {
            return true;
        }
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct slice s, size_t at)
{
    while (at < s.len && is_digit(s.ptr[at])) {
        at++;
    }
    return at;
}

/* [-+]? ( . digits | digits ( . digits* )? ) ( [eE] [-+]? digits )? */
static bool looks_like_float(struct slice s)
{
    size_t at = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+') ? 1 : 0;
    size_t whole = skip_digits(s, at) - at;

    at += whole;
    if (at < s.len && s.ptr[at] == '.') {
        size_t end = skip_digits(s, at + 1);

        if (whole == 0 && end == at + 1) {
            return false;
        }
        at = end;
    } else if (whole == 0) {
        return false;
    }
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        at++;
        if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+')) {
            at++;
        }
        size_t end = skip_digits(s, at);

        if (end == at) {
            return false;
        }
        at = end;
    }
    return at == s.len;
}

static bool resolve_number(struct doc *node)
{
    char plain[128];
    size_t len = 0;

    if (node->text.len == 0 || node->text.len >= sizeof(plain)) {
        return false;
    }
    char first = node->text.ptr[0];

    if (!is_digit(first) && first != '-' && first != '+' && first != '.') {
        return false;
    }
    for (size_t i = 0; i < node->text.len; i++) {
        if (node->text.ptr[i] != '_' || first == '.') {
            plain[len++] = node->text.ptr[i];
        }
    }
    struct slice digits = slice_of(plain, len);

    if (first != '.' && doc_parse_int(digits, &node->integer)) {
        node->kind = DOC_INT;
        return true;
    }
    if (looks_like_float(digits) && doc_parse_float(digits, &node->number)) {
        node->kind = DOC_FLOAT;
        return true;
    }
    return false;
}

static bool resolve_special_float(struct doc *node)
{
    static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const inf_words[] = {".inf", ".Inf", ".INF", NULL};
    struct slice text = node->text;
    bool negative = text.len > 0 && text.ptr[0] == '-';

    if (is_one_of(text, nan_words)) {
        node->kind = DOC_FLOAT;
        node->number = (double)NAN;
        return true;
    }
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        text = slice_from(text, 1);
    }
    if (is_one_of(text, inf_words)) {
        node->kind = DOC_FLOAT;
        node->number = negative ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    return false;
}

static bool resolve_word(struct doc *node)
{
    static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const true_words[] = {"true", "True", "TRUE", NULL};
    static const char *const false_words[] = {"false", "False", "FALSE", NULL};

    if (is_one_of(node->text, null_words)) {
        node->kind = DOC_NULL;
        return true;
    }
    if (is_one_of(node->text, true_words) || is_one_of(node->text, false_words)) {
        node->kind = DOC_BOOL;
        node->boolean = ascii_lower((unsigned char)node->text.ptr[0]) == 't';
        return true;
    }
    return false;
}

void yaml_resolve_plain(struct doc *node)
{
    node->kind = DOC_STRING;
    if (node->text.len > 6 && !is_digit(node->text.ptr[0]) && node->text.ptr[0] != '-' &&
        node->text.ptr[0] != '+' && node->text.ptr[0] != '.') {
        return; /* longer than any of the words: the usual text */
    }
    if (!resolve_word(node) && !resolve_special_float(node)) {
        resolve_number(node);
    }
}

bool yaml_resolve_tagged(struct doc *node, struct slice tag)
{
    static const struct slice prefix = SLICE_INIT("tag:yaml.org,2002:");

    if (slice_eq(tag, SLICE("!"))) {
        node->kind = DOC_STRING;
        return true;
    }
    if (!slice_has_prefix(tag, prefix)) {
        return false;
    }
    tag = slice_from(tag, prefix.len);
    node->kind = DOC_STRING;
    if (slice_eq(tag, SLICE("str")) || slice_eq(tag, SLICE("timestamp"))) {
        return true;
    }
    yaml_resolve_plain(node);
    if (slice_eq(tag, SLICE("float"))) {
        if (node->kind == DOC_INT) {
            node->kind = DOC_FLOAT;
            node->number = (double)node->integer;
        }
        return node->kind == DOC_FLOAT;
    }
    return (slice_eq(tag, SLICE("int")) && node->kind == DOC_INT) ||
           (slice_eq(tag, SLICE("bool")) && node->kind == DOC_BOOL) ||
           (slice_eq(tag, SLICE("null")) && node->kind == DOC_NULL);
}
