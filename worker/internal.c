/*
 * internal.c - see internal.h. All state comes from the board: nothing here waits for another process.
 */
#include "worker/internal.h"

#include "common/http/h1.h"
#include "worker/chain.h"
#include "worker/worker.h"

#define MASTER_SILENT_NS (INT64_C(60) * 1000000000) /* since the last heartbeat of the master */

static void answer_status(struct exchange *ex, uint16_t status)
{
    exchange_answer_plain(ex, status, REASON_internal, slice_cstr(http_status_text(status)));
}

static void ping(struct exchange *ex)
{
    struct board_tree *tree = board_tree(ex->worker->board);
    uint64_t beat = atomic_load_explicit(&tree->master_heartbeat_ns, memory_order_relaxed);
    bool stopping = atomic_load_explicit(&tree->stopping, memory_order_relaxed) != 0;
    /* Draining alone is the end of this worker, not of the tree; its board may be one that no master beats on. */
    bool silent = !ex->worker->draining && beat != 0 && ex->worker->now_ns - (int64_t)beat > MASTER_SILENT_NS;

    answer_status(ex, stopping || silent ? 503 : 200);
}

/* Ready once every provider has synced and every wanted worker has acknowledged a generation. */
static void ready(struct exchange *ex)
{
    struct board *board = ex->worker->board;
    struct board_tree *tree = board_tree(board);
    uint64_t wanted = atomic_load_explicit(&tree->workers, memory_order_relaxed);
    bool ok = atomic_load_explicit(&tree->synced, memory_order_relaxed) != 0 &&
              atomic_load_explicit(&tree->stopping, memory_order_relaxed) == 0;

    for (uint64_t i = 0; ok && i < wanted && i < BOARD_WORKERS; i++) {
        struct board_slab *slab = board_slab(board, (unsigned)i);

        ok = slab && atomic_load_explicit(&slab->generation, memory_order_relaxed) != 0;
    }
    answer_status(ex, ok ? 200 : 503);
}

void internal_answer(struct exchange *ex, enum service_internal internal)
{
    switch (internal) {
    case INTERNAL_PING:
        ping(ex);
        return;
    case INTERNAL_READY:
        ready(ex);
        return;
    case INTERNAL_NOOP:
        exchange_answer_plain(ex, 418, REASON_internal, SLICE(""));
        return;
    case INTERNAL_NONE:
        break;
    }
    exchange_answer_plain(ex, 500, REASON_internal_error, slice_cstr(http_status_text(500)));
}
