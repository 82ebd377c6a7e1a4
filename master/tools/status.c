/*
 * status.c - `weir status [--json] [--pid N]`: how the tree of processes lives, read off its board.
 *
 * Works when nothing else does: no process of the tree takes part, none is disturbed. 0: printed, however the tree is
 * (/ready and `weir healthcheck` judge); 1: there is none, or several to choose from, or it may not be looked at; 2: wrong
 * arguments.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/face.h"
#include "master/tools/status.h"

struct wish {
    bool json;
    pid_t pid; /* 0: the only one */
};

static const char usage[] = "usage: weir status [--json] [--pid N]\n\n"
                            "Prints how the weir that runs here lives. --pid: of this guard, when there are "
                            "several; --json: to be read by "
                            "programs.\n";

static int read_wish(int argc, char **argv, struct wish *wish, struct error *why)
{
    for (int i = 0; i < argc; i++) {
        struct slice argument = slice_cstr(argv[i]);
        uint64_t pid;

        if (slice_eq(argument, SLICE("--json"))) {
            wish->json = true;
            continue;
        }
        if (slice_eq(argument, SLICE("--pid"))) {
            if (i + 1 == argc) {
                return error_set(why, -EINVAL, "--pid needs a value");
            }
            argument = slice_cstr(argv[++i]);
        } else if (slice_has_prefix(argument, SLICE("--pid="))) {
            argument = slice_from(argument, strlen("--pid="));
        } else {
            return error_set(why, -EINVAL, "\"%.*s\" is no option", SLICE_ARG(slice_head(argument, 100)));
        }
        if (!slice_to_u64(argument, &pid) || pid == 0 || pid > INT32_MAX) {
            return error_set(why, -EINVAL, "--pid: \"%.*s\" is no process id",
                             SLICE_ARG(slice_head(argument, 100)));
        }
        wish->pid = (pid_t)pid;
    }
    return 0;
}

/* The one that is meant: of several only one may be ours to look at. */
static int choose(const struct wish *wish, struct board **out, struct error *why)
{
    pid_t pids[STATUS_TREES]; /* in front: those that may be looked at */
    char list[440];           /* of them, within an error */
    size_t found = 0;

    if (wish->pid != 0) {
        return status_open(wish->pid, out, why);
    }
    size_t count = status_find(pids);
    struct error first = {""};

    *out = NULL;
    for (size_t i = 0; i < count; i++) {
        struct board *board;
        struct error error;

        if (status_open(pids[i], &board, &error) < 0) {
            first = first.text[0] ? first : error;
            continue;
        }
        pids[found++] = pids[i];
        board_unmap(*out);
        *out = board;
    }
    if (found == 1) {
        return 0;
    }
    board_unmap(*out);
    *out = NULL;
    if (found > 1) {
        status_list(pids, found, list, sizeof(list));
        return error_set(why, -E2BIG, "%zu trees run here: choose one by --pid (%s)", found, list);
    }
    return count == 0 ? error_set(why, -ESRCH, "no weir runs here")
                      : error_set(why, -EACCES, "%s", first.text);
}

int face_status(int argc, char **argv)
{
    struct wish wish = {.json = false};
    struct board *board = NULL;
    struct timespec wall;
    struct error why;
    struct text out;

    if (read_wish(argc, argv, &wish, &why) < 0) {
        (void)fprintf(stderr, "weir status: %s\n%s", why.text, usage);
        return 2;
    }
    if (choose(&wish, &board, &why) < 0) {
        (void)fprintf(stderr, "weir status: %s\n", why.text);
        return 1;
    }
    struct status *status = xcalloc(1, sizeof(*status));

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    struct status_clock clock = {.now_ns = process_clock_ns(),
                                 .unix_ns = wall.tv_sec * INT64_C(1000000000) + wall.tv_nsec};

    status_read(board, clock, status_process_state, status);
    status_servers(board, clock.now_ns, status);
    text_init(&out);
    if (wish.json) {
        status_json(status, &out);
    } else {
        status_text(status, &out);
    }
    bool written = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;

    text_free(&out);
    free(status);
    board_unmap(board);
    return written ? 0 : 1;
}
