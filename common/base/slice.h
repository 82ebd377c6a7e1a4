/*
 * slice.h - a view of bytes: pointer and length, passed by value, never owned.
 *
 * Text from the network is never NUL-terminated; everything that reads text takes a slice.
 * Comparison ignoring case is ASCII only. Pure functions, no allocation.
 */
#ifndef WEIR_COMMON_BASE_SLICE_H
#define WEIR_COMMON_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct slice {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

/* A slice of a string literal, usable in static initialisers. */
#define SLICE(literal) ((struct slice){("" literal), sizeof(literal) - 1})
#define SLICE_INIT(literal)                                                                                  \
    {                                                                                                        \
        ("" literal), sizeof(literal) - 1                                                                    \
    }

/* For printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) ((int)(s).len), ((s).len ? (s).ptr : "")

static inline struct slice slice_of(const char *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

static inline struct slice slice_cstr(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_has_prefix(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool slice_has_suffix(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The part from `from` (clamped to the length) to the end. */
static inline struct slice slice_from(struct slice s, size_t from)
{
    if (from > s.len) {
        from = s.len;
    }
    return (struct slice){s.len ? s.ptr + from : s.ptr, s.len - from};
}

/* The first `len` bytes (clamped). */
static inline struct slice slice_head(struct slice s, size_t len)
{
    return (struct slice){s.ptr, len < s.len ? len : s.len};
}

static inline unsigned char ascii_lower(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') ? (unsigned char)(c | 0x20) : c;
}

/* Equal, ASCII letter case ignored. */
bool slice_eq_nocase(struct slice a, struct slice b);

/* <0, 0, >0 in byte order, shorter first on a common prefix (as Go compares strings). */
int slice_cmp(struct slice a, struct slice b);

/* Position of the first (last) c, or -1. */
ptrdiff_t slice_find(struct slice s, char c);
ptrdiff_t slice_rfind(struct slice s, char c);

/* Position of the first occurrence of needle, or -1; an empty needle is found at 0. */
ptrdiff_t slice_find_slice(struct slice s, struct slice needle);

/* Without leading and trailing blanks (space, tab, CR, LF). */
struct slice slice_trim(struct slice s);

/* Cuts the part before `sep` off *rest and returns it; *rest becomes what follows the separator.
 * Without separator the whole is returned and *rest becomes empty with ptr NULL.
 * Loop: while (rest.ptr) { item = slice_split(&rest, ','); ... } */
struct slice slice_split(struct slice *rest, char sep);

/* Decimal digits only, no sign, no blanks, 1 to 20 of them. False on anything else or overflow. */
bool slice_to_u64(struct slice s, uint64_t *out);

/* As above with an optional leading '-' or '+'. */
bool slice_to_i64(struct slice s, int64_t *out);

/* Copies into a NUL-terminated buffer of `size` bytes; false (and an empty string) if it does not
 * fit or holds a NUL. */
bool slice_to_cstr(struct slice s, char *buf, size_t size);

#endif
