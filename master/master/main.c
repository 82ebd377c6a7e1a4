/*
 * main.c - the master process: from start to stop.
 *
 * life     HELLO from the guard with what an earlier master left -> static configuration read, sockets opened (bad, or one
 *          cannot be: what was in force stays; nothing was: one line, FAILED, exit 1) -> READY -> providers loaded,
 *          generations published until the guard says STOP or is gone.
 *
 * Workers do not need a master to serve; what is lost with one is only the ability to change.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/title.h"
#include "common/face.h"
#include "common/net/addr.h"
#include "master/kube/status.h"
#include "master/master/asking.h"
#include "master/master/master.h"

#define HEART_MS 500

/* ---- static configuration ---- */
struct settings *settings_ref(struct settings *settings)
{
    settings->references++;
    return settings;
}

void settings_unref(struct settings *settings)
{
    if (settings && --settings->references == 0) {
        static_unload(&settings->loaded);
        free(settings);
    }
}

static int check_limits(const struct static_config *config, struct error *why)
{
    if (config->workers < 0 || config->workers > BOARD_WORKERS) {
        return error_set(why, -1, "workers: %lld is not between 0 (one for each processor) and %d",
                         (long long)config->workers, BOARD_WORKERS);
    }
    return 0;
}

int settings_load(struct master *master, const struct static_loaded *earlier, struct settings **out,
                  struct error *why)
{
    struct settings *settings = xcalloc(1, sizeof(*settings));
    int rc =
        static_load_as(master->argument_count, master->arguments, environ, earlier, &settings->loaded, why);

    settings->references = 1;
    if (rc < 0) {
        settings_unref(settings);
        return rc;
    }
    if ((rc = check_limits(&settings->loaded.config, why)) < 0) {
        settings_unref(settings);
        return rc;
    }
    *out = settings;
    return 0;
}

static void set_up_log(const struct static_config *config)
{
    enum log_level level = LOG_LEVEL_ERROR;
    enum log_format format = LOG_FORMAT_COMMON;

    if (config->log && config->log->level.len > 0) {
        (void)log_level_parse(config->log->level, &level);
    }
    if (config->log && slice_eq_nocase(config->log->format, SLICE("json"))) {
        format = LOG_FORMAT_JSON;
    }
    log_setup(level, format, "master");
}

static void say_form(const struct static_loaded *loaded)
{
    static const char *const forms[] = {
        [STATIC_NONE] = "built-in defaults",
        [STATIC_FILE] = "file",
        [STATIC_FLAGS] = "flags",
        [STATIC_ENVIRONMENT] = "environment variables",
    };
    const struct slice *warnings = loaded->warnings.items;

    if (loaded->form == STATIC_FILE) {
        log_info("Static configuration from file %.*s", SLICE_ARG(loaded->file));
    } else {
        log_info("Static configuration from %s", forms[loaded->form]);
    }
    for (size_t i = 0; i < loaded->warnings.count; i++) {
        log_warn("%.*s", SLICE_ARG(warnings[i]));
    }
}

/* ---- applying ---- */
static void give_up(struct master *master, const char *text)
{
    if (master->start_number <= 1) { /* else the guard has a log */
        (void)dprintf(STDERR_FILENO, "weir: %s\n", text);
    }
    guard_failed(master, text);
    master->status = 1;
    master_stop(master);
}

static size_t udp_entry_points(const struct static_config *config)
{
    const struct entry_point *entries = config->entry_points.values;
    size_t count = 0;

    for (size_t i = 0; i < config->entry_points.count; i++) {
        struct address ignored;
        bool udp = false;

        count += entry_point_address(&entries[i], &ignored, &udp, NULL) == 0 && udp;
    }
    return count;
}

/* Guard and master have every worker's sockets, while an entry point moves both sets of it, and a channel to each worker. Of
 * UDP they have all shards, while an entry point or its sessions move twice as many descriptors. */
static int check_descriptors(const struct static_config *config, unsigned workers, struct error *why)
{
    size_t entries = config->entry_points.count, udp = udp_entry_points(config);
    rlim_t need = PROCESS_DESCRIPTORS_LEAST + (rlim_t)workers * (2 * (entries - udp) + 1) +
                  (rlim_t)udp * 2 * UDP_SHARDS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= need) {
        return 0;
    }
    return error_set(
        why, -EMFILE,
        "%llu descriptors are too few: %u worker%s and %zu entry point%s need %llu; take fewer workers or %s",
        (unsigned long long)limit.rlim_cur, workers, workers == 1 ? "" : "s", entries,
        entries == 1 ? "" : "s", (unsigned long long)need, PROCESS_DESCRIPTORS_RAISE);
}

