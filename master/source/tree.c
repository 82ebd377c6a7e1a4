/*
 * tree.c - walks a directory in a fixed order; see tree.h. Not here: what the files mean.
 */
#include "master/source/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 32
#define FILE_MAX ((off_t)64 * 1024 * 1024)
#define ENTRIES_MAX 100000u /* of all directories together */
#define DIRS_MAX 10000u

struct growing { /* a list that grows in the pool */
    void *items;
    size_t count, capacity;
};

struct directory_id {
    dev_t device;
    ino_t inode;
};

struct walk {
    struct pool *pool;
    const char *const *endings;
    unsigned flags;
    const char *real_root; /* without links; NULL: nothing is inside */
    size_t entries;
    struct growing files, dirs, problems, seen;
};

static void *push(struct walk *walk, struct growing *list, size_t size)
{
    list->items = pool_grow(walk->pool, list->items, list->count, &list->capacity, size);
    return (char *)list->items + size * list->count++;
}

static void problem(struct walk *walk, struct slice path, const char *text, bool unread)
{
    struct tree_problem *item = push(walk, &walk->problems, sizeof(*item));

    *item = (struct tree_problem){
        .path = path, .text = pool_copy(walk->pool, slice_cstr(text)), .unread = unread};
}

bool tree_may_pass(int rc)
{
    switch (-rc) {
    case ENOENT: /* these end with a change, which is told */
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
    case EFBIG:
        return false;
    default:
        return rc < 0;
    }
}

bool tree_is_below(struct slice path, struct slice directory)
{
    return slice_has_prefix(path, directory) && path.len > directory.len && path.ptr[directory.len] == '/';
}

bool tree_has_ending(struct slice name, const char *const *endings)
{
    for (size_t i = 0; endings[i]; i++) {
        struct slice ending = slice_cstr(endings[i]);

        if (name.len > ending.len &&
            slice_eq_nocase(slice_of(name.ptr + name.len - ending.len, ending.len), ending)) {
            return true;
        }
    }
    return false;
}

