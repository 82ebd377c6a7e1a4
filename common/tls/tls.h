/*
 * tls.h - TLS without sockets: a context made from options, and sessions that turn bytes into bytes.
 *
 * A session never touches a descriptor. Whoever owns the connection hands it what came from the peer
 * (tls_session_feed), takes what shall go to the peer (tls_session_output), and reads and writes plain text in between,
 * so any loop can drive it. TLS 1.2 and 1.3; the peer's certificate is verified unless `insecure` says otherwise.
 *
 * Not here: connections (common/http/client.c), where keys come from.
 */
#ifndef WEIR_COMMON_TLS_TLS_H
#define WEIR_COMMON_TLS_TLS_H

#include "common/base/error.h"
#include "common/base/slice.h"

struct tls_context; /* immutable, counted, may be shared by threads */

struct tls_client_options {
    struct slice
        ca; /* PEM, one certificate or more; empty: those of the system (SSL_CERT_FILE, else Debian's file) */
    struct slice certificate, key; /* PEM: the chain, own certificate first, and its key; both or none */
    bool insecure;                 /* any certificate of the server will do */
    bool h2;                       /* HTTP/2 is offered (ALPN) */
};

/* Everything is copied. Errors say which part is bad, never what is in it. */
int tls_context_client(const struct tls_client_options *options, struct tls_context **out, struct error *why);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* NULL is fine */

struct tls_session;

/* server_name: a DNS name (sent as SNI) or an IP address, which the certificate must carry as a SAN. */
int tls_session_client(struct tls_context *context, struct slice server_name, struct tls_session **out,
                       struct error *why);
void tls_session_free(struct tls_session *session); /* NULL is fine */

/* Bytes from the peer; kept until they are read. */
void tls_session_feed(struct tls_session *session, struct slice bytes);

/* 1: done; 0: needs bytes from the peer (send the output first); negative errno: refused, with the reason. In every case
 * there may be output (an alert says to the peer why). */
int tls_session_handshake(struct tls_session *session, struct error *why);

enum tls_read {
    TLS_READ_DATA,  /* *length bytes were put into the buffer */
    TLS_READ_MORE,  /* needs bytes from the peer */
    TLS_READ_CLOSE, /* the peer said that nothing follows */
    TLS_READ_ERROR
};
enum tls_read tls_session_read(struct tls_session *session, char *buf, size_t size, size_t *length,
                               struct error *why);

/* Takes all of it (the output grows by about as much: the caller bounds what it writes). After the handshake only. */
int tls_session_write(struct tls_session *session, struct slice plain, struct error *why);

/* What waits to be sent to the peer: a view that holds until the next call with this session. */
struct slice tls_session_output(struct tls_session *session);
void tls_session_output_sent(struct tls_session *session); /* all of it was taken */

#endif
