/*
 * h1_feed.h - feeds one head to a parser: whole, byte by byte, or cut in two, from memory of exactly the
 * right size.
 */
#ifndef WEIR_TESTS_H1_FEED_H
#define WEIR_TESTS_H1_FEED_H

#include <stdlib.h>

#include "common/http/h1.h"

struct fed {
    enum h1_result result;
    struct h1_error error;
    struct h1_message message; /* slices point into bytes */
    char *bytes;
    struct pool *pool;
};

static const struct h1_limits feed_limits = {.max_head = 2048, .max_target = 256, .max_headers = 16};

/* first: bytes of the first feed; step: of each further one. Every feed sees a buffer of its own, so that a
 * byte read too far, or a slice that was not moved, is an error under ASan. */
static inline void feed(struct fed *fed, enum h1_side side, const char *method, struct slice input,
                        size_t first, size_t step)
{
    struct h1_parser *parser = h1_parser_new(side, &feed_limits);
    char *old = NULL;

    *fed = (struct fed){.pool = pool_new(1024, 0)};
    headers_init(&fed->message.headers, fed->pool);
    h1_parser_reset(parser, &fed->message, slice_cstr(method));
    for (size_t len = first < input.len ? first : input.len;; len += step) {
        len = len < input.len ? len : input.len;
        char *buffer = malloc(len > 0 ? len : 1);

        memcpy(buffer, input.ptr, len);
        if (old != NULL) {
            h1_message_rebase(&fed->message, old, buffer);
        }
        free(old);
        old = buffer;
        fed->result = h1_parser_feed(parser, buffer, len, &fed->error);
        if (fed->result != H1_MORE || len == input.len) {
            break;
        }
    }
    fed->bytes = old;
    h1_parser_free(parser);
}

static inline void fed_free(struct fed *fed)
{
    free(fed->bytes);
    pool_free(fed->pool);
}

#endif
