/*
 * call.c - contract in call.h.
 */
#include "master/kube/call.h"

#define BODY_MOST 65536

void kube_call_init(struct kube_call *call, struct kube_api *api)
{
    *call = (struct kube_call){.api = api};
    text_init(&call->body);
}

bool kube_call_busy(const struct kube_call *call)
{
    return call->call != NULL;
}

static void on_head(void *context, const struct h1_message *message)
{
    struct kube_call *call = context;

    call->status = message->status;
}

static void on_body(void *context, struct slice piece)
{
    struct kube_call *call = context;

    if (call->body.len < BODY_MOST) {
        text_add(&call->body, slice_head(piece, BODY_MOST - call->body.len));
    }
}

static void on_done(void *context, int rc, const struct error *why)
{
    struct kube_call *call = context;
    struct kube_answer answer = {.status = rc < 0 ? 0 : call->status};

    call->call = NULL;
    if (rc < 0) {
        answer.why = *why;
        kube_api_failed(call->api, why);
    } else if (call->status != 401) {
        kube_api_worked(call->api);
    }
    answer.body = text_slice(&call->body);
    call->answered(call->context, &answer);
}

static const struct http_handlers handlers = {on_head, on_body, on_done};

int kube_call_start(struct kube_call *call, const struct kube_request *request, kube_answered *answered,
                    void *context, struct error *why)
{
    int rc;

    call->answered = answered;
    call->context = context;
    call->status = 0;
    text_clear(&call->body);
    rc = kube_api_send(call->api, request, &handlers, call, &call->call, why);
    if (rc < 0) {
        kube_api_failed(call->api, why);
    }
    return rc;
}

void kube_call_stop(struct kube_call *call)
{
    if (call->call) {
        http_call_cancel(call->call);
        call->call = NULL;
    }
    text_free(&call->body);
}
