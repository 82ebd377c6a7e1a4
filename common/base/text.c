/*
 * text.c - a growing byte buffer; see text.h.
 */
#include "common/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"

void text_init(struct text *text)
{
    *text = (struct text){0};
}

void text_free(struct text *text)
{
    free(text->ptr);
    text_init(text);
}

void text_clear(struct text *text)
{
    text->len = 0;
    if (text->ptr) {
        text->ptr[0] = '\0';
    }
}

static char *reserve(struct text *text, size_t more)
{
    size_t need;

    if (__builtin_add_overflow(text->len, more + 1, &need)) {
        need = SIZE_MAX; /* dies in xrealloc */
    }
    if (need > text->capacity) {
        size_t capacity = text->capacity ? text->capacity : 256;

        while (capacity < need && capacity <= SIZE_MAX / 2) {
            capacity *= 2;
        }
        text->ptr = xrealloc(text->ptr, capacity < need ? need : capacity);
        text->capacity = capacity < need ? need : capacity;
    }
    return text->ptr + text->len;
}

void text_add(struct text *text, struct slice s)
{
    char *at = reserve(text, s.len);

    if (s.len > 0) {
        memcpy(at, s.ptr, s.len);
    }
    text->len += s.len;
    text->ptr[text->len] = '\0';
}

void text_add_cstr(struct text *text, const char *s)
{
    text_add(text, slice_cstr(s));
}

void text_add_char(struct text *text, char c)
{
    text_add(text, slice_of(&c, 1));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        char *at = reserve(text, (size_t)len);

        vsnprintf(at, (size_t)len + 1, format, again);
        text->len += (size_t)len;
    }
    va_end(again);
}

size_t text_utf8_length(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t left = s.len;

    if (left == 0) {
        return 0;
    }
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    }
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80, high = p[0] == 0xed ? 0x9f : 0xbf;

        return left >= 3 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xf4 ? 0x8f : 0xbf;

        return left >= 4 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80 ? 4
                                                                                                          : 0;
    }
    return 0;
}

/* How much from there on needs no escape and no look at its encoding. */
static size_t plain_length(struct slice s)
{
    size_t i = 0;

    while (i < s.len && (unsigned char)s.ptr[i] >= 0x20 && (unsigned char)s.ptr[i] < 0x7f &&
           s.ptr[i] != '"' && s.ptr[i] != '\\') {
        i++;
    }
    return i;
}

void text_add_json(struct text *text, struct slice s)
{
    static const char short_escapes[] = "btn\0fr"; /* for 8..13; 11 has none */

    text_add_char(text, '"');
    for (size_t i = 0; i < s.len;) {
        size_t plain = plain_length(slice_from(s, i));

        if (plain) {
            text_add(text, slice_of(s.ptr + i, plain));
            i += plain;
            continue;
        }
        unsigned char c = (unsigned char)s.ptr[i];
        size_t len = text_utf8_length(slice_of(s.ptr + i, s.len - i));

        if (c == '"' || c == '\\') {
            text_add_char(text, '\\');
            text_add_char(text, (char)c);
        } else if (c >= 8 && c <= 13 && c != 11) {
            text_add_char(text, '\\');
            text_add_char(text, short_escapes[c - 8]);
        } else if (c < 0x20 || c == 0x7f) {
            text_printf(text, "\\u%04x", c);
        } else if (len == 0) {
            text_add(text, SLICE("\xef\xbf\xbd"));
            len = 1;
        } else {
            text_add(text, slice_of(s.ptr + i, len));
        }
        i += len;
    }
    text_add_char(text, '"');
}
