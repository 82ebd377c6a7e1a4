/*
 * tls_accept.c - from the first byte of TLS on a connection to its protocol: ClientHello, options, certificate, handshake.
 *
 * hello      all of it is waited for, in the buffer that the first bytes came in; then everything that it takes to choose
 *            (tls_choose.c) is known, and the bytes are still there for whoever wants them as they came
 * handshake  only so many are under way at once (each takes some tens of KiB), the others wait in a queue, and for each that
 *            waits the oldest one under way has to hurry, so that silent clients keep nobody out; and in one turn of the loop
 *            only as many steps are made as leave room for everything else: signing takes a millisecond
 * protocol   by ALPN, from the table below
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/tls/tls_words.h"
#include "shm/tcp_page.h"
#include "worker/h2_client.h"
#include "worker/tcp_route.h"
#include "worker/tcp_session.h"
#include "worker/tls_inner.h"
#include "worker/tls_upstream.h"

#define HANDSHAKES_MOST 256
#define TURN_NS 1000000 /* so old may a turn be for another step to begin */

/* ---- protocols ---- */
static void start_h1(struct client *client)
{
    client_enter(client, CLIENT_IDLE);
    if (client->conn.io.readable) {
        poller_again(&client->conn.io);
    }
}

/* What may be agreed on, and who goes on. The first is for clients that ask for none. */
static const struct {
    struct slice name;
    void (*start)(struct client *client);
} protocols[] = {
    {SLICE_INIT("http/1.1"), start_h1},
    {SLICE_INIT("h2"), h2_start},
};

bool tls_protocol_served(struct slice protocol)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (slice_eq(protocols[i].name, protocol)) {
            return true;
        }
    }
    return false;
}

static void start_protocol(struct client *client)
{
    const uint8_t *name;
    unsigned len;

    if (client->tcp) {
        tcp_session_dial(client);
        return;
    }
    SSL_get0_alpn_selected(client->conn.tls->ssl, &name, &len);
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (len == 0 || slice_eq(protocols[i].name, slice_of((const char *)name, len))) {
            protocols[i].start(client);
            return;
        }
    }
}

/* ---- the queue, and who is under way ---- */
static void list_add(struct client_list *list, struct client *client)
{
    client->queue_next = NULL;
    client->queue_place = list->tail;
    *list->tail = client;
    list->tail = &client->queue_next;
}

static void list_remove(struct client_list *list, struct client *client)
{
    *client->queue_place = client->queue_next;
    if (client->queue_next) {
        client->queue_next->queue_place = client->queue_place;
    } else {
        list->tail = client->queue_place;
    }
    client->queue_place = NULL;
}

/* As many as wait, of those under way the oldest, have less time from now on. */
static void hurry(struct tls_worker *tls)
{
    while (tls->unhurried && tls->hurried < tls->waiting) {
        struct client *oldest = tls->unhurried;

        tls->unhurried = oldest->queue_next;
        tls->hurried++;
        oldest->hurried = true;
        client_arm(oldest);
    }
}

static void queue_add(struct client *client)
{
    struct tls_worker *tls = client->conn.worker->tls;

    if (client->queue_place) {
        return;
    }
    list_add(&tls->queue, client);
    tls->waiting++;
    hurry(tls);
}

static void next_in_turn(const struct tls_worker *tls)
{
    if (tls->queue.head && tls->handshakes < HANDSHAKES_MOST) {
        poller_again(&tls->queue.head->conn.io);
    }
}

static void queue_leave(struct client *client)
{
    struct tls_worker *tls = client->conn.worker->tls;

    if (client->queue_place) {
        list_remove(&tls->queue, client);
        tls->waiting--;
        next_in_turn(tls);
    }
}

static void handshake_over(struct client *client)
{
    struct tls_worker *tls = client->conn.worker->tls;

    if (client->queue_place == NULL) {
        return; /* it was over already: its protocol is about to begin */
    }
    if (tls->unhurried == client) {
        tls->unhurried = client->queue_next;
    }
    list_remove(&tls->shaking, client);
    tls->handshakes--;
    tls->hurried -= client->hurried;
    client->hurried = false;
    next_in_turn(tls);
}

void tls_accept_leave(struct client *client)
{
    if (client->state == CLIENT_HANDSHAKE) {
        handshake_over(client);
    } else {
        queue_leave(client);
    }
}

/* ---- refusing ---- */
static void count_failure(struct client *client, const char *why)
{
    log_at(LOG_LEVEL_DEBUG, LOG_FIELDS("reason", reason_name(REASON_tls_handshake)),
           "no TLS with %.*s on %s: %s", client->peer_text_len, client->peer_text, client->listener->name,
           why);
    slab_count(client->conn.worker->slab, COUNT_REASONS + REASON_tls_handshake, 1);
}

