/*
 * live.c - the thread that watches a cluster; contract in live.h.
 *
 * The thread owns loop, API client and reflectors; others reach it by `wanted`, `place`
 * and `stop` under the mutex, and a wake-up.
 */
#include "master/kube/live.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/kube/keeper.h"
#include "master/kube/live_options.h"
#include "master/kube/reflector.h"
#include "master/kube/status.h"

#define FIRST_STAND_IN                                                                                       \
    500000u                   /* owners of the table: whole kinds below, what stands in for them from here, */
#define FIRST_SINGLE 1000000u /* single objects from here */

static const struct kube_resource single_kinds[] = {
    {.group = "", .version = "v1", .plural = "secrets", .kind = "Secret"},
    {.group = "", .version = "v1", .plural = "configmaps", .kind = "ConfigMap"},
};

struct part { /* one reflector */
    struct kube_live *live;
    struct kube_reflector *reflector;
    const struct kube_resource *resource;
    struct slice namespace; /* of a whole kind; lives with the options */
    uint32_t owner;
    struct part *stand_in; /* while this kind cannot be read */
    struct kube_name name; /* of a single object, malloc'd; else empty */
    bool synced;           /* under the mutex */
};

struct kube_live {
    struct pool *pool; /* texts of options */
    struct kube_live_options options;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t throttle;
    uint64_t notified; /* loop time of the last call of the listener; 0: never */
    struct kube_api *api;
    struct kube_table *table;
    struct kube_keeper *keeper;
    struct kube_status *status;     /* NULL: nothing is written */
    struct slice source;            /* "HOST:PORT" */
    struct part **parts, **singles; /* the thread's; `singles` changes under the mutex */
    size_t part_count, single_count;
    uint32_t next_owner;
    bool stopping; /* the thread's: it has begun to stop */

    pthread_mutex_t mutex;
    pthread_cond_t progress;
    bool stop;
    struct kube_name *wanted; /* single objects, malloc'd; NULL: as before */
    size_t wanted_count;
    char *place; /* stateDir, "": none, NULL: nothing was said yet; malloc'd */
    const char *place_provider;
    bool place_new;
};

static struct {
    pthread_mutex_t mutex;
    void (*changed)(void *context);
    void *context;
} listener = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void kube_live_listen(void (*changed)(void *context), void *context)
{
    pthread_mutex_lock(&listener.mutex);
    listener.changed = changed;
    listener.context = context;
    pthread_mutex_unlock(&listener.mutex);
}

static void call_listener(void)
{
    pthread_mutex_lock(&listener.mutex);
    if (listener.changed) {
        listener.changed(listener.context);
    }
    pthread_mutex_unlock(&listener.mutex);
}

/* ---- on the thread: what changed ---- */
static void notify(struct kube_live *live)
{
    live->notified = uv_now(&live->loop);
    call_listener();
}

static void on_throttle(uv_timer_t *timer)
{
    notify(timer->data);
}

static bool all_listed(const struct kube_live *live)
{
    for (size_t i = 0; i < live->part_count; i++) {
        if (!live->parts[i]->synced) {
            return false;
        }
    }
    return true;
}

static bool all_singles(const struct kube_live *live)
{
    for (size_t i = 0; i < live->single_count; i++) {
        if (!live->singles[i]->synced) {
            return false;
        }
    }
    return live->wanted == NULL;
}

static void keep(struct kube_live *live)
{
    if (all_listed(live)) {
        kube_keeper_changed(live->keeper);
    }
}

/* The first at once, the others no sooner than the option says. */
static void on_changed(void *context)
{
    struct part *part = context;
    struct kube_live *live = part->live;
    uint64_t least = (uint64_t)(live->options.throttle_ns / 1000000), now = uv_now(&live->loop);

    keep(live);
    if (!all_listed(live) || uv_is_active((uv_handle_t *)&live->throttle)) {
        return; /* all_listed: the last to be synced tells */
    }
    if (live->notified == 0 || now - live->notified >= least) {
        notify(live);
    } else {
        (void)uv_timer_start(&live->throttle, on_throttle, live->notified + least - now, 0);
    }
}

static void on_synced(void *context)
{
    struct part *part = context;
    struct kube_live *live = part->live;
    bool ready;

    pthread_mutex_lock(&live->mutex);
    part->synced = true;
    ready = all_listed(live) && all_singles(live);
    pthread_cond_broadcast(&live->progress);
    pthread_mutex_unlock(&live->mutex);
    if (ready) {
        notify(live);
    }
}

/* ---- on the thread: reflectors ---- */
static void on_off(void *context, bool off);

static struct part *part_start(struct kube_live *live, const struct kube_resource *resource,
                               struct kube_name name, uint32_t owner)
{
    struct part *part = xcalloc(1, sizeof(*part));
    struct kube_reflector_options options = {
        .loop = &live->loop,
        .api = live->api,
        .table = live->table,
        .owner = owner,
        .resource = resource,
        .namespace = name.namespace,
        .name = name.name,
        .selector = live->options.selector,
        .changed = on_changed,
        .synced = on_synced,
        .off = on_off,
        .context = part,
    };

