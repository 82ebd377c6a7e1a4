/*
 * stapling.c - asks OCSP responders about the certificates that are served (the option `ocsp`). What they answer is kept by
 * master/tls/staples.h and makes a new secrets page.
 *
 * A few are asked at once, each by a client of its own, from the heart. Answers that come together make one generation: the
 * reload waits until nobody is asked any more, for a few seconds at the most.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/process.h"
#include "common/base/text.h"
#include "common/http/client.h"
#include "common/tls/ocsp.h"
#include "master/compile/url.h"
#include "master/master/master.h"
#include "master/tls/staples.h"
#include "master/tls/vault.h"

#define AT_ONCE 8
#define PATIENCE_MS 10000
#define GATHER_NS (INT64_C(3) * 1000000000)

struct asking {
    struct master *master;
    struct http_client *client; /* NULL: the place is free */
    struct staple_question question;
    struct text answer;
    uint16_t status;
    bool too_long, done;
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
static void on_head(void *context, const struct h1_message *message)
{
    struct asking *asking = context;

    asking->status = message->status;
}

static void on_body(void *context, struct slice piece)
{
    struct asking *asking = context;

    asking->too_long = asking->too_long || asking->answer.len + piece.len > OCSP_ANSWER_MOST;
    if (!asking->too_long) {
        text_add(&asking->answer, piece);
    }
}

/* Its client is closed from the heart: it is on the stack here. */
static void on_done(void *context, int rc, const struct error *why)
{
    struct asking *asking = context;
    struct error wrong = rc < 0 ? *why : (struct error){""};

    if (rc == 0 && asking->status / 100 != 2) {
        rc = error_set(&wrong, -EBADMSG, "it answers %u", asking->status);
    } else if (rc == 0 && asking->too_long) {
        rc = error_set(&wrong, -EMSGSIZE, "its answer is longer than %zu bytes", OCSP_ANSWER_MOST);
    }
    staples_answered(vault_staples(asking->master->vault), &asking->question, rc, text_slice(&asking->answer),
                     seconds_now(), &wrong);
    asking->done = true;
}

static const struct http_handlers handlers = {.on_head = on_head, .on_body = on_body, .on_done = on_done};

static int client_for(struct master *master, const struct server_url *url, struct http_client **out,
                      struct error *why)
{
    struct http_client_options options = {
        .host = url->host, .port = url->port, .connect_ms = PATIENCE_MS, .idle_ms = PATIENCE_MS};
    int rc = 0;

    if (slice_eq_nocase(url->scheme, SLICE("https"))) {
        rc = tls_context_client(&(struct tls_client_options){.insecure = false}, &options.tls, why);
    } else if (!slice_eq_nocase(url->scheme, SLICE("http"))) {
        rc = error_set(why, -EINVAL, "its URL is none of http or https");
    }
    if (rc == 0) {
        rc = http_client_new(&master->loop, &options, out, why);
    }
    tls_context_unref(options.tls);
    return rc;
}

static int ask(struct asking *asking, struct error *why)
{
    struct staple_question *question = &asking->question;
    struct http_request request = {.method = SLICE("POST"),
                                   .fields = SLICE("User-Agent: weir/" WEIR_VERSION "\r\n"
                                                   "Content-Type: application/ocsp-request\r\n"
                                                   "Accept: application/ocsp-response\r\n"),
                                   .body = question->request,
                                   .head_ms = PATIENCE_MS,
                                   .read_ms = PATIENCE_MS};
    struct server_url url;
    int rc = server_url_parse(question->url, &url, why);

    if (rc == 0) {
        rc = client_for(asking->master, &url, &asking->client, why);
    }
    if (rc == 0) {
        request.target = url.path.len ? url.path : SLICE("/");
        (void)http_client_call(asking->client, &request, &handlers, asking);
    }
    return rc;
}

static void release(struct asking *asking)
{
    http_client_close(asking->client);
    pool_free(asking->question.pool);
    text_free(&asking->answer);
    *asking = (struct asking){.client = NULL};
}

static void begin(struct asking *asking, struct master *master, const struct staple_question *question)
{
    struct error why = {""};
    int rc;

    *asking = (struct asking){.master = master, .question = *question};
    text_init(&asking->answer);
    rc = ask(asking, &why);
    if (rc < 0) {
        staples_answered(vault_staples(master->vault), question, rc, SLICE(""), seconds_now(), &why);
        release(asking);
    }
}

/* ---- the heart ---- */
void stapling_tend(struct master *master)
{
    struct stapling *stapling = master->stapling;
    struct staples *staples = vault_staples(master->vault);
    struct staple_question question;
    bool on = master->settings && master->settings->loaded.config.ocsp;
    unsigned busy = 0;

    if (master->stopping) {
        return;
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct asking *asking = &stapling->places[i];

        if (asking->done) {
            release(asking);
        }
        if (on && asking->client == NULL && staples_next(staples, seconds_now(), &question)) {
            begin(asking, master, &question);
        }
        busy += asking->client != NULL;
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
        if (master->stapling->places[i].client) {
            release(&master->stapling->places[i]);
        }
    }
}
