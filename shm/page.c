/*
 * page.c - the reading half of a page: map it, check what ties it together, count its users, keep its regexes.
 *
 * Mapped MAP_PRIVATE | PROT_READ and nothing else: MAP_SHARED of a write-sealed memfd is refused by kernels before 6.7.
 * The checksum reads every byte once, which is also what brings the mapping into memory before the loop needs it.
 *
 * Not here: writing (page_build.c), what structs of a schema look like inside (pack.c).
 */
#include "shm/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/rule/regex.h"
#include "shm/page_inner.h"

struct page {
    const char *base; /* first: struct page_base reads it */
    size_t size;
    uint64_t regex_count;
    atomic_uint references;
    bool mapped;
    struct regex **regexes; /* private to this process; made when the first one is asked for */
};

_Static_assert(offsetof(struct page, base) == offsetof(struct page_base, base), "page_at() reads the base");
_Static_assert(sizeof(struct page_header) == 64, "the header is part of the layout");

/* Stands in the table for a regex that did not compile, so that it is tried once only. */
#define REGEX_FAILED ((struct regex *)(uintptr_t)1)

static const struct page_header *header_of(const struct page *page)
{
    return (const struct page_header *)(const void *)page->base;
}

uint64_t page_checksum(const void *data, size_t size)
{
    const struct page_header *header = data;
    const uint64_t fixed[3] = {header->kind, header->root, header->regexes};

    return hash_bytes(hash_bytes(0, fixed, sizeof(fixed)), (const char *)data + sizeof(*header),
                      size - sizeof(*header));
}

static int header_check(const struct page_header *header, size_t size, enum page_kind kind, struct error *why)
{
    if (header->magic != PAGE_MAGIC) {
        return error_set(why, -EBADMSG, "not a page of weir");
    }
    if (header->layout != PAGE_LAYOUT_VERSION) {
        return error_set(why, -EBADMSG, "layout %u where this build has %u", header->layout,
                         PAGE_LAYOUT_VERSION);
    }
    if (header->build_id != build_id()) {
        return error_set(why, -EBADMSG, "written by another build of weir");
    }
    if (header->kind != (uint32_t)kind) {
        return error_set(why, -EBADMSG, "kind %u where %u is wanted", header->kind, (unsigned)kind);
    }
    if (header->size != size) {
        return error_set(why, -EBADMSG, "%zu bytes where the header says %llu", size,
                         (unsigned long long)header->size);
    }
    if (header->regexes > size / sizeof(uint32_t)) { /* every user of a slot stores its number */
        return error_set(why, -EBADMSG, "%llu regex slots in %zu bytes", (unsigned long long)header->regexes,
                         size);
    }
    if (header->root != 0 &&
        (header->root < sizeof(*header) || header->root >= size || header->root % PAGE_ALIGN)) {
        return error_set(why, -EBADMSG, "root at %llu", (unsigned long long)header->root);
    }
    if (page_checksum(header, size) != header->checksum) {
        return error_set(why, -EBADMSG, "checksum is wrong");
    }
    return 0;
}

static int page_wrap(const void *base, size_t size, bool mapped, struct page **out, struct error *why)
{
    struct page *page = calloc(1, sizeof(*page));

    if (!page) {
        return error_set(why, -ENOMEM, "out of memory");
    }
    page->base = base;
    page->size = size;
    page->mapped = mapped;
    page->regex_count = header_of(page)->regexes;
    atomic_init(&page->references, 1);
    *out = page;
    return 0;
}

static int size_check(uint64_t size, struct error *why)
{
    if (size < sizeof(struct page_header) || size > PAGE_SIZE_MAX) {
        return error_set(why, -EBADMSG, "a page cannot have %llu bytes", (unsigned long long)size);
    }
    return 0;
}

static int map(int fd, enum page_kind kind, struct page_mapping *out, struct error *why)
{
    int seals = fcntl(fd, F_GET_SEALS);
    off_t size;
    int rc;

    if (seals == -1) {
        return error_set(why, -EBADMSG, "not a memfd: %s", strerror(errno));
    }
    if ((seals & PAGE_SEALS) != PAGE_SEALS) {
        return error_set(why, -EBADMSG, "not sealed (seals 0x%x)", (unsigned)seals);
    }
    if ((size = lseek(fd, 0, SEEK_END)) == -1) { /* not fstat(): the sandbox of workers refuses it */
        return error_set(why, -errno, "cannot learn the size: %s", strerror(errno));
    }
    if ((rc = size_check((uint64_t)size, why)) < 0) {
        return rc;
    }

    void *base = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);

    if (base == MAP_FAILED) {
        return error_set(why, -errno, "cannot map %lld bytes: %s", (long long)size, strerror(errno));
    }
    if (kind == PAGE_SECRETS || kind == PAGE_CERTIFICATES ||
        kind == PAGE_MIDDLEWARES) { /* keys, hashes of passwords: in no core dump */
        (void)madvise(base, (size_t)size, MADV_DONTDUMP);
    }
    *out = (struct page_mapping){base, (size_t)size};
    return 0;
}

