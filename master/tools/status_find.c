/*
 * status_find.c - the trees that run here, and their boards.
 *
 * A guard is known by its name (common/base/title.h), its board by the name of the descriptor that it keeps: both under
 * /proc, so nothing listens and nobody is asked. The kernel lets nobody but the same user and root at descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/tools/status.h"

#define GUARD_NAME "weir: guard"
#define MORE ", ..."
#define BOARD_LINK "/memfd:weir-board"

/* "PID (NAME) STATE PARENT ...": the name may hold anything, also brackets. */
static bool read_stat(pid_t pid, char name[32], char *state, pid_t *parent)
{
    char path[48], line[512];
    int number;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd == -1 ? -1 : read(fd, line, sizeof(line) - 1);

    if (fd != -1) {
        close(fd);
    }
    if (len <= 0) {
        return false;
    }
    line[len] = '\0';
    char *open_at = strchr(line, '('), *close_at = strrchr(line, ')');

    if (!open_at || !close_at || close_at < open_at || sscanf(close_at + 1, " %c %d", state, &number) != 2) {
        return false;
    }
    *parent = (pid_t)number;
    (void)snprintf(name, 32, "%.*s", (int)(close_at - open_at - 1), open_at + 1);
    return true;
}

char status_process_state(pid_t pid)
{
    char name[32], state;
    pid_t parent;

    return read_stat(pid, name, &state, &parent) ? state : '\0';
}

/* A child that a guard has just made, or rehearses with, looks like one for a moment. */
static bool is_guard(pid_t pid)
{
    char name[32], state;
    pid_t parent, grandparent;

    return read_stat(pid, name, &state, &parent) && strcmp(name, GUARD_NAME) == 0 && state != 'Z' &&
           !(read_stat(parent, name, &state, &grandparent) && strcmp(name, GUARD_NAME) == 0);
}

size_t status_find(pid_t pids[STATUS_TREES])
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    while (folder && count < STATUS_TREES && (entry = readdir(folder)) != NULL) {
        uint64_t pid;

        if (slice_to_u64(slice_cstr(entry->d_name), &pid) && pid <= INT32_MAX && is_guard((pid_t)pid)) {
            pids[count++] = (pid_t)pid;
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    return count;
}

void status_list(const pid_t *pids, size_t count, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t room = size - len - (i + 1 < count ? sizeof(MORE) - 1 : 0);
        int added = snprintf(out + len, room, "%s%d", i ? ", " : "", (int)pids[i]);

        if (added < 0 || (size_t)added >= room) {
            (void)snprintf(out + len, size - len, MORE);
            return;
        }
        len += (size_t)added;
    }
}

/* A descriptor of the board, or a negative errno. */
static int open_board(pid_t guard)
{
    char path[64], link[64];
    struct dirent *entry;
    int fd = -ENOENT;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)guard);
    DIR *folder = opendir(path);

    if (folder == NULL) {
        return -errno;
    }
    while (fd < 0 && (entry = readdir(folder)) != NULL) {
        ssize_t len = readlinkat(dirfd(folder), entry->d_name, link, sizeof(link) - 1);

        if (len > 0 && strncmp(link, BOARD_LINK, strlen(BOARD_LINK)) == 0) {
            fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
            fd = fd == -1 ? -errno : fd;
        }
    }
    (void)closedir(folder);
    return fd;
}

int status_open(pid_t guard, struct board **out, struct error *why)
{
    int fd = open_board(guard);

    if (fd == -EACCES || fd == -EPERM) {
        return error_set(why, -EACCES, "pid %d is another user's: be that user, or root", (int)guard);
    }
    if (kill(guard, 0) < 0 && errno == ESRCH) {
        return error_set(why, -ESRCH, "there is no process %d", (int)guard);
    }
    if (fd < 0) {
        return error_set(why, fd, "pid %d has no board of weir: %s", (int)guard, strerror(-fd));
    }
    int rc = board_look(fd, out, why);

    close(fd);
    if (rc < 0) {
        char cause[sizeof(why->text)];

        (void)snprintf(cause, sizeof(cause), "%s", why->text);
        return error_set(why, rc, "pid %d runs another build (%.150s): ask with its own, /proc/%d/exe status",
                         (int)guard, cause, (int)guard);
    }
    return 0;
}
