/*
 * guard.h - the inside of the guard: the one process that must not fail, so it parses nothing and knows no HTTP.
 *
 * guard.c     life of the whole: poll loop, signals, orderly stop
 * spawn.c     fork and exec of the own binary, with the descriptors every child starts with
 * children.c  master and workers: start, reap, start again with backoff, watch for hangs
 * keep.c      listening sockets: kept here by entry point and slot, so that they outlive whoever uses them
 * lend.c      the slot of a worker that is dead or silent is served by another one meanwhile
 * retire.c    fewer workers, moved entry points: queues are emptied before they are closed
 * share.c     a port that other programs have too is left to them before its sockets are closed
 * shards.c    sockets of UDP entry points: which worker reads which
 * upgrade.c   another binary takes our place; upgrade_arrive.c: it does; upgrade_old.c: those whom it found there
 * insist.c    what becomes of that when the machine refuses it something
 * handover.c  in what words it is told what there is
 * messages.c  what the master asks for
 * logs.c      rings for the lines of all, and last words
 * show.c      what is said of all this on the board
 *
 * Single-threaded, no allocation in a steady state, never blocks but in poll().
 */
#ifndef WEIR_MASTER_GUARD_GUARD_H
#define WEIR_MASTER_GUARD_GUARD_H

#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/log.h"
#include "master/guard/outbox.h"
#include "shm/board.h"
#include "shm/control.h"
#include "shm/log_ring.h"

#define GUARD_MS 1000000LL
#define GUARD_SECOND (1000 * GUARD_MS)
#define GUARD_EMPTYING                                                                                       \
    (3 * GUARD_SECOND) /* for handshakes that were under way when new ones were steered elsewhere */
#define GUARD_LETTING_GO (200 * GUARD_MS) /* from "accept no more" to the end of a socket */
#define GUARD_TICK (50 * GUARD_MS)        /* how often the guard looks while something is under way */
#define GUARD_SILENT (300 * GUARD_MS)     /* a worker that has not beaten for so long is taken for hung */

struct sock_filter;

struct child {
    pid_t pid;         /* 0: none */
    struct outbox out; /* the guard's end of its channel */
    int64_t started_ns;
    int64_t start_at_ns;  /* when the next one is due; meaningful while pid is 0 */
    int64_t backoff_ns;   /* what the next start after a death will wait */
    uint64_t beat;        /* last heartbeat seen on the board */
    int64_t beat_seen_ns; /* when that was, as far as it can be believed */
    int64_t aborted_ns;   /* when it was asked to die with a stack trace; 0: not */
    bool has_master;      /* it was given a channel to the master that lives now, and that one has it still */
    bool master_late;     /* there was none to be had: said */
    /* of the slot, whoever sits in it */
    int lent_to;        /* the slot whose worker accepts here too; -1: none */
    int64_t retire_ns;  /* since when new connections go elsewhere; 0: it is wanted */
    int64_t let_go_ns;  /* when nobody was to accept here any more; 0: not yet */
    bool told_to_leave; /* retired and idle: its worker is on its way out */
};

struct places; /* share.c */

struct kept { /* one entry point's sockets */
    char name[CONTROL_TEXT];
    uint64_t id;                   /* never used twice */
    int fds[BOARD_WORKERS];        /* by slot, -1: none */
    uint16_t order[BOARD_WORKERS]; /* slots in the order in which the kernel's group has their sockets */
    unsigned count;
    bool shared;        /* others may be in the group: places in it are not known */
    bool steered;       /* a program chooses the socket */
    int64_t leaving_ns; /* since when others have its place; 0: in force */
    int64_t let_go_ns;  /* when all were told to accept no more; 0: not yet */
    struct places
        *places; /* those of the whole group, others' too, once the port was left to them; or NULL */
    struct kept *next;
};

struct shard {       /* one socket of a UDP entry point */
    int fd;          /* -1: it has not come yet */
    int lane;        /* where the sessions of an owner of another build will come from; -1: none */
    int owner;       /* slot of the worker that reads it, -1: nobody of ours */
    pid_t owner_pid; /* which life of that slot */
};

struct sharded { /* a UDP entry point */
    char name[CONTROL_TEXT];
    uint64_t id; /* never used twice, also not by a struct kept */
    struct shard shards[UDP_SHARDS];
    struct sharded *next;
};

#define OLD_MASTER UINT64_MAX

struct old_child { /* of an earlier build, finishing */
    pid_t pid;
    int channel;     /* closed to tell it to finish; -1: done */
    uint64_t set;    /* which upgrade left it behind; OLD_MASTER: a master, told already */
    int64_t kill_ns; /* INT64_MAX: it has all the time */
    int64_t since_ns;
    struct old_child *next;
};

enum upgrade_step { UPGRADE_NONE, UPGRADE_CHECKING, UPGRADE_TESTING, UPGRADE_LEAVING };

