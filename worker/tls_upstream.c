/*
 * tls_upstream.c - the client's role in TLS: contexts and handshakes. See tls_upstream.h.
 */
#include "worker/tls_upstream.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/tls/tls_words.h"
#include "worker/tls_inner.h"
#include "worker/worker.h"

#define UPSTREAMS_MOST 128

/* ---- contexts ---- */
static void unref(struct tls_upstream *upstream)
{
    if (upstream && --upstream->references == 0) {
        SSL_CTX_free(upstream->ssl);
        free(upstream);
    }
}

static void use_unlink(struct tls_worker *tls, struct tls_upstream *upstream)
{
    *(upstream->newer ? &upstream->newer->older : &tls->up_newest) = upstream->older;
    *(upstream->older ? &upstream->older->newer : &tls->up_oldest) = upstream->newer;
}

static void use_first(struct tls_worker *tls, struct tls_upstream *upstream)
{
    upstream->newer = NULL;
    upstream->older = tls->up_newest;
    *(tls->up_newest ? &tls->up_newest->newer : &tls->up_oldest) = upstream;
    tls->up_newest = upstream;
}

/* Connections that use it keep it. */
static void forget(struct tls_worker *tls, struct tls_upstream *upstream)
{
    use_unlink(tls, upstream);
    tls->up_count--;
    unref(upstream);
}

struct tls_upstream *tls_upstream_find(const struct tls_worker *tls, uint64_t identity)
{
    struct tls_upstream *upstream = tls->up_newest;

    while (upstream && upstream->identity != identity) {
        upstream = upstream->older;
    }
    return upstream;
}

static bool set_options(SSL_CTX *ssl, const struct page *page, const struct server_tls *settings)
{
    struct slice ciphers = page_text(page, settings->ciphers);
    char *list;
    bool good;

    SSL_CTX_set_custom_verify(ssl, SSL_VERIFY_PEER, tls_verify_server);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, tls_kept_new);
    if (settings->certificates.count) {
        SSL_CTX_set_cert_cb(ssl, tls_show_certificate, NULL);
    }
    if (!SSL_CTX_set_min_proto_version(ssl, settings->min_version) ||
        !SSL_CTX_set_max_proto_version(ssl, settings->max_version)) {
        return false;
    }
    if (ciphers.len == 0) {
        return true;
    }
    list = xstrndup(ciphers.ptr, ciphers.len);
    good = SSL_CTX_set_strict_cipher_list(ssl, list) == 1;
    free(list);
    return good;
}

/* A reference, or NULL. Without X.509: certificates of servers are kept as bytes, once each. */
static struct tls_upstream *upstream_get(struct tls_worker *tls, const struct page *page,
                                         const struct server_tls *settings)
{
    struct tls_upstream *upstream = tls_upstream_find(tls, settings->identity);

    if (upstream) {
        use_unlink(tls, upstream);
    } else {
        SSL_CTX *ssl = SSL_CTX_new(TLS_with_buffers_method());

        if (ssl == NULL || !set_options(ssl, page, settings)) {
            SSL_CTX_free(ssl);
            return NULL;
        }
        upstream = xcalloc(1, sizeof(*upstream));
        upstream->identity = settings->identity;
        upstream->references = 1;
        upstream->ssl = ssl;
        tls->up_count++;
    }
    use_first(tls, upstream);
    if (tls->up_count > UPSTREAMS_MOST) {
        forget(tls, tls->up_oldest);
    }
    upstream->references++;
    return upstream;
}

/* Marks those that have settings on the page, at a cost that does not grow with both numbers. */
static void mark(const struct tls_worker *tls, const struct page *page)
{
    struct tls_upstream *places[2 * UPSTREAMS_MOST] = {NULL};
    const size_t size = ARRAY_LEN(places);

    for (struct tls_upstream *each = tls->up_newest; each; each = each->older) {
        size_t at = hash_finish(each->identity) % size;

        while (places[at]) {
            at = (at + 1) % size;
        }
        places[at] = each;
        each->stays = false;
    }
    for (uint32_t i = 0; i < server_tls_count(page); i++) {
        uint64_t identity = server_tls_at(page, i)->identity;

        for (size_t at = hash_finish(identity) % size; places[at]; at = (at + 1) % size) {
            places[at]->stays = places[at]->stays || places[at]->identity == identity;
        }
    }
}

void tls_upstream_switch(struct worker *worker)
{
    struct tls_worker *tls = worker->tls;

    if (tls->up_count == 0) {
        return;
    }
    mark(tls, worker->generation->pages[PAGE_TRANSPORTS]);
    for (struct tls_upstream *each = tls->up_newest, *next; each; each = next) {
        next = each->older;
        if (!each->stays) {
            forget(tls, each);
        }
    }
    tls_kept_sweep(tls);
}

void tls_upstream_stop(struct worker *worker)
{
    struct tls_worker *tls = worker->tls;

    while (tls->up_oldest) {
        forget(tls, tls->up_oldest);
    }
    tls_kept_free(tls);
}

/* ---- whom we look for ---- */
/* "name", "name:port", "v4:port", "[v6]", "[v6]:port" */
static struct slice without_port(struct slice host)
{
    ptrdiff_t end;

    if (host.len && host.ptr[0] == '[') {
        end = slice_find(host, ']');
        return end > 0 ? slice_of(host.ptr + 1, (size_t)end - 1) : host;
    }
    end = slice_find(host, ':');
    return end >= 0 && slice_rfind(host, ':') == end ? slice_head(host, (size_t)end) : host;
}

