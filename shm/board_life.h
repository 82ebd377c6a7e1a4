/*
 * board_life.h - the part of the board that says how the tree lives: for /ready and `weir status`, never for serving.
 *
 * Each field has one writer, named below; readers take what they find. Times are nanoseconds of the monotonic clock, 0:
 * never. Whoever reads must expect a writer that died in the middle, or that has not come to writing yet: numbers are
 * whole, but two of them need not fit together. What workers say of themselves stands in their slabs (board.h).
 */
#ifndef WEIR_SHM_BOARD_LIFE_H
#define WEIR_SHM_BOARD_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/base/slice.h"

#define BOARD_SLOTS 256 /* as BOARD_WORKERS */
#define BOARD_PROVIDERS 16
#define BOARD_PUBLICATIONS 8 /* the latest ones */
#define BOARD_POINTS 64      /* entry points that are shown; more are served all the same */
#define BOARD_OLD 64         /* old workers that are shown */
#define BOARD_TEXT 248       /* bytes of a text with its NUL; longer ones are cut */

struct board_text {            /* one writer */
    _Atomic uint64_t sequence; /* odd while it is written */
    _Atomic uint64_t words[BOARD_TEXT / 8];
};

/* Stores nothing when it is that text already. */
void board_text_set(struct board_text *text, struct slice s);
/* NUL-terminated; what is no printable ASCII or UTF-8 byte comes as '?'. A text that is being written all the time, or
 * was left half written, may come mixed from two. */
void board_text_get(const struct board_text *text, char out[BOARD_TEXT]);

/* ---- written by the guard ---- */
struct board_slot {             /* a worker slot, whoever sits in it */
    _Atomic uint64_t pid;       /* 0: empty */
    _Atomic uint64_t since_ns;  /* when this worker was started */
    _Atomic uint64_t lent_to;   /* slot + 1 of the worker that accepts here too; 0: none */
    _Atomic uint64_t lent_ns;   /* since when */
    _Atomic uint64_t retire_ns; /* since when new connections go elsewhere; 0: it is wanted */
    _Atomic uint64_t start_ns;  /* empty: when the next worker starts */
    _Atomic uint64_t starts;    /* of workers in this slot */
    uint64_t unused;
};

struct board_point {      /* the sockets of one entry point */
    _Atomic uint64_t set; /* the guard's number for them */
    struct board_text name, address;
    _Atomic uint64_t sockets;
    _Atomic uint64_t leaving_ns; /* since when others have its place */
};

struct board_old { /* a worker of an earlier build, or its master */
    _Atomic uint64_t pid, is_master;
    _Atomic uint64_t since_ns; /* when it became an old one */
};

struct board_guard {
    _Atomic uint64_t pid;
    _Atomic uint64_t since_ns; /* of the process, over upgrades */
    _Atomic uint64_t upgrades; /* to other builds */
    _Atomic uint64_t upgraded_ns;
    _Atomic uint64_t master_pid; /* 0: none */
    _Atomic uint64_t master_since_ns;
    _Atomic uint64_t master_starts;
    _Atomic uint64_t master_start_ns; /* none: when the next one starts */
    _Atomic uint64_t slots;           /* so many of the slots below have been used */
    _Atomic uint64_t points;          /* so many of the points below are there */
    _Atomic uint64_t old_count;       /* also those that are not shown */
    /* 1: the build before this one was ready when it handed over, so this tree is, whatever its own master has reached */
    _Atomic uint64_t was_ready;
    struct board_old old[BOARD_OLD];
    struct board_point point[BOARD_POINTS];
    struct board_slot slot[BOARD_SLOTS];
};

/* ---- written by the master ---- */
enum board_reload {
    RELOAD_NONE,
    RELOAD_PUBLISHED, /* a generation came of it */
    RELOAD_SAME,      /* nothing that is served differs */
    RELOAD_FAILED,    /* not compiled: the old one stays */
    RELOAD_WITHDRAWN, /* it had killed workers and is not tried again */
    RELOAD_KINDS
};

struct board_provider {
    struct board_text name, error; /* error: why it cannot be read; empty: it can */
    _Atomic uint64_t enabled;
    /* The last good load; 0: it has not synced yet. One that is off because its kind is missing or not permitted loads
     * well, with nothing in it, and so has synced. */
    _Atomic uint64_t loaded_ns;
    /* That load gave what was kept of its cluster at this time (seconds since 1970), because the cluster does not answer;
     * 0: it did not. */
    _Atomic uint64_t stale_s;
};

struct board_publication { /* a generation: its place is its number modulo BOARD_PUBLICATIONS */
    _Atomic uint64_t number;
    _Atomic uint64_t published_ns;
    _Atomic uint64_t withdrawn_ns;
    _Atomic uint64_t routers, services, middlewares;
};

struct board_master {
    _Atomic uint64_t settings_ns;     /* when the static configuration in force was read */
    struct board_text settings_error; /* why a later one was refused; empty: it was not */
    _Atomic uint64_t reload_ns;       /* when the last job was back */
    _Atomic uint64_t reload_took_ns;
    _Atomic uint64_t reload_result;   /* enum board_reload */
    struct board_text reload_changes; /* what changed, or why it failed */
    _Atomic uint64_t
        synced_generation; /* holds what every enabled provider gave; 0: not all have given anything */
    /* The last one that serves nothing but /ping and /ready while the first is held back for a cluster; 0: none */
    _Atomic uint64_t waiting_generation;
    _Atomic uint64_t ready_ns;  /* since when all workers have it; never taken back */
    _Atomic uint64_t providers; /* so many of them are there */
    struct board_provider provider[BOARD_PROVIDERS];
    struct board_publication publication[BOARD_PUBLICATIONS];
};

/* Stores only what differs: a line that nobody changes stays in every cache. */
static inline void life_set(_Atomic uint64_t *field, uint64_t value)
{
    if (atomic_load_explicit(field, memory_order_relaxed) != value) {
        atomic_store_explicit(field, value, memory_order_relaxed);
    }
}
static inline uint64_t life_get(const _Atomic uint64_t *field)
{
    return atomic_load_explicit(field, memory_order_relaxed);
}

#endif
