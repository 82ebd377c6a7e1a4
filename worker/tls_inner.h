/*
 * tls_inner.h - what the files of tls.h share.
 */
#ifndef WEIR_WORKER_TLS_INNER_H
#define WEIR_WORKER_TLS_INNER_H

#include <openssl/ssl.h>

#include "common/net/addr.h"
#include "common/tls/hello.h"
#include "shm/secrets.h"
#include "shm/server_tls.h"
#include "shm/tls_options.h"
#include "worker/conn.h"
#include "worker/tls.h"

#define TLS_RECORD_MOST 16384
#define TLS_RECEIVE_SIZE ((size_t)64 * 1024)
#define TLS_ACME_PROTOCOL SLICE("acme-tls/1") /* RFC 8737 */
#define TLS_NAME_SIZE 256                     /* room for a server name, or an address in its place */

/* One SSL_CTX, made of one set of options and one certificate, both known by content. */
struct tls_live {
    struct tls_live *newer, *older; /* by last use */
    struct tls_live *next;          /* in its bucket */
    uint64_t options, certificate;  /* identities */
    unsigned references;            /* connections; and one while it is kept */
    SSL_CTX *ssl;
    EVP_PKEY *key;
    uint64_t options_id;
    struct alpn { /* protocols as on the wire */
        uint8_t bytes[256];
        size_t len;
    } served, wanted; /* those of the options that HTTP is served by, and all of them, for TCP routers */
};

struct ticket_cipher {
    uint8_t name[TICKET_NAME_SIZE];
    EVP_AEAD_CTX aead;
};

/* One SSL_CTX towards servers, made of one row of settings, known by its content. */
struct tls_upstream {
    struct tls_upstream *newer, *older; /* by last use */
    uint64_t identity;
    unsigned references; /* connections; and one while it is kept */
    bool stays;          /* the generation in force has such settings: tls_upstream_switch() */
    SSL_CTX *ssl;
};

/* What a handshake with a server needs besides. */
struct tls_meeting {
    struct page *transports, *secrets; /* references */
    const struct server_tls *settings;
    char name[256];         /* whom we look for, NUL-terminated */
    struct address address; /* the same, where that is an address; family 0: it is none */
    EVP_PKEY *key;          /* of the certificate that is shown */
    struct error why;       /* why the server is not believed; empty: it is, or has not shown itself */
};

struct kept_session;

#define TLS_BUCKETS 512

struct client_list { /* by queue_next and queue_place of struct client; tls_accept.c */
    struct client *head, **tail;
};

struct tls_worker {
    struct worker *worker;
    struct tls_live *buckets[TLS_BUCKETS];
    struct tls_live *newest, *oldest;
    unsigned live_count;
    struct tls_upstream *up_newest, *up_oldest;
    unsigned up_count;
    struct kept_session *sessions; /* NULL until there is one: tls_kept.c */
    struct ticket_cipher tickets[TICKET_KEYS];
    size_t ticket_count;
    unsigned handshakes;        /* under way */
    unsigned waiting, hurried;  /* in the queue; of those under way */
    struct client_list queue;   /* whose ClientHello is there, but not their turn */
    struct client_list shaking; /* whose handshake is under way, the oldest first */
    struct client *unhurried;   /* the oldest of these that has its whole time still; NULL: none has */
    struct stage out;           /* records on their way to the socket */
    char *received;             /* TLS_RECEIVE_SIZE: records as they were read */
    char *plain;                /* TLS_RECORD_MOST: small pieces put together; a hello in pieces */
    struct slice window;        /* of records, not used yet, while a read is under way */
};

#define TLS_PEER_TEXTS 2

struct tls_peer_text { /* tls_peer.h */
    uint32_t wanted;
    size_t len;
    char text[];
};

