/*
 * vault_files.c - the files that certificates were read from: their content, and whether they are still the same.
 *
 * They are looked at, also where their folders are watched: there may be links that are swapped (mounted Secrets), and file
 * systems that tell nothing. Not here: when (master/master/keys.c), whether there is a reason to (vault_watch.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "master/tls/vault_inner.h"

#define FILE_MOST ((off_t)1024 * 1024)
#define FILES_FIRST 16 /* a power of two */

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

static bool is_same(const struct file_state *one, const struct file_state *other)
{
    return one->device == other->device && one->inode == other->inode && one->size == other->size &&
           one->changed_ns == other->changed_ns && one->modified_ns == other->modified_ns &&
           one->exists == other->exists;
}

struct vault_files *files_new(void)
{
    struct vault_files *files = xcalloc(1, sizeof(*files));

    atomic_init(&files->references, 1);
    return files;
}

static uint32_t *slot_of(const struct vault_files *files, const char *path)
{
    size_t at = hash_slice(0, slice_cstr(path)) & (files->size - 1);

    while (files->slots[at] && strcmp(files->items[files->slots[at] - 1].path, path) != 0) {
        at = (at + 1) & (files->size - 1);
    }
    return &files->slots[at];
}

static void grow(struct vault_files *files)
{
    files->capacity = files->capacity ? 2 * files->capacity : FILES_FIRST;
    files->items = xrealloc(files->items, files->capacity * sizeof(*files->items));
    free(files->slots);
    files->size = 2 * files->capacity;
    files->slots = xcalloc(files->size, sizeof(*files->slots));
    for (size_t i = 0; i < files->count; i++) {
        *slot_of(files, files->items[i].path) = (uint32_t)i + 1;
    }
}

void files_add(struct vault_files *files, const char *path, const struct file_state *state, bool otherwise)
{
    uint32_t *slot;

    if (files->count == files->capacity) {
        grow(files);
    }
    slot = slot_of(files, path);
    if (*slot == 0) {
        files->items[files->count++] = (struct vault_file){xstrndup(path, strlen(path)), *state, otherwise};
        *slot = (uint32_t)files->count;
        return;
    }
    struct vault_file *file = &files->items[*slot - 1];

    if (!is_same(&file->state, state)) { /* two readers saw two contents */
        memset(&file->state, 0, sizeof(file->state));
    }
    file->otherwise = file->otherwise || otherwise;
}

static bool is_changed(const struct vault_file *file)
{
    struct file_state now;

    files_state(file->path, &now);
    return !is_same(&now, &file->state);
}

struct vault_files *vault_files_ref(struct vault_files *files)
{
    atomic_fetch_add(&files->references, 1);
    return files;
}

size_t vault_files_count(const struct vault_files *files)
{
    return files->count;
}

bool vault_files_changed(const struct vault_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        if (is_changed(&files->items[i])) {
            return true;
        }
    }
    return false;
}

bool files_part(const struct vault_files *files, struct vault_files *same, struct pool *pool,
                struct list *changed)
{
    struct slice *paths = NULL;
    size_t count = 0, capacity = 0;

    for (size_t i = 0; i < files->count; i++) {
        const struct vault_file *file = &files->items[i];

        if (!is_changed(file)) {
            files_add(same, file->path, &file->state, file->otherwise);
            continue;
        }
        if (file->otherwise) {
            return false;
        }
        paths = pool_grow(pool, paths, count, &capacity, sizeof(*paths));
        paths[count++] = pool_copy(pool, slice_cstr(file->path));
    }
    *changed = (struct list){paths, count};
    return true;
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
    free(files->slots);
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
