/*
 * page_inner.h - what the files of the page share with each other and nobody else (tests aside).
 */
#ifndef WEIR_SHM_PAGE_INNER_H
#define WEIR_SHM_PAGE_INNER_H

#include <fcntl.h>

#include "shm/page.h"

#define PAGE_MAGIC 0x0a65676170726577ULL /* "werpage\n" in memory */
#define PAGE_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define PAGE_SIZE_MAX ((size_t)1 << 40)
#define PAGE_ALIGN 8u /* of every struct that pack() stores */

/* The stored form of a pointer is the offset in its place. */
static inline void *stored_pointer(uint64_t offset)
{
    return (void *)(uintptr_t)offset;
}

#endif
