/*
 * provider.h - the seam of a provider: turns its input into one dynamic model.
 *
 * A provider is one file (or several with a common beginning of their names) with a table; PROVIDERS below lists them. load()
 * is pure: it reads what it is given and returns a model whose objects carry the provider's name; errors are kept on the
 * objects or as notices (I1). It never fails as a whole for a bad object; it fails (and the old model stays) only when its
 * input cannot be read at all. The first load that does not fail means that the provider has synced: weir is ready when all
 * enabled ones have. So one whose source has no first answer yet fails (-EAGAIN, with words), and one that is off for a good
 * reason, because its kind is not installed or not permitted, gives an empty model.
 */
#ifndef WEIR_MASTER_PROVIDER_PROVIDER_H
#define WEIR_MASTER_PROVIDER_PROVIDER_H

#include "common/model/patch.h"
#include "common/model/static.h"

struct kube_verdicts;
struct provider_state; /* what a provider keeps between loads (the last store, for half-written files) */

struct provider_servers {         /* a service that has other servers now */
    struct http_service *service; /* of the model that load() gave last */
    struct list servers;          /* struct server_config */
    struct pool *pool;            /* that they lie in */
};

struct provider_changes {             /* what refresh() found */
    struct provider_servers *servers; /* malloc'd; with the pools */
    size_t count;
    struct model_patch patch;
};

struct provider {
    const char *name; /* "file", "kubernetescrd": the part behind the @ */
    bool (*enabled)(const struct static_config *config);
    /* Of the master: on a thread beside its loop. *state is NULL at first and the provider's afterwards, also when it
     * fails. *out is a new model. -EAGAIN: what is asked of a cluster has not arrived; who listens (kube_live_listen) is
     * told when to load again. */
    int (*load)(const struct static_config *config, struct provider_state **state, struct model **out,
                struct error *why);
    /* Absent when nothing is kept between loads. */
    void (*free_state)(struct provider_state *state);
    /* Paths to watch, each by provider_watch(); absent when nothing is watched. */
    void (*watch_paths)(const struct static_config *config, struct pool *pool, struct list *out);
    /* Whether its input is a cluster: to be loaded again when the listener is called. Absent: never. */
    bool (*asks_cluster)(const struct static_config *config);
    /* In place of load(), when its cluster has changed since the last good load(): what differs, if that is nothing but
     * servers of load balancers (none of them had or has no server) and objects that a load would make of the same names
     * without a word about them. Each change is given once: who cannot use it must load() again. *out is the caller's.
     * -EAGAIN: load() again. Absent: always. */
    int (*refresh)(const struct static_config *config, struct provider_state *state,
                   struct provider_changes *out);
    /* After -EAGAIN of load(), for tools: until it is worth loading again, or -ETIMEDOUT with the reason. */
    int (*wait)(struct provider_state *state, unsigned timeout_ms, struct error *why);
    /* With stateDir, for the master, all or none of these. keep(): after a good load; from now on what the cluster says is
     * kept there. recall(): after -EAGAIN; the cluster has been away for too long at the start: load() may give what was
     * kept until it answers (again -EAGAIN when nothing can be had). stale(): of what time is what load() gave last, in
     * seconds since 1970; 0: it is the cluster's. */
    void (*keep)(const struct static_config *config, struct provider_state *state);
    void (*recall)(const struct static_config *config, struct provider_state *state);
    int64_t (*stale)(const struct provider_state *state);
    /* For the master, both or none: what became of the objects of its cluster, by the resolved model, when this weir is the
     * one to say so there; NULL: it is not. On the thread of the load. Then, once that is in force, judged() takes it over,
     * and so what is said. */
    struct kube_verdicts *(*judge)(const struct static_config *config, const struct provider_state *state,
                                   const struct model *model);
    void (*judged)(struct provider_state *state, struct kube_verdicts *verdicts);
};

/* PROVIDER(identifier): the one list, in the order in which they are asked. provider_<identifier> is the table, in
 * master/provider/<identifier>.c. Which of them wins is another order: provider_names in master/static/check.c. */
#define PROVIDERS(PROVIDER)                                                                                  \
    PROVIDER(file)                                                                                           \
    PROVIDER(kubernetes_crd)                                                                                 \
    PROVIDER(kubernetes_ingress)

enum provider_number {
#define PROVIDER(identifier) PROVIDER_##identifier,
    PROVIDERS(PROVIDER)
#undef PROVIDER
        PROVIDER_COUNT
};

#define PROVIDER(identifier) extern const struct provider provider_##identifier;
PROVIDERS(PROVIDER)
#undef PROVIDER

extern const struct provider *const providers[PROVIDER_COUNT];

/* For a watch_paths(): one more path, a file or a folder; not copied. */
void provider_watch(struct pool *pool, struct list *paths, struct slice path);

#endif
