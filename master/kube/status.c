/*
 * status.c - contract in status.h.
 */
#include "master/kube/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/kube/elector.h"
#include "master/kube/writer.h"
#include "master/source/tree.h"

#define NAME_MOST 64 /* a label of a name: what a namespace is */
#define HOST_MOST 200

/* Set once, before there are sources. */
static struct {
    bool enabled;
    char namespace[NAME_MOST];
    char identity[HOST_MOST + 24];
} self;

struct kube_status {
    struct kube_status_options options;
    struct kube_elector *elector;
    struct kube_writer *writer;
    uv_async_t wake;
    atomic_bool leads;
    pthread_mutex_t mutex;
    struct kube_verdicts *given; /* under the mutex; NULL: none is new */
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- who and where ---- */
static void find_namespace(void)
{
    const char *named = getenv("POD_NAMESPACE");
    const struct kube_places places = kube_places_system();
    char path[256];
    struct text text;

    if (named && named[0]) {
        (void)snprintf(self.namespace, sizeof(self.namespace), "%s", named);
        return;
    }
    text_init(&text);
    (void)snprintf(path, sizeof(path), "%s/namespace", places.account);
    if (tree_read(slice_cstr(path), &text, NULL) == 0) {
        (void)slice_to_cstr(slice_trim(text_slice(&text)), self.namespace, sizeof(self.namespace));
    }
    text_free(&text);
}

void kube_status_enable(uint64_t instance)
{
    const char *pod = getenv("POD_NAME");
    char host[HOST_MOST] = "";

    if (pod == NULL || pod[0] == '\0') {
        (void)gethostname(host, sizeof(host) - 1);
        pod = host;
    }
    (void)snprintf(self.identity, sizeof(self.identity), "%.*s_%08x", HOST_MOST - 1, pod,
                   (unsigned)(instance ^ instance >> 32));
    find_namespace();
    self.enabled = true;
}

/* ---- on the loop ---- */
static void on_changed(void *context, bool leads)
{
    struct kube_status *status = context;

    atomic_store(&status->leads, leads);
    if (leads) {
        kube_writer_begin(status->writer);
        status->options.leads(status->options.context);
    } else {
        kube_writer_end(status->writer);
    }
}

static struct kube_verdicts *take_given(struct kube_status *status, struct kube_verdicts *next)
{
    struct kube_verdicts *given;

    pthread_mutex_lock(&status->mutex);
    given = status->given;
    status->given = next;
    pthread_mutex_unlock(&status->mutex);
    return given;
}

static void on_wake(uv_async_t *wake)
{
    struct kube_status *status = wake->data;
    struct kube_verdicts *given = take_given(status, NULL);

    if (given) {
        kube_writer_take(status->writer, given);
    }
}

/* ---- life ---- */
struct kube_status *kube_status_new(const struct kube_status_options *options)
{
    struct kube_status *status;

    if (!self.enabled || options->lease.len == 0) {
        return NULL;
    }
    if (self.namespace[0] == '\0') {
        log_info(
            "Status of objects is not written: this is no pod, and POD_NAMESPACE does not name a namespace "
            "for the Lease %.*s",
            SLICE_ARG(options->lease));
        return NULL;
    }
    status = xcalloc(1, sizeof(*status));
    status->options = *options;
    (void)pthread_mutex_init(&status->mutex, NULL);
    (void)uv_async_init(options->loop, &status->wake, on_wake);
    status->wake.data = status;

    const struct kube_writer_options writer = {.loop = options->loop,
                                               .api = options->api,
                                               .table = options->table,
                                               .instance = slice_cstr(self.identity)};
    const struct kube_elector_options elector = {.loop = options->loop,
                                                 .api = options->api,
                                                 .namespace = slice_cstr(self.namespace),
                                                 .name = options->lease,
                                                 .identity = slice_cstr(self.identity),
                                                 .changed = on_changed,
                                                 .context = status};

    status->writer = kube_writer_new(&writer);
    status->elector = kube_elector_new(&elector);
    return status;
}

bool kube_status_leads(const struct kube_status *status)
{
    return status && atomic_load(&status->leads);
}

void kube_status_give(struct kube_status *status, struct kube_verdicts *verdicts)
{
    kube_verdicts_free(take_given(status, verdicts));
    (void)uv_async_send(&status->wake);
}

static void on_wake_closed(uv_handle_t *handle)
{
    struct kube_status *status = handle->data;

    kube_verdicts_free(status->given);
    (void)pthread_mutex_destroy(&status->mutex);
    free(status);
}

static void on_elector_closed(void *context)
{
    struct kube_status *status = context;

    kube_writer_close(status->writer);
    uv_close((uv_handle_t *)&status->wake, on_wake_closed);
    status->closed(status->closed_context);
}

void kube_status_close(struct kube_status *status, void (*closed)(void *context), void *context)
{
    if (status == NULL) {
        closed(context);
        return;
    }
    atomic_store(&status->leads, false);
    kube_writer_end(status->writer);
    status->closed = closed;
    status->closed_context = context;
    kube_elector_close(status->elector, on_elector_closed, status);
}
