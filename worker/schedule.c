/*
 * schedule.c - see schedule.h. What fails leaves the thread as it was: that is only slower.
 */
#include "worker/schedule.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHORT_TURN_NS 100000 /* the least that the kernel takes */

struct attributes { /* struct sched_attr of the kernel, first version; glibc 2.36 has none */
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

void schedule_short_turns(void)
{
    struct attributes attributes = {.size = sizeof(attributes)};

    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) == 0 &&
        attributes.policy == SCHED_OTHER) {
        attributes.size = sizeof(attributes);
        attributes.runtime = SHORT_TURN_NS;
        (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
    }
}
