/*
 * threads.c - the loop's threads are started at once, because libuv ends the process without a word when there are none to be
 * had.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "master/master/master.h"

#define THREADS_DEFAULT 4 /* libuv's */
#define THREADS_MOST 1024

static unsigned wanted(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    long number = text ? strtol(text, NULL, 10) : THREADS_DEFAULT;

    return number < 1 ? 1 : number > THREADS_MOST ? THREADS_MOST : (unsigned)number;
}

static void wait_for_all(void *arg)
{
    uv_sem_wait(arg);
}

/* Whether there are so many. */
static int try(unsigned count)
{
    uv_thread_t threads[THREADS_MOST];
    unsigned started = 0;
    uv_sem_t all;
    int rc = uv_sem_init(&all, 0);

    if (rc < 0) {
        return rc;
    }
    while (started < count && (rc = uv_thread_create(&threads[started], wait_for_all, &all)) == 0) {
        started++;
    }
    for (unsigned i = 0; i < started; i++) {
        uv_sem_post(&all);
    }
    for (unsigned i = 0; i < started; i++) {
        (void)uv_thread_join(&threads[i]);
    }
    uv_sem_destroy(&all);
    return rc;
}

static void nothing(uv_work_t *work)
{
    (void)work;
}

int threads_start(struct master *master, struct error *why)
{
    unsigned count = wanted();
    int rc = try(count);

    if (rc < 0) {
        return error_set(why, rc,
                         "no %u threads: %s (limits of memory: ulimit -d, ulimit -v; of tasks: ulimit -u, "
                         "pids.max of the control group)",
                         count, uv_strerror(rc));
    }
    (void)uv_queue_work(&master->loop, &master->first_work, nothing, NULL);
    return 0;
}
