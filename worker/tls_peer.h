/*
 * tls_peer.h - what servers are told of the certificate of a client: made once for a connection, kept with it.
 */
#ifndef WEIR_WORKER_TLS_PEER_H
#define WEIR_WORKER_TLS_PEER_H

#include "worker/conn.h"

#define TLS_PEER_PEM UINT32_MAX

/* wanted: TLS_PEER_PEM, or what of common/tls/peer_info.h, then escaped as in a query. False: the client showed no certificate.
 * The text is good until the next call. */
bool tls_peer_text(struct conn *conn, uint32_t wanted, struct slice *out);

#endif
