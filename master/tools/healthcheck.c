/*
 * healthcheck.c - `weir healthcheck [--ready] [flags]`: asks /ping of the weir that runs with this static configuration.
 *
 * For container health checks: exit 0 and "OK: URL", or exit 1 and a line that says why. As Traefik's it sends HEAD to
 * the ping entry point, in plain HTTP, and waits five seconds at most. --ready is ours: GET /ready, and what is missing.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/process.h"
#include "common/face.h"
#include "common/net/addr.h"
#include "master/static/load.h"

#define TIMEOUT_NS INT64_C(5000000000)

struct target {
    const char *method, *path;
    struct address addresses[2]; /* tried in this order */
    size_t count;
    struct slice host; /* as configured, as Traefik shows it */
};

struct answer {
    char status[64]; /* "200 OK" */
    char body[256];  /* its first line */
};

static bool is_any(const struct address *address)
{
    static const uint8_t zero[16];

    return address->family == 0 || memcmp(address->bytes, zero, sizeof(zero)) == 0;
}

/* A wildcard is reached over loopback: of IPv4 first, as long as it may be there. */
static void spread(struct target *target, const struct address *address)
{
    struct address four = {.bytes = {127, 0, 0, 1}, .family = 4, .port = address->port};
    struct address six = {.family = 6, .port = address->port};

    six.bytes[15] = 1;
    target->count = 1;
    if (!is_any(address)) {
        target->addresses[0] = *address;
        return;
    }
    target->addresses[0] = four;
    if (address->family != 4) {
        target->addresses[target->count++] = six;
    }
}

static int find_target(const struct static_config *config, struct target *target, struct error *why)
{
    const struct entry_point *entry = NULL;
    struct address address;
    bool udp;

    if (config->ping == NULL) {
        return error_set(why, -ENOENT, "please enable `ping` to use health check");
    }
    struct slice name = config->ping->entry_point.len > 0 ? config->ping->entry_point : SLICE("traefik");

    for (size_t i = 0; i < config->entry_points.count; i++) {
        if (slice_eq_nocase(config->entry_points.keys[i], name)) {
            entry = (const struct entry_point *)config->entry_points.values + i;
        }
    }
    if (entry == NULL) {
        return error_set(why, -ENOENT, "ping: missing %.*s entry point", SLICE_ARG(name));
    }
    int rc = entry_point_address(entry, &address, &udp, why);

    if (rc < 0) {
        return rc;
    }
    if (udp) {
        return error_set(why, -EINVAL, "ping: entry point %.*s is UDP", SLICE_ARG(name));
    }
    ptrdiff_t slash = slice_rfind(entry->address, '/');

    target->host = slash < 0 ? entry->address : slice_head(entry->address, (size_t)slash);
    spread(target, &address);
    return 0;
}

static int wait_for(int fd, short events, int64_t deadline, struct error *why)
{
    struct pollfd polled = {.fd = fd, .events = events};
    int64_t left = (deadline - process_clock_ns()) / 1000000;

    if (left <= 0 || poll(&polled, 1, (int)left) == 0) {
        return error_set(why, -ETIMEDOUT, "no answer within 5 s");
    }
    return 0;
}

