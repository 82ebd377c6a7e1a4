/*
 * redis_cluster.h - what the nodes of a Redis Cluster say of who has which keys: the slot of a key, redirections, and the
 * answer to CLUSTER SLOTS, of which a map is made.
 *
 * A map is bytes: a line for each node, HOST:PORT as in a URL, in order; an empty line; a struct redis_range for each range of
 * slots, in order. The same cluster has the same map, whichever of its nodes was asked.
 */
#ifndef WEIR_COMMON_NET_REDIS_CLUSTER_H
#define WEIR_COMMON_NET_REDIS_CLUSTER_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/text.h"

#define REDIS_SLOTS 16384u
#define REDIS_NODES_MOST 1000u
#define REDIS_MAP_ANSWER_MOST ((size_t)2 << 20) /* bytes of an answer to CLUSTER SLOTS */

/* By CRC16 of the key, or of what is between its first { and the next }, where something is. */
unsigned redis_slot_of(struct slice key);

enum redis_redirect { REDIS_STAYS, REDIS_MOVED, REDIS_ASK };

/* What an error says, "MOVED 3999 10.0.0.1:6381": to which node, as it is written: IPv6 without brackets, an empty host is
 * that of who says so. */
enum redis_redirect redis_redirect_read(struct slice error, struct slice *node);
/* Whether a node that is written so is the one that is called `known` in a map or a URL; `sayer` is who wrote it, called so. */
bool redis_node_is(struct slice node, struct slice known, struct slice sayer);

/* ---- maps ---- */
struct redis_range { /* high byte first, so text of such ones has no alignment */
    uint8_t first[2], last[2], node[2];
};

/* The node that has a slot, by a text of struct redis_range in order; -1: none. */
int redis_range_find(struct slice ranges, unsigned slot);

struct redis_scan { /* zeroed */
    size_t at;      /* bytes that need not be looked at again */
    size_t left;    /* elements that are still to come */
    bool begun;
};

/* Whether the answer that the bytes begin with is there, with all that is within: how many bytes it has; 0: not yet, and
 * the bytes that come belong behind these; -EBADMSG: it is none, or longer than REDIS_MAP_ANSWER_MOST. */
ssize_t redis_answer_scan(struct redis_scan *scan, struct slice bytes);

/* Adds the map of a whole answer to CLUSTER SLOTS; asked: the host that gave it, without brackets, which stands for nodes
 * that say no host, and for loopback addresses when it is another address. -EBADMSG, and nothing is added: why says what
 * is wrong. */
int redis_map_read(struct slice answer, struct slice asked, struct text *out, struct error *why);
/* Cuts a map in two. False: it is none. */
bool redis_map_parts(struct slice map, struct slice *nodes, struct slice *ranges);

#endif
