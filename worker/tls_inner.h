/*
 * tls_inner.h - what the files of tls.h share.
 */
#ifndef WEIR_WORKER_TLS_INNER_H
#define WEIR_WORKER_TLS_INNER_H

#include <openssl/ssl.h>

#include "common/tls/hello.h"
#include "shm/secrets.h"
#include "shm/tls_options.h"
#include "worker/conn.h"
#include "worker/tls.h"

#define TLS_RECORD_MOST 16384
#define TLS_RECEIVE_SIZE ((size_t)64 * 1024)

/* One SSL_CTX, made of one set of options and one certificate, both known by content. */
struct tls_live {
    struct tls_live *newer, *older; /* by last use */
    struct tls_live *next;          /* in its bucket */
    uint64_t options, certificate;  /* identities */
    unsigned references;            /* connections; and one while it is kept */
    SSL_CTX *ssl;
    EVP_PKEY *key;
    uint64_t options_id;
    uint8_t alpn[256]; /* protocols as on the wire: those that are both wanted and served */
    size_t alpn_len;
};

struct ticket_cipher {
    uint8_t name[TICKET_NAME_SIZE];
    EVP_AEAD_CTX aead;
};

#define TLS_BUCKETS 512

struct tls_worker {
    struct worker *worker;
    struct tls_live *buckets[TLS_BUCKETS];
    struct tls_live *newest, *oldest;
    unsigned live_count;
    struct ticket_cipher tickets[TICKET_KEYS];
    size_t ticket_count;
    unsigned handshakes;                /* under way */
    struct client *queue, **queue_tail; /* whose ClientHello is there, but not their turn */
    struct stage out;                   /* records on their way to the socket */
    char *received;                     /* TLS_RECEIVE_SIZE: records as they were read */
    char *plain;                        /* TLS_RECORD_MOST: small pieces put together; a hello in pieces */
    struct slice window;                /* of records, not used yet, while a read is under way */
};

#define TLS_PEER_TEXTS 2

struct tls_peer_text { /* tls_peer.h */
    uint32_t wanted;
    size_t len;
    char text[];
};

struct tls { /* of a connection */
    SSL *ssl;
    struct tls_live *live;
    struct buffer *in;                          /* records that were read and not used yet; NULL: none */
    struct tls_peer_text *peer[TLS_PEER_TEXTS]; /* the newest first */
    size_t wanted;                              /* while a read is under way: how much there is room for */
    bool ended;                                 /* the peer sent the end of TCP */
    bool end_said;                              /* by us */
    bool broken;                                /* a call failed for good: nothing more can be said */
};

/* ---- tls_stream.c ---- */
/* Around every call of BoringSSL for this connection: hands it what was read before; keeps what it left over and sends
 * what it made. A negative errno: the connection is lost. */
void tls_begin(struct conn *conn);
int tls_finish(struct conn *conn);
BIO *tls_bio(struct conn *conn);
void tls_stream_stop(void); /* at the end of the process */

/* ---- tls_live.c ---- */
/* A reference, or NULL when memory is out or BoringSSL does not take it (logged). */
struct tls_live *tls_live_get(struct worker *worker, const struct page *options_page,
                              const struct tls_options_row *options, const struct page *secrets,
                              const struct certificate_row *certificate);
void tls_live_unref(struct tls_live *live);
void tls_lives_drop(struct tls_worker *tls);

/* ---- tls_ticket.c ---- */
extern const SSL_TICKET_AEAD_METHOD tls_ticket_method;
void tls_tickets_set(struct tls_worker *tls, const struct page *secrets);

/* ---- tls_peer.c ---- */
void tls_peer_forget(struct tls *tls);

/* ---- tls_accept.c ---- */
bool tls_protocol_served(struct slice protocol);

#endif
