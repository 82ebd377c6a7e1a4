/*
 * h1_head.c - walks the head of a request or response and fills slices; see h1.h.
 *
 * Why not llhttp: it takes two and a half times as long as this walk with all its checks (a request of 500
 * bytes with ten fields: 600 ns with ids and nothing refused, against 240 ns), and it lets through what we
 * must refuse, so that a second pass over its slices would come on top. It stays the oracle of the fuzz
 * targets: a head that is accepted here, llhttp must accept with the same slices and the same framing.
 *
 * life     h1_parser_new -> (h1_parser_reset -> feed ... feed)* -> h1_parser_free
 * state    a phase and offsets from the start of the message, so the buffer may move between two feeds. A
 * phase ends only on the byte that ends it: therefore the verdict does not depend on how the bytes were cut.
 *
 * Not here: what the fields mean for framing (h1_framing.c), bodies (h1_chunked.c).
 */
#include "common/http/h1_parser.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/scan.h"

struct h1_parser *h1_parser_new(enum h1_side side, const struct h1_limits *limits)
{
    struct h1_parser *parser = xcalloc(1, sizeof(*parser));

    parser->side = side;
    parser->limits = limits;
    return parser;
}

void h1_parser_free(struct h1_parser *parser)
{
    free(parser);
}

void h1_parser_reset(struct h1_parser *parser, struct h1_message *message, struct slice request_method)
{
    struct headers headers = message->headers;

    *message = (struct h1_message){.headers = headers};
    parser->message = message;
    parser->phase = parser->side == H1_REQUEST ? PHASE_BLANK : PHASE_VERSION;
    parser->position = parser->mark = 0;
    parser->seen = (struct h1_seen){0};
    parser->answers_head = slice_eq(request_method, SLICE("HEAD"));
    parser->answers_connect = slice_eq(request_method, SLICE("CONNECT"));
}

/* What the client reads: "400 Bad Request", with what is wrong only where Go says it too. */
static struct slice public_text(uint16_t status, const char *text)
{
    static const struct {
        uint16_t status;
        const char *text;
        struct slice public;
    } details[] = {
        {400, "no Host", SLICE_INIT("400 Bad Request: missing required Host header")},
        {400, "malformed Host", SLICE_INIT("400 Bad Request: malformed Host header")},
        {400, "blank in or after a header name", SLICE_INIT("400 Bad Request: invalid header name")},
        {505, "version is neither HTTP/1.0 nor HTTP/1.1",
         SLICE_INIT("505 HTTP Version Not Supported: unsupported protocol version")},
    };

    for (size_t i = 0; i < ARRAY_LEN(details); i++) {
        if (details[i].status == status && strcmp(details[i].text, text) == 0) {
            return details[i].public;
        }
    }
    struct slice line = h1_status_line(status); /* between "HTTP/1.1 " and CRLF */

    return slice_of(line.ptr + 9, line.len - 11);
}

enum h1_result h1_parser_refuse(struct h1_parser *parser, struct h1_error *error, uint16_t status,
                                enum reason reason, const char *text)
{
    parser->phase = PHASE_REFUSED;
    if (parser->side == H1_RESPONSE) {
        status = 502;
        reason = REASON_bad_response;
    }
    struct slice public = public_text(status, text);

    *error = (struct h1_error){status, reason, text, slice_from(public, 4), public};
    if (status == 501) {
        error->body = SLICE("Unsupported transfer encoding");
    } else if (status == 417) {
        error->body = SLICE("");
    }
    return H1_BAD;
}

static enum h1_result bad(struct h1_parser *parser, struct h1_error *error, const char *text)
{
    return h1_parser_refuse(parser, error, 400, REASON_bad_request, text);
}

/* What to say about a byte that ended a run where it must not. */
static const char *name_error(char c, bool empty)
{
    switch (c) {
    case ':':
        return "empty header name";
    case ' ':
        return "blank in or after a header name";
    case '\n':
        return "bare LF";
    case '\r':
        return "header line without a colon";
    default:
        return empty ? "header line begins with a byte that no name may have"
                     : "byte not allowed in a header name";
    }
}

