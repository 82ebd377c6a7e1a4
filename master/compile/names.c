/*
 * names.c - c-ares under libuv: one channel, one poll handle a socket, one timer for what is next.
 *
 * Queries are made on the loop only, the mutex is not held meanwhile. The hosts file comes before DNS, as usual.
 *
 * Not here: the table of what is known (names_table.c).
 */
#include "master/compile/names.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/compile/names_inner.h"

#define TTL_MIN 5000u /* ms; answers of the hosts file have none */
#define TTL_MAX 300000u
#define RETRY_MIN 1000u /* after a failure, doubled each time */
#define RETRY_MAX 30000u
#define QUERIES_MAX 64u    /* in flight at once */
#define ADDRESSES_MAX 256u /* of one name: more are cut */
#define RESOLVER_FILE "/etc/resolv.conf"

struct socket_poll {
    struct names *names;
    uv_poll_t poll;
    ares_socket_t fd;
};

static void schedule(struct names *names);
static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable);

/* ---- answers (on the loop) ---- */

static int address_order(const void *a, const void *b)
{
    const struct address *x = a, *y = b;

    /* IPv4 first: where both are given it is what reaches in the most networks */
    return x->family != y->family ? (int)x->family - (int)y->family
                                  : memcmp(x->bytes, y->bytes, sizeof(x->bytes));
}

static size_t answer_take(const struct ares_addrinfo *answer, struct address *out, unsigned *ttl_ms)
{
    size_t count = 0, unique = 0;
    unsigned ttl = TTL_MAX / 1000;

    for (const struct ares_addrinfo_node *node = answer->nodes; node && count < ADDRESSES_MAX;
         node = node->ai_next) {
        address_from_sockaddr(node->ai_addr, &out[count]);
        out[count].port = 0;
        count += out[count].family != 0;
        if (node->ai_ttl >= 0 && (unsigned)node->ai_ttl < ttl) {
            ttl = (unsigned)node->ai_ttl;
        }
    }
    if (count > 1) {
        qsort(out, count, sizeof(*out), address_order);
    }
    for (size_t i = 0; i < count; i++) {
        if (unique == 0 || !address_equal(&out[unique - 1], &out[i])) {
            out[unique++] = out[i];
        }
    }
    *ttl_ms = ttl * 1000 < TTL_MIN ? TTL_MIN : ttl * 1000;
    return unique;
}

/* True when it differs from what was known. Mutex held. */
static bool name_keep(struct name *name, const struct address *addresses, size_t count)
{
    if (name->count == count && memcmp(name->addresses, addresses, count * sizeof(*addresses)) == 0) {
        return false;
    }
    free(name->addresses);
    name->addresses = xmalloc(count * sizeof(*addresses));
    memcpy(name->addresses, addresses, count * sizeof(*addresses));
    name->count = count;
    return true;
}

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct name *name = context;
    struct names *names = name->names;
    struct address found[ADDRESSES_MAX];
    unsigned wait_ms = 0;
    size_t count = 0;
    bool said;

    (void)timeouts;
    if (status == ARES_SUCCESS && answer) {
        count = answer_take(answer, found, &wait_ms);
    }
    if (answer) {
        ares_freeaddrinfo(answer);
    }
    pthread_mutex_lock(&names->mutex);
    name->asking = false;
    names->queries--;
    if (names->closing) {
        pthread_mutex_unlock(&names->mutex);
        return;
    }
    said = name->failed;
    name->failed = count == 0;
    if (count > 0) {
        name->retry_ms = 0;
        names->news |= name_keep(name, found, count);
    } else {
        wait_ms = name->retry_ms = name->retry_ms == 0              ? RETRY_MIN
                                   : name->retry_ms * 2 < RETRY_MAX ? name->retry_ms * 2
                                                                    : RETRY_MAX;
    }
    name->answered = true;
    name->due_ms = uv_now(names->loop) + wait_ms;
    count = name->count;
    pthread_mutex_unlock(&names->mutex);
    if (name->failed && !said) {
        log_warn("cannot resolve %s: %s%s", name->host,
                 status == ARES_SUCCESS ? "no address" : ares_strerror(status),
                 count ? " (its last addresses are kept)"
                       : ": servers of that name get nothing (weir status says of which services)");
    } else if (said && !name->failed) {
        log_info("%s resolves again", name->host);
    }
}

