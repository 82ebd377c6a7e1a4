/*
 * splice.c - see splice.h.
 */
#include "worker/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "worker/worker.h"

#define PORTION_FIRST (64u * 1024) /* what a slow reader leaves of it is copied: no more than a read brings */
#define PIPE_SIZE (256 * 1024)     /* references to pages, not memory; larger portions gain little */

struct splicer {
    int from, to;  /* the pipe's ends: read from, written to */
    uint32_t size; /* bytes that it takes */
};

void splice_start(struct worker *worker)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        int size = fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* a user may have only so many of large ones */

        worker->splicer = xmalloc(sizeof(*worker->splicer));
        *worker->splicer = (struct splicer){
            .from = ends[0], .to = ends[1], .size = size > 0 ? (uint32_t)size : PORTION_FIRST};
    }
}

void splice_stop(struct worker *worker)
{
    if (worker->splicer) {
        close(worker->splicer->from);
        close(worker->splicer->to);
        free(worker->splicer);
        worker->splicer = NULL;
    }
}

bool splice_fits(const struct conn *in, const struct conn *out)
{
    const struct worker *worker = in->worker;

    return worker->splicer && in->tls == NULL && out->tls == NULL && !conn_backed_up(out) &&
           out->io.writable && worker->budget.level < BUDGET_TIGHT;
}

static ssize_t move(int from, int to, size_t size)
{
    ssize_t n;

    do {
        n = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Empties the pipe into the outbox, or into nothing when the connection is lost. 0 or a negative errno. */
static int take_back(struct splicer *splicer, struct conn *out, size_t left, int lost)
{
    char *scratch = out->worker->recycler->scratch;

    while (left) {
        ssize_t n = read(splicer->from, scratch, left < SCRATCH_SIZE ? left : SCRATCH_SIZE);

        if (n <= 0) { /* never: so many bytes are in it */
            return -EIO;
        }
        left -= (size_t)n;
        if (lost == 0) {
            lost = conn_send_one(out, slice_of(scratch, (size_t)n));
        }
    }
    return lost;
}

ssize_t splice_bytes(struct conn *in, struct conn *out, uint64_t most, int *sent)
{
    struct splicer *splicer = in->worker->splicer;
    uint32_t portion = out->portion ? out->portion : PORTION_FIRST;
    ssize_t taken = move(in->io.fd, splicer->to, most < portion ? (size_t)most : portion), given = 0;

    *sent = 0;
    if (taken <= 0) {
        in->io.readable = taken != -EAGAIN;
        return taken;
    }
    in->worker->watch.calls +=
        1 + (unsigned)taken / (PORTION_FIRST / 2); /* much at once takes as long as other calls do */
    for (size_t left = (size_t)taken; left; left -= (size_t)given) {
        given = move(splicer->from, out->io.fd, left);
        if (given <= 0) {
            out->io.writable = false;
            out->portion = PORTION_FIRST;
            *sent = take_back(splicer, out, left, given == -EAGAIN ? 0 : given < 0 ? (int)given : -EIO);
            return taken;
        }
    }
    out->portion = 2 * portion < splicer->size ? 2 * portion : splicer->size;
    return taken;
}
