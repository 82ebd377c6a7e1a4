/*
 * tls_peer.c - see tls_peer.h. Different middlewares of a connection may want different parts: a few texts are kept, more take
 * turns.
 */
#include "worker/tls_peer.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/http/url.h"
#include "common/tls/peer_info.h"
#include "worker/tls_inner.h"

static struct tls_peer_text *made(const STACK_OF(CRYPTO_BUFFER) * chain, uint32_t wanted)
{
    struct pool *pool = pool_new(4096, 0);
    struct text text;
    struct slice whole;

    text_init(&text);
    if (wanted == TLS_PEER_PEM) {
        peer_pem(chain, &text);
        whole = text_slice(&text);
    } else {
        peer_info(chain, wanted, &text);
        whole = url_query_escape(pool, text_slice(&text));
    }

    struct tls_peer_text *peer = xmalloc(sizeof(*peer) + whole.len);

    *peer = (struct tls_peer_text){.wanted = wanted, .len = whole.len};
    if (whole.len) {
        memcpy(peer->text, whole.ptr, whole.len);
    }
    text_free(&text);
    pool_free(pool);
    ERR_clear_error();
    return peer;
}

bool tls_peer_text(struct conn *conn, uint32_t wanted, struct slice *out)
{
    struct tls *tls = conn->tls;
    const STACK_OF(CRYPTO_BUFFER) *chain = tls ? SSL_get0_peer_certificates(tls->ssl) : NULL;
    struct tls_peer_text *peer;

    if (chain == NULL || sk_CRYPTO_BUFFER_num(chain) == 0) {
        return false;
    }
    for (size_t i = 0; i < TLS_PEER_TEXTS; i++) {
        peer = tls->peer_texts[i];
        if (peer && peer->wanted == wanted) {
            *out = slice_of(peer->text, peer->len);
            return true;
        }
    }
    peer = made(chain, wanted);
    free(tls->peer_texts[TLS_PEER_TEXTS - 1]);
    memmove(&tls->peer_texts[1], &tls->peer_texts[0], (TLS_PEER_TEXTS - 1) * sizeof(tls->peer_texts[0]));
    tls->peer_texts[0] = peer;
    *out = slice_of(peer->text, peer->len);
    return true;
}

void tls_peer_forget(struct tls *tls)
{
    for (size_t i = 0; i < TLS_PEER_TEXTS; i++) {
        free(tls->peer_texts[i]);
        tls->peer_texts[i] = NULL;
    }
}
