/*
 * status.h - the inside of `weir status`: what is read off the board of a running tree, and two ways to print it.
 *
 * status.c       which tree, what is asked for
 * status_find.c  the trees that run here, and their boards
 * status_read.c  the board -> struct status
 * status_servers.c  servers that are down, and why
 * status_text.c  struct status -> lines to read
 * status_json.c  struct status -> JSON
 *
 * Nothing of it writes to the tree, asks a process of it, or waits for one. Ages are nanoseconds before the moment of
 * reading; NEVER stands for what has not happened.
 */
#ifndef WEIR_MASTER_TOOLS_STATUS_H
#define WEIR_MASTER_TOOLS_STATUS_H

#include <sys/types.h>

#include "common/base/text.h"
#include "shm/board.h"
#include "shm/ready.h"

#define NEVER INT64_MIN
#define STATUS_TREES 64   /* that are told apart on one machine */
#define STATUS_SERVERS 64 /* that are named; the others are counted */

struct status_process {
    pid_t pid;      /* 0: none */
    int64_t age;    /* of the process */
    int64_t beat;   /* since its last heartbeat; NEVER: it has none, or gives none */
    int64_t start;  /* none: until the next one starts, from now */
    uint64_t count; /* of processes that there were in this place */
    char state;     /* the kernel's letter ('T': stopped), '\0': not known */
};

struct status_slot {
    unsigned number;
    struct status_process process;
    uint64_t state; /* enum worker_state */
    int64_t state_age;
    int lent_to; /* slot, -1: none */
    int64_t lent_age, retire_age;
    uint64_t generation; /* acknowledged */
    int64_t generation_age;
    int64_t gauges[BOARD_GAUGES];
    const struct laps *laps; /* on the board, for as long as that is mapped; NULL: no worker yet */
};

struct status_memory { /* the budget of which most is used */
    bool is_group;     /* a limit of a control group, else limits.memory */
    uint64_t budget;   /* bytes; 0: there is none */
    uint64_t used, level;
};

struct status_provider {
    char name[BOARD_TEXT], error[BOARD_TEXT];
    bool enabled;
    int64_t loaded_age;
    int64_t stale_age; /* of what was kept of its cluster and is served instead; NEVER: it is not */
};

struct status_generation {
    uint64_t number, routers, services, middlewares;
    int64_t age, withdrawn_age;
};

struct status_point {
    char name[BOARD_TEXT], address[BOARD_TEXT];
    uint64_t sockets;
    int64_t leaving_age;
};

struct status_old {
    pid_t pid;
    bool is_master;
    int64_t age; /* since it is an old one */
};

enum status_why {
    SERVER_DOWN,    /* its health check fails */
    SERVER_OUT,     /* requests to it failed */
    SERVER_SLOW,    /* it is new, or up again */
    SERVER_NAMELESS /* its name has no address yet */
};

struct status_server { /* one that does not get its whole share */
    char service[BOARD_TEXT], url[BOARD_TEXT];
    enum status_why why;
    int64_t left;     /* OUT, SLOW: until it does */
    unsigned percent; /* SLOW: of its share */
};

struct status {
    int64_t unix_ns; /* the moment of reading */
    bool ready, stale, stopping;
    char missing[READY_TEXT];
    struct status_process guard, master;
    uint64_t upgrades;
    int64_t upgraded_age;
    int64_t settings_age, reload_age, reload_took;
    enum board_reload reload_result;
    char settings_error[BOARD_TEXT], reload_changes[BOARD_TEXT];
    uint64_t workers;    /* wanted */
    uint64_t generation; /* last published */
    struct status_provider providers[BOARD_PROVIDERS];
    struct status_generation generations[BOARD_PUBLICATIONS]; /* the newest first */
    struct status_point points[BOARD_POINTS];
    struct status_old old[BOARD_OLD];
    struct status_slot slots[BOARD_SLOTS]; /* those with a worker or waiting for one */
    size_t provider_count, generation_count, point_count, old_count, slot_count;
    uint64_t old_all; /* also those that are not in `old` */
    uint64_t counters[BOARD_COUNTERS];
    struct status_memory memory;
    bool servers_known; /* what services there are */
    struct status_server servers[STATUS_SERVERS];
    size_t server_count;
    uint64_t server_all; /* also those that are not in `servers` */
};

struct status_clock { /* one moment on both clocks */
    int64_t now_ns, unix_ns;
};

/* ---- status_find.c ---- */
/* Pids of the guards that run here, whoever they belong to. */
size_t status_find(pid_t pids[STATUS_TREES]);
/* "4711, 4712": as many as there is room for, and whether there are more; size: 16 at least. */
void status_list(const pid_t *pids, size_t count, char *out, size_t size);
/* Its board, to look at. -EACCES: it is another user's. */
int status_open(pid_t guard, struct board **out, struct error *why);
/* The kernel's letter for what a process does, '\0' when it is not there. */
char status_process_state(pid_t pid);

/* ---- status_read.c ---- */
/* process_state: status_process_state, or NULL when these are no processes of this machine. */
void status_read(struct board *board, struct status_clock clock, char (*process_state)(pid_t pid),
                 struct status *status);

/* ---- status_servers.c ---- */
/* After status_read(). */
void status_servers(struct board *board, int64_t now_ns, struct status *status);
const char *status_server_why(enum status_why why); /* "down", ... */

/* ---- status_text.c, status_json.c ---- */
const char *status_state_name(uint64_t state);                 /* "starting", "serving", "draining" */
const char *status_reload_name(enum board_reload result);      /* "published", ... */
const char *status_slot_state(const struct status_slot *slot); /* of all that is known of it, one word */
bool status_silent(const struct status_process *process);      /* it should have been heard of */
void status_text(const struct status *status, struct text *out);
void status_json(const struct status *status, struct text *out);

#endif
