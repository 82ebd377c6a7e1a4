/*
 * addr.h - network addresses and ranges: IPv4 and IPv6 in one 16-byte form, v4-mapped addresses unmapped.
 */
#ifndef WEIR_COMMON_NET_ADDR_H
#define WEIR_COMMON_NET_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base/error.h"
#include "common/base/slice.h"

struct address {
    uint8_t bytes[16]; /* IPv4 in the first four */
    uint8_t family;    /* 4, 6, or 0 for none */
    uint8_t unused;
    uint16_t port; /* host order */
};

struct cidr {
    uint8_t bytes[16];
    uint8_t family;
    uint8_t bits;
};

#define ADDRESS_TEXT_SIZE 56

bool address_parse(struct slice text, struct address *out); /* "10.0.0.1", "::1"; no port, zone refused */
/* "1.2.3.4:80", "[::1]:80", ":80" (family 0); names are not resolved: -EINVAL. */
int address_parse_host_port(struct slice text, struct address *out, struct error *why);
void address_from_sockaddr(const struct sockaddr *from, struct address *out); /* unmaps ::ffff:a.b.c.d */
/* Family 0 becomes "any" on IPv6 (a dual-stack listener). Returns the length. */
socklen_t address_to_sockaddr(const struct address *from, struct sockaddr_storage *out);
bool address_equal(const struct address *a, const struct address *b); /* with the port */
/* Without port: "10.0.0.1", "::1". Returns the length; buf holds ADDRESS_TEXT_SIZE bytes. */
size_t address_format(const struct address *from, char *buf);
bool cidr_parse(struct slice text, struct cidr *out,
                struct error *why); /* a bare address is a full-length range */
bool cidr_contains(const struct cidr *range, const struct address *address);

#endif
