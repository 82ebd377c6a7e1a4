/*
 * vault_watch.c - whether anything happened in the folders of the files that a compile read, without looking at each file.
 *
 * It tells of what is written, swapped or renamed there: of a hint more than of a change. What it cannot tell of (a link further
 * up that is another, a file system of others) is found by looking, more seldom. Not here: when (master/master/keys.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "master/tls/vault_inner.h"

#define FOLDERS_MOST 1000 /* of the 8,192 watches that a user has on a small machine */
#define FOLDER_MOST 4096
#define RECENT 4
#define EVENTS                                                                                               \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |  \
     IN_ATTRIB | IN_ONLYDIR)

struct recent { /* folders that were asked for just now: usually the files lie in a few */
    struct slice items[RECENT];
    size_t next;
};

static struct slice folder_of(const char *path)
{
    struct slice whole = slice_cstr(path);
    ptrdiff_t slash = slice_rfind(whole, '/');

    return slash < 0 ? SLICE(".") : slash == 0 ? SLICE("/") : slice_head(whole, (size_t)slash);
}

static bool is_recent(struct recent *recent, struct slice folder)
{
    for (size_t i = 0; i < RECENT; i++) {
        if (slice_eq(recent->items[i], folder)) {
            return true;
        }
    }
    recent->items[recent->next++ % RECENT] = folder;
    return false;
}

/* False: it cannot be watched, or there are too many. A folder that is there twice has its number twice. */
static bool folder_add(int fd, struct slice folder)
{
    char path[FOLDER_MOST];
    int number;

    if (folder.len >= sizeof(path)) {
        return false;
    }
    memcpy(path, folder.ptr, folder.len);
    path[folder.len] = '\0';
    number = inotify_add_watch(fd, path, EVENTS);
    return number != -1 && number <= FOLDERS_MOST;
}

int vault_files_watch(const struct vault_files *files)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    struct recent recent = {.next = 0};

    for (size_t i = 0; fd != -1 && i < files->count; i++) {
        struct slice folder = folder_of(files->items[i].path);

        if (!is_recent(&recent, folder) && !folder_add(fd, folder)) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

bool vault_watch_told(int fd)
{
    char events[4096] __attribute__((aligned(8)));
    bool told = false;
    ssize_t n;

    do {
        n = read(fd, events, sizeof(events));
        told = told || n > 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    } while (n > 0 || (n < 0 && errno == EINTR));
    return told;
}