/* Before there is a session: an alert as bare bytes. */
static void refuse(struct client *client, uint8_t alert, const char *why)
{
    const char record[] = {21, 3, 1, 0, 2, 2, (char)alert};

    count_failure(client, why);
    tls_accept_leave(client);
    if (conn_send_one(&client->conn, slice_of(record, sizeof(record))) < 0 || conn_backed_up(&client->conn)) {
        client_close(client);
        return;
    }
    client_linger(client);
}

void tls_accept_late(struct client *client)
{
    count_failure(client, client->state == CLIENT_HELLO ? "the ClientHello did not arrive in time"
                                                        : "the handshake was not over in time");
    client_close(client);
}

/* ---- the handshake ---- */
static void failed(struct client *client)
{
    struct conn *conn = &client->conn;
    bool ended = conn->tls->ended;

    count_failure(client, ended ? "the client went away" : tls_error_words());
    tls_accept_leave(client);
    client->state = CLIENT_LINGER;
    tls_close(conn, false);
    if (ended || conn_backed_up(conn)) {
        client_close(client);
    } else {
        client_linger(client);
    }
}

/* BoringSSL sends tickets with the first answer, so nothing tells the client that its last message came; and a client that
 * does not switch Nagle's algorithm off waits for that before it asks: 40 ms, as long as the kernel waits with bare ACKs. */
static void acknowledge(struct conn *conn)
{
    int on = 1;

    if (!conn->io.readable) {
        setsockopt(conn->io.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    }
}

static void succeeded(struct client *client)
{
    struct conn *conn = &client->conn;
    struct worker *worker = conn->worker;
    SSL *ssl = conn->tls->ssl;

    slab_count(worker->slab, COUNT_HANDSHAKES, 1);
    slab_count(worker->slab, COUNT_RESUMED, SSL_session_reused(ssl) != 0);
    log_debug("TLS with %.*s: %s, %s%s%s", client->peer_text_len, client->peer_text, SSL_get_version(ssl),
              SSL_get_cipher_name(ssl), SSL_session_reused(ssl) ? ", resumed" : "",
              SSL_get0_peer_certificates(ssl) ? ", with a certificate of the client" : "");
    handshake_over(client);
    client->opened_ns = worker->now_ns;
    conn->io.readable = conn->io.readable || conn->tls->in || SSL_has_pending(ssl);
    acknowledge(conn);
    start_protocol(client);
}

static bool turn_is_over(struct client *client)
{
    if (process_clock_ns() - client->conn.worker->now_ns < TURN_NS) {
        return false;
    }
    poller_again(&client->conn.io);
    return true;
}

static void handshake_step(struct client *client)
{
    struct conn *conn = &client->conn;
    struct tls *tls = conn->tls;
    int rc, sent, reason;

    if (conn->io.broken) {
        tls->ended = true;
        failed(client);
        return;
    }
    if (turn_is_over(client)) {
        return;
    }
    tls_begin(conn);
    tls->wanted = TLS_RECORD_MOST;
    rc = SSL_do_handshake(tls->ssl);
    reason = SSL_get_error(tls->ssl, rc);
    sent = tls_finish(conn);
    stopwatch_end(&conn->worker->watch, LAP_CLIENT);
    if (sent < 0) {
        tls->ended = true;
    }
    if (rc == 1 && sent == 0) {
        succeeded(client);
    } else if (sent < 0 || (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)) {
        failed(client);
    }
}

static void handshake_start(struct client *client, struct tls_live *live, bool chacha20)
{
    struct conn *conn = &client->conn;
    struct worker *worker = conn->worker;
    struct tls *tls = record_take(worker, RECORD_TLS);
    BIO *bio = tls_bio(conn);

    tls = tls ? tls : xmalloc(sizeof(*tls));
    *tls = (struct tls){.ssl = SSL_new(live->ssl), .live = live};
    if (tls->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        SSL_free(tls->ssl);
        tls_live_unref(live);
        record_give(worker, RECORD_TLS, tls);
        refuse(client, SSL_AD_INTERNAL_ERROR, "no memory is left for it");
        return;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, client->tcp); /* which protocols there are: tls_live.c */
    SSL_set_accept_state(tls->ssl);
    if (chacha20) { /* its order: it has no AES in hardware; our order begins with AES */
        SSL_clear_options(tls->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    }
    SSL_set_shed_handshake_config(tls->ssl, 1);
    tls->in = client->in;
    client->in = NULL;
    conn->tls = tls;
    worker->tls->handshakes++;
    list_add(&worker->tls->shaking, client);
    worker->tls->unhurried = worker->tls->unhurried ? worker->tls->unhurried : client;
    client->request_ns = worker->now_ns;
    client_enter(client, CLIENT_HANDSHAKE);
    hurry(worker->tls); /* it too, when more wait than are under way */
    handshake_step(client);
}

/* ---- the hello ---- */
/* False: there is nothing yet, or the connection is over. */
static bool read_more(struct client *client)
{
    struct buffer *in = client->in;
    ssize_t n;

    if (in->to == in->size) {
        refuse(client, SSL_AD_DECODE_ERROR, "the ClientHello is too long");
        return false;
    }
    if (!client->conn.io.readable) {
        return false;
    }
    n = io_read(&client->conn.io, in->data + in->to, in->size - in->to);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            count_failure(client, "the connection ended within the ClientHello");
            client_close(client);
        }
        return false;
    }
    slab_count(client->conn.worker->slab, COUNT_BYTES_IN, (uint64_t)n);
    in->to += (uint32_t)n;
    return true;
}

