/*
 * asking.c - see asking.h.
 */
#include "master/master/asking.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/master.h"

#define AT_ONCE 8
#define GATHER_NS (INT64_C(3) * 1000000000)

struct place {
    struct fetch *fetch; /* NULL: the place is free */
    struct pool *pool;
    void *question;
};

struct asking {
    const struct asking_kind *kind;
    struct place places[AT_ONCE];
    int64_t gather_until_ns; /* 0: no answer waits for a reload */
};

struct asking *asking_new(const struct asking_kind *kind)
{
    struct asking *asking = xcalloc(1, sizeof(*asking));

    asking->kind = kind;
    for (size_t i = 0; i < AT_ONCE; i++) {
        asking->places[i].question = xcalloc(1, kind->question);
    }
    return asking;
}

static void release(struct place *place)
{
    fetch_free(place->fetch);
    pool_free(place->pool);
    place->fetch = NULL;
    place->pool = NULL;
}

static void answered(const struct asking *asking, struct master *master, struct place *place,
                     const struct fetch_result *result)
{
    asking->kind->answered(master, place->question, result);
    release(place);
}

static void begin(const struct asking *asking, struct master *master, struct place *place)
{
    struct fetch_result none = {.max_age_s = -1};
    struct fetch_request request;

    if (asking->kind->next(master, place->question, &place->pool, &request) &&
        (none.rc = fetch_new(&master->loop, &request, &place->fetch, &none.why)) < 0) {
        answered(asking, master, place, &none);
    }
}

static void look(const struct asking *asking, struct master *master, struct place *place)
{
    const struct fetch_result *result = fetch_result(place->fetch);

    if (result) {
        answered(asking, master, place, result);
    }
}

void asking_tend(struct asking *asking, struct master *master)
{
    unsigned busy = 0;

    if (master->stopping) {
        return;
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct place *place = &asking->places[i];

        if (place->fetch) {
            look(asking, master, place);
        }
        if (place->fetch == NULL) {
            begin(asking, master, place);
        }
        busy += place->fetch != NULL;
    }
    if (asking->kind->changed(master) && asking->gather_until_ns == 0) {
        asking->gather_until_ns = process_clock_ns() + GATHER_NS;
    }
    if (asking->gather_until_ns && (busy == 0 || process_clock_ns() >= asking->gather_until_ns)) {
        asking->gather_until_ns = 0;
        asking->kind->reload(master);
    }
}

void asking_stop(struct asking *asking)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (asking->places[i].fetch) {
            release(&asking->places[i]);
        }
    }
}

void asking_free(struct asking *asking)
{
    for (size_t i = 0; asking && i < AT_ONCE; i++) {
        free(asking->places[i].question);
    }
    free(asking);
}
