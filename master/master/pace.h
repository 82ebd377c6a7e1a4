/*
 * pace.h - how long to wait after a job for changes of a cluster before the next one. Pure: who asks gives the time.
 *
 * The first change is taken up at once. As long as changes keep coming each pause is twice as long as the one before, up to a
 * bound that depends on what the job had to do; in a burst (many changes, at a high rate) the bound is one of seconds: a burst
 * of any length is a handful of jobs. And jobs never take more than a fifth of the time.
 */
#ifndef WEIR_MASTER_MASTER_PACE_H
#define WEIR_MASTER_MASTER_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pace_work {
    PACE_SERVERS, /* pages of servers alone: what dead servers still get is lost */
    PACE_OBJECTS, /* a few objects */
    PACE_WHOLE
};

struct pace {         /* zeroed at first */
    int64_t next_ns;  /* no job before */
    int64_t pause_ns; /* that led there */
    int64_t since_ns; /* when the last job began */
    size_t streak;    /* changes since there was a pause */
};

struct pace_job {
    int64_t began_ns, ended_ns, cost_ns; /* cost: of the processor */
    size_t changes;                      /* that it took along */
    enum pace_work work;
    bool idle; /* nothing came of them: what they belong to may be on its way, a Service before its route */
};

void pace_job_done(struct pace *pace, const struct pace_job *job);

#endif
