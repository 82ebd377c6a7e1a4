/*
 * udp_table.h - the sessions of a shard by their flow: who speaks, and to which of our addresses.
 *
 * A hash table with chains; entries lie in what they belong to. It grows with its entries and never shrinks: it goes with its
 * shard. The seed is a secret, because strangers choose the keys.
 */
#ifndef WEIR_WORKER_UDP_TABLE_H
#define WEIR_WORKER_UDP_TABLE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udp_flow { /* compared as bytes: zeroed before it is filled */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6; /* of a socket for both families too */
    } client;
    struct in6_addr
        local; /* the address that the client spoke to; IPv4 in the first four bytes when the client is v4 */
    uint32_t interface; /* of a link-local one; else 0 */
};

struct udp_entry {
    struct udp_entry *next;
    uint64_t hash;
    struct udp_flow flow;
};

struct udp_table {
    struct udp_entry **chains; /* NULL before the first entry */
    size_t size, count;        /* size: a power of two */
    uint64_t seed;
};

struct udp_entry *udp_table_find(const struct udp_table *table, const struct udp_flow *flow);
/* A flow that is not there yet. */
void udp_table_put(struct udp_table *table, struct udp_entry *entry);
void udp_table_take(struct udp_table *table, struct udp_entry *entry);
/* Any one of them, found from *at on, which begins with 0 and is kept between calls while nothing is put; NULL: it is empty. */
struct udp_entry *udp_table_any(const struct udp_table *table, size_t *at);
void udp_table_free(struct udp_table *table); /* the entries are the caller's */

#endif
