/*
 * chaos.c - delays the processes of weir at telling points, so that the orders of events change: a library for LD_PRELOAD,
 * which the guard hands on to its children (`make chaos`).
 *
 * Each process draws from its seed (LD_CHAOS_SEED and its pid) at which of the points it is slow, and how slow. The first
 * passes through a slow point are delayed, later ones seldom: a run takes longer, not for ever. Programs of other names,
 * and the tools of weir (whoami, status...), are left alone.
 * Not here: weir's choice of what it does when it is delayed. Nothing of a call changes but its time.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POINTS(POINT)                                                                                        \
    POINT(start)                                                                                             \
    POINT(fork)                                                                                              \
    POINT(forked)                                                                                            \
    POINT(exec)                                                                                              \
    POINT(prctl)                                                                                             \
    POINT(bind)                                                                                              \
    POINT(listen)                                                                                            \
    POINT(accept)                                                                                            \
    POINT(send)                                                                                              \
    POINT(sendmsg)                                                                                           \
    POINT(recvmsg)                                                                                           \
    POINT(read)                                                                                              \
    POINT(write)                                                                                             \
    POINT(waitpid)                                                                                           \
    POINT(kill)                                                                                              \
    POINT(end)

#define NAME(name) AT_##name,
enum point { POINTS(NAME) POINT_COUNT };

#define LEAST_NS 2000000ull
#define DOUBLED 8u /* 2 ms to 256 ms */
#define ALWAYS 8u  /* passes through a slow point that are delayed */
#define SELDOM 32u /* of those that follow, one in so many */

static bool active;
static uint64_t seed;
static uint64_t slow_ns[POINT_COUNT]; /* 0: it is not slow here */
static atomic_uint passes[POINT_COUNT];
static atomic_ullong drawn;

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t draw(void)
{
    return mix(seed + atomic_fetch_add(&drawn, 1));
}

/* One point in two is slow. */
static void choose(void)
{
    const char *text = getenv("LD_CHAOS_SEED");

    seed = mix(strtoull(text ? text : "0", NULL, 10)) ^ mix((uint64_t)getpid());
    atomic_store(&drawn, 0);
    for (unsigned i = 0; i < POINT_COUNT; i++) {
        slow_ns[i] = draw() % 2 == 0 ? LEAST_NS << draw() % DOUBLED : 0;
        atomic_store(&passes[i], 0);
    }
}

static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A worker's sandbox may refuse to wait: then it turns on the spot. */
static void delay(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    uint64_t end = now() + ns;
    sigset_t all;

    sigfillset(&all);
    if (ppoll(NULL, 0, &time, &all) == -1) {
        while (now() < end) {
        }
    }
}

static void pass(enum point at)
{
    int kept = errno;

    if (active && slow_ns[at] != 0) {
        unsigned count = atomic_fetch_add(&passes[at], 1);

        if (count < ALWAYS || draw() % SELDOM == 0) {
            delay(draw() % slow_ns[at]);
        }
    }
    errno = kept;
}

/* Guard, master and workers: neither another program nor a tool. */
static bool of_the_tree(int argc, char **argv)
{
    static const char *const tools[] = {"whoami",  "status",      "check", "explain",  "config",
                                        "version", "healthcheck", "crds",  "reference"};

    if (strstr(program_invocation_short_name, "weir") == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof(tools) / sizeof(*tools) && argc > 1; i++) {
        if (strcmp(argv[1], tools[i]) == 0) {
            return false;
        }
    }
    return true;
}

#define REAL(name) static __typeof__(name) *real_##name;
REAL(fork)
REAL(syscall)
REAL(prctl)
REAL(bind)
REAL(listen)
REAL(accept4)
REAL(send)
REAL(sendmsg)
REAL(recvmsg)
REAL(read)
REAL(write)
REAL(waitpid)
REAL(kill)
REAL(_exit)

/* Before any other constructor may call what is wrapped; once more is harmless. */
static void find(void)
{
#define FIND(name) *(void **)(&real_##name) = dlsym(RTLD_NEXT, #name);
    FIND(fork)
    FIND(syscall)
    FIND(prctl)
    FIND(bind)
    FIND(listen)
    FIND(accept4)
    FIND(send)
    FIND(sendmsg)
    FIND(recvmsg)
    FIND(read)
    FIND(write)
    FIND(waitpid)
    FIND(kill)
    FIND(_exit)
}

__attribute__((constructor)) static void begin(int argc, char **argv)
{
    find();
    active = of_the_tree(argc, argv);
    if (active) {
        choose();
        pass(AT_start);
    }
}

__attribute__((destructor)) static void finish(void)
{
    pass(AT_end);
}

#define WRAP(result, name, point, parameters, arguments)                                                     \
    result name parameters                                                                                   \
    {                                                                                                        \
        if (real_##name == NULL) {                                                                           \
            find();                                                                                          \
        }                                                                                                    \
        pass(AT_##point);                                                                                    \
        return real_##name arguments;                                                                        \
    }

WRAP(int, bind, bind, (int fd, const struct sockaddr *where, socklen_t size), (fd, where, size))
WRAP(int, listen, listen, (int fd, int backlog), (fd, backlog))
WRAP(int, accept4, accept, (int fd, struct sockaddr *from, socklen_t *size, int flags),
     (fd, from, size, flags))
WRAP(ssize_t, send, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(ssize_t, sendmsg, sendmsg, (int fd, const struct msghdr *head, int flags), (fd, head, flags))
WRAP(ssize_t, recvmsg, recvmsg, (int fd, struct msghdr *head, int flags), (fd, head, flags))
WRAP(ssize_t, read, read, (int fd, void *data, size_t size), (fd, data, size))
WRAP(ssize_t, write, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(pid_t, waitpid, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
WRAP(int, kill, kill, (pid_t pid, int signal), (pid, signal))

pid_t fork(void)
{
    pass(AT_fork);

    pid_t pid = real_fork();

    if (pid == 0 && active) {
        choose();
        pass(AT_forked);
    }
    return pid;
}

int prctl(int option, ...)
{
    unsigned long more[4];
    va_list list;

    va_start(list, option);
    for (unsigned i = 0; i < 4; i++) {
        more[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    pass(AT_prctl);
    return real_prctl(option, more[0], more[1], more[2], more[3]);
}

long syscall(long number, ...)
{
    long more[6];
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++) {
        more[i] = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_execveat) { /* the others are the data path's own */
        pass(AT_exec);
    }
    return real_syscall(number, more[0], more[1], more[2], more[3], more[4], more[5]);
}

__attribute__((noreturn)) void _exit(int status)
{
    pass(AT_end);
    real__exit(status);
    __builtin_unreachable();
}
