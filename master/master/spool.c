/*
 * spool.c - the files of the workers for bodies that are too long for memory (worker/spool.h): where they
 * lie.
 *
 * A worker opens no file. It gets one that is open and that no folder knows, so whatever ends the worker
 * leaves nothing. The folder is spoolDir, or the first that will do of that of TMPDIR, /tmp and stateDir.
 * Without one bodies stay in memory.
 */
#include "master/master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"

#define CHECKED 4096 /* bytes: a hole of that size is made to see whether it can be */

/* Where a file without a name cannot be made (older overlays) one loses its name at once. */
static int open_in(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    char path[4096];

    if (fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) {
        return fd;
    }
    if (snprintf(path, sizeof(path), "%s/weir-spool-XXXXXX", folder) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd != -1) {
        (void)unlink(path);
    }
    return fd;
}

/* A file that can give back to the disk what is no longer needed of it. 0 or the errno. */
static int try_folder(const char *folder, bool *memory)
{
    int fd = open_in(folder), rc = 0;
    struct statfs about;

    if (fd == -1) {
        return errno;
    }
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, CHECKED) == -1) {
        rc = errno;
    }
    *memory = fstatfs(fd, &about) == 0 && about.f_type == TMPFS_MAGIC;
    close(fd);
    return rc;
}

/* Whether it will do, in words. */
static bool consider(struct slice folder, char *path, size_t size, struct text *line)
{
    bool memory = false;
    int rc;

    if (folder.len == 0) {
        return false;
    }
    if (snprintf(path, size, "%.*s", SLICE_ARG(folder)) >= (int)size) {
        rc = ENAMETOOLONG;
    } else {
        rc = try_folder(path, &memory);
    }
    if (rc == 0) {
        text_clear(line);
        text_printf(line, "Spool file: long bodies go to %s%s", path,
                    memory ? ", which is memory (tmpfs)" : "");
    } else {
        text_printf(line, "%s%.*s: %s", line->len ? "; " : "Spool file: ", SLICE_ARG(folder), strerror(rc));
    }
    return rc == 0;
}

static bool find(const struct static_config *config, char *path, size_t size, struct text *line)
{
    const char *temporary = getenv("TMPDIR");

    if (config->spool_dir.len) {
        return consider(config->spool_dir, path, size, line);
    }
    return consider(slice_cstr(temporary ? temporary : ""), path, size, line) ||
           consider(SLICE("/tmp"), path, size, line) || consider(config->state_dir, path, size, line);
}

/* Each line once, until there is another to say. */
static void say(struct master *master, const struct text *line, bool found)
{
    if (master->spool_said && strcmp(master->spool_said, line->ptr) == 0) {
        return;
    }
    free(master->spool_said);
    master->spool_said = xstrndup(line->ptr, line->len);
    if (found) {
        log_debug("%s", line->ptr);
    } else {
        log_warn("%s. Long bodies stay in memory; name a folder by spoolDir, or say limits.spool=0",
                 line->ptr);
    }
}

void spool_apply(struct master *master, const struct static_config *config)
{
    char path[4096];
    struct text line;
    bool found;

    master->spool_most = (uint64_t)config->limits.spool;
    spool_tend(master);
    free(master->spool_dir);
    master->spool_dir = NULL;
    if (master->spool_most == 0) {
        return;
    }
    text_init(&line);
    found = find(config, path, sizeof(path), &line);
    say(master, &line, found);
    if (found) {
        master->spool_dir = xstrndup(path, strlen(path));
        publish_spool(master);
    }
    text_free(&line);
}

int spool_open(struct master *master)
{
    int fd = master->spool_dir ? open_in(master->spool_dir) : -1;

    if (fd == -1 && master->spool_dir) {
        log_warn("Spool file: %s: %m: a worker keeps long bodies in memory", master->spool_dir);
    }
    return fd;
}

void spool_tend(struct master *master)
{
    atomic_store_explicit(&master->tree->spool_most, master->spool_most, memory_order_relaxed);
}

void spool_free(struct master *master)
{
    free(master->spool_dir);
    free(master->spool_said);
}
