/*
 * build_id.c - one number for the build that is running: pages, board and control messages carry it.
 *
 * It comes from the linker's build id note of the running program. A program linked without one is known by the bytes
 * of its code, which every process of the same file has too, wherever it is loaded.
 */
#include <link.h>
#include <stdatomic.h>

#include "common/base/hash.h"
#include "shm/page.h"

#define SEED 0x77656972ULL

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static bool from_note(const char *note, size_t size, uint64_t *out)
{
    ElfW(Nhdr) head;

    while (size >= sizeof(head)) {
        memcpy(&head, note, sizeof(head));
        size_t whole = sizeof(head) + padded(head.n_namesz) + padded(head.n_descsz);

        if (whole > size) {
            return false;
        }
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && head.n_descsz > 0 &&
            memcmp(note + sizeof(head), "GNU", 4) == 0) {
            *out = hash_bytes(SEED, note + sizeof(head) + padded(head.n_namesz), head.n_descsz);
            return true;
        }
        note += whole;
        size -= whole;
    }
    return false;
}

/* dl_iterate_phdr() begins with the program itself: the first call is the only one that counts. */
static int on_object(struct dl_phdr_info *info, size_t size, void *context)
{
    uint64_t *out = context, code = SEED;

    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_NOTE &&
            from_note((const char *)(uintptr_t)(info->dlpi_addr + part->p_vaddr), part->p_memsz, out)) {
            return 1;
        }
    }
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) && !(part->p_flags & PF_W)) {
            code =
                hash_bytes(code, (const char *)(uintptr_t)(info->dlpi_addr + part->p_vaddr), part->p_filesz);
        }
    }
    *out = code;
    return 1;
}

uint64_t build_id(void)
{
    static _Atomic uint64_t known;
    uint64_t id = atomic_load_explicit(&known, memory_order_relaxed);

    if (id == 0) {
        (void)dl_iterate_phdr(on_object, &id);
        id |= 1; /* never 0; two threads at once find the same */
        atomic_store_explicit(&known, id, memory_order_relaxed);
    }
    return id;
}
