/*
 * job.h - one job: loads the providers that changed, resolves, compiles and seals, on a thread, while the loop goes on.
 *
 * A page whose content is that of the published one is not sealed again. While there is a job it alone touches what
 * struct input says is the job's, and the master's models. Private to reload.c and job.c.
 *
 * Not here: when there is one, and what becomes of what it found (reload.c).
 */
#ifndef WEIR_MASTER_MASTER_JOB_H
#define WEIR_MASTER_MASTER_JOB_H

#include "master/compile/compile.h"
#include "master/master/master.h"

struct job {
    uv_work_t work;
    struct master *master;
    /* given */
    struct settings *settings, *old_settings; /* old: of the model that is replaced */
    bool enabled[PROVIDER_COUNT], dirty[PROVIDER_COUNT];
    uint64_t generation;             /* the number it will have, if it is published */
    uint64_t page_base;              /* page numbers above this are free */
    uint64_t published[PAGE_PLACES]; /* hashes of the pages in force */
    size_t published_count;          /* 0: there are none */
    const struct known *before;
    struct hold_rule hold;
    bool recall; /* it was held back for long enough: what was kept of a cluster will do */
    /* found */
    bool for_cluster;                       /* it is to be held back for one: nothing else was found */
    struct model *outdated[PROVIDER_COUNT]; /* models that newer ones replaced */
    struct model *model;
    struct known *known;
    char *changes;
    size_t page_count; /* of the new generation */
    uint64_t hashes[PAGE_PLACES];
    int fds[PAGE_PLACES]; /* -1: the published page is the same */
    double elapsed_ms;
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

#endif
