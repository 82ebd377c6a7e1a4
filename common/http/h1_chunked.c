/*
 * h1_chunked.c - the chunked transfer coding, decoded in place and strictly; trailers.
 *
 * Sizes are one to sixteen hexadecimal digits, nothing around them; lines end with CRLF. An extension is
 * skipped but bounded; a sender that wraps little payload in much framing is refused with the same arithmetic
 * as Go's.
 */
#include "common/http/h1.h"

#include "common/http/scan.h"

#define EXTENSION_MAX 256u
#define TRAILERS_MAX (8u * 1024u)
#define EXCESS_MAX (16u * 1024u)

enum state {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_LINE, /* first byte of a trailer line or of the last empty line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    END,
    BAD
};

void h1_chunked_init(struct h1_chunked *chunked)
{
    *chunked = (struct h1_chunked){.state = SIZE};
}

static enum h1_chunk bad(struct h1_chunked *chunked, const char *why)
{
    chunked->state = BAD;
    chunked->why = why;
    return H1_CHUNK_BAD;
}

static inline int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of the size, or the byte that ends it. NULL, or what is wrong. */
static const char *size_byte(struct h1_chunked *chunked, char c)
{
    int digit = hex_value(c);

    if (digit >= 0) {
        if (chunked->digits == 16 || chunked->left >> 59 != 0) {
            return "chunk size out of range";
        }
        chunked->left = chunked->left << 4 | (unsigned)digit;
        chunked->digits++;
        return NULL;
    }
    if (chunked->digits == 0) {
        return "chunk size without digits";
    }
    if (c != '\r' && c != ';') {
        return c == '\n' ? "bare LF in a chunk line" : "byte not allowed in a chunk size";
    }
    chunked->state = c == '\r' ? SIZE_LF : EXTENSION;
    chunked->line = 0;
    return NULL;
}

/* The size line is complete. */
static const char *size_done(struct h1_chunked *chunked)
{
    uint32_t excess = chunked->excess + chunked->digits + chunked->line + 4;
    uint64_t credit = 16 + 2 * (chunked->left < EXCESS_MAX * 2 ? chunked->left : EXCESS_MAX * 2);

    chunked->excess = excess > credit ? (uint32_t)(excess - credit) : 0;
    chunked->digits = 0;
    chunked->line = 0;
    chunked->state = chunked->left > 0 ? DATA : TRAILER_LINE;
    return chunked->excess > EXCESS_MAX ? "chunked body with too much framing" : NULL;
}

/* Everything but payload and trailers, one byte a step. NULL, or what is wrong. */
static const char *framing_byte(struct h1_chunked *chunked, char c)
{
    switch ((enum state)chunked->state) {
    case SIZE:
        return size_byte(chunked, c);
    case EXTENSION:
        if (c == '\r') {
            chunked->state = SIZE_LF;
            return NULL;
        }
        if (!scan_is(c, SCAN_VALUE)) {
            return c == '\n' ? "bare LF in a chunk line" : "control byte in a chunk extension";
        }
        return ++chunked->line > EXTENSION_MAX ? "chunk extension over the bound" : NULL;
    case SIZE_LF:
        return c == '\n' ? size_done(chunked) : "bare CR in a chunk line";
    case DATA_CR:
        chunked->state = DATA_LF;
        return c == '\r' ? NULL : "no CRLF behind a chunk";
    case DATA_LF:
        chunked->state = SIZE;
        return c == '\n' ? NULL : "no CRLF behind a chunk";
    default:
        return "bytes behind the end of a chunked body";
    }
}

/* One byte of the trailer section; the same grammar as header lines. */
static const char *trailer_byte(struct h1_chunked *chunked, char c)
{
    switch ((enum state)chunked->state) {
    case TRAILER_LINE:
        if (!scan_is(c, SCAN_TOKEN)) {
            return "malformed trailer";
        }
        chunked->state = TRAILER_NAME;
        return NULL;
    case TRAILER_NAME:
        if (c == ':') {
            chunked->state = TRAILER_VALUE;
            return NULL;
        }
        return scan_is(c, SCAN_TOKEN) ? NULL : "malformed trailer";
    case TRAILER_VALUE:
        if (c == '\r') {
            chunked->state = TRAILER_LF;
            return NULL;
        }
        return scan_is(c, SCAN_VALUE) ? NULL : "malformed trailer";
    default:
        chunked->state = TRAILER_LINE;
        return c == '\n' ? NULL : "bare CR in a trailer";
    }
}

/* As much of the trailer section as there is. Stops at the CR of the last empty line. */
static enum h1_chunk trailers(struct h1_chunked *chunked, struct slice *input, struct slice *data)
{
    size_t i = 0;

