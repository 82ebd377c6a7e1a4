/*
 * udp_inner.h - what the files of udp.h share, and nobody else.
 */
#ifndef WEIR_WORKER_UDP_INNER_H
#define WEIR_WORKER_UDP_INNER_H

#include "worker/poller.h"
#include "worker/timers.h"
#include "worker/udp.h"
#include "worker/udp_table.h"

#define UDP_BATCH 32u        /* datagrams of one call */
#define UDP_DATAGRAM 65536u  /* none is larger */
#define UDP_CONTROL_ROOM 64u /* for the address that one was sent to, or goes out from */

struct udp_lane;
struct udp_batch;

enum udp_state {
    UDP_TAKING, /* sessions still come from its owner before: it is not read yet */
    UDP_READING,
    UDP_GIVING, /* sessions go to its next owner: it is not read any more */
    UDP_ENDING  /* they end, piece by piece: nobody has them */
};

struct udp_shard {
    struct io io; /* first */
    struct udp_set *set;
    struct udp_shard *next; /* in set */
    unsigned number;
    enum udp_state state;
    bool watched;
    struct udp_lane *lane; /* sessions come or go there; NULL: none */
    int give_lane;         /* it is to be given, as soon as it has been taken; -1: no */
    int last_lane;         /* where to, when another build takes over; -1: not said */
    struct timer end;      /* of the next piece, while it ends */
    struct udp_table sessions;
};

struct udp_set { /* an entry point */
    struct worker *worker;
    struct udp_set *next;
    struct udp_shard *shards;
    uint64_t id;
    bool dropped;     /* it is gone, and goes with the last of its shards */
    bool known;       /* the generation in force has it */
    uint32_t service; /* in generation->udp_services; UDP_NO_SERVICE: it has no router */
    int64_t timeout_ns;
    int64_t said_ns; /* when the log said last that sessions are refused */
    char name[CONTROL_TEXT];
};

struct udp_session {
    struct io io; /* first: the socket to the server */
    struct udp_entry entry;
    struct timer timer;
    struct udp_shard *shard;
};

struct udp_worker {
    struct udp_set *sets;
    struct udp_batch *batch; /* room for datagrams; NULL before the first shard */
    uint64_t seed;
    size_t sessions;
    size_t lanes; /* under way */
};

/* ---- udp.c ---- */
void udp_shard_watch(struct udp_shard *shard); /* or not, as its state says */
/* Without its sessions, which are gone; freed at the end of the turn. A dropped set goes with its last one. */
void udp_shard_close(struct udp_shard *shard);
/* With what sessions there are: they end in this turn and in later ones. */
void udp_shard_end(struct udp_shard *shard);

/* ---- udp_sessions.c ---- */
/* NULL, counted and now and then said: it is refused. */
struct udp_session *udp_session_begin(struct udp_shard *shard, const struct udp_flow *flow);
/* One that came over a lane; fd, connected, is taken over. */
void udp_session_adopt(struct udp_shard *shard, const struct udp_flow *flow, int fd, int64_t left_ns);
/* So many that came have no room here. */
void udp_sessions_lost(struct udp_set *set, uint64_t count);
void udp_session_end(struct udp_session *session);
void udp_session_end_all(struct udp_shard *shard);
/* For one piece of time. False: some are left. */
bool udp_session_end_some(struct udp_shard *shard);
static inline struct udp_session *udp_session_of(struct udp_entry *entry)
{
    return (struct udp_session *)((char *)entry - offsetof(struct udp_session, entry));
}
static inline void udp_session_moved(struct udp_session *session)
{
    struct udp_set *set = session->shard->set;

    timer_set(set->worker->timers, &session->timer, set->worker->now_ns + set->timeout_ns);
}

/* ---- udp_datagrams.c ---- */
struct udp_batch *udp_batch_new(void);
void udp_batch_free(struct udp_batch *batch);
void udp_shard_ready(struct io *io);   /* of a shard: clients spoke, or answers wait */
void udp_session_ready(struct io *io); /* of a session: its server spoke */
/* Sends the answers that wait. Before a shard of their entry point is closed. */
void udp_flush(struct udp_worker *udp);

/* ---- udp_lane.c ---- */
/* lane is taken over. */
void udp_lane_take(struct udp_shard *shard, int lane);
void udp_lane_give(struct udp_shard *shard, int lane);
void udp_lane_close(struct udp_shard *shard);

#endif
