/*
 * watch.c - says when files below a path changed: inotify under libuv; contract in source.h.
 *
 * What is watched: every directory of the tree; a linked file's target by itself; and the directory that holds the
 * path (or the nearest one that exists), so that a path that is removed and made again, or a link that is swapped, is
 * seen. After each burst the set is made anew before changed() is called, so nothing is lost between the two: what changes
 * later raises an event of its own. A file counts as changed when its writer closes it, not with every write.
 *
 * life   watch_start -> events -> quiet for 20 ms (at most 200 ms) -> changed() ... watch_stop -> freed when both
 *        handles are closed
 *
 * Not here: reading what changed.
 */
#include "master/source/source.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/memory.h"
#include "master/source/tree.h"

#define QUIET_MS 20
#define LATEST_MS 200
#define READS_A_TURN 16

#define DIRECTORY_EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |  \
     IN_ATTRIB)
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

static const char *const endings[] = {".yaml", ".yml", ".json", ".toml", NULL};

struct entry {
    int descriptor;
    bool seen;         /* while the set is made anew */
    bool inside;       /* a directory of the tree, or a linked file */
    struct slice path; /* of the directory */
    struct slice name; /* not inside: the one name that counts */
};

struct watch {
    uv_poll_t poll;
    uv_timer_t timer;
    int handles_open, fd;
    bool closing, pending, full;
    uint64_t first; /* loop time of the first event of the burst */
    struct slice path;
    watch_changed *changed;
    void *context;
    struct pool *pool; /* of the set: names */
    struct entry *entries;
    size_t count, capacity;
    char path_text[PATH_MAX];
};

static struct entry *find(struct watch *watch, int descriptor)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (watch->entries[i].descriptor == descriptor) {
            return &watch->entries[i];
        }
    }
    return NULL;
}

static void add(struct watch *watch, struct slice path, uint32_t mask, bool inside, struct slice name)
{
    int descriptor = inotify_add_watch(watch->fd, path.ptr, mask);
    struct entry *entry;

    if (descriptor == -1) {
        watch->full |= errno == ENOSPC || errno == ENOMEM;
        return; /* else gone meanwhile: its directory tells */
    }
    entry = find(watch, descriptor);
    if (entry && entry->seen) {
        entry->inside |= inside || !slice_eq(entry->name, name); /* two names: then all of them */
        return;
    }
    if (entry == NULL) {
        if (watch->count == watch->capacity) {
            watch->capacity = watch->capacity ? watch->capacity * 2 : 16;
            watch->entries = xrealloc(watch->entries, watch->capacity * sizeof(*watch->entries));
        }
        entry = &watch->entries[watch->count++];
    }
    *entry =
        (struct entry){.descriptor = descriptor, .seen = true, .inside = inside, .path = path, .name = name};
}

