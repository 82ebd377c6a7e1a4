/*
 * status_json.c - struct status as JSON. Ages are seconds before `now`, null for what has not happened; names as in
 * docs/operations.md, new ones may come, none changes its meaning.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/http/reason.h"
#include "master/tools/common.h"
#include "master/tools/status.h"
#include "shm/page.h"

#define SECOND INT64_C(1000000000)

/* Puts a comma where there must be one. */
static void key(struct text *out, const char *name)
{
    char last = out->len ? out->ptr[out->len - 1] : '{';

    if (last != '{' && last != '[') {
        text_add_char(out, ',');
    }
    if (name) {
        text_add_json(out, slice_cstr(name));
        text_add_char(out, ':');
    }
}

static void add_text(struct text *out, const char *name, const char *value)
{
    key(out, name);
    text_add_json(out, slice_cstr(value));
}

static void add_number(struct text *out, const char *name, int64_t value)
{
    key(out, name);
    text_printf(out, "%" PRId64, value);
}

static void add_count(struct text *out, const char *name, uint64_t value)
{
    key(out, name);
    text_printf(out, "%" PRIu64, value);
}

static void add_bool(struct text *out, const char *name, bool value)
{
    key(out, name);
    text_add_cstr(out, value ? "true" : "false");
}

static void add_seconds(struct text *out, const char *name, int64_t ns)
{
    key(out, name);
    if (ns == NEVER) {
        text_add_cstr(out, "null");
    } else {
        text_printf(out, "%" PRId64 ".%06" PRId64, ns / SECOND, ns % SECOND / (SECOND / 1000000));
    }
}

static void add_pid(struct text *out, pid_t pid)
{
    key(out, "pid");
    if (pid == 0) {
        text_add_cstr(out, "null");
    } else {
        text_printf(out, "%d", (int)pid);
    }
}

static void begin(struct text *out, const char *name, char bracket)
{
    key(out, name);
    text_add_char(out, bracket);
}

static void end(struct text *out, char bracket)
{
    text_add_char(out, bracket);
}

/* ---- the parts ---- */
static void add_process(struct text *out, const struct status_process *process)
{
    add_pid(out, process->pid);
    add_bool(out, "stopped", process->state == 'T');
    add_seconds(out, "age", process->pid ? process->age : NEVER);
}

static void add_child(struct text *out, const struct status_process *process)
{
    add_process(out, process);
    add_seconds(out, "heartbeat", process->beat);
    add_seconds(out, "startsIn", process->pid ? NEVER : process->start);
    add_count(out, "starts", process->count);
}

