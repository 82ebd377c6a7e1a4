/*
 * listener.h - an entry point as this worker serves it: the listening descriptor and the options in force.
 *
 * The options are taken out of the static page once per generation, so that a request looks nothing up. An entry point
 * that a new generation does not have any more keeps its last one until its last connection is gone: each ends with its
 * next answer, at the latest when graceTimeOut is over (serve.c).
 */
#ifndef WEIR_WORKER_LISTENER_H
#define WEIR_WORKER_LISTENER_H

#include "common/http/h1.h"
#include "shm/static_page.h"
#include "worker/poller.h"
#include "worker/timers.h"
#include "worker/worker.h"

enum underscore_strategy { UNDERSCORE_KEEP, UNDERSCORE_DELETE, UNDERSCORE_REJECT };

struct entry_options {
    struct generation *generation; /* one reference; what the pointers below point into */
    uint32_t number;
    const struct entry_point_row *row;
    int64_t read_timeout, write_timeout, idle_timeout; /* ns, 0: none */
    int64_t keep_alive_max_time, keep_alive_max_requests;
    int64_t grace_time_out;
    struct h1_limits limits;
    uint32_t h2_streams, h2_decoder_table, h2_encoder_table;
    unsigned refused; /* enum path_encoded */
    bool sanitize_path, encode_query_semicolons;
    enum underscore_strategy underscores;
    bool trust_all, not_append_forwarded_for, scheme_headers;
    const struct cidr *trusted;
    size_t trusted_count;
    bool proxy_protocol, proxy_insecure;
    struct slice proxies;           /* ranges.h: whose PROXY header is believed */
    const struct slice *connection; /* stored: page_text() */
    size_t connection_count;
    struct slice host_name;
    unsigned tcp; /* enum tcp_point: what there is beside HTTP without TLS */
};

struct listener {
    struct io io; /* first */
    struct worker *worker;
    struct listener *next;
    struct timer retry; /* accepting goes on when descriptors were short */
    bool waits;         /* for that */
    int64_t said_ns;    /* when the log said so last */
    struct entry_options options;
    unsigned clients; /* connections that refer to it */
    struct socket_place place;
    bool closing; /* accepts what waits in the queue, then no more */
    int left;     /* so many of it at most */
    bool leaving; /* retired or moved: its connections end with their next answer */
    int64_t
        cut_ns; /* the generation in force lacks it: when its last connections are cut; else TIMER_NEVER */
    char name[];
};

/* Its connections end with their next answer. */
static inline bool listener_is_ending(const struct listener *listener)
{
    return listener->leaving || listener->cut_ns != TIMER_NEVER;
}

/* place: which of the guard's sockets it is; fd, non-blocking as the master makes them, is taken over, also on failure. */
int listener_open(struct worker *worker, int fd, uint32_t entry_point, const char *name,
                  struct socket_place place, struct error *why);
/* Takes what waits in the queue, over some turns of the loop, then stops. Freed with its last connection. leaving: its
 * connections are to end with their next answer, because nobody here will accept on it again; else (a loan given back)
 * they stay. */
void listener_close(struct listener *listener, bool leaving);
void listener_end(struct listener *listener);     /* stops at once; harmless twice */
void listener_release(struct listener *listener); /* a connection of it is gone */
/* The options as the generation has them; kept as they are when it does not know the entry point, which is over then. */
void listener_refresh(struct listener *listener, struct generation *generation);

#endif
