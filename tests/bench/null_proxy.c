/*
 * null_proxy.c - `null_proxy PORT UPSTREAM_PORT`: the least a proxy can do. Each connection to 127.0.0.1:PORT gets one of its
 * own to the upstream, and bytes are copied both ways through one buffer; nothing is parsed, timed or counted. What it costs
 * is what the kernel asks of anybody who reads and writes as often.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MOST 4096
#define EVENTS_MOST 256
#define BUFFER_BYTES 65536

struct end {
    int peer;    /* descriptor of the other side, 0: none */
    size_t held; /* bytes of `data` that this end could not take yet */
    size_t from;
    char *data;
};

static struct end ends[FDS_MOST];
static int polled;

static struct sockaddr_in local(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void want(int fd, unsigned events, int how)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(polled, how, fd, &event) != 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

static void pair_up(int client, const struct sockaddr_in *to)
{
    int upstream = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;

    if (upstream < 0 || connect(upstream, (const struct sockaddr *)to, sizeof(*to)) != 0 ||
        upstream >= FDS_MOST || client >= FDS_MOST) {
        perror("upstream");
        exit(1);
    }
    setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    ends[client] = (struct end){.peer = upstream};
    ends[upstream] = (struct end){.peer = client};
    want(client, EPOLLIN, EPOLL_CTL_ADD);
    want(upstream, EPOLLIN, EPOLL_CTL_ADD);
}

static void part(int fd)
{
    int peer = ends[fd].peer;

    free(ends[fd].data);
    free(ends[peer].data);
    ends[fd] = ends[peer] = (struct end){0};
    close(fd);
    close(peer);
}

/* What `fd` could not take waits in a buffer of its own, and its peer is not read until it is gone. */
static void keep(int fd, const char *data, size_t size)
{
    struct end *end = &ends[fd];

    end->data = malloc(size);
    if (end->data == NULL) {
        exit(1);
    }
    for (size_t i = 0; i < size; i++) {
        end->data[i] = data[i];
    }
    end->from = 0;
    end->held = size;
    want(fd, EPOLLOUT, EPOLL_CTL_MOD);
    want(end->peer, 0, EPOLL_CTL_MOD);
}

static void readable(int fd)
{
    static char buffer[BUFFER_BYTES];
    int peer = ends[fd].peer;
    ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    ssize_t sent;

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        part(fd);
        return;
    }
    sent = send(peer, buffer, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        part(fd);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    if (sent < got) {
        keep(peer, buffer + sent, (size_t)(got - sent));
    }
}

static void writable(int fd)
{
    struct end *end = &ends[fd];
    ssize_t sent = send(fd, end->data + end->from, end->held, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0) {
        if (errno != EAGAIN) {
            part(fd);
        }
        return;
    }
    end->from += (size_t)sent;
    end->held -= (size_t)sent;
    if (end->held == 0) {
        free(end->data);
        end->data = NULL;
        want(fd, EPOLLIN, EPOLL_CTL_MOD);
        want(end->peer, EPOLLIN, EPOLL_CTL_MOD);
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_MOST];
    struct sockaddr_in here;
    struct sockaddr_in to;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;

    if (argc != 3) {
        fprintf(stderr, "usage: null_proxy PORT UPSTREAM_PORT\n");
        return 2;
    }
    here = local(argv[1]);
    to = local(argv[2]);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    polled = epoll_create1(0);
    if (bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(listener, 4096) != 0 ||
        polled < 0) {
        perror("null_proxy");
        return 1;
    }
    want(listener, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        int count = epoll_wait(polled, events, EVENTS_MOST, -1);

        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;

            if (fd == listener) {
                int client = accept(listener, NULL, NULL);

                if (client >= 0) {
                    pair_up(client, &to);
                }
            } else if (ends[fd].peer != 0) {
                if (ends[fd].held != 0) {
                    writable(fd);
                } else {
                    readable(fd);
                }
            }
        }
    }
}
