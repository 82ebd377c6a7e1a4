/*
 * live.c - an API server as a source; contract in live.h, parts in live_inner.h.
 *
 * It lives on the thread of its hub; others reach it by `wanted` and `place` under the mutex, and a wake-up.
 */
#include "master/kube/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/kube/live_inner.h"

/* ---- on the thread ---- */
/* For a load, after which there are verdicts: no change, so the throttle does not count. */
static void on_leads(void *context)
{
    struct kube_live *live = context;

    kube_table_doubt(live->table);
    live_call_listener();
}

static void on_wake(uv_async_t *wake)
{
    struct kube_live *live = wake->data;
    bool ready = false, applied = false;

    pthread_mutex_lock(&live->mutex);
    if (live->place_new) {
        kube_keeper_place(live->keeper, live->place_provider, slice_cstr(live->place));
        live->place_new = false;
        live_keep(live);
    }
    if (live->wanted) {
        live_singles_apply(live, live->wanted, live->wanted_count);
        kube_names_free(live->wanted, live->wanted_count);
        live->wanted = NULL;
        applied = true;
        ready = live_all_listed(live) && live_all_singles(live);
        pthread_cond_broadcast(&live->progress);
    }
    pthread_mutex_unlock(&live->mutex);
    if (ready) { /* fewer than before, and those are there: nobody else would tell */
        live_notify(live);
    } else if (applied) {
        live_patience_start(live);
    }
}

static void status_start(struct kube_live *live)
{
    const struct kube_status_options options = {.loop = live->loop,
                                                .api = kube_hub_api(live->hub),
                                                .table = live->table,
                                                .lease = live->options.lease,
                                                .leads = on_leads,
                                                .context = live};

    live->status = kube_status_new(&options);
}

static void begin(void *context)
{
    struct kube_live *live = context;

    live->loop = kube_hub_loop(live->hub);
    (void)uv_async_init(live->loop, &live->wake, on_wake);
    live->wake.data = live;
    live_timers_init(live);
    live->handles = 3;
    live->keeper = kube_keeper_new(live->loop, live->table, kube_hub_source(live->hub));
    live_parts_start(live);
    status_start(live);
}

static void on_closed(uv_handle_t *handle)
{
    struct kube_live *live = handle->data;

    if (--live->handles == 0) {
        pthread_mutex_lock(&live->mutex);
        live->gone = true;
        pthread_cond_broadcast(&live->progress);
        pthread_mutex_unlock(&live->mutex);
    }
}

static void handles_close(void *context)
{
    struct kube_live *live = context;

    kube_keeper_close(live->keeper);
    uv_close((uv_handle_t *)&live->wake, on_closed);
    uv_close((uv_handle_t *)&live->throttle, on_closed);
    uv_close((uv_handle_t *)&live->patience, on_closed);
}

static void end(void *context)
{
    struct kube_live *live = context;

    live_parts_stop(live);
    kube_status_close(live->status, handles_close, live);
}

/* ---- life ---- */
static void live_free(struct kube_live *live)
{
    (void)pthread_mutex_destroy(&live->mutex);
    (void)pthread_cond_destroy(&live->progress);
    kube_names_free(live->wanted, live->wanted ? live->wanted_count : 0);
    kube_table_free(live->table);
    free(live->place);
    if (live->options.access.token.len) {
        explicit_bzero((char *)(uintptr_t)live->options.access.token.ptr, live->options.access.token.len);
    }
    pool_free(live->pool);
    free(live);
}

