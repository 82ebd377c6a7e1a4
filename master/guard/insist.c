/*
 * insist.c - asking again for what the kernel refused; see insist.h.
 */
#include "master/guard/insist.h"

#include <errno.h>
#include <time.h>

#include "common/base/memory.h"

#define PAUSE_NS 10000000

static bool insisting;

void insist_begin(void)
{
    insisting = true;
    memory_insist();
}

bool insist_again(int rc)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_NS};

    if (!insisting || rc >= 0 || rc == -EBADMSG || rc == -EINVAL) {
        return false;
    }
    (void)nanosleep(&pause, NULL);
    return true;
}
