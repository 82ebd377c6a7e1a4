/*
 * sandbox_sockets.c - attempts of a worker on sockets that are not its own, to connect elsewhere, and on the fence around the
 * table of targets: none may succeed.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/control.h"
#include "tests/unit/sandbox_scene.h"

/* ---- sockets ---- */

static long try_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long try_unix_pair(void)
{
    int fds[2];

    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static long try_netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long try_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static long try_raw_socket(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long try_udp_lite_socket(void)
{
    return socket(AF_INET, SOCK_DGRAM, 136);
}

/* A descriptor for the guard, which would have to close it. */
static long send_many_on(int fd, int flags)
{
    char byte = 'x';
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct mmsghdr head = {.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};

    return syscall(SYS_sendmmsg, fd, &head, 1, flags);
}

static long try_send_many_to_the_guard(void)
{
    return send_many_on(3, 0);
}

static long try_send_many_on_a_standard_descriptor(void)
{
    return send_many_on(STDOUT_FILENO, 0);
}

static long try_send_many_as_fast_open(void)
{
    return send_many_on(scene.pair[0], MSG_FASTOPEN);
}

static long try_other_protocol(void)
{
    return socket(AF_INET, SOCK_STREAM, 262); /* multipath TCP */
}

/* ---- what others accept on ---- */

static long try_bind(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof(any));
}

static long try_listen(void)
{
    return listen(scene.other_listener, 1);
}

/* Whoever has to close it would wait. */
static long try_linger(void)
{
    static const struct linger long_time = {.l_onoff = 1, .l_linger = 1000};

    return setsockopt(scene.listener, SOL_SOCKET, SO_LINGER, &long_time, sizeof(long_time));
}

/* The address in a place as a number of seconds. */
static long try_linger_of_a_target(void)
{
    return setsockopt(scene.listener, SOL_SOCKET, SO_LINGER, &scene.fence.targets[1], sizeof(struct linger));
}

/* To the guard, which would have to close it. */
static long try_send_descriptor(void)
{
    struct control_message message = {.kind = CONTROL_ACK};
    int rc = control_send(scene.pair[0], &message, &scene.memory, 1);

    errno = -rc;
    return rc < 0 ? -1 : rc;
}

/* The listening socket is the guard's and the next worker's too. */
static long try_end_listening(void)
{
    return shutdown(scene.listener, SHUT_RD);
}

static long try_end_listening_twice(void)
{
    return shutdown(scene.listener, SHUT_RDWR);
}

static long try_option(int level, int option)
{
    struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
    struct sock_fprog program = {.len = 1, .filter = &nothing};

    return setsockopt(scene.listener, level, option, &program, sizeof(program));
}

static long try_filter(void)
{
    return try_option(SOL_SOCKET, SO_ATTACH_FILTER);
}

static long try_steer(void)
{
    return try_option(SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF);
}

static long try_lock_filter(void)
{
    return try_option(SOL_SOCKET, SO_LOCK_FILTER);
}

/* Sockets have no offsets; files do. */
static long try_splice_a_file(void)
{
    loff_t at = 0;

    return splice(scene.memory, &at, scene.pair[0], NULL, 1, 0);
}

static long try_device(void)
{
    return try_option(SOL_SOCKET, SO_BINDTODEVICE);
}

static long try_defer(void)
{
    return try_option(IPPROTO_TCP, TCP_DEFER_ACCEPT);
}

/* ---- connect: addresses may come out of the table of targets only ---- */

static long connect_by(const void *address, size_t length)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    return syscall(SYS_connect, fd, address, length);
}

static long try_connect_from_the_stack(void)
{
    struct sockaddr_in copy = scene.address;

    return connect_by(&copy, sizeof(copy));
}

static long try_connect_from_the_heap(void)
{
    struct sockaddr_in *copy = malloc(sizeof(*copy));

    *copy = scene.address;
    return connect_by(copy, sizeof(*copy));
}

static long try_connect_between_places(void)
{
    return connect_by((const char *)&scene.fence.targets[1] + 2, sizeof(struct sockaddr_in));
}

static long try_connect_beyond_a_place(void)
{
    return connect_by(&scene.fence.targets[1], sizeof(struct target) + 1);
}

/* With AF_UNSPEC that would end it for everybody. */
static long try_end_listening_by_connect(void)
{
    static const struct sockaddr_in nowhere = {.sin_family = AF_UNSPEC};

    return syscall(SYS_connect, scene.listener, &nowhere, sizeof(nowhere));
}

static long try_fast_open(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    return sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&scene.address, sizeof(scene.address));
}

static long try_fast_open_of_a_target(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    return sendto(fd, "x", 1, MSG_FASTOPEN, &scene.fence.targets[1].any, sizeof(scene.address));
}

