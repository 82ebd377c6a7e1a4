/*
 * page.h - one sealed page of configuration: built by the master, mapped read-only by workers.
 *
 * layout   header | data, tied together by 64-bit offsets from the start of the page, because every process maps
 *          the memfd at an address of its own. Structs are stored as their C type with pointers holding offsets;
 *          an offset of 0 is NULL (the header is there). Read them with page_text() and page_at().
 * life     builder_new -> builder_* -> page_seal -> fd sent                         (master)
 *          page_adopt -> page_ref ... page_unref -> unmapped by the last            (worker, tools)
 * trust    nothing is believed before page_adopt() has checked magic, layout, build id, seals, size, checksum; then
 *          the reader of each kind (routes, services, ...) checks every offset once. The seal keeps the bytes still.
 *
 * Not here: what is in a page of a kind (routes.h, services.h, transports.h, static_page.h, middlewares.h,
 * tls_options.h, secrets.h, certificates.h, tcp_page.h, udp_page.h), how descriptors travel (control.h).
 */
#ifndef WEIR_SHM_PAGE_H
#define WEIR_SHM_PAGE_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/schema/schema.h"

#define CERTIFICATE_GROUPS 32u

/* A generation has one page of each kind, but always CERTIFICATE_GROUPS of certificates (shm/certificates.h), and of
 * services as many as it takes (shm/services.h): they come last. Its pages are counted in that order, from 0: their
 * places. */
enum page_kind {
    PAGE_STATIC,
    PAGE_ROUTES,
    PAGE_MIDDLEWARES,
    PAGE_TRANSPORTS,
    PAGE_TLS,
    PAGE_SECRETS,
    PAGE_UDP,
    PAGE_TCP_ROUTES,
    PAGE_TCP,
    PAGE_CERTIFICATES,
    PAGE_SERVICES = PAGE_CERTIFICATES + CERTIFICATE_GROUPS,
    PAGE_KINDS
};

#define PAGE_SERVICES_MOST 256u
#define PAGE_PLACES (PAGE_SERVICES + PAGE_SERVICES_MOST)

const char *page_kind_name(enum page_kind kind); /* "routes" */

/* Of the page in that place of a generation. */
static inline enum page_kind page_kind_at(size_t place)
{
    if (place >= PAGE_SERVICES) {
        return PAGE_SERVICES;
    }
    return place < PAGE_CERTIFICATES ? (enum page_kind)place : PAGE_CERTIFICATES;
}

/* Of struct page_header and of how texts and lists are packed. A new field of a struct on a page raises nothing: pages are only
 * taken from the same build (build_id). */
#define PAGE_LAYOUT_VERSION 1u

struct page_header {
    uint64_t magic;
    uint32_t layout, kind;
    uint64_t build_id;
    uint64_t number; /* unique for the life of the master; not part of the checksum or of the content hash */
    uint64_t size;   /* of the whole page */
    uint64_t checksum; /* page_checksum() */
    uint64_t root;     /* offset of the kind's root struct */
    uint64_t regexes;  /* how many regex slots the page's structs use (slots count from 0 in each page) */
};

/* The same for every process of one build: a hash of the linked program's build id. */
uint64_t build_id(void);

/* What the checksum of the page at `data` must be: over kind, root, regexes and everything after the header. */
uint64_t page_checksum(const void *data, size_t size);

/* ---- building (master, tools, tests) ---- */
struct page_builder;
struct page_builder *builder_new(enum page_kind kind);
void builder_free(struct page_builder *builder);
/* `size` zeroed bytes at an aligned offset (power of two, at most 64). Pointers from builder_at() die with the next
 * builder_alloc(). Dies when out of memory. */