struct upgrade { /* one under way */
    enum upgrade_step step;
    pid_t pid;      /* of the rehearsal */
    int executable; /* the new binary, -1: none */
    int output;     /* what the rehearsal says */
    int64_t deadline_ns;
    bool same; /* it is the build that runs */
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
    int rings_fd;     /* of the log, -1: not made yet */
    int targets_fd;   /* shm/targets.h; -1: not made yet */
    int signals;      /* signalfd */
    char **arguments; /* the user's, for the master */
    struct board *board;
    struct log_rings *rings;
    struct log_ring *ring; /* ours; NULL: not yet */
    struct child master;
    struct child workers[BOARD_WORKERS];
    unsigned wanted;        /* workers */
    unsigned slots;         /* that ever had a worker or a socket: how far to look */
    uint64_t sets;          /* of sockets, counted */
    uint64_t master_starts; /* how many masters there were: part of what makes page numbers unique */
    bool master_failed;     /* it said why it cannot go on; do not say more */
    bool hangup_waits;      /* a SIGHUP was passed on that no master has followed yet */
    struct kept *kept;
    struct sharded *sharded;
    struct left *left;      /* addresses of sockets that were closed lately */
    int64_t grace_ns[2];    /* accept, finish: the master's word */
    int64_t stop_accept_ns; /* while draining: when the kept sockets are closed */
    int64_t deadline_ns;    /* while draining or leaving: then SIGKILL */
    int64_t next_check_ns;  /* when hearts are looked at again */
    enum log_format log_format;
    char *path; /* of the binary, for upgrades */
    struct upgrade upgrade;
    uint64_t upgrades; /* to other builds */
    int64_t since_ns;  /* when the first of them started */
    int64_t upgraded_ns;
    bool was_ready; /* the tree was, when it was handed over to us */
    struct old_child *old;
    int names_fd;    /* a memfd for masters: what they know about names; -1: none */
    int keys_fd;     /* another: keys of session tickets, the default certificate; -1: none */
    int settings_fd; /* a third: the static configuration that is in force; -1: none */
};

/* ---- spawn.c ---- */
/* Starts the own binary as `name` with one argument of ours and the user's; control, board, the log's rings and the targets
 * become its descriptors 3 to 6. Returns the pid or a negative errno. */
pid_t spawn(const struct guard *guard, const char *name, const char *face, const char *argument, char **more,
            int control, struct error *why);

/* ---- children.c ---- */
void children_start_due(struct guard *guard, int64_t now);
/* The earliest time at which children_start_due() or one of the checks has something to do; INT64_MAX: never. */
int64_t children_next_due(const struct guard *guard);
void children_reap(struct guard *guard);
/* Queues a message for one child; a channel that is broken is closed (the child dies of that). */
void child_send(struct child *child, struct control_message *message, const int *fds, size_t count);
/* Sending failed with rc. One that is gone may have said something last (FAILED): who reads that closes the channel. */
void child_broken(struct child *child, int rc);
bool children_workers_alive(const struct guard *guard);
void children_kill(struct guard *guard, int signal);

/* ---- hearts.c ---- */
/* When it is time: looks at heartbeats, aborts who has been silent for too long, and sets guard->next_check_ns; true then. */
bool hearts_check(struct guard *guard, int64_t now);

/* ---- keep.c ---- */
struct kept *keep_new(struct guard *guard, const char *name); /* without sockets and id yet */
void keep_store(struct kept *kept, unsigned slot, int fd);
struct kept *keep_find(struct guard *guard, const char *name);
/* Takes over the descriptors for slots first.. of an entry point; older ones in those slots are closed. */
void keep_add(struct guard *guard, const char *name, unsigned first, const int *fds, size_t count,
              bool shared);
/* From now on it finds no new connections; it goes as a retired slot does, emptied first (retire.c). */
void keep_remove(struct guard *guard, const char *name, int64_t now);
void keep_drop(struct guard *guard, struct kept *kept); /* closes and forgets */
void keep_mend(struct guard *guard);                    /* after a worker's death: all sockets listen */
/* The sockets of a slot leave the kernel's groups, whoever has copies of them. What waits in their queues is lost: look first. */
void keep_unlisten_slot(struct guard *guard, unsigned slot);
void keep_close_slot(struct guard *guard, unsigned slot);
bool keep_has_slot(const struct guard *guard, unsigned slot);
bool keep_slot_empty(const struct guard *guard, unsigned slot);  /* nobody waits in any queue of it */
bool keep_slot_shared(const struct guard *guard, unsigned slot); /* others may be in a group of it */
bool keep_set_empty(const struct kept *kept);
void keep_close_all(struct guard *guard);
void keep_send_slot(struct guard *guard, unsigned slot, unsigned to); /* all sockets of a slot to a worker */
void keep_send_master(struct guard *guard);                           /* all sockets back to a new master */

