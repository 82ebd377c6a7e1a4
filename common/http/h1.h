/*
 * h1.h - HTTP/1.x messages in both directions: heads and bodies, parsed strictly (I11), from contiguous
 * bytes.
 *
 * Works on bytes that arrive in any cuts: h1_parser_feed() is called with the buffer as it grows, never walks
 * a byte twice and comes to the same verdict for every cut. CRLF only, no folded lines, names are tokens,
 * values hold no control byte, framing is unambiguous or refused. Why the walking is our own: h1_head.c.
 *
 * Nothing is copied: every slice points into the caller's buffer. When the buffer moves, h1_message_rebase()
 * moves them.
 */
#ifndef WEIR_COMMON_HTTP_H1_H
#define WEIR_COMMON_HTTP_H1_H

#include "common/base/slice.h"
#include "common/http/headers.h"
#include "common/http/reason.h"

enum h1_side { H1_REQUEST, H1_RESPONSE };

enum h1_framing {
    H1_NO_BODY,
    H1_LENGTH, /* content_length bytes */
    H1_CHUNKED,
    H1_UNTIL_CLOSE /* responses only */
};

struct h1_message {
    struct slice method, target; /* request */
    uint16_t status;             /* response */
    struct slice phrase;         /* response: reason phrase */
    uint8_t minor;               /* HTTP/1.x */
    struct headers headers;
    enum h1_framing framing;
    uint64_t content_length;
    bool keep_alive; /* what the message itself asks for, by version and Connection */
    bool upgrade;    /* request: Connection: upgrade with an Upgrade header, or CONNECT;
                        response: 101, or 2xx to CONNECT: what follows is no longer HTTP */
    bool expect_continue;
    size_t head_len; /* bytes up to and including the empty line; before H1_HEAD_DONE: those walked */
};

struct h1_limits {
    size_t max_head;      /* bytes of the whole head: 431 past it (request), bad_response (response) */
    size_t max_target;    /* 414 */
    unsigned max_headers; /* number of header lines: 431 */
};

struct h1_parser; /* about 150 bytes */
struct h1_parser *h1_parser_new(enum h1_side side, const struct h1_limits *limits);
void h1_parser_free(struct h1_parser *parser);
/* Ready for the next message, whose first byte will be base[0]. Clears *message, except that message->headers
 * must have been prepared with headers_init(). The limits are read through the pointer given to
 * h1_parser_new: it stays valid. For a response: the method of the request it answers (HEAD and CONNECT
 * change the framing). */
void h1_parser_reset(struct h1_parser *parser, struct h1_message *message, struct slice request_method);

enum h1_result { H1_MORE, H1_HEAD_DONE, H1_BAD };
struct h1_error {
    uint16_t status; /* what to answer: 400, 414, 417, 431, 501, 505; 502 for responses */
    enum reason reason;
    const char *text; /* static, for the log: "two different Content-Length" */
    struct slice phrase,
        body; /* static, as Go answers: "Bad Request: malformed Host header" and the same behind
                                  "400 "; the body may be empty (417) */
};
/* base/len: the whole buffer so far, the first `len` bytes of the message. Only what was not seen before is
 * walked. */
enum h1_result h1_parser_feed(struct h1_parser *parser, const char *base, size_t len, struct h1_error *error);
void h1_message_rebase(struct h1_message *message, const char *from, const char *to);

/* ---- bodies ---- */
/* A chunked body, decoded in place: tells for each step which bytes of the input are payload. */
struct h1_chunked {
    uint64_t left;   /* of the current chunk */
    uint32_t line;   /* bytes of the extension or of the trailer section so far: bounded */
    uint32_t excess; /* framing that carries little payload, as Go counts it: bounded */
    uint8_t state;
    uint8_t digits;
    const char *why; /* after H1_CHUNK_BAD: static text for the log */
};
void h1_chunked_init(struct h1_chunked *chunked);
enum h1_chunk {
    H1_CHUNK_MORE,    /* the input is used up */
    H1_CHUNK_DATA,    /* *data is payload */
    H1_CHUNK_TRAILER, /* *data is a further piece of the trailer section: append it to the earlier ones, or
                         drop it */
    H1_CHUNK_END,     /* the final CRLF was taken; *input starts behind it; collected pieces go to
                         h1_trailers_parse() */
    H1_CHUNK_BAD
};
/* Takes from *input, to be called until it returns MORE, END or BAD. Syntax of trailers is checked here as
 * well, also when they are dropped. Bounds: extensions 256 bytes a chunk, trailer section 8 KiB. */
enum h1_chunk h1_chunked_next(struct h1_chunked *chunked, struct slice *input, struct slice *data);

/* Parses a whole trailer section ("Name: value\r\n..." without the final empty line) into headers; false if
 * malformed. Fields of framing, routing, authentication and control are left out (RFC 9110 6.5.1). */
bool h1_trailers_parse(struct slice section, struct headers *out);
/* One field of a trailer section, left out if it is one of those; name and value are not copied. */
void h1_trailer_add(struct headers *out, struct slice name, struct slice value);

/* ---- writing ---- */
/* "HTTP/1.1 404 Not Found\r\n" of a known status: a static slice; empty for codes not in the table. */
struct slice h1_status_line(uint16_t status);
const char *http_status_text(uint16_t status); /* "Not Found", "" when unknown; as Go's http.StatusText */
/* "Date: ...\r\n", renewed at most once a second by http_date_update(). */
struct slice http_date(void);
void http_date_update(int64_t unix_seconds);

#endif
