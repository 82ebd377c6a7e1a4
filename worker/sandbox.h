/*
 * sandbox.h - what a worker may still do once somebody else controls it: next to nothing but TCP.
 */
#ifndef WEIR_WORKER_SANDBOX_H
#define WEIR_WORKER_SANDBOX_H

#include "worker/fence.h"

/* First thing in a worker: no capability, no new privileges by whatever means, not dumpable (no core, no ptrace by the
 * same user, /proc/PID belongs to root). The death signal stays set. */
void sandbox_drop_privileges(void);

/* Last thing before the loop runs; a helper thread calls it for itself before it does anything else, for it holds for the
 * thread that calls it. From here on the kernel refuses (EPERM) every system call that is not in the list of sandbox.c, a
 * new thread among them, and every file and every listening socket, where it has Landlock; it connects only to what stands
 * in the table behind the fence. Nothing here ends the process: what the kernel lacks is told by sandbox_report(). */
void sandbox_enter(const struct fence *fence);

/* What the kernel lacks: a warning without seccomp, a debug line without Landlock. For the time when the log has the
 * user's settings. */
void sandbox_report(void);

#endif