/* ---- asking (on the loop) ---- */

static void name_ask(struct names *names, struct name *name)
{
    const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};

    ares_getaddrinfo(names->channel, name->host, NULL, &hints, on_answer, name);
}

static struct timespec resolver_time(void)
{
    struct stat st = {0};

    (void)stat(RESOLVER_FILE, &st); /* none: the beginning of time, as good as any other */
    return st.st_mtim;
}

static int channel_open(struct names *names, struct error *why)
{
    struct ares_options options = {.timeout = 2000,
                                   .tries = 3,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = names,
                                   .lookups = (char *)(uintptr_t) "fb"};
    ares_channel channel;
    int rc = ares_library_init(ARES_LIB_INIT_ALL);

    names->resolver_time = resolver_time();
    if (rc == ARES_SUCCESS) {
        rc = ares_init_options(&channel, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
                                   ARES_OPT_LOOKUPS);
    }
    if (rc != ARES_SUCCESS) {
        return error_set(why, -EIO, "cannot set up name resolution: %s", ares_strerror(rc));
    }
    names->channel = channel;
    return 0;
}

/* c-ares reads its configuration once; hosts get another name server while we run. Between questions only. */
static void channel_refresh(struct names *names)
{
    struct timespec now = resolver_time();
    ares_channel old = names->channel;
    struct error why;

    if (names->queries > 0 ||
        (now.tv_sec == names->resolver_time.tv_sec && now.tv_nsec == names->resolver_time.tv_nsec)) {
        return;
    }
    if (channel_open(names, &why) < 0) {
        log_warn("%s: the servers of before are asked", why.text);
        names->resolver_time = now;
        return;
    }
    ares_destroy(old);
    log_info("%s has changed: its name servers are asked from now on", RESOLVER_FILE);
}

/* Asks what is due, a bounded number at once. The queries are made without the mutex: an answer may come at once. */
static void ask_due(struct names *names)
{
    struct name *due[QUERIES_MAX];
    size_t count = 0;
    uint64_t now = uv_now(names->loop);

    channel_refresh(names);
    pthread_mutex_lock(&names->mutex);
    names_forget(names);
    for (size_t i = 0; i < names->size && names->queries < QUERIES_MAX; i++) {
        struct name *name = names->table[i];

        if (name && !name->asking && name->due_ms <= now) {
            name->asking = true;
            names->queries++;
            due[count++] = name;
        }
    }
    pthread_mutex_unlock(&names->mutex);
    for (size_t i = 0; i < count; i++) {
        name_ask(names, due[i]);
    }
}

static uint64_t next_due(struct names *names)
{
    uint64_t due = UINT64_MAX;

    pthread_mutex_lock(&names->mutex);
    if (names->queries < QUERIES_MAX) { /* else an answer comes first */
        for (size_t i = 0; i < names->size; i++) {
            const struct name *name = names->table[i];

            if (name && !name->asking && name->due_ms < due) {
                due = name->due_ms;
            }
        }
    }
    pthread_mutex_unlock(&names->mutex);
    return due;
}

