/*
 * stopwatch.c - see stopwatch.h.
 */
#include "worker/stopwatch.h"

#include <time.h>

#define CPU_READ_NS INT64_C(200000)

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_cpu(struct stopwatch *watch, int64_t now_ns)
{
    watch->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    watch->cpu_read_ns = now_ns;
}

static void count(_Atomic uint64_t *buckets, int64_t ns)
{
    _Atomic uint64_t *bucket = &buckets[lap_bucket(ns)];

    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void note_most(struct lap_most *most, int64_t ns, uint32_t kinds)
{
    if ((uint64_t)ns > atomic_load_explicit(&most->ns, memory_order_relaxed)) {
        atomic_store_explicit(&most->ns, (uint64_t)ns, memory_order_relaxed);
        atomic_store_explicit(&most->kinds, kinds, memory_order_relaxed);
    }
}

void stopwatch_begin(struct stopwatch *watch, int64_t now_ns)
{
    watch->began_ns = now_ns;
    watch->kinds = watch->calls = 0;
    if (now_ns - watch->cpu_read_ns >= CPU_READ_NS) {
        read_cpu(watch, now_ns);
    }
}

void stopwatch_lap(struct stopwatch *watch)
{
    if (watch->kinds == 0) {
        return;
    }

    int64_t now = clock_ns(CLOCK_MONOTONIC), took = now - watch->began_ns, busy = took;

    count(watch->laps->wall, took);
    note_most(&watch->laps->longest, took, watch->kinds);
    if (took >= LAP_SLOW_NS) {
        int64_t before = watch->cpu_ns;

        read_cpu(watch, now);
        if (watch->cpu_ns - before < took) {
            busy = watch->cpu_ns - before;
        }
        if (busy >= LAP_OVER_NS) {
            lap_over_note(watch->laps, now, took, busy, watch->kinds);
        }
        count(watch->laps->cpu, busy);
    }
    note_most(&watch->laps->busiest, busy, watch->kinds);
    stopwatch_begin(watch, now);
}
