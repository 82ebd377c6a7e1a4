/*
 * log_writer.h - the one thread that writes the log out: the records of all processes, to standard output or a file.
 *
 * It runs in the master, or, when there is none any more, in the guard at its very end: never in two processes at once.
 * It writes with blocking calls and is waited for by nobody: while it cannot write (full disk, dead pipe, a reader that
 * stopped), records stay in their rings, and what does not fit there is counted and said once writing works again.
 */
#ifndef WEIR_MASTER_GUARD_LOG_WRITER_H
#define WEIR_MASTER_GUARD_LOG_WRITER_H

#include "shm/log_ring.h"

struct log_writer;

/* path: a file to append to (copied), NULL: standard output. One that cannot be opened is said in the log, which then
 * goes to standard output. */
int log_writer_start(struct log_rings *rings, const char *path, struct log_writer **out, struct error *why);
/* Lines from now on go there, earlier ones to the old place if it takes them; the same path is opened anew. What cannot
 * be opened changes nothing. Returns at once. */
void log_writer_reopen(struct log_writer *writer, const char *path);
/* Writes what is left, for at most that long, and frees the writer. When it is still stuck in a write then, the writer
 * lives on and the process has to end soon. */
void log_writer_stop(struct log_writer *writer, int64_t most_ns);

#endif
