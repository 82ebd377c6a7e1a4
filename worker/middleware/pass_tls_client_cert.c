/*
 * pass_tls_client_cert.c - tells servers which certificate the client showed (passTLSClientCert).
 *
 * What the client itself says of that was taken away where its headers are not trusted (forwarded.h); where it showed none,
 * what a trusted sender said stays. Test: tests/integration/test_middleware_pass_tls_client_cert.py
 */
#include "common/model/prepared.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/tls_peer.h"

/* False: there is no room for it in a head. */
static bool tell(struct exchange *ex, enum header_id id, uint32_t wanted)
{
    struct slice text, copy = SLICE("");

    if (!tls_peer_text(ex->connection, wanted, &text)) {
        return true;
    }
    if (!pool_join(ex->pool, text, SLICE(""), &copy)) {
        return false;
    }
    headers_remove_spellings(&ex->request.headers, header_name(id));
    headers_set_id(&ex->request.headers, id, copy);
    return true;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_pass_tls_client_cert *p = params;

    if (!ex->request.tls || ex->connection == NULL) {
        return MW_PASS;
    }
    if ((p->pem && !tell(ex, HEADER_X_FORWARDED_TLS_CLIENT_CERT, TLS_PEER_PEM)) ||
        (p->info && !tell(ex, HEADER_X_FORWARDED_TLS_CLIENT_CERT_INFO, (uint32_t)p->wanted))) {
        return (enum mw_verdict)exchange_answer(ex, 431, REASON_head_too_large);
    }
    return MW_PASS;
}

const struct middleware_type mw_pass_tls_client_cert = {.name = "passTLSClientCert",
                                                        .on_request = on_request};
