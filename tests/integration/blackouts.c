/*
 * blackouts.c - says when a CPU of this machine stood still, which a virtual machine is not told.
 *
 * Its host takes a CPU away for some milliseconds, and the clock of whoever ran there goes on as if
 * he had worked. But no interrupt comes there then. On each CPU threads of the highest priority
 * sleep, so many that one of them is due each STEP_NS. Of what such a thread comes too late the
 * kernel counts two parts (/proc/thread-self/schedstat): how long it was ready and waited for the
 * CPU, because a system call or the network's work was not to be preempted, and how long it ran.
 * What is left is how much too late the interrupt came that made it ready: so long the CPU stood
 * still. Who was made ready just before that sees nothing of it; the next one does.
 *
 * Each time is a line, "CPU FROM TO", in ns of CLOCK_MONOTONIC. It ends when its input does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define STEP_NS INT64_C(500000)
#define WATCHES 16              /* of each CPU; one that waits for 8 ms misses none of its turns */
#define LATE_NS INT64_C(500000) /* what is less belongs to interrupts themselves */
#define STACK 65536

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static void sleep_until(int64_t ns)
{
    struct timespec at = {.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static void give_up(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, strerror(errno));
    _exit(1);
}

/* How long the calling thread has had the CPU or waited for it, ready to run. */
static int64_t ready_ns(int schedstat)
{
    char text[128], *rest;
    ssize_t len = pread(schedstat, text, sizeof(text) - 1, 0);

    if (len <= 0) {
        give_up("/proc/thread-self/schedstat");
    }
    text[len] = '\0';

    int64_t ran = strtoll(text, &rest, 10);

    return ran + strtoll(rest, NULL, 10);
}

static void *keep_watch(void *number)
{
    int watch = (int)(intptr_t)number, cpu = watch / WATCHES;
    struct sched_param priority = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
    int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
        give_up("sched_setaffinity");
    }
    if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
        give_up("SCHED_FIFO");
    }

    int64_t turn = WATCHES * STEP_NS, due = now_ns() / turn * turn + watch % WATCHES * STEP_NS;
    int64_t ready = ready_ns(schedstat);

    for (;;) {
        while (due <= now_ns()) {
            due += turn;
        }
        sleep_until(due);

        int64_t before = ready, late = now_ns() - due;

        ready = ready_ns(schedstat);
        late -= ready - before;
        if (late >= LATE_NS) {
            (void)dprintf(STDOUT_FILENO, "%d %" PRId64 " %" PRId64 "\n", cpu, due, due + late);
        }
    }
    return NULL;
}

static void watch_cpu(int cpu)
{
    pthread_attr_t small;

    (void)pthread_attr_init(&small);
    (void)pthread_attr_setstacksize(&small, STACK); /* memory is locked */
    for (int watch = cpu * WATCHES; watch < (cpu + 1) * WATCHES; watch++) {
        pthread_t thread;

        if (pthread_create(&thread, &small, keep_watch, (void *)(intptr_t)watch) != 0) {
            give_up("a thread");
        }
    }
    (void)pthread_attr_destroy(&small);
}

int main(void)
{
    cpu_set_t cpus;
    char byte;

    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0 || sched_getaffinity(0, sizeof(cpus), &cpus) != 0) {
        give_up("cannot begin");
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &cpus)) {
            watch_cpu(cpu);
        }
    }
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    _exit(0); /* each line was written whole */
}
