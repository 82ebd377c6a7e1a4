/*
 * names_inner.h - what names_table.c, names_store.c and names.c share, and nobody else (tests aside).
 */
#ifndef WEIR_MASTER_COMPILE_NAMES_INNER_H
#define WEIR_MASTER_COMPILE_NAMES_INNER_H

#include <ares.h>
#include <pthread.h>

#include "master/compile/names.h"

#define NAMES_SOCKETS 64

struct name {
    struct names *names;
    char *host; /* lower case */
    size_t len;
    uint64_t hash;
    uint64_t round;  /* of the last compile that looked it up */
    uint64_t due_ms; /* loop time when it is asked again */
    unsigned retry_ms;
    bool asking, answered;     /* answered: once at least, if only that it failed */
    bool failed;               /* the last answer, so that it is said once */
    struct address *addresses; /* last good answer, sorted */
    size_t count;
};

struct socket_poll;

struct names {
    uv_loop_t *loop;
    names_changed *changed;
    void *context;
    ares_channel channel;
    struct timespec resolver_time; /* of RESOLVER_FILE when the channel read it */
    bool closing;
    uv_timer_t timer;
    uv_async_t wake;
    size_t handles; /* still to be closed */
    size_t queries;
    int store_fd; /* names_store.c; -1: none */
    bool news;    /* an answer differed: told when c-ares has returned */
    struct socket_poll *sockets[NAMES_SOCKETS];

    pthread_mutex_t mutex; /* for what follows */
    struct name **table;   /* open addressing by hash */
    size_t count, size;
    uint64_t round;
};

/* With the mutex held. `host` is lower case; NULL when it is not known. */
struct name *names_find(const struct names *names, const char *host, size_t len);
/* Makes the entry of one that is not known, without addresses but for localhost. */
struct name *names_add(struct names *names, const char *host, size_t len);
/* Drops what the last two compiles did not look up; one that is being asked stays until its answer came. */
void names_forget(struct names *names);
/* Everything, at the end. */
void names_table_make(struct names *names);
void names_table_free(struct names *names);
/* On the loop: writes what is known where the next master finds it. */
void names_store(struct names *names);

#endif
