/*
 * strategies.h - how a load balancer gives a new client, or a request without one, its server: the one list, in the order that
 * pages of services know. What each does: worker/pick_strategy.c.
 */
#ifndef WEIR_COMMON_MODEL_STRATEGIES_H
#define WEIR_COMMON_MODEL_STRATEGIES_H

#include "common/base/slice.h"

/* identifier, the option's value, what Traefik calls its kind of service, words for `weir explain`. From P2C on it is known what
 * each server has under way (board_load_sum()). */
#define STRATEGIES(STRATEGY)                                                                                 \
    STRATEGY(WRR, "wrr", "WRR", "in turn, by weight")                                                        \
    STRATEGY(HRW, "hrw", "HRW", "by the client's address")                                                   \
    STRATEGY(P2C, "p2c", "P2C", "the less busy of two at random")                                            \
    STRATEGY(LEASTTIME, "leasttime", "LeastTime", "the quickest, by requests under way and weight")          \
    STRATEGY(LEASTCONN, "leastconn", "leastconn", "the fewest requests under way, by weight")

enum service_strategy {
#define STRATEGY(identifier, name, kind, words) STRATEGY_##identifier,
    STRATEGIES(STRATEGY)
#undef STRATEGY
};

#define STRATEGY(identifier, name, kind, words) +1
enum { STRATEGY_COUNT = STRATEGIES(STRATEGY) };
#undef STRATEGY

struct strategy {
    struct slice name;
    const char *kind, *words;
};

extern const struct strategy strategy_list[STRATEGY_COUNT];

/* Empty: wrr. False: there is none of that name. */
bool strategy_find(struct slice name, enum service_strategy *out);

#endif
