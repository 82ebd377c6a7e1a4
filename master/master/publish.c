/*
 * publish.c - the generation in force, and what all workers have reached of it. How it comes to one: worker_link.c.
 *
 * A generation during whose adoption workers died twice is withdrawn: the one before is published again under a new
 * number, and the same content is not published a second time (I5).
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/master.h"

#define KILLS_MOST 2
#define NUMBERS (UINT64_C(1) << 62) /* of generations: nobody gets there */
#define SWEEP_EVERY (INT64_C(60) * 1000000000)
#define TARGETS_STAY (INT64_C(300) * 1000000000)
#define TARGETS_STAY_MOST (INT64_C(3600) * 1000000000)

/* ---- pages ---- */
struct page_file *page_file_new(int fd, uint64_t number, uint64_t hash, struct target_hold *hold)
{
    struct page_file *file = xcalloc(1, sizeof(*file));

    *file = (struct page_file){.fd = fd, .hold = hold, .number = number, .hash = hash, .references = 1};
    return file;
}

struct page_file *page_file_ref(struct page_file *file)
{
    file->references++;
    return file;
}

void page_file_unref(struct page_file *file)
{
    if (file && --file->references == 0) {
        close(file->fd);
        target_hold_free(file->hold);
        free(file);
    }
}

uint64_t page_files_hash(const struct page_files *pages)
{
    uint64_t hash = pages->count;

    for (size_t i = 0; i < pages->count; i++) {
        hash = hash_bytes(hash, &pages->items[i]->hash, sizeof(pages->items[i]->hash));
    }
    return hash;
}

static void publication_clear(struct publication *publication)
{
    for (size_t i = 0; i < publication->pages.count; i++) {
        page_file_unref(publication->pages.items[i]);
    }
    free(publication->changes);
    *publication = (struct publication){0};
}

/* ---- to all workers ---- */
void publish_spool(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        worker_link_offer_spool(&master->links[slot]);
    }
}

void publish_memory(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        worker_link_offer_memory(&master->links[slot]);
    }
}

static void offer_all(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        worker_link_offer(&master->links[slot]);
    }
}

/* ---- what all workers have reached ---- */
static bool all_acknowledged(const struct master *master)
{
    if (master->current.number == 0) {
        return false;
    }
    for (unsigned slot = 0; slot < master->workers; slot++) {
        if (master->links[slot].acknowledged != master->current.number) {
            return false;
        }
    }
    return true;
}

static bool only_current_held(const struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        const struct board_slab *slab = board_slab(master->board, slot);

        if (slab && atomic_load_explicit(&slab->gauges[GAUGE_GENERATIONS], memory_order_relaxed) > 1) {
            return false;
        }
    }
    return true;
}

static bool all_loaded(const struct master *master)
{
    for (size_t i = 0; i < master->input_count; i++) {
        if (master->inputs[i].enabled && !master->inputs[i].loaded) {
            return false;
        }
    }
    return true;
}

void publish_loaded(struct master *master)
{
    struct board_master *life = board_master(master->board);

    if (life_get(&life->synced_generation) == 0 && all_loaded(master)) {
        life_set(&life->synced_generation, master->current.number);
    }
}

void publish_acknowledged(struct master *master)
{
    struct board_master *life = board_master(master->board);
    uint64_t synced = life_get(&life->synced_generation);

    if (synced == 0 || life_get(&life->ready_ns) != 0) {
        return;
    }
    for (unsigned slot = 0; slot < master->workers; slot++) {
        if (master->links[slot].acknowledged < synced) {
            return;
        }
    }
    life_set(&life->ready_ns, (uint64_t)process_clock_ns());
    log_info("Ready: every provider was read and all workers serve generation %llu",
             (unsigned long long)master->current.number);
}

/* ---- generations ---- */
/* The board tells where the last master was, and nothing else: workers can write there. */
uint64_t publish_next_number(const struct master *master)
{
    uint64_t told = atomic_load(&master->tree->generation);

    return 1 + (master->last_number ? master->last_number : told < NUMBERS ? told : 0);
}

