/* test_sandbox.c - from inside the sandbox: what must be refused is, what a worker lives on works.
 *
 * Each case runs in a process of its own that enters the sandbox like a worker does. A sanitizer build has no sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/slice.h"
#include "common/rule/regex.h"
#include "shm/control.h"
#include "worker/crash.h"
#include "worker/fence.h"
#include "worker/sandbox.h"

/* What was there before: made by the parent, as the guard makes it for workers. */
static struct scene {
    int listener, other_listener; /* the second is bound, but does not listen */
    int memory;                   /* a memfd of one page */
    int file;                     /* /etc/passwd, open */
    int spool;                    /* a file that may be written */
    int pair[2];
    int pidfd;                  /* of the parent */
    struct sockaddr_in address; /* of the first one */
    int targets;                /* shm/targets.h: that address stands in place 1, an IPv6 one in place 2 */
    struct fence fence;
    int epoll;
    int datagrams; /* a bound UDP socket */
    int pipe[2];
    pid_t parent;
    char secret[16]; /* in the parent's memory */
} scene;

#define FENCE_PART ((size_t)1 << 32) /* fence.h */

struct attempt {
    const char *name;
    long (*make)(void);
};

#ifndef __SANITIZE_ADDRESS__

/* ---- what must be refused: each returns what the system call did ---- */

static long try_open(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

#ifdef SYS_open
static long try_old_open(void)
{
    return syscall(SYS_open, "/etc/passwd", O_RDONLY);
}
#endif

static long try_openat2(void)
{
    static const uint64_t how[3];

    return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}

static long try_create(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/tmp/weir-sandbox-test", O_CREAT | O_WRONLY, 0600);
}

static long try_memory_of_parent(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", scene.parent);
    return syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
}

static long try_stat(void)
{
    struct stat st;

    return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0);
}

static long try_readlink(void)
{
    char target[64];

    return syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", target, sizeof(target));
}

static long try_unlink(void)
{
    return syscall(SYS_unlinkat, AT_FDCWD, "/tmp/weir-sandbox-none", 0);
}

static long try_rename(void)
{
    return syscall(SYS_renameat2, AT_FDCWD, "/tmp/weir-sandbox-none", AT_FDCWD, "/tmp/weir-sandbox-else", 0);
}

static long try_chdir(void)
{
    return syscall(SYS_chdir, "/");
}

static long try_mount(void)
{
    return syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
}

static long try_exec(void)
{
    static char *const arguments[] = {(char *)"true", NULL};

    return syscall(SYS_execve, "/bin/true", arguments, NULL);
}

static long try_exec_by_descriptor(void)
{
    static char *const arguments[] = {(char *)"true", NULL};

    return syscall(SYS_execveat, scene.file, "", arguments, NULL, AT_EMPTY_PATH);
}

static long try_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0) {
        _exit(0);
    }
    return pid;
}

static void *nothing_to_do(void *nothing)
{
    return nothing;
}

static long try_thread(void)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, nothing_to_do, NULL);
    return errno == 0 ? 0 : -1;
}

static long try_share_memory_only(void)
{
    return syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD | CLONE_NEWUSER, NULL, NULL, NULL, NULL);
}

static long try_unshare(void)
{
    return syscall(SYS_unshare, CLONE_NEWUSER);
}

static long try_ptrace(void)
{
    return ptrace(PTRACE_ATTACH, scene.parent, NULL, NULL);
}

static long try_read_parent(void)
{
    char got[sizeof(scene.secret)];
    struct iovec to = {got, sizeof(got)}, from = {scene.secret, sizeof(scene.secret)};

    return process_vm_readv(scene.parent, &to, 1, &from, 1, 0);
}

static long try_write_parent(void)
{
    struct iovec piece = {scene.secret, sizeof(scene.secret)};

    return process_vm_writev(scene.parent, &piece, 1, &piece, 1, 0);
}

static long try_take_descriptor(void)
{
    return syscall(SYS_pidfd_getfd, scene.pidfd, scene.file, 0);
}

static long try_pidfd(void)
{
    return syscall(SYS_pidfd_open, scene.parent, 0);
}

static long try_kill(void)
{
    return syscall(SYS_kill, scene.parent, SIGCONT);
}

static long try_tgkill(void)
{
    return syscall(SYS_tgkill, scene.parent, scene.parent, SIGCONT);
}

static long try_signal_by_pidfd(void)
{
    return syscall(SYS_pidfd_send_signal, scene.pidfd, SIGCONT, NULL, 0);
}

