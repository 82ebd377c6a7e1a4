/*
 * h2_client.h - HTTP/2 as clients speak it (RFC 9113): a connection, many requests on it at a time. nghttp2 knows frames,
 * HPACK and flow control; what a request is and what becomes of it is here.
 *
 *   h2_start.c    the preface, the session and its settings
 *   h2_client.c   the connection: reading, writing, timer, end
 *   h2_frames.c   what nghttp2 tells about frames: written down, and work is noted for later
 *   h2_stream.c   the work: from a stream to an exchange, bodies, ends
 *   h2_connect.c  WebSocket: extended CONNECT
 *   h2_answer.c   the codec table: answers
 *
 * No exchange runs while nghttp2 is on the stack: its callbacks only write down what came and put the stream into the
 * session's list of work. Streams are freed in that work and nowhere else. Nothing in here closes a client's connection but
 * h2_client.c on its own events.
 *
 * Memory that a client can make us hold: of requests' bodies what the windows allow (h2_start.c), of answers one read of
 * the server for each stream, because send_body() says false while a window or the socket is full.
 */
#ifndef WEIR_WORKER_H2_CLIENT_H
#define WEIR_WORKER_H2_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "worker/h1_client.h"
#include "worker/h2_bytes.h"
#include "worker/h2_engine.h"
#include "worker/work_list.h"

struct h2_stream { /* one request and its answer */
    struct record record;
    struct exchange ex; /* ex.pool is kept with the record */
    struct h2_session *session;
    struct h2_stream *next, *previous; /* of the session */
    struct work work;
    int32_t id;
    uint16_t refused; /* the head is over a bound: what to answer */
    bool closed;      /* nghttp2 has no such stream any more */
    bool head_done;   /* the head is complete */
    bool ended;       /* no exchange is under way: not yet if !head_done, else never again */
    /* the request */
    struct slice method, authority, path, protocol;
    size_t head_len; /* of names and values, counted as RFC 9113, 6.5.2 */
    unsigned fields;
    struct headers trailers;
    struct h2_bytes in;
    int64_t body_deadline, write_deadline;
    bool body_end;    /* all of the body is in `in` */
    bool body_wanted; /* the exchange takes more */
    bool body_given;  /* it has had the last of it */
    /* the answer */
    struct h2_bytes out;
    struct slice now; /* of out, what is not copied: the caller's, during send_body() */
    struct headers answer_trailers;
    int64_t moved_ns; /* something of it left then */
    bool head_sent, continued, bodiless;
    bool tunnel;   /* the server switched protocols: bodies are bytes of that one */
    bool complete; /* all of it is in `out` */
    bool waits;    /* send_body() said false */
};

struct h2_session {
    struct client *client;
    nghttp2_session *engine;
    nghttp2_mem memory;
    struct h2_stream *streams;
    unsigned count; /* of them */
    struct work_list work;
    int64_t deadline;         /* no stream has an earlier one */
    int64_t leave_at_ns;      /* the last GOAWAY is due; TIMER_NEVER: none was announced, or it is sent */
    bool leaving;             /* announced */
    bool failed;              /* the connection is to end */
    size_t out_len;           /* what waited in the outbox when it was looked at last */
    int64_t out_ns;           /* ... and when that changed */
    int32_t last_id;          /* the highest that the client opened; -1: none */
    int32_t gap_from, gap_to; /* those that it left out below, when it did last; gap_to 0: never */
    struct h2_calm calm;
};

extern const struct codec codec_h2;

/* The first bytes of a plain connection: is it HTTP/2? */
enum h2_preface { H2_PREFACE_NO, H2_PREFACE_MORE, H2_PREFACE_YES };
enum h2_preface h2_preface(struct slice begin);

/* The connection speaks HTTP/2; client->in holds what came of it already, or is NULL. */
void h2_start(struct client *client);
/* Its descriptor is ready, or it asked to be called again. */
void h2_ready(struct client *client);
void h2_late(struct client *client);
/* All requests end, as those of a client that is gone. */
void h2_abandon(struct client *client);
/* The session's memory; nothing if there is none. */
void h2_free(struct client *client);
/* Nothing is asked and nothing is answered. */
bool h2_idle(const struct client *client);
/* Bytes held for its streams. */
size_t h2_held(const struct client *client);
/* Asks old answers to let go of generations before `ns` (exchange_unpin()). */
void h2_unpin(struct client *client, int64_t before_ns);
void h2_start_worker(struct worker *worker);

/* ---- between the six files ---- */
/* What is ready goes out with this turn's writing. */
void h2_later(struct h2_session *session);
/* Writes what there is to write, unless the connection is backed up. */
void h2_write(struct h2_session *session);
/* GOAWAY: no new streams; those that are there end. A second one, with the last stream's number, follows. */
void h2_leave(struct h2_session *session);
/* Gives nghttp2 what came. False: the connection is over. */
bool h2_feed(struct h2_session *session, const char *bytes, size_t len);
/* All deadlines anew. */
void h2_arm(struct h2_session *session);
/* No deadline of a stream is missed. */
void h2_deadline(struct h2_session *session, int64_t deadline);

/* Of a stream with :protocol: whether it is one that can be asked for; the request that stands for it, once the rest is
 * filled in; the status that goes out for that of the answer. */
bool h2_connect_known(const struct h2_stream *stream);
void h2_connect_request(struct h2_stream *stream);
uint16_t h2_connect_answer(struct h2_stream *stream);

nghttp2_session_callbacks *h2_callbacks(void); /* NULL: no memory */

struct h2_stream *h2_stream_new(struct h2_session *session, int32_t id);
void h2_stream_work(struct h2_stream *stream); /* something is to be done for it */
/* Does what was noted, for one piece of time. */
void h2_work(struct h2_session *session);
void h2_stream_free(struct h2_stream *stream);
struct h2_stream *h2_stream_find(nghttp2_session *engine, int32_t id); /* NULL: let go of */
/* Drops what waits of the request's body. */
void h2_drop_body(struct h2_stream *stream);
/* An answer to what no exchange is made of. */
void h2_refuse(struct h2_stream *stream, uint16_t status, enum reason reason);
/* Takes up to len bytes of what is to be sent. */
size_t h2_answer_take(struct h2_stream *stream, uint8_t *to, size_t len);

#endif
