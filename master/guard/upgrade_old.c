/*
 * upgrade_old.c - what an upgrade to another build leaves behind: its master, which ends soon, and its workers, which finish
 * what is open once the new ones serve. See upgrade.c.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/guard/guard.h"

#define MASTER_ENDS (2 * GUARD_SECOND)
#define SETS_MOST 2

void upgrade_add_old(struct guard *guard, pid_t pid, int channel, uint64_t set, int64_t now)
{
    struct old_child *old = xcalloc(1, sizeof(*old));

    *old = (struct old_child){.pid = pid, .channel = channel, .set = set, .next = guard->old};
    old->since_ns = now;
    old->kill_ns = set == OLD_MASTER ? now + MASTER_ENDS : INT64_MAX;
    guard->old = old;
}

bool upgrade_old_reaped(struct guard *guard, pid_t pid)
{
    for (struct old_child **link = &guard->old; *link; link = &(*link)->next) {
        struct old_child *old = *link;

        if (old->pid == pid) {
            log_debug("Process %d of an earlier build has finished", (int)pid);
            if (old->channel != -1) {
                close(old->channel);
            }
            *link = old->next;
            free(old);
            return true;
        }
    }
    return false;
}

bool upgrade_old_alive(const struct guard *guard, bool master)
{
    for (const struct old_child *old = guard->old; old; old = old->next) {
        if ((old->set == OLD_MASTER) == master) {
            return true;
        }
    }
    return false;
}

bool upgrade_old_open(const struct guard *guard)
{
    for (const struct old_child *old = guard->old; old; old = old->next) {
        if (old->set != OLD_MASTER && old->channel != -1) {
            return true;
        }
    }
    return false;
}

void upgrade_kill_old(const struct guard *guard, int signal)
{
    for (const struct old_child *old = guard->old; old; old = old->next) {
        (void)kill(old->pid, signal);
    }
}

/* The end of the channel is the word to finish. */
unsigned upgrade_dismiss_old(struct guard *guard)
{
    unsigned count = 0;

    for (struct old_child *old = guard->old; old; old = old->next) {
        if (old->channel != -1 && old->set != OLD_MASTER) {
            close(old->channel);
            old->channel = -1;
            count++;
        }
    }
    return count;
}

/* The lowest number of the SETS_MOST newest sets that still live: an upgrade whose workers are gone already costs the
 * sessions of an older one nothing. */
static uint64_t oldest_that_stays(const struct guard *guard)
{
    uint64_t lowest = UINT64_MAX;

    for (int i = 0; i < SETS_MOST; i++) {
        uint64_t next = 0;

        for (const struct old_child *old = guard->old; old; old = old->next) {
            if (old->set != OLD_MASTER && old->set < lowest && old->set > next) {
                next = old->set;
            }
        }
        if (next == 0) {
            break;
        }
        lowest = next;
    }
    return lowest;
}

static void end_oldest_sets(const struct guard *guard)
{
    uint64_t lowest = oldest_that_stays(guard);
    unsigned count = 0;

    for (const struct old_child *old = guard->old; old; old = old->next) {
        if (old->set != OLD_MASTER && old->set < lowest) {
            (void)kill(old->pid, SIGKILL);
            count++;
        }
    }
    if (count > 0) {
        log_warn("%u worker%s of earlier builds than the last %d still had connections: ended", count,
                 count == 1 ? "" : "s", SETS_MOST);
    }
}

void upgrade_tend_old(struct guard *guard, int64_t now)
{
    for (const struct old_child *old = guard->old; old; old = old->next) {
        if (now >= old->kill_ns) {
            (void)kill(old->pid, SIGKILL);
        }
    }
    for (unsigned slot = 0; slot < guard->wanted; slot++) {
        if (!lend_serves(guard, slot, now)) {
            return;
        }
    }
    unsigned count = guard->wanted > 0 ? upgrade_dismiss_old(guard) : 0;

    if (count > 0) {
        log_info("The new workers serve: %u of the earlier build finish%s what is open", count,
                 count == 1 ? "es" : "");
        end_oldest_sets(guard);
    }
}
