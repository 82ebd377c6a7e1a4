/*
 * laps.c - laps as text: see laps.h.
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

static void add_most(const char *name, const struct lap_most *most, struct text *out)
{
    uint64_t ns = atomic_load_explicit(&most->ns, memory_order_relaxed);
    uint64_t kinds = atomic_load_explicit(&most->kinds, memory_order_relaxed);
    const char *comma = "";

    text_printf(out, "\"%s\":{\"us\":%.1f,\"in\":[", name, (double)ns / 1000);
    for (unsigned kind = 0; kind < LAP_KINDS; kind++) {
        if (kinds & (UINT64_C(1) << kind)) {
            text_printf(out, "%s\"%s\"", comma, kind_names[kind]);
            comma = ",";
        }
    }
    text_add_cstr(out, "]}");
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
