/*
 * stapling.c - asks OCSP responders about the certificates that are served (the option `ocsp`; asking.h). What they answer is
 * kept by master/tls/staples.h and makes a new secrets page.
 */
#include <time.h>

#include "common/tls/ocsp.h"
#include "master/master/asking.h"
#include "master/master/master.h"
#include "master/tls/staples.h"
#include "master/tls/vault.h"

static int64_t seconds_now(void)
{
    return (int64_t)time(NULL);
}

static bool next(struct master *master, void *question, struct pool **pool, struct fetch_request *request)
{
    struct staple_question *asked = question;
    bool on = master->settings && master->settings->loaded.config.ocsp;

    if (!on || !staples_next(vault_staples(master->vault), seconds_now(), asked)) {
        return false;
    }
    *pool = asked->pool;
    *request = (struct fetch_request){.url = asked->url,
                                      .method = SLICE("POST"),
                                      .fields = SLICE("Content-Type: application/ocsp-request\r\n"
                                                      "Accept: application/ocsp-response\r\n"),
                                      .body = asked->request,
                                      .most = OCSP_ANSWER_MOST};
    return true;
}

static void answered(struct master *master, const void *question, const struct fetch_result *result)
{
    staples_answered(vault_staples(master->vault), question, result->rc, result->body, seconds_now(),
                     &result->why);
}

static bool changed(struct master *master)
{
    return staples_take_changed(vault_staples(master->vault));
}

void stapling_start(struct master *master)
{
    static const struct asking_kind kind = {.question = sizeof(struct staple_question),
                                            .next = next,
                                            .answered = answered,
                                            .changed = changed,
                                            .reload = reload_secrets};

    master->stapling = asking_new(&kind);
}