int page_map(int fd, enum page_kind kind, struct page_mapping *out, struct error *why)
{
    int rc = map(fd, kind, out, why);

    if (rc < 0) {
        *out = (struct page_mapping){NULL, 0};
        error_prefix(why, "%s page", page_kind_name(kind));
    }
    return rc;
}

void page_unmap(struct page_mapping *mapping)
{
    if (mapping->base) {
        munmap(mapping->base, mapping->size);
    }
    *mapping = (struct page_mapping){NULL, 0};
}

int page_adopt_mapping(struct page_mapping *mapping, enum page_kind kind, struct page **out,
                       struct error *why)
{
    int rc;

    if ((rc = header_check(mapping->base, mapping->size, kind, why)) < 0 ||
        (rc = page_wrap(mapping->base, mapping->size, true, out, why)) < 0) {
        page_unmap(mapping);
        error_prefix(why, "%s page", page_kind_name(kind));
        return rc;
    }
    *mapping = (struct page_mapping){NULL, 0};
    return 0;
}

int page_adopt(int fd, enum page_kind kind, struct page **out, struct error *why)
{
    struct page_mapping mapping;
    int rc = page_map(fd, kind, &mapping, why);

    return rc < 0 ? rc : page_adopt_mapping(&mapping, kind, out, why);
}

int page_adopt_memory(const void *data, size_t size, enum page_kind kind, struct page **out,
                      struct error *why)
{
    void *copy = NULL;
    int rc;

    if ((rc = size_check(size, why)) < 0) {
        goto fail;
    }
    if (posix_memalign(&copy, 64, size) != 0) {
        copy = NULL;
        rc = error_set(why, -ENOMEM, "out of memory");
        goto fail;
    }
    memcpy(copy, data, size);
    if ((rc = header_check(copy, size, kind, why)) < 0 || (rc = page_wrap(copy, size, false, out, why)) < 0) {
        goto fail;
    }
    return 0;

fail:
    free(copy);
    error_prefix(why, "%s page", page_kind_name(kind));
    return rc;
}

struct page *page_ref(struct page *page)
{
    atomic_fetch_add_explicit(&page->references, 1, memory_order_relaxed);
    return page;
}

static void regexes_free(struct page *page)
{
    if (!page->regexes) {
        return;
    }
    for (uint64_t i = 0; i < page->regex_count; i++) {
        if (page->regexes[i] && page->regexes[i] != REGEX_FAILED) {
            regex_free(page->regexes[i]);
        }
    }
    free(page->regexes);
}

void page_unref(struct page *page)
{
    if (!page || atomic_fetch_sub_explicit(&page->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    regexes_free(page);
    if (page->mapped) {
        munmap((void *)(uintptr_t)page->base, page->size);
    } else {
        free((void *)(uintptr_t)page->base);
    }
    free(page);
}

uint64_t page_number(const struct page *page)
{
    return header_of(page)->number;
}

size_t page_size(const struct page *page)
{
    return page->size;
}

uint64_t page_offset(const struct page *page, const void *at)
{
    return at ? (uint64_t)((const char *)at - page->base) : 0;
}

bool page_holds(const struct page *page, uint64_t offset, uint64_t count, size_t size, size_t align)
{
    if (count == 0 && offset == 0) {
        return true;
    }
    if (offset < sizeof(struct page_header) || offset > page->size || offset % align != 0) {
        return false;
    }
    return size == 0 || count <= (page->size - offset) / size;
}

bool page_holds_text(const struct page *page, struct slice stored)
{
    return page_holds(page, (uintptr_t)stored.ptr, stored.len, 1, 1);
}

bool page_holds_list(const struct page *page, struct list stored, size_t size, size_t align)
{
    return page_holds(page, (uintptr_t)stored.items, stored.count, size, align);
}

bool page_holds_bool(const void *at)
{
    return *(const unsigned char *)at <= 1;
}

bool page_holds_regex(const struct page *page, const struct regex_text *stored)
{
    /* a regex without a pattern was never packed: an absent one, its slot is 0 whatever the table holds */
    return page_holds_text(page, stored->pattern) &&
           (stored->slot < page->regex_count || stored->pattern.len == 0);
}

const struct regex *page_regex(const struct page *page, const struct regex_text *stored)
{
    struct page *own =
        (struct page *)(uintptr_t)page; /* the cache belongs to the process, not to what is const */
    struct regex *made;

    if (stored->slot >= page->regex_count || stored->pattern.len == 0) {
        return NULL;
    }
    if (!own->regexes && !(own->regexes = calloc(page->regex_count, sizeof(struct regex *)))) {
        return NULL;
    }
    made = own->regexes[stored->slot];
    if (!made) {
        struct error ignored;

        if (regex_compile(page_text(page, stored->pattern), true, &made, &ignored) < 0) {
            made = REGEX_FAILED;
        }
        own->regexes[stored->slot] = made;
    }
    return made == REGEX_FAILED ? NULL : made;
}
