/*
 * sandbox.c - no capability, no new privileges, not dumpable; Landlock; a list of allowed system calls (seccomp).
 *
 * One filter program is built from the table below: what is not in it is refused with EPERM, so that a library
 * that tries something new gets an error and not the end. Seccomp sees numbers, not memory: it cannot tell one path from
 * another, so no call that takes a path is in the list. Landlock says the same about files once more, in the kernel's own
 * words.
 *
 * Addresses are told by where they lie. connect() takes a pointer into the table of targets and no other, whole places only;
 * the master writes that table, the worker has it to read; and no call may change what is mapped within the fence around
 * it (fence.h), so nothing else ever lies there. The same holds for the board, of which a worker writes its own part. That is
 * why lengths have 32 bits, MAP_HUGETLB is out (the kernel rounds such a length up), and mremap() may not choose where to.
 * sendto() takes no address: that would be TCP Fast Open. What is left: addresses stay for a few minutes after the
 * configuration has dropped them, and one that it names can be connected to on the port that it names for whatever purpose,
 * by any worker.
 *
 * Each thread enters by itself, and none can be made afterwards.
 *
 * A new system call in a worker is one line here, under what it is for; arguments that need not be free are pinned.
 *
 * Sanitizer builds open files, look into themselves with ptrace and start symbolizers: they get the first half only.
 */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "common/base/slice.h"

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "worker/sandbox.c does not know this machine"
#endif

enum known_later { /* what a value is when the program is built */
                   AS_WRITTEN,
                   OWN_PID,
                   FENCE /* upper half of pointers to targets; without its last bits that of the whole fence */
};

/* Where only the lower half is looked at, the kernel takes no more of the argument. */
struct condition {
    uint32_t mask, value; /* (half & mask) == value, or not; mask 0: no condition */
    uint8_t argument;
    bool upper, differs;
    enum known_later what;
};

#define CONDITIONS 4

struct allowed { /* when all conditions hold; a call may have several rows */
    int number;
    struct condition when[CONDITIONS];
};

/* clang-format off */
#define CALL(name, ...) {.number = __NR_##name, .when = {__VA_ARGS__}}
#define MASKED(number, bits, result) {.argument = (number), .mask = (bits), .value = (result)}
#define IS(number, result) MASKED(number, UINT32_MAX, result)
#define BEYOND(number, bits) {.argument = (number), .mask = ~(uint32_t)(bits), .differs = true} /* not 0 but for those */
#define HAS(number, bits) MASKED(number, bits, bits)
#define LACKS(number, bits) MASKED(number, bits, 0)
#define IS_OWN_PID(number) {.argument = (number), .mask = UINT32_MAX, .what = OWN_PID}
#define UPPER_IS(number, result) {.argument = (number), .mask = UINT32_MAX, .value = (result), .upper = true}
#define IS_TARGET(number) {.argument = (number), .mask = UINT32_MAX, .upper = true, .what = FENCE}
#define UNTAGGED 0x00ffffffu /* aarch64 takes the highest byte off pointers to memory that is to be unmapped or protected */
#define OUTSIDE(number) \
    {.argument = (number), .mask = UNTAGGED & ~(FENCE_PARTS - 1), .upper = true, .differs = true, .what = FENCE}
#define SHORT(number) UPPER_IS(number, 0) /* less than 4 GiB: from below it ends before the table */
#define IS_NULL(number) IS(number, 0), UPPER_IS(number, 0)

#define TYPE 0xf /* what SOCK_NONBLOCK and SOCK_CLOEXEC leave of the type of a socket */