static void add_head(struct text *out, const struct status *status)
{
    time_t at = (time_t)(status->unix_ns / SECOND);
    char text[32] = "", build[24];
    struct tm parts;

    (void)snprintf(build, sizeof(build), "%016" PRIx64, build_id());
    if (gmtime_r(&at, &parts)) {
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    add_text(out, "version", tool_version());
    add_text(out, "build", build);
    add_text(out, "now", text);
    add_bool(out, "ready", status->ready);
    add_bool(out, "stale", status->stale);
    add_bool(out, "stopping", status->stopping);
    add_text(out, "reason", status->missing);
}

static void add_guard_and_master(struct text *out, const struct status *status)
{
    begin(out, "guard", '{');
    add_process(out, &status->guard);
    add_count(out, "upgrades", status->upgrades);
    add_seconds(out, "upgraded", status->upgraded_age);
    end(out, '}');
    begin(out, "master", '{');
    add_child(out, &status->master);
    add_bool(out, "silent", status_silent(&status->master));
    end(out, '}');
    begin(out, "settings", '{');
    add_seconds(out, "age", status->settings_age);
    add_text(out, "refused", status->settings_error);
    end(out, '}');
    begin(out, "reload", '{');
    add_seconds(out, "age", status->reload_age);
    add_seconds(out, "took", status->reload_took);
    add_text(out, "result", status_reload_name(status->reload_result));
    add_text(out, "text", status->reload_changes);
    end(out, '}');
}

static void add_providers(struct text *out, const struct status *status)
{
    begin(out, "providers", '[');
    for (size_t i = 0; i < status->provider_count; i++) {
        const struct status_provider *provider = &status->providers[i];

        if (provider->enabled) {
            begin(out, NULL, '{');
            add_text(out, "name", provider->name);
            add_seconds(out, "read", provider->loaded_age);
            add_seconds(out, "stale", provider->stale_age);
            add_text(out, "error", provider->error);
            end(out, '}');
        }
    }
    end(out, ']');
}

static void add_generations(struct text *out, const struct status *status)
{
    add_count(out, "generation", status->generation);
    begin(out, "generations", '[');
    for (size_t i = 0; i < status->generation_count; i++) {
        const struct status_generation *generation = &status->generations[i];

        begin(out, NULL, '{');
        add_count(out, "number", generation->number);
        add_seconds(out, "age", generation->age);
        add_seconds(out, "withdrawn", generation->withdrawn_age);
        add_count(out, "routers", generation->routers);
        add_count(out, "services", generation->services);
        add_count(out, "middlewares", generation->middlewares);
        end(out, '}');
    }
    end(out, ']');
}

static void add_slot(struct text *out, const struct status_slot *slot)
{
    static const char *const gauges[BOARD_GAUGES] = {
        [GAUGE_CONNECTIONS] = "connections",
        [GAUGE_EXCHANGES] = "exchanges",
        [GAUGE_UPSTREAM_IDLE] = "upstreamIdle",
        [GAUGE_UPSTREAM_ACTIVE] = "upstreamActive",
        [GAUGE_GENERATIONS] = "mappedGenerations",
        [GAUGE_UDP_SESSIONS] = "udpSessions",
        [GAUGE_SPOOLED] = "spooled",
        [GAUGE_MEMORY] = "memory",
        [GAUGE_BACKED_UP] = "backedUp",
    };

    begin(out, NULL, '{');
    add_number(out, "slot", (int64_t)slot->number);
    add_child(out, &slot->process);
    add_text(out, "state", status_slot_state(slot));
    add_seconds(out, "stateAge", slot->state_age);
    key(out, "lentTo");
    if (slot->lent_to < 0) {
        text_add_cstr(out, "null");
    } else {
        text_printf(out, "%d", slot->lent_to);
    }
    add_seconds(out, "lent", slot->lent_age);
    add_seconds(out, "retired", slot->retire_age);
    add_count(out, "generation", slot->generation);
    add_seconds(out, "acknowledged", slot->generation_age);
    for (size_t i = 0; i < BOARD_GAUGES; i++) {
        if (gauges[i]) {
            add_number(out, gauges[i], slot->gauges[i]);
        }
    }
    key(out, "laps");
    if (slot->laps) {
        laps_json(slot->laps, out);
    } else {
        text_add_cstr(out, "null");
    }
    begin(out, "slowLaps", '[');
    for (size_t i = 0; slot->laps && i < LAPS_OVER; i++) {
        (void)lap_over_json(&slot->laps->over[i], out);
    }
    end(out, ']');
    end(out, '}');
}

static void add_workers(struct text *out, const struct status *status)
{
    add_count(out, "workers", status->workers);
    begin(out, "slots", '[');
    for (size_t i = 0; i < status->slot_count; i++) {
        add_slot(out, &status->slots[i]);
    }
    end(out, ']');
    add_count(out, "oldProcesses", status->old_all);
    begin(out, "old", '[');
    for (size_t i = 0; i < status->old_count; i++) {
        begin(out, NULL, '{');
        add_pid(out, status->old[i].pid);
        add_text(out, "what", status->old[i].is_master ? "master" : "worker");
        add_seconds(out, "age", status->old[i].age);
        end(out, '}');
    }
    end(out, ']');
}

static void add_memory(struct text *out, const struct status *status)
{
    static const char *const levels[] = {"calm", "tight", "full",
                                         "over"}; /* as the workers' budget has them */
    const struct status_memory *memory = &status->memory;

    if (memory->budget == 0) {
        key(out, "memory");
        text_add_cstr(out, "null");
        return;
    }
    begin(out, "memory", '{');
    add_text(out, "of", memory->is_group ? "group" : "tree");
    add_count(out, "budget", memory->budget);
    add_count(out, "used", memory->used);
    add_text(out, "level", memory->level < ARRAY_LEN(levels) ? levels[memory->level] : "");
    end(out, '}');
}

static void add_points(struct text *out, const struct status *status)
{
    begin(out, "entryPoints", '[');
    for (size_t i = 0; i < status->point_count; i++) {
        begin(out, NULL, '{');
        add_text(out, "name", status->points[i].name);
        add_text(out, "address", status->points[i].address);
        add_count(out, "sockets", status->points[i].sockets);
        add_seconds(out, "left", status->points[i].leaving_age);
        end(out, '}');
    }
    end(out, ']');
}

static void add_servers(struct text *out, const struct status *status)
{
    if (!status->servers_known) {
        key(out, "servers");
        text_add_cstr(out, "null");
        return;
    }
    add_count(out, "serversNotUp", status->server_all);
    begin(out, "servers", '[');
    for (size_t i = 0; i < status->server_count; i++) {
        const struct status_server *server = &status->servers[i];

        begin(out, NULL, '{');
        add_text(out, "service", server->service);
        add_text(out, "url", server->url);
        add_text(out, "state", status_server_why(server->why));
        add_seconds(out, "left", server->left);
        if (server->why == SERVER_SLOW) {
            add_count(out, "percent", server->percent);
        }
        end(out, '}');
    }
    end(out, ']');
}

static void add_counters(struct text *out, const struct status *status)
{
    static const char *const names[COUNT_REASONS] = {
        [COUNT_REQUESTS] = "requests",
        [COUNT_CONNECTIONS] = "connections",
        [COUNT_BYTES_IN] = "bytesIn",
        [COUNT_BYTES_OUT] = "bytesOut",
        [COUNT_RETRIES] = "retries",
        [COUNT_MIRRORED] = "mirrored",
        [COUNT_MIRRORS_DROPPED] = "mirrorsDropped",
        [COUNT_UPSTREAM_CONNECTS] = "upstreamConnects",
        [COUNT_UPSTREAM_REUSED] = "upstreamReused",
        [COUNT_REFUSED_CONNECTIONS] = "refusedConnections",
        [COUNT_SHED_IDLE] = "shedIdle",
        [COUNT_SHED_BUSY] = "shedBusy",
        [COUNT_HANDSHAKES] = "handshakes",
        [COUNT_RESUMED] = "resumed",
        [COUNT_UDP_SESSIONS] = "udpSessions",
        [COUNT_UDP_REFUSED] = "udpRefused",
        [COUNT_UDP_IN] = "udpIn",
        [COUNT_UDP_OUT] = "udpOut",
        [COUNT_UDP_DROPPED] = "udpDropped",
        [COUNT_UPSTREAM_HANDSHAKES] = "upstreamHandshakes",
        [COUNT_UPSTREAM_RESUMED] = "upstreamResumed",
    };

    begin(out, "counters", '{');
    for (size_t i = 0; i < COUNT_REASONS; i++) {
        if (names[i]) {
            add_count(out, names[i], status->counters[i]);
        }
    }
    begin(out, "reasons", '{');
    for (unsigned i = 0; i < REASON_KINDS; i++) {
        if (i != REASON_none) {
            add_count(out, reason_name((enum reason)i), status->counters[COUNT_REASONS + i]);
        }
    }
    end(out, '}');
    end(out, '}');
}

void status_json(const struct status *status, struct text *out)
{
    text_add_char(out, '{');
    add_head(out, status);
    add_guard_and_master(out, status);
    add_providers(out, status);
    add_generations(out, status);
    add_memory(out, status);
    add_workers(out, status);
    add_points(out, status);
    add_servers(out, status);
    add_counters(out, status);
    text_add_cstr(out, "}\n");
}
