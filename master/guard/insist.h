/*
 * insist.h - a guard that has taken another's place gives up nothing: its end would be that of all sessions.
 *
 * From insist_begin() on allocations wait for memory instead of ending the process, and what the kernel refuses is asked for
 * again, for as long as it takes: workers and master serve meanwhile, without a guard. When it takes a second, the log says so.
 */
#ifndef WEIR_MASTER_GUARD_INSIST_H
#define WEIR_MASTER_GUARD_INSIST_H

#include <stdbool.h>

void insist_begin(void);
/* After a step ended with rc. True: it was refused something that time may bring, some has passed, do it again. False: it went
 * well, time brings nothing (-EBADMSG, -EINVAL), or nobody insists. */
bool insist_again(int rc);

#endif
