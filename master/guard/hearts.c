/*
 * hearts.c - whose heart still beats, and when to look again.
 *
 * Workers write the time of the monotonic clock to the board ten times a second, the master every half second. A worker whose
 * heart has not beaten for GUARD_SILENT is silent: others accept for it (lend.c). After ten seconds it is aborted, so that it
 * says where it stood, and killed when that takes too long: the rest is as for a crash. So is a master, after thirty.
 *
 * While all serve and nothing is under way, the next look is when the first of them could have become silent: a guard that
 * woke more often would take the core from a worker each time, for nothing. Else it is every GUARD_TICK.
 */
#include <signal.h>
#include <stdio.h>

#include "common/base/log.h"
#include "master/guard/guard.h"

#define BEAT_MISSED (10 * GUARD_SECOND)
#define MASTER_MISSED (30 * GUARD_SECOND) /* it costs nobody anything; before /ping says so after 60 */
#define ABORT_TAKES (1 * GUARD_SECOND)
#define CHECK_LATE (250 * GUARD_MS)

/* Silent for too long: first the chance to say where it stands. SIGCONT, because a stopped process says nothing. */
static void abort_hung(struct child *child, const char *name, int64_t silent_ns, int64_t now)
{
    if (child->aborted_ns == 0) {
        log_error("%s (pid %d) has not moved for %lld s and is replaced", name, (int)child->pid,
                  (long long)(silent_ns / GUARD_SECOND));
        child->aborted_ns = now;
        (void)kill(child->pid, SIGABRT);
        (void)kill(child->pid, SIGCONT);
    } else if (now - child->aborted_ns > ABORT_TAKES) {
        (void)kill(child->pid, SIGKILL);
    }
}

/* When the heart that has moved since the last look did so: what stands on the board if that can be, because looks are rare. */
static int64_t beat_at(const struct child *child, uint64_t beat, int64_t now)
{
    return beat > (uint64_t)child->beat_seen_ns && beat < (uint64_t)now ? (int64_t)beat : now;
}

/* True when it has been silent for so long. late: nobody is judged by that. */
static bool is_hung(struct child *child, uint64_t beat, int64_t silent_ns, bool late, int64_t now)
{
    if (beat != child->beat || late) {
        child->beat_seen_ns = late ? now : beat_at(child, beat, now);
        child->beat = beat;
        return false;
    }
    return now - child->beat_seen_ns > silent_ns;
}

static bool sets_are_leaving(const struct guard *guard)
{
    for (const struct kept *kept = guard->kept; kept; kept = kept->next) {
        if (kept->leaving_ns != 0) {
            return true;
        }
    }
    return false;
}

/* True when a slot is as it is to be: nothing about it changes but by an event, or by silence. */
static bool slot_is_settled(struct guard *guard, unsigned slot, int64_t now)
{
    const struct child *worker = &guard->workers[slot];

    if (worker->pid == 0 && slot >= guard->wanted) {
        return worker->retire_ns == 0 && worker->lent_to < 0;
    }
    return lend_serves(guard, slot, now) && worker->lent_to < 0 && worker->retire_ns == 0 &&
           worker->has_master;
}

static int64_t next_look(struct guard *guard, int64_t now)
{
    int64_t next = now + GUARD_SILENT;

    if (guard->old || guard->upgrade.step != UPGRADE_NONE || sets_are_leaving(guard)) {
        return now + GUARD_TICK;
    }
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        const struct child *worker = &guard->workers[slot];

        if (!slot_is_settled(guard, slot, now)) {
            return now + GUARD_TICK;
        }
        if (worker->pid != 0 && worker->beat_seen_ns + GUARD_SILENT < next) {
            next = worker->beat_seen_ns + GUARD_SILENT;
        }
    }
    return next > now ? next + 1 : now + GUARD_TICK;
}

bool hearts_check(struct guard *guard, int64_t now)
{
    bool late = now - guard->next_check_ns > CHECK_LATE; /* we were stopped ourselves: judge nobody by that */

    if (now < guard->next_check_ns) {
        int64_t sooner = next_look(guard, now); /* something may have begun since */

        guard->next_check_ns = sooner < guard->next_check_ns ? sooner : guard->next_check_ns;
        return false;
    }
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        struct child *worker = &guard->workers[slot];
        struct board_slab *slab = worker->pid == 0 ? NULL : board_slab(guard->board, slot);

        if (slab == NULL) {
            continue;
        }
        uint64_t beat = atomic_load_explicit(&slab->heartbeat_ns, memory_order_relaxed);
        char name[32];

        if (is_hung(worker, beat, BEAT_MISSED, late, now)) {
            (void)snprintf(name, sizeof(name), "Worker %u", slot);
            abort_hung(worker, name, BEAT_MISSED, now);
        }
    }
    if (guard->master.pid != 0 &&
        is_hung(&guard->master, life_get(&board_tree(guard->board)->master_heartbeat_ns), MASTER_MISSED, late,
                now)) {
        abort_hung(&guard->master, "The master", MASTER_MISSED, now);
    }
    guard->next_check_ns = next_look(guard, now);
    return true;
}
