/*
 * tls_kept.c - sessions with servers that are taken up again, so that a new connection costs no signatures.
 *
 * One for each server and settings, in a table of fixed size: a newer one, or that of another server which falls on the same
 * place, takes the place. None outlives the certificate that it was made with, nor an hour.
 */
#include <stdlib.h>
#include <time.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "worker/tls_inner.h"
#include "worker/worker.h"

#define SESSIONS 256 /* a few KiB each */

struct kept_session {
    uint64_t settings, peer;
    SSL_SESSION *session; /* NULL: the place is free */
    int64_t until;
};

static struct kept_session *place_of(const struct conn *conn)
{
    const struct tls *tls = conn->tls;

    return &conn->worker->tls->sessions[hash_finish(tls->peer ^ tls->upstream->identity) % SESSIONS];
}

static bool is_ours(const struct kept_session *kept, const struct tls *tls)
{
    return kept->session && kept->peer == tls->peer && kept->settings == tls->upstream->identity;
}

static void empty(struct kept_session *kept)
{
    SSL_SESSION_free(kept->session);
    kept->session = NULL;
}

void tls_kept_offer(struct conn *conn)
{
    struct kept_session *kept;

    if (conn->worker->tls->sessions == NULL) {
        return;
    }
    kept = place_of(conn);
    if (!is_ours(kept, conn->tls)) {
        return;
    }
    if (kept->until <= (int64_t)time(NULL)) {
        empty(kept);
    } else if (SSL_set_session(conn->tls->ssl, kept->session) == 1) {
        conn->tls->until = kept->until;
    }
}

int tls_kept_new(SSL *ssl, SSL_SESSION *session)
{
    const struct conn *conn = BIO_get_data(SSL_get_rbio(ssl));
    struct tls_worker *tls = conn->worker->tls;
    struct kept_session *kept;

    if (conn->worker->budget.level >= BUDGET_TIGHT || !SSL_SESSION_is_resumable(session) ||
        tls_upstream_find(tls, conn->tls->upstream->identity) == NULL) {
        return 0;
    }
    if (tls->sessions == NULL) {
        tls->sessions = xcalloc(SESSIONS, sizeof(*tls->sessions));
    }
    kept = place_of(conn);
    empty(kept);
    *kept = (struct kept_session){
        .settings = conn->tls->upstream->identity,
        .peer = conn->tls->peer,
        .session = session, /* taken over: we say 1 */
        .until = conn->tls->until,
    };
    return 1;
}

void tls_kept_drop(struct conn *conn)
{
    struct kept_session *kept;

    if (conn->worker->tls->sessions == NULL) {
        return;
    }
    kept = place_of(conn);
    if (is_ours(kept, conn->tls)) {
        empty(kept);
    }
}

void tls_kept_sweep(struct tls_worker *tls)
{
    for (size_t i = 0; tls->sessions && i < SESSIONS; i++) {
        struct kept_session *kept = &tls->sessions[i];

        if (kept->session && tls_upstream_find(tls, kept->settings) == NULL) {
            empty(kept);
        }
    }
}

void tls_kept_free(struct tls_worker *tls)
{
    for (size_t i = 0; tls->sessions && i < SESSIONS; i++) {
        empty(&tls->sessions[i]);
    }
    free(tls->sessions);
    tls->sessions = NULL;
}
