/*
 * fence.c - 16 GiB of address space at a multiple of 16 GiB: 4 that keep a distance, 4 that begin with the table, 4 that begin
 * with the board, 4 that are empty.
 *
 * The filter of system calls sees a pointer's halves and cannot add a length to it. So the fence is told from everything
 * else by the upper half alone, no length may reach 4 GiB, and what begins below the fence ends in its first part, where
 * nothing is of use to anybody.
 */
#include "worker/fence.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PART ((uintptr_t)1 << 32)
#define SIZE (FENCE_PARTS * PART)

static char *reserve(struct error *why)
{
    char *wide = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (wide == MAP_FAILED) {
        (void)error_set(
            why, -errno,
            "cannot take 32 GiB of address space, which cost no memory: %s (ulimit -v, LimitAS= of "
            "systemd)",
            strerror(errno));
        return NULL;
    }
    char *base = wide + (SIZE - (uintptr_t)wide % SIZE) % SIZE;
    size_t before = (size_t)(base - wide);

    if (before > 0) {
        (void)munmap(wide, before);
    }
    (void)munmap(base + SIZE, SIZE - before);
    return base;
}

int fence_build(int fd, struct fence *out, struct error *why)
{
    struct target *targets;
    char *base = reserve(why);
    int rc = base ? targets_map(fd, base + PART, &targets, why) : -ENOMEM;

    if (rc < 0) {
        return rc;
    }
    *out = (struct fence){
        .targets = targets, .upper = (uint32_t)((uintptr_t)targets >> 32), .board = base + 2 * PART};
    return 0;
}

void fence_reset_on_close(const struct fence *fence, int fd)
{
    static const struct linger at_once = {.l_onoff = 1,
                                          .l_linger = 0}; /* where there is no fence: in tests */
    const struct linger *value = fence->targets ? targets_at_once(fence->targets) : &at_once;

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, value, sizeof(*value));
}