/* Opens and closes sockets for a configuration and a number of workers; on failure nothing changed. */
static int apply(struct master *master, const struct static_config *config, struct error *why)
{
    struct control_message message = {.kind = CONTROL_WORKERS};
    unsigned before = master->workers;
    char reason[640];

    master->workers = cpus_workers(config, memory_apply(master, config), reason, sizeof(reason));
    spool_apply(master, config);

    int rc = check_descriptors(config, master->workers, why);

    rc = rc < 0 ? rc : listeners_apply(master, config, why);
    if (rc < 0) {
        master->workers = before;
        if (master->settings) { /* as it was */
            (void)memory_apply(master, &master->settings->loaded.config);
            spool_apply(master, &master->settings->loaded.config);
        }
        return rc;
    }
    if (before != 0 && before != master->workers) {
        log_info("%u worker%s instead of %u: %s", master->workers, master->workers == 1 ? "" : "s", before,
                 reason);
    } else {
        log_info("%u worker%s: %s", master->workers, master->workers == 1 ? "" : "s", reason);
    }
    atomic_store(&master->tree->workers, master->workers);
    message.number = master->workers;
    guard_send(master, &message, NULL, 0);
    return 0;
}

/* Another master of the same guard is the same weir to a cluster; a guard with the same number in another container, on a
 * host of the same name, is not: it began at another nanosecond. */
static void enable_status(const struct master *master)
{
    const struct board_guard *guard = board_guard(master->board);
    uint64_t since = life_get(&guard->since_ns);
    const uint64_t parts[] = {life_get(&guard->pid), since ? since : (uint64_t)process_clock_ns()};

    kube_status_enable(hash_bytes(0, parts, sizeof(parts)));
}

/* ---- what is there now, against what is in force ---- */
static bool is_empty_file(const struct static_loaded *loaded)
{
    return loaded->form == STATIC_FILE && loaded->text.len == 0;
}

/* A file that is being written just now is missing, empty or a part of what it was: entry points would go. Who asks may mean
 * the part. */
static int refuse_unfinished(const struct static_loaded *now, const struct static_loaded *next, bool asked,
                             struct error *why)
{
    if (now->form == STATIC_FILE && next->form != STATIC_FILE) {
        return error_set(why, -ENOENT,
                         "%.*s: is not there any more: write what shall be in force, and send SIGHUP",
                         SLICE_ARG(now->file));
    }
    if (is_empty_file(next) && !is_empty_file(now)) {
        return error_set(why, -EINVAL,
                         "%.*s: is empty, and was not: write what shall be in force, and send SIGHUP",
                         SLICE_ARG(next->file));
    }
    if (!asked && next->form == STATIC_FILE && slice_eq(next->file, now->file) &&
        next->text.len < now->text.len && slice_has_prefix(now->text, next->text)) {
        return error_set(
            why, -EINVAL,
            "%.*s: is the beginning of what it was, %zu of %zu bytes: send SIGHUP when it is whole",
            SLICE_ARG(next->file), next->text.len, now->text.len);
    }
    return 0;
}

static int load_next(struct master *master, bool asked, struct settings **next, struct error *why)
{
    int rc = settings_load(master, NULL, next, why);

    if (rc == 0 && master->settings) {
        rc = refuse_unfinished(&master->settings->loaded, &(*next)->loaded, asked, why);
    }
    return rc;
}

static void say_settings(const struct settings *settings)
{
    set_up_log(&settings->loaded.config);
    say_form(&settings->loaded);
}

static void refused(struct master *master, const struct error *why)
{
    life_settings(master, why->text);
    log_error("The static configuration is refused, the old one stays: %s", why->text);
}

/* master->settings are applied. */
static void in_force(struct master *master)
{
    settings_keep(master);
    log_file_open(master->settings->loaded.config.log);
    guard_ready(master);
    inputs_apply(master);
    reload_request(master);
    static_watch(master);
}

/* ---- heart ---- */
static void on_heart(uv_timer_t *timer)
{
    struct master *master = timer->data;

    atomic_store_explicit(&master->tree->master_heartbeat_ns, (uint64_t)process_clock_ns(),
                          memory_order_relaxed);
    if (master->workers) {
        life_set(&master->tree->workers, master->workers);
    }
    memory_tend(master);
    spool_tend(master);
    publish_tend(master, process_clock_ns());
    keys_tend(master, process_clock_ns());
    asking_tend(master->stapling, master);
    key_fetch_tend(master);
    cluster_fetch_tend(master);
}

/* ---- start ---- */

/* What is there now is in force, else what was. */
static int begin(struct master *master, bool asked, struct error *why)
{
    struct settings *kept = master->settings, *next = NULL;
    struct error again;
    int rc = load_next(master, asked, &next, why);

    if (rc == 0) {
        say_settings(next);
        rc = apply(master, &next->loaded.config, why);
    }
    if (rc == 0) {
        settings_unref(kept);
        master->settings = next;
        life_settings(master, NULL);
        return 0;
    }
    settings_unref(next);
    if (kept == NULL) {
        return rc;
    }
    set_up_log(&kept->loaded.config);
    refused(master, why);
    rc = apply(master, &kept->loaded.config, &again);
    if (rc < 0) {
        *why = again;
    }
    return rc;
}

