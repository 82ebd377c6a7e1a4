/*
 * postgres.h - the first message of a PostgreSQL client, which may ask for TLS before the handshake begins.
 *
 * A client opens with one message that has no type byte: its length, then a code. SSLRequest and GSSENCRequest want an answer
 * of one byte before anything else is said: 'S' (or 'G'), then TLS (or GSSAPI) begins; 'N': go on without, or close.
 * CancelRequest and StartupMessage are the connection as it is.
 */
#ifndef WEIR_COMMON_NET_POSTGRES_H
#define WEIR_COMMON_NET_POSTGRES_H

#include "common/base/slice.h"

#define POSTGRES_HEAD_SIZE 8 /* length and code; an SSLRequest or GSSENCRequest is nothing else */
#define POSTGRES_MOST 10000  /* servers take no longer first message */
#define POSTGRES_WILLING "S" /* the answer to an SSLRequest: TLS begins with the next byte */
#define POSTGRES_UNWILLING "N"

enum postgres_first {
    POSTGRES_MORE,  /* fewer than 8 bytes, and they may become one of the messages below */
    POSTGRES_OTHER, /* another protocol */
    POSTGRES_SSL,
    POSTGRES_GSSENC,
    POSTGRES_CANCEL,
    POSTGRES_STARTUP /* version 3, any minor one; its parameters are not looked at */
};

/* What those bytes, the first of a connection, begin. Only the head of a message is needed, and no more is looked at. */
enum postgres_first postgres_first_read(struct slice bytes);

/* The eight bytes of an SSLRequest: what is sent to a server. */
extern const struct slice postgres_ssl_request;

/* Whether it is an SSLRequest or may become one with more bytes: who only wants to know that waits no longer than that. A
 * server that speaks first, or after fewer bytes, loses nothing by it. */
bool postgres_maybe_ssl(struct slice bytes);

#endif
