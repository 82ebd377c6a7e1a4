/*
 * listener.c - accepting: see listener.h.
 *
 * Options of the sockets (no delay, keep-alive probes) are set on the listening socket once: accepted ones inherit them.
 */
#include "worker/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/http/path.h"
#include "shm/tcp_page.h"
#include "worker/h1_client.h"
#include "worker/shed.h"
#include "worker/worker.h"

#define ACCEPTS_AT_END 4096 /* an owner of the socket may be there that goes on */
#define ACCEPT_RETRY_MS 200
#define ACCEPT_SAID_NS (INT64_C(1) * 1000000000)
#define MAX_HEADER_FIELDS 1000
#define H2_STREAMS 250 /* what Go takes for 0 */
#define H2_TABLE 4096
#define TARGET_ROOM 16 /* for a method: a target that is too long is told as that (414) before the head is */
#define HEAD_SLOP 4096 /* Go reads that much more than maxHeaderBytes before it gives up */
#define KEEP_ALIVE_IDLE_SECONDS 180

static unsigned refused_characters(const struct encoded_characters *allow)
{
    return (allow->allow_encoded_slash ? 0u : PATH_SLASH) |
           (allow->allow_encoded_back_slash ? 0u : PATH_BACK_SLASH) |
           (allow->allow_encoded_null_character ? 0u : PATH_NULL) |
           (allow->allow_encoded_semicolon ? 0u : PATH_SEMICOLON) |
           (allow->allow_encoded_percent ? 0u : PATH_PERCENT) |
           (allow->allow_encoded_question_mark ? 0u : PATH_QUESTION) |
           (allow->allow_encoded_hash ? 0u : PATH_HASH);
}

static enum underscore_strategy underscore_strategy(struct slice name)
{
    if (slice_eq(name, SLICE("delete"))) {
        return UNDERSCORE_DELETE;
    }
    return slice_eq(name, SLICE("reject")) ? UNDERSCORE_REJECT : UNDERSCORE_KEEP;
}

static bool row_named(const struct page *page, uint32_t number, const char *name)
{
    return slice_eq(page_text(page, entry_points_at(page, number)->name), slice_cstr(name));
}

static uint32_t number_or(int64_t number, uint32_t fallback)
{
    return number > 0 ? (uint32_t)number : fallback;
}

static void read_options(struct entry_options *options, const struct page *page,
                         const struct entry_point_row *row)
{
    const struct static_root *root = page_root(page);
    const struct entry_point *config = &row->config;
    int64_t max_head = config->http.max_header_bytes; /* never 0: static_derive() */

    options->row = row;
    options->read_timeout = config->transport.responding_timeouts.read_timeout;
    options->write_timeout = config->transport.responding_timeouts.write_timeout;
    options->idle_timeout = config->transport.responding_timeouts.idle_timeout;
    options->keep_alive_max_time = config->transport.keep_alive_max_time;
    options->grace_time_out = config->transport.life_cycle.grace_time_out;
    options->keep_alive_max_requests = config->transport.keep_alive_max_requests;
    options->limits = (struct h1_limits){
        .max_head = (size_t)max_head + HEAD_SLOP,
        .max_target = (size_t)max_head + HEAD_SLOP - TARGET_ROOM,
        .max_headers = MAX_HEADER_FIELDS,
    };
    options->h2_streams = number_or(config->http2.max_concurrent_streams, H2_STREAMS);
    options->h2_decoder_table = number_or(config->http2.max_decoder_header_table_size, H2_TABLE);
    options->h2_encoder_table = number_or(config->http2.max_encoder_header_table_size, H2_TABLE);
    options->refused = refused_characters(&config->http.encoded_characters);
    options->sanitize_path = config->http.sanitize_path;
    options->encode_query_semicolons = config->http.encode_query_semicolons;
    options->underscores = underscore_strategy(page_text(page, config->http.underscore_headers_strategy));
    options->trust_all = config->forwarded_headers.insecure;
    options->not_append_forwarded_for = config->forwarded_headers.not_append_x_forwarded_for;
    options->scheme_headers = config->forwarded_headers.add_x_forwarded_scheme_headers;
    options->trusted = page_at(page, row->trusted.items);
    options->trusted_count = row->trusted.count;
    options->proxy_protocol = row->proxy_protocol;
    options->proxy_insecure = row->proxy_insecure;
    options->proxies = page_text(page, row->proxies);
    options->connection = page_at(page, config->forwarded_headers.connection.items);
    options->connection_count = config->forwarded_headers.connection.count;
    options->host_name = page_text(page, root->host_name);
}