uint64_t builder_alloc(struct page_builder *builder, size_t size, size_t align);
void *builder_at(struct page_builder *builder, uint64_t offset);
/* Copies text, once for equal texts; the slice returned has the offset in ptr (stored form). */
struct slice builder_text(struct page_builder *builder, struct slice text);
/* A new regex slot of this page. */
uint32_t builder_regex(struct page_builder *builder);
void builder_set_root(struct page_builder *builder, uint64_t offset);
uint64_t builder_root(const struct page_builder *builder);
/* Hash of the content, for "identical content is not re-published". */
uint64_t builder_hash(const struct page_builder *builder);
/* Writes the page to a new memfd (MFD_CLOEXEC), seals it (write, shrink, grow, seal), gives the fd to the caller. */
int page_seal(struct page_builder *builder, uint64_t number, int *fd, struct error *why);

/* Packs a decoded struct by its schema: everything it points to is copied, secrets too (pages of secrets come later).
 * Returns the offset; pack_into() fills a struct that is already allocated in the page. */
uint64_t pack(struct page_builder *builder, const struct schema *schema, const void *object);
void pack_into(struct page_builder *builder, const struct schema *schema, const void *object,
               uint64_t offset);

/* ---- reading ---- */
struct page;
struct page_mapping { /* base NULL: none */
    void *base;
    size_t size;
};
/* Maps MAP_PRIVATE|PROT_READ what is sealed, and looks at none of it: some system calls, however large it is. fd stays the
 * caller's. */
int page_map(int fd, enum page_kind kind, struct page_mapping *out, struct error *why);
void page_unmap(struct page_mapping *mapping); /* and forgets it; none is fine */
/* Checks header and checksum, which takes as long as reading it all. *out has one reference. The mapping is taken over, also on
 * failure. */
int page_adopt_mapping(struct page_mapping *mapping, enum page_kind kind, struct page **out,
                       struct error *why);
/* Both. */
int page_adopt(int fd, enum page_kind kind, struct page **out, struct error *why);
/* For tools and tests: a page from memory, copied, with the same checks (no seals). */
int page_adopt_memory(const void *data, size_t size, enum page_kind kind, struct page **out,
                      struct error *why);
struct page *page_ref(struct page *page);
void page_unref(struct page *page); /* atomic; the last one unmaps; NULL is fine */
uint64_t page_number(const struct page *page);
size_t page_size(const struct page *page);

/* True when [offset, offset + count * size) lies inside the data, behind the header, and offset is aligned. With a count
 * of 0 an offset of 0 is fine too: an empty list. */
bool page_holds(const struct page *page, uint64_t offset, uint64_t count, size_t size, size_t align);
/* The same for what is stored: text, a list of items, a boolean (a byte that is 0 or 1). */
bool page_holds_text(const struct page *page, struct slice stored);
bool page_holds_list(const struct page *page, struct list stored, size_t size, size_t align);
bool page_holds_bool(const void *at);
bool page_holds_regex(const struct page *page, const struct regex_text *stored);
/* Where a pointer into the mapping (page_root(), page_at()) lies, as an offset. */
uint64_t page_offset(const struct page *page, const void *at);
/* Walks a packed struct and checks every offset in it by its schema; regex slots too. */
int page_check(const struct page *page, const struct schema *schema, uint64_t offset, struct error *why);

/* After the checks these do not check again. They are views, good while the caller holds a reference. */
struct page_base {
    const char *base; /* first member of struct page */
};
static inline const void *page_at(const struct page *page, const void *stored)
{
    uintptr_t offset = (uintptr_t)stored;
    return offset ? ((const struct page_base *)page)->base + offset : NULL;
}
/* NULL when there is none; what it holds is for readers to check. */
static inline const void *page_root(const struct page *page)
{
    const struct page_header *header =
        (const struct page_header *)(const void *)((const struct page_base *)page)->base;

    return page_at(page, (const void *)(uintptr_t)header->root);
}
static inline struct slice page_text(const struct page *page, struct slice stored)
{
    return slice_of(((const struct page_base *)page)->base + (uintptr_t)stored.ptr, stored.len);
}

/* The page's regexes, compiled with JIT at first use and kept for the life of the mapping in this process. NULL when
 * it does not compile (the master checked it: then memory is short), which must be treated as "does not match". */
struct regex;
const struct regex *page_regex(const struct page *page, const struct regex_text *stored);

#endif
