/*
 * slice.c - searching, comparing and converting views of bytes.
 */
#include "common/base/slice.h"

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    if (slice_eq(a, b)) {
        return true; /* as a rule it is written in the usual way */
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower((unsigned char)a.ptr[i]) != ascii_lower((unsigned char)b.ptr[i])) {
            return false;
        }
    }
    return true;
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;

    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t slice_find(struct slice s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

    return at ? at - s.ptr : -1;
}

ptrdiff_t slice_rfind(struct slice s, char c)
{
    const char *at = s.len ? memrchr(s.ptr, c, s.len) : NULL;

    return at ? at - s.ptr : -1;
}

ptrdiff_t slice_find_slice(struct slice s, struct slice needle)
{
    if (needle.len == 0) {
        return 0;
    }
    const char *at = s.len >= needle.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;

    return at ? at - s.ptr : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

struct slice slice_split(struct slice *rest, char sep)
{
    struct slice item = *rest;
    ptrdiff_t at = slice_find(item, sep);

    if (at < 0) {
        *rest = slice_of(NULL, 0);
        return item;
    }
    *rest = slice_of(item.ptr + at + 1, item.len - (size_t)at - 1);
    item.len = (size_t)at;
    return item;
}

bool slice_to_u64(struct slice s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0 || s.len > 20) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool slice_to_i64(struct slice s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t value;

    if (s.len > 0 && (negative || s.ptr[0] == '+')) {
        s = slice_from(s, 1);
    }
    if (!slice_to_u64(s, &value) || value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool slice_to_cstr(struct slice s, char *buf, size_t size)
{
    if (size == 0) {
        return false;
    }
    buf[0] = '\0';
    if (s.len >= size || slice_find(s, '\0') >= 0) {
        return false;
    }
    if (s.len > 0) {
        memcpy(buf, s.ptr, s.len);
    }
    buf[s.len] = '\0';
    return true;
}
