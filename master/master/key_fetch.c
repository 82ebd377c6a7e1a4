/*
 * key_fetch.c - asks URLs for sets of keys that verify tokens (middleware jwt, jwksUrl; asking.h). What they answer is kept by
 * master/tls/learned.h; another set makes a new generation.
 */
#include "common/base/process.h"
#include "master/master/asking.h"
#include "master/master/master.h"
#include "master/tls/learned.h"
#include "master/tls/vault.h"

static bool next(struct master *master, void *question, struct pool **pool, struct fetch_request *request)
{
    struct learned_question *asked = question;

    if (!learned_next(vault_learned(master->vault), &learned_keys, process_clock_ns(), asked)) {
        return false;
    }
    *pool = asked->pool;
    *request =
        (struct fetch_request){.url = asked->url,
                               .method = SLICE("GET"),
                               .fields = SLICE("Accept: application/jwk-set+json, application/json\r\n"),
                               .most = KEY_SET_MOST,
                               .tls = asked->way.tls,
                               .timeout_ns = asked->way.timeout_ns};
    return true;
}

static void answered(struct master *master, const void *question, const struct fetch_result *result)
{
    learned_answered(vault_learned(master->vault), question, result->rc, result->body, result->max_age_s,
                     process_clock_ns(), &result->why);
}

static bool changed(struct master *master)
{
    bool others = learned_take_changed(vault_learned(master->vault));

    if (others) {
        vault_keep_learned(master->vault);
    }
    return others;
}

void key_fetch_start(struct master *master)
{
    static const struct asking_kind kind = {.question = sizeof(struct learned_question),
                                            .next = next,
                                            .answered = answered,
                                            .changed = changed,
                                            .reload = reload_request};

    master->key_fetch = asking_new(&kind);
}

void key_fetch_tend(struct master *master)
{
    if (!master->stopping) {
        learned_listen(vault_learned(master->vault), master->board);
        asking_tend(master->key_fetch, master);
    }
}
