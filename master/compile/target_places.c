/*
 * target_places.c - see target_places.h.
 *
 * Beside the shared table: how often each place is held and since when it is not, an index by address (open addressing, at
 * most half full, made anew from the table when places were cleared), and a list of free places.
 */
#include "master/compile/target_places.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "shm/services.h"
#include "shm/targets.h"

#define NEVER INT64_MAX
#define INDEX_LEAST 256u

struct usage {
    uint32_t holds;
    int64_t unused_ns; /* since when, if there is none; NEVER: counted from the next sweep on */
};

struct target_places {
    pthread_mutex_t lock;
    int fd;
    struct target *targets;
    struct usage *usage; /* TARGETS_MOST of them, memory only where it is touched */
    uint32_t *index;     /* places by address, 0: none */
    size_t index_size, index_used;
    uint32_t *free_places; /* the lowest last; room for TARGETS_MOST */
    size_t free_count;
};

struct target_hold {
    struct target_places *places;
    size_t count, capacity;
    uint32_t *items;
};

/* ---- the index ---- */
static uint64_t address_hash(const struct address *address)
{
    const uint16_t ends[2] = {address->family, address->port};

    return hash_bytes(hash_bytes(0, ends, sizeof(ends)), address->bytes, address->family == 4 ? 4 : 16);
}

static void index_put(struct target_places *places, const struct address *address, uint32_t place)
{
    size_t mask = places->index_size - 1, at = address_hash(address) & mask;

    while (places->index[at]) {
        at = (at + 1) & mask;
    }
    places->index[at] = place;
    places->index_used++;
}

static uint32_t index_find(const struct target_places *places, const struct address *address)
{
    size_t mask = places->index_size - 1;

    for (size_t at = address_hash(address) & mask; places->index[at]; at = (at + 1) & mask) {
        if (targets_hold(places->targets, places->index[at], address)) {
            return places->index[at];
        }
    }
    return 0;
}

/* Index and free places from the table itself: at first, when places were cleared, when the index is half full. */
static void index_build(struct target_places *places)
{
    uint32_t count = targets_count(places->targets);
    size_t size = INDEX_LEAST;
    struct address address;

    while (size < (size_t)count * 4) {
        size *= 2;
    }
    free(places->index);
    places->index = xcalloc(size, sizeof(*places->index));
    places->index_size = size;
    places->index_used = 0;
    places->free_count = 0;
    for (uint32_t place = count - 1; place >= 1; place--) {
        if (targets_get(places->targets, place, &address)) {
            index_put(places, &address, place);
        } else {
            places->free_places[places->free_count++] = place;
        }
    }
}

/* ---- places ---- */
/* 0, with the reason, when there is none. */
static uint32_t place_take(struct target_places *places, const struct address *address, struct error *why)
{
    uint32_t before = targets_count(places->targets), place;

    if (places->free_count == 0) {
        if (targets_grow(places->fd, places->targets, why) < 0) {
            return 0;
        }
        for (place = targets_count(places->targets) - 1; place >= before; place--) {
            places->free_places[places->free_count++] = place;
        }
    }
    if (places->index_used * 2 >= places->index_size) {
        index_build(places);
    }
    place = places->free_places[--places->free_count];
    places->usage[place] = (struct usage){.unused_ns = process_clock_ns()};
    targets_put(places->targets, place, address);
    index_put(places, address, place);
    return place;
}

static void hold_add(struct target_hold *hold, uint32_t place)
{
    if (hold->count == hold->capacity) {
        hold->capacity = hold->capacity ? 2 * hold->capacity : 64;
        hold->items = xrealloc(hold->items, hold->capacity * sizeof(*hold->items));
    }
    hold->items[hold->count++] = place;
    hold->places->usage[place].holds++;
}

struct target_hold *target_hold_page(struct target_places *places, struct page_builder *services)
{
    struct target_hold *hold = xcalloc(1, sizeof(*hold));
    struct server_address *address = NULL;
    struct services_cursor cursor = {.builder = services};
    struct error why = {""};
    size_t without = 0;

    hold->places = places;
    pthread_mutex_lock(&places->lock);
    while ((address = services_next_address(&cursor))) {
        uint32_t place = index_find(places, &address->address);

        if (place == 0) {
            place = place_take(places, &address->address, &why);
        }
        address->target = place;
        if (place) {
            hold_add(hold, place);
        }
        without += place == 0;
    }
    pthread_mutex_unlock(&places->lock);
    if (without) {
        log_error("Servers at %zu addresses cannot be reached: %s", without, why.text);
    }
    return hold;
}

void target_hold_free(struct target_hold *hold)
{
    if (hold == NULL) {
        return;
    }
    struct target_places *places = hold->places;
    int64_t now = process_clock_ns();

    pthread_mutex_lock(&places->lock);
    for (size_t i = 0; i < hold->count; i++) {
        struct usage *usage = &places->usage[hold->items[i]];

        if (--usage->holds == 0) {
            usage->unused_ns = now;
        }
    }
    pthread_mutex_unlock(&places->lock);
    free(hold->items);
    free(hold);
}

void target_places_sweep(struct target_places *places, int64_t now_ns, int64_t unused_ns)
{
    bool cleared = false;

    pthread_mutex_lock(&places->lock);
    for (uint32_t place = targets_count(places->targets) - 1; place >= 1; place--) {
        struct usage *usage = &places->usage[place];
        struct address ignored;

        if (usage->holds > 0 || !targets_get(places->targets, place, &ignored)) {
            continue;
        }
        if (usage->unused_ns == NEVER) {
            usage->unused_ns = now_ns;
        } else if (now_ns - usage->unused_ns >= unused_ns) {
            targets_clear(places->targets, place);
            cleared = true;
        }
    }
    if (cleared) {
        index_build(places);
    }
    pthread_mutex_unlock(&places->lock);
}

/* ---- life ---- */
int target_places_open(int fd, struct target_places **out, struct error *why)
{
    struct target *targets;
    struct address ignored;
    int rc = targets_map(fd, NULL, &targets, why);

    if (rc < 0) {
        return rc;
    }
    struct target_places *places = xcalloc(1, sizeof(*places));

    (void)pthread_mutex_init(&places->lock, NULL);
    places->fd = fd;
    places->targets = targets;
    places->usage = xcalloc(TARGETS_MOST, sizeof(*places->usage));
    places->free_places = xcalloc(TARGETS_MOST, sizeof(*places->free_places));
    for (uint32_t place = 1; place < targets_count(targets); place++) {
        if (targets_get(targets, place, &ignored)) {
            places->usage[place].unused_ns = NEVER;
        }
    }
    index_build(places);
    *out = places;
    return 0;
}

void target_places_free(struct target_places *places)
{
    if (places) {
        targets_unmap(places->targets);
        close(places->fd);
        (void)pthread_mutex_destroy(&places->lock);
        free(places->usage);
        free(places->index);
        free(places->free_places);
        free(places);
    }
}