    for (; i < input->len; i++) {
        if (chunked->state == TRAILER_LINE && input->ptr[i] == '\r') {
            break;
        }
        const char *why = trailer_byte(chunked, input->ptr[i]);

        if (why == NULL && ++chunked->line > TRAILERS_MAX) {
            why = "trailers over the bound";
        }
        if (why != NULL) {
            return bad(chunked, why);
        }
    }
    *data = slice_head(*input, i);
    if (i < input->len) { /* at the CR */
        chunked->state = END_LF;
        *input = slice_from(*input, i + 1);
    } else {
        *input = slice_from(*input, i);
    }
    return H1_CHUNK_TRAILER;
}

enum h1_chunk h1_chunked_next(struct h1_chunked *chunked, struct slice *input, struct slice *data)
{
    *data = slice_of(NULL, 0);
    while (input->len > 0) {
        if (chunked->state == DATA) {
            *data = slice_head(*input, chunked->left < input->len ? (size_t)chunked->left : input->len);
            *input = slice_from(*input, data->len);
            chunked->left -= data->len;
            chunked->state = chunked->left > 0 ? DATA : DATA_CR;
            return H1_CHUNK_DATA;
        }
        if (chunked->state >= TRAILER_LINE && chunked->state < END_LF) {
            if (trailers(chunked, input, data) == H1_CHUNK_BAD) {
                return H1_CHUNK_BAD;
            }
            if (data->len > 0) {
                return H1_CHUNK_TRAILER;
            }
            continue;
        }
        char c = input->ptr[0];

        *input = slice_from(*input, 1);
        if (chunked->state == END_LF && c == '\n') {
            chunked->state = END;
            return H1_CHUNK_END;
        }
        const char *why = framing_byte(chunked, c);

        if (why != NULL) {
            return bad(chunked, why);
        }
    }
    return chunked->state == BAD ? H1_CHUNK_BAD : H1_CHUNK_MORE;
}

/* What a trailer may not carry: it would change what was decided when the head was read. */
static bool trailer_allowed(const struct header *item)
{
    switch ((enum header_id)item->id) {
    case HEADER_HOST:
    case HEADER_CONTENT_LENGTH:
    case HEADER_EXPECT:
    case HEADER_AUTHORIZATION:
    case HEADER_COOKIE:
    case HEADER_SET_COOKIE:
    case HEADER_CONTENT_TYPE:
    case HEADER_CONTENT_ENCODING:
    case HEADER_CACHE_CONTROL:
    case HEADER_LOCATION:
    case HEADER_DATE:
    case HEADER_VARY:
    case HEADER_FORWARDED:
        return false;
    default:
        break;
    }
    static const struct slice forbidden[] = {SLICE_INIT("Content-Range"), SLICE_INIT("Max-Forwards"),
                                             SLICE_INIT("Www-Authenticate"), SLICE_INIT("If-Match")};
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        if (slice_eq_nocase(item->name, forbidden[i])) {
            return false;
        }
    }
    return !(item->flags & HEADER_HOP_BY_HOP) && !header_name_alias(item->name, SLICE("X-Real-Ip")) &&
           !header_name_alias(item->name, SLICE("X-Scheme")) &&
           !(item->name.len > 12 && header_name_alias(slice_head(item->name, 12), SLICE("X-Forwarded-")));
}

void h1_trailer_add(struct headers *out, struct slice name, struct slice value)
{
    struct header item = {.name = name, .id = (uint8_t)header_id(name)};

    item.flags = header_flags_of((enum header_id)item.id);
    if (trailer_allowed(&item)) {
        headers_add_token(out, name, value);
    }
}

bool h1_trailers_parse(struct slice section, struct headers *out)
{
    while (section.len > 0) {
        const char *end = section.ptr + section.len;
        const char *colon = scan_token(section.ptr, end);

        if (colon == section.ptr || colon == end || *colon != ':') {
            return false;
        }
        const char *line_end = scan_value(colon + 1, end);

        if (end - line_end < 2 || line_end[0] != '\r' || line_end[1] != '\n') {
            return false;
        }
        struct slice name = slice_of(section.ptr, (size_t)(colon - section.ptr));
        struct slice value = slice_trim(slice_of(colon + 1, (size_t)(line_end - colon - 1)));

        h1_trailer_add(out, name, value);
        section = slice_of(line_end + 2, (size_t)(end - line_end - 2));
    }
    return true;
}
