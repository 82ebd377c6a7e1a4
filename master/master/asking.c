/*
 * asking.c - see asking.h.
 */
#include "master/master/asking.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/master.h"

#define AT_ONCE 8         /* that were asked just now */
#define PLACES 128        /* with those that do not answer: no more is asked then */
#define SLOW_NS 500000000 /* who has not answered by then may hang: others need not wait for it */
#define GATHER_NS (INT64_C(3) * 1000000000)

struct place {
    struct fetch *fetch; /* NULL: the place is free */
    struct pool *pool;
    void *question; /* NULL until it is needed */
    int64_t since_ns;
};

struct asking {
    const struct asking_kind *kind;
    struct place places[PLACES];
    int64_t gather_until_ns; /* 0: no answer waits for a reload */
};

struct asking *asking_new(const struct asking_kind *kind)
{
    struct asking *asking = xcalloc(1, sizeof(*asking));

    asking->kind = kind;
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

/* False: nobody is to be asked now. */
static bool begin(const struct asking *asking, struct master *master, struct place *place)
{
    struct fetch_result none = {.max_age_s = -1};
    struct fetch_request request;

    if (place->question == NULL) {
        place->question = xcalloc(1, asking->kind->question);
    }
    if (!asking->kind->next(master, place->question, &place->pool, &request)) {
        return false;
    }
    place->since_ns = process_clock_ns();
    if ((none.rc = fetch_new(&master->loop, &request, &place->fetch, &none.why)) < 0) {
        answered(asking, master, place, &none);
    }
    return true;
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
    int64_t now = process_clock_ns();
    unsigned busy = 0;

    if (master->stopping) {
        return;
    }
    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &asking->places[i];

        if (place->fetch) {
            look(asking, master, place);
        }
        busy += place->fetch != NULL && now - place->since_ns < SLOW_NS;
    }
    bool more = true;

    for (size_t i = 0; more && i < PLACES && busy < AT_ONCE; i++) {
        if (asking->places[i].fetch == NULL) {
            more = begin(asking, master, &asking->places[i]);
            busy += asking->places[i].fetch != NULL;
        }
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
    for (size_t i = 0; i < PLACES; i++) {
        if (asking->places[i].fetch) {
            release(&asking->places[i]);
        }
    }
}

void asking_free(struct asking *asking)
{
    for (size_t i = 0; asking && i < PLACES; i++) {
        free(asking->places[i].question);
    }
    free(asking);
}
