/*
 * sandbox_lives.c - what a worker lives on: functions whose names end in _work show what must work.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/rule/regex.h"
#include "shm/control.h"
#include "tests/unit/sandbox_scene.h"
#include "worker/sandbox.h"

#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (void)fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));               \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

static int connections_work(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct epoll_event event = {.events = EPOLLIN};
    char byte = 'x';

    NEED(fd != -1);
    NEED(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) != -1 || errno == EAFNOSUPPORT);
    NEED(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0);
    NEED(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    NEED(setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on)) == 0);
    NEED(setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &on, sizeof(on)) == 0);
    NEED(connect(fd, &scene.fence.targets[1].any, sizeof(scene.address)) == 0 || errno == EINPROGRESS);
    NEED(epoll_ctl(scene.epoll, EPOLL_CTL_ADD, scene.listener, &event) == 0);
    NEED(epoll_wait(scene.epoll, &event, 1, -1) == 1);

    int accepted = accept4(scene.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    struct linger linger = {0};
    socklen_t length = sizeof(linger);

    NEED(accepted != -1);
    fence_reset_on_close(&scene.fence, accepted);
    NEED(getsockopt(accepted, SOL_SOCKET, SO_LINGER, &linger, &length) == 0);
    NEED(linger.l_onoff == 1 && linger.l_linger == 0);
    NEED(writev(accepted, &(struct iovec){.iov_base = &byte, .iov_len = 1}, 1) == 1);
    NEED(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1) == 1);
    NEED(recv(fd, &byte, 1, 0) == 1 && byte == 'x');
    NEED(writev(accepted, &(struct iovec){.iov_base = &byte, .iov_len = 1}, 1) == 1);
    NEED(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1) == 1);
    NEED(splice(fd, NULL, scene.pipe[1], NULL, 1, SPLICE_F_NONBLOCK) == 1);
    NEED(splice(scene.pipe[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK) == 1);
    NEED(shutdown(fd, SHUT_WR) == 0 && close(fd) == 0 && close(accepted) == 0);
    return 0;
}

static int datagrams_work(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int other = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char bytes[2] = "x";
    struct iovec piece = {.iov_base = bytes, .iov_len = 1};
    struct sockaddr_in name = {0};
    socklen_t length = sizeof(name);
    struct mmsghdr head = {.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};

    NEED(fd != -1 && other != -1);
    NEED(connect(fd, &scene.fence.targets[1].any, sizeof(scene.address)) == 0);
    NEED(connect(other, &scene.fence.targets[1].any, sizeof(scene.address)) == 0);
    NEED(sendmmsg(fd, &head, 1, MSG_DONTWAIT) == 1); /* nobody is there */
    NEED(getsockname(other, (struct sockaddr *)&name, &length) == 0);
    head.msg_hdr.msg_name = &name;
    head.msg_hdr.msg_namelen = length;
    NEED(sendmmsg(scene.datagrams, &head, 1, MSG_DONTWAIT) == 1); /* an answer, wherever the client is */
    head.msg_hdr.msg_name = NULL;
    head.msg_hdr.msg_namelen = 0;
    NEED(recvmmsg(scene.datagrams, &head, 1, MSG_DONTWAIT, NULL) == -1 && errno == EAGAIN);
    NEED(close(fd) == 0 && close(other) == 0);
    return 0;
}

