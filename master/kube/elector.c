/*
 * elector.c - contract in elector.h.
 */
#include "master/kube/elector.h"

#include <stdlib.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/kube/call.h"
#include "master/kube/lease.h"
#include "master/kube/target.h"

#define READ_MS 5000
#define REFUSED_FIRST_MS 5000
#define REFUSED_MOST_MS 600000
#define RELEASE_MS 2000
#define DEADLINE_MS 10000

enum question { ASK, CREATE, UPDATE, RELEASE };

struct kube_elector {
    struct kube_elector_options options;
    struct lease lease;
    struct kube_call call;
    uv_timer_t timer, deadline; /* the next request; until when what was renewed last holds */
    enum question question;
    struct lease_record next; /* what is being written */
    int64_t began_ns;
    bool leads, complained;
    unsigned refusals; /* in a row: the Lease may not be had */
    void (*closed)(void *context);
    void *closed_context;
    unsigned open; /* handles */
};

static void step(struct kube_elector *elector);

static bool tell(struct kube_elector *elector)
{
    bool leads = lease_leads(&elector->lease, process_clock_ns());

    if (leads != elector->leads && elector->closed == NULL) {
        elector->leads = leads;
        log_info("The Lease %.*s/%.*s is %s: status of objects is written by %s",
                 SLICE_ARG(elector->options.namespace), SLICE_ARG(elector->options.name),
                 leads ? "held" : "no longer held", leads ? "this weir" : "another one");
        elector->options.changed(elector->options.context, leads);
    }
    return leads;
}

static void on_timer(uv_timer_t *timer)
{
    step(timer->data);
}

static void again_in(struct kube_elector *elector, uint64_t ms)
{
    (void)uv_timer_start(&elector->timer, on_timer, ms, 0);
}

static void again(struct kube_elector *elector)
{
    uint32_t noise = 0;

    (void)uv_random(NULL, NULL, &noise, sizeof(noise), 0, NULL);
    again_in(elector, lease_due_ms(&elector->lease, noise));
}

/* ---- the end ---- */
static void on_handle_closed(uv_handle_t *handle)
{
    struct kube_elector *elector = handle->data;

    if (--elector->open == 0) {
        free(elector);
    }
}

static void finish(struct kube_elector *elector)
{
    void (*closed)(void *context) = elector->closed;
    void *context = elector->closed_context;

    kube_call_stop(&elector->call);
    elector->open = 2;
    uv_close((uv_handle_t *)&elector->timer, on_handle_closed);
    uv_close((uv_handle_t *)&elector->deadline, on_handle_closed);
    closed(context);
}

static void on_release_timeout(uv_timer_t *timer)
{
    finish(timer->data);
}

/* ---- answers ---- */
/* Neither there nor to be had: said once. */
static void refused(struct kube_elector *elector, const struct kube_answer *answer)
{
    unsigned shift = elector->refusals < 10 ? elector->refusals : 10;
    uint64_t ms = (uint64_t)REFUSED_FIRST_MS << shift;
    char words[256];

    if (!elector->complained) {
        kube_problem_words(answer->body, words, sizeof(words));
        log_warn(
            "The Lease %.*s/%.*s cannot be had (%u%s%s): status of objects is not written; it is tried again",
            SLICE_ARG(elector->options.namespace), SLICE_ARG(elector->options.name), answer->status,
            words[0] ? ": " : "", words);
        elector->complained = true;
    }
    elector->refusals++;
    lease_refused(&elector->lease);
    again_in(elector, ms < REFUSED_MOST_MS ? ms : REFUSED_MOST_MS);
}

static void on_deadline(uv_timer_t *timer)
{
    struct kube_elector *elector = timer->data;

    if (!tell(elector) && kube_call_busy(&elector->call)) { /* whatever it was asked, it is too late */
        kube_call_stop(&elector->call);
        lease_refused(&elector->lease);
        again(elector);
    }
}

static void taken(struct kube_elector *elector, const struct kube_answer *answer)
{
    struct lease_record answered;
    struct error why;

    if (lease_read(answer->body, &answered, &why) < 0) {
        log_debug("Lease: %s", why.text);
        lease_refused(&elector->lease);
        again(elector);
        return;
    }
    elector->refusals = 0;
    elector->complained = false;
    lease_written(&elector->lease, &elector->next, slice_cstr(answered.version), elector->began_ns);
    int64_t took_ms = (process_clock_ns() - elector->began_ns) / 1000000;

    /* it holds from when it was asked for; a little later, so that the clock has passed it */
    (void)uv_timer_start(&elector->deadline, on_deadline,
                         took_ms < DEADLINE_MS ? (uint64_t)(DEADLINE_MS + 1 - took_ms) : 1, 0);
    (void)tell(elector);
    again(elector);
}

static void put(struct kube_elector *elector, enum question question);