void listener_refresh(struct listener *listener, struct generation *generation)
{
    struct entry_options *options = &listener->options;
    const struct page *page = generation->pages[PAGE_STATIC];
    uint32_t count = entry_points_count(page);
    uint32_t number = options->number;

    if (number >= count || !row_named(page, number, listener->name)) {
        for (number = 0; number < count && !row_named(page, number, listener->name); number++) {
        }
        if (number == count) {
            if (options->generation && listener->cut_ns == TIMER_NEVER) {
                listener->cut_ns = listener->worker->now_ns + options->grace_time_out;
            }
            return;
        }
    }
    listener->cut_ns = TIMER_NEVER;

    struct generation *old = options->generation;

    options->generation = generation_ref(generation);
    options->number = number;
    read_options(options, page, entry_points_at(page, number));
    options->tcp = tcp_point_flags(generation->pages[PAGE_TCP], number);
    generation_unref(old);
}

static void listener_unlink(struct listener *listener)
{
    struct listener **at = &listener->worker->listeners;

    while (*at && *at != listener) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = listener->next;
    }
}

static void free_if_unused(struct listener *listener)
{
    if (listener->closing && listener->clients == 0 && listener->io.fd == -1) {
        listener_unlink(listener);
        generation_unref(listener->options.generation);
        free(listener);
    }
}

/* Its descriptor is free: whoever waits for one looks in this turn or the next; a timer that is set would wait for the end of
 * its tick. */
static void try_again(struct worker *worker)
{
    worker->accept_waits = false;
    for (struct listener *listener = worker->listeners; listener; listener = listener->next) {
        if (listener->waits) {
            timer_again(worker->timers, &listener->retry);
        }
    }
}

void listener_release(struct listener *listener)
{
    listener->clients--;
    if (listener->worker->accept_waits) {
        try_again(listener->worker);
    }
    if (!listener->io.dead) { /* else on_closed has not run yet and will do it */
        free_if_unused(listener);
    }
}

static void on_closed(struct io *io)
{
    io->dead = false;
    free_if_unused((struct listener *)io);
}

/* Sooner when a client goes: listener_release(). */
static void retry_later(struct listener *listener)
{
    struct worker *worker = listener->worker;

    listener->waits = worker->accept_waits = true;
    timer_set(worker->timers, &listener->retry, worker->now_ns + ACCEPT_RETRY_MS * INT64_C(1000000));
}

/* The queue keeps the others meanwhile. Without the pause the loop would spin on the same refusal. */
static void out_of_descriptors(struct listener *listener)
{
    if (listener->worker->now_ns - listener->said_ns >= ACCEPT_SAID_NS) {
        listener->said_ns = listener->worker->now_ns;
        log_warn("entry point %s: cannot accept a connection: %m; trying again when one goes",
                 listener->name);
    }
    slab_count(listener->worker->slab, COUNT_REASONS + REASON_limit, 1);
    poller_watch(&listener->io, false);
    retry_later(listener);
}

/* The next descriptor would be one that clients may have. */
static bool descriptor_free(const struct worker *worker)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* a kind that the sandbox allows */

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0 && fd < worker->fd_clients;
}

static void on_retry(struct timer *timer)
{
    struct listener *listener = (struct listener *)((char *)timer - offsetof(struct listener, retry));

    listener->waits = false;
    if (descriptor_free(listener->worker)) {
        poller_watch(&listener->io, true);
    } else {
        retry_later(listener);
    }
}

