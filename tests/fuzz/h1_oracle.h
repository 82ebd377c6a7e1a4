/*
 * h1_oracle.h - what the fuzz targets of both heads share: feed a head in cuts, and ask llhttp about what we
 * accepted.
 *
 * llhttp is laxer than we are, so nothing follows when it accepts. But what we accept it must accept too, and
 * see the same fields with the same values and the same framing: anything else is a difference that could be
 * smuggled through.
 */
#ifndef WEIR_FUZZ_H1_ORACLE_H
#define WEIR_FUZZ_H1_ORACLE_H

#include <stdlib.h>

#include "llhttp.h"

#include "common/http/h1.h"
#include "tests/fuzz/require.h"

static const struct h1_limits oracle_limits = {.max_head = 4096, .max_target = 1024, .max_headers = 40};

struct parsed {
    enum h1_result result;
    struct h1_error error;
    struct h1_message message;
    char *bytes;
    struct pool *pool;
};

/* step 0: whole. Each feed sees memory of its own size. */
static inline void oracle_parse(struct parsed *out, enum h1_side side, const uint8_t *data, size_t size,
                                size_t step)
{
    struct h1_parser *parser = h1_parser_new(side, &oracle_limits);

    *out = (struct parsed){.pool = pool_new(1024, 0)};
    headers_init(&out->message.headers, out->pool);
    h1_parser_reset(parser, &out->message, SLICE("GET"));
    for (size_t len = step == 0 ? size : 0;; len += step) {
        len = len < size ? len : size;
        char *buffer = malloc(len + 1);

        memcpy(buffer, data, len);
        if (out->bytes != NULL) {
            h1_message_rebase(&out->message, out->bytes, buffer);
        }
        free(out->bytes);
        out->bytes = buffer;
        out->result = h1_parser_feed(parser, buffer, len, &out->error);
        if (out->result != H1_MORE || len == size) {
            break;
        }
    }
    h1_parser_free(parser);
}

static inline void parsed_free(struct parsed *parsed)
{
    free(parsed->bytes);
    pool_free(parsed->pool);
}

/* The same verdict and the same fields, however the bytes were cut. */
static inline void oracle_same(const struct parsed *a, const struct parsed *b)
{
    REQUIRE(a->result == b->result);
    if (a->result == H1_BAD) {
        REQUIRE(a->error.status == b->error.status && strcmp(a->error.text, b->error.text) == 0);
        return;
    }
    REQUIRE(a->message.head_len == b->message.head_len &&
            a->message.headers.count == b->message.headers.count);
    REQUIRE(a->message.framing == b->message.framing &&
            a->message.content_length == b->message.content_length);
    REQUIRE(slice_eq(a->message.method, b->message.method) && slice_eq(a->message.target, b->message.target));
    for (size_t i = 0; i < a->message.headers.count; i++) {
        REQUIRE(slice_eq(a->message.headers.items[i].name, b->message.headers.items[i].name));
        REQUIRE(slice_eq(a->message.headers.items[i].value, b->message.headers.items[i].value));
        REQUIRE(a->message.headers.items[i].flags == b->message.headers.items[i].flags);
    }
}

struct oracle_seen {
    const struct h1_message *message;
    size_t at; /* fields complete */
    char text[4096];
    size_t len;
    bool done;
};

static inline int oracle_append(llhttp_t *llhttp, const char *at, size_t len)
{
    struct oracle_seen *seen = llhttp->data;

    REQUIRE(seen->len + len <= sizeof(seen->text));
    memcpy(seen->text + seen->len, at, len);
    seen->len += len;
    return 0;
}

static inline int oracle_name(llhttp_t *llhttp)
{
    struct oracle_seen *seen = llhttp->data;

    REQUIRE(seen->at < seen->message->headers.count);
    REQUIRE(slice_eq(slice_of(seen->text, seen->len), seen->message->headers.items[seen->at].name));
    seen->len = 0;
    return 0;
}

static inline int oracle_value(llhttp_t *llhttp)
{
    struct oracle_seen *seen = llhttp->data;
    struct slice ours = seen->message->headers.items[seen->at].value;
    struct slice theirs = slice_trim(slice_of(seen->text, seen->len));

    if (seen->message->headers.items[seen->at].id == HEADER_CONTENT_LENGTH) {
        while (theirs.len > 1 && theirs.ptr[0] == '0') { /* we cut leading zeros off */
            theirs = slice_from(theirs, 1);
        }
    }
    REQUIRE(slice_eq(theirs, ours));
    seen->at++;
    seen->len = 0;
    return 0;
}

static inline int oracle_head(llhttp_t *llhttp)
{
    struct oracle_seen *seen = llhttp->data;

    seen->done = true;
    REQUIRE(seen->at == seen->message->headers.count);
    REQUIRE(llhttp->http_major == 1 && llhttp->http_minor == seen->message->minor);
    return HPE_PAUSED;
}

/* Tabs around the values that frame a message are white space to us (RFC 9110 5.5); llhttp takes them for a
 * part of the value. Neither goes on: both fields are written anew. */
static inline bool oracle_tab_at_framing(const struct h1_message *message)
{
    for (size_t i = 0; i < message->headers.count; i++) {
        const struct header *item = &message->headers.items[i];

        if ((item->id == HEADER_CONTENT_LENGTH || item->id == HEADER_TRANSFER_ENCODING) &&
            slice_find(slice_of(item->name.ptr, item->line_len), '\t') >= 0) {
            REQUIRE(item->id != HEADER_CONTENT_LENGTH || (item->flags & HEADER_REMOVED) ||
                    !(item->flags & HEADER_RAW_LINE));
            return true;
        }
    }
    return false;
}

/* Runs llhttp over the head that was accepted. */
static inline void oracle_agrees(const struct parsed *parsed, llhttp_type_t type)
{
    struct oracle_seen seen = {.message = &parsed->message};
    llhttp_settings_t settings;
    llhttp_t llhttp;

    if (oracle_tab_at_framing(&parsed->message)) {
        return;
    }
    llhttp_settings_init(&settings);
    settings.on_header_field = oracle_append;
    settings.on_header_field_complete = oracle_name;
    settings.on_header_value = oracle_append;
    settings.on_header_value_complete = oracle_value;
    settings.on_headers_complete = oracle_head;
    llhttp_init(&llhttp, type, &settings);
    llhttp.data = &seen;
    enum llhttp_errno error = llhttp_execute(&llhttp, parsed->bytes, parsed->message.head_len);

    switch (error) {
    case HPE_INVALID_METHOD:            /* it has a list of methods */
    case HPE_INVALID_URL:               /* it takes no bytes from 0x80 in a target */
    case HPE_UNEXPECTED_CONTENT_LENGTH: /* it refuses the same length twice */
        return;
    default:
        break;
    }
    if (type == HTTP_REQUEST && !seen.done && error == HPE_INVALID_CONSTANT) {
        return; /* methods of other protocols */
    }
    REQUIRE(seen.done);
    REQUIRE((parsed->message.framing != H1_CHUNKED) || (llhttp.flags & F_CHUNKED));
    REQUIRE((parsed->message.framing != H1_LENGTH) ||
            llhttp.content_length == parsed->message.content_length);
}

#endif