/* ---- the parts of a start line: H1_HEAD_DONE means that the part is done, H1_MORE that its end is not there yet ---- */

static enum h1_result method(struct h1_parser *parser, const char **p, const char *base, const char *end,
                             struct h1_error *error)
{
    const char *start = base + parser->mark;

    *p = scan_token(*p, end);
    if (*p == end) {
        return H1_MORE;
    }
    if (**p != ' ' || *p == start) {
        return bad(parser, error, "malformed request line");
    }
    parser->message->method = slice_of(start, (size_t)(*p - start));
    (*p)++;
    parser->phase = PHASE_TARGET;
    parser->mark = (size_t)(*p - base);
    return H1_HEAD_DONE;
}

/* "HTTP/1.1" and the byte behind it (CR in requests, a blank in responses): in one step what nearly everybody sends in one
 * piece, else one byte a step. */
static enum h1_result version(struct h1_parser *parser, const char **p, const char *base, const char *end,
                              struct h1_error *error)
{
    static const char text[] = "HTTP/D.D";
    const char *start = base + parser->mark;

    if (*p == start && end - start > 8 && memcmp(start, "HTTP/1.1", 8) == 0) {
        *p += 8;
    }
    for (; *p < end; (*p)++) {
        size_t i = (size_t)(*p - start);
        char c = **p;

        if (i < 8) {
            if (text[i] == 'D' ? c < '0' || c > '9' : c != text[i]) {
                return bad(parser, error, c == '\n' ? "bare LF" : "malformed version");
            }
            continue;
        }
        if (c != (parser->side == H1_REQUEST ? '\r' : ' ')) {
            return bad(parser, error, c == '\n' ? "bare LF" : "malformed version");
        }
        if (start[5] != '1' || start[7] > '1') {
            return h1_parser_refuse(parser, error, 505, REASON_unsupported,
                                    "version is neither HTTP/1.0 nor HTTP/1.1");
        }
        parser->message->minor = (uint8_t)(start[7] - '0');
        (*p)++;
        parser->phase = parser->side == H1_REQUEST ? PHASE_START_LF : PHASE_CODE;
        parser->mark = (size_t)(*p - base);
        return H1_HEAD_DONE;
    }
    return H1_MORE;
}

static enum h1_result target(struct h1_parser *parser, const char **p, const char *base, const char *end,
                             struct h1_error *error)
{
    const char *start = base + parser->mark;

    *p = scan_target(*p, end);
    if ((size_t)(*p - start) > parser->limits->max_target) {
        return h1_parser_refuse(parser, error, 414, REASON_uri_too_long, "request target over the bound");
    }
    if (*p == end) {
        return H1_MORE;
    }
    if (**p != ' ') {
        return bad(parser, error,
                   **p == '\n' || **p == '\r' ? "request line without a version"
                                              : "control byte in the request target");
    }
    if (*p == start) {
        return bad(parser, error, "empty request target");
    }
    parser->message->target = slice_of(start, (size_t)(*p - start));
    (*p)++;
    parser->phase = PHASE_VERSION;
    parser->mark = (size_t)(*p - base);
    return H1_HEAD_DONE;
}

static enum h1_result code(struct h1_parser *parser, const char **p, const char *base, const char *end,
                           struct h1_error *error)
{
    struct h1_message *message = parser->message;
    const char *start = base + parser->mark;

    for (; *p < end && *p - start < 3; (*p)++) {
        if (!scan_is(**p, SCAN_HEX) || **p > '9') {
            return bad(parser, error, "malformed status code");
        }
        message->status = (uint16_t)(message->status * 10 + (**p - '0'));
    }
    if (*p - start < 3) {
        return H1_MORE;
    }
    if (message->status < 100) {
        return bad(parser, error, "status code below 100");
    }
    parser->phase = PHASE_CODE_END;
    return H1_HEAD_DONE;
}

static enum h1_result phrase(struct h1_parser *parser, const char **p, const char *base, const char *end,
                             struct h1_error *error)
{
    const char *start = base + parser->mark;