static void on_timer(uv_timer_t *timer)
{
    struct names *names = timer->data;

    ares_process_fd(names->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what has timed out */
    ask_due(names);
    schedule(names);
}

/* After anything that happened: tells news, sets the timer to what comes first. */
static void schedule(struct names *names)
{
    uint64_t due, now, wait;
    struct timeval room, *next;

    if (names->closing) {
        return;
    }
    if (names->news) {
        names->news = false;
        names_store(names);
        names->changed(names->context);
        if (names->closing) {
            return;
        }
    }
    due = next_due(names);
    now = uv_now(names->loop);
    wait = due == UINT64_MAX ? UINT64_MAX : due > now ? due - now : 0;
    if ((next = ares_timeout(names->channel, NULL, &room)) != NULL) {
        uint64_t timeout = (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1;

        wait = timeout < wait ? timeout : wait;
    }
    if (wait == UINT64_MAX) {
        (void)uv_timer_stop(&names->timer);
    } else {
        (void)uv_timer_start(&names->timer, on_timer, wait, 0);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct names *names = wake->data;

    uv_update_time(names->loop);
    ask_due(names);
    schedule(names);
}

/* ---- sockets of c-ares ---- */

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct socket_poll *socket = poll->data;
    struct names *names = socket->names;
    ares_socket_t fd = socket->fd;

    if (status < 0) {
        events = UV_READABLE | UV_WRITABLE; /* c-ares finds out what is wrong */
    }
    ares_process_fd(names->channel, events & UV_READABLE ? fd : ARES_SOCKET_BAD,
                    events & UV_WRITABLE ? fd : ARES_SOCKET_BAD);
    ask_due(names);
    schedule(names);
}

static void names_destroy(struct names *names)
{
    names_table_free(names);
    if (names->store_fd != -1) {
        close(names->store_fd);
    }
    free(names);
}

static void handle_closed(struct names *names)
{
    if (--names->handles == 0) {
        names_destroy(names);
    }
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct socket_poll *socket = handle->data;
    struct names *names = socket->names;

    free(socket);
    handle_closed(names);
}

static void socket_open(struct names *names, ares_socket_t fd, int events)
{
    for (size_t i = 0; i < NAMES_SOCKETS; i++) {
        struct socket_poll *made;

        if (names->sockets[i]) {
            continue;
        }
        made = xcalloc(1, sizeof(*made));
        made->names = names;
        made->fd = fd;
        made->poll.data = made;
        if (uv_poll_init(names->loop, &made->poll, fd) < 0) {
            free(made); /* the query times out and is tried again */
            return;
        }
        names->handles++;
        names->sockets[i] = made;
        (void)uv_poll_start(&made->poll, events, on_socket);
        return;
    }
}

/* c-ares says which of its sockets it wants to read or write; neither: it is about to close it. */
static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct names *names = context;
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);

    for (size_t i = 0; i < NAMES_SOCKETS; i++) {
        struct socket_poll *socket = names->sockets[i];

        if (!socket || socket->fd != fd) {
            continue;
        }
        if (events) {
            (void)uv_poll_start(&socket->poll, events, on_socket);
        } else {
            (void)uv_poll_stop(&socket->poll);
            names->sockets[i] = NULL;
            uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
        }
        return;
    }
    if (events && !names->closing) {
        socket_open(names, fd, events);
    }
}

/* ---- life ---- */

int names_new(uv_loop_t *loop, names_changed *changed, void *context, struct names **out, struct error *why)
{
    struct names *names = xcalloc(1, sizeof(*names));
    int rc = channel_open(names, why);

    if (rc < 0) {
        free(names);
        return rc;
    }
    names->loop = loop;
    names->changed = changed;
    names->context = context;
    names->store_fd = -1;
    names_table_make(names);
    if ((rc = uv_async_init(loop, &names->wake, on_wake)) < 0) {
        ares_destroy(names->channel);
        names_destroy(names);
        return error_set(why, rc, "cannot set up name resolution: %s", uv_strerror(rc));
    }
    (void)uv_timer_init(loop, &names->timer);
    names->timer.data = names->wake.data = names;
    names->handles = 2;
    *out = names;
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void names_close(struct names *names)
{
    if (!names || names->closing) {
        return;
    }
    names->closing = true;
    ares_destroy(names->channel); /* ends all queries: on_answer() for each, and closes the sockets */
    uv_close((uv_handle_t *)&names->timer, on_handle_closed);
    uv_close((uv_handle_t *)&names->wake, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_deadline_closed(uv_handle_t *handle)
{
    free(handle);
}

void names_settle(struct names *names, unsigned timeout_ms)
{
    uv_timer_t *deadline = xcalloc(1, sizeof(*deadline));
    bool over = false;

    (void)uv_timer_init(names->loop, deadline);
    deadline->data = &over;
    uv_update_time(names->loop);
    (void)uv_timer_start(deadline, on_deadline, timeout_ms, 0);
    while (!over && names_pending(names)) {
        (void)uv_run(names->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(deadline);
    uv_close((uv_handle_t *)deadline, on_deadline_closed);
}
