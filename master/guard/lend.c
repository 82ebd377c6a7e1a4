/*
 * lend.c - the queue of a slot never waits for its worker.
 *
 * A slot whose worker is dead, not ready yet, or silent for a while has its sockets sent to another worker too, which
 * accepts on them beside its own. When the slot's own worker serves (again), the borrower empties the queue once more
 * and lets go; for a moment both accept, which hurts nobody.
 */
#include "common/base/log.h"
#include "master/guard/guard.h"

bool lend_serves(struct guard *guard, unsigned slot, int64_t now)
{
    const struct child *worker = &guard->workers[slot];

    if (worker->pid == 0 || worker->out.channel == -1 || worker->aborted_ns != 0 ||
        now - worker->beat_seen_ns > GUARD_SILENT) {
        return false;
    }
    const struct board_slab *slab = board_slab(guard->board, slot);

    return slab && atomic_load_explicit(&slab->state, memory_order_relaxed) == WORKER_SERVING;
}

static unsigned loans(const struct guard *guard, unsigned borrower)
{
    unsigned count = 0;

    for (unsigned slot = 0; slot < guard->slots; slot++) {
        count += guard->workers[slot].lent_to == (int)borrower;
    }
    return count;
}

/* Who has the fewest already, beginning with the neighbour; -1: nobody serves. */
static int choose(struct guard *guard, unsigned slot, int64_t now)
{
    unsigned least = BOARD_WORKERS + 1;
    int chosen = -1;

    for (unsigned i = 1; i < guard->slots; i++) {
        unsigned other = (slot + i) % guard->slots;

        if (guard->workers[other].retire_ns == 0 && lend_serves(guard, other, now) &&
            loans(guard, other) < least) {
            least = loans(guard, other);
            chosen = (int)other;
        }
    }
    return chosen;
}

void lend_take_back(struct guard *guard, unsigned slot)
{
    struct child *worker = &guard->workers[slot];

    if (worker->lent_to >= 0) {
        messages_unlisten(guard, &guard->workers[worker->lent_to], 0, slot);
        worker->lent_to = -1;
    }
}

void lend_forget(struct guard *guard, unsigned borrower)
{
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        if (guard->workers[slot].lent_to == (int)borrower) {
            guard->workers[slot].lent_to = -1;
        }
    }
}

static void lend(struct guard *guard, unsigned slot, int64_t now)
{
    struct child *worker = &guard->workers[slot];
    int borrower = choose(guard, slot, now);

    if (borrower < 0) {
        return;
    }
    worker->lent_to = borrower;
    keep_send_slot(guard, slot, (unsigned)borrower);
    if (worker->pid != 0 && now - worker->beat_seen_ns > GUARD_SILENT) {
        log_warn("Worker %u (pid %d) is silent: worker %d accepts for it too", slot, (int)worker->pid,
                 borrower);
    } else {
        log_debug("Worker %d accepts for slot %u too", borrower, slot);
    }
}

void lend_tend(struct guard *guard, int64_t now)
{
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        struct child *worker = &guard->workers[slot];
        bool serves = lend_serves(guard, slot, now);

        if (worker->lent_to >= 0 && (serves || !lend_serves(guard, (unsigned)worker->lent_to, now))) {
            lend_take_back(guard, slot);
        }
        if (!serves && worker->lent_to < 0 && worker->let_go_ns == 0 && keep_has_slot(guard, slot)) {
            lend(guard, slot, now);
        }
    }
}
