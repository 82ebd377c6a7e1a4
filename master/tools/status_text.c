/*
 * status_text.c - struct status as lines to read. What each says stands in docs/operations.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/http/reason.h"
#include "master/tools/common.h"
#include "master/tools/status.h"
#include "shm/control.h"
#include "shm/page.h"

#define SECOND INT64_C(1000000000)
#define WORKER_SILENT (SECOND * 3 / 10) /* as the guard lends */
#define MASTER_SILENT (2 * SECOND)      /* it beats twice a second */
#define DURATION 32
#define MIB (UINT64_C(1) << 20)

const char *status_state_name(uint64_t state)
{
    switch (state) {
    case WORKER_STARTING:
        return "starting";
    case WORKER_SERVING:
        return "serving";
    case WORKER_DRAINING:
        return "draining";
    default:
        return "none";
    }
}

const char *status_reload_name(enum board_reload result)
{
    static const char *const names[] = {
        [RELOAD_NONE] = "none",     [RELOAD_PUBLISHED] = "published", [RELOAD_SAME] = "unchanged",
        [RELOAD_FAILED] = "failed", [RELOAD_WITHDRAWN] = "withdrawn",
    };

    return names[result];
}

bool status_silent(const struct status_process *process)
{
    return process->pid != 0 && process->beat != NEVER && process->beat > MASTER_SILENT;
}

const char *status_slot_state(const struct status_slot *slot)
{
    const struct status_process *process = &slot->process;

    if (process->pid == 0) {
        return "empty";
    }
    if (process->beat != NEVER && process->beat > WORKER_SILENT) {
        return process->state == 'T' ? "stopped" : "silent";
    }
    if (slot->retire_age != NEVER && slot->state == WORKER_SERVING) {
        return "retiring";
    }
    return status_state_name(slot->state);
}

