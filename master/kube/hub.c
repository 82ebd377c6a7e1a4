/*
 * hub.c - contract in hub.h.
 */
#include "master/kube/hub.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/base/memory.h"

struct errand { /* on the stack of who waits for it */
    struct errand *next;
    void (*work)(void *context);
    void *context;
    bool done;
};

struct kube_hub {
    struct kube_hub *next; /* with `references` under the mutex of all hubs */
    unsigned references;
    struct pool *pool;           /* texts of options */
    struct kube_options options; /* what it was asked for with */
    struct slice source;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    struct kube_api *api;
    struct kube_reflectors reflectors;
    pthread_mutex_t mutex;
    pthread_cond_t progress;
    struct errand *errands; /* under the mutex, the oldest first */
};

static struct {
    pthread_mutex_t mutex;
    struct kube_hub *first;
} hubs = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- on the thread ---- */
static struct errand *next_errand(struct kube_hub *hub, struct errand *done)
{
    struct errand *next;

    pthread_mutex_lock(&hub->mutex);
    if (done) {
        done->done = true;
        pthread_cond_broadcast(&hub->progress);
    }
    next = hub->errands;
    if (next) {
        hub->errands = next->next;
    }
    pthread_mutex_unlock(&hub->mutex);
    return next;
}

static void on_wake(uv_async_t *wake)
{
    struct kube_hub *hub = wake->data;

    for (struct errand *at = next_errand(hub, NULL); at; at = next_errand(hub, at)) {
        at->work(at->context);
    }
}

static void *run(void *context)
{
    struct kube_hub *hub = context;

    (void)uv_run(&hub->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void handles_close(void *context)
{
    struct kube_hub *hub = context;

    kube_reflectors_end(&hub->reflectors);
    kube_api_close(hub->api);
    uv_close((uv_handle_t *)&hub->wake, NULL);
}

void kube_hub_run(struct kube_hub *hub, void (*work)(void *context), void *context)
{
    struct errand errand = {.work = work, .context = context}, **last = &hub->errands;

    pthread_mutex_lock(&hub->mutex);
    while (*last) {
        last = &(*last)->next;
    }
    *last = &errand;
    (void)uv_async_send(&hub->wake); /* under the mutex: who is done may close it */
    while (!errand.done) {
        pthread_cond_wait(&hub->progress, &hub->mutex);
    }
    pthread_mutex_unlock(&hub->mutex);
}

/* ---- life ---- */
static int start_thread(struct kube_hub *hub, struct error *why)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop of the process */
    rc = pthread_create(&hub->thread, NULL, run, hub);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? error_set(why, -rc, "cannot start a thread: %s", strerror(rc)) : 0;
}

static void hub_free(struct kube_hub *hub)
{
    (void)pthread_mutex_destroy(&hub->mutex);
    (void)pthread_cond_destroy(&hub->progress);
    if (hub->options.token.len) {
        explicit_bzero((char *)(uintptr_t)hub->options.token.ptr, hub->options.token.len);
    }
    pool_free(hub->pool);
    free(hub);
}

static int begin(struct kube_hub *hub, struct kube_access *access, struct error *why)
{
    int rc;

    log_info("Kubernetes objects are read from the API server %.*s:%u (%.*s)", SLICE_ARG(access->host),
             (unsigned)access->port, SLICE_ARG(access->origin));
    hub->source = pool_printf(hub->pool, "%.*s:%u", SLICE_ARG(access->host), (unsigned)access->port);
    rc = kube_api_new(&hub->loop, access, &hub->api, why);
    if (rc == 0) {
        (void)uv_async_init(&hub->loop, &hub->wake, on_wake);
        hub->wake.data = hub;
        kube_reflectors_begin(&hub->reflectors, &hub->loop, hub->api);
        rc = start_thread(hub, why);
        if (rc < 0) {
            handles_close(hub);
        }
    }
    if (rc < 0) {
        (void)uv_run(&hub->loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&hub->loop);
    }
    return rc;
}

static struct slice copied(struct pool *pool, struct slice text)
{
    return text.len ? pool_copy(pool, text) : SLICE("");
}

static int open_hub(const struct kube_options *options, struct kube_hub **out, struct error *why)
{
    const struct kube_places places = kube_places_system();
    struct kube_access *access;
    struct kube_hub *hub;
    int rc = kube_access_find(options, &places, &access, why);

    if (rc < 0) {
        return rc;
    }
    hub = xcalloc(1, sizeof(*hub));
    rc = uv_loop_init(&hub->loop);
    if (rc < 0) {
        kube_access_free(access);
        free(hub);
        return error_set(why, rc, "cannot make a loop: %s", uv_strerror(rc));
    }
    (void)pthread_mutex_init(&hub->mutex, NULL);
    (void)pthread_cond_init(&hub->progress, NULL);
    hub->references = 1;
    hub->pool = pool_new(512, 0);
    hub->options = (struct kube_options){.endpoint = copied(hub->pool, options->endpoint),
                                         .token = copied(hub->pool, options->token),
                                         .ca_file = copied(hub->pool, options->ca_file)};
    rc = begin(hub, access, why);
    if (rc < 0) {
        hub_free(hub);
        return rc;
    }
    *out = hub;
    return 0;
}

static bool same(const struct kube_options *a, const struct kube_options *b)
{
    return slice_eq(a->endpoint, b->endpoint) && slice_eq(a->token, b->token) &&
           slice_eq(a->ca_file, b->ca_file);
}

int kube_hub_get(const struct kube_options *access, struct kube_hub **out, struct error *why)
{
    struct kube_hub *hub;
    int rc = 0;

    pthread_mutex_lock(&hubs.mutex);
    hub = hubs.first;
    while (hub && !same(&hub->options, access)) {
        hub = hub->next;
    }
    if (hub) {
        hub->references++;
        *out = hub;
    } else {
        rc = open_hub(access, out, why);
        if (rc == 0) {
            (*out)->next = hubs.first;
            hubs.first = *out;
        }
    }
    pthread_mutex_unlock(&hubs.mutex);
    return rc;
}

void kube_hub_put(struct kube_hub *hub)
{
    struct kube_hub **link = &hubs.first;
    bool last;

    pthread_mutex_lock(&hubs.mutex);
    last = --hub->references == 0;
    while (last && *link != hub) {
        link = &(*link)->next;
    }
    if (last) {
        *link = hub->next;
    }
    pthread_mutex_unlock(&hubs.mutex);
    if (last) {
        kube_hub_run(hub, handles_close, hub);
        (void)pthread_join(hub->thread, NULL);
        (void)uv_loop_close(&hub->loop);
        hub_free(hub);
    }
}

/* ---- what it has ---- */
struct uv_loop_s *kube_hub_loop(struct kube_hub *hub)
{
    return &hub->loop;
}

struct kube_reflectors *kube_hub_reflectors(struct kube_hub *hub)
{
    return &hub->reflectors;
}

struct kube_api *kube_hub_api(struct kube_hub *hub)
{
    return hub->api;
}

struct slice kube_hub_source(const struct kube_hub *hub)
{
    return hub->source;
}
