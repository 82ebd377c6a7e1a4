/*
 * stapling.c - asks OCSP responders about the certificates that are served (the option `ocsp`). What they answer is kept by
 * master/tls/staples.h and makes a new secrets page.
 *
 * A few are asked at once, each by a client of its own, from the heart. Answers that come together make one generation: the
 * reload waits until nobody is asked any more, for a few seconds at the most.
 */
#include <stdlib.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/tls/ocsp.h"
#include "master/master/fetch.h"
#include "master/master/master.h"
#include "master/tls/staples.h"
#include "master/tls/vault.h"

#define AT_ONCE 8
#define GATHER_NS (INT64_C(3) * 1000000000)

struct asking {
    struct fetch *fetch; /* NULL: the place is free */
    struct staple_question question;
};

struct stapling {
    struct asking places[AT_ONCE];
    int64_t gather_until_ns; /* 0: no answer waits for a reload */
};

void stapling_start(struct master *master)
{
    master->stapling = xcalloc(1, sizeof(*master->stapling));
}

void stapling_free(struct master *master)
{
    free(master->stapling);
}

static int64_t seconds_now(void)
{
    return (int64_t)time(NULL);
}

/* ---- one question ---- */
static void release(struct asking *asking)
{
    fetch_free(asking->fetch);
    pool_free(asking->question.pool);
    *asking = (struct asking){.fetch = NULL};
}

static void begin(struct master *master, struct asking *asking)
{
    struct fetch_request request = {.url = asking->question.url,
                                    .method = SLICE("POST"),
                                    .fields = SLICE("Content-Type: application/ocsp-request\r\n"
                                                    "Accept: application/ocsp-response\r\n"),
                                    .body = asking->question.request,
                                    .most = OCSP_ANSWER_MOST};
    struct error why;
    int rc = fetch_new(&master->loop, &request, &asking->fetch, &why);

    if (rc < 0) {
        staples_answered(vault_staples(master->vault), &asking->question, rc, SLICE(""), seconds_now(), &why);
        release(asking);
    }
}

static void look(struct master *master, struct asking *asking)
{
    const struct fetch_result *result = fetch_result(asking->fetch);

    if (result) {
        staples_answered(vault_staples(master->vault), &asking->question, result->rc, result->body,
                         seconds_now(), &result->why);
        release(asking);
    }
}

/* ---- the heart ---- */
void stapling_tend(struct master *master)
{
    struct stapling *stapling = master->stapling;
    struct staples *staples = vault_staples(master->vault);
    bool on = master->settings && master->settings->loaded.config.ocsp;
    unsigned busy = 0;

    if (master->stopping) {
        return;
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct asking *asking = &stapling->places[i];

        if (asking->fetch) {
            look(master, asking);
        }
        if (on && asking->fetch == NULL && staples_next(staples, seconds_now(), &asking->question)) {
            begin(master, asking);
        }
        busy += asking->fetch != NULL;
    }
    if (staples_take_changed(staples) && stapling->gather_until_ns == 0) {
        stapling->gather_until_ns = process_clock_ns() + GATHER_NS;
    }
    if (stapling->gather_until_ns && (busy == 0 || process_clock_ns() >= stapling->gather_until_ns)) {
        stapling->gather_until_ns = 0;
        reload_request(master);
    }
}

void stapling_stop(struct master *master)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        if (master->stapling->places[i].fetch) {
            release(&master->stapling->places[i]);
        }
    }
}
