/*
 * log_file.c - log.filePath: opened by the master, which knows the name; guard and workers get the descriptor.
 *
 * Every record is one write to a descriptor opened for appending, so lines of several processes do not mix. SIGUSR1
 * opens the file anew after it was rotated.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "master/master/master.h"

void log_file_open(struct master *master)
{
    const struct log_config *config = master->settings->loaded.config.log;
    struct control_message message = {.kind = CONTROL_SIGNAL};
    char path[4096];
    int fd = -1;

    if (config && config->file_path.len > 0) {
        fd = slice_to_cstr(config->file_path, path, sizeof(path))
                 ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)
                 : -1;
        if (fd == -1) {
            log_error("log.filePath: cannot open \"%.*s\": %s", SLICE_ARG(config->file_path),
                      strerror(errno));
            return; /* whatever was written to before stays */
        }
    } else if (master->log_fd == -1) {
        return; /* stdout, as before */
    }
    int passed = fd == -1 ? STDOUT_FILENO : fd;

    process_log_to(passed);
    guard_send(master, &message, &passed, 1); /* which passes it on to the workers */
    if (master->log_fd != -1) {
        close(master->log_fd);
    }
    master->log_fd = fd;
}
