/*
 * job.h - one job: loads the providers that changed, resolves, compiles and seals, on a thread, while the loop goes on.
 *
 * When nothing but servers of load balancers and a few objects changed it takes a short way (refresh.c): the providers say which,
 * models and all else that is kept are brought up to date in place, and their pages are made anew. What is published is
 * the same either way, byte for byte.
 *
 * A page whose content is that of the published one is not sealed again. While there is a job it alone touches what
 * struct input says is the job's, and the master's models. Private to reload.c, refresh.c
 * and job.c.
 *
 * Not here: when there is one, and what becomes of what it found (reload.c).
 */
#ifndef WEIR_MASTER_MASTER_JOB_H
#define WEIR_MASTER_MASTER_JOB_H

#include "master/compile/compile.h"
#include "master/master/master.h"
#include "master/resolve/resolve.h"

struct refreshed { /* a service with other servers */
    struct provider_servers from;
    uint32_t position; /* in the master's model */
};

struct job {
    uv_work_t work;
    struct master *master;
    /* given */
    struct settings *settings, *old_settings; /* old: of the model that is replaced */
    bool enabled[PROVIDER_COUNT], dirty[PROVIDER_COUNT];
    int64_t began_ns;    /* clock */
    size_t events;       /* changes of a cluster that it takes along, as far as they were counted */
    uint64_t generation; /* the number it will have, if it is published */
    uint64_t page_base;  /* page numbers above this are free */
    uint64_t published[PAGE_PLACES]; /* hashes of the pages in force */
    size_t published_count;          /* 0: there are none */
    const struct known *before;
    struct hold_rule hold;
    bool recall;  /* it was held back for long enough: what was kept of a cluster will do */
    bool asked;   /* somebody asked for a whole job (reload_request()) */
    bool refresh; /* the short way may do; found: it did */
    bool files;   /* files that middlewares name are to be looked at */
    bool secrets; /* OCSP answers or keys of session tickets are others */
    /* found */
    bool for_cluster;                       /* it is to be held back for one: nothing else was found, */
    bool waiting;                           /* but pages of what is served until then (waiting.h) */
    struct model *outdated[PROVIDER_COUNT]; /* models that newer ones replaced */
    struct model *model;
    struct compiler *compiler;
    struct known *known;
    struct refreshed *refreshed; /* of the short way, which has no model and nothing known of its own */
    size_t refreshed_count;
    struct model_patch patches[PROVIDER_COUNT]; /* the same; owned by the providers' models */
    bool patched;                               /* there are some: `compiler` is found too */
    struct resolve_patched changed;             /* what they came to; in the pool */
    struct pool *pool;
    bool all_pages;                                 /* were made anew, as in the whole way */
    struct kube_verdicts *verdicts[PROVIDER_COUNT]; /* NULL: nothing is to be said */
    char *changes;
    size_t page_count; /* of the new generation */
    uint64_t hashes[PAGE_PLACES];
    int fds[PAGE_PLACES];                   /* -1: the published page is the same */
    struct target_hold *holds[PAGE_PLACES]; /* of services pages and of the UDP page, when new */
    double elapsed_ms;
    int64_t cost_ns; /* of the processor */
    int rc;
    struct error why;
};

/* Takes along what is dirty. */
struct job *job_new(struct master *master);
/* done() is called on the loop, its request's data is the job. */
void job_start(struct job *job, uv_after_work_cb done);
/* Whether there is anything to publish. */
bool job_differs(const struct job *job);
/* Those of the generation that is to be published; what is the same as now is shared. One reference each for the caller. */
void job_take_pages(struct job *job, struct page_files *pages);
/* Gives back what it holds, on the thread: freeing a large model takes as long as a callback may not. */
void job_free(struct job *job);

/* Seals what differs from what is published; places without a page are as they are. On the thread. */
int job_seal(struct job *job, const struct compiled *compiled);
void job_close_pages(struct job *job);
void job_judge(struct job *job, const struct model *model); /* the resolved one. On the thread */

/* ---- refresh.c ---- */
/* On the loop: whether the short way may do for what is dirty now. */
bool refresh_may(const struct master *master);
/* On the thread: false when the whole way has to be gone. */
bool refresh_work(struct job *job);
/* On the loop: the new servers are the models' now, and job->changes says so. */
void refresh_install(struct job *job);
void refresh_free(struct job *job); /* what was not installed */

#endif