/* True: a TCP router took it, or it is refused. */
static bool is_for_tcp(struct client *client, const struct tls_hello *hello)
{
    const struct entry_options *entry = &client->listener->options;
    char space[TLS_NAME_SIZE];
    struct slice name;
    bool sent;

    if (!(entry->tcp & TCP_TLS)) {
        return false;
    }
    if (entry->row->acme_taken && tls_hello_offers(hello, TLS_ACME_PROTOCOL)) {
        return false; /* whatever the name */
    }
    if (!tls_hello_name(client, hello, space, &name, &sent)) {
        refuse(client, SSL_AD_DECODE_ERROR, "the server name is too long");
        return true;
    }
    if (tcp_route_hello(client, hello, sent ? name : SLICE(""))) {
        return true;
    }
    if (client->starttls && client->tcp == NULL) {
        refuse(client, SSL_AD_UNRECOGNIZED_NAME, "no TCP router takes it after STARTTLS");
        return true;
    }
    return false;
}

static void hello_ready(struct client *client)
{
    struct tls_worker *tls = client->conn.worker->tls;
    enum tls_hello_result result;
    struct tls_refusal refusal;
    struct tls_hello hello;
    struct tls_live *live;

    do {
        struct slice bytes = slice_of(client->in->data + client->in->from, buffer_len(client->in));

        result = tls_hello_read(bytes, tls->plain, &hello);
    } while (result == TLS_HELLO_MORE && read_more(client));
    if (result == TLS_HELLO_MORE) {
        return;
    }
    if (result != TLS_HELLO_DONE) {
        refuse(client, SSL_AD_DECODE_ERROR, "the ClientHello is malformed");
        return;
    }
    if (is_for_tcp(client, &hello)) {
        queue_leave(client); /* the router may have come while the client waited */
        return;
    }
    if (tls->handshakes >= HANDSHAKES_MOST) {
        queue_add(client);
        return;
    }
    if (turn_is_over(client)) {
        return;
    }
    queue_leave(client);
    live = tls_choose(client, &hello, &refusal);
    if (live) {
        handshake_start(client, live, tls_hello_prefers_chacha20(&hello));
    } else {
        refuse(client, refusal.alert, refusal.why);
    }
    next_in_turn(tls);
}

void tls_accept_ready(struct client *client)
{
    if (client->state == CLIENT_HELLO) {
        hello_ready(client);
    } else {
        handshake_step(client);
    }
}

void tls_accept(struct client *client)
{
    client_enter(client, CLIENT_HELLO);
    hello_ready(client);
}

/* ---- the worker's ---- */
void tls_start(struct worker *worker)
{
    struct tls_worker *tls = xcalloc(1, sizeof(*tls));

    tls->worker = worker;
    tls->queue.tail = &tls->queue.head;
    tls->shaking.tail = &tls->shaking.head;
    tls->received = xmalloc(TLS_RECEIVE_SIZE);
    tls->plain = xmalloc(TLS_RECORD_MOST);
    worker->tls = tls;
    record_kind_set(worker, RECORD_TLS, free);
}

void tls_stop(struct worker *worker)
{
    struct tls_worker *tls = worker->tls;

    tls_lives_drop(tls);
    tls_upstream_stop(worker);
    tls_tickets_set(tls, NULL);
    tls_stream_stop();
    free(tls->out.ptr);
    free(tls->received);
    free(tls->plain);
    free(tls);
    worker->tls = NULL;
}

void tls_switch(struct worker *worker)
{
    tls_tickets_set(worker->tls, worker->generation->pages[PAGE_SECRETS]);
    tls_upstream_switch(worker);
}
