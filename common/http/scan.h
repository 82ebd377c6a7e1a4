/*
 * scan.h - finds where a run of harmless bytes ends: header names, header values, request targets.
 *
 * Each function returns the first byte in [p, end) that does not belong to its class, or end. Sixteen bytes a
 * step with SSE2, which every x86-64 has; elsewhere, and for the last bytes, one table look-up a byte.
 * Nothing is read at or behind end. Private to common/http/.
 */
#ifndef WEIR_COMMON_HTTP_SCAN_H
#define WEIR_COMMON_HTTP_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum scan_class {
    SCAN_TOKEN = 1,  /* RFC 9110 tchar: methods and field names */
    SCAN_VALUE = 2,  /* field values: no control byte but tab; bytes from 0x80 are fine */
    SCAN_TARGET = 4, /* request target: no control byte, no blank */
    SCAN_HOST = 8,   /* what a Host header may consist of, as Go takes it */
    SCAN_PATH = 16,  /* stays as it is in a path: may be written there without an escape */
    SCAN_PLAIN = 32, /* SCAN_PATH that Go's default escaping leaves alone as well */
    SCAN_HEX = 64,
    SCAN_HOST_PLAIN =
        128 /* SCAN_HOST but for what a port or an address in brackets needs, and for upper case */
};

extern const uint8_t scan_classes[256]; /* bits of enum scan_class */

static inline bool scan_is(char c, unsigned classes)
{
    return (scan_classes[(unsigned char)c] & classes) != 0;
}

static inline const char *scan_slow(const char *p, const char *end, unsigned class)
{
    while (p < end && scan_is(*p, class)) {
        p++;
    }
    return p;
}

#ifdef __SSE2__

/* Bytes x with low <= x <= high, as 0xff. Signed comparison, so both bounds must be below 0x80. */
static inline __m128i scan_between(__m128i x, char low, char high)
{
    return _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8((char)(low - 1))),
                         _mm_cmpgt_epi8(_mm_set1_epi8((char)(high + 1)), x));
}

/* Names consist of letters, digits and '-' nearly always: these sixteen at a time, the rest of the tokens by
 * table. */
static inline const char *scan_token(const char *p, const char *end)
{
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i letter = scan_between(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 'z');
        __m128i plain = _mm_or_si128(_mm_or_si128(letter, scan_between(x, '0', '9')),
                                     _mm_cmpeq_epi8(x, _mm_set1_epi8('-')));
        unsigned other = (unsigned)_mm_movemask_epi8(plain) ^ 0xffffu;

        if (other == 0) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(other);
        if (!scan_is(*p, SCAN_TOKEN)) {
            return p;
        }
        p++;
    }
    return scan_slow(p, end, SCAN_TOKEN);
}

static inline const char *scan_value(const char *p, const char *end)
{
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* below 0x20 unsigned: the minimum of x and 0x1f is x itself */
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
        __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\t')), control),
                                   _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);

        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
        p += 16;
    }
    return scan_slow(p, end, SCAN_VALUE);
}

static inline const char *scan_target(const char *p, const char *end)
{
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i bad = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x20)), x),
                                   _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);

        if (mask != 0) {
            return p + __builtin_ctz(mask);
        }
        p += 16;
    }
    return scan_slow(p, end, SCAN_TARGET);
}

#else

static inline const char *scan_token(const char *p, const char *end)
{
    return scan_slow(p, end, SCAN_TOKEN);
}

static inline const char *scan_value(const char *p, const char *end)
{
    return scan_slow(p, end, SCAN_VALUE);
}

static inline const char *scan_target(const char *p, const char *end)
{
    return scan_slow(p, end, SCAN_TARGET);
}

#endif

#endif
