/*
 * resp.h - the protocol of Redis (RESP2): commands as they are written, short answers as they are read.
 *
 * Only answers that are a line, a number or a text: who asks for nothing else gets nothing else. Arrays and the kinds of RESP3
 * are refused.
 */
#ifndef WEIR_COMMON_NET_RESP_H
#define WEIR_COMMON_NET_RESP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/slice.h"
#include "common/base/text.h"

#define RESP_ANSWER_MOST 2048 /* bytes of an answer, all in all; a longer one is refused */

enum resp_kind {
    RESP_LINE,   /* +OK */
    RESP_ERROR,  /* -NOSCRIPT No matching script */
    RESP_NUMBER, /* :5 */
    RESP_TEXT,   /* $2 and two bytes */
    RESP_NULL    /* $-1 */
};

struct resp_answer {
    enum resp_kind kind;
    struct slice text; /* of a line, an error, a text; within the bytes that were read */
    int64_t number;
};

/* The answer that the bytes begin with: how many bytes it has; 0: it is not complete; -EBADMSG: it is none that could be
 * asked for, or too long. The answer stays the same whatever follows. */
ssize_t resp_read(struct slice bytes, struct resp_answer *out);

/* Whether an error is of that code: its first word. */
bool resp_is_error(const struct resp_answer *answer, struct slice code);

/* What an error says, for the log: without the arguments that Redis repeats of a command that it does not know, which may be
 * secrets. */
struct slice resp_error_words(const struct resp_answer *answer);

/* A command is its head, which says how many words follow, and these, each any bytes. */
void resp_add_head(struct text *out, size_t words);
void resp_add_word(struct text *out, struct slice word);
void resp_add_number(struct text *out, int64_t number); /* a word */

#endif
