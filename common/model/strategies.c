/*
 * strategies.c - see strategies.h.
 */
#include "common/model/strategies.h"

const struct strategy strategy_list[STRATEGY_COUNT] = {
#define STRATEGY(identifier, name, kind, words) [STRATEGY_##identifier] = {SLICE_INIT(name), kind, words},
    STRATEGIES(STRATEGY)
#undef STRATEGY
};

bool strategy_find(struct slice name, enum service_strategy *out)
{
    for (unsigned i = 0; i < STRATEGY_COUNT; i++) {
        if (slice_eq(name, strategy_list[i].name) || (name.len == 0 && i == STRATEGY_WRR)) {
            *out = (enum service_strategy)i;
            return true;
        }
    }
    return false;
}