/* "0.2 s", "12 min 3 s", "3 d 2 h". */
static const char *duration(int64_t ns, char out[DURATION])
{
    int64_t s = ns / SECOND;

    if (ns == NEVER) {
        (void)snprintf(out, DURATION, "-");
    } else if (s < 60) {
        (void)snprintf(out, DURATION, "%" PRId64 ".%" PRId64 " s", s, ns % SECOND / (SECOND / 10));
    } else if (s < 3600) {
        (void)snprintf(out, DURATION, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    } else if (s < 86400) {
        (void)snprintf(out, DURATION, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
    } else {
        (void)snprintf(out, DURATION, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
    }
    return out;
}

/* "2026-11-21 06:44:28 (12.3 s ago)", in UTC. */
static void add_since(struct text *out, const struct status *status, int64_t age)
{
    time_t at = (time_t)((status->unix_ns - (age == NEVER ? 0 : age)) / SECOND);
    char text[32], ago[DURATION];
    struct tm parts;

    if (age == NEVER || gmtime_r(&at, &parts) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", &parts) == 0) {
        text_add_cstr(out, "never");
        return;
    }
    text_printf(out, "%s (%s ago)", text, duration(age, ago));
}

/* ---- guard, master ---- */
static void add_guard(struct text *out, const struct status *status)
{
    text_printf(out, "guard      pid %d, since ", (int)status->guard.pid);
    add_since(out, status, status->guard.age);
    if (status->guard.state == 'T') {
        text_add_cstr(out, ", stopped");
    }
    if (status->upgraded_age != NEVER) {
        text_printf(out, "; %" PRIu64 " upgrade%s to another build, the last SIGUSR2 ", status->upgrades,
                    status->upgrades == 1 ? "" : "s");
        add_since(out, status, status->upgraded_age);
    }
    text_add_char(out, '\n');
}

static void add_master(struct text *out, const struct status *status)
{
    const struct status_process *master = &status->master;
    char text[DURATION];

    if (master->pid == 0) {
        text_printf(out, "master     none: the next one starts in %s; last heard of %s ago\n",
                    duration(master->start, text), duration(master->beat, (char[DURATION]){0}));
        return;
    }
    text_printf(out, "master     pid %d, since ", (int)master->pid);
    add_since(out, status, master->age);
    text_printf(out, status_silent(master) ? ", silent for %s" : ", heart %s ago",
                duration(master->beat, text));
    text_add_cstr(out, master->state == 'T' ? ", stopped" : "");
    if (master->count > 1) {
        text_printf(out, ", the %" PRIu64 ". one", master->count);
    }
    text_add_char(out, '\n');
}

static void add_settings(struct text *out, const struct status *status)
{
    text_add_cstr(out, "settings   read ");
    add_since(out, status, status->settings_age);
    if (status->settings_error[0]) {
        text_printf(out, "; a later SIGHUP was refused: %s", status->settings_error);
    }
    text_add_cstr(out, "\nreload     ");
    if (status->reload_age == NEVER) {
        text_add_cstr(out, "none yet\n");
        return;
    }
    add_since(out, status, status->reload_age);
    text_printf(out, " in %.1f ms, %s", (double)status->reload_took / 1e6,
                status_reload_name(status->reload_result));
    if (status->reload_changes[0]) {
        text_printf(out, ": %s", status->reload_changes);
    }
    text_add_char(out, '\n');
}

static void add_providers(struct text *out, const struct status *status)
{
    for (size_t i = 0; i < status->provider_count; i++) {
        const struct status_provider *provider = &status->providers[i];

        if (!provider->enabled) {
            continue;
        }
        text_printf(out, "provider   %s: ", provider->name);
        if (provider->stale_age != NEVER) {
            text_add_cstr(out, "stale, of ");
            add_since(out, status, provider->stale_age);
        } else if (provider->loaded_age == NEVER) {
            text_add_cstr(out, "not read yet");
        } else {
            text_add_cstr(out, "read ");
            add_since(out, status, provider->loaded_age);
        }
        if (provider->error[0]) {
            text_printf(out, "; cannot be read now: %s", provider->error);
        }
        text_add_char(out, '\n');
    }
}

static void add_memory(struct text *out, const struct status *status)
{
    const struct status_memory *memory = &status->memory;
    const uint64_t *counters = status->counters;

    if (memory->budget == 0) {
        return;
    }
    text_printf(out, "memory     %" PRIu64 " MiB of %" PRIu64 " MiB (%" PRIu64 " %%)", memory->used / MIB,
                memory->budget / MIB, memory->used * 100 / memory->budget);
    text_printf(out,
                ", %" PRIu64 " connections refused, %" PRIu64 " idle ones closed, %" PRIu64
                " requests or answers broken off\n",
                counters[COUNT_REFUSED_CONNECTIONS], counters[COUNT_SHED_IDLE], counters[COUNT_SHED_BUSY]);
}

/* ---- generations ---- */
static size_t holders(const struct status *status, uint64_t generation)
{
    size_t count = 0;

    for (size_t i = 0; i < status->slot_count; i++) {
        count += status->slots[i].generation == generation;
    }
    return count;
}

static void add_generations(struct text *out, const struct status *status)
{
    text_add_cstr(
        out, "\ngeneration  published                         routers  services  middlewares  workers\n");
    for (size_t i = 0; i < status->generation_count; i++) {
        const struct status_generation *generation = &status->generations[i];
        struct text since;

        text_init(&since);
        add_since(&since, status, generation->age);
        text_printf(out, "%10" PRIu64 "  %-32s  %7" PRIu64 "  %8" PRIu64 "  %11" PRIu64 "  %zu of %" PRIu64,
                    generation->number, since.ptr, generation->routers, generation->services,
                    generation->middlewares, holders(status, generation->number), status->workers);
        text_free(&since);
        if (generation->withdrawn_age != NEVER) {
            text_add_cstr(out, "  withdrawn ");
            add_since(out, status, generation->withdrawn_age);
        }
        text_add_char(out, '\n');
    }
}

/* ---- slots ---- */
static void add_notes(struct text *out, const struct status *status, const struct status_slot *slot)
{
    char text[DURATION];

    if (slot->process.pid == 0) {
        text_printf(out, "  next worker in %s", duration(slot->process.start, text));
    } else if (slot->process.beat != NEVER && slot->process.beat > WORKER_SILENT) {
        text_printf(out, "  silent for %s", duration(slot->process.beat, text));
    }
    if (slot->lent_to >= 0) {
        text_printf(out, "  lent to worker %d for %s", slot->lent_to, duration(slot->lent_age, text));
    }
    if (slot->retire_age != NEVER) {
        text_printf(out, "  retired for %s", duration(slot->retire_age, text));
    }
    if (slot->process.count > 1) {
        text_printf(out, "  %" PRIu64 " starts", slot->process.count);
    }
    if (slot->process.pid != 0 && slot->generation != status->generation) {
        text_add_cstr(out, "  not the newest generation");
    }
}

static void add_slots(struct text *out, const struct status *status)
{
    char a[DURATION], b[DURATION], c[DURATION];

    text_add_cstr(out,
                  "\nslot      pid  state     for           heart   generation  for           connections  "
                  "exchanges  upstream idle+active  mapped\n");
    for (size_t i = 0; i < status->slot_count; i++) {
        const struct status_slot *slot = &status->slots[i];
        const int64_t *gauges = slot->gauges;

        text_printf(out, "%4u  %7d  %-8s  %-12s  %-6s  %10" PRIu64 "  %-12s", slot->number,
                    (int)slot->process.pid, status_slot_state(slot), duration(slot->state_age, a),
                    duration(slot->process.beat, c), slot->generation, duration(slot->generation_age, b));
        text_printf(out, "  %11" PRId64 "  %9" PRId64 "  %13" PRId64 "+%-6" PRId64 "  %6" PRId64,
                    gauges[GAUGE_CONNECTIONS], gauges[GAUGE_EXCHANGES], gauges[GAUGE_UPSTREAM_IDLE],
                    gauges[GAUGE_UPSTREAM_ACTIVE], gauges[GAUGE_GENERATIONS]);
        add_notes(out, status, slot);
        text_add_char(out, '\n');
    }
    for (size_t i = 0; i < status->old_count; i++) {
        text_printf(out, " old  %7d  finishes what an earlier build had open, for %s%s\n",
                    (int)status->old[i].pid, duration(status->old[i].age, a),
                    status->old[i].is_master ? " (master)" : "");
    }
    if (status->old_all > status->old_count) {
        text_printf(out, " old  and %" PRIu64 " more\n", status->old_all - status->old_count);
    }
}

/* ---- entry points, counters ---- */
static void add_points(struct text *out, const struct status *status)
{
    char text[DURATION];

    text_add_char(out, '\n');
    for (size_t i = 0; i < status->point_count; i++) {
        const struct status_point *point = &status->points[i];

        text_printf(out, "entry point  %s on %s, %" PRIu64 " socket%s", point->name, point->address,
                    point->sockets, point->sockets == 1 ? "" : "s");
        if (point->leaving_age != NEVER) {
            text_printf(out, ", moved away %s ago: what waits there is served",
                        duration(point->leaving_age, text));
        }
        text_add_char(out, '\n');
    }
}

static void add_servers(struct text *out, const struct status *status)
{
    char text[DURATION];

    for (size_t i = 0; i < status->server_count; i++) {
        const struct status_server *server = &status->servers[i];

        text_printf(out, "%sserver       %s %s: ", i == 0 ? "\n" : "", server->service, server->url);
        switch (server->why) {
        case SERVER_DOWN:
            text_add_cstr(out, "down, its health check fails\n");
            break;
        case SERVER_OUT:
            text_printf(out, "out after failures, for another %s\n", duration(server->left, text));
            break;
        case SERVER_SLOW:
            text_printf(out, "starts slowly, has %u %% of its share, all of it in %s\n", server->percent,
                        duration(server->left, text));
            break;
        case SERVER_NAMELESS:
            text_add_cstr(out, "its name has no address\n");
            break;
        }
    }
    if (status->server_all > status->server_count) {
        text_printf(out, "server       and %" PRIu64 " more\n", status->server_all - status->server_count);
    }
    if (!status->servers_known) {
        text_add_cstr(out, "\nserver       which ones are down is not known while there is no master\n");
    }
}

static void add_counters(struct text *out, const struct status *status)
{
    const uint64_t *counters = status->counters;

    text_printf(out,
                "\nrequests     %" PRIu64 " over %" PRIu64 " connections; %" PRIu64 " bytes in, %" PRIu64
                " out\n",
                counters[COUNT_REQUESTS], counters[COUNT_CONNECTIONS], counters[COUNT_BYTES_IN],
                counters[COUNT_BYTES_OUT]);
    text_printf(out,
                "upstream     %" PRIu64 " connections opened, used again %" PRIu64 " times, %" PRIu64
                " retries\n",
                counters[COUNT_UPSTREAM_CONNECTS], counters[COUNT_UPSTREAM_REUSED], counters[COUNT_RETRIES]);
    for (unsigned i = 0; i < REASON_KINDS; i++) {
        if (i != REASON_none && counters[COUNT_REASONS + i] != 0) {
            text_printf(out, "answered     %" PRIu64 " %s: %s\n", counters[COUNT_REASONS + i],
                        reason_name((enum reason)i), reason_text((enum reason)i));
        }
    }
}

void status_text(const struct status *status, struct text *out)
{
    text_printf(out, "weir %s, build %016" PRIx64 ": ", tool_version(), build_id());
    if (status->ready) {
        text_add_cstr(out, status->stale ? "ready (stale)\n" : "ready\n");
    } else {
        text_printf(out, status->stopping ? "%s\n" : "not ready: %s\n", status->missing);
    }
    add_guard(out, status);
    add_master(out, status);
    add_settings(out, status);
    add_providers(out, status);
    add_memory(out, status);
    add_generations(out, status);
    add_slots(out, status);
    add_points(out, status);
    add_servers(out, status);
    add_counters(out, status);
}
