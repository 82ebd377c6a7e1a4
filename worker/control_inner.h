/*
 * control_inner.h - what control.c, control_generation.c and control_listen.c share, and nobody else.
 */
#ifndef WEIR_WORKER_CONTROL_INNER_H
#define WEIR_WORKER_CONTROL_INNER_H

#include "worker/channel.h"
#include "worker/control.h"

struct adoption;
struct holding;
struct waiting_socket;

struct control {
    struct worker *worker;
    struct channel *guard, *master; /* NULL: none */
    struct adoption *arriving;      /* more parts of it are to come */
    struct adoption *adoption;      /* on the thread; NULL: none */
    struct adoption *next;          /* a new master spoke meanwhile */
    struct holding *held;           /* generations, one reference each, newest first */
    unsigned held_count, releasing; /* so many are given back just now */
    unsigned masters;               /* how many there have been: who is owed an answer */
    struct waiting_socket *waiting;
    bool stopping, closed;
    bool handed_over; /* another build guards us: the end of its channel means that its own workers serve */
    struct control_message handover; /* how to drain then */
};

/* ---- control.c ---- */
/* To the master that lives now; without one there is nobody to tell: the next one asks anew. */
void control_answer(struct control *control, enum control_kind kind, uint64_t number, const char *text);
void control_close_all(const int *fds, uint32_t count);

/* ---- control_generation.c ---- */
/* One part of a generation, from the master that lives now; its descriptors are taken over. */
void generation_arrives(struct control *control, const struct control_message *message, const int *fds);
/* What came of one that is not whole yet goes; the master sends it again. */
void generation_forget_parts(struct control *control);
void generations_free(struct control *control);

/* ---- control_listen.c ---- */
/* fd is taken over: it waits until a generation knows the entry point that the message names. */
void listening_add(struct control *control, const struct control_message *message, int fd);
/* Begins to accept where the generation in force has the entry point. */
void listening_begin(struct control *control);
/* Drops those of the place that still wait. */
void listening_drop(struct control *control, struct socket_place asked);

#endif