static long try_limit_parent(void)
{
    static const struct rlimit none;

    return syscall(SYS_prlimit64, scene.parent, RLIMIT_CORE, &none, NULL);
}

static long try_setuid(void)
{
    return syscall(SYS_setuid, getuid());
}

static long try_dumpable(void)
{
    return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_personality(void)
{
    return syscall(SYS_personality, 0xffffffffUL);
}

/* Standard output may be a file of the user's. */
static long try_write_within_standard_output(void)
{
    (void)dup2(scene.spool, STDOUT_FILENO);
    return syscall(SYS_pwrite64, STDOUT_FILENO, "x", 1, 0);
}

static long try_punch_standard_output(void)
{
    (void)dup2(scene.spool, STDOUT_FILENO);
    return syscall(SYS_fallocate, STDOUT_FILENO, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static long try_fill_the_disk(void)
{
    return syscall(SYS_fallocate, scene.spool, 0, 0, 1 << 20);
}

static long try_cut_the_file(void)
{
    return syscall(SYS_ftruncate, scene.spool, 0);
}

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

static long try_bind(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof(any));
}

static long try_listen(void)
{
    return listen(scene.other_listener, 1);
}

/* ---- memory and the rest of the kernel ---- */

static long try_map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, scene.memory, 0) == MAP_FAILED ? -1 : 0;
}

static long try_make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? 0 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long try_memfd(void)
{
    return memfd_create("x", 0);
}

static long try_terminal_input(void)
{
    return syscall(SYS_ioctl, STDIN_FILENO, 0x5412 /* TIOCSTI */, "x");
}

static long try_limits(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit);
}

static long try_owner_of_signals(void)
{
    return fcntl(scene.pair[0], F_SETOWN, scene.parent);
}

/* For everybody who accepts on it. */
static long try_blocking(void)
{
    return fcntl(scene.listener, F_SETFL, 0);
}

static long try_blocking_otherwise(void)
{
    int off = 0;

    return ioctl(scene.listener, FIONBIO, &off);
}

static long try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_perf(void)
{
    return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}

static long try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long try_keys(void)
{
    return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static long try_userfaultfd(void)
{
    return syscall(SYS_userfaultfd, 0);
}

#ifdef __x86_64__
static long try_x32(void)
{
    return syscall(0x40000000 | SYS_getpid);
}

static void no_such_instruction(int number)
{
    (void)number;
    _exit(0);
}

/* socket(AF_UNIX, SOCK_STREAM, 0) by its number for 32-bit programs; a kernel without those faults on it */
static long try_32_bit(void)
{
    long result;

    (void)signal(SIGSEGV, no_such_instruction);
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(359L), "b"(1L), "c"(1L), "d"(0L) : "memory");
    errno = result < 0 ? (int)-result : 0;
    return result < 0 ? -1 : result;
}
#endif

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

#define ATTEMPT(name)                                                                                        \
    {                                                                                                        \
#name, name                                                                                          \
    }

static const struct attempt attempts[] = {
    ATTEMPT(try_open),
    ATTEMPT(try_openat2),
    ATTEMPT(try_create),
    ATTEMPT(try_memory_of_parent),
    ATTEMPT(try_stat),
    ATTEMPT(try_readlink),
    ATTEMPT(try_unlink),
    ATTEMPT(try_rename),
    ATTEMPT(try_chdir),
    ATTEMPT(try_mount),
    ATTEMPT(try_exec),
    ATTEMPT(try_exec_by_descriptor),
    ATTEMPT(try_fork),
    ATTEMPT(try_thread),
    ATTEMPT(try_share_memory_only),
    ATTEMPT(try_unshare),
    ATTEMPT(try_ptrace),
    ATTEMPT(try_read_parent),
    ATTEMPT(try_write_parent),
    ATTEMPT(try_take_descriptor),
    ATTEMPT(try_pidfd),
    ATTEMPT(try_kill),
    ATTEMPT(try_tgkill),
    ATTEMPT(try_signal_by_pidfd),
    ATTEMPT(try_limit_parent),
    ATTEMPT(try_setuid),
    ATTEMPT(try_dumpable),
    ATTEMPT(try_personality),
    ATTEMPT(try_write_within_standard_output),
    ATTEMPT(try_punch_standard_output),
    ATTEMPT(try_fill_the_disk),
    ATTEMPT(try_cut_the_file),
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
    ATTEMPT(try_map_code),
    ATTEMPT(try_make_code),
    ATTEMPT(try_memfd),
    ATTEMPT(try_terminal_input),
    ATTEMPT(try_limits),
    ATTEMPT(try_owner_of_signals),
    ATTEMPT(try_blocking),
    ATTEMPT(try_blocking_otherwise),
    ATTEMPT(try_bpf),
    ATTEMPT(try_perf),
    ATTEMPT(try_io_uring),
    ATTEMPT(try_keys),
    ATTEMPT(try_userfaultfd),
#ifdef SYS_open
    ATTEMPT(try_old_open),
#endif
#ifdef __x86_64__
    ATTEMPT(try_x32),
    ATTEMPT(try_32_bit),
#endif
};