static void seen(struct kube_elector *elector, const struct kube_answer *answer)
{
    struct lease_record record;
    struct error why;

    if (answer->status == 200 && lease_read(answer->body, &record, &why) < 0) {
        log_debug("Lease: %s", why.text);
        again(elector);
        return;
    }
    enum lease_step next = lease_seen(&elector->lease, answer->status == 200 ? &record : NULL,
                                      process_clock_ns(), moment_now_us(), &elector->next);

    elector->refusals = 0;
    if (next == LEASE_WAIT) {
        elector->complained = false;
        (void)tell(elector);
        again(elector);
    } else {
        put(elector, next == LEASE_CREATE ? CREATE : UPDATE);
    }
}

static void release(struct kube_elector *elector);

/* The answer to what was asked before the end began. */
static void answered_late(struct kube_elector *elector, const struct kube_answer *answer)
{
    struct lease_record record;

    if ((answer->status == 200 || answer->status == 201) && elector->question != ASK &&
        lease_read(answer->body, &record, NULL) == 0) {
        lease_written(&elector->lease, &elector->next, slice_cstr(record.version), elector->began_ns);
    }
    release(elector);
}

static void on_answer(void *context, const struct kube_answer *answer)
{
    struct kube_elector *elector = context;
    unsigned status = answer->status;

    if (elector->closed && elector->question != RELEASE) {
        answered_late(elector, answer);
    } else if (elector->question == RELEASE) {
        finish(elector);
    } else if (elector->question == ASK && (status == 200 || status == 404)) {
        seen(elector, answer);
    } else if (elector->question != ASK && (status == 200 || status == 201)) {
        taken(elector, answer);
    } else if (status >= 400 && status < 500 && status != 401 && status != 409 && status != 429) {
        refused(elector, answer);
        (void)tell(elector);
    } else { /* away for a moment, or another one was faster */
        lease_refused(&elector->lease);
        (void)tell(elector);
        again(elector);
    }
}

/* ---- questions ---- */
static void request_lease(struct kube_elector *elector, enum question question, struct slice method,
                          struct slice body)
{
    bool create = question == CREATE;
    struct text target;
    struct error why;

    elector->question = question;
    elector->began_ns = process_clock_ns();
    text_init(&target);
    text_add_cstr(&target, "/apis/coordination.k8s.io/v1/namespaces/");
    kube_add_escaped(&target, elector->options.namespace);
    text_add_cstr(&target, create ? "/leases" : "/leases/");
    if (!create) {
        kube_add_escaped(&target, elector->options.name);
    }
    const struct kube_request request = {.method = method,
                                         .target = text_slice(&target),
                                         .content_type = body.len ? SLICE("application/json") : SLICE(""),
                                         .body = body,
                                         .read_ms = READ_MS};

    if (kube_call_start(&elector->call, &request, on_answer, elector, &why) < 0) {
        lease_refused(&elector->lease);
        if (question == RELEASE) {
            finish(elector);
        } else {
            again(elector);
        }
    }
    text_free(&target);
}

static void put(struct kube_elector *elector, enum question question)
{
    struct text body;

    text_init(&body);
    lease_write(&elector->next, elector->options.namespace, elector->options.name, &body);
    request_lease(elector, question, question == CREATE ? SLICE("POST") : SLICE("PUT"), text_slice(&body));
    text_free(&body);
}

static void step(struct kube_elector *elector)
{
    if (lease_renewal(&elector->lease, moment_now_us(), &elector->next)) {
        put(elector, UPDATE);
    } else {
        request_lease(elector, ASK, SLICE("GET"), SLICE(""));
    }
}

/* ---- life ---- */
struct kube_elector *kube_elector_new(const struct kube_elector_options *options)
{
    struct kube_elector *elector = xcalloc(1, sizeof(*elector));

    elector->options = *options;
    lease_init(&elector->lease, options->identity);
    kube_call_init(&elector->call, options->api);
    (void)uv_timer_init(options->loop, &elector->timer);
    (void)uv_timer_init(options->loop, &elector->deadline);
    elector->timer.data = elector->deadline.data = elector;
    again_in(elector, 0);
    return elector;
}

static void release(struct kube_elector *elector)
{
    if (lease_release(&elector->lease, moment_now_us(), &elector->next)) {
        put(elector, RELEASE);
    } else {
        finish(elector);
    }
}

void kube_elector_close(struct kube_elector *elector, void (*closed)(void *context), void *context)
{
    elector->closed = closed;
    elector->closed_context = context;
    (void)uv_timer_stop(&elector->timer);
    (void)uv_timer_start(&elector->deadline, on_release_timeout, RELEASE_MS, 0);
    if (!kube_call_busy(
            &elector->call)) { /* else after the answer: what is given back must be what is there */
        release(elector);
    }
}