void master_begin(struct master *master, unsigned workers, struct settings *kept, bool asked)
{
    struct error why;

    if (master->started || master->stopping) {
        settings_unref(kept);
        return;
    }
    master->settings = kept;
    master->workers = workers; /* that there are */
    if (begin(master, asked, &why) < 0) {
        give_up(master, why.text);
        return;
    }
    master->started = true;
    enable_status(master);
    in_force(master);
    on_heart(&master->heart);
    (void)uv_timer_start(&master->heart, on_heart, HEART_MS, HEART_MS);
}

/* ---- SIGHUP, or what has its effect ---- */
void master_hangup(struct master *master)
{
    struct settings *next = NULL;
    struct error why;

    if (!master->started) {
        return;
    }
    if (load_next(master, true, &next, &why) < 0 || apply(master, &next->loaded.config, &why) < 0) {
        refused(master, &why);
        settings_unref(next);
        return;
    }
    settings_unref(master->settings);
    master->settings = next;
    say_settings(next);
    life_settings(master, NULL);
    in_force(master);
}

/* ---- stop ---- */
/* Closes every handle; the loop ends when the job in flight, if there is one, has come back. */
void master_stop(struct master *master)
{
    if (master->stopping) {
        return;
    }
    master->stopping = true;
    (void)outbox_flush(&master->guard);
    publish_free(master);
    static_watch_stop(master);
    reload_stop(master);
    asking_stop(master->stapling);
    asking_stop(master->key_fetch);
    cluster_fetch_stop(master);
    uv_close((uv_handle_t *)&master->guard_poll, NULL);
    uv_close((uv_handle_t *)&master->heart, NULL);
    uv_close((uv_handle_t *)&master->retry, NULL);
}

static void clean_up(struct master *master)
{
    reload_free(master);
    asking_free(master->stapling);
    asking_free(master->key_fetch);
    cluster_fetch_free(master);
    keys_free(master);
    listeners_free(master);
    datagrams_free(master);
    settings_unref(master->settings);
    outbox_close(&master->guard);
    memory_stop(master);
    spool_free(master);
    board_unmap(master->board);
    target_places_free(master->targets);
    if (uv_loop_close(&master->loop) != 0) {
        log_error("The master's loop did not close");
    }
    free(master);
    log_file_close();
}

static int connect_memory(struct master *master, struct error *why)
{
    int rc = board_map(PROCESS_BOARD_FD, &master->board, why);

    close(PROCESS_BOARD_FD);
    if (rc == 0) {
        master->tree = board_tree(master->board);
        rc = target_places_open(PROCESS_TARGETS_FD, &master->targets, why);
    }
    return rc;
}

static int loop_start(struct master *master, struct error *why)
{
    int rc = uv_loop_init(&master->loop);

    return rc == 0 ? 0 : error_set(why, rc, "no event loop: %s", uv_strerror(rc));
}

/* There is no loop yet. */
static void cannot_start(struct master *master, const struct error *why)
{
    struct control_message message = {.kind = CONTROL_FAILED};

    (void)dprintf(STDERR_FILENO, "weir: the master cannot start: %s\n", why->text);
    (void)snprintf(message.text, sizeof(message.text), "%.*s", (int)sizeof(message.text) - 1, why->text);
    (void)outbox_send(&master->guard, &message, NULL, 0);
}

static int run(struct master *master)
{
    struct error why;

    if (log_file_join(&why) < 0 || connect_memory(master, &why) < 0 || loop_start(master, &why) < 0 ||
        threads_start(master, &why) < 0 || reload_start(master, &why) < 0) {
        cannot_start(master, &why);
        return 1;
    }
    keys_start(master);
    stapling_start(master);
    key_fetch_start(master);
    cluster_fetch_start(master);
    (void)uv_timer_init(&master->loop, &master->heart);
    (void)uv_timer_init(&master->loop, &master->retry);
    master->heart.data = master->retry.data = master;
    guard_link_start(master);
    (void)uv_run(&master->loop, UV_RUN_DEFAULT);
    int status = master->status;

    clean_up(master);
    return status;
}

int face_master(int argc, char **argv)
{
    char **arguments = title_init(argc, argv);

    /* Models are made on one thread and freed on another: with an arena for each of them what one change needs stays with
     * an arena that the next one does not use. */
    (void)mallopt(M_ARENA_MAX, 1);
    title_set("weir: master");
    if (!process_adopt_channel()) {
        (void)dprintf(STDERR_FILENO, "weir: the master is started by weir itself, not by hand\n");
        return 1;
    }

    struct master *master = xcalloc(1, sizeof(*master));

    master->argument_count = argc;
    master->arguments = arguments;
    master->settings_fd = -1;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_COMMON, "master");
    if (process_hide() < 0) { /* Secrets, keys, tokens */
        log_error("Cannot become not dumpable: %m");
    }
    process_take_low_ports();
    memory_start(master);
    outbox_init(&master->guard, PROCESS_CONTROL_FD);
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        master->links[slot].master = master;
        master->links[slot].slot = slot;
        outbox_init(&master->links[slot].out, -1);
    }
    return run(master);
}