    part->live = live;
    part->resource = resource;
    part->owner = owner;
    part->reflector = kube_reflector_start(&options);
    return part;
}

static const struct kube_resource *stand_in_of(const struct kube_live *live,
                                               const struct kube_resource *resource)
{
    for (const struct kube_resource *at = live->options.resources; at->kind; at++) {
        if (at->stands_in_for && strcmp(at->stands_in_for, resource->kind) == 0) {
            return at;
        }
    }
    return NULL;
}

static void stand_in_start(struct part *part, const struct kube_resource *resource)
{
    struct kube_live *live = part->live;
    struct kube_name name = {.namespace = part->namespace};
    struct part *other = part_start(live, resource, name, FIRST_STAND_IN + part->owner);

    part->stand_in = other;
    pthread_mutex_lock(&live->mutex);
    live->parts[live->part_count++] = other; /* there is room: parts_start() */
    pthread_mutex_unlock(&live->mutex);
}

static void stand_in_stop(struct part *part)
{
    struct kube_live *live = part->live;
    struct part *other = part->stand_in;
    size_t at = 0;

    pthread_mutex_lock(&live->mutex);
    while (live->parts[at] != other) {
        at++;
    }
    live->parts[at] = live->parts[--live->part_count];
    pthread_mutex_unlock(&live->mutex);
    part->stand_in = NULL;
    kube_reflector_stop(other->reflector, true);
    free(other);
    on_changed(part);
}

static void on_off(void *context, bool off)
{
    struct part *part = context;
    const struct kube_resource *other = stand_in_of(part->live, part->resource);

    if (off && other && part->stand_in == NULL) {
        stand_in_start(part, other);
    } else if (!off && part->stand_in) {
        stand_in_stop(part);
    }
}

static bool left_out(const struct kube_live *live, const struct kube_resource *resource)
{
    return resource->stands_in_for || (resource->cluster_scoped && live->options.no_cluster_scope) ||
           (live->options.without && strcmp(resource->kind, live->options.without) == 0);
}

static void parts_start(struct kube_live *live)
{
    const struct slice *namespaces = live->options.namespaces.items;
    size_t spaces = live->options.namespaces.count, kinds = 0;

    while (live->options.resources[kinds].kind) {
        kinds++;
    }
    live->parts =
        xcalloc(kinds * (spaces ? spaces : 1), sizeof(struct part *)); /* stand-ins are kinds, too */
    for (size_t i = 0; i < kinds; i++) {
        const struct kube_resource *resource = &live->options.resources[i];
        size_t times = spaces && !resource->cluster_scoped ? spaces : 1;

        if (left_out(live, resource)) {
            continue;
        }
        for (size_t j = 0; j < times; j++) {
            struct kube_name name = {.namespace =
                                         spaces && !resource->cluster_scoped ? namespaces[j] : SLICE("")};

            struct part *part = part_start(live, resource, name, (uint32_t)live->part_count);

            part->namespace = name.namespace;
            live->parts[live->part_count++] = part;
        }
    }
}

/* Makes `singles` what is wanted. */
static void singles_apply(struct kube_live *live, struct kube_name *wanted, size_t count)
{
    struct part **next = xcalloc(count + 1, sizeof(struct part *));

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < live->single_count && next[i] == NULL; j++) {
            if (live->singles[j] && kube_name_eq(live->singles[j]->name, wanted[i])) {
                next[i] = live->singles[j];
                live->singles[j] = NULL;
            }
        }
        if (next[i] == NULL) {
            const struct kube_resource *kind = &single_kinds[strcmp(wanted[i].kind, "Secret") == 0 ? 0 : 1];

            next[i] = part_start(live, kind, wanted[i], live->next_owner++);
            next[i]->name = kube_name_copy(wanted[i]);
        }
    }
    for (size_t j = 0; j < live->single_count; j++) {
        if (live->singles[j]) { /* nobody names it any more */
            kube_reflector_stop(live->singles[j]->reflector, true);
            kube_name_free(live->singles[j]->name);
            free(live->singles[j]);
        }
    }
    free(live->singles);
    live->singles = next;
    live->single_count = count;
}

static void parts_stop(struct part **parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kube_reflector_stop(parts[i]->reflector, false);
        kube_name_free(parts[i]->name);
        free(parts[i]);
    }
    free(parts);
}

/* For a load, after which there are verdicts: no change, so the throttle does not count. */
static void on_leads(void *context)
{
    struct kube_live *live = context;

    kube_table_doubt(live->table);
    call_listener();
}

static void handles_close(void *context)
{
    struct kube_live *live = context;

    kube_keeper_close(live->keeper);
    kube_api_close(live->api);
    uv_close((uv_handle_t *)&live->wake, NULL);
    uv_close((uv_handle_t *)&live->throttle, NULL);
}

