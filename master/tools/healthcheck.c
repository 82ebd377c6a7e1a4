/*
 * healthcheck.c - `weir healthcheck [flags]`: asks /ping of the weir that runs with this static configuration.
 *
 * For container health checks: exit 0 and "OK: URL", or exit 1 and a line that says why. As Traefik's it sends HEAD to
 * the ping entry point and waits five seconds at most.
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
    struct address address;
    char url[ADDRESS_TEXT_SIZE + 32];
};

/* Where to ask: a wildcard is reached over loopback. */
static int find_target(const struct static_config *config, struct target *target, struct error *why)
{
    const struct entry_point *entry = NULL;
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
    int rc = entry_point_address(entry, &target->address, &udp, why);

    if (rc < 0) {
        return rc;
    }
    static const uint8_t zero[16];
    static const uint8_t loopback[16] = {127, 0, 0, 1};
    bool any = target->address.family == 0 || memcmp(target->address.bytes, zero, sizeof(zero)) == 0;

    if (any) {
        target->address.family = 4;
        memcpy(target->address.bytes, loopback, sizeof(loopback));
        (void)snprintf(target->url, sizeof(target->url), "http://:%u/ping", target->address.port);
    } else {
        char text[ADDRESS_TEXT_SIZE];
        int len = (int)address_format(&target->address, text);

        (void)snprintf(target->url, sizeof(target->url),
                       target->address.family == 6 ? "http://[%.*s]:%u/ping" : "http://%.*s:%u/ping", len,
                       text, target->address.port);
    }
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

static int open_connection(const struct target *target, int64_t deadline, int *out, struct error *why)
{
    struct sockaddr_storage address;
    socklen_t len = address_to_sockaddr(&target->address, &address);
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

/* "HTTP/1.1 200 OK" -> "200 OK" in `line`. */
static int read_status(int fd, int64_t deadline, char *line, size_t size, struct error *why)
{
    size_t len = 0;
    int rc;

    while (len < size - 1 && memchr(line, '\n', len) == NULL) {
        if ((rc = wait_for(fd, POLLIN, deadline, why)) < 0) {
            return rc;
        }
        ssize_t n = recv(fd, line + len, size - 1 - len, 0);

        if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (n <= 0) {
            return error_set(why, -ECONNRESET, "the connection was closed without an answer");
        }
        len += (size_t)n;
    }
    line[len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12) {
        return error_set(why, -EPROTO, "the answer is not HTTP");
    }
    memmove(line, line + 9, strlen(line + 9) + 1);
    return 0;
}

static int ask(const struct target *target, char *status, size_t size, struct error *why)
{
    int64_t deadline = process_clock_ns() + TIMEOUT_NS;
    const char *host = target->url + strlen("http://");
    char request[256];
    int fd = -1;
    int rc = open_connection(target, deadline, &fd, why);

    if (rc < 0) {
        error_prefix(why, "Head \"%s\"", target->url);
        return rc;
    }
    int len = snprintf(
        request, sizeof(request),
        "HEAD /ping HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: weir-healthcheck\r\nConnection: close\r\n\r\n",
        (int)strcspn(host, "/"), host);

    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
        rc = error_set(why, -errno, "%s", strerror(errno));
    } else {
        rc = read_status(fd, deadline, status, size, why);
    }
    if (rc < 0) {
        error_prefix(why, "Head \"%s\"", target->url);
    }
    close(fd);
    return rc;
}

int face_healthcheck(int argc, char **argv)
{
    struct static_loaded loaded = {.form = STATIC_NONE};
    struct target target;
    struct error why;
    char status[256];
    int result = 1;

    if (static_load(argc, argv, environ, &loaded, &why) < 0 ||
        find_target(&loaded.config, &target, &why) < 0 || ask(&target, status, sizeof(status), &why) < 0) {
        (void)printf("Error calling healthcheck: %s\n", why.text);
    } else if (strncmp(status, "200", 3) != 0) {
        (void)printf("Bad healthcheck status: %s\n", status);
    } else {
        (void)printf("OK: %s\n", target.url);
        result = 0;
    }
    static_unload(&loaded);
    return result;
}
