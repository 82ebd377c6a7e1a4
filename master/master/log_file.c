/*
 * log_file.c - where the log goes: log.filePath or standard output, told to the thread that writes it.
 *
 * The thread begins when the configuration is in force; until then lines wait in their rings, those of an earlier
 * master's time too.
 */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "master/guard/log_writer.h"
#include "master/master/master.h"

#define LAST_WORDS_TAKE 1000000000 /* ns; the guard waits for us for twice as long */

/* Until the end of the process: threads may log. */
static struct log_rings *rings;
static struct log_ring *ring;
static struct log_writer *writer; /* NULL: not yet */

int log_file_join(struct error *why)
{
    int rc = log_rings_map(PROCESS_LOG_FD, &rings, why);

    close(PROCESS_LOG_FD);
    if (rc == 0 && (rc = log_ring_take(rings, "master", LOG_RING_LARGE, &ring, why)) == 0) {
        log_ring_sink(ring);
    }
    return rc;
}

void log_file_open(const struct log_config *config)
{
    struct slice name = config ? config->file_path : SLICE("");
    char path[PATH_MAX];
    struct error why;
    bool fits = slice_to_cstr(name, path, sizeof(path));

    if (!fits) {
        log_error("log.filePath: \"%.*s\" is too long for a path or holds a NUL; the log goes on where it "
                  "went before",
                  SLICE_ARG(name));
    }
    if (writer && fits) {
        log_writer_reopen(writer, name.len > 0 ? path : NULL);
    } else if (!writer && log_writer_start(rings, fits && name.len > 0 ? path : NULL, &writer, &why) < 0) {
        (void)dprintf(STDERR_FILENO, "weir: %s; SIGUSR1 tries again\n", why.text);
    }
}

void log_file_close(void)
{
    if (writer) {
        log_writer_stop(writer, LAST_WORDS_TAKE);
        writer = NULL;
    }
}
