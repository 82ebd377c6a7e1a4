/*
 * cluster_fetch.c - asks Redis Clusters who has which keys (rateLimit with several redis.endpoints). What they answer is kept by
 * master/tls/learned.h; another map makes a new generation, as another set of keys does (key_fetch.c).
 *
 * Workers may connect only to what a configuration names, so they do not learn of nodes by themselves.
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/cluster_ask.h"
#include "master/master/master.h"
#include "master/tls/learned.h"
#include "master/tls/vault.h"

#define PLACES 16    /* clusters that are asked at once */
#define MAP_AGE_S 30 /* asked again, though nobody missed anything */

struct place {
    struct master *master;
    struct probe *probe; /* NULL: the place is free */
    struct learned_question question;
    struct probe_options options;
    struct text map;
};

struct cluster_fetch {
    struct place places[PLACES];
};

static void on_done(void *context, const struct error *why)
{
    struct place *place = context;
    struct error named;

    place->probe = NULL;
    if (why) {
        named = *why;
        error_prefix(&named, "%.*s", SLICE_ARG(place->options.url));
    }
    learned_answered(vault_learned(place->master->vault), &place->question, why ? -1 : 0,
                     text_slice(&place->map), MAP_AGE_S, process_clock_ns(), why ? &named : NULL);
    text_clear(&place->map);
    pool_free(place->question.pool);
}

/* Endpoint after endpoint, then the next address of each. */
static struct slice endpoint_of(const struct learned_question *question, unsigned *address, bool *tls)
{
    struct slice rest = question->url, scheme = slice_split(&rest, ':'), all = slice_from(rest, 2),
                 item = all;
    unsigned count = 0;

    *tls = slice_eq(scheme, SLICE("rediss"));
    for (struct slice left = all; left.ptr; count++) {
        (void)slice_split(&left, ',');
    }
    for (unsigned i = 0; i <= question->turn % count; i++) {
        item = slice_split(&all, ',');
    }
    *address = question->turn / count;
    return item;
}

static void begin(struct place *place)
{
    const struct learned_way *way = &place->question.way;
    const struct cluster_login login = {way->username, way->password};

    place->options =
        (struct probe_options){.timeout_ms = (unsigned)(way->timeout_ns / 1000000), .tls = way->tls};
    place->options.url = endpoint_of(&place->question, &place->options.address, &place->options.by_tls);
    place->probe =
        cluster_ask_start(&place->master->loop, &place->options, &login, &place->map, on_done, place);
}

void cluster_fetch_start(struct master *master)
{
    master->clusters = xcalloc(1, sizeof(*master->clusters));
    for (size_t i = 0; i < PLACES; i++) {
        master->clusters->places[i].master = master;
        text_init(&master->clusters->places[i].map);
    }
}

void cluster_fetch_tend(struct master *master)
{
    bool more = !master->stopping;

    for (size_t i = 0; more && i < PLACES; i++) {
        struct place *place = &master->clusters->places[i];

        if (place->probe) {
            continue;
        }
        more = learned_next(vault_learned(master->vault), &learned_clusters, process_clock_ns(),
                            &place->question);
        if (more) {
            begin(place);
        }
    }
}

void cluster_fetch_stop(struct master *master)
{
    for (size_t i = 0; i < PLACES; i++) {
        struct place *place = &master->clusters->places[i];

        if (place->probe) {
            probe_cancel(place->probe);
            place->probe = NULL;
            pool_free(place->question.pool);
        }
    }
}

void cluster_fetch_free(struct master *master)
{
    for (size_t i = 0; master->clusters && i < PLACES; i++) {
        text_free(&master->clusters->places[i].map);
    }
    free(master->clusters);
}
