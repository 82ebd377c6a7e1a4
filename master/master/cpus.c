/*
 * cpus.c - how many workers: what the user says, else the least of the processors we may run on and the CPU quota of
 * every control group above us (versions 1 and 2), and what the memory budget has room for.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master/cgroups.h"
#include "master/master/master.h"

#define OTHERS_BYTES (UINT64_C(16) << 20) /* guard, master, configuration */
#define WORKER_BYTES (UINT64_C(8) << 20)

struct quota {         /* the smallest found */
    double processors; /* 0: none found */
    char where[1024];
};

static void consider(struct quota *quota, double limit, double period, const char *where)
{
    if (limit <= 0 || period <= 0 || limit / period > 1e6) {
        return;
    }
    double processors = limit / period;

    if (quota->processors == 0 || processors < quota->processors) {
        quota->processors = processors;
        (void)snprintf(quota->where, sizeof(quota->where), "%s", where);
    }
}

static void read_group(void *context, const char *folder, bool v2)
{
    struct quota *quota = context;
    char text[128], period_text[64];
    long long limit, period;

    if (!cgroups_read(folder, v2 ? "cpu.max" : "cpu.cfs_quota_us", text, sizeof(text))) {
        return;
    }
    if (v2) {
        if (sscanf(text, "%lld %lld", &limit, &period) == 2) { /* "max 100000" has no number first */
            consider(quota, (double)limit, (double)period, folder);
        }
        return;
    }
    if (cgroups_read(folder, "cpu.cfs_period_us", period_text, sizeof(period_text)) &&
        sscanf(text, "%lld", &limit) == 1 && sscanf(period_text, "%lld", &period) == 1) {
        consider(quota, (double)limit, (double)period, folder);
    }
}

static unsigned round_up(double value)
{
    unsigned whole = (unsigned)value;

    return whole < value ? whole + 1 : whole;
}

static unsigned affinity(void)
{
    unsigned count = 0;

    for (int most = 1024; most <= 65536; most *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        size_t size = CPU_ALLOC_SIZE((size_t)most);

        if (set && sched_getaffinity(0, size, set) == 0) {
            count = (unsigned)CPU_COUNT_S(size, set);
        }
        CPU_FREE(set);
        if (count > 0) {
            break;
        }
    }
    return count > 0 ? count : 1;
}

/* What the others need, and each worker under load, at the least. */
static unsigned memory_workers(uint64_t budget)
{
    uint64_t workers = budget > OTHERS_BYTES ? (budget - OTHERS_BYTES) / WORKER_BYTES : 0;

    return workers == 0 ? 1 : workers < BOARD_WORKERS ? (unsigned)workers : BOARD_WORKERS;
}

unsigned cpus_workers(const struct static_config *config, uint64_t budget, char *reason, size_t size)
{
    struct quota quota = {0};
    unsigned workers = affinity();

    if (config->workers > 0) {
        (void)snprintf(reason, size, "as configured");
        return config->workers < BOARD_WORKERS ? (unsigned)config->workers : BOARD_WORKERS;
    }
    (void)snprintf(reason, size, "%u processor%s that this process may use", workers,
                   workers == 1 ? "" : "s");
    workers = workers < BOARD_WORKERS ? workers : BOARD_WORKERS;
    cgroups_walk("", "cpu", read_group, &quota);
    if (quota.processors > 0 && round_up(quota.processors) < workers) {
        (void)snprintf(reason, size, "CPU quota of %.2f processors in %.500s", quota.processors, quota.where);
        workers = round_up(quota.processors);
    }
    if (budget > 0 && memory_workers(budget) < workers) {
        (void)snprintf(reason, size, "memory budget of %llu MiB", (unsigned long long)(budget >> 20));
        workers = memory_workers(budget);
    }
    return workers;
}
