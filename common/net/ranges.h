/*
 * ranges.h - a set of addresses for fast questions: disjoint ranges in order, searched by halves. It is a text of bytes
 * without pointers or alignment, so it lies in a page as it is.
 */
#ifndef WEIR_COMMON_NET_RANGES_H
#define WEIR_COMMON_NET_RANGES_H

#include "common/base/pool.h"
#include "common/net/addr.h"

/* The set of those CIDR ranges, made in the pool; overlapping and adjacent ones become one. */
struct slice ranges_make(struct pool *pool, const struct cidr *cidrs, size_t count);
/* O(log n). Bytes behind a whole number of ranges are not looked at; family 0 is in no set. */
bool ranges_hold(struct slice ranges, const struct address *address);

#endif
