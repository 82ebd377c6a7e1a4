/*
 * in_flight.c - see in_flight.h. No locks: a worker may die anywhere.
 *
 * A table is groups of entries, a source belongs into one group. An entry is the source's key and cells for CELLS worker
 * slots; with more slots the source has further entries, each under a key and in a group of its own. An entry whose cells are
 * all zero is free for others. Who takes it over puts a mark there first and then looks at the cells once more; who counts
 * looks at the key afterwards: so one of the two sees the other. Two entries of one source do no harm, all of them are
 * summed.
 */
#include "shm/in_flight.h"

#define GROUP 8u
#define CELLS 15u
#define TRIES 8u
#define PATIENCE                                                                                             \
    1000u /* looks at a group in which somebody takes an entry over; a mark of a dead worker is none */

struct entry {
    _Atomic uint64_t key;          /* 0: free; below TABLE_KEYS: a mark */
    _Atomic uint64_t cells[CELLS]; /* name << 32 | count; each written by the worker of its slot alone */
};

#define GROUPS (TABLE_BYTES / sizeof(struct entry) / GROUP)

_Static_assert(sizeof(struct entry) == 128, "two lines of a cache");

struct view {
    struct table_directory *directory;
    struct entry *table;
    unsigned worker;
};

static uint32_t life_of(const struct view *view, unsigned slot)
{
    return atomic_load_explicit(&view->directory->lives[slot], memory_order_acquire);
}

/* Of a worker in its present life. */
static uint64_t name_of(const struct view *view, unsigned slot)
{
    return (uint64_t)(life_of(view, slot) & 0xffffff) << 8 | slot;
}

static uint64_t mark_of(const struct view *view, unsigned slot)
{
    return name_of(view, slot) + 1;
}

static bool is_mark(const struct view *view, uint64_t key)
{
    return key != 0 && key < TABLE_KEYS && mark_of(view, (uint8_t)(key - 1)) == key;
}

static uint64_t key_of(uint64_t key, unsigned block)
{
    uint64_t other = key + block * 0x9e3779b97f4a7c15ULL;

    return other < TABLE_KEYS ? other + TABLE_KEYS : other;
}

static struct entry *group_of(const struct view *view, uint64_t key)
{
    return view->table + key % GROUPS * GROUP;
}

static uint64_t count_in(const struct view *view, const struct entry *entry)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < CELLS; i++) {
        uint64_t cell = atomic_load(&entry->cells[i]);

        if ((uint32_t)cell != 0 && cell >> 32 == name_of(view, (uint8_t)(cell >> 32))) {
            sum += (uint32_t)cell;
        }
    }
    return sum;
}

static struct entry *claim(const struct view *view, struct entry *group, uint64_t key)
{
    uint64_t mine = mark_of(view, view->worker);

    for (unsigned i = 0; i < GROUP; i++) {
        struct entry *entry = &group[i];
        uint64_t owner = atomic_load(&entry->key), mark = mine;

        if (is_mark(view, owner) || count_in(view, entry) != 0 ||
            !atomic_compare_exchange_strong(&entry->key, &owner, mine)) {
            continue;
        }
        bool taken = count_in(view, entry) == 0;

        (void)atomic_compare_exchange_strong(&entry->key, &mark, taken ? key : owner);
        if (taken) {
            return entry;
        }
    }
    return NULL;
}

static struct entry *find(const struct view *view, uint64_t key)
{
    struct entry *group = group_of(view, key);

    for (unsigned i = 0; i < GROUP; i++) {
        if (atomic_load(&group[i].key) == key) {
            return &group[i];
        }
    }
    return claim(view, group, key);
}

static uint64_t sum_of_block(const struct view *view, uint64_t key)
{
    const struct entry *group = group_of(view, key);
    uint64_t sum = 0;
    bool marked = true;

    for (unsigned looks = 0; marked && looks < PATIENCE; looks++) {
        sum = 0;
        marked = false;
        for (unsigned i = 0; i < GROUP; i++) {
            uint64_t owner = atomic_load(&group[i].key);

            marked = marked || is_mark(view, owner);
            sum += owner == key ? count_in(view, &group[i]) : 0;
        }
    }
    return sum;
}

static uint64_t sum(const struct view *view, uint64_t key, unsigned slots)
{
    uint64_t sum = 0;

    for (unsigned block = 0; block * CELLS < slots; block++) {
        sum += sum_of_block(view, key_of(key, block));
    }
    return sum;
}

static void count(const struct view *view, struct entry *entry, int by)
{
    _Atomic uint64_t *cell = &entry->cells[view->worker % CELLS];
    uint64_t now = atomic_load(cell), name = name_of(view, view->worker);
    uint32_t held = now >> 32 == name ? (uint32_t)now : 0;

    if (by > 0 || held > 0) {
        atomic_store(cell, name << 32 | (uint32_t)(held + (uint32_t)by));
    }
}

bool in_flight_take(struct board *board, struct table_ref table, unsigned worker, uint64_t key,
                    int64_t amount, struct in_flight *out)
{
    struct view view = {board_table_directory(board), table_at(board, table), worker};
    unsigned slots = board_slots(board);
    uint64_t own = key_of(key, worker / CELLS);

    *out = (struct in_flight){.entry = 0};
    for (unsigned tries = 0; tries < TRIES; tries++) {
        struct entry *entry = view.table ? find(&view, own) : NULL;

        if (entry == NULL) {
            return false;
        }
        count(&view, entry, 1);
        bool kept = atomic_load(&entry->key) == own;

        if (kept && sum(&view, key, slots) <= (uint64_t)amount) {
            *out = (struct in_flight){.table = table, .entry = (uint32_t)(entry - view.table) + 1};
            return true;
        }
        count(&view, entry, -1);
        if (kept && sum(&view, key, slots) >= (uint64_t)amount) {
            return false;
        }
    }
    return false;
}

void in_flight_give(struct board *board, unsigned worker, const struct in_flight *held)
{
    struct view view = {board_table_directory(board), table_at(board, held->table), worker};

    if (held->entry && view.table) {
        count(&view, view.table + held->entry - 1, -1);
    }
}
