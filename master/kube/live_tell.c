/*
 * live_tell.c - what changed in a live source: who is told, and when. The first change at once, a burst by the throttle, and
 * nothing before everything was listed.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "master/kube/live_inner.h"

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

void live_call_listener(void)
{
    pthread_mutex_lock(&listener.mutex);
    if (listener.changed) {
        listener.changed(listener.context);
    }
    pthread_mutex_unlock(&listener.mutex);
}

/* ---- on the thread: what changed ---- */
void live_notify(struct kube_live *live)
{
    live->notified = uv_now(live->loop);
    live_call_listener();
}

static void on_throttle(uv_timer_t *timer)
{
    live_notify(timer->data);
}

static bool all_synced(const struct kube_live *live)
{
    for (size_t i = 0; i < live->part_count; i++) {
        if (!live->parts[i]->synced) {
            return false;
        }
    }
    return true;
}

/* None of those kinds could ever be read, and one of them is there, for others. */
static bool hidden(const struct kube_live *live, const char *vital)
{
    bool forbidden = false;

    for (size_t i = 0; i < live->part_count; i++) {
        const struct part *part = live->parts[i];

        if (part->resource->vital && strcmp(part->resource->vital, vital) == 0) {
            if (part->read) {
                return false;
            }
            forbidden = forbidden || part->off == KUBE_FORBIDDEN;
        }
    }
    return forbidden;
}

bool live_blind(const struct kube_live *live, char words[LIVE_BLIND])
{
    size_t len = 0;

    words[0] = '\0';
    if (live->seen || !all_synced(live)) {
        return false;
    }
    for (size_t i = 0; i < live->part_count; i++) {
        const char *vital = live->parts[i]->resource->vital;

        if (vital && strstr(words, vital) == NULL && len < LIVE_BLIND && hidden(live, vital)) {
            len += (size_t)snprintf(words + len, LIVE_BLIND - len, "%s%s", len ? ", no " : "no ", vital);
        }
    }
    return len > 0;
}

/* Who may not read what routes are made of knows nothing, which is not to say that there is nothing. */
bool live_all_listed(const struct kube_live *live)
{
    char words[LIVE_BLIND];

    return all_synced(live) && !live_blind(live, words);
}

bool live_all_singles(const struct kube_live *live)
{
    for (size_t i = 0; i < live->single_count; i++) {
        if (!live->singles[i]->synced) {
            return false;
        }
    }
    return live->wanted == NULL;
}

void live_keep(struct kube_live *live)
{
    if (live_all_listed(live)) {
        kube_keeper_changed(live->keeper);
    }
}

/* The first at once, the others no sooner than the option says. */
void live_changed(void *context)
{
    const struct part *part = context;
    struct kube_live *live = part->live;
    uint64_t least = (uint64_t)(live->options.throttle_ns / 1000000), now = uv_now(live->loop);

    live_keep(live);
    if (!live_all_listed(live) || uv_is_active((uv_handle_t *)&live->throttle)) {
        return; /* the last to be synced tells */
    }
    if (live->notified == 0 || now - live->notified >= least) {
        live_notify(live);
    } else {
        (void)uv_timer_start(&live->throttle, on_throttle, live->notified + least - now, 0);
    }
}

/* Once, and when it is over. */
static void say_blind(struct kube_live *live)
{
    struct slice source = kube_hub_source(live->hub);
    char words[LIVE_BLIND];

    if (live_blind(live, words) && !live->blind) {
        log_error("The API server %.*s permits this user to read %s: it is taken for one that has not "
                  "answered; look at the (Cluster)Role and its binding",
                  SLICE_ARG(source), words);
        live->blind = true;
    } else if (live->blind && live->seen) {
        log_info("The API server %.*s permits this user to read what is needed", SLICE_ARG(source));
        live->blind = false;
    }
}

/* After what is known of a part has changed: whether that was the last that was waited for. */
static void tell_progress(struct kube_live *live, bool was_ready)
{
    bool ready = live_all_listed(live) && live_all_singles(live);

    live->seen = live->seen || live_all_listed(live);
    pthread_cond_broadcast(&live->progress);
    pthread_mutex_unlock(&live->mutex);
    say_blind(live);
    if (ready && !was_ready) {
        (void)uv_timer_stop(&live->patience);
        live_notify(live);
    }
}

void live_synced(void *context)
{
    struct part *part = context;
    struct kube_live *live = part->live;

    pthread_mutex_lock(&live->mutex);
    part->synced = true;
    part->read = part->off == KUBE_ON;
    tell_progress(live, false);
}

void live_off(void *context, enum kube_off off)
{
    struct part *part = context;
    struct kube_live *live = part->live;

    pthread_mutex_lock(&live->mutex);
    bool was_ready = live_all_listed(live) && live_all_singles(live);

    part->off = off;
    part->read = part->read || off == KUBE_ON;
    tell_progress(live, was_ready);
}

static void on_patience(uv_timer_t *timer)
{
    live_notify(timer->data);
}

void live_patience_start(struct kube_live *live)
{
    (void)uv_timer_start(&live->patience, on_patience, LIVE_PATIENCE_MS + 1, 0);
}

void live_timers_init(struct kube_live *live)
{
    (void)uv_timer_init(live->loop, &live->throttle);
    (void)uv_timer_init(live->loop, &live->patience);
    live->throttle.data = live->patience.data = live;
}
