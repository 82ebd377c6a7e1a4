/*
 * logs.c - the guard's part in the log: it makes the rings, and writes out what is left when no master will.
 *
 * As long as there are masters, their writer thread takes the lines of all processes (log_writer.h). The guard itself
 * writes at its very end only, to standard output, and never waits long: whoever reads may have stopped.
 */
#include <unistd.h>

#include "common/base/log.h"
#include "master/guard/guard.h"
#include "master/guard/log_writer.h"

#define LAST_WORDS_TAKE (500 * GUARD_MS)

int logs_map(struct guard *guard, struct error *why)
{
    int rc = guard->rings_fd == -1 ? log_rings_create(&guard->rings_fd, why) : 0;

    return rc < 0 ? rc : log_rings_map(guard->rings_fd, &guard->rings, why);
}

int logs_join(struct guard *guard, struct error *why)
{
    int rc = log_ring_take(guard->rings, "guard", LOG_RING_LARGE, &guard->ring, why);

    if (rc == 0) {
        log_ring_sink(guard->ring);
    }
    return rc;
}

static bool lives(const void *context, pid_t pid)
{
    const struct guard *guard = context;
    bool found = pid == getpid() || pid == guard->master.pid || pid == guard->upgrade.pid;

    for (unsigned slot = 0; slot < guard->slots && !found; slot++) {
        found = pid == guard->workers[slot].pid;
    }
    for (const struct old_child *old = guard->old; old && !found; old = old->next) {
        found = pid == old->pid;
    }
    return found;
}

void logs_mend(struct guard *guard)
{
    log_rings_mend(guard->rings, lives, guard);
}

void logs_end(struct guard *guard)
{
    struct log_writer *writer;
    struct error why;

    if (guard->ring && !log_rings_empty(guard->rings) &&
        log_writer_start(guard->rings, NULL, &writer, &why) == 0) {
        log_writer_stop(writer, LAST_WORDS_TAKE);
    }
}
