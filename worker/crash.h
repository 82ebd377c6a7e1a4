/*
 * crash.h - the last words of a worker: where it stood when it was aborted or crashed.
 */
#ifndef WEIR_WORKER_CRASH_H
#define WEIR_WORKER_CRASH_H

/* From now on SIGABRT (the guard's answer to silence), SIGSEGV, SIGBUS, SIGILL and SIGFPE write a stack trace to standard
 * error before they end the process. name is kept. */
void crash_install(const char *name);

#endif