/* The directory that holds the path, or the nearest above that exists, for the one name that leads to it. */
static void add_parents(struct watch *watch)
{
    struct slice path = pool_copy(watch->pool, watch->path);
    struct stat st;

    while (path.len > 1 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    for (;;) {
        ptrdiff_t slash = slice_rfind(path, '/');
        struct slice name = slash < 0 ? path : slice_of(path.ptr + slash + 1, path.len - (size_t)slash - 1);
        struct slice parent = slash < 0    ? SLICE(".")
                              : slash == 0 ? SLICE("/")
                                           : slice_of(path.ptr, (size_t)slash);

        parent = pool_copy(watch->pool, parent);
        if (stat(parent.ptr, &st) == 0) {
            add(watch, parent, DIRECTORY_EVENTS | IN_ONLYDIR, false, name);
            return;
        }
        if (slash <= 0) {
            return;
        }
        path = parent;
    }
}

static void add_linked_file(struct watch *watch, struct slice file)
{
    char target[PATH_MAX];
    struct stat st;

    if (lstat(file.ptr, &st) == -1 || !S_ISLNK(st.st_mode)) {
        return;
    }
    add(watch, file, FILE_EVENTS, true, SLICE(""));
    if (realpath(file.ptr, target)) { /* a target that is replaced, not written */
        struct slice whole = pool_copy(watch->pool, slice_cstr(target));
        ptrdiff_t slash = slice_rfind(whole, '/');
        struct slice parent =
            pool_copy(watch->pool, slash > 0 ? slice_of(whole.ptr, (size_t)slash) : SLICE("/"));

        add(watch, parent, DIRECTORY_EVENTS | IN_ONLYDIR, false,
            slice_of(whole.ptr + slash + 1, whole.len - (size_t)slash - 1));
    }
}

static void watch_renew(struct watch *watch)
{
    struct pool *old = watch->pool;
    struct tree tree = {0};
    struct error why;
    size_t kept = 0;

    watch->pool = pool_new(1024, 0);
    watch->full = false;
    for (size_t i = 0; i < watch->count; i++) {
        watch->entries[i].seen = false;
    }
    if (tree_list(watch->pool, watch->path, endings, TREE_LINKED_DIRS | TREE_DOT_FILES, &tree, &why) == 0) {
        const struct slice *dirs = tree.dirs.items, *files = tree.files.items;

        for (size_t i = 0; i < tree.dirs.count; i++) {
            add(watch, dirs[i], DIRECTORY_EVENTS | IN_ONLYDIR, true, SLICE(""));
        }
        for (size_t i = 0; i < tree.files.count; i++) {
            add_linked_file(watch, files[i]);
        }
    }
    add_parents(watch);
    for (size_t i = 0; i < watch->count; i++) {
        if (watch->entries[i].seen) {
            watch->entries[kept++] = watch->entries[i];
        } else {
            inotify_rm_watch(watch->fd, watch->entries[i].descriptor);
        }
    }
    watch->count = kept;
    pool_free(old);
}

/* A new file is worth a look when its writer closes it; a link (of either kind) or a directory is whole at once. */
static bool whole_when_created(const struct entry *entry, struct slice name)
{
    char path[PATH_MAX];
    struct stat st;
    int len = snprintf(path, sizeof(path), "%.*s/%.*s", SLICE_ARG(entry->path), SLICE_ARG(name));

    return len > 0 && (size_t)len < sizeof(path) && lstat(path, &st) == 0 &&
           (!S_ISREG(st.st_mode) || st.st_nlink > 1);
}

/* Whether an event in a watched directory is about something that somebody reads. */
static bool counts(struct watch *watch, const struct inotify_event *event)
{
    struct entry *entry = find(watch, event->wd);
    struct slice name = slice_cstr(event->len ? event->name : "");

    if (event->mask & IN_Q_OVERFLOW) {
        return true;
    }
    if (entry == NULL) {
        return false;
    }
    if (event->mask & IN_IGNORED) { /* the kernel forgot it: forget it too, its number may come again */
        *entry = watch->entries[--watch->count];
        return true;
    }
    if (name.len == 0 || slice_has_prefix(name, SLICE(".."))) {
        return true; /* the directory or linked file itself, or a swap of Kubernetes' ..data */
    }
    if (entry->inside) {
        bool gone =
            (event->mask & (IN_DELETE | IN_MOVED_FROM)) && slice_find(name, '.') < 0; /* maybe a link */

        if (!tree_has_ending(name, endings) && !(event->mask & IN_ISDIR) && !gone &&
            !((event->mask & (IN_CREATE | IN_MOVED_TO)) && whole_when_created(entry, name))) {
            return false; /* an editor's swap file or the like */
        }
    } else if (!slice_eq(name, entry->name)) {
        return false;
    }
    return !(event->mask & IN_CREATE) || whole_when_created(entry, name);
}

static void on_quiet(uv_timer_t *timer)
{
    struct watch *watch = timer->data;

    watch->pending = false;
    watch_renew(watch);
    watch->changed(watch->context); /* may stop the watch */
}

static void on_change(struct watch *watch)
{
    uint64_t now = uv_now(watch->timer.loop), wait = QUIET_MS;

    if (!watch->pending) {
        watch->pending = true;
        watch->first = now;
    }
    if (now + wait > watch->first + LATEST_MS) {
        wait = watch->first + LATEST_MS > now ? watch->first + LATEST_MS - now : 0;
    }
    uv_timer_start(&watch->timer, on_quiet, wait, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    _Alignas(struct inotify_event) char buf[8192];
    struct watch *watch = poll->data;
    bool changed = status < 0;

    (void)events;
    for (int turn = 0; turn < READS_A_TURN; turn++) {
        ssize_t got = read(watch->fd, buf, sizeof(buf));

        if (got <= 0) {
            break;
        }
        for (char *at = buf; at < buf + got;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

            changed |= counts(watch, event);
            at += sizeof(*event) + event->len;
        }
    }
    if (changed) {
        on_change(watch);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;

    if (--watch->handles_open == 0) {
        close(watch->fd);
        pool_free(watch->pool);
        free(watch->entries);
        free(watch);
    }
}

int watch_start(struct uv_loop_s *loop, struct slice path, watch_changed *changed, void *context,
                struct watch **out, struct error *why)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));
    int rc;

    if (path.len == 0 || !slice_to_cstr(path, watch->path_text, sizeof(watch->path_text))) {
        free(watch);
        return error_set(why, -EINVAL, "cannot watch \"%.*s\": bad path", SLICE_ARG(path));
    }
    watch->path = slice_cstr(watch->path_text);
    watch->changed = changed;
    watch->context = context;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd == -1) {
        rc = -errno;
        free(watch);
        return error_set(why, rc, "cannot watch %.*s: %s (see fs.inotify.max_user_instances)",
                         SLICE_ARG(path), strerror(-rc));
    }
    rc = uv_poll_init(loop, &watch->poll, watch->fd);
    if (rc < 0) {
        close(watch->fd);
        free(watch);
        return error_set(why, rc, "cannot watch %.*s: %s", SLICE_ARG(path), uv_strerror(rc));
    }
    uv_timer_init(loop, &watch->timer);
    watch->handles_open = 2;
    watch->poll.data = watch;
    watch->timer.data = watch;
    watch_renew(watch);
    uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    *out = watch;
    return 0;
}

bool watch_full(const struct watch *watch)
{
    return watch->full;
}

struct slice watch_path(const struct watch *watch)
{
    return watch->path;
}

void watch_stop(struct watch *watch)
{
    if (watch == NULL || watch->closing) {
        return;
    }
    watch->closing = true;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    uv_close((uv_handle_t *)&watch->timer, on_closed);
}
