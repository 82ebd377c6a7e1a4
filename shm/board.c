/*
 * board.c - the shared mapping: a head, one slab a worker, then the words, densely from the front, then tables.
 *
 *   0         header | struct board_tree
 *   UNIT      slabs, a page each, so that none that is unused takes memory and workers can write in their own only
 *   ...       what guard and master say of themselves (board_life.h), each on pages of its own
 *   ...       loads, a table a worker, sparse: requests under way on servers
 *   ...       the directory of tables (tables.h), on pages of its own
 *   ...       words, a cache line each: the word, the identity and epoch it belongs to, the last generation naming it
 *   ...       tables
 *
 * Workers face strangers and can write the head, their own slab, words and tables: nothing that is read here may lead out of
 * the mapping or round in circles, and the guard mends the header, without which no process would start.
 *
 * Not here: who gets which word (board_words.c).
 */
#include "shm/board_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/siphash.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "shm/page.h"

#define BOARD_MAGIC 0x0a6472616f626577ULL /* "weboard\n" in memory */
#define BOARD_LAYOUT 10u
#ifdef __aarch64__
#define UNIT 65536u /* the largest page there is: protection goes by pages */
#else
#define UNIT 4096u
#endif

_Static_assert(sizeof(struct board_entry) == 64, "the epoch lies in the line of its word");
_Static_assert(sizeof(struct board_slab) <= UNIT, "a slab is one unit");
_Static_assert(sizeof(struct board_head) <= UNIT, "the head is one unit");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "words are shared between processes");

#define SLABS_AT ((size_t)UNIT)
#define UNITS(type) ((sizeof(type) + UNIT - 1) / UNIT * UNIT)
#define GUARD_AT (SLABS_AT + (size_t)BOARD_WORKERS * UNIT)
#define MASTER_AT (GUARD_AT + UNITS(struct board_guard))
#define LOADS_AT (MASTER_AT + UNITS(struct board_master))
#define LOADS_SIZE (BOARD_LOADS * sizeof(_Atomic uint32_t))
#define DIRECTORY_AT (LOADS_AT + BOARD_WORKERS * LOADS_SIZE)
#define WORDS_AT (DIRECTORY_AT + UNITS(struct table_directory))
#define TABLES_AT (WORDS_AT + (size_t)WORDS * sizeof(struct board_entry))
#define BOARD_SIZE (TABLES_AT + (size_t)TABLE_SLOTS * TABLE_BYTES)

_Static_assert(LOADS_SIZE % UNIT == 0, "workers can write in their own only");
_Static_assert(BOARD_SIZE <= BOARD_ROOM, "workers have it at a place of that size");

