/*
 * keeper.c - contract in keeper.h.
 */
#include "master/kube/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/kube/state.h"

#define KEEP_MS 5000
#define FAILED_MS 60000

struct kube_keeper {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct kube_table *table;
    struct slice source;
    const char *provider;
    char *dir;           /* NULL: nowhere */
    bool dirty, closing; /* dirty: there is something to write */
    bool closed;         /* the timer */
    uint64_t next;       /* loop time of the next file */
    struct error said;
    /* the thread's while it writes */
    uv_work_t work;
    bool writing;
    struct kube_store *store;
    char *to;
    int64_t unix_s;
    int rc;
    struct error why;
};

static void arm(struct kube_keeper *keeper);

static void write_work(uv_work_t *work)
{
    struct kube_keeper *keeper = work->data;
    const struct kube_state_place place = {
        .dir = slice_cstr(keeper->to), .provider = keeper->provider, .source = keeper->source};

    keeper->rc = kube_state_write(&place, keeper->store, keeper->unix_s, &keeper->why);
    kube_store_free(keeper->store);
    free(keeper->to);
}

static void say(struct kube_keeper *keeper)
{
    if (keeper->rc == -EBUSY) {
        log_debug("stateDir: %s", keeper->why.text);
    } else if (keeper->rc < 0 && strcmp(keeper->why.text, keeper->said.text) != 0) {
        log_error("stateDir: %s; what the API server says is not kept", keeper->why.text);
        keeper->said = keeper->why;
    } else if (keeper->rc == 0 && keeper->said.text[0]) {
        log_info("stateDir: what the API server says is kept again");
        keeper->said.text[0] = '\0';
    }
}

static void free_if_done(struct kube_keeper *keeper)
{
    if (keeper->closed && !keeper->writing) {
        free(keeper->dir);
        free(keeper);
    }
}

static void after_write(uv_work_t *work, int status)
{
    struct kube_keeper *keeper = work->data;
    bool failed = keeper->rc < 0 && keeper->rc != -EBUSY;

    (void)status;
    keeper->writing = false;
    say(keeper);
    keeper->dirty = keeper->dirty || keeper->rc < 0;
    keeper->next = uv_now(keeper->loop) + (failed ? FAILED_MS : KEEP_MS);
    if (keeper->closing) {
        free_if_done(keeper);
    } else {
        arm(keeper);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct kube_keeper *keeper = timer->data;

    if (keeper->dir == NULL) {
        return;
    }
    keeper->dirty = false;
    keeper->writing = true;
    keeper->store = kube_table_store(keeper->table);
    keeper->to = xstrndup(keeper->dir, strlen(keeper->dir));
    keeper->unix_s = (int64_t)time(NULL);
    (void)uv_queue_work(keeper->loop, &keeper->work, write_work, after_write);
}

static void arm(struct kube_keeper *keeper)
{
    uint64_t now = uv_now(keeper->loop);

    if (keeper->dir && keeper->dirty && !keeper->writing && !uv_is_active((uv_handle_t *)&keeper->timer)) {
        (void)uv_timer_start(&keeper->timer, on_timer, keeper->next > now ? keeper->next - now : 0, 0);
    }
}

struct kube_keeper *kube_keeper_new(struct uv_loop_s *loop, struct kube_table *table, struct slice source)
{
    struct kube_keeper *keeper = xcalloc(1, sizeof(*keeper));

    keeper->loop = loop;
    keeper->table = table;
    keeper->source = source;
    (void)uv_timer_init(loop, &keeper->timer);
    keeper->timer.data = keeper->work.data = keeper;
    return keeper;
}

void kube_keeper_place(struct kube_keeper *keeper, const char *provider, struct slice dir)
{
    (void)uv_timer_stop(&keeper->timer);
    free(keeper->dir);
    keeper->dir = dir.len ? xstrndup(dir.ptr, dir.len) : NULL;
    keeper->provider = provider;
    keeper->next = 0;
    keeper->dirty = false;
}

void kube_keeper_changed(struct kube_keeper *keeper)
{
    keeper->dirty = true;
    arm(keeper);
}

static void on_closed(uv_handle_t *handle)
{
    struct kube_keeper *keeper = handle->data;

    keeper->closed = true;
    free_if_done(keeper);
}

void kube_keeper_close(struct kube_keeper *keeper)
{
    keeper->closing = true;
    uv_close((uv_handle_t *)&keeper->timer, on_closed);
}