static bool set_name(struct tls_meeting *meeting, struct slice host)
{
    struct slice name = page_text(meeting->transports, meeting->settings->server_name);

    if (meeting->settings->server_name.len == 0) {
        name = without_port(host);
    }
    if (address_parse(name, &meeting->address)) {
        return slice_to_cstr(name, meeting->name, sizeof(meeting->name));
    }
    meeting->address.family = 0;
    while (name.len && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    return slice_to_cstr(name, meeting->name, sizeof(meeting->name)) && meeting->name[0];
}

/* ---- the handshake ---- */
static void meeting_end(struct tls *tls)
{
    struct tls_meeting *meeting = tls->meeting;

    if (meeting) {
        tls->meeting = NULL;
        page_unref(meeting->transports);
        page_unref(meeting->secrets);
        EVP_PKEY_free(meeting->key);
        free(meeting);
    }
}

void tls_upstream_leave(struct tls *tls)
{
    meeting_end(tls);
    unref(tls->upstream);
}

/* conn->tls, and its session with what the handshake says first. */
static bool session_make(struct conn *conn, const struct tls_upstream_want *want, struct error *why)
{
    struct tls *tls = conn->tls;
    struct tls_meeting *meeting = tls->meeting;
    BIO *bio = tls_bio(conn);

    tls->ssl = tls->upstream ? SSL_new(tls->upstream->ssl) : NULL;
    if (tls->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        error_set(why, 0, "%s", tls->upstream ? "no memory is left for it" : "its settings cannot be used");
        return false;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_connect_state(tls->ssl);
    SSL_set_shed_handshake_config(tls->ssl, 1);
    if (!set_name(meeting, want->host) ||
        (meeting->address.family == 0 && SSL_set_tlsext_host_name(tls->ssl, meeting->name) != 1)) {
        error_set(why, 0, "\"%s\" is no name to be asked for", meeting->name);
        return false;
    }
    if (want->alpn.len &&
        SSL_set_alpn_protos(tls->ssl, (const uint8_t *)want->alpn.ptr, (unsigned)want->alpn.len) != 0) {
        error_set(why, 0, "the list of protocols cannot be sent");
        return false;
    }
    tls_kept_offer(conn);
    return true;
}

int tls_upstream_start(struct conn *conn, const struct tls_upstream_want *want, struct error *why)
{
    struct worker *worker = conn->worker;
    struct page *transports = want->generation->pages[PAGE_TRANSPORTS];
    const struct server_tls *settings = server_tls_at(transports, want->settings);
    struct tls_meeting *meeting;
    struct tls *tls;
    bool good;

    if (settings == NULL) {
        return error_set(why, -EINVAL, "its settings of TLS are missing");
    }
    tls = record_take(worker, RECORD_TLS);
    tls = tls ? tls : xmalloc(sizeof(*tls));
    meeting = xcalloc(1, sizeof(*meeting));
    meeting->transports = page_ref(transports);
    meeting->secrets = page_ref(want->generation->pages[PAGE_SECRETS]);
    meeting->settings = settings;
    ERR_clear_error();
    *tls = (struct tls){
        .upstream = upstream_get(worker->tls, transports, settings),
        .meeting = meeting,
        .peer = want->peer,
        .wanted = TLS_RECORD_MOST,
    };
    conn->tls = tls;
    good = session_make(conn, want, why);
    ERR_clear_error();
    tls->broken = !good; /* nothing goes out */
    return good ? 0 : -EINVAL;
}

static void say_failure(const struct conn *conn, int sent, struct error *why)
{
    const struct tls *tls = conn->tls;
    uint32_t code = ERR_peek_last_error();

    if (tls->meeting->why.text[0]) {
        *why = tls->meeting->why;
    } else if (tls->ended || sent < 0) {
        error_set(why, 0, "it closed the connection in the middle of the handshake");
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER ||
                                                    ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)) {
        error_set(why, 0, "what it says is not TLS");
    } else {
        error_set(why, 0, "%s", tls_error_words());
    }
    ERR_clear_error();
}

enum tls_upstream_step tls_upstream_step(struct conn *conn, struct error *why)
{
    struct tls *tls = conn->tls;
    int rc, sent, reason;

    if (conn->io.broken || (conn_backed_up(conn) && conn->io.writable && conn_flush(conn) < 0)) {
        tls->ended = true;
        say_failure(conn, -1, why);
        tls->broken = true;
        return TLS_UPSTREAM_FAILED;
    }
    tls_begin(conn);
    tls->wanted = TLS_RECORD_MOST;
    rc = SSL_do_handshake(tls->ssl);
    reason = SSL_get_error(tls->ssl, rc);
    sent = tls_finish(conn);
    if (rc == 1 && sent == 0) {
        meeting_end(tls);
        conn->io.readable = conn->io.readable || tls->in || SSL_has_pending(tls->ssl);
        slab_count(conn->worker->slab, COUNT_UPSTREAM_HANDSHAKES, 1);
        slab_count(conn->worker->slab, COUNT_UPSTREAM_RESUMED, SSL_session_reused(tls->ssl) != 0);
        return TLS_UPSTREAM_DONE;
    }
    if (sent == 0 && (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)) {
        return TLS_UPSTREAM_MORE;
    }
    say_failure(conn, sent, why);
    tls->broken = true;
    tls_kept_drop(conn);
    return TLS_UPSTREAM_FAILED;
}

struct slice tls_upstream_protocol(const struct conn *conn)
{
    const uint8_t *name = NULL;
    unsigned len = 0;

    if (conn->tls) {
        SSL_get0_alpn_selected(conn->tls->ssl, &name, &len);
    }
    return slice_of((const char *)name, len);
}
