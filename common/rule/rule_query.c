/*
 * rule_query.c - the values of one query parameter, read as Go's url.Query() reads them.
 *
 * Parts are cut at '&'; a part with a semicolon or a malformed escape in name or value is dropped; '+' is a
 * blank. Nothing is decoded before the name fits; a value without escapes is given as it stands.
 */
#include "common/rule/rule.h"

#define QUERY_MAX_PARTS 10000 /* past this Go gives up on the whole query */
#define QUERY_BUFFER 2048     /* longer decoded values go to the scratch memory */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One decoded byte at *at, which moves on; -1 for a malformed escape. */
static int decode_byte(struct slice s, size_t *at)
{
    char c = s.ptr[(*at)++];

    if (c == '+') {
        return ' ';
    }
    if (c != '%') {
        return (unsigned char)c;
    }
    int high = *at < s.len ? hex_value(s.ptr[*at]) : -1;
    int low = *at + 1 < s.len ? hex_value(s.ptr[*at + 1]) : -1;

    if (high < 0 || low < 0) {
        return -1;
    }
    *at += 2;
    return high * 16 + low;
}

static bool well_formed(struct slice s)
{
    for (size_t at = 0; at < s.len;) {
        if (decode_byte(s, &at) < 0) {
            return false;
        }
    }
    return true;
}

static bool decodes_to(struct slice escaped, struct slice text)
{
    size_t at = 0, i = 0;

    while (at < escaped.len) {
        int c = decode_byte(escaped, &at);

        if (c < 0 || i >= text.len || (unsigned char)text.ptr[i++] != c) {
            return false;
        }
    }
    return i == text.len;
}

static bool decode(const struct rule_request *request, struct slice escaped, char *buffer, struct slice *out)
{
    size_t len = 0;

    if (slice_find(escaped, '%') < 0 && slice_find(escaped, '+') < 0) {
        *out = escaped;
        return true;
    }
    if (escaped.len > QUERY_BUFFER) {
        buffer = request->scratch ? pool_try_alloc(request->scratch, escaped.len) : NULL;
    }
    if (!buffer) {
        return false;
    }
    for (size_t at = 0; at < escaped.len;) {
        buffer[len++] = (char)decode_byte(escaped, &at);
    }
    *out = slice_of(buffer, len);
    return true;
}

static bool too_many_parts(struct slice query)
{
    size_t parts = 1;

    if (query.len < QUERY_MAX_PARTS) {
        return false;
    }
    for (size_t i = 0; i < query.len; i++) {
        parts += query.ptr[i] == '&';
    }
    return parts > QUERY_MAX_PARTS;
}

bool rule_query_values(const struct rule_request *request, struct slice name,
                       bool (*visit)(void *, struct slice), void *context)
{
    struct slice rest = request->query;
    char buffer[QUERY_BUFFER];

    if (rest.len == 0 || too_many_parts(rest)) {
        return true;
    }
    while (rest.ptr) {
        struct slice value = slice_split(&rest, '&');

        if (value.len == 0) {
            continue;
        }
        bool semicolon = slice_find(value, ';') >= 0;
        struct slice key = slice_split(&value, '=');

        if (semicolon || !decodes_to(key, name) || !well_formed(value)) {
            continue;
        }
        if (!decode(request, value, buffer, &value)) {
            return false;
        }
        if (visit(context, value)) {
            return true;
        }
    }
    return true;
}
