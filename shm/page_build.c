/*
 * page_build.c - the writing half of a page: private memory that grows, texts stored once, then one sealed memfd.
 *
 * The memory is an anonymous mapping that doubles in place or moves without a copy; fresh parts are zero, so that
 * padding never differs between two builds of the same content. Nothing here is shared until page_seal().
 *
 * Not here: reading (page.c), packing by schema (pack.c).
 */
#include "shm/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "shm/page_inner.h"

#define BUILDER_FIRST (64u * 1024)
#define TEXTS_FIRST 256u

struct stored_text { /* offset 0: free */
    uint64_t hash, offset, len;
};

struct page_builder {
    enum page_kind kind;
    char *data;
    size_t size, capacity;
    uint64_t root, regexes;
    struct stored_text *texts; /* open addressing, power of two, never more than half full */
    size_t text_count, text_capacity;
};

static _Noreturn void out_of_memory(void)
{
    static const char message[] = "weir: out of memory while a page of configuration was built\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

    (void)ignored;
    abort();
}

struct page_builder *builder_new(enum page_kind kind)
{
    struct page_builder *builder = xcalloc(1, sizeof(*builder));

    builder->kind = kind;
    builder->capacity = BUILDER_FIRST;
    builder->size = sizeof(struct page_header);
    builder->data = mmap(NULL, builder->capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    builder->text_capacity = TEXTS_FIRST;
    builder->texts = xcalloc(TEXTS_FIRST, sizeof(*builder->texts));
    if (builder->data == MAP_FAILED) {
        out_of_memory();
    }
    return builder;
}

void builder_free(struct page_builder *builder)
{
    if (!builder) {
        return;
    }
    munmap(builder->data, builder->capacity);
    free(builder->texts);
    free(builder);
}

uint64_t builder_alloc(struct page_builder *builder, size_t size, size_t align)
{
    size_t start = (builder->size + (align - 1)) & ~(align - 1);
    size_t capacity = builder->capacity;

    if (start > PAGE_SIZE_MAX || size > PAGE_SIZE_MAX - start) {
        out_of_memory();
    }
    while (capacity < start + size) {
        capacity *= 2;
    }
    if (capacity != builder->capacity) {
        void *moved = mremap(builder->data, builder->capacity, capacity, MREMAP_MAYMOVE);

        if (moved == MAP_FAILED) {
            out_of_memory();
        }
        builder->data = moved;
        builder->capacity = capacity;
    }
    builder->size = start + size;
    return start;
}

void *builder_at(struct page_builder *builder, uint64_t offset)
{
    return builder->data + offset;
}

static void texts_grow(struct page_builder *builder)
{
    size_t capacity = builder->text_capacity * 2, mask = capacity - 1;
    struct stored_text *texts = xcalloc(capacity, sizeof(*texts));

    for (size_t i = 0; i < builder->text_capacity; i++) {
        const struct stored_text *old = &builder->texts[i];
        size_t at = old->hash & mask;

        if (!old->offset) {
            continue;
        }
        while (texts[at].offset) {
            at = (at + 1) & mask;
        }
        texts[at] = *old;
    }
    free(builder->texts);
    builder->texts = texts;
    builder->text_capacity = capacity;
}

struct slice builder_text(struct page_builder *builder, struct slice text)
{
    size_t mask, at;
    uint64_t hash;

    if (text.len == 0) {
        return slice_of(NULL, 0);
    }
    if (builder->text_count >= builder->text_capacity / 2) {
        texts_grow(builder);
    }
    mask = builder->text_capacity - 1;
    hash = hash_slice(0, text);
    for (at = hash & mask; builder->texts[at].offset; at = (at + 1) & mask) {
        const struct stored_text *known = &builder->texts[at];

        if (known->hash == hash && known->len == text.len &&
            memcmp(builder->data + known->offset, text.ptr, text.len) == 0) {
            return slice_of(stored_pointer(known->offset), text.len);
        }
    }
    uint64_t offset = builder_alloc(builder, text.len, 1);

    memcpy(builder->data + offset, text.ptr, text.len);
    builder->texts[at] = (struct stored_text){.hash = hash, .offset = offset, .len = text.len};
    builder->text_count++;
    return slice_of(stored_pointer(offset), text.len);
}

uint32_t builder_regex(struct page_builder *builder)
{
    return (uint32_t)builder->regexes++;
}

void builder_set_root(struct page_builder *builder, uint64_t offset)
{
    builder->root = offset;
}

uint64_t builder_root(const struct page_builder *builder)
{
    return builder->root;
}

static void header_write(const struct page_builder *builder, uint64_t number)
{
    struct page_header *header = (struct page_header *)(void *)builder->data;

    *header = (struct page_header){
        .magic = PAGE_MAGIC,
        .layout = PAGE_LAYOUT_VERSION,
        .kind = builder->kind,
        .build_id = build_id(),
        .number = number,
        .size = builder->size,
        .root = builder->root,
        .regexes = builder->regexes,
    };
    header->checksum = page_checksum(builder->data, builder->size);
}

uint64_t builder_hash(const struct page_builder *builder)
{
    header_write(builder, 0); /* into memory of the builder's own: nothing that a caller sees changes */
    return ((const struct page_header *)(const void *)builder->data)->checksum;
}

static int write_all(int fd, const char *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(fd, data + done, size - done);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        done += (size_t)n;
    }
    return 0;
}

const char *page_kind_name(enum page_kind kind)
{
    static const char *const names[PAGE_KINDS] = {
        [PAGE_STATIC] = "static",
        [PAGE_ROUTES] = "routes",
        [PAGE_MIDDLEWARES] = "middlewares",
        [PAGE_TRANSPORTS] = "transports",
        [PAGE_TLS] = "tls",
        [PAGE_SECRETS] = "secrets",
        [PAGE_UDP] = "UDP",
        [PAGE_TCP_ROUTES] = "TCP routes",
        [PAGE_TCP] = "TCP",
        [PAGE_CERTIFICATES] = "certificates",
        [PAGE_SERVICES] = "services",
    };

    return (unsigned)kind < PAGE_KINDS ? names[kind] : "unknown";
}

int page_seal(struct page_builder *builder, uint64_t number, int *out, struct error *why)
{
    char name[32];
    int rc, fd;

    (void)snprintf(name, sizeof(name), "weir-%s", page_kind_name(builder->kind));
    if ((fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)) == -1) {
        return error_set(why, -errno, "cannot create a page of %zu bytes: %s", builder->size,
                         strerror(errno));
    }
    header_write(builder, number);
    if ((rc = write_all(fd, builder->data, builder->size)) < 0) {
        (void)error_set(why, rc, "cannot write a page of %zu bytes: %s", builder->size, strerror(-rc));
        goto fail;
    }
    if (fcntl(fd, F_ADD_SEALS, PAGE_SEALS) == -1) {
        rc = error_set(why, -errno, "cannot seal a page: %s", strerror(errno));
        goto fail;
    }
    *out = fd;
    return 0;

fail:
    close(fd);
    return rc;
}
