/*
 * memory.c - malloc that dies instead of returning NULL.
 */
#include "common/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noreturn, cold)) static void die(void)
{
    static const char line[] = "weir: out of memory\n";

    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
    abort();
}

void *xmalloc(size_t size)
{
    void *block = malloc(size ? size : 1);

    if (block == NULL) {
        die();
    }
    return block;
}

void *xcalloc(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size ? size : 1);

    if (block == NULL) {
        die();
    }
    return block;
}

void *xrealloc(void *old, size_t size)
{
    void *block = realloc(old, size ? size : 1);

    if (block == NULL) {
        die();
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