/* What would not be refused outside must be refused inside; the process itself goes on. */
static int refused(const struct attempt *attempt)
{
    sandbox_enter(&scene.fence);

    long result = attempt->make();
    int error = errno;

    if (result == -1 && error == EPERM) {
        return 0;
    }
    (void)fprintf(stderr, "%s: %ld, %s\n", attempt->name, result,
                  result == -1 ? strerror(error) : "not refused");
    return 1;
}

#endif

/* ---- what a worker lives on ---- */

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

static int lives(const struct attempt *attempt)
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

static int aborts(const struct attempt *attempt)
{
    (void)attempt;
    (void)dup2(scene.pair[0], STDERR_FILENO);
    crash_install("test");
    sandbox_enter(&scene.fence);
    abort();
}

/* ---- the tests ---- */

/* The wait status of a process that has given up its privileges and runs main. */
static int status_of(int (*run)(const struct attempt *), const struct attempt *attempt)
{
    int status;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        sandbox_drop_privileges();
        _exit(run(attempt));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_worker_lives_in_it(void **state)
{
    (void)state;
    assert_int_equal(status_of(lives, NULL), 0);
}

static void its_crash_leaves_a_stack_trace(void **state)
{
    char text[8192];
    size_t len = 0;
    ssize_t n;

    (void)state;
    int status = status_of(aborts, NULL);

    while (len < sizeof(text) - 1 &&
           (n = recv(scene.pair[1], text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "SIGABRT, stack trace"));
    assert_non_null(strstr(text, "test_sandbox("));
    assert_non_null(strstr(text, "end of stack trace"));
}

#ifndef __SANITIZE_ADDRESS__
static void everything_else_is_refused(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        failed += status_of(refused, &attempts[i]) != 0;
    }
    assert_int_equal(failed, 0);
}
#endif

/* As guard, master and worker make it, in one process. */
static int set_fence(void)
{
    struct address address;
    struct target *targets;
    struct error why;

    address_from_sockaddr((struct sockaddr *)&scene.address, &address);
    if (targets_create(&scene.targets, &why) < 0 || targets_map(scene.targets, NULL, &targets, &why) < 0) {
        return -1;
    }
    targets_put(targets, 1, &address);
    targets_put(targets, 2, &(struct address){.bytes = {[15] = 1}, .family = 6, .port = address.port});
    targets_put(targets, 3, &address);
    targets_clear(targets, 3);
    targets_unmap(targets);
    return fence_build(scene.targets, &scene.fence, &why);
}

static int set_scene(void **state)
{
    socklen_t len = sizeof(scene.address);
    struct error why;

    (void)state;
    scene.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    scene.parent = getpid();
    memcpy(scene.secret, "a secret of ours", sizeof(scene.secret));
    scene.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    scene.other_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    scene.memory = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    scene.file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    scene.spool = memfd_create("spool", MFD_CLOEXEC);
    scene.pidfd = (int)syscall(SYS_pidfd_open, scene.parent, 0);
    scene.datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    scene.epoll = epoll_create1(EPOLL_CLOEXEC);
    return bind(scene.other_listener, (struct sockaddr *)&scene.address, len) == -1 ||
           bind(scene.listener, (struct sockaddr *)&scene.address, len) == -1 ||
           listen(scene.listener, 8) == -1 ||
           getsockname(scene.listener, (struct sockaddr *)&scene.address, &len) == -1 || set_fence() < 0 ||
           ftruncate(scene.memory, 4096) == -1 || pwrite(scene.memory, "page", 4, 0) != 4 ||
           scene.file == -1 || scene.spool == -1 || scene.pidfd == -1 || scene.epoll == -1 ||
           pipe2(scene.pipe, O_CLOEXEC | O_NONBLOCK) == -1 || control_pair(scene.pair, &why) < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_lives_in_it),
        cmocka_unit_test(its_crash_leaves_a_stack_trace),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(everything_else_is_refused),
#endif
    };

    return cmocka_run_group_tests(tests, set_scene, NULL);
}
