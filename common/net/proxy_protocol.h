/*
 * proxy_protocol.h - the header of the PROXY protocol, versions 1 and 2: who a connection really comes from, told by the
 * proxy in front of it (and by us to servers).
 *
 * Reads the front of a stream without consuming it; nothing is allocated and nothing kept between calls. Not here: whom to
 * believe, waiting (worker/proxy_accept.c).
 */
#ifndef WEIR_COMMON_NET_PROXY_PROTOCOL_H
#define WEIR_COMMON_NET_PROXY_PROTOCOL_H

#include "common/net/addr.h"

#define PROXY_HEADER_MOST (16 + 4096) /* a longer one is refused; what is behind the addresses is TLVs */
#define PROXY_HEADER_WRITTEN 108      /* the longest that is written */

struct proxy_header {
    size_t size; /* bytes of the stream that it takes */
    bool local;  /* it names nobody (LOCAL, UNKNOWN, a UNIX socket): the connection's own addresses hold */
    struct address source, destination;
};

enum proxy_result {
    PROXY_DONE,
    PROXY_MORE, /* not all of it is there, or what is there may yet become one */
    PROXY_NONE, /* the stream begins otherwise */
    PROXY_BAD   /* it begins as one and is not: *why says what is wrong */
};

/* Strict: one space between words, no leading zeros, addresses of the family that is named (in TCP6 also IPv4 ones, which
 * nginx writes there). TLVs are skipped unread. why: a text that stays. */
enum proxy_result proxy_header_read(struct slice bytes, struct proxy_header *header, const char **why);

/* version 1 or 2; out holds PROXY_HEADER_WRITTEN bytes. Addresses of two families are both written as IPv6; when one has
 * none (family 0) the header says UNKNOWN or LOCAL. Returns its length. */
size_t proxy_header_write(int version, const struct address *source, const struct address *destination,
                          char *out);

#endif
