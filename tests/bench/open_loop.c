/*
 * open_loop.c - requests at a fixed rate over kept connections, latency counted from the intended start.
 *
 * usage: open_loop PORT RATE SECONDS CONNECTIONS; prints one JSON object. A request that finds no free connection
 * waits in line with its clock running, so a stall shows in full (no coordinated omission). It sleeps until the next
 * one is due: a generator that spins takes the core from the upstream beside it, and measures that.
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

static const char request[] =
    "GET / HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: open-loop\r\nAccept: */*\r\n\r\n";

struct conn {
    int fd;
    int64_t intended;
    size_t got, want;
    char head[1024];
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: open_loop PORT RATE SECONDS CONNECTIONS\n", stderr);
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[4]);
    double rate = atof(argv[2]), seconds = atof(argv[3]);
    size_t total = (size_t)(rate * seconds), sent = 0, done = 0, idle = 0;
    struct conn *conns = calloc((size_t)count, sizeof(*conns));
    struct conn **free_list = calloc((size_t)count, sizeof(*free_list));
    int64_t *latency = calloc(total + 1, sizeof(*latency));
    int loop = epoll_create1(0), one = 1;

    prctl(PR_SET_TIMERSLACK, 1UL);

    for (int i = 0; i < count; i++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};

        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(conns[i].fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
            perror("connect");
            return 1;
        }
        epoll_ctl(loop, EPOLL_CTL_ADD, conns[i].fd, &event);
        free_list[idle++] = &conns[i];
    }
    int64_t start = now_ns() + 10000000, step = (int64_t)(1e9 / rate);
    int64_t give_up = start + (int64_t)((seconds + 10) * 1e9);

    while (done < total && now_ns() < give_up) {
        int64_t now = now_ns();

        while (sent < total && idle > 0 && start + (int64_t)sent * step <= now) {
            struct conn *c = free_list[--idle];

            c->intended = start + (int64_t)sent++ * step;
            c->got = c->want = 0;
            if (write(c->fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1) {
                perror("write");
                return 1;
            }
        }
        struct epoll_event events[64];
        int64_t next = start + (int64_t)sent * step;
        int64_t wait = sent < total && idle > 0 ? next - now_ns() : 1000000;
        struct timespec until = {0, wait > 0 ? wait < 1000000 ? wait : 1000000 : 0};
        int n = epoll_pwait2(loop, events, 64, &until, NULL);

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            ssize_t got = read(c->fd, c->head + c->got, sizeof(c->head) - 1 - c->got);

            if (got <= 0) {
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
                latency[done++] = now_ns() - c->intended;
                free_list[idle++] = c;
            }
        }
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
