/*
 * internal.c - see internal.h. All state comes from the board: nothing here waits for another process.
 *
 * ping   well: weir does not stop and its master was heard of within the last minute.
 * ready  see shm/ready.h; the body of a 503 says what is missing, that of a 200 whether something is stale.
 */
#include "worker/internal.h"

#include "common/http/h1.h"
#include "shm/ready.h"
#include "shm/static_page.h"
#include "worker/chain.h"
#include "worker/worker.h"

#define MASTER_SILENT_NS (INT64_C(60) * 1000000000) /* since the last heartbeat of the master */

static void ping(struct exchange *ex)
{
    const struct static_root *root = page_root(ex->generation->pages[PAGE_STATIC]);
    const struct board_tree *tree = board_tree(ex->worker->board);
    uint64_t beat = life_get(&tree->master_heartbeat_ns);
    /* Draining alone is the end of this worker, not of the tree; its board may be one that no master beats on. */
    bool silent = !ex->worker->draining && beat != 0 && ex->worker->now_ns - (int64_t)beat > MASTER_SILENT_NS;
    uint16_t status = 200;

    if (life_get(&tree->stopping) != 0) {
        status = (uint16_t)root->stopping_status;
    } else if (silent) {
        status = 503;
    }
    exchange_answer_plain(ex, status, REASON_internal, slice_cstr(http_status_text(status)));
}

static void ready(struct exchange *ex)
{
    char missing[READY_TEXT];
    bool is = board_ready(ex->worker->board, missing);
    struct slice body = !is                              ? pool_printf(ex->pool, "%s\n", missing)
                        : board_stale(ex->worker->board) ? SLICE("ready (stale)\n")
                                                         : SLICE("ready\n");

    exchange_answer_body(ex, is ? 200 : 503, REASON_internal, SLICE("text/plain; charset=utf-8"), body);
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
