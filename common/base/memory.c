/*
 * memory.c - malloc that dies, or waits, instead of returning NULL.
 */
#include "common/base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 10000000
#define INSISTED_MOST ((size_t)1 << 30) /* more is a mistake, and no time brings it */

static bool insisting;

void memory_insist(void)
{
    insisting = true;
}

/* Comes back when it is worth another try. */
__attribute__((cold)) static void out_of_memory(size_t size)
{
    static const char line[] = "weir: out of memory\n";
    static const struct timespec pause = {.tv_nsec = PAUSE_NS};

    if (insisting && size <= INSISTED_MOST) {
        (void)nanosleep(&pause, NULL);
        return;
    }
    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
    abort();
}

void *xmalloc(size_t size)
{
    void *block;

    while ((block = malloc(size ? size : 1)) == NULL) {
        out_of_memory(size);
    }
    return block;
}

void *xcalloc(size_t count, size_t size)
{
    void *block;

    while ((block = calloc(count ? count : 1, size ? size : 1)) == NULL) {
        out_of_memory(size && count > SIZE_MAX / size ? SIZE_MAX : count * size);
    }
    return block;
}

void *xrealloc(void *old, size_t size)
{
    void *block;

    while ((block = realloc(old, size ? size : 1)) == NULL) {
        out_of_memory(size);
    }
    return block;
}

char *xstrndup(const char *text, size_t len)
{
    char *copy = xmalloc(len + 1);

    if (len > 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}
