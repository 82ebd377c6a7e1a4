/*
 * hub.h - the thread, the loop and the client for one API server, and what is asked of it: shared by the live sources that
 * reach it with the same options.
 *
 * What lives on its loop is made, used and closed on its thread (kube_hub_run()), so none of it needs a lock.
 */
#ifndef WEIR_MASTER_KUBE_HUB_H
#define WEIR_MASTER_KUBE_HUB_H

#include "master/kube/access.h"
#include "master/kube/reflector.h"

struct kube_hub;

/* Fails when there is nothing to ask or credentials cannot be read. */
int kube_hub_get(const struct kube_options *access, struct kube_hub **out, struct error *why);
/* What its user has made on the loop is closed. The last one waits for the thread. */
void kube_hub_put(struct kube_hub *hub);

/* Calls work() on the thread and returns when it is done. Not from the thread. */
void kube_hub_run(struct kube_hub *hub, void (*work)(void *context), void *context);

/* On the thread. */
struct uv_loop_s *kube_hub_loop(struct kube_hub *hub);
struct kube_reflectors *kube_hub_reflectors(struct kube_hub *hub);

struct kube_api *kube_hub_api(struct kube_hub *hub);
struct slice kube_hub_source(const struct kube_hub *hub); /* "HOST:PORT"; lives as long as the hub */

#endif
