/*
 * guard.h - the inside of the guard: the one process that must not fail, so it parses nothing and knows no HTTP.
 *
 * guard.c     life of the whole: poll loop, signals, orderly stop
 * spawn.c     fork and exec of the own binary, with the two descriptors every child starts with
 * children.c  master and workers: start, reap, start again with backoff, watch for hangs
 * keep.c      listening sockets: kept here by entry point and slot, so that they outlive whoever uses them
 * messages.c  what the master asks for
 *
 * Single-threaded, no allocation in a steady state, never blocks but in poll().
 */
#ifndef WEIR_MASTER_GUARD_GUARD_H
#define WEIR_MASTER_GUARD_GUARD_H

#include <sys/types.h>

#include "common/base/error.h"
#include "master/guard/outbox.h"
#include "shm/board.h"
#include "shm/control.h"

#define GUARD_MS 1000000LL
#define GUARD_SECOND (1000 * GUARD_MS)

struct child {
    pid_t pid;         /* 0: none */
    struct outbox out; /* the guard's end of its channel */
    int64_t started_ns;
    int64_t start_at_ns;  /* when the next one is due; meaningful while pid is 0 */
    int64_t backoff_ns;   /* what the next start after a death will wait */
    uint64_t beat;        /* last heartbeat seen on the board */
    int64_t beat_seen_ns; /* when it was seen to change */
    bool has_master;      /* it was given a channel to the master that lives now */
};

struct kept { /* one entry point's sockets */
    char name[CONTROL_TEXT];
    int fds[BOARD_WORKERS]; /* by slot, -1: none */
    struct kept *next;
};

enum guard_phase {
    GUARD_STARTING, /* no master has been ready yet: a failure ends it all */
    GUARD_RUNNING,
    GUARD_DRAINING, /* workers finish what they have */
    GUARD_LEAVING,  /* workers are gone, the master is told to go */
    GUARD_DONE,
};

struct guard {
    enum guard_phase phase;
    int status;     /* exit status */
    int executable; /* the own binary, opened once */
    int board_fd;
    int signals;      /* signalfd */
    char **arguments; /* the user's, for the master */
    struct board *board;
    struct child master;
    struct child workers[BOARD_WORKERS];
    unsigned wanted;        /* workers */
    uint64_t master_starts; /* how many masters there were: part of what makes page numbers unique */
    bool master_failed;     /* it said why it cannot go on; do not say more */
    struct kept *kept;
    int64_t grace_ns[2];    /* accept, finish: the master's word */
    int64_t stop_accept_ns; /* while draining: when the kept sockets are closed */
    int64_t deadline_ns;    /* while draining or leaving: then SIGKILL */
    int64_t next_check_ns;  /* for hung workers */
    int log_fd;             /* the log file when there is one, to be handed to workers; else -1 */
};

/* ---- spawn.c ---- */
/* Starts the own binary as `name` with one argument of ours and the user's; control and board become its descriptors
 * 3 and 4. Returns the pid or a negative errno. */
pid_t spawn(const struct guard *guard, const char *name, const char *face, const char *argument, char **more,
            int control, struct error *why);

/* ---- children.c ---- */
void children_start_due(struct guard *guard, int64_t now);
/* The earliest time at which children_start_due() or the hang check has something to do; INT64_MAX: never. */
int64_t children_next_due(const struct guard *guard);
void children_reap(struct guard *guard);
void children_check_hung(struct guard *guard, int64_t now);
/* Queues a message for one child; a channel that is broken is closed (the child dies of that, or is dead). */
void child_send(struct child *child, struct control_message *message, const int *fds, size_t count);
bool children_workers_alive(const struct guard *guard);
void children_kill(struct guard *guard, int signal);

/* ---- keep.c ---- */
struct kept *keep_find(struct guard *guard, const char *name);
/* Takes over the descriptors for slots first.. of an entry point; older ones in those slots are closed. */
void keep_add(struct guard *guard, const char *name, unsigned first, const int *fds, size_t count);
void keep_remove(struct guard *guard, const char *name);
void keep_close_all(struct guard *guard);
void keep_send_slot(struct guard *guard, unsigned slot); /* all sockets of a slot to its worker */
void keep_send_master(struct guard *guard);              /* all sockets back to a new master */

/* ---- messages.c ---- */
void messages_from_master(struct guard *guard);
void messages_from_worker(struct guard *guard, struct child *child);
void messages_stop(struct guard *guard, int64_t accept_ns, int64_t finish_ns); /* STOP to every worker */

#endif
