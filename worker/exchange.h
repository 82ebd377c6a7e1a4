/*
 * exchange.h - one request and its response: the only thing that middlewares and services see.
 *
 * It does not know whether HTTP/1, 2 or 3 carried it: the codec is a table behind it (codec.h). Memory that belongs to
 * it comes from its pool and dies with it. It holds a reference to the generation it started on.
 *
 * life   exchange_begin (codec: head is complete) -> route -> middlewares' request half -> service -> upstream
 *        -> response head -> middlewares' response half in reverse -> bodies stream -> exchange_end
 */
#ifndef WEIR_WORKER_EXCHANGE_H
#define WEIR_WORKER_EXCHANGE_H

#include "common/http/headers.h"
#include "common/http/reason.h"
#include "common/net/addr.h"
#include "shm/generation.h"
#include "shm/static_page.h"

struct worker;
struct codec;
struct upstream_exchange;
struct rewritten;
struct h1_message;
struct entry_options;

/* Where an exchange stands. It only goes forward, but for REQUEST again after SUSPENDED. */
enum exchange_step {
    EXCHANGE_REQUEST,   /* routing, request half of the chain */
    EXCHANGE_SUSPENDED, /* a middleware will resume it */
    EXCHANGE_UPSTREAM,  /* connecting, sending, waiting for the head of the response */
    EXCHANGE_RESPONSE,  /* the head of the response has gone to the codec; bodies stream */
    EXCHANGE_ANSWERED,  /* the whole response has gone to the codec */
    EXCHANGE_TUNNEL,    /* no longer HTTP */
};

struct exchange_request {
    struct slice method;
    struct slice host;      /* Host as received (or of the absolute target), for the upstream */
    struct slice host_name; /* canonical, for matching */
    struct slice raw_path;  /* escaped: goes upstream */
    struct slice path;      /* for matching and middlewares */
    struct slice query;     /* raw, without '?' */
    bool has_query;
    struct slice target; /* as received */
    struct headers headers;
    struct rewritten *rewritten; /* what middlewares made of the path: middleware/rewrite.c; NULL at first */
    uint8_t version_major, version_minor;
    bool tls;
    uint64_t tls_options; /* those that the connection got: tls_options_id() */
    bool trusted;         /* peer's forwarded headers are believed */
    bool has_body;
    int64_t content_length; /* -1: unknown (chunked) */
    bool upgrade;           /* asks for a switch of protocol */
    bool expect_continue;
};

struct exchange_response {
    uint16_t status;
    struct slice phrase; /* empty: the standard one */
    struct headers headers;
    int64_t content_length; /* -1: unknown */
    bool has_body;
    struct slice own_body; /* of an answer that weir makes itself */
};

struct exchange {
    struct worker *worker;
    struct pool *pool;
    struct generation *generation;
    const struct entry_point_row *entry_point;
    uint32_t entry_point_number;
    const struct entry_options *entry; /* options of the entry point (listener.h) */
    struct address client, local;
    struct slice client_text; /* the address without port, once somebody needed it */
    struct exchange_request request;
    struct exchange_response response;
    uint32_t route; /* number in the routes page, ROUTE_NONE before */
    uint32_t service;
    uint32_t position; /* in the chain */
    enum reason reason;
    const char *doing; /* the current step, for log lines: "routing", "waiting for the upstream's head" */
    int64_t started_ns;
    void **mw_state; /* one pointer for each middleware of the chain, by position; none needs it yet */
    const struct codec *codec;
    void *stream; /* the codec's */
    struct upstream_exchange *upstream;
    bool close;    /* the connection ends with the answer */
    bool answered; /* the answer is one of weir's own */
    enum exchange_step step;
    uint32_t chain_done; /* middlewares whose request half ran: their on_done is owed */
    bool request_done;   /* the whole request body was handed on */
    bool not_append_forwarded_for;
    bool client_appended;         /* X-Forwarded-For is complete */
    bool claims;                  /* a trusted peer sent forwarding headers of its own */
    uint64_t bytes_in, bytes_out; /* of bodies */
};

/* ---- for middlewares ---- */
/* Text of arena parameters of this exchange's middlewares. */
struct slice exchange_text(const struct exchange *ex, struct slice stored);
/* Items of a packed list: exchange_items(ex, p->prefixes) is an array of stored structs. */
const void *exchange_items(const struct exchange *ex, struct list stored);
struct regex;
const struct regex *exchange_regex(const struct exchange *ex, const struct regex_text *stored);

/* Both forms of the path at once. raw: escaped; path: decoded routing form. An empty one is sent as "/". */
void exchange_set_path(struct exchange *ex, struct slice raw, struct slice path);

/* An answer of weir's own, as Go's http.Error would look for it: text/plain with the status text (or `body`). Always
 * returns MW_ANSWERED so that `return exchange_answer(...)` reads well. Headers may be added to ex->response before. */
int exchange_answer(struct exchange *ex, uint16_t status, enum reason reason);
int exchange_answer_body(struct exchange *ex, uint16_t status, enum reason reason, struct slice content_type,
                         struct slice body);

/* A redirection as Traefik's middlewares make it: Location and the status text as body. */
int exchange_redirect(struct exchange *ex, uint16_t status, struct slice location);

/* The scheme the client used, as the chain sees it: "http" or "https" (X-Forwarded-Proto of trusted peers is in the headers). */
struct slice exchange_scheme(const struct exchange *ex);

/* After MW_SUSPENDED. */
void exchange_resume(struct exchange *ex);

/* ---- for codecs: the client's side ---- */
/* The head of a request is complete and in ex->request (method, target, headers, framing); ex->pool, worker, codec,
 * entry_point, generation, client are set. Routes it, runs the chain, begins the upstream part or the answer. */
void exchange_begin(struct exchange *ex);
/* Body bytes as they come; last says that none follow. false: do not hand on more before codec->resume(). */
bool exchange_request_body(struct exchange *ex, struct slice data, bool last, const struct headers *trailers);
/* What was written has left: the upstream may go on. */
void exchange_client_drained(struct exchange *ex);
/* The client is gone, or took too long: ends what is under way. The codec does not use ex afterwards. */
void exchange_client_gone(struct exchange *ex, enum reason reason);
/* The codec has let go of the response (or never had one): on_done, counts, references. Memory is the codec's. */
void exchange_end(struct exchange *ex);

/* Lets go of the generation when nothing of it is needed any more: a long answer must not keep an old configuration
 * mapped. False: it is needed. */
bool exchange_unpin(struct exchange *ex);

/* ---- for the upstream's side ---- */
/* An interim answer (1xx but 101). */
void exchange_interim(struct exchange *ex, const struct h1_message *message);
/* ex->response is filled in: runs the response half of the chain and hands the head to the codec. */
void exchange_response_head(struct exchange *ex);
/* false: the client is slow, do not hand on more before upstream_resume(). */
bool exchange_response_body(struct exchange *ex, struct slice data);
void exchange_response_end(struct exchange *ex, const struct headers *trailers);
/* The upstream part failed for good. Answers, or breaks the transfer off when the head is out. */
void exchange_upstream_failed(struct exchange *ex, enum reason reason);
/* The request body may come (again): the upstream is ready for it. */
void exchange_want_body(struct exchange *ex);

#endif
