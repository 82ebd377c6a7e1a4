/*
 * text.h - a growing byte buffer on the heap, for output whose size is not known (JSON, logs).
 *
 * text_init(&t); ... text_free(&t). Dies when memory is out, so nothing to check.
 */
#ifndef WEIR_COMMON_BASE_TEXT_H
#define WEIR_COMMON_BASE_TEXT_H

#include "common/base/slice.h"

struct text {
    char *ptr; /* NUL-terminated whenever not NULL */
    size_t len, capacity;
};

void text_init(struct text *text);
void text_free(struct text *text);
void text_clear(struct text *text);
void text_add(struct text *text, struct slice s);
void text_add_cstr(struct text *text, const char *s);
void text_add_char(struct text *text, char c);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Length of the valid UTF-8 sequence that s begins with (RFC 3629), 0 if there is none. */
size_t text_utf8_length(struct slice s);

/* Appends s as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. <, > and & are not escaped. */
void text_add_json(struct text *text, struct slice s);

static inline struct slice text_slice(const struct text *text)
{
    return slice_of(text->ptr, text->len);
}

#endif
