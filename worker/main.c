/*
 * main.c - the worker process: its slot, its heart, its end.
 *
 * life     board and channel adopted -> serving side started -> generations and sockets arrive (control.c) -> STOP, or
 *          the guard is gone -> everything closed, loop run dry, exit 0
 *
 * A worker opens no file and makes no process, and cannot (sandbox.h). What it must know comes as pages, what it may use
 * as descriptors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/title.h"
#include "common/face.h"
#include "shm/log_ring.h"
#include "worker/control.h"
#include "worker/crash.h"
#include "worker/sandbox.h"
#include "worker/worker.h"

#define HEART_MS 100

struct heart {
    uv_timer_t timer;
    struct worker *worker;
    struct control *control;
};

static void beat(struct worker *worker)
{
    atomic_store_explicit(&worker->slab->heartbeat_ns, (uint64_t)process_clock_ns(), memory_order_relaxed);
}

static void on_heart(uv_timer_t *timer)
{
    struct heart *heart = timer->data;
    struct stopwatch *watch = &heart->worker->watch;

    stopwatch_end(watch, LAP_LIBUV); /* what ran before is not ours */
    beat(heart->worker);
    budget_tend(heart->worker);
    control_tend(heart->control);
    stopwatch_end(watch, LAP_HEART);
}

static int take_slot(struct worker *worker, struct error *why)
{
    int rc = board_join(PROCESS_BOARD_FD, worker->fence.board, worker->slot, &worker->board, why);

    close(PROCESS_BOARD_FD);
    if (rc < 0) {
        return rc;
    }
    worker->slab = board_slab(worker->board, worker->slot);
    if (worker->slab == NULL) {
        return error_set(why, -1, "there is no slot %u on the board", worker->slot);
    }
    atomic_store_explicit(&worker->slab->pid, (uint64_t)getpid(), memory_order_relaxed);
    slab_state(worker->slab, WORKER_STARTING, process_clock_ns());
    beat(worker);
    return 0;
}

static int build_fence(struct worker *worker, struct error *why)
{
    int rc = fence_build(PROCESS_TARGETS_FD, &worker->fence, why);

    close(PROCESS_TARGETS_FD);
    return rc;
}

static int fail(const struct error *why)
{
    log_error("Cannot start: %s", why->text);
    return 1;
}

/* Before anything is said. What stands in the way of it can only be said on standard error. */
static bool join_log(const char *name)
{
    static struct log_rings *rings; /* until the end of the process: threads may log */
    static struct log_ring *ring;
    struct error why;
    int rc = log_rings_map(PROCESS_LOG_FD, &rings, &why);

    close(PROCESS_LOG_FD);
    if (rc == 0 && (rc = log_ring_take(rings, name, LOG_RING_NORMAL, &ring, &why)) == 0) {
        log_ring_sink(ring);
    } else {
        (void)dprintf(STDERR_FILENO, "weir: %s cannot start: %s\n", name, why.text);
    }
    return rc == 0;
}

static void say_laps(const struct worker *worker)
{
    struct text text;

    text_init(&text);
    laps_json(&worker->slab->laps, &text);
    log_debug("laps of slot %u: %s", worker->slot, text.ptr);
    for (unsigned i = 0; i < LAPS_OVER; i++) {
        text_clear(&text);
        if (lap_over_json(&worker->slab->laps.over[i], &text)) {
            log_debug("slow lap of slot %u: %s", worker->slot, text.ptr);
        }
    }
    text_free(&text);
}

static int run(struct worker *worker)
{
    struct heart heart = {.worker = worker};
    struct error why = {""};

    if (build_fence(worker, &why) < 0 || take_slot(worker, &why) < 0) {
        return fail(&why);
    }
    if (uv_loop_init(&worker->loop) != 0) {
        (void)error_set(&why, -1, "no event loop");
        return fail(&why);
    }
    if (serve_start(worker, &why) < 0) {
        return fail(&why);
    }
    heart.control = control_start(worker, PROCESS_CONTROL_FD);
    (void)uv_timer_init(&worker->loop, &heart.timer);
    heart.timer.data = &heart;
    (void)uv_timer_start(&heart.timer, on_heart, HEART_MS, HEART_MS);

    sandbox_enter(&worker->fence);
    serve_run(worker);

    say_laps(worker);
    control_stop(heart.control);
    serve_stop(worker);
    uv_close((uv_handle_t *)&heart.timer, NULL);
    (void)uv_run(&worker->loop, UV_RUN_DEFAULT);
    control_free(heart.control);
    generation_unref(worker->generation);
    (void)uv_loop_close(&worker->loop);
    board_unmap(worker->board);
    return 0;
}

int face_worker(int argc, char **argv)
{
    static char name[32]; /* kept by the log */
    struct worker *worker = xcalloc(1, sizeof(*worker));
    char **arguments = title_init(argc, argv);
    uint64_t slot = 0;

    if (argc != 1 || !slice_to_u64(slice_cstr(arguments[0]), &slot) || slot >= BOARD_WORKERS ||
        !process_adopt_channel()) {
        (void)dprintf(STDERR_FILENO, "weir: a worker is started by weir itself, not by hand\n");
        free(worker);
        return 1;
    }
    worker->slot = (unsigned)slot;
    title_set("weir: worker %u", worker->slot);
    (void)snprintf(name, sizeof(name), "worker %u", worker->slot);
    if (!join_log(name)) {
        free(worker);
        return 1;
    }
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_COMMON, name); /* until the static page says what the user wants */
    sandbox_drop_privileges();
    crash_install(name);
    int status = run(worker);

    free(worker);
    return status;
}
