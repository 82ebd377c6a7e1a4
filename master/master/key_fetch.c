/*
 * key_fetch.c - asks URLs for sets of keys that verify tokens (middleware jwt, jwksUrl; asking.h). What they answer is kept by
 * master/tls/key_sets.h; another set makes a new generation.
 */
#include "common/base/process.h"
#include "master/master/asking.h"
#include "master/master/master.h"
#include "master/tls/key_sets.h"
#include "master/tls/vault.h"

static bool next(struct master *master, void *question, struct pool **pool, struct fetch_request *request)
{
    struct key_set_question *asked = question;

    if (!key_sets_next(vault_key_sets(master->vault), process_clock_ns(), asked)) {
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
    key_sets_answered(vault_key_sets(master->vault), question, result->rc, result->body, result->max_age_s,
                      process_clock_ns(), &result->why);
}

static bool changed(struct master *master)
{
    bool others = key_sets_take_changed(vault_key_sets(master->vault));

    if (others) {
        vault_keep_key_sets(master->vault);
    }
    return others;
}

void key_fetch_start(struct master *master)
{
    static const struct asking_kind kind = {.question = sizeof(struct key_set_question),
                                            .next = next,
                                            .answered = answered,
                                            .changed = changed,
                                            .reload = reload_request};

    master->key_fetch = asking_new(&kind);
}

void key_fetch_tend(struct master *master)
{
    if (!master->stopping) {
        key_sets_listen(vault_key_sets(master->vault), master->board);
        asking_tend(master->key_fetch, master);
    }
}
