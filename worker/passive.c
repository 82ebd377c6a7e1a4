/*
 * passive.c - see passive.h. Test: tests/integration/test_service_passive.py
 *
 * The server's words: how many failures came in a row, then their times in a ring as long as the number that takes it out. Two
 * workers at once may at the worst lose one failure.
 */
#include "worker/passive.h"

#include "worker/worker.h"

static void take_out(struct worker *worker, const struct service *service, const struct server *server)
{
    _Atomic uint64_t *word = board_at(worker->board, server->health);
    uint64_t until = service->checked ? HEALTH_DOWN : (uint64_t)(worker->now_ns + service->failure_window);
    uint64_t now = word ? atomic_load_explicit(word, memory_order_relaxed) : HEALTH_DOWN;

    if (now == HEALTH_UP || (now != HEALTH_DOWN && now <= (uint64_t)worker->now_ns)) {
        (void)atomic_compare_exchange_strong(word, &now,
                                             until); /* who is out stays out as long as was said */
    }
}

static void failed(struct worker *worker, const struct pick *pick, const struct board_ref *refs,
                   _Atomic uint64_t *row)
{
    uint64_t most = pick->server->failures.count - 1, before = atomic_fetch_add(row, 1);
    _Atomic uint64_t *newest = board_at(worker->board, refs[1 + before % most]);
    _Atomic uint64_t *oldest = board_at(worker->board, refs[1 + (before + 1) % most]);

    if (newest == NULL || oldest == NULL) {
        return;
    }
    atomic_store_explicit(newest, (uint64_t)worker->now_ns, memory_order_relaxed);
    if (before + 1 >= most && worker->now_ns - (int64_t)atomic_load_explicit(oldest, memory_order_relaxed) <=
                                  pick->service->failure_window) {
        take_out(worker, pick->service, pick->server);
    }
}

void passive_note(struct worker *worker, const struct pick *pick, bool failure)
{
    const struct board_ref *refs;
    _Atomic uint64_t *row;

    if (pick->server == NULL || pick->server->failures.count < 2) {
        return;
    }
    refs = page_at(pick->page, pick->server->failures.items);
    row = board_at(worker->board, refs[0]);
    if (row == NULL) {
        return;
    }
    if (failure) {
        failed(worker, pick, refs, row);
    } else if (atomic_load_explicit(row, memory_order_relaxed) != 0) {
        atomic_store_explicit(row, 0, memory_order_relaxed);
    }
}
