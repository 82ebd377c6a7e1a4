/*
 * source.h - whose request it is, as middlewares count: ipStrategy.
 */
#ifndef WEIR_WORKER_SOURCE_H
#define WEIR_WORKER_SOURCE_H

#include "common/model/prepared.h"
#include "worker/exchange.h"

/* The address that the strategy points at; without a port, cut to its first ipv6_bits. family 0: there is none, or what
 * stands there is no address. *text: as it was sent, but for a port, for who counts by text; empty when there is none. */
void source_address(const struct exchange *ex, const struct prepared_client *strategy,
                    struct address *address, struct slice *text);
/* By what a source is counted: bytes, in the exchange's pool or in its request; empty when the request has nothing of it. */
struct slice source_bytes(const struct exchange *ex, const struct prepared_source *source);
/* The same in words, as Traefik has them: what others who count the same source call it. */
struct slice source_words(struct exchange *ex, const struct prepared_source *source);

#endif
