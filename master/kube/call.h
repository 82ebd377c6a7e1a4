/*
 * call.h - one request to an API server whose answer is read as a whole: for what is written there.
 *
 * One at a time in each struct kube_call. On the loop of its API. Not here: lists and watches (reflector.h).
 */
#ifndef WEIR_MASTER_KUBE_CALL_H
#define WEIR_MASTER_KUBE_CALL_H

#include "common/base/text.h"
#include "master/kube/api.h"

struct kube_answer {
    unsigned status;   /* 0: none came, see `why` */
    struct slice body; /* of at most 64 KiB: what is longer is cut */
    struct error why;
};

typedef void kube_answered(void *context, const struct kube_answer *answer);

struct kube_call {
    struct kube_api *api;
    struct http_call *call; /* NULL: none */
    unsigned status;
    struct text body;
    kube_answered *answered;
    void *context;
};

void kube_call_init(struct kube_call *call, struct kube_api *api);
bool kube_call_busy(const struct kube_call *call);
/* answered() is called once, not before this returns 0; a negative errno: credentials cannot be read, no call is made. */
int kube_call_start(struct kube_call *call, const struct kube_request *request, kube_answered *answered,
                    void *context, struct error *why);
void kube_call_stop(struct kube_call *call); /* answered() is not called any more; frees */

#endif