/* One connection; false when there is none left or none may be taken now. */
static bool accept_one(struct listener *listener)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof(from);
    int fd = accept4(listener->io.fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            out_of_descriptors(listener);
            return false;
        }
        return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }

    struct address peer;

    address_from_sockaddr((const struct sockaddr *)&from, &peer);
    if (budget_admits(listener->worker)) {
        client_accept(listener, fd, &peer);
    } else {
        shed_refuse(listener, fd, &peer);
    }
    if (fd >= listener->worker->fd_clients && !listener->closing) {
        errno = EMFILE; /* the rest is for servers and for the next generation */
        out_of_descriptors(listener);
        return false;
    }
    return true;
}

void listener_end(struct listener *listener)
{
    listener->closing = true;
    if (listener->io.fd < 0) {
        return;
    }
    timer_remove(listener->worker->timers, &listener->retry);
    poller_forget(&listener->io); /* the guard holds it too */
    io_close(&listener->io);
    if (listener->place.slot == listener->worker->slot) {
        log_debug("entry point %s: no longer accepting", listener->name);
    } else {
        log_debug("entry point %s: no longer accepting for slot %u", listener->name, listener->place.slot);
    }
}

static void on_ready(struct io *io)
{
    struct listener *listener = (struct listener *)io;
    int64_t piece = piece_begin();
    bool more = true;

    while (more && !piece_is_over(piece)) {
        more = accept_one(listener) && (!listener->closing || --listener->left > 0);
    }
    if (listener->closing && !more) {
        listener_end(listener);
    } else if (listener->closing) {
        poller_again(io); /* also when it is not watched, for want of descriptors */
    }
}

static bool is_open(const struct worker *worker, struct socket_place place)
{
    for (const struct listener *listener = worker->listeners; listener; listener = listener->next) {
        if (!listener->closing && listener->place.set == place.set && listener->place.slot == place.slot) {
            return true;
        }
    }
    return false;
}

int listener_open(struct worker *worker, int fd, uint32_t entry_point, const char *name,
                  struct socket_place place, struct error *why)
{
    if (is_open(worker, place)) {
        close(fd);
        return 0;
    }
    size_t length = strlen(name) + 1;
    struct listener *listener = xcalloc(1, sizeof(*listener) + length);
    int on = 1, idle = KEEP_ALIVE_IDLE_SECONDS;
    int rc;

    memcpy(listener->name, name, length);
    listener->worker = worker;
    listener->place = place;
    listener->options.number = entry_point;
    listener->io.kind = LAP_ACCEPT;
    listener->io.on_ready = on_ready;
    listener->io.on_closed = on_closed;
    listener->retry.fire = on_retry;
    listener->cut_ns = TIMER_NEVER;
    listener_refresh(listener, worker->generation);
    if (listener->options.generation == NULL) {
        rc = error_set(why, -ENOENT, "generation %llu has no entry point %s",
                       (unsigned long long)worker->generation->number, name);
        goto fail;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    rc = poller_add(worker->poller, &listener->io, fd, true);
    if (rc < 0) {
        error_set(why, rc, "entry point %s: cannot watch its socket: %s", name, strerror(-rc));
        goto fail;
    }
    listener->next = worker->listeners;
    worker->listeners = listener;
    if (place.slot == worker->slot) {
        log_debug("entry point %s: accepting", name);
    } else {
        log_debug("entry point %s: accepting for slot %u too", name, place.slot);
    }
    return 0;

fail:
    generation_unref(listener->options.generation);
    free(listener);
    close(fd);
    return rc;
}

void listener_close(struct listener *listener, bool leaving)
{
    listener->leaving = listener->leaving || leaving;
    if (listener->closing) {
        return;
    }
    listener->closing = true;
    listener->left = ACCEPTS_AT_END;
    timer_remove(listener->worker->timers, &listener->retry);
    poller_again(&listener->io); /* on_ready() empties the queue, and closes */
}
