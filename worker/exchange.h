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
struct kept;
struct at_end;
struct body_filter;
struct set_cookie;
struct detection;
struct in_flight;
struct service_step;

/* Where an exchange stands. It only goes forward, but for REQUEST again after SUSPENDED. */
enum exchange_step {
    EXCHANGE_REQUEST,   /* routing, request half of the chain */
    EXCHANGE_SUSPENDED, /* a middleware will resume it */
    EXCHANGE_UPSTREAM,  /* connecting, sending, waiting for the head of the response */
    EXCHANGE_HELD,      /* a middleware holds the head of the response back */
    EXCHANGE_RESPONSE,  /* the head of the response has gone to the codec; bodies stream */
    EXCHANGE_ANSWERED,  /* the whole response has gone to the codec */
    EXCHANGE_TUNNEL,    /* no longer HTTP */
};

/* How far a request came on its way to a server. */
enum contact {
    CONTACT_NONE,   /* no server was chosen */
    CONTACT_CHOSEN, /* ... but it has seen nothing of it */
    CONTACT_SENT    /* it may have got it */
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
    bool bad_path, bad_host;     /* as a middleware left it, it could end the line */
    struct rewritten *rewritten; /* what middlewares made of the path: middleware/rewrite.c; NULL at first */
    uint8_t version_major, version_minor;
    bool tls;
    uint64_t tls_options; /* those that the connection got: tls_options_id() */
    bool trusted;         /* peer's forwarded headers are believed */
    bool has_body;
    int64_t content_length; /* -1: unknown (chunked) */
    bool upgrade;           /* asks for a switch of protocol */
    bool tunnel; /* after it bytes go on as bodies, both ways: the codec has no connection to give up */
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

/* A request as it stands when a middleware passes it on, to be passed on again. */
struct exchange_snapshot {
    uint32_t route; /* a child is chosen anew */
    struct exchange_request request;
    struct body_filter *filter; /* the last one: that of the middleware itself, when the request has a body */
    bool client_appended, not_append_forwarded_for;
};

struct exchange;

/* Who feeds the response when it is no server of the exchange's own service. */
struct response_source {
    void (*resume)(struct exchange *ex, void *state); /* the client takes bytes again, or the head is out */
    void (*drop)(struct exchange *ex, void *state);   /* nobody wants the rest; called once at the most */
};

struct exchange {
    struct worker *worker;
    struct pool *pool;
    struct generation *generation;
    const struct entry_point_row *entry_point;
    uint32_t entry_point_number;
    const struct entry_options *entry; /* options of the entry point (listener.h) */
    struct address client, local;
    struct conn *connection;  /* the client's; it lives longer than the exchange */
    struct slice client_text; /* the address without port, once somebody needed it */
    struct slice user;        /* who a middleware found out it is; empty: nobody asked */
    struct exchange_request request;
    struct exchange_response response;
    uint32_t route; /* number in the routes page, ROUTE_NONE before */
    uint32_t service;
    uint32_t position;          /* in the chain */
    struct service_step *steps; /* of services on the way, the last one first: chain.h */
    enum reason reason;
    const char *doing; /* the current step, for log lines: "routing", "waiting for the upstream's head" */
    int64_t started_ns;
    struct kept *kept;                                      /* of middlewares: exchange_keep() */
    struct at_end *at_end;                                  /* what is owed at the end */
    struct body_filter *request_filters, *response_filters; /* filter.h */
    struct detection *detection;                            /* detect.h */
    struct set_cookie *set_cookies; /* of sticky services, for the head of the response: sticky.h */
    const struct codec *codec;
    void *stream; /* the codec's */
    struct upstream_exchange *upstream;
    const struct response_source *source; /* instead of it */
    void *source_state;
    bool *over;    /* set when the exchange ends while an own answer, or a body of our own, is handed on */
    bool close;    /* the connection ends with the answer */
    bool answered; /* the answer is one of weir's own */
    enum exchange_step step;
    enum contact contact;
    uint32_t chain_done; /* middlewares whose request half ran */
    uint32_t discarded;  /* how often a response was */
    bool request_done;   /* the whole request body was handed on */
    bool not_append_forwarded_for;
    bool client_appended;         /* X-Forwarded-For is complete */
    bool claims;                  /* a trusted peer sent forwarding headers of its own */
    bool detect;                  /* contentType: a type that the answer lacks is looked for (detect.h) */
    uint64_t bytes_in, bytes_out; /* of bodies */
};

/* ---- for middlewares ---- */
/* Text of arena parameters of this exchange's middlewares. */
struct slice exchange_text(const struct exchange *ex, struct slice stored);
/* Items of a packed list: exchange_items(ex, p->prefixes) is an array of stored structs. */
const void *exchange_items(const struct exchange *ex, struct list stored);
struct regex;
const struct regex *exchange_regex(const struct exchange *ex, const struct regex_text *stored);

/* Both forms of the path at once. raw: escaped; path: decoded routing form. An empty one is sent as "/". What cannot stand in a
 * request line is refused when the request would leave. */
void exchange_set_path(struct exchange *ex, struct slice raw, struct slice path);
/* The same for a path that is plain (path_is_plain()): nothing is left to look at. */
static inline void exchange_set_plain_path(struct exchange *ex, struct slice path)
{
    ex->request.raw_path = ex->request.path = path;
    ex->request.bad_path = false;
}
/* The Host that the server gets; routing is over. */
void exchange_set_host(struct exchange *ex, struct slice host);

/* An answer of weir's own, as Go's http.Error would look for it: text/plain with the status text (or `body`). Always
 * returns MW_ANSWERED so that `return exchange_answer(...)` reads well. Headers may be added to ex->response before. */
int exchange_answer(struct exchange *ex, uint16_t status, enum reason reason);
int exchange_answer_body(struct exchange *ex, uint16_t status, enum reason reason, struct slice content_type,
                         struct slice body);

/* The answer is one of our own that asking again would not change (reason_is_final()), or a page in its place. */
bool exchange_is_final(const struct exchange *ex);

/* The text and no header about it: a bare WriteHeader and Write. */
int exchange_answer_plain(struct exchange *ex, uint16_t status, enum reason reason, struct slice body);

/* Number of a service that the middleware whose hook runs asks (prepare_service()). */
uint32_t exchange_asked_service(const struct exchange *ex, uint32_t index);
/* A word on the board of the middleware whose hook runs (prepare_words()); NULL when the board was full: do without. */
_Atomic uint64_t *exchange_word(const struct exchange *ex, uint32_t index);

/* The table on the board of the middleware whose hook runs (prepare_table()). */
struct table_ref exchange_table(const struct exchange *ex);

/* A redirection as Traefik's middlewares make it: Location and the status text as body. */
int exchange_redirect(struct exchange *ex, uint16_t status, struct slice location);

/* Who the client is, for logs; the name lives as long as the exchange. */
void exchange_set_user(struct exchange *ex, struct slice name);

/* scheme://host/path?query of the request as it stands in the chain, in the exchange's pool. */
struct slice exchange_url(const struct exchange *ex);

/* The scheme the client used, as the chain sees it: "http" or "https" (X-Forwarded-Proto of trusted peers is in the headers). */
struct slice exchange_scheme(const struct exchange *ex);

/* After MW_SUSPENDED of the request half: goes on with the next, or answers when exchange_answer*() was called. */
void exchange_resume(struct exchange *ex);
/* After MW_SUSPENDED of the response half: goes on with the ones before, then sends the head. False: the answer was
 * replaced or the exchange is over: do not touch it. */
bool exchange_response_resume(struct exchange *ex);

/* For one that holds an answer back and has said false to its body: it takes more. */
void exchange_response_want(struct exchange *ex);

/* In the response half: what came from the server is dropped, head and body, as if it had not come: the connection to the
 * server is let go, ex->response is empty. Then answer, or fill it in and resume. */
void exchange_discard_response(struct exchange *ex);
/* The body of the request now, though no server wants it yet: it comes to the filters (filter.h). A client that waits to be
 * asked is asked. */
void exchange_read_body(struct exchange *ex);

/* For a middleware that may send the request more than once. In its on_request, after filter_request(); its filter gives the
 * whole body each time. */
void exchange_snapshot(const struct exchange *ex, struct exchange_snapshot *snapshot);
/* The middlewares behind and the service once more, on that request; what the former owed at the end is done before. From the
 * loop, after on_response has called exchange_discard_response() and returned MW_SUSPENDED. */
void exchange_again(struct exchange *ex, const struct exchange_snapshot *snapshot);

/* For the middleware whose hook runs: one pointer of its own, from one half to the other; NULL when none was kept. */
void exchange_keep(struct exchange *ex, void *state);
void *exchange_kept(const struct exchange *ex);
/* undo(state) runs once when the exchange is over, however it ended; the last registered first. The generation may be gone
 * by then: state holds what is needed. */
void exchange_at_end(struct exchange *ex, void (*undo)(struct exchange *ex, void *state), void *state);
/* A count that is given back before the last bytes of the answer leave (others may have it again once the client knows that it
 * was answered), or when the exchange is over; of one that becomes a tunnel, when that is. */
void exchange_counted(struct exchange *ex, const struct in_flight *count);

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
/* The codec has let go of the response (or never had one): what is owed, counts, references. Memory is the codec's. */
void exchange_end(struct exchange *ex);

/* Lets go of the generation when nothing of it is needed any more: a long answer must not keep an old configuration
 * mapped. False: it is needed. */
bool exchange_unpin(struct exchange *ex);

/* ---- for the upstream's side, and for a source ---- */
/* From now on the response comes from there: exchange_response_resume() with the head, then body and end, or
 * exchange_upstream_failed(). */
void exchange_set_source(struct exchange *ex, const struct response_source *source, void *state);
/* An interim answer (1xx but 101). */
void exchange_interim(struct exchange *ex, const struct h1_message *message);
/* ex->response is filled in: runs the response half of the chain and hands the head to the codec, unless a middleware holds it
 * back. False: the answer was replaced: whoever called is no longer part of the exchange. */
bool exchange_response_head(struct exchange *ex);
/* false: the client is slow, do not hand on more before upstream_resume(). The exchange may end in there, and with it the
 * caller's part: upstream_leave() tells. */
bool exchange_response_body(struct exchange *ex, struct slice data);
/* The same for at most so many bytes that are still in `from`, for bodies that nobody looks at: codec.h, splice_body(). */
ssize_t exchange_splice_response(struct exchange *ex, struct conn *from, uint64_t most, bool *more);
void exchange_response_end(struct exchange *ex, const struct headers *trailers);
/* Nothing more is there for now: what was staged leaves. */
void exchange_response_flush(struct exchange *ex);
/* The upstream part failed for good. Answers, or breaks the transfer off when the head is out. */
void exchange_upstream_failed(struct exchange *ex, enum reason reason);
/* The request body may come (again): the upstream is ready for it. */
void exchange_want_body(struct exchange *ex);

#endif