static const struct allowed allowed[] = {
    /* the loop; what each request does stands first */
    CALL(recvfrom),
    CALL(write),                         /* what the helper thread says; stack trace */
    CALL(writev),                        /* several pieces; backtrace_symbols_fd() */
    /* Not sendmsg: it sends descriptors too, and whoever receives one has to close it. See sendmmsg below. */
    CALL(recvmsg),                       /* messages of guard and master, with descriptors */
    CALL(sendto, IS_NULL(4), LACKS(3, MSG_FASTOPEN)), /* one piece; answers to guard and master */
#ifdef __NR_epoll_wait
    CALL(epoll_wait),                    /* aarch64 has only the next one */
#endif
    CALL(epoll_pwait),                   /* libuv */
    CALL(epoll_ctl),
    CALL(splice, IS_NULL(1), IS_NULL(3)), /* of tunnels, by a pipe that was opened before */
    CALL(close),
    CALL(read),                          /* what the helper thread says */
#ifdef __NR_poll
    CALL(poll),                          /* log: is there room in the pipe */
#endif
    CALL(ppoll),                         /* the same on aarch64 */
    CALL(clock_gettime),                 /* where the clock is not one that the vDSO can read */
    CALL(restart_syscall),               /* a wait that SIGSTOP interrupted */

    /* connections: to clients by accept4 on sockets that the guard sent, to servers by TCP */
    CALL(accept4),
    CALL(socket, IS(0, AF_INET), MASKED(1, TYPE, SOCK_STREAM), IS(2, 0)),
    CALL(socket, IS(0, AF_INET6), MASKED(1, TYPE, SOCK_STREAM), IS(2, 0)),
    CALL(connect, IS_TARGET(1), LACKS(1, sizeof(struct target) - 1), IS(2, sizeof(struct sockaddr_in))),
    CALL(connect, IS_TARGET(1), LACKS(1, sizeof(struct target) - 1), IS(2, sizeof(struct sockaddr_in6))),
    /* UDP: sessions have sockets to servers; clients are answered wherever they are, and a session moves to another worker
     * with its socket, so this one takes addresses and descriptors. Not on the first four, the last of which is the guard's
     * channel: it must never get a descriptor to close. Master and other workers may, but none takes long to be closed,
     * because SO_LINGER is pinned. */
    CALL(socket, IS(0, AF_INET), MASKED(1, TYPE, SOCK_DGRAM), IS(2, 0)),
    CALL(socket, IS(0, AF_INET6), MASKED(1, TYPE, SOCK_DGRAM), IS(2, 0)),
    CALL(recvmmsg, IS_NULL(4)),
    CALL(sendmmsg, BEYOND(0, 3), LACKS(3, MSG_FASTOPEN)),
    CALL(getsockopt),
    CALL(getsockname),                   /* TLS: clients that send no name get the certificate of the address */
    /* The listening sockets are everybody's and outlive the worker: no filter, no program on their group. */
    CALL(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
    CALL(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_KEEPIDLE)),
    CALL(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_KEEPINTVL)),
    CALL(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_QUICKACK)),
    CALL(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE)),
    CALL(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)),
    CALL(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_RCVBUF)),
    CALL(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_LINGER), IS_TARGET(3), IS(3, TARGETS_AT_ONCE)), /* one value only */
    CALL(shutdown, IS(1, SHUT_WR)),      /* the other directions would end a listening socket */

    /* descriptors that came from guard or master: pages, channels, sockets */
    CALL(fcntl, IS(1, F_GET_SEALS)),     /* is the page sealed */
    CALL(pread64),                       /* the files of the memory budget, long bodies */
    /* Long bodies go to a file that the master sent. Not the standard streams, which may be files, too, nor the guard's channel;
     * pages are sealed. */
    CALL(pwrite64, BEYOND(0, 3)),
    CALL(fallocate, BEYOND(0, 3), IS(1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)),
    CALL(lseek),                         /* the size of a page: glibc's fstat() is a call that takes a path */

    /* memory: pages, malloc and malloc_trim(), stacks of threads. Only anonymous memory may be executable: the regular
     * expressions of a generation are compiled here, and PCRE2 writes machine code where it runs. */
    CALL(mmap, OUTSIDE(0), SHORT(1), LACKS(3, MAP_HUGETLB), LACKS(2, PROT_EXEC)),
    CALL(mmap, OUTSIDE(0), SHORT(1), LACKS(3, MAP_HUGETLB), HAS(3, MAP_ANONYMOUS)),
    CALL(mprotect, OUTSIDE(0), SHORT(1), LACKS(2, PROT_EXEC)),
    CALL(munmap, OUTSIDE(0), SHORT(1)),
    CALL(mremap, OUTSIDE(0), SHORT(1), SHORT(2), LACKS(3, ~(uint32_t)MREMAP_MAYMOVE)),
    CALL(madvise, OUTSIDE(0), SHORT(1)),
    CALL(brk),

    CALL(getrandom),                     /* TLS */

    /* the helper thread, which was made before: no other can be, nor a process */
    CALL(futex),
    CALL(exit),

    /* the end: orderly, or by a signal with a stack trace (crash.c) */
    CALL(exit_group),
    CALL(rt_sigprocmask),
    CALL(rt_sigaction),                  /* abort() */
    CALL(rt_sigreturn),
    CALL(getpid),
    CALL(gettid),
    CALL(tgkill, IS_OWN_PID(0)),         /* raise() */
};
/* clang-format on */

/* ---- the filter program ---- */

#define PROGRAM_MAX (16 + ARRAY_LEN(allowed) * (3 + 3 * CONDITIONS))

struct program {
    struct sock_filter steps[PROGRAM_MAX];
    unsigned short length;
};

static void add(struct program *program, struct sock_filter step)
{
    program->steps[program->length++] = step;
}

static void load(struct program *program, size_t offset)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* Goes on with the next step if the accumulator holds value, or else leaves out so many. */
static void unless_equal_skip(struct program *program, uint32_t value, unsigned skip)
{
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, (uint8_t)skip));
}

static void answer(struct program *program, uint32_t what)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

static void add_condition(struct program *program, const struct condition *when, const struct fence *fence,
                          unsigned left)
{
    uint32_t known[] = {
        [AS_WRITTEN] = when->value, [OWN_PID] = (uint32_t)getpid(), [FENCE] = fence->upper & when->mask};
    uint8_t skip = (uint8_t)left;

    /* the lower half stands first: both machines are little endian */
    load(program, offsetof(struct seccomp_data, args) + when->argument * sizeof(uint64_t) +
                      (when->upper ? sizeof(uint32_t) : 0));
    add(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, when->mask));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, known[when->what],
                                              when->differs ? skip : 0, when->differs ? 0 : skip));
}

