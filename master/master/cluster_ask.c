/*
 * cluster_ask.c - see cluster_ask.h.
 */
#include "master/master/cluster_ask.h"

#include <errno.h>
#include <openssl/mem.h>

#include "common/net/redis_cluster.h"
#include "common/net/resp.h"
#include "master/health/probe_connection.h"

struct cluster_ask {
    struct probe_connection connection; /* first */
    struct text question, answer;       /* question: with a secret */
    struct text *map;
    struct redis_scan scan;
    bool greeting; /* the answer to AUTH is still to come */
};

static void forget(struct probe_connection *probe)
{
    struct cluster_ask *own = (struct cluster_ask *)probe;

    if (own->question.ptr) {
        OPENSSL_cleanse(own->question.ptr, own->question.capacity);
    }
    text_free(&own->question);
    text_free(&own->answer);
}

static bool speak(struct probe_connection *probe)
{
    return probe_send(probe, text_slice(&((struct cluster_ask *)probe)->question), true);
}

static bool fail(struct cluster_ask *own, const char *words, struct slice detail)
{
    struct error why;

    (void)error_set(&why, -EPROTO, "%.*s", SLICE_ARG(detail));
    probe_fail(&own->connection, -EPROTO, words, why.text);
    return false;
}

/* The answer at the beginning is an error, or to AUTH. False: the probe is over, or must wait. */
static bool greeted(struct cluster_ask *own)
{
    struct slice bytes = text_slice(&own->answer);
    struct resp_answer answer;
    ssize_t n = resp_read(bytes, &answer);

    if (n < 0) {
        return fail(own, "", SLICE("its answer is none of Redis"));
    }
    if (n == 0) {
        return false;
    }
    if (answer.kind == RESP_ERROR) {
        return fail(own, own->greeting ? "AUTH was refused: " : "CLUSTER SLOTS was refused: ",
                    resp_error_words(&answer));
    }
    memmove(own->answer.ptr, own->answer.ptr + n, bytes.len - (size_t)n);
    own->answer.len -= (size_t)n;
    own->greeting = false;
    return true;
}

static bool received(struct probe_connection *probe, struct slice bytes)
{
    struct cluster_ask *own = (struct cluster_ask *)probe;
    struct error why;
    ssize_t n;

    text_add(&own->answer, bytes);
    if (own->greeting && !greeted(own)) {
        return !probe->stopped;
    }
    if (own->answer.len && own->answer.ptr[0] == '-') {
        (void)greeted(own);
        return !probe->stopped;
    }
    n = redis_answer_scan(&own->scan, text_slice(&own->answer));
    if (n == 0) {
        return true;
    }
    if (n < 0) {
        return fail(own, "", SLICE("its answer to CLUSTER SLOTS is none"));
    }
    if (redis_map_read(slice_head(text_slice(&own->answer), (size_t)n), probe->url.host, own->map, &why) <
        0) {
        return fail(own, "", slice_cstr(why.text));
    }
    probe_finish(&probe->probe, NULL);
    return false;
}

static void write_question(struct text *out, const struct cluster_login *login)
{
    if (login->password.len) {
        resp_add_head(out, login->username.len ? 3 : 2);
        resp_add_word(out, SLICE("AUTH"));
        if (login->username.len) {
            resp_add_word(out, login->username);
        }
        resp_add_word(out, login->password);
    }
    resp_add_head(out, 2);
    resp_add_word(out, SLICE("CLUSTER"));
    resp_add_word(out, SLICE("SLOTS"));
}

struct probe *cluster_ask_start(uv_loop_t *loop, const struct probe_options *options,
                                const struct cluster_login *login, struct text *map, probe_done *done,
                                void *context)
{
    static const struct probe_kind kind = {
        .checking = "",
        .connecting = "",
        .handshake = "TLS: ",
        .sending = "sending: ",
        .reading = "",
        .late = "",
        .scheme = "redis://",
        .connected = speak,
        .received = received,
        .free = forget,
    };
    struct cluster_ask *own = probe_connection_new(sizeof(*own), loop, options, done, context, &kind);

    own->connection.reads = true;
    own->map = map;
    own->greeting = login->password.len > 0;
    text_init(&own->question);
    text_init(&own->answer);
    write_question(&own->question, login);
    return &own->connection.probe;
}
