/*
 * laps.c - which laps are kept, and laps as text: see laps.h.
 */
#include "shm/laps.h"

#include <inttypes.h>

static const char *const kind_names[] = {
    [LAP_ACCEPT] = "accept",   [LAP_CLIENT] = "client", [LAP_UPSTREAM] = "upstream",
    [LAP_TUNNEL] = "tunnel",   [LAP_TIMER] = "timer",   [LAP_LIBUV] = "libuv",
    [LAP_CONTROL] = "control", [LAP_HEART] = "heart",   [LAP_GENERATION] = "generation",
    [LAP_CLOSE] = "close",     [LAP_WORK] = "work",
};
_Static_assert(ARRAY_LEN(kind_names) == LAP_KINDS, "every kind has a name");

unsigned lap_bucket(int64_t ns)
{
    uint64_t units = ns > 0 ? (uint64_t)ns >> 16 : 0;
    unsigned bits = units ? 64u - (unsigned)__builtin_clzll(units) : 0;

    return bits < LAP_BUCKETS ? bits : LAP_BUCKETS - 1;
}

static void add_buckets(const char *name, const _Atomic uint64_t *buckets, struct text *out)
{
    text_printf(out, "\"%s\":[", name);
    for (unsigned i = 0; i < LAP_BUCKETS; i++) {
        text_printf(out, "%s%" PRIu64, i ? "," : "", atomic_load_explicit(&buckets[i], memory_order_relaxed));
    }
    text_add_cstr(out, "],");
}

/* {"us":...,"in":[...], without its end. */
static void add_lap(uint64_t ns, uint64_t kinds, struct text *out)
{
    const char *comma = "";

    text_printf(out, "{\"us\":%.1f,\"in\":[", (double)ns / 1000);
    for (unsigned kind = 0; kind < LAP_KINDS; kind++) {
        if (kinds & (UINT64_C(1) << kind)) {
            text_printf(out, "%s\"%s\"", comma, kind_names[kind]);
            comma = ",";
        }
    }
    text_add_char(out, ']');
}

static void add_most(const char *name, const struct lap_most *most, struct text *out)
{
    text_printf(out, "\"%s\":", name);
    add_lap(atomic_load_explicit(&most->ns, memory_order_relaxed),
            atomic_load_explicit(&most->kinds, memory_order_relaxed), out);
    text_add_char(out, '}');
}

void laps_json(const struct laps *laps, struct text *out)
{
    text_add_char(out, '{');
    add_buckets("wall", laps->wall, out);
    add_buckets("cpu", laps->cpu, out);
    add_most("longest", &laps->longest, out);
    text_add_char(out, ',');
    add_most("busiest", &laps->busiest, out);
    text_add_char(out, '}');
}

/* The end is written last and no two laps have the same one, so whoever reads it twice knows that
 * what he read between belongs together. */
void lap_over_note(struct laps *laps, int64_t ended, int64_t wall, int64_t cpu, uint32_t kinds)
{
    struct lap_over *oldest = laps->over;

    for (unsigned i = 1; i < LAPS_OVER; i++) {
        if (atomic_load_explicit(&laps->over[i].ended_ns, memory_order_relaxed) <
            atomic_load_explicit(&oldest->ended_ns, memory_order_relaxed)) {
            oldest = &laps->over[i];
        }
    }
    atomic_store_explicit(&oldest->ended_ns, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&oldest->wall_ns, (uint64_t)wall, memory_order_relaxed);
    atomic_store_explicit(&oldest->cpu_ns, (uint64_t)cpu, memory_order_relaxed);
    atomic_store_explicit(&oldest->kinds, kinds, memory_order_relaxed);
    atomic_store_explicit(&oldest->ended_ns, (uint64_t)ended, memory_order_release);
}

bool lap_over_json(const struct lap_over *lap, struct text *out)
{
    uint64_t ended = atomic_load_explicit(&lap->ended_ns, memory_order_acquire);
    uint64_t wall = atomic_load_explicit(&lap->wall_ns, memory_order_relaxed);
    uint64_t cpu = atomic_load_explicit(&lap->cpu_ns, memory_order_relaxed);
    uint64_t kinds = atomic_load_explicit(&lap->kinds, memory_order_relaxed);

    atomic_thread_fence(memory_order_acquire);
    if (ended == 0 || atomic_load_explicit(&lap->ended_ns, memory_order_relaxed) != ended) {
        return false;
    }
    if (out->len > 0 && out->ptr[out->len - 1] == '}') {
        text_add_char(out, ',');
    }
    add_lap(cpu, kinds, out);
    text_printf(out, ",\"wallUs\":%.1f", (double)wall / 1000);
    text_printf(out, ",\"endedUs\":%.1f}", (double)ended / 1000);
    return true;
}