int board_create(int *out, struct error *why)
{
    struct board_header header = {
        .magic = BOARD_MAGIC, .layout = BOARD_LAYOUT, .build_id = build_id(), .size = BOARD_SIZE};
    uint64_t seed[2];
    int fd = memfd_create("weir-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int rc;

    if (fd == -1) {
        return error_set(why, -errno, "cannot create the board: %s", strerror(errno));
    }
    if (ftruncate(fd, (off_t)BOARD_SIZE) == -1 ||
        pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed) ||
        pwrite(fd, seed, sizeof(seed), (off_t)(DIRECTORY_AT + offsetof(struct table_directory, seed))) !=
            (ssize_t)sizeof(seed) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1) {
        rc = error_set(why, errno ? -errno : -EIO, "cannot prepare the board: %s", strerror(errno));
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

static int header_check(const struct board_header *header, struct error *why)
{
    if (header->magic != BOARD_MAGIC || header->size != BOARD_SIZE) {
        return error_set(why, -EBADMSG, "not a board of weir");
    }
    if (header->layout != BOARD_LAYOUT) {
        return error_set(why, -EBADMSG, "the board has layout %llu where this build has %u",
                         (unsigned long long)header->layout, BOARD_LAYOUT);
    }
    if (header->build_id != build_id()) {
        return error_set(why, -EBADMSG, "the board was made by another build of weir");
    }
    if (atomic_load(&header->words_used) >= WORDS || atomic_load(&header->slabs_used) > BOARD_WORKERS) {
        return error_set(why, -EBADMSG, "the board's head is damaged");
    }
    return 0;
}

/* place: where, over what is there; NULL: anywhere. */
static int map(int fd, int protection, void *place, struct board **out, struct error *why)
{
    struct board *board;
    struct stat st;
    void *base;
    int rc;

    if (fstat(fd, &st) == -1) {
        return error_set(why, -errno, "cannot stat the board: %s", strerror(errno));
    }
    if (st.st_size != (off_t)BOARD_SIZE) {
        return error_set(why, -EBADMSG, "the board has %lld bytes where this build has %zu",
                         (long long)st.st_size, BOARD_SIZE);
    }
    base = mmap(place, BOARD_SIZE, protection, MAP_SHARED | MAP_NORESERVE | (place ? MAP_FIXED : 0), fd, 0);
    if (base == MAP_FAILED) {
        return error_set(why, -errno, "cannot map the board: %s", strerror(errno));
    }
    (void)madvise(base, BOARD_SIZE, MADV_DONTDUMP);
    if ((rc = header_check(&((struct board_head *)base)->header, why)) < 0) {
        munmap(base, BOARD_SIZE);
        return rc;
    }
    board = xcalloc(1, sizeof(*board));
    board->base = base;
    board->head = base;
    board->entries = (struct board_entry *)(void *)(board->base + WORDS_AT);
    board->looking = (protection & PROT_WRITE) == 0;
    *out = board;
    return 0;
}

int board_map(int fd, struct board **out, struct error *why)
{
    return map(fd, PROT_READ | PROT_WRITE, NULL, out, why);
}

int board_look(int fd, struct board **out, struct error *why)
{
    return map(fd, PROT_READ, NULL, out, why);
}

static bool open_to_writes(struct board *board, size_t from, size_t to)
{
    return mprotect(board->base + from, to - from, PROT_READ | PROT_WRITE) == 0;
}

int board_join(int fd, void *place, unsigned worker, struct board **out, struct error *why)
{
    size_t slab = SLABS_AT + (size_t)worker * UNIT, loads = LOADS_AT + (size_t)worker * LOADS_SIZE;

    if (worker >= BOARD_WORKERS) {
        return error_set(why, -ERANGE, "there is no slot %u on the board", worker);
    }
    int rc = map(fd, PROT_READ, place, out, why);

    if (rc < 0) {
        return rc;
    }
    if (!open_to_writes(*out, 0, SLABS_AT) || !open_to_writes(*out, slab, slab + UNIT) ||
        !open_to_writes(*out, loads, loads + LOADS_SIZE) || !open_to_writes(*out, WORDS_AT, BOARD_SIZE)) {
        rc = error_set(why, -errno, "cannot open the board to writes: %s", strerror(errno));
        board_unmap(*out);
        return rc;
    }
    (*out)->looking = false;
    return 0;
}

void board_mend(struct board *board, unsigned slabs)
{
    struct board_header *header = &board->head->header;

    if (header->magic != BOARD_MAGIC || header->layout != BOARD_LAYOUT || header->build_id != build_id() ||
        header->size != BOARD_SIZE) {
        header->magic = BOARD_MAGIC;
        header->layout = BOARD_LAYOUT;
        header->build_id = build_id();
        header->size = BOARD_SIZE;
    }
    if (atomic_load_explicit(&header->words_used, memory_order_relaxed) >= WORDS) {
        atomic_store(&header->words_used, 0); /* at the worst two services share a word for a while */
    }
    if (atomic_load_explicit(&header->slabs_used, memory_order_relaxed) > slabs) {
        atomic_store(&header->slabs_used, slabs); /* gauges of nobody count for nothing */
    }
}

void board_unmap(struct board *board)
{
    if (!board) {
        return;
    }
    munmap(board->base, BOARD_SIZE);
    free(board->index);
    free(board->free_slots);
    free(board);
}

/* ---- words (board_words.c) and tables ---- */

_Atomic uint64_t *board_at(struct board *board, struct board_ref ref)
{
    struct board_entry *entry;

    if (ref.slot == 0 || ref.slot >= WORDS) {
        return NULL;
    }
    entry = &board->entries[ref.slot];
    if (atomic_load_explicit(&entry->epoch, memory_order_relaxed) != ref.epoch) {
        return NULL;
    }
    return &entry->word;
}

uint64_t board_hash(struct board *board, uint64_t seed, struct slice text)
{
    static const uint64_t none[2];
    const uint64_t *secret = board ? board_table_directory(board)->seed : none;
    const uint64_t key[2] = {secret[0] ^ seed, secret[1]};

    return SIPHASH_24(key, (const uint8_t *)text.ptr, text.len);
}

struct table_directory *board_table_directory(struct board *board)
{
    return (struct table_directory *)(void *)(board->base + DIRECTORY_AT);
}

void *board_table(struct board *board, uint32_t number)
{
    return board->base + TABLES_AT + (size_t)number * TABLE_BYTES;
}

/* ---- slabs ---- */

static struct board_slab *slab_at(struct board *board, unsigned worker)
{
    return (struct board_slab *)(void *)(board->base + SLABS_AT + (size_t)worker * UNIT);
}

struct board_slab *board_slab(struct board *board, unsigned worker)
{
    _Atomic uint32_t *used = &board->head->header.slabs_used;
    uint32_t now;

    if (worker >= BOARD_WORKERS) {
        return NULL;
    }
    now = atomic_load_explicit(used, memory_order_relaxed);
    if (board->looking) {
        return worker < now ? slab_at(board, worker) : NULL;
    }
    while (now <= worker && !atomic_compare_exchange_weak(used, &now, worker + 1)) {
    } /* ends: whoever else stored, stored a higher number */
    return slab_at(board, worker);
}

unsigned board_slots(struct board *board)
{
    uint32_t used = atomic_load_explicit(&board->head->header.slabs_used, memory_order_relaxed);

    return used < BOARD_WORKERS ? used : BOARD_WORKERS;
}

/* ---- loads ---- */

static _Atomic uint32_t *loads_at(struct board *board, unsigned worker)
{
    return (_Atomic uint32_t *)(void *)(board->base + LOADS_AT + (size_t)worker * LOADS_SIZE);
}

_Atomic uint32_t *board_load(struct board *board, unsigned worker, struct board_ref server)
{
    return server.slot == 0 || worker >= BOARD_WORKERS
               ? NULL
               : &loads_at(board, worker)[server.slot & (BOARD_LOADS - 1)];
}

uint64_t board_load_sum(struct board *board, struct board_ref server)
{
    uint32_t slabs = atomic_load_explicit(&board->head->header.slabs_used, memory_order_relaxed);
    uint64_t sum = 0;

    for (uint32_t i = 0; server.slot && i < slabs && i < BOARD_WORKERS; i++) {
        sum += atomic_load_explicit(board_load(board, i, server), memory_order_relaxed);
    }
    return sum;
}

/* ---- slabs at their end ---- */

void board_fold(struct board *board, unsigned worker)
{
    struct board_slab *slab = board_slab(board, worker);

    if (!slab) {
        return;
    }
    for (size_t i = 0; i < BOARD_GAUGES; i++) {
        atomic_store_explicit(&slab->gauges[i], 0, memory_order_relaxed);
    }
    if (madvise(loads_at(board, worker), LOADS_SIZE, MADV_REMOVE) == -1) { /* zero, and without memory */
        memset((void *)loads_at(board, worker), 0, LOADS_SIZE);
    }
    atomic_store_explicit(&slab->heartbeat_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->generation, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->state, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->state_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->acknowledged_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->pid, 0, memory_order_release);
    atomic_fetch_add_explicit(&board_table_directory(board)->lives[worker], 1, memory_order_release);
}

uint64_t board_counter_sum(struct board *board, enum board_counter counter)
{
    uint32_t slabs = atomic_load_explicit(&board->head->header.slabs_used, memory_order_relaxed);
    uint64_t sum = 0;

    if ((unsigned)counter >= BOARD_COUNTERS) {
        return 0;
    }
    for (uint32_t i = 0; i < slabs && i < BOARD_WORKERS; i++) {
        sum += atomic_load_explicit(&slab_at(board, i)->counters[counter], memory_order_relaxed);
    }
    return sum;
}

int64_t board_gauge_sum(struct board *board, enum board_gauge gauge)
{
    uint32_t slabs = atomic_load_explicit(&board->head->header.slabs_used, memory_order_relaxed);
    int64_t sum = 0;

    if ((unsigned)gauge >= BOARD_GAUGES) {
        return 0;
    }
    for (uint32_t i = 0; i < slabs && i < BOARD_WORKERS; i++) {
        sum += atomic_load_explicit(&slab_at(board, i)->gauges[gauge], memory_order_relaxed);
    }
    return sum;
}

struct board_tree *board_tree(struct board *board)
{
    return &board->head->tree;
}

struct board_guard *board_guard(struct board *board)
{
    return (struct board_guard *)(void *)(board->base + GUARD_AT);
}

struct board_master *board_master(struct board *board)
{
    return (struct board_master *)(void *)(board->base + MASTER_AT);
}