    *p = scan_value(*p, end);
    if (*p == end) {
        return H1_MORE;
    }
    if (**p != '\r') {
        return bad(parser, error, **p == '\n' ? "bare LF" : "control byte in the reason phrase");
    }
    parser->message->phrase = slice_of(start, (size_t)(*p - start));
    (*p)++;
    parser->phase = PHASE_START_LF;
    return H1_HEAD_DONE;
}

static enum h1_result start_line(struct h1_parser *parser, const char **p, const char *base, const char *end,
                                 struct h1_error *error)
{
    enum h1_result result = H1_HEAD_DONE;

    while (*p < end) {
        switch (parser->phase) {
        case PHASE_BLANK: /* one empty line may stand before a request (RFC 9112 2.2) */
            if (**p == '\r') {
                (*p)++;
                parser->phase = PHASE_BLANK_LF;
                break;
            }
            parser->phase = PHASE_METHOD;
            parser->mark = (size_t)(*p - base);
            break;
        case PHASE_BLANK_LF:
            if (**p != '\n') {
                return bad(parser, error, "bare CR");
            }
            (*p)++;
            parser->phase = PHASE_METHOD;
            parser->mark = (size_t)(*p - base);
            break;
        case PHASE_METHOD:
            result = method(parser, p, base, end, error);
            break;
        case PHASE_TARGET:
            result = target(parser, p, base, end, error);
            break;
        case PHASE_VERSION:
            result = version(parser, p, base, end, error);
            break;
        case PHASE_CODE:
            result = code(parser, p, base, end, error);
            break;
        case PHASE_CODE_END: /* many servers leave out the phrase, some also the blank before it */
            if (**p != ' ' && **p != '\r') {
                return bad(parser, error, **p == '\n' ? "bare LF" : "malformed status code");
            }
            *p += **p == ' ';
            parser->phase = PHASE_PHRASE;
            parser->mark = (size_t)(*p - base);
            break;
        case PHASE_PHRASE:
            result = phrase(parser, p, base, end, error);
            break;
        case PHASE_START_LF:
            if (**p != '\n') {
                return bad(parser, error, "bare CR");
            }
            (*p)++;
            parser->phase = PHASE_LINE;
            return H1_HEAD_DONE;
        default:
            return H1_HEAD_DONE;
        }
        if (result != H1_HEAD_DONE) {
            return result;
        }
    }
    return parser->phase < PHASE_LINE ? H1_MORE : H1_HEAD_DONE;
}

/* The line from parser->mark to p (behind its LF) is complete: keep it. */
static inline enum h1_result add_line(struct h1_parser *parser, const char *base, const char *p,
                                      struct h1_error *error)
{
    struct headers *headers = &parser->message->headers;
    const char *name = base + parser->mark;
    const char *value = base + parser->value;
    const char *value_end = p - 2;

    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
        value_end--;
    }
    if (headers->count >= parser->limits->max_headers) {
        return h1_parser_refuse(parser, error, 431, REASON_head_too_large, "too many header fields");
    }
    struct header *item = headers_add_token(headers, slice_of(name, parser->name_len),
                                            slice_of(value, (size_t)(value_end - value)));

    item->flags |= HEADER_RAW_LINE;
    item->line_len = (uint32_t)(p - name);
    return HEADER_BIT(item->id) & FRAMING_FIELDS ? h1_field_seen(parser, item, error) : H1_MORE;
}

/* A line that begins with CR or a blank: the empty one, whose LF is due, or a folded one. */
static enum h1_result nameless_line(struct h1_parser *parser, const char **p, struct h1_error *error)
{
    if (**p != '\r') {
        return bad(parser, error,
                   parser->message->headers.count == 0 ? "blank before the first header"
                                                       : "folded header line");
    }
    (*p)++;
    parser->phase = PHASE_END_LF;
    return H1_MORE;
}

static enum h1_result last_byte(struct h1_parser *parser, const char **p, struct h1_error *error)
{
    if (**p != '\n') {
        return bad(parser, error, "bare CR");
    }
    (*p)++;
    parser->phase = PHASE_DONE;
    return H1_HEAD_DONE;
}