/* ---- shards.c ---- */
struct sharded *shards_new(struct guard *guard, const char *name, uint64_t id);
/* Takes over the shards from number `first` on; 0 begins a new set. */
void shards_add(struct guard *guard, const char *name, unsigned first, const int *fds, size_t count);
void shards_remove(struct guard *guard, const char *name); /* at once, with its sessions */
void shards_close_all(struct guard *guard);
void shards_send_master(struct guard *guard);       /* a new master is told what there is */
void shards_tend(struct guard *guard, int64_t now); /* each shard to whom it belongs now */
void shards_mend(struct guard *guard);              /* after a worker's death */
bool shards_owns(const struct guard *guard, unsigned slot);
/* Owners learn where their sessions are to go when another build takes over; off: it does not. */
void shards_announce(struct guard *guard, bool on);
void shards_disown(struct guard *guard); /* after the upgrade: the owners are not ours */

/* ---- lend.c ---- */
bool lend_serves(struct guard *guard, unsigned slot,
                 int64_t now); /* the slot's own worker, heard of lately */
void lend_tend(struct guard *guard, int64_t now);
void lend_take_back(struct guard *guard, unsigned slot);
void lend_forget(struct guard *guard, unsigned borrower); /* it is dead: what it had is lent anew */

/* ---- retire.c ---- */
void retire_to(struct guard *guard, unsigned wanted, int64_t now); /* from now on so many workers */
/* New sockets come for a slot, ahead of the word that it is wanted: if it is being emptied, that begins anew. */
void retire_again(struct guard *guard, unsigned slot, int64_t now);
void retire_tend(struct guard *guard, int64_t now);
void retire_steer(struct guard *guard); /* after sockets came or went */
/* Writes a program of at most 2 * count + 3 lines that takes one of the places by lot; its length. */
unsigned retire_program(struct sock_filter *code, const unsigned *places, unsigned count);

/* ---- share.c ---- */
/* Shared ports: new connections go to the sockets of the other programs from now on. True when there is such a port; it is
 * worth going on with accepting for a while then, for what is on its way. */
bool share_leave(struct guard *guard);
void share_close(
    struct kept *kept);    /* closes what was left, so that nobody comes in between; else it does nothing */
int share_release(int fd); /* takes a program away from the socket's group; there may be none */

/* ---- handover.c ---- */
/* A memfd, or a negative errno. */
int handover_write(const struct guard *guard, struct error *why);
void handover_inherit(const struct guard *guard, bool on); /* whether our descriptors survive execve() */
/* Fills a new guard; *build is that of the writer. On failure the guard is of no use. strict: one line that it does not take is a
 * failure; else it is said and left out. */
int handover_read(struct guard *guard, int fd, bool strict, uint64_t *build, struct error *why);

/* ---- upgrade.c ---- */
char *upgrade_path(const char *argv0); /* malloc'd */
void upgrade_begin(struct guard *guard, int64_t now);
void upgrade_tend(struct guard *guard, int64_t now);
/* True when the process was a rehearsal or one of an earlier build. */
bool upgrade_reaped(struct guard *guard, pid_t pid, int status, int64_t now);

/* ---- left.c ---- */
/* The sockets of an entry point, of which fd is one, are about to be closed. flags: CONTROL_UDP or 0. */
void left_add(struct guard *guard, const char *name, uint32_t flags, int fd);
void left_send_master(struct guard *guard);
void left_free(struct guard *guard);

/* ---- upgrade_arrive.c ---- */
/* What an earlier guard left for us in the environment, which it is taken out of (malloc'd); NULL: nothing. */
char *upgrade_announced(void);
/* There is one of a guard whose place this process has taken: nothing may end it any more. */
bool upgrade_is_arriving(void);
/* In a new guard: 1 when it took over from another one, 0 when it is the first; does not return in a rehearsal. */
int upgrade_arrive(struct guard *guard, const char *announced, struct error *why);

/* ---- upgrade_old.c ---- */
void upgrade_add_old(struct guard *guard, pid_t pid, int channel, uint64_t set, int64_t now);
/* True when it was one of them, which is forgotten. */
bool upgrade_old_reaped(struct guard *guard, pid_t pid);
/* In each turn while there are any: once every slot is served, they are to finish. */
void upgrade_tend_old(struct guard *guard, int64_t now);
unsigned upgrade_dismiss_old(struct guard *guard); /* they are to finish; how many were told */
bool upgrade_old_alive(const struct guard *guard, bool master);
/* Workers of an earlier build were not told to finish yet. */
bool upgrade_old_open(const struct guard *guard);
void upgrade_kill_old(const struct guard *guard, int signal);

/* ---- logs.c ---- */
int logs_map(struct guard *guard, struct error *why);  /* the rings handed over, or new ones */
int logs_join(struct guard *guard, struct error *why); /* from now on our lines go to a ring */
void logs_mend(struct guard *guard); /* after a death: no ring is lost to a process that does not live */
void logs_end(
    struct guard *guard); /* there is no master any more: writes what is left, for half a second at most */
/* ---- show.c ---- */
void show(const struct guard *guard, int64_t now);

/* ---- messages.c ---- */
void messages_from_master(struct guard *guard);
void messages_from_worker(struct guard *guard, struct child *child);
void messages_unlisten(struct guard *guard, struct child *worker, uint64_t set,
                       uint32_t slot);                                         /* NULL: to all */
void messages_stop(struct guard *guard, int64_t accept_ns, int64_t finish_ns); /* STOP to every worker */

#endif