static void add_row(struct program *program, const struct allowed *row, const struct fence *fence)
{
    size_t conditions = 0;

    while (conditions < CONDITIONS && row->when[conditions].mask != 0) {
        conditions++;
    }
    /* the number, the conditions (three steps each), the answer, the number again for the next row */
    unless_equal_skip(program, (uint32_t)row->number, (unsigned)(3 * conditions + (conditions ? 2 : 1)));
    for (size_t i = 0; i < conditions; i++) {
        add_condition(program, &row->when[i], fence, (unsigned)(3 * (conditions - i - 1) + 1));
    }
    answer(program, SECCOMP_RET_ALLOW);
    if (conditions > 0) {
        load(program, offsetof(struct seccomp_data, nr));
    }
}

static void build(struct program *program, const struct fence *fence)
{
    load(program, offsetof(struct seccomp_data, arch));
    unless_equal_skip(program, OWN_ARCHITECTURE, 1); /* the numbers of another (int $0x80) mean other calls */
    add(program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
    answer(program, SECCOMP_RET_ERRNO | EPERM);
    load(program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ARRAY_LEN(allowed);
         i++) { /* calls of x32 have a bit in their number that none of these has */
        add_row(program, &allowed[i], fence);
    }
    answer(program, SECCOMP_RET_ERRNO | EPERM);
}

/* 0 or the errno. */
static int filter_calls(const struct fence *fence)
{
    struct program *program = calloc(1, sizeof(*program));
    int rc = ENOMEM;

    if (program) {
        build(program, fence);

        struct sock_fprog loaded = {.len = program->length, .filter = program->steps};

        /* SPEC_ALLOW: kernels before 5.16 otherwise slow a filtered process down as if it ran code of strangers */
        rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &loaded) == -1
                 ? errno
                 : 0;
    }
    free(program);
    return rc;
}

/* ---- Landlock: no file, no listening socket, no signal to others ---- */

struct ruleset { /* as the kernel of today has it; an older one takes it if what it does not know is zero */
    uint64_t files, network, scopes;
};

#define EVERY_FILE_RIGHT(abi) ((UINT64_C(1) << (abi < 2 ? 13 : abi < 3 ? 14 : abi < 5 ? 15 : 16)) - 1)
#define NETWORK_BIND_TCP 1u
#define SCOPE_ABSTRACT_UNIX_SOCKET 1u
#define SCOPE_SIGNAL 2u

/* What Debian's kernel headers may not have yet; the numbers are the same on all architectures. */
#define CREATE_RULESET 444
#define RESTRICT_SELF 446
#define ASK_VERSION 1u

static _Atomic long landlock_abi; /* what the threads find is the same */

/* 0 or the errno. Everything that is handled and has no rule is refused. */
static int lock_files(void)
{
    long abi = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);

    landlock_abi = abi;
    if (abi < 1) {
        return errno;
    }
    struct ruleset rules = {
        .files = EVERY_FILE_RIGHT(abi),
        .network = abi < 4 ? 0 : NETWORK_BIND_TCP,
        .scopes = abi < 6 ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL,
    };
    long fd = syscall(CREATE_RULESET, &rules, sizeof(rules), 0);

    if (fd == -1) {
        return errno;
    }
    int rc = syscall(RESTRICT_SELF, (int)fd, 0) == -1 ? errno : 0;

    close((int)fd);
    return rc;
}

/* ---- the way in ---- */

static _Atomic int without_seccomp, without_landlock; /* the errno of it; 0: it is in force */

void sandbox_drop_privileges(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};

    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) == -1) {
        log_error("Cannot give up capabilities: %m");
    }
    if (process_hide() < 0) {
        log_error("Cannot become not dumpable: %m");
    }
}

/* libc reads the time zone from its file again and again unless it has a name. */
static void read_time_zone(void)
{
    (void)setenv("TZ", ":/etc/localtime", 0);
    tzset();
}

void sandbox_enter(const struct fence *fence)
{
    read_time_zone();
    if (!PROCESS_SANITIZED) {
        without_landlock = lock_files();
        without_seccomp = filter_calls(fence); /* last: it refuses what the others need */
    }
}

void sandbox_report(void)
{
    if (without_seccomp) {
        log_warn("Workers run without system call filter: %s (the kernel needs CONFIG_SECCOMP_FILTER)",
                 strerror(without_seccomp));
    }
    if (PROCESS_SANITIZED) {
        log_debug("Sandbox: none in a sanitizer build");
    } else if (without_landlock) {
        log_debug("Sandbox: no Landlock: %s", strerror(without_landlock));
    } else {
        log_debug("Sandbox: Landlock ABI %ld", landlock_abi);
    }
}
