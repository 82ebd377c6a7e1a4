/*
 * upgrade_arrive.c - the other side of upgrade.c: this binary has taken the place of another, or rehearses that as its child.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/guard/guard.h"
#include "master/guard/insist.h"
#include "master/guard/upgrade_words.h"
#include "shm/page.h"

/* Everybody speaks another language than we: they become old ones, the slots are free. */
static void make_all_old(struct guard *guard, int64_t now)
{
    if (guard->master.pid != 0) {
        upgrade_add_old(guard, guard->master.pid, guard->master.out.channel, OLD_MASTER, now);
    } else if (guard->master.out.channel != -1) {
        close(guard->master.out.channel);
    }
    guard->master = (struct child){.pid = 0};
    outbox_init(&guard->master.out, -1);
    for (unsigned slot = 0; slot < guard->slots; slot++) {
        struct child *worker = &guard->workers[slot];

        if (worker->pid != 0) {
            upgrade_add_old(guard, worker->pid, worker->out.channel, guard->upgrades, now);
        }
        *worker = (struct child){.lent_to = -1, .retire_ns = slot >= guard->wanted ? now : 0};
        outbox_init(&worker->out, -1);
    }
    shards_disown(guard);
}

static void close_one(int *fd)
{
    if (*fd != -1) {
        close(*fd);
        *fd = -1;
    }
}

/* Its head may have been damaged since the rehearsal (those who write there are believed nothing): then a new one takes its
 * place, and with it new processes, as if it were that of another build. */
static int take_board(struct guard *guard, bool *same, bool test, struct error *why)
{
    int rc;

    do {
        rc = *same ? board_map(guard->board_fd, &guard->board, why) : -EBADMSG;
    } while (insist_again(rc));
    if (rc != -EBADMSG || (test && *same)) {
        return rc;
    }
    *same = false;
    close_one(&guard->board_fd);
    close_one(&guard->targets_fd); /* what old ones may connect to stays as it is */
    do {
        rc = guard->board_fd == -1 ? board_create(&guard->board_fd, why) : 0;
        rc = rc < 0 ? rc : board_map(guard->board_fd, &guard->board, why);
    } while (insist_again(rc));
    return rc;
}

/* The same of the log: what the old processes write is lost then. */
static int take_logs(struct guard *guard, bool test, struct error *why)
{
    int rc;

    while (insist_again(rc = logs_map(guard, why))) {
    }
    if (rc == -EBADMSG && !test) {
        close_one(&guard->rings_fd);
        while (insist_again(rc = logs_map(guard, why))) {
        }
    }
    return rc;
}

static int arrive(struct guard *guard, int handed, bool *same, bool test, struct error *why)
{
    uint64_t build;
    int rc;

    while (insist_again(rc = handover_read(guard, handed, test, &build, why))) {
    }
    if (rc < 0 || (rc = take_logs(guard, test, why)) < 0) {
        return rc;
    }
    *same = build == build_id();
    return take_board(guard, same, test, why);
}

char *upgrade_announced(void)
{
    const char *value = getenv(UPGRADE_VARIABLE);
    char *copy = value ? xstrndup(value, strlen(value)) : NULL;

    (void)unsetenv(UPGRADE_VARIABLE);
    return copy;
}

bool upgrade_is_arriving(void)
{
    const char *value = getenv(UPGRADE_VARIABLE);

    return value && strncmp(value, "go:", 3) == 0;
}

int upgrade_arrive(struct guard *guard, const char *announced, struct error *why)
{
    struct slice rest = slice_cstr(announced);
    uint64_t handed;
    bool same = false;

    if (announced == NULL) {
        return 0;
    }
    struct slice what = slice_split(&rest, ':');
    bool test = slice_eq(what, SLICE("test"));

    if (!slice_to_u64(rest, &handed) || handed > INT_MAX || (!test && !slice_eq(what, SLICE("go")))) {
        return error_set(why, -EINVAL, "%s is for weir itself", UPGRADE_VARIABLE);
    }
    int rc = arrive(guard, (int)handed, &same, test, why);

    if (rc < 0) {
        return rc;
    }
    if (test) {
        (void)dprintf(STDOUT_FILENO, UPGRADE_PASSED "%" PRIx64 "\n", build_id());
        _exit(0); /* a rehearsal: nothing may be closed or freed in order, it all belongs to our parent */
    }
    if (logs_join(guard, why) < 0) {
        log_error("The guard's lines go to standard error: %s", why->text);
    }
    close((int)handed);
    guard->phase = GUARD_RUNNING;
    handover_inherit(guard, false);
    guard->upgraded_ns = process_clock_ns();
    if (!same) {
        guard->upgrades++;
        make_all_old(guard, process_clock_ns());
    }
    log_info("Upgraded: %s", same ? "the build is the same, master and workers stay"
                                  : "another build, its master and workers start now");
    return 1;
}