/* What is no address yet, or none any more, connects nobody and ends nothing. */
static int empty_places_are_harmless(void)
{
    const struct target *targets = scene.fence.targets;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 0;
    socklen_t len = sizeof(on);

    for (uint32_t place = 0; place < targets_count(targets); place++) {
        if (place != 1 && place != 2) {
            NEED(connect(fd, &targets[place].any, sizeof(struct sockaddr_in)) == -1 && errno == EAFNOSUPPORT);
            NEED(connect(scene.listener, &targets[place].any, sizeof(struct sockaddr_in)) == -1);
        }
    }
    NEED(connect(fd, &targets[targets_count(targets)].any, sizeof(struct sockaddr_in)) == -1 &&
         errno == EFAULT);
    NEED(connect(fd, &targets[TARGETS_MOST].any, sizeof(struct sockaddr_in)) == -1 && errno == EFAULT);
    NEED(getsockopt(scene.listener, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on == 1);
    NEED(close(fd) == 0);
    return 0;
}

/* Memory of its own comes and goes; what the kernel picks is never behind the fence. */
static int memory_works(void)
{
    const uintptr_t low = (uintptr_t)scene.fence.targets - FENCE_PART, high = low + FENCE_PARTS * FENCE_PART;

    for (size_t size = 4096; size < FENCE_PART; size *= 4) {
        char *piece =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        NEED(piece != MAP_FAILED);
        NEED((uintptr_t)piece >= high || (uintptr_t)piece + size <= low);
        piece = mremap(piece, size, size + 4096, MREMAP_MAYMOVE);
        NEED(piece != MAP_FAILED && mprotect(piece, 4096, PROT_READ) == 0);
        NEED(madvise(piece, size, MADV_DONTNEED) == 0 && munmap(piece, size + 4096) == 0);
    }
    return 0;
}

static int send_descriptor(void)
{
    struct control_message message = {.kind = CONTROL_GENERATION};

    NEED(control_send(scene.pair[0], &message, &scene.memory, 1) == 0);
    return 0;
}

static int descriptors_arrive(void)
{
    struct control_message message;
    int fds[CONTROL_FDS];

    NEED(control_receive(scene.pair[1], &message, fds) == 0 && message.fd_count == 1);
    NEED(fcntl(fds[0], F_GET_SEALS) != -1);
    NEED(lseek(fds[0], 0, SEEK_END) == 4096);

    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fds[0], 0);

    NEED(page != MAP_FAILED && page[0] == 'p');
    NEED(munmap(page, 4096) == 0 && close(fds[0]) == 0);
    message.kind = CONTROL_ACK;
    NEED(control_send(scene.pair[1], &message, NULL, 0) == 0);
    NEED(control_receive(scene.pair[0], &message, fds) == 0 && message.kind == CONTROL_ACK);
    return 0;
}

static int expressions_are_compiled(void)
{
    struct regex *regex;
    struct error why;

    NEED(regex_compile(SLICE("^/a(b|c)+/[0-9]{3}$"), true, &regex, &why) == 0);
    NEED(regex_match(regex, SLICE("/abcb/123")) && !regex_match(regex, SLICE("/abd/123")));
    regex_free(regex);
    return 0;
}

/* As the helper thread does. */
static void *in_a_thread(void *nothing)
{
    (void)nothing;
    sandbox_enter(&scene.fence);

    char *piece = malloc(300000);

    if (piece) {
        memset(piece, 1, 300000);
    }
    free(piece);
    return (void *)(intptr_t)expressions_are_compiled();
}

static volatile sig_atomic_t raised;

static void on_signal(int number)
{
    raised = number;
}

static int own_signals_work(void)
{
    NEED(signal(SIGUSR1, on_signal) != SIG_ERR);
    NEED(raise(SIGUSR1) == 0 && raised == SIGUSR1);
    return 0;
}

/* Long bodies. */
static int file_works(void)
{
    char byte = 'y';

    NEED(pwrite(scene.spool, &byte, 1, 100000) == 1 && pread(scene.spool, &byte, 1, 100000) == 1 &&
         byte == 'y');
    NEED(fallocate(scene.spool, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 200000) == 0);
    NEED(pread(scene.spool, &byte, 1, 100000) == 1 && byte == 0);
    return 0;
}

int sandbox_lives(const struct attempt *attempt)
{
    pthread_t thread;
    void *result;

    (void)attempt;
    if (send_descriptor() != 0 || pthread_create(&thread, NULL, in_a_thread, NULL) != 0) {
        return 1;
    }
    sandbox_enter(&scene.fence);
    NEED(pthread_join(thread, &result) == 0 && result == NULL);
    return connections_work() || datagrams_work() || empty_places_are_harmless() || memory_works() ||
           descriptors_arrive() || expressions_are_compiled() || file_works() || own_signals_work();
}
