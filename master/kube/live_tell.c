/*
 * live_tell.c - what changed in a live source: who is told, and when. The first change at once, a burst by the throttle, and
 * nothing before everything was listed.
 */
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

bool live_all_listed(const struct kube_live *live)
{
    for (size_t i = 0; i < live->part_count; i++) {
        if (!live->parts[i]->synced) {
            return false;
        }
    }
    return true;
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

void live_synced(void *context)
{
    struct part *part = context;
    struct kube_live *live = part->live;
    bool ready;

    pthread_mutex_lock(&live->mutex);
    part->synced = true;
    ready = live_all_listed(live) && live_all_singles(live);
    pthread_cond_broadcast(&live->progress);
    pthread_mutex_unlock(&live->mutex);
    if (ready) {
        (void)uv_timer_stop(&live->patience);
        live_notify(live);
    }
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