static bool first_visit(struct walk *walk, const struct stat *st)
{
    const struct directory_id *ids = walk->seen.items;

    for (size_t i = 0; i < walk->seen.count; i++) {
        if (ids[i].device == st->st_dev && ids[i].inode == st->st_ino) {
            return false;
        }
    }
    struct directory_id *id = push(walk, &walk->seen, sizeof(*id));

    *id = (struct directory_id){.device = st->st_dev, .inode = st->st_ino};
    return true;
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static bool wanted(const struct walk *walk, const char *name)
{
    if (name[0] != '.') {
        return true;
    }
    return (walk->flags & TREE_DOT_FILES) && name[1] != '.' && name[1] != '#' && name[1] != '\0';
}

/* A link may lead to /proc, or to /: what lies outside is not ours to walk. */
static bool leads_outside(struct walk *walk, struct slice path)
{
    char real[PATH_MAX];

    if (walk->real_root == NULL || realpath(path.ptr, real) == NULL) {
        return true;
    }
    size_t len = strlen(walk->real_root);

    if (strncmp(real, walk->real_root, len) == 0 && (real[len] == '/' || real[len] == '\0' || len == 1)) {
        return false;
    }
    problem(walk, path,
            pool_printf(walk->pool,
                        "is a link to %s, outside of the directory, and not followed: put the files "
                        "there, or give that directory",
                        real)
                .ptr,
            false);
    return true;
}

static int walk_directory(struct walk *walk, struct slice path, unsigned depth, struct error *why);

/* Fails only when all of the tree is too much. */
static int walk_entry(struct walk *walk, struct slice path, struct slice name, unsigned depth,
                      struct error *why)
{
    struct stat st;

    if (lstat(path.ptr, &st) == -1) {
        if (!tree_may_pass(-errno)) {
            return 0; /* gone since the directory was read */
        }
        st.st_mode = S_IFREG; /* whoever reads it says what is wrong */
    }
    bool link = S_ISLNK(st.st_mode);

    if (link && stat(path.ptr, &st) == -1) {
        st.st_mode = S_IFREG; /* leads nowhere: whoever reads it says so */
    }
    if (S_ISDIR(st.st_mode)) {
        if ((link && !(walk->flags & TREE_LINKED_DIRS)) || name.ptr[0] == '.' ||
            (link && leads_outside(walk, path))) {
            return 0;
        }
        int rc = walk_directory(walk, path, depth + 1, why);

        if (rc < 0 && rc != -E2BIG) {
            problem(walk, path, why->text, tree_may_pass(rc));
            rc = 0;
        }
        return rc;
    }
    if (!tree_has_ending(name, walk->endings)) {
        return 0;
    }
    if (!S_ISREG(st.st_mode)) { /* opening a device may do something */
        problem(walk, path, "is no regular file", false);
        return 0;
    }
    struct slice *file = push(walk, &walk->files, sizeof(*file));

    *file = path;
    return 0;
}

static int too_much(struct slice path, const char *what, unsigned most, struct error *why)
{
    return error_set(
        why, -E2BIG,
        "more than %u %s, at %.*s: give a directory that holds the configuration and nothing else", most,
        what, SLICE_ARG(path));
}

/* The names in there that count; 0 or a negative errno. */
static int read_names(struct walk *walk, DIR *dir, struct growing *names)
{
    struct dirent *entry;

    errno = 0;
    while (walk->entries <= ENTRIES_MAX && (entry = readdir(dir)) != NULL) {
        walk->entries++;
        if (wanted(walk, entry->d_name)) {
            struct slice *name = push(walk, names, sizeof(*name));

            *name = pool_copy(walk->pool, slice_cstr(entry->d_name));
        }
        errno = 0;
    }
    return -errno;
}

static int walk_directory(struct walk *walk, struct slice path, unsigned depth, struct error *why)
{
    struct growing names = {0};
    struct stat st;
    int rc;

    if (depth > DEPTH_MAX) {
        return error_set(why, -ELOOP, "directories nested deeper than %d", DEPTH_MAX);
    }
    DIR *dir = opendir(path.ptr);

    if (dir == NULL) {
        rc = -errno;
        return error_set(why, rc, "cannot read directory: %s", strerror(-rc));
    }
    if (fstat(dirfd(dir), &st) == -1 || !first_visit(walk, &st)) {
        closedir(dir);
        return 0;
    }
    struct slice *own = push(walk, &walk->dirs, sizeof(*own));

    *own = path;
    rc = read_names(walk, dir, &names);

    closedir(dir);
    if (rc < 0) {
        return error_set(why, rc, "cannot read directory: %s", strerror(-rc));
    }
    if (walk->entries > ENTRIES_MAX) {
        return too_much(path, "files", ENTRIES_MAX, why);
    }
    if (walk->dirs.count > DIRS_MAX) {
        return too_much(path, "directories", DIRS_MAX, why);
    }

    struct slice *sorted = names.items;
    bool slash = path.len > 0 && path.ptr[path.len - 1] == '/';

    if (names.count > 0) {
        qsort(sorted, names.count, sizeof(*sorted), by_name);
    }
    for (size_t i = 0; i < names.count; i++) {
        struct slice inner =
            pool_printf(walk->pool, "%.*s%s%.*s", SLICE_ARG(path), slash ? "" : "/", SLICE_ARG(sorted[i]));
        rc = walk_entry(walk, inner, sorted[i], depth, why);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int tree_list(struct pool *pool, struct slice root, const char *const *endings, unsigned flags,
              struct tree *out, struct error *why)
{
    struct walk walk = {.pool = pool, .endings = endings, .flags = flags};
    struct slice path = pool_copy(pool, root);
    struct stat st;

    if (path.len == 0 || path.len >= PATH_MAX || strlen(path.ptr) != path.len) {
        return error_set(why, -EINVAL, "bad path \"%.*s\"", SLICE_ARG(root));
    }
    if (stat(path.ptr, &st) == -1) {
        int rc = -errno;

        return error_set(why, rc, "%s: %s", path.ptr, strerror(-rc));
    }
    if (S_ISDIR(st.st_mode)) {
        char real[PATH_MAX];

        walk.real_root = realpath(path.ptr, real);

        int rc = walk_directory(&walk, path, 0, why);

        if (rc < 0) {
            error_prefix(why, "%s", path.ptr);
            return rc;
        }
    } else {
        struct slice *file = push(&walk, &walk.files, sizeof(*file));

        *file = path;
    }
    *out = (struct tree){
        .files = {walk.files.items, walk.files.count},
        .dirs = {walk.dirs.items, walk.dirs.count},
        .problems = {walk.problems.items, walk.problems.count},
    };
    return 0;
}

int tree_read(struct slice path, struct text *out, struct error *why)
{
    char name[PATH_MAX], buf[16384];
    struct stat st;
    int rc = 0;

    if (!slice_to_cstr(path, name, sizeof(name))) {
        return error_set(why, -ENAMETOOLONG, "bad path");
    }
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd == -1) {
        rc = -errno;
        return error_set(why, rc, "cannot open: %s", strerror(-rc));
    }
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        rc = error_set(why, -EINVAL, "is no regular file");
        goto out;
    }
    off_t total = 0;

    for (;;) {
        ssize_t got = read(fd, buf, sizeof(buf));

        if (got == 0) {
            break;
        }
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            rc = -errno;
            error_set(why, rc, "cannot read: %s", strerror(-rc));
            break;
        }
        total += got;
        if (total > FILE_MAX) {
            rc = error_set(why, -EFBIG, "is larger than 64 MiB");
            break;
        }
        text_add(out, slice_of(buf, (size_t)got));
    }
out:
    close(fd);
    return rc;
}
