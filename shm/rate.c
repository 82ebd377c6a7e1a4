/*
 * rate.c - see rate.h. Compare-and-swap only: a worker may die anywhere.
 *
 * A table is groups of entries, a source belongs into one group. An entry is the source's key and its time, two words. Who
 * takes an entry over changes the key, and the time after it; who moved a time and then finds another key there has charged a
 * stranger and does it again for its own: rarely is one request too few let pass, never one too many.
 */
#include "shm/rate.h"

#include <stddef.h>

#include "shm/tables.h"

#define GROUP 16u                           /* four lines of a cache */
#define CLOCKS_APART_NS INT64_C(1000000000) /* workers look at the clock once a turn of their loops */

struct entry {
    _Atomic uint64_t key; /* 0: free */
    _Atomic int64_t full; /* ticks */
};

#define GROUPS (TABLE_BYTES / sizeof(struct entry) / GROUP)

_Static_assert(GROUPS *GROUP == 65536, "Traefik counts as many sources");

struct rate rate_make(int64_t average, int64_t period_ns, int64_t burst)
{
    double per_second = (double)average / ((double)period_ns / 1e9);
    double interval = (double)period_ns / (double)average; /* ns */
    struct rate rate = {.shift = 5};

    if (per_second >= RATE_MOST) {
        return (struct rate){.interval = 0};
    }
    burst = burst > RATE_BURST_MOST ? RATE_BURST_MOST : burst;
    interval = interval > (double)RATE_INTERVAL_MOST ? (double)RATE_INTERVAL_MOST : interval;
    for (double whole = interval * 32 * (double)burst; whole > 0x1p60; whole /= 2) {
        rate.shift--;
    }
    for (int64_t i = rate.shift; i > 0; i--) {
        interval *= 2;
    }
    for (int64_t i = rate.shift; i < 0; i++) {
        interval /= 2;
    }
    rate.interval = (int64_t)(interval + 0.5);
    rate.interval += rate.interval == 0;
    rate.tolerance = rate.interval * burst;
    rate.max_delay_ns = per_second < 1 ? 500000000 : 1000000000 / ((int64_t)per_second * 2);
    return rate;
}

static int64_t ticks(const struct rate *rate, int64_t ns)
{
    return rate->shift >= 0 ? ns << rate->shift : ns >> -rate->shift;
}

static int64_t nanoseconds(const struct rate *rate, int64_t ticks)
{
    return rate->shift >= 0                    ? ticks >> rate->shift
           : ticks > INT64_MAX >> -rate->shift ? INT64_MAX
                                               : (int64_t)((uint64_t)ticks << -rate->shift);
}

static struct entry *group_of(void *table, uint64_t key)
{
    return (struct entry *)table + key % GROUPS * GROUP;
}

static struct entry *find(struct entry *group, uint64_t key)
{
    for (unsigned i = 0; i < GROUP; i++) {
        if (atomic_load(&group[i].key) == key) {
            return &group[i];
        }
    }
    return NULL;
}

/* The entry that nobody would miss, or the one nearest to that. */
static struct entry *least(struct entry *group)
{
    struct entry *best = &group[0];

    for (unsigned i = 0; i < GROUP; i++) {
        if (atomic_load(&group[i].key) == 0) {
            return &group[i];
        }
        if (atomic_load(&group[i].full) < atomic_load(&best->full)) {
            best = &group[i];
        }
    }
    return best;
}

/* NULL: others were faster; look again. */
static struct entry *take_over(struct entry *group, uint64_t key, int64_t now)
{
    struct entry *entry = least(group), *first;
    uint64_t owner = atomic_load(&entry->key);
    int64_t full = atomic_load(&entry->full);

    if (!atomic_compare_exchange_strong(&entry->key, &owner, key)) {
        return NULL;
    }
    if (full > now) {
        (void)atomic_compare_exchange_strong(&entry->full, &full, now);
    }
    first = find(group, key);
    if (first != entry) { /* two took one at the same time: the first of the group holds */
        owner = key;
        (void)atomic_compare_exchange_strong(&entry->key, &owner, 0);
    }
    return first;
}

/* False: it must be tried again. */
static bool charge(const struct rate *rate, struct entry *entry, uint64_t key, int64_t now,
                   struct rate_verdict *out)
{
    int64_t full = atomic_load(&entry->full);

    for (;;) {
        int64_t from = full < now ? now : full;

        if (from - now > rate->tolerance + ticks(rate, rate->max_delay_ns + CLOCKS_APART_NS)) {
            from = now + rate->tolerance; /* counted with other options before: empty, no worse */
            (void)atomic_compare_exchange_strong(&entry->full, &full, from);
            full = from;
        }
        int64_t wait = from - now + rate->interval - rate->tolerance;

        out->delay_ns = wait > 0 ? nanoseconds(rate, wait) : 0;
        out->pass = out->delay_ns <= rate->max_delay_ns;
        if (!out->pass) {
            return atomic_load(&entry->key) == key;
        }
        if (atomic_compare_exchange_weak(&entry->full, &full, from + rate->interval)) {
            return atomic_load(&entry->key) == key;
        }
    }
}

struct rate_verdict rate_take(const struct rate *rate, void *table, uint64_t key, int64_t now_ns)
{
    struct rate_verdict verdict = {.pass = true};
    struct entry *group = group_of(table, key);
    int64_t now = ticks(rate, now_ns);

    for (unsigned tries = 0; tries < GROUP; tries++) { /* bounded, whatever stands there */
        struct entry *entry = find(group, key);

        if (entry == NULL) {
            entry = take_over(group, key, now);
        }
        if (entry && charge(rate, entry, key, now, &verdict)) {
            return verdict;
        }
    }
    return verdict; /* of the last try: a crowd fights for this group */
}
