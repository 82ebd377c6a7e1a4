/*
 * breaker.c - see breaker.h.
 *
 * A word that counts:  opened (12 bits) | second, or ten of them (24) | count (28). It counts for who expects the first two.
 * The state:           state (2)        | opened (12)                 | until, in ms (50).
 * Half open:           opened (12)      | let pass (26)               | refused (26).
 * A table holds ENTRIES breakers, for those that have to share one (tables.h).
 */
#include "shm/breaker.h"

#include <stddef.h>

#include "shm/tables.h"

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)
#define TRIES 64u /* of a compare-and-swap: bounded, whatever others do */

#define WINDOW 10u                        /* seconds */
#define PERIODS 6u                        /* of ten seconds in the histogram */
#define HALF 128u                         /* values of an octave that are told apart */
#define VALUES 3328u                      /* 1 microsecond to above one hour */
#define BLOCK 512u                        /* words of a page of memory */
#define BLOCKS (PERIODS * VALUES / BLOCK) /* the histogram's */
#define COUNT_BITS 28u
#define RAMP_BITS 26u
#define UNTIL_BITS 50u
#define MASK(bits) ((UINT64_C(1) << (bits)) - 1)

enum state { STANDBY, TRIPPED, RECOVERING };

struct breaker {
    _Atomic uint64_t key; /* 0: free */
    _Atomic uint64_t state, ramp;
    _Atomic int64_t next_check;
    _Atomic uint64_t touched; /* bit N: block N of the histogram holds something; the others take no memory */
    uint64_t unused[3];
    _Atomic uint64_t counts[BREAKER_COUNTS][WINDOW];
    uint64_t fill[BLOCK - 8 - BREAKER_COUNTS * WINDOW];
    _Atomic uint64_t histogram[PERIODS * VALUES];
};

#define ENTRIES (TABLE_BYTES / sizeof(struct breaker))

_Static_assert(sizeof(struct breaker) == 40 * 4096 && BLOCKS < 64, "whole pages, a bit for each");

struct breaker *breaker_at(void *table, uint64_t key)
{
    struct breaker *entries = table;

    for (size_t i = 0; i < ENTRIES; i++) {
        uint64_t owner = atomic_load(&entries[i].key);

        if (owner == key || (owner == 0 && atomic_compare_exchange_strong(&entries[i].key, &owner, key)) ||
            owner == key) {
            return &entries[i];
        }
    }
    return NULL;
}

/* ---- the state ---- */

static enum state state_of(uint64_t word)
{
    return (enum state)(word >> 62);
}

static uint64_t opened_of(uint64_t word)
{
    return word >> UNTIL_BITS & 0xfff;
}

static int64_t until_of(uint64_t word)
{
    return (int64_t)(word & MASK(UNTIL_BITS));
}

static uint64_t state_word(enum state state, uint64_t opened, int64_t until_ns)
{
    return (uint64_t)state << 62 | (opened & 0xfff) << UNTIL_BITS |
           ((uint64_t)(until_ns / MILLISECOND) & MASK(UNTIL_BITS));
}

/* Would the request still leave as many of all let pass as there may be by now? */
static bool ramp(struct breaker *breaker, const struct breaker_times *times, uint64_t word, int64_t now_ns)
{
    uint64_t opened = opened_of(word), seen = atomic_load(&breaker->ramp);
    int64_t start_ns = until_of(word) * MILLISECOND - times->recovery;
    double most = 0.5 / (double)times->recovery * (double)(now_ns - start_ns);

    for (unsigned i = 0; i < TRIES; i++) {
        bool same = seen >> (2 * RAMP_BITS) == opened;
        uint64_t passed = same ? seen >> RAMP_BITS & MASK(RAMP_BITS) : 0;
        uint64_t refused = same ? seen & MASK(RAMP_BITS) : 0;
        bool pass = (double)(passed + 1) / (double)(passed + 1 + refused) < most;

        passed += pass;
        refused += !pass;
        if ((passed | refused) > MASK(RAMP_BITS - 1)) {
            passed /= 2;
            refused /= 2;
        }
        if (atomic_compare_exchange_weak(&breaker->ramp, &seen,
                                         opened << (2 * RAMP_BITS) | passed << RAMP_BITS | refused)) {
            return pass;
        }
    }
    return false;
}

bool breaker_passes(struct breaker *breaker, const struct breaker_times *times, int64_t now_ns)
{
    int64_t now_ms = now_ns / MILLISECOND;
    uint64_t word = atomic_load(&breaker->state);

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t next = word;

        switch (state_of(word)) {
        case TRIPPED:
            if (now_ms < until_of(word)) {
                return false;
            }
            next = state_word(RECOVERING, opened_of(word), now_ns + times->recovery);
            break;
        case RECOVERING:
            if (now_ms <= until_of(word)) {
                return ramp(breaker, times, word, now_ns);
            }
            next = state_word(STANDBY, opened_of(word), 0);
            break;
        case STANDBY:
        default:
            return true;
        }
        if (atomic_compare_exchange_weak(&breaker->state, &word, next)) {
            word = next;
        }
    }
    return false;
}