struct tls { /* of a connection */
    SSL *ssl;
    struct tls_live *live;         /* of clients */
    struct tls_upstream *upstream; /* of servers: tls_upstream.c */
    struct tls_meeting *meeting;   /* with a server: until the handshake is over */
    uint64_t peer;                 /* the server that sessions are kept for */
    int64_t until;                 /* they may be: seconds since 1970, the end of its certificate */
    struct buffer *in;             /* records that were read and not used yet; NULL: none */
    struct tls_peer_text *peer_texts[TLS_PEER_TEXTS]; /* the newest first */
    size_t wanted;     /* while a read is under way: how much there is room for */
    bool ended;        /* the peer sent the end of TCP */
    bool end_said;     /* by us */
    bool end_heard;    /* from the peer */
    bool broken;       /* a call failed for good: nothing more can be said */
    const char *words; /* why, when it was not the end of TCP: static */
};

/* ---- tls_stream.c ---- */
/* Around every call of BoringSSL for this connection: hands it what was read before; keeps what it left over and sends
 * what it made. A negative errno: the connection is lost. */
void tls_begin(struct conn *conn);
int tls_finish(struct conn *conn);
BIO *tls_bio(struct conn *conn);
void tls_stream_stop(void); /* at the end of the process */

/* ---- tls_live.c ---- */
/* A client that names protocols (ALPN) has none of those wanted (as on the wire; with served_only: that HTTP is served by).
 * As in Go one of HTTP/1.1 where there is HTTP/2 only goes on as one who names none, and so does everybody where none is
 * wanted. */
bool tls_protocols_differ(struct slice wanted, bool served_only, const struct tls_hello *hello);
/* A reference, or NULL when memory is out or BoringSSL does not take it (logged). */
struct tls_live *tls_live_get(struct worker *worker, const struct page *options_page,
                              const struct tls_options_row *options, const struct page *secrets,
                              const struct certificate_row *certificate);
void tls_live_unref(struct tls_live *live);
void tls_lives_drop(struct tls_worker *tls);

/* ---- tls_ticket.c ---- */
extern const SSL_TICKET_AEAD_METHOD tls_ticket_method;
void tls_tickets_set(struct tls_worker *tls, const struct page *secrets);

/* ---- tls_key.c ---- */
/* A chain and its key, for a context or, when that is NULL, for one connection. *out is the caller's, also on failure. */
bool tls_chain_set(const struct page *page, const struct certificate_row *row, SSL_CTX *context, SSL *ssl,
                   EVP_PKEY **out);

/* ---- tls_upstream.c ---- */
/* A context that is kept, or NULL. */
struct tls_upstream *tls_upstream_find(const struct tls_worker *tls, uint64_t identity);
void tls_upstream_leave(struct tls *tls); /* the connection ends */

/* ---- tls_verify.c ---- */
/* Callbacks of a context towards servers. */
enum ssl_verify_result_t tls_verify_server(SSL *ssl, uint8_t *alert);
int tls_show_certificate(SSL *ssl, void *unused);

/* ---- tls_kept.c ---- */
/* Before the handshake: the session that is kept for the connection's server, if there is one. */
void tls_kept_offer(struct conn *conn);
int tls_kept_new(SSL *ssl, SSL_SESSION *session); /* callback of a context */
void tls_kept_drop(struct conn *conn);            /* that one */
/* Those of settings that have no context any more. */
void tls_kept_sweep(struct tls_worker *tls);
void tls_kept_free(struct tls_worker *tls);

/* ---- tls_peer.c ---- */
void tls_peer_forget(struct tls *tls);

/* ---- tls_choose.c ---- */
struct tls_refusal {
    uint8_t alert;   /* SSL_AD_* */
    const char *why; /* for the log; static */
};
struct client;

/* The server's name in lower case, in `space`, or the address that the client speaks to when it *sent none. False: no name can
 * look like that. */
bool tls_hello_name(const struct client *client, const struct tls_hello *hello, char space[TLS_NAME_SIZE],
                    struct slice *name, bool *sent);
/* A reference to the context of the options and the certificate that it gets; NULL: *refusal says why none. */
struct tls_live *tls_choose(const struct client *client, const struct tls_hello *hello,
                            struct tls_refusal *refusal);
/* It lists a suite with ChaCha20 first. */
bool tls_hello_prefers_chacha20(const struct tls_hello *hello);

/* ---- tls_accept.c ---- */
bool tls_protocol_served(struct slice protocol);

#endif
