/*
 * log_ring.c - the memory of the log and its producers; see log_ring.h.
 */
#include "shm/log_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "shm/log_ring_inner.h"

#define MAGIC 0x0a676f6c72696577ULL /* "weirlog\n" in memory */

struct log_ring {
    struct log_rings *rings;
    struct ring_head *head;
    char *bytes;
    size_t size;
    pthread_mutex_t lock; /* between threads of this process; never held over a system call */
};

/* ---- the memory ---- */
static size_t all_bytes(void)
{
    return rings_at() + (size_t)RINGS_LARGE * LOG_RING_BYTES_LARGE +
           (size_t)(RINGS - RINGS_LARGE) * LOG_RING_BYTES;
}

int log_rings_create(int *out, struct error *why)
{
    const struct log_head head = {.magic = MAGIC, .layout = LOG_RING_LAYOUT, .size = all_bytes()};
    int fd = memfd_create("weir-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd == -1) {
        return error_set(why, -errno, "cannot create the log's memory: %s", strerror(errno));
    }
    errno = 0;
    if (ftruncate(fd, (off_t)all_bytes()) == -1 ||
        pwrite(fd, &head, offsetof(struct log_head, wake), 0) != (ssize_t)offsetof(struct log_head, wake) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1) {
        int rc =
            error_set(why, errno ? -errno : -EIO, "cannot prepare the log's memory: %s", strerror(errno));

        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

int log_rings_map(int fd, struct log_rings **out, struct error *why)
{
    struct stat st;

    if (fstat(fd, &st) == -1) {
        return error_set(why, -errno, "cannot stat the log's memory: %s", strerror(errno));
    }
    if ((size_t)st.st_size < sizeof(struct log_head)) {
        return error_set(why, -EBADMSG, "not the log's memory");
    }
    void *base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (base == MAP_FAILED) {
        return error_set(why, -errno, "cannot map the log's memory: %s", strerror(errno));
    }
    const struct log_head *head = base;
    int rc = 0;

    if (head->magic != MAGIC) {
        rc = error_set(why, -EBADMSG, "not the log's memory");
    } else if (head->layout != LOG_RING_LAYOUT || head->size != all_bytes() ||
               (size_t)st.st_size != all_bytes()) {
        rc = error_set(why, -EBADMSG, "the log's memory has layout %llu where this build has %u",
                       (unsigned long long)head->layout, LOG_RING_LAYOUT);
    }
    if (rc < 0) {
        munmap(base, (size_t)st.st_size);
        return rc;
    }
    (void)madvise(base, all_bytes(), MADV_DONTDUMP);
    *out = xcalloc(1, sizeof(**out));
    **out = (struct log_rings){.base = base, .head = base};
    return 0;
}

void log_rings_unmap(struct log_rings *rings)
{
    if (rings) {
        munmap(rings->base, all_bytes());
        free(rings);
    }
}

static unsigned rings_used(const struct log_rings *rings)
{
    unsigned used = atomic_load(&rings->head->used);

    return used < RINGS ? used : RINGS;
}

void log_rings_mend(struct log_rings *rings, bool (*lives)(const void *context, pid_t pid),
                    const void *context)
{
    struct log_head *head = rings->head;
    uint32_t used = atomic_load(&head->used);

    if (head->magic != MAGIC || head->layout != LOG_RING_LAYOUT || head->size != all_bytes()) {
        head->magic = MAGIC;
        head->layout = LOG_RING_LAYOUT;
        head->size = all_bytes();
    }
    if (used > RINGS || used < rings->seen) {
        atomic_store(&head->used, used = used > RINGS ? RINGS : rings->seen);
    }
    rings->seen = used;
    for (uint32_t i = 0; i < used; i++) {
        uint32_t owner = atomic_load(&head->rings[i].owner);

        if (owner != 0 && !lives(context, (pid_t)owner)) {
            (void)atomic_compare_exchange_strong(&head->rings[i].owner, &owner, 0);
        }
    }
}

bool log_rings_empty(struct log_rings *rings)
{
    for (unsigned i = 0; i < rings_used(rings); i++) {
        struct ring_head *ring = &rings->head->rings[i];

        if (atomic_load(&ring->head) != atomic_load(&ring->tail) ||
            atomic_load(&ring->lost) != atomic_load(&ring->told)) {
            return false;
        }
    }
    return true;
}

void log_rings_release(struct log_rings *rings, pid_t pid)
{
    for (unsigned i = 0; rings && i < rings_used(rings); i++) {
        uint32_t owner = (uint32_t)pid;

        (void)atomic_compare_exchange_strong(&rings->head->rings[i].owner, &owner, 0);
    }
}

void log_rings_wake(struct log_rings *rings)
{
    atomic_fetch_add(&rings->head->wake, 1);
    (void)syscall(SYS_futex, &rings->head->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- writing ---- */
static bool named(const struct ring_head *ring, const char *name)
{
    return strncmp(ring->name, name, LOG_RING_NAME - 1) == 0;
}

/* In what order rings are liked: our own, one of a predecessor, an unused one, any. UINT_MAX: none is free. Unused rings
 * are only looked at up to the first: looking takes memory. */
static unsigned choose(const struct log_rings *rings, const char *name, unsigned from, unsigned to,
                       uint32_t pid)
{
    unsigned unused = UINT_MAX, any = UINT_MAX, same = UINT_MAX;

    for (unsigned i = from; i < to && unused == UINT_MAX; i++) {
        const struct ring_head *ring = &rings->head->rings[i];
        uint32_t owner = atomic_load(&ring->owner);

        if (owner == pid && named(ring, name)) {
            return i;
        }
        if (owner == 0 && ring->name[0] == '\0') {
            unused = i;
        } else if (owner == 0 && named(ring, name)) {
            same = same == UINT_MAX ? i : same;
        } else if (owner == 0) {
            any = any == UINT_MAX ? i : any;
        }
    }
    return same != UINT_MAX ? same : (unused != UINT_MAX ? unused : any);
}

/* The number of the ring that is ours now. */
static int claim(struct log_rings *rings, const char *name, enum log_ring_size size, struct error *why)
{
    unsigned from = size == LOG_RING_LARGE ? 0 : RINGS_LARGE,
             to = size == LOG_RING_LARGE ? RINGS_LARGE : RINGS;
    uint32_t pid = (uint32_t)getpid();

    for (unsigned tries = 0; tries < RINGS; tries++) {
        unsigned i = choose(rings, name, from, to, pid);
        uint32_t owner = 0;

        if (i == UINT_MAX) {
            break;
        }
        struct ring_head *ring = &rings->head->rings[i];

        if (!atomic_compare_exchange_strong(&ring->owner, &owner, pid) && owner != pid) {
            continue; /* somebody was faster */
        }
        (void)strncpy(ring->name, name, LOG_RING_NAME - 1);
        uint32_t used = atomic_load(&rings->head->used);

        while (used <= i && !atomic_compare_exchange_weak(&rings->head->used, &used, i + 1)) {
        }
        return (int)i;
    }
    return error_set(why, -ENOSPC, "all %u rings of the log are taken", to - from);
}

int log_ring_take(struct log_rings *rings, const char *name, enum log_ring_size size, struct log_ring **out,
                  struct error *why)
{
    int number = claim(rings, name, size, why);

    if (number < 0) {
        return number;
    }
    *out = xcalloc(1, sizeof(**out));
    (*out)->rings = rings;
    (*out)->head = &rings->head->rings[number];
    (*out)->bytes = ring_bytes(rings, (unsigned)number);
    (*out)->size = ring_size((unsigned)number);
    (void)pthread_mutex_init(&(*out)->lock, NULL);
    return 0;
}

void log_ring_free(struct log_ring *ring)
{
    (void)pthread_mutex_destroy(&ring->lock);
    free(ring);
}

static void copy_in(const struct log_ring *ring, uint64_t at, const char *bytes, size_t len)
{
    size_t offset = (size_t)at & (ring->size - 1);
    size_t first = len < ring->size - offset ? len : ring->size - offset;

    memcpy(ring->bytes + offset, bytes, first);
    memcpy(ring->bytes, bytes + first, len - first);
}

/* What is published is whole, whenever the process dies; what is not, the next one writes over. */
static bool append(struct log_ring *ring, enum log_stream stream, struct slice bytes)
{
    uint64_t head = atomic_load_explicit(&ring->head->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->head->tail, memory_order_acquire);
    size_t space = record_space(bytes.len);

    if (head - tail > ring->size || ring->size - (head - tail) < space || head % RECORD_ALIGN != 0) {
        return false;
    }
    const struct record_head record = {
        .len = (uint32_t)bytes.len, .stream = (uint8_t)stream, .time_ns = (uint64_t)process_clock_ns()};

    memcpy(ring->bytes + (head & (ring->size - 1)), &record, sizeof(record));
    if (bytes.len > 0) {
        copy_in(ring, head + sizeof(record), bytes.ptr, bytes.len);
    }
    atomic_store(&ring->head->head, head + space);
    return true;
}

bool log_ring_put(struct log_ring *ring, enum log_stream stream, struct slice bytes)
{
    bool fits = bytes.len <= LOG_RECORD_MOST;

    if (fits) {
        (void)pthread_mutex_lock(&ring->lock);
        fits = append(ring, stream, bytes);
        (void)pthread_mutex_unlock(&ring->lock);
    }
    if (!fits) {
        atomic_fetch_add(&ring->head->lost, 1);
    }
    /* Sequentially consistent on both sides: either the reader sees the record, or we see that it waits. */
    if (atomic_load(&ring->rings->head->waiting) != 0) {
        log_rings_wake(ring->rings);
    }
    return fits;
}

static void sink(void *context, struct slice line)
{
    (void)log_ring_put(context, LOG_STREAM_LINE, line);
}

void log_ring_sink(struct log_ring *ring)
{
    log_set_sink(sink, ring);
}
