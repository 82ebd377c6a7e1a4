/*
 * memory.h - how much memory the process tree may take: the smallest limit of the control groups above us, and the
 * user's own (limits.memory). Three quarters of each are a budget, which workers keep (worker/budget.h).
 */
#ifndef WEIR_MASTER_MASTER_MEMORY_H
#define WEIR_MASTER_MASTER_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "master/master/cgroups.h"

struct memory_limit {
    uint64_t bytes;           /* 0: there is none */
    char folder[CGROUP_PATH]; /* of the group */
    bool v2;
};

/* The smallest limit of all levels; root as for cgroups_walk(). */
void memory_find(const char *root, struct memory_limit *out);
const char *memory_limit_file(bool v2);

/* Bytes to be kept of a limit. */
static inline uint64_t memory_budget(uint64_t limit)
{
    return limit - limit / 4; /* 0 for 0 only: that is no limit */
}

#endif
