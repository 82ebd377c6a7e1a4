/*
 * live.h - the source "an API server" (source.h): keeps objects as the cluster has them, stores on demand.
 *
 * Each provider that asks a cluster has one of its own. Those that reach it by the same options share a thread, a client and
 * what they ask alike (hub.h). The thread has a loop of its own, so however large a list is, the master's does not wait. What
 * is known stays when the API server goes away.
 *
 * Not here: what the objects mean (master/provider).
 */
#ifndef WEIR_MASTER_KUBE_LIVE_H
#define WEIR_MASTER_KUBE_LIVE_H

#include "common/schema/schema.h"
#include "master/kube/access.h"
#include "master/kube/object.h"
#include "master/kube/table.h"

struct kube_live;
struct kube_verdicts;

#define LIVE_PATIENCE_MS 2000

struct kube_live_options {
    struct kube_options access;
    struct list namespaces; /* struct slice; none: all */
    struct slice selector;  /* labelSelector, for selectable resources */
    int64_t throttle_ns;    /* least time between two calls of the listener; the first is at once */
    bool no_cluster_scope;  /* resources of no namespace are left out */
    struct slice lease;     /* name of the Lease for writing status; empty: none is written */
    const char *without;    /* static: this kind is left out; or NULL */
    const struct kube_resource *resources; /* static; ended by kind NULL */
};

struct kube_name {
    const char *kind; /* "Secret" or "ConfigMap", static */
    struct slice namespace, name;
};

/* Sets `live` to one with these options: *live is kept when it has them already, else closed and replaced (it may be NULL).
 * Fails when there is nothing to ask or credentials cannot be read; then *live is as before. */
int kube_live_ensure(const struct kube_live_options *options, struct kube_live **live, struct error *why);
void kube_live_close(struct kube_live *live); /* waits until nothing of it is left; NULL is fine */

/* A store of what is known, one reference; -EAGAIN while not everything has been listed once. */
int kube_live_store(struct kube_live *live, struct kube_store **out, struct error *why);
/* What changed since the last store or changes; see kube_table_changes(). */
bool kube_live_changes(struct kube_live *live, struct kube_change **out, size_t *count,
                       struct kube_store **now);
/* The Secrets and ConfigMaps that something refers to, all of them, none twice: each is asked for and watched by itself,
 * others are forgotten. True when all of them have been asked for once (they may not be there). */
bool kube_live_need(struct kube_live *live, const struct kube_name *names, size_t count);
/* After kube_live_need() was false: whether it is worth while to leave everything as it is and to wait for who listens to
 * be told. It is for LIVE_PATIENCE_MS; then one that is not answered for must not hold up all others. */
bool kube_live_patient(struct kube_live *live);

/* From now on what is known, once it is everything, is kept in that folder for that provider (static), keeper.h; an empty
 * dir: no longer. */
void kube_live_keep(struct kube_live *live, const char *provider, struct slice dir);
/* What became of the objects is to be said in the cluster (status.h), by this weir: verdicts are of use. When that begins
 * the listener is called. */
bool kube_live_leads(const struct kube_live *live);
/* The newest verdicts, taken over; after kube_live_leads(). */
void kube_live_judged(struct kube_live *live, struct kube_verdicts *verdicts);
/* "HOST:PORT" of the API server; lives as long as live. */
struct slice kube_live_source(const struct kube_live *live);

/* Who is told, from the sources' threads, that a store would differ now. One for the process; NULL for none. */
void kube_live_listen(void (*changed)(void *context), void *context);
/* Until a store can be had with what is needed, for tools; -ETIMEDOUT with the reason as far as it is known. */
int kube_live_wait(struct kube_live *live, unsigned timeout_ms, struct error *why);

#endif