static void on_wake(uv_async_t *wake)
{
    struct kube_live *live = wake->data;
    bool stop, ready = false;

    pthread_mutex_lock(&live->mutex);
    stop = live->stop;
    if (live->place_new && !stop) {
        kube_keeper_place(live->keeper, live->place_provider, slice_cstr(live->place));
        live->place_new = false;
        keep(live);
    }
    if (live->wanted && !stop) {
        singles_apply(live, live->wanted, live->wanted_count);
        kube_names_free(live->wanted, live->wanted_count);
        live->wanted = NULL;
        ready = all_listed(live) && all_singles(live);
        pthread_cond_broadcast(&live->progress);
    }
    pthread_mutex_unlock(&live->mutex);
    if (ready) { /* fewer than before, and those are there: nobody else would tell */
        notify(live);
    }
    if (stop && !live->stopping) { /* once, whoever woke us */
        live->stopping = true;
        parts_stop(live->parts, live->part_count);
        parts_stop(live->singles, live->single_count);
        kube_status_close(live->status, handles_close, live);
    }
}

static void *run(void *context)
{
    struct kube_live *live = context;

    (void)uv_run(&live->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- life ---- */
static int start_thread(struct kube_live *live, struct error *why)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop of the process */
    rc = pthread_create(&live->thread, NULL, run, live);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? error_set(why, -rc, "cannot start a thread: %s", strerror(rc)) : 0;
}

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

static void status_start(struct kube_live *live)
{
    const struct kube_status_options options = {.loop = &live->loop,
                                                .api = live->api,
                                                .table = live->table,
                                                .lease = live->options.lease,
                                                .leads = on_leads,
                                                .context = live};

    live->status = kube_status_new(&options);
}

static int live_open(const struct kube_live_options *options, struct kube_live **out, struct error *why)
{
    const struct kube_places places = kube_places_system();
    struct kube_access *access;
    struct kube_live *live;
    int rc = kube_access_find(&options->access, &places, &access, why);

    if (rc < 0) {
        return rc;
    }
    live = xcalloc(1, sizeof(*live));
    rc = uv_loop_init(&live->loop);
    if (rc < 0) {
        kube_access_free(access);
        free(live);
        return error_set(why, rc, "cannot make a loop: %s", uv_strerror(rc));
    }
    live->pool = pool_new(1024, 0);
    live->table = kube_table_new();
    live->next_owner = FIRST_SINGLE;
    mutex_make(live);
    kube_options_copy(live->pool, options, &live->options);
    log_info("Kubernetes objects are read from the API server %.*s:%u (%.*s)", SLICE_ARG(access->host),
             (unsigned)access->port, SLICE_ARG(access->origin));
    live->source = pool_printf(live->pool, "%.*s:%u", SLICE_ARG(access->host), (unsigned)access->port);
    rc = kube_api_new(&live->loop, access, &live->api, why);
    if (rc == 0) {
        (void)uv_async_init(&live->loop, &live->wake, on_wake);
        (void)uv_timer_init(&live->loop, &live->throttle);
        live->wake.data = live->throttle.data = live;
        live->keeper = kube_keeper_new(&live->loop, live->table, live->source);
        parts_start(live);
        status_start(live);
        rc = start_thread(live, why);
        if (rc < 0) {
            parts_stop(live->parts, live->part_count);
            kube_status_close(live->status, handles_close, live);
        }
    }
    if (rc < 0) {
        (void)uv_run(&live->loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&live->loop);
        live_free(live);
        return rc;
    }
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
    if (live == NULL) {
        return;
    }
    pthread_mutex_lock(&live->mutex);
    live->stop = true;
    pthread_mutex_unlock(&live->mutex);
    (void)uv_async_send(&live->wake);
    (void)pthread_join(live->thread, NULL);
    (void)uv_loop_close(&live->loop);
    live_free(live);
}

/* ---- for other threads ---- */
int kube_live_store(struct kube_live *live, struct kube_store **out, struct error *why)
{
    bool ready;

    pthread_mutex_lock(&live->mutex);
    ready = all_listed(live);
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
    if (!same) {
        kube_names_free(live->wanted, live->wanted ? live->wanted_count : 0);
        live->wanted = xcalloc(count + 1, sizeof(*live->wanted));
        live->wanted_count = count;
        for (size_t i = 0; i < count; i++) {
            live->wanted[i] = kube_name_copy(names[i]);
        }
    }
    ready = all_singles(live);
    pthread_mutex_unlock(&live->mutex);
    if (!same) {
        (void)uv_async_send(&live->wake);
    }
    return ready;
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
    return live->source;
}

int kube_live_wait(struct kube_live *live, unsigned timeout_ms, struct error *why)
{
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
    while (rc == 0 && !(all_listed(live) && all_singles(live))) {
        rc = pthread_cond_timedwait(&live->progress, &live->mutex, &until);
    }
    pthread_mutex_unlock(&live->mutex);
    if (rc) {
        struct error last;

        kube_api_last(live->api, &last);
        return error_set(why, -ETIMEDOUT, "the API server did not list everything within %u ms%s%s",
                         timeout_ms, last.text[0] ? ": " : "", last.text);
    }
    return 0;
}
