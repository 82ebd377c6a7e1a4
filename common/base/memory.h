/*
 * memory.h - allocation of small sizes that we choose: dies with one line when the machine has no memory.
 *
 * Sizes that a peer or a user chooses are bounded first, or go through pool_try_alloc() and malloc().
 */
#ifndef WEIR_COMMON_BASE_MEMORY_H
#define WEIR_COMMON_BASE_MEMORY_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size); /* overflow of count * size dies */
void *xrealloc(void *old, size_t size);
char *xstrndup(const char *text, size_t len); /* with a NUL behind it */

/* From now on they wait until there is memory: for a process whose end costs more than its silence. */
void memory_insist(void);

#endif
