/*
 * internal.c - see internal.h. All state comes from the board: nothing here waits for another process.
 *
 * ping   well: weir does not stop and its master was heard of within the last minute.
 * ready  once ready, ready, whatever becomes of sources, master and workers: only a stop ends it. The body of a 503 says
 *        what is missing (docs/operations.md).
 */
#include "worker/internal.h"

#include "common/http/h1.h"
#include "shm/static_page.h"
#include "worker/chain.h"
#include "worker/worker.h"

#define MASTER_SILENT_NS (INT64_C(60) * 1000000000) /* since the last heartbeat of the master */

static bool stopping(const struct exchange *ex)
{
    return life_get(&board_tree(ex->worker->board)->stopping) != 0;
}

static void ping(struct exchange *ex)
{
    const struct static_root *root = page_root(ex->generation->pages[PAGE_STATIC]);
    uint64_t beat = life_get(&board_tree(ex->worker->board)->master_heartbeat_ns);
    /* Draining alone is the end of this worker, not of the tree; its board may be one that no master beats on. */
    bool silent = !ex->worker->draining && beat != 0 && ex->worker->now_ns - (int64_t)beat > MASTER_SILENT_NS;
    uint16_t status = 200;

    if (stopping(ex)) {
        status = (uint16_t)root->stopping_status;
    } else if (silent) {
        status = 503;
    }
    exchange_answer_plain(ex, status, REASON_internal, slice_cstr(http_status_text(status)));
}

/* "waiting for provider NAME", of the first one that has not synced; empty when it is not that. */
static struct slice unsynced(struct exchange *ex, const struct board_master *master)
{
    uint64_t count = life_get(&master->providers);
    char name[BOARD_TEXT];

    for (uint64_t i = 0; i < count && i < BOARD_PROVIDERS; i++) {
        const struct board_provider *provider = &master->provider[i];

        if (life_get(&provider->enabled) != 0 && life_get(&provider->loaded_ns) == 0) {
            board_text_get(&provider->name, name);
            return pool_printf(ex->pool, "waiting for provider %s\n", name);
        }
    }
    return SLICE("");
}

/* What is missing, empty when nothing is. */
static struct slice missing(struct exchange *ex)
{
    struct board *board = ex->worker->board;
    const struct board_master *master = board_master(board);
    uint64_t wanted = life_get(&board_tree(board)->workers), synced = life_get(&master->synced_generation);

    if (stopping(ex)) {
        return SLICE("stopping\n");
    }
    if (life_get(&master->ready_ns) != 0 || life_get(&board_guard(board)->was_ready) != 0) {
        return SLICE("");
    }
    if (synced == 0) {
        struct slice text = unsynced(ex, master);

        return text.len > 0 ? text : SLICE("waiting for the first configuration\n");
    }
    for (uint64_t i = 0; i < wanted && i < BOARD_WORKERS; i++) {
        const struct board_slab *slab = board_slab(board, (unsigned)i);

        if (slab == NULL || life_get(&slab->generation) < synced) {
            return pool_printf(ex->pool, "worker %u has not acknowledged generation %llu\n", (unsigned)i,
                               (unsigned long long)synced);
        }
    }
    return SLICE("");
}

static void ready(struct exchange *ex)
{
    struct slice text = missing(ex);

    exchange_answer_body(ex, text.len == 0 ? 200 : 503, REASON_internal, SLICE("text/plain; charset=utf-8"),
                         text.len == 0 ? SLICE("ready\n") : text);
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