static void put_in_force(struct master *master, const struct page_files *pages, char *changes, uint64_t words)
{
    struct publication *current = &master->current;

    current->number = master->last_number = publish_next_number(master);
    current->pages = *pages;
    current->changes = changes;
    current->kills = 0;
    current->words = words;
    master->swept = master->swept && words == master->swept_words;
    if (current->waiting) {
        life_set(&board_master(master->board)->waiting_generation, current->number);
    }
    atomic_store(&master->tree->generation, current->number); /* claimed before any worker hears of it */
    life_published(master, current->number);
    offer_all(master);
}

static void publish_as(struct master *master, const struct page_files *pages, char *changes, uint64_t words,
                       bool waiting)
{
    publication_clear(&master->previous);
    master->previous = master->current;
    master->current = (struct publication){.waiting = waiting};
    master->has_withdrawn = false;
    put_in_force(master, pages, changes, words);
}

void publish(struct master *master, const struct page_files *pages, char *changes, uint64_t words)
{
    publish_as(master, pages, changes, words, false);
}

void publish_waiting(struct master *master, const struct page_files *pages, uint64_t words)
{
    publish_as(master, pages, xstrndup("", 0), words, true);
}

bool publish_is_withdrawn(const struct master *master, uint64_t hash)
{
    return master->has_withdrawn && master->withdrawn == hash;
}

static void withdraw(struct master *master)
{
    struct publication bad = master->current, good = master->previous;

    life_withdrawn(master, bad.number);
    log_error("Generation %llu is withdrawn: %u workers died while they adopted it. What was new in it: %s",
              (unsigned long long)bad.number, bad.kills,
              bad.changes && *bad.changes ? bad.changes : "not known");
    master->withdrawn = page_files_hash(&bad.pages);
    master->has_withdrawn = true;
    master->current = (struct publication){.waiting = good.waiting};
    master->previous = (struct publication){0};
    publication_clear(&bad);
    master->in_step = false; /* the model is the bad one's */
    put_in_force(master, &good.pages, good.changes, good.words);
    life_recounted(master, master->current.number, good.number);
    log_info("Generation %llu has the content of %llu again", (unsigned long long)master->current.number,
             (unsigned long long)good.number);
}

/* Addresses that no page names any more stay a while for requests that began before, and longer for workers that serve an
 * earlier generation. What the master before us left stays until we have published. */
static void sweep_targets(struct master *master, int64_t now)
{
    if (master->current.number != 0 && now - master->targets_swept_ns >= SWEEP_EVERY) {
        master->targets_swept_ns = now;
        target_places_sweep(master->targets, now,
                            all_acknowledged(master) ? TARGETS_STAY : TARGETS_STAY_MOST);
    }
}

void publish_gone(struct master *master, unsigned slot)
{
    struct worker_link *link = &master->links[slot];
    bool adopting = link->sent != 0 && link->sent == master->current.number;

    worker_link_end(link);
    *link = (struct worker_link){.master = master, .slot = slot};
    outbox_init(&link->out, -1);
    if (adopting && ++master->current.kills >= KILLS_MOST && master->previous.number != 0) {
        withdraw(master);
    }
}

/* ---- from the heart ---- */
void publish_tend(struct master *master, int64_t now)
{
    if (master->guard.starved) {
        (void)outbox_flush(&master->guard);
    }
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        worker_link_tend(&master->links[slot], now);
    }
    publish_acknowledged(master);
    sweep_targets(master, now);
    if (master->last_number) {
        life_set(&master->tree->generation, master->last_number); /* whatever else stands there */
    }
    /* No job in flight: it asks for words of a generation that is still to come. */
    if (!master->swept && master->job == NULL && all_acknowledged(master) && only_current_held(master)) {
        board_sweep(master->board, master->current.words);
        master->swept = true;
        master->swept_words = master->current.words;
    }
}

void publish_free(struct master *master)
{
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        worker_link_end(&master->links[slot]);
    }
    publication_clear(&master->current);
    publication_clear(&master->previous);
}