static long try_fast_open_from_low_zeros(void)
{
    void *page = mmap((void *)0x200000000, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (page == MAP_FAILED) {
        return 0;
    }
    memcpy(page, &scene.address, sizeof(scene.address));
    return sendto(fd, "x", 1, MSG_FASTOPEN, page, sizeof(scene.address));
}

/* ---- the fence: nothing else may come to lie there, and no hole ---- */

static char *table(void)
{
    return (char *)(uintptr_t)scene.fence.targets;
}

static long mapped(void *result)
{
    return result == MAP_FAILED ? -1 : 0;
}

static long try_map_over_the_table(void)
{
    return mapped(
        mmap(table(), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

static long try_map_code_over_the_table(void)
{
    return mapped(mmap(table(), 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

static long try_map_behind_the_table(void)
{
    return mapped(mmap(table() + TARGETS_BYTES, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

static long try_map_the_distance(void)
{
    return mapped(mmap(table() - FENCE_PART, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

/* Kernels unmap first and then find that a channel cannot be mapped: a hole that the next mapping falls into. */
static long try_fail_to_map_over_the_table(void)
{
    return mapped(mmap(table(), 4096, PROT_READ, MAP_SHARED | MAP_FIXED, scene.pair[0], 0));
}

static long try_map_across(void)
{
    return mapped(mmap(table() - FENCE_PART - 4096, FENCE_PART + 8192, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
}

static long try_map_huge(void)
{
    return mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0));
}

static long try_unmap_the_table(void)
{
    return munmap(table(), TARGETS_BYTES);
}

static long try_unmap_across(void)
{
    return munmap(table() - FENCE_PART - 4096, FENCE_PART + 8192);
}

/* aarch64 does not look at the highest byte; elsewhere it is no address. */
static long try_unmap_by_a_tagged_pointer(void)
{
    return munmap(table() + ((uintptr_t)0x5a << 56), 4096);
}

static long try_protect_by_a_tagged_pointer(void)
{
    return mprotect(table() + ((uintptr_t)0x5a << 56), 4096, PROT_READ | PROT_WRITE);
}

static long try_write_the_table(void)
{
    return mprotect(table(), 4096, PROT_READ | PROT_WRITE);
}

static long try_write_across(void)
{
    return mprotect(table() - FENCE_PART - 4096, FENCE_PART + 8192, PROT_READ | PROT_WRITE);
}

static long try_move_into_the_table(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mapped(mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, table()));
}

static long try_move_the_table_away(void)
{
    return mapped(mremap(table(), 4096, 8192, MREMAP_MAYMOVE));
}

static long try_grow_into_the_table(void)
{
    return mapped(mremap(table() - 4096, 4096, 8192, 0));
}

static long try_write_the_board(void)
{
    return mprotect(scene.fence.board, 4096, PROT_READ | PROT_WRITE);
}

static long try_map_over_the_board(void)
{
    return mapped(mmap(scene.fence.board, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

static long try_drop_the_table(void)
{
    return madvise(table(), 4096, MADV_DONTNEED);
}

const struct attempt sandbox_socket_attempts[] = {
    ATTEMPT(try_unix_socket),
    ATTEMPT(try_unix_pair),
    ATTEMPT(try_netlink_socket),
    ATTEMPT(try_packet_socket),
    ATTEMPT(try_raw_socket),
    ATTEMPT(try_udp_lite_socket),
    ATTEMPT(try_send_many_to_the_guard),
    ATTEMPT(try_send_many_on_a_standard_descriptor),
    ATTEMPT(try_send_many_as_fast_open),
    ATTEMPT(try_other_protocol),
    ATTEMPT(try_connect_from_the_stack),
    ATTEMPT(try_connect_from_the_heap),
    ATTEMPT(try_connect_between_places),
    ATTEMPT(try_connect_beyond_a_place),
    ATTEMPT(try_end_listening_by_connect),
    ATTEMPT(try_fast_open),
    ATTEMPT(try_fast_open_of_a_target),
    ATTEMPT(try_fast_open_from_low_zeros),
    ATTEMPT(try_map_over_the_table),
    ATTEMPT(try_map_code_over_the_table),
    ATTEMPT(try_map_behind_the_table),
    ATTEMPT(try_map_the_distance),
    ATTEMPT(try_fail_to_map_over_the_table),
    ATTEMPT(try_map_across),
    ATTEMPT(try_map_huge),
    ATTEMPT(try_unmap_the_table),
    ATTEMPT(try_unmap_across),
    ATTEMPT(try_unmap_by_a_tagged_pointer),
    ATTEMPT(try_protect_by_a_tagged_pointer),
    ATTEMPT(try_write_the_table),
    ATTEMPT(try_write_across),
    ATTEMPT(try_move_into_the_table),
    ATTEMPT(try_move_the_table_away),
    ATTEMPT(try_grow_into_the_table),
    ATTEMPT(try_drop_the_table),
    ATTEMPT(try_write_the_board),
    ATTEMPT(try_map_over_the_board),
    ATTEMPT(try_bind),
    ATTEMPT(try_listen),
    ATTEMPT(try_linger),
    ATTEMPT(try_linger_of_a_target),
    ATTEMPT(try_send_descriptor),
    ATTEMPT(try_end_listening),
    ATTEMPT(try_end_listening_twice),
    ATTEMPT(try_filter),
    ATTEMPT(try_steer),
    ATTEMPT(try_lock_filter),
    ATTEMPT(try_splice_a_file),
    ATTEMPT(try_device),
    ATTEMPT(try_defer),
};
const size_t sandbox_socket_attempt_count = ARRAY_LEN(sandbox_socket_attempts);
