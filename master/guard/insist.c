/*
 * insist.c - asking again for what the kernel refused; see insist.h.
 */
#include "master/guard/insist.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/memory.h"

#define PAUSE_NS 10000000
#define SAID_EVERY 6000u /* refusals in a row: about a minute; first after a second */
#define SAID_FIRST 100u

static bool insisting;

void insist_begin(void)
{
    insisting = true;
    memory_insist();
}

bool insist_again(int rc)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_NS};
    static unsigned refusals; /* in a row */

    if (!insisting || rc >= 0 || rc == -EBADMSG || rc == -EINVAL) {
        refusals = 0;
        return false;
    }
    if (++refusals % SAID_EVERY == SAID_FIRST) {
        log_warn("The machine refuses the guard what it needs (%s): it asks again, nobody who ends is "
                 "started meanwhile",
                 strerror(-rc));
    }
    (void)nanosleep(&pause, NULL);
    return true;
}