static void mutex_make(struct kube_live *live)
{
    pthread_condattr_t monotonic;

    (void)pthread_mutex_init(&live->mutex, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&live->progress, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

static int live_open(const struct kube_live_options *options, struct kube_live **out, struct error *why)
{
    struct kube_hub *hub;
    struct kube_live *live;
    int rc = kube_hub_get(&options->access, &hub, why);

    if (rc < 0) {
        return rc;
    }
    live = xcalloc(1, sizeof(*live));
    live->hub = hub;
    live->pool = pool_new(1024, 0);
    live->table = kube_table_new();
    mutex_make(live);
    kube_options_copy(live->pool, options, &live->options);
    kube_hub_run(hub, begin, live);
    *out = live;
    return 0;
}

int kube_live_ensure(const struct kube_live_options *options, struct kube_live **live, struct error *why)
{
    struct kube_live *next = NULL;
    int rc;

    if (*live && kube_options_same(&(*live)->options, options)) {
        return 0;
    }
    rc = live_open(options, &next, why);
    if (rc == 0) {
        kube_live_close(*live);
        *live = next;
    }
    return rc;
}

void kube_live_close(struct kube_live *live)
{
    struct kube_hub *hub;

    if (live == NULL) {
        return;
    }
    hub = live->hub;
    kube_hub_run(hub, end, live);
    pthread_mutex_lock(&live->mutex);
    while (!live->gone) {
        pthread_cond_wait(&live->progress, &live->mutex);
    }
    pthread_mutex_unlock(&live->mutex);
    live_free(live);
    kube_hub_put(hub);
}

/* ---- for other threads ---- */
int kube_live_store(struct kube_live *live, struct kube_store **out, struct error *why)
{
    bool ready;

    pthread_mutex_lock(&live->mutex);
    ready = live_all_listed(live);
    pthread_mutex_unlock(&live->mutex);
    if (!ready) {
        return error_set(why, -EAGAIN, "the API server has not listed everything yet");
    }
    *out = kube_table_look(live->table);
    return 0;
}

bool kube_live_changes(struct kube_live *live, struct kube_change **out, size_t *count,
                       struct kube_store **now)
{
    return kube_table_changes(live->table, out, count, now);
}

bool kube_live_need(struct kube_live *live, const struct kube_name *names, size_t count)
{
    bool same, ready;

    pthread_mutex_lock(&live->mutex);
    same = live->wanted == NULL && live->single_count == count;
    for (size_t i = 0; i < count && same; i++) {
        same = kube_name_eq(live->singles[i]->name, names[i]);
    }
    if (!same && live_all_singles(live)) {
        live->wanted_ns = process_clock_ns();
    }
    if (!same) {
        kube_names_free(live->wanted, live->wanted ? live->wanted_count : 0);
        live->wanted = xcalloc(count + 1, sizeof(*live->wanted));
        live->wanted_count = count;
        for (size_t i = 0; i < count; i++) {
            live->wanted[i] = kube_name_copy(names[i]);
        }
    }
    ready = live_all_singles(live);
    pthread_mutex_unlock(&live->mutex);
    if (!same) {
        (void)uv_async_send(&live->wake);
    }
    return ready;
}

bool kube_live_patient(struct kube_live *live)
{
    bool patient;

    pthread_mutex_lock(&live->mutex);
    patient = process_clock_ns() - live->wanted_ns < LIVE_PATIENCE_MS * (int64_t)1000000;
    pthread_mutex_unlock(&live->mutex);
    return patient;
}

void kube_live_keep(struct kube_live *live, const char *provider, struct slice dir)
{
    bool same;

    pthread_mutex_lock(&live->mutex);
    same = live->place && slice_eq(slice_cstr(live->place), dir);
    if (!same) {
        free(live->place);
        live->place = xstrndup(dir.ptr, dir.len);
        live->place_provider = provider;
        live->place_new = true;
    }
    pthread_mutex_unlock(&live->mutex);
    if (!same) {
        (void)uv_async_send(&live->wake);
    }
}

bool kube_live_leads(const struct kube_live *live)
{
    return kube_status_leads(live->status);
}

void kube_live_judged(struct kube_live *live, struct kube_verdicts *verdicts)
{
    kube_status_give(live->status, verdicts);
}

struct slice kube_live_source(const struct kube_live *live)
{
    return kube_hub_source(live->hub);
}

int kube_live_wait(struct kube_live *live, unsigned timeout_ms, struct error *why)
{
    char words[LIVE_BLIND];
    bool blind = false;
    struct timespec until;
    int rc = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&live->mutex);
    while (rc == 0 && !(live_all_listed(live) && live_all_singles(live)) &&
           !(blind = live_blind(live, words))) {
        rc = pthread_cond_timedwait(&live->progress, &live->mutex, &until);
    }
    pthread_mutex_unlock(&live->mutex);
    if (blind) {
        return error_set(why, -EACCES, "the API server permits this user to read %s", words);
    }
    if (rc) {
        struct error last;

        kube_api_last(kube_hub_api(live->hub), &last);
        return error_set(why, -ETIMEDOUT, "the API server did not list everything within %u ms%s%s",
                         timeout_ms, last.text[0] ? ": " : "", last.text);
    }
    return 0;
}
