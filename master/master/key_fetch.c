/*
 * key_fetch.c - asks URLs for sets of keys that verify tokens (middleware jwt, jwksUrl). What they answer is kept by
 * master/tls/key_sets.h; another set makes a new generation.
 *
 * A few are asked at once, from the heart. Answers that come together make one generation: the reload waits until nobody is asked
 * any more, for a few seconds at the most.
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "master/master/fetch.h"
#include "master/master/master.h"
#include "master/tls/key_sets.h"
#include "master/tls/vault.h"

#define AT_ONCE 8
#define GATHER_NS (INT64_C(3) * 1000000000)

struct asking {
    struct fetch *fetch; /* NULL: the place is free */
    struct key_set_question question;
};

struct key_fetch {
    struct asking places[AT_ONCE];
    int64_t gather_until_ns; /* 0: no answer waits for a reload */
};

void key_fetch_start(struct master *master)
{
    master->key_fetch = xcalloc(1, sizeof(*master->key_fetch));
}

void key_fetch_free(struct master *master)
{
    free(master->key_fetch);
}

static void release(struct asking *asking)
{
    fetch_free(asking->fetch);
    pool_free(asking->question.pool);
    *asking = (struct asking){.fetch = NULL};
}

static void begin(struct master *master, struct asking *asking)
{
    struct fetch_request request = {.url = asking->question.url,
                                    .method = SLICE("GET"),
                                    .fields = SLICE("Accept: application/jwk-set+json, application/json\r\n"),
                                    .most = KEY_SET_MOST,
                                    .tls = asking->question.way.tls,
                                    .timeout_ns = asking->question.way.timeout_ns};
    struct error why;
    int rc = fetch_new(&master->loop, &request, &asking->fetch, &why);

    if (rc < 0) {
        key_sets_answered(vault_key_sets(master->vault), &asking->question, rc, SLICE(""), -1,
                          process_clock_ns(), &why);
        release(asking);
    }
}

static void look(struct master *master, struct asking *asking)
{
    const struct fetch_result *result = fetch_result(asking->fetch);

    if (result) {
        key_sets_answered(vault_key_sets(master->vault), &asking->question, result->rc, result->body,
                          result->max_age_s, process_clock_ns(), &result->why);
        release(asking);
    }
}

void key_fetch_tend(struct master *master)
{
    struct key_fetch *own = master->key_fetch;
    struct key_sets *sets = vault_key_sets(master->vault);
    unsigned busy = 0;

    if (master->stopping) {
        return;
    }
    key_sets_listen(sets, master->board);
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct asking *asking = &own->places[i];

        if (asking->fetch) {
            look(master, asking);
        }
        if (asking->fetch == NULL && key_sets_next(sets, process_clock_ns(), &asking->question)) {
            begin(master, asking);
        }
        busy += asking->fetch != NULL;
    }
    if (key_sets_take_changed(sets)) {
        vault_keep_key_sets(master->vault);
        own->gather_until_ns = own->gather_until_ns ? own->gather_until_ns : process_clock_ns() + GATHER_NS;
    }
    if (own->gather_until_ns && (busy == 0 || process_clock_ns() >= own->gather_until_ns)) {
        own->gather_until_ns = 0;
        reload_request(master);
    }
}

void key_fetch_stop(struct master *master)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (master->key_fetch->places[i].fetch) {
            release(&master->key_fetch->places[i]);
        }
    }
}