static enum h1_result header_lines(struct h1_parser *parser, const char **at, const char *base,
                                   const char *end, struct h1_error *error)
{
    const char *p = *at;
    enum h1_result result = H1_MORE;

    while (p < end) {
        switch (parser->phase) {
        case PHASE_LINE:
            if (*p == '\r' || *p == ' ' || *p == '\t') {
                if ((result = nameless_line(parser, &p, error)) != H1_MORE) {
                    goto out;
                }
                continue;
            }
            parser->mark = (size_t)(p - base);
            parser->phase = PHASE_NAME;
            /* fall through */
        case PHASE_NAME:
            p = scan_token(p, end);
            if (p == end) {
                goto out;
            }
            parser->name_len = (size_t)(p - base) - parser->mark;
            if (*p != ':' || parser->name_len == 0) {
                result = bad(parser, error, name_error(*p, parser->name_len == 0));
                goto out;
            }
            p++;
            parser->phase = PHASE_BLANKS;
            /* fall through */
        case PHASE_BLANKS:
            while (p < end && (*p == ' ' || *p == '\t')) {
                p++;
            }
            if (p == end) {
                goto out;
            }
            parser->value = (size_t)(p - base);
            parser->phase = PHASE_VALUE;
            /* fall through */
        case PHASE_VALUE:
            p = scan_value(p, end);
            if (p == end) {
                goto out;
            }
            if (*p != '\r') {
                result = bad(parser, error, *p == '\n' ? "bare LF" : "control byte in a header value");
                goto out;
            }
            p++;
            parser->phase = PHASE_VALUE_LF;
            if (p == end) {
                goto out;
            }
            /* fall through */
        case PHASE_VALUE_LF:
            if (*p != '\n') {
                result = bad(parser, error, "bare CR");
                goto out;
            }
            p++;
            parser->phase = PHASE_LINE;
            if ((result = add_line(parser, base, p, error)) != H1_MORE) {
                goto out;
            }
            continue;
        case PHASE_END_LF:
            result = last_byte(parser, &p, error);
            goto out;
        default:
            goto out;
        }
    }
out:
    *at = p;
    return result;
}

enum h1_result h1_parser_feed(struct h1_parser *parser, const char *base, size_t len, struct h1_error *error)
{
    size_t bound = len < parser->limits->max_head ? len : parser->limits->max_head;
    const char *p = base + parser->position;
    enum h1_result result = H1_MORE;

    if (parser->phase >= PHASE_DONE) {
        return h1_parser_refuse(parser, error, 400, REASON_bad_request, "fed after the end of a head");
    }
    if (parser->position < bound) {
        if (parser->phase < PHASE_LINE) {
            result = start_line(parser, &p, base, base + bound, error);
        }
        if (parser->phase >= PHASE_LINE && parser->phase < PHASE_DONE) {
            result = header_lines(parser, &p, base, base + bound, error);
        }
    }
    parser->position = parser->message->head_len = (size_t)(p - base);
    if (result == H1_HEAD_DONE) {
        return parser->side == H1_REQUEST ? h1_request_framing(parser, error)
                                          : h1_response_framing(parser, error);
    }
    if (result == H1_MORE && parser->position >= parser->limits->max_head) {
        return h1_parser_refuse(parser, error, 431, REASON_head_too_large, "head over the bound");
    }
    return result;
}

static inline void move(struct slice *s, const char *from, size_t len, const char *to)
{
    uintptr_t offset = (uintptr_t)s->ptr - (uintptr_t)from;

    if (s->ptr != NULL && offset <= len) {
        s->ptr = to + offset;
    }
}

void h1_message_rebase(struct h1_message *message, const char *from, const char *to)
{
    move(&message->method, from, message->head_len, to);
    move(&message->target, from, message->head_len, to);
    move(&message->phrase, from, message->head_len, to);
    for (size_t i = 0; i < message->headers.count; i++) {
        move(&message->headers.items[i].name, from, message->head_len, to);
        move(&message->headers.items[i].value, from, message->head_len, to);
    }
}
