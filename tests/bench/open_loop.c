/*
 * open_loop.c - requests at a fixed rate over kept connections: how long the proxy takes, and the upstream behind it.
 *
 * usage: open_loop PORT RATE SECONDS CONNECTIONS; prints one JSON object.
 *
 * Each TICK_NS it sends what fell due and collects what was answered. The clock of a request starts at the tick that finds it
 * due and runs while it waits for a free connection, so a stall of the proxy shows in full (no coordinated omission). It
 * stops when the kernel got the last bytes of the answer (SO_TIMESTAMPNS), not when this program came to read them. So a late
 * generator, which shares its core with the upstream, is not taken for a late proxy; one that woke for each request and each
 * answer would fill that core, and measure the queue there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 500000

static const char request[] =
    "GET / HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: open-loop\r\nAccept: */*\r\n\r\n";

struct conn {
    int fd;
    int64_t due;
    size_t got, want;
    char head[1024];
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static ssize_t receive(struct conn *c, int64_t *arrived)
{
    union {
        char room[CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr align;
    } control;
    struct iovec into = {c->head + c->got, sizeof(c->head) - 1 - c->got};
    struct msghdr msg = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(c->fd, &msg, MSG_DONTWAIT);

    for (struct cmsghdr *part = CMSG_FIRSTHDR(&msg); got > 0 && part; part = CMSG_NXTHDR(&msg, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;

            memcpy(&t, CMSG_DATA(part), sizeof(t));
            *arrived = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
        }
    }
    return got;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: open_loop PORT RATE SECONDS CONNECTIONS\n", stderr);
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[4]);
    double rate = atof(argv[2]), seconds = atof(argv[3]);
    size_t total = (size_t)(rate * seconds), due = 0, sent = 0, done = 0, idle = 0;
    struct conn *conns = calloc((size_t)count, sizeof(*conns));
    struct conn **free_list = calloc((size_t)count, sizeof(*free_list));
    int64_t *latency = calloc(total + 1, sizeof(*latency)), *clock_of = calloc(total + 1, sizeof(*clock_of));
    int loop = epoll_create1(0), one = 1;

    prctl(PR_SET_TIMERSLACK, 1UL);

    for (int i = 0; i < count; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};

        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(conns[i].fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
        if (connect(conns[i].fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
            perror("connect");
            return 1;
        }
        epoll_ctl(loop, EPOLL_CTL_ADD, conns[i].fd, &event);
        free_list[idle++] = &conns[i];
    }
    int64_t start = now_ns(CLOCK_MONOTONIC) + 10000000, tick = start;
    int64_t give_up = start + (int64_t)((seconds + 10) * 1e9);

    while (done < total && tick < give_up) {
        struct timespec until = {tick / 1000000000, tick % 1000000000};

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
        }
        struct epoll_event events[256];
        int n = epoll_wait(loop, events, 256, 0);

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            int64_t arrived = 0;
            ssize_t got = receive(c, &arrived);

            if (got <= 0 || arrived == 0) {
                fprintf(stderr, "connection lost: %s\n", got == 0 ? "closed" : strerror(errno));
                return 1;
            }
            c->got += (size_t)got;
            c->head[c->got] = '\0';
            char *end = strstr(c->head, "\r\n\r\n");

            if (end && c->want == 0) {
                char *length = strcasestr(c->head, "content-length:");

                if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || length == NULL) {
                    fprintf(stderr, "unexpected answer: %.60s\n", c->head);
                    return 1;
                }
                c->want = (size_t)(end - c->head) + 4 + strtoul(length + 15, NULL, 10);
            }
            if (c->want && c->got >= c->want) {
                latency[done++] = arrived - c->due;
                free_list[idle++] = c;
            }
        }
        int64_t now = now_ns(CLOCK_MONOTONIC), stamp = now_ns(CLOCK_REALTIME);

        while (due < total && start + (int64_t)((double)due * 1e9 / rate) <= now) {
            clock_of[due++] = stamp;
        }
        while (sent < due && idle > 0) {
            struct conn *c = free_list[--idle];

            c->due = clock_of[sent++];
            c->got = c->want = 0;
            if (write(c->fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1) {
                perror("write");
                return 1;
            }
        }
        do {
            tick += TICK_NS;
        } while (tick < now);
    }
    if (done < total) {
        fprintf(stderr, "only %zu of %zu answered\n", done, total);
        return 1;
    }
    qsort(latency, done, sizeof(*latency), compare);
    printf("{\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
           (double)latency[done / 2] / 1e3, (double)latency[done * 99 / 100] / 1e3,
           (double)latency[done * 999 / 1000] / 1e3, (double)latency[done - 1] / 1e3);
    return 0;
}
