/*
 * h1_parser.h - what h1_head.c (the walk) and h1_framing.c (the meaning) share. Private to common/http/.
 */
#ifndef WEIR_COMMON_HTTP_H1_PARSER_H
#define WEIR_COMMON_HTTP_H1_PARSER_H

#include "common/http/h1.h"

enum h1_phase { /* in the order in which they are passed */
                PHASE_BLANK,
                PHASE_BLANK_LF,
                PHASE_METHOD,
                PHASE_TARGET,
                PHASE_VERSION,
                PHASE_CODE,
                PHASE_CODE_END,
                PHASE_PHRASE,
                PHASE_START_LF,
                PHASE_LINE, /* at the first byte of a header line or of the empty line */
                PHASE_NAME,
                PHASE_BLANKS,
                PHASE_VALUE,
                PHASE_VALUE_LF,
                PHASE_END_LF,
                PHASE_DONE,
                PHASE_REFUSED
};

/* Fields that decide about framing, noted while they pass; numbers are positions in message->headers plus
 * one. */
struct h1_seen {
    uint32_t host, length, encoding, expect;
    uint16_t encodings;
    bool other_expect;
    bool close, keep_alive, upgrade_token, upgrade_field;
    bool upgrade_http; /* to HTTP or TLS */
    bool bad_trailer;  /* Trailer names a field that frames the message */
    uint8_t named;     /* how many other fields Connection names */
};

struct h1_parser {
    enum h1_side side;
    enum h1_phase phase;
    const struct h1_limits *limits;
    struct h1_message *message;
    size_t position;        /* bytes walked */
    size_t mark;            /* where the current part begins */
    size_t name_len, value; /* of the current header line */
    struct h1_seen seen;
    bool answers_head, answers_connect;
};

/* Always H1_BAD; for responses status and reason become 502 and bad_response. */
enum h1_result h1_parser_refuse(struct h1_parser *parser, struct h1_error *error, uint16_t status,
                                enum reason reason, const char *text);

/* What h1_field_seen() is for: with any other field it has nothing to do. */
#define FRAMING_FIELDS                                                                                       \
    (HEADER_BIT(HEADER_HOST) | HEADER_BIT(HEADER_CONTENT_LENGTH) | HEADER_BIT(HEADER_TRANSFER_ENCODING) |    \
     HEADER_BIT(HEADER_CONNECTION) | HEADER_BIT(HEADER_UPGRADE) | HEADER_BIT(HEADER_EXPECT) |                \
     HEADER_BIT(HEADER_TRAILER))

/* Takes note of a field just added. H1_MORE, or H1_BAD when it contradicts what was there. */
enum h1_result h1_field_seen(struct h1_parser *parser, struct header *item, struct h1_error *error);

/* The head is complete: H1_HEAD_DONE with the message's framing filled in, or H1_BAD. */
enum h1_result h1_request_framing(struct h1_parser *parser, struct h1_error *error);
enum h1_result h1_response_framing(struct h1_parser *parser, struct h1_error *error);

#endif