bool breaker_due(struct breaker *breaker, const struct breaker_times *times, int64_t now_ns)
{
    int64_t next = atomic_load(&breaker->next_check);

    return (now_ns > next || next - now_ns > times->check) &&
           state_of(atomic_load(&breaker->state)) != TRIPPED &&
           atomic_compare_exchange_strong(&breaker->next_check, &next, now_ns + times->check);
}

void breaker_open(struct breaker *breaker, const struct breaker_times *times, int64_t now_ns)
{
    uint64_t word = atomic_load(&breaker->state);

    if (state_of(word) != TRIPPED) {
        (void)atomic_compare_exchange_strong(
            &breaker->state, &word, state_word(TRIPPED, opened_of(word) + 1, now_ns + times->fallback));
    }
}

/* ---- counting ---- */

/* What stands in a word that counts for that time. */
static uint64_t mark_of(struct breaker *breaker, uint64_t time)
{
    return opened_of(atomic_load(&breaker->state)) << 24 | (time & 0xffffff);
}

static void count(_Atomic uint64_t *word, uint64_t mark)
{
    uint64_t now = atomic_load(word);

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t held = now >> COUNT_BITS == mark ? now & MASK(COUNT_BITS) : 0;

        if (held == MASK(COUNT_BITS) ||
            atomic_compare_exchange_weak(word, &now, mark << COUNT_BITS | (held + 1))) {
            return;
        }
    }
}

static uint64_t counted(_Atomic uint64_t *word, uint64_t mark)
{
    uint64_t now = atomic_load_explicit(word, memory_order_relaxed);

    return now >> COUNT_BITS == mark ? now & MASK(COUNT_BITS) : 0;
}

/* ---- times ---- */

/* The octave and its 128 values: two digits. */
static unsigned index_of(uint64_t microseconds)
{
    unsigned octave = 63u - (unsigned)__builtin_clzll(microseconds | 255) - 7u;

    return ((octave + 1) * HALF) + (unsigned)(microseconds >> octave) - HALF;
}

/* The highest value of the same index. */
static uint64_t value_of(unsigned index)
{
    unsigned octave = index < 2 * HALF ? 0 : index / HALF - 1;
    uint64_t base = index < 2 * HALF ? index : index % HALF + HALF;

    return ((base + 1) << octave) - 1;
}

static void record_time(struct breaker *breaker, int64_t took_ns, int64_t now_ns)
{
    uint64_t microseconds = (uint64_t)took_ns / 1000, period = (uint64_t)(now_ns / SECOND) / WINDOW;

    if (microseconds >> 32) {
        return;
    }

    size_t at = (size_t)(period % PERIODS) * VALUES + index_of(microseconds);
    uint64_t bit = UINT64_C(1) << (at / BLOCK);

    if (!(atomic_load_explicit(&breaker->touched, memory_order_relaxed) & bit)) {
        (void)atomic_fetch_or(&breaker->touched, bit);
    }
    count(&breaker->histogram[at], mark_of(breaker, period));
}

void breaker_record(struct breaker *breaker, uint32_t counts, int64_t took_ns, int64_t now_ns)
{
    uint64_t second = (uint64_t)(now_ns / SECOND), mark = mark_of(breaker, second);

    for (unsigned i = 0; i < BREAKER_COUNTS; i++) {
        if (counts >> i & 1) {
            count(&breaker->counts[i][second % WINDOW], mark);
        }
    }
    if (took_ns >= 0) {
        record_time(breaker, took_ns, now_ns);
    }
}

uint64_t breaker_count(struct breaker *breaker, unsigned counter, int64_t now_ns)
{
    uint64_t second = (uint64_t)(now_ns / SECOND), sum = 0;

    for (uint64_t i = 0; i < WINDOW && i <= second && counter < BREAKER_COUNTS; i++) {
        sum += counted(&breaker->counts[counter][(second - i) % WINDOW], mark_of(breaker, second - i));
    }
    return sum;
}

/* How many answers of that index. */
static uint64_t counted_at(struct breaker *breaker, uint64_t touched, unsigned index, uint64_t period)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < PERIODS && i <= period; i++) {
        size_t at = (size_t)((period - i) % PERIODS) * VALUES + index;

        if (touched >> (at / BLOCK) & 1) {
            sum += counted(&breaker->histogram[at], mark_of(breaker, period - i));
        }
    }
    return sum;
}

int64_t breaker_latency_ms(struct breaker *breaker, double quantile, int64_t now_ns)
{
    uint64_t period = (uint64_t)(now_ns / SECOND) / WINDOW, touched = atomic_load(&breaker->touched);
    uint64_t total = 0, sum = 0, wanted;

    for (unsigned i = 0; i < VALUES; i++) {
        total += counted_at(breaker, touched, i, period);
    }
    wanted = (uint64_t)((quantile > 100 ? 100 : quantile) / 100 * (double)total + 0.5);
    for (unsigned i = 0; i < VALUES && total; i++) {
        sum += counted_at(breaker, touched, i, period);
        if (sum >= wanted) {
            return (int64_t)(value_of(i) / 1000);
        }
    }
    return 0;
}
