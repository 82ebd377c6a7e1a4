/*
 * vault_files.c - the files that certificates were read from: their content, and whether they are still the same.
 *
 * They are looked at, not watched: there may be ten thousand, behind links that are swapped (mounted Secrets) or on
 * file systems that tell nothing. Not here: when (master/master/keys.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "master/tls/vault_inner.h"

#define FILE_MOST ((off_t)1024 * 1024)

static int64_t in_ns(struct timespec at)
{
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

void files_state(const char *path, struct file_state *out)
{
    struct stat st;

    memset(out, 0, sizeof(*out));
    if (stat(path, &st) == 0) {
        out->device = (uint64_t)st.st_dev;
        out->inode = (uint64_t)st.st_ino;
        out->size = (uint64_t)st.st_size;
        out->changed_ns = in_ns(st.st_ctim);
        out->modified_ns = in_ns(st.st_mtim);
        out->exists = true;
    }
}

struct vault_files *files_new(void)
{
    struct vault_files *files = xcalloc(1, sizeof(*files));

    atomic_init(&files->references, 1);
    return files;
}

void files_add(struct vault_files *files, const char *path, const struct file_state *state)
{
    if (files->count == files->capacity) {
        files->capacity = files->capacity ? 2 * files->capacity : 16;
        files->items = xrealloc(files->items, files->capacity * sizeof(*files->items));
    }
    files->items[files->count++] = (struct vault_file){xstrndup(path, strlen(path)), *state};
}

bool vault_files_changed(const struct vault_files *files)
{
    struct file_state now;

    for (size_t i = 0; i < files->count; i++) {
        files_state(files->items[i].path, &now);
        if (memcmp(&now, &files->items[i].state, sizeof(now)) != 0) {
            return true;
        }
    }
    return false;
}

void vault_files_unref(struct vault_files *files)
{
    if (files == NULL || atomic_fetch_sub(&files->references, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
    }
    free(files->items);
    free(files);
}

static int read_all(int fd, size_t size, struct pool *pool, struct slice *out)
{
    char *bytes = pool_alloc(pool, size + 1);
    size_t len = 0;
    ssize_t n = 1;

    while (len < size && n > 0) {
        n = read(fd, bytes + len, size - len);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    *out = slice_of(bytes, len);
    return n < 0 ? -errno : 0;
}

int files_read(const char *path, struct pool *pool, struct slice *out, struct error *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    int rc;

    if (fd == -1) {
        return error_set(why, -errno, "%s: %s", path, strerror(errno));
    }
    if (fstat(fd, &st) == -1) {
        rc = error_set(why, -errno, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MOST) {
        rc = error_set(why, -EINVAL, "%s is no file, or larger than 1 MiB", path);
    } else if ((rc = read_all(fd, (size_t)st.st_size, pool, out)) < 0) {
        (void)error_set(why, rc, "%s: %s", path, strerror(-rc));
    }
    close(fd);
    return rc;
}
