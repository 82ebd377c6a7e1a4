/*
 * pace.c - contract in pace.h.
 */
#include "master/master/pace.h"

#define MILLISECOND INT64_C(1000000)
#define PAUSE_FIRST (50 * MILLISECOND)
#define PAUSE_IDLE (5 * MILLISECOND) /* the first, when nothing came of the job */
#define STREAK_LONG 32               /* changes without a pause, ... */
#define BURST_PER_SECOND 50          /* ... and so many in a second since the job before: a burst */
#define SHARE 5                      /* of the time is for jobs, at most one part in so many */
#define PAUSE_MOST (30000 * MILLISECOND)

static const struct {
    int64_t most, most_in_burst;
} bounds[] = {
    [PACE_SERVERS] = {100 * MILLISECOND, 3000 * MILLISECOND},
    [PACE_OBJECTS] = {400 * MILLISECOND, 5000 * MILLISECOND},
    [PACE_WHOLE] = {1000 * MILLISECOND, 5000 * MILLISECOND},
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* At the rate since the job before. */
static bool is_burst(const struct pace *pace, const struct pace_job *job)
{
    int64_t ms = (job->began_ns - pace->since_ns) / MILLISECOND;

    return pace->streak >= STREAK_LONG && (int64_t)job->changes * 1000 >= ms * BURST_PER_SECOND;
}

void pace_job_done(struct pace *pace, const struct pace_job *job)
{
    bool paused = job->began_ns - pace->next_ns > pace->pause_ns;
    int64_t share = (SHARE - 1) * job->cost_ns, wanted;

    pace->streak = paused ? job->changes : pace->streak + job->changes;
    wanted = !paused ? 2 * pace->pause_ns : job->idle ? PAUSE_IDLE : PAUSE_FIRST;
    wanted = least(wanted,
                   !paused && is_burst(pace, job) ? bounds[job->work].most_in_burst : bounds[job->work].most);
    pace->since_ns = job->began_ns;
    pace->pause_ns = least(wanted > share ? wanted : share, PAUSE_MOST);
    pace->next_ns = job->ended_ns + pace->pause_ns;
}