static int connect_to(const struct address *to, int64_t deadline, int *out, struct error *why)
{
    struct sockaddr_storage address;
    socklen_t len = address_to_sockaddr(to, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0, rc = 0;
    socklen_t size = sizeof(error);

    if (fd == -1) {
        return error_set(why, -errno, "%s", strerror(errno));
    }
    if (connect(fd, (struct sockaddr *)&address, len) == -1) {
        error = errno;
        if (error == EINPROGRESS && (rc = wait_for(fd, POLLOUT, deadline, why)) == 0) {
            error = 0;
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        }
        if (rc == 0 && error != 0) {
            rc = error_set(why, -error, "%s", strerror(error));
        }
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

/* The first line of the answer's body, without what a terminal might act on. */
static void take_body(const char *text, struct answer *answer)
{
    const char *body = strstr(text, "\r\n\r\n");

    (void)snprintf(answer->body, sizeof(answer->body), "%s", body ? body + 4 : "");
    answer->body[strcspn(answer->body, "\r\n")] = '\0';
    for (char *at = answer->body; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
}

/* To the end of what comes, as we asked for the connection to be closed; more than fits is not for us. Of an answer
 * without a body the first line will do. */
static int read_answer(int fd, bool with_body, int64_t deadline, struct answer *answer, struct error *why)
{
    char text[4096] = "";
    size_t len = 0;
    int rc;

    while (len < sizeof(text) - 1 && (with_body || memchr(text, '\n', len) == NULL)) {
        if ((rc = wait_for(fd, POLLIN, deadline, why)) < 0) {
            return rc;
        }
        ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

        if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (n == -1) {
            return error_set(why, -errno, "%s", strerror(errno));
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    text[len] = '\0';
    if (memchr(text, '\n', len) == NULL) {
        return error_set(why, -ECONNRESET, "the connection was closed without an answer");
    }
    size_t line = strcspn(text, "\r\n");

    if (strncmp(text, "HTTP/1.", 7) != 0 || line < 12) {
        return error_set(why, -EPROTO, "the answer is not HTTP");
    }
    (void)snprintf(answer->status, sizeof(answer->status), "%.*s", (int)(line - 9), text + 9);
    take_body(text, answer);
    return 0;
}

static int exchange(int fd, const struct target *target, int64_t deadline, struct answer *answer,
                    struct error *why)
{
    char request[512];
    int len =
        snprintf(request, sizeof(request),
                 "%s %s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: weir-healthcheck\r\nConnection: close\r\n\r\n",
                 target->method, target->path, (int)(target->host.len < 256 ? target->host.len : 256),
                 target->host.ptr);

    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
        return error_set(why, -errno, "%s", strerror(errno));
    }
    return read_answer(fd, strcmp(target->method, "HEAD") != 0, deadline, answer, why);
}

static int ask(const struct target *target, struct answer *answer, struct error *why)
{
    int64_t deadline = process_clock_ns() + TIMEOUT_NS;
    int fd = -1, rc = -EINVAL;

    for (size_t i = 0; i < target->count && fd == -1; i++) {
        rc = connect_to(&target->addresses[i], deadline, &fd, why);
    }
    if (rc == 0) {
        rc = exchange(fd, target, deadline, answer, why);
        close(fd);
    }
    if (rc < 0) {
        error_prefix(why, "%s \"http://%.*s%s\"", target->method[0] == 'H' ? "Head" : "Get",
                     SLICE_ARG(target->host), target->path);
    }
    return rc;
}

/* Takes "--ready" out of the arguments, wherever it stands: all the others are those of the static configuration. */
static int take_ready(int argc, char **argv, struct target *target)
{
    int kept = 0;

    *target = (struct target){.method = "HEAD", .path = "/ping"};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--ready") == 0) {
            target->method = "GET";
            target->path = "/ready";
        } else {
            argv[kept++] = argv[i];
        }
    }
    return kept;
}

int face_healthcheck(int argc, char **argv)
{
    struct static_loaded loaded = {.form = STATIC_NONE};
    struct answer answer;
    struct target target;
    struct error why;
    int result = 1;

    argc = take_ready(argc, argv, &target);
    if (static_load(argc, argv, environ, &loaded, &why) < 0 ||
        find_target(&loaded.config, &target, &why) < 0 || ask(&target, &answer, &why) < 0) {
        (void)printf("Error calling healthcheck: %s\n", why.text);
    } else if (strncmp(answer.status, "200", 3) != 0) {
        (void)printf("Bad healthcheck status: %s%s%s\n", answer.status, answer.body[0] ? ": " : "",
                     answer.body);
    } else {
        (void)printf("OK: http://%.*s%s\n", SLICE_ARG(target.host), target.path);
        result = 0;
    }
    static_unload(&loaded);
    return result;
}
