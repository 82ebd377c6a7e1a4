/*
 * targets.c - see targets.h.
 *
 * A master may die between any two instructions: a place is written from its end, the word with the family last, and
 * cleared by that word first; the count is raised when the block is there.
 */
#include "shm/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"

#define FREE UINT64_MAX /* in `first`: family 0xffff */
#define MAGIC UINT64_C(0x0b73746567726174)

struct head {        /* in place 0 */
    uint64_t nobody; /* FREE: no address either */
    uint64_t magic;
    _Atomic uint32_t count;
    uint32_t unused;
    struct linger at_once;
};

_Static_assert(sizeof(struct target) == 32 && sizeof(struct head) == 32, "places do not overlap pages");
_Static_assert(offsetof(struct head, at_once) == TARGETS_AT_ONCE,
               "the filter of system calls knows where it lies");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared between processes");

static struct head *head_of(const struct target *targets)
{
    return (struct head *)(uintptr_t)targets;
}

/* A block is a page of this machine: no bytes of the last page are left to the kernel, which would give zeros. */
static size_t block_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Appends a block; head: what stands in its first place, or NULL. */
static int append(int fd, size_t at, const struct head *head, struct error *why)
{
    size_t size = block_bytes();
    char *block = xmalloc(size);
    ssize_t n;

    memset(block, 0xff, size);
    if (head) {
        memcpy(block, head, sizeof(*head));
    }
    errno = 0;
    n = pwrite(fd, block, size, (off_t)at);
    free(block);
    if (n != (ssize_t)size) {
        return error_set(why, errno ? -errno : -ENOSPC, "no memory for addresses of servers: %s",
                         strerror(errno ? errno : ENOSPC));
    }
    return 0;
}

int targets_create(int *out, struct error *why)
{
    const struct head head = {
        .nobody = FREE,
        .magic = MAGIC,
        .count = (uint32_t)(block_bytes() / sizeof(struct target)),
        .at_once = {.l_onoff = 1, .l_linger = 0},
    };
    int fd = memfd_create("weir-targets", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd == -1) {
        return error_set(why, -errno, "cannot create the memory of addresses: %s", strerror(errno));
    }
    int rc = append(fd, 0, &head, why);

    if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == -1) {
        rc = error_set(why, -errno, "cannot seal the memory of addresses: %s", strerror(errno));
    }
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

int targets_map(int fd, void *place, struct target **out, struct error *why)
{
    struct stat st;
    void *base;

    if (fstat(fd, &st) == -1) {
        return error_set(why, -errno, "cannot stat the memory of addresses: %s", strerror(errno));
    }
    if (st.st_size < (off_t)block_bytes() || st.st_size > (off_t)TARGETS_BYTES) {
        return error_set(why, -EBADMSG, "the memory of addresses has %lld bytes", (long long)st.st_size);
    }
    base = mmap(place, TARGETS_BYTES, place ? PROT_READ : PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_NORESERVE | (place ? MAP_FIXED : 0), fd, 0);
    if (base == MAP_FAILED) {
        return error_set(why, -errno, "cannot map the memory of addresses: %s", strerror(errno));
    }
    const struct head *head = base;

    if (head->magic != MAGIC || targets_count(base) > (size_t)st.st_size / sizeof(struct target)) {
        if (place == NULL) {
            munmap(base, TARGETS_BYTES);
        }
        return error_set(why, -EBADMSG, "not the memory of addresses");
    }
    *out = base;
    return 0;
}

void targets_unmap(struct target *targets)
{
    munmap(targets, TARGETS_BYTES);
}

uint32_t targets_count(const struct target *targets)
{
    return atomic_load_explicit(&head_of(targets)->count, memory_order_acquire);
}

const struct linger *targets_at_once(const struct target *targets)
{
    return &head_of(targets)->at_once;
}

/* As it stands in a place. */
static void write_target(const struct address *address, struct target *out)
{
    struct sockaddr_storage from;
    socklen_t length = address_to_sockaddr(address, &from);

    memset(out, 0, sizeof(*out));
    memcpy(out, &from, length);
}

bool targets_hold(const struct target *targets, uint32_t place, const struct address *address)
{
    struct target wanted;

    if (place == 0 || place >= targets_count(targets)) {
        return false;
    }
    write_target(address, &wanted);
    return memcmp(&targets[place], &wanted, sizeof(wanted)) == 0;
}

int targets_grow(int fd, struct target *targets, struct error *why)
{
    uint32_t count = targets_count(targets), more = (uint32_t)(block_bytes() / sizeof(struct target));
    int rc;

    if (count + more > TARGETS_MOST) {
        return error_set(why, -ENOSPC, "all %u places for addresses of servers are taken", TARGETS_MOST);
    }
    if ((rc = append(fd, (size_t)count * sizeof(struct target), NULL, why)) < 0) {
        return rc;
    }
    atomic_store_explicit(&head_of(targets)->count, count + more, memory_order_release);
    return 0;
}

void targets_put(struct target *targets, uint32_t place, const struct address *address)
{
    struct target *at = &targets[place], made;

    write_target(address, &made);
    memcpy(&at->words[1], &made.words[1], sizeof(made.words) - sizeof(made.words[0]));
    atomic_store_explicit(&at->first, made.words[0], memory_order_release);
}

void targets_clear(struct target *targets, uint32_t place)
{
    atomic_store_explicit(&targets[place].first, FREE, memory_order_release);
}

bool targets_get(const struct target *targets, uint32_t place, struct address *out)
{
    const struct target *at = &targets[place];

    if (at->any.sa_family != AF_INET && at->any.sa_family != AF_INET6) {
        return false;
    }
    address_from_sockaddr(&at->any, out);
    return true;
}
