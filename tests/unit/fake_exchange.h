/*
 * fake_exchange.h - an exchange without worker, arena or codec: what middlewares call, on parameters in plain
 * memory.
 *
 * It defines the functions of worker/exchange.h that middlewares use, so it is for one test program at a
 * time; the real ones are not linked then. Headers, pool and paths are real.
 */
#ifndef WEIR_TESTS_FAKE_EXCHANGE_H
#define WEIR_TESTS_FAKE_EXCHANGE_H

#include <stdio.h>
#include <stdlib.h>

#include "common/http/h1.h"
#include "common/http/path.h"
#include "common/rule/regex.h"
#include "worker/body_store.h"
#include "worker/encoder.h"
#include "worker/exchange.h"
#include "worker/listener.h"
#include "worker/middleware.h"
#include "worker/passwords.h"
#include "worker/recycle.h"
#include "worker/redis.h"
#include "worker/spool.h"
#include "worker/subrequest.h"

static struct {
    struct slice pattern;
    struct regex *regex;
} fake_regexes[32];

struct slice exchange_text(const struct exchange *ex, struct slice stored)
{
    (void)ex;
    return stored;
}

const void *exchange_items(const struct exchange *ex, struct list stored)
{
    (void)ex;
    return stored.items;
}

const struct regex *exchange_regex(const struct exchange *ex, const struct regex_text *stored)
{
    struct error why;
    size_t i = 0;

    (void)ex;
    for (; i < ARRAY_LEN(fake_regexes) && fake_regexes[i].regex != NULL; i++) {
        if (slice_eq(fake_regexes[i].pattern, stored->pattern)) {
            return fake_regexes[i].regex;
        }
    }
    if (i == ARRAY_LEN(fake_regexes) ||
        regex_compile(stored->pattern, false, &fake_regexes[i].regex, &why) < 0) {
        return NULL;
    }
    fake_regexes[i].pattern = stored->pattern;
    return fake_regexes[i].regex;
}

static inline void fake_regexes_free(void)
{
    for (size_t i = 0; i < ARRAY_LEN(fake_regexes); i++) {
        regex_free(fake_regexes[i].regex);
        fake_regexes[i].regex = NULL;
    }
}

void exchange_set_user(struct exchange *ex, struct slice name)
{
    ex->user = name;
}

void exchange_set_path(struct exchange *ex, struct slice raw, struct slice path)
{
    ex->request.raw_path = raw;
    ex->request.path = path;
}

void exchange_set_host(struct exchange *ex, struct slice host)
{
    ex->request.host = host;
}

int exchange_answer_body(struct exchange *ex, uint16_t status, enum reason reason, struct slice content_type,
                         struct slice body)
{
    if (content_type.len > 0) {
        headers_set_id(&ex->response.headers, HEADER_CONTENT_TYPE, content_type);
    }
    ex->response.status = status;
    ex->response.own_body = body;
    ex->reason = reason;
    ex->answered = true;
    return MW_ANSWERED;
}

bool exchange_is_final(const struct exchange *ex)
{
    return ex->answered && reason_is_final(ex->reason);
}

int exchange_answer(struct exchange *ex, uint16_t status, enum reason reason)
{
    return exchange_answer_body(ex, status, reason, SLICE("text/plain; charset=utf-8"),
                                pool_printf(ex->pool, "%s\n", http_status_text(status)));
}

int exchange_answer_plain(struct exchange *ex, uint16_t status, enum reason reason, struct slice body)
{
    return exchange_answer_body(ex, status, reason, SLICE(""), body);
}

/* ---- what a middleware keeps: one of each for a test ---- */
static struct {
    void *kept;
    struct {
        void (*undo)(struct exchange *ex, void *state);
        void *state;
    } at_end[8];
    unsigned at_end_count;
    _Atomic uint64_t words[8];
    unsigned resumed, response_resumed, discarded, body_asked;
} fake;

void exchange_keep(struct exchange *ex, void *state)
{
    (void)ex;
    fake.kept = state;
}

void *exchange_kept(const struct exchange *ex)
{
    (void)ex;
    return fake.kept;
}

void exchange_at_end(struct exchange *ex, void (*undo)(struct exchange *ex, void *state), void *state)
{
    (void)ex;
    if (fake.at_end_count == ARRAY_LEN(fake.at_end)) {
        abort();
    }
    fake.at_end[fake.at_end_count].undo = undo;
    fake.at_end[fake.at_end_count++].state = state;
}

void exchange_counted(struct exchange *ex, const struct in_flight *count)
{
    (void)ex;
    (void)count;
}

/* The end of the exchange: what is owed is done. */
static inline void fake_exchange_end(struct exchange *ex)
{
    while (fake.at_end_count) {
        fake.at_end_count--;
        fake.at_end[fake.at_end_count].undo(ex, fake.at_end[fake.at_end_count].state);
    }
    fake.kept = NULL;
}

uint32_t exchange_asked_service(const struct exchange *ex, uint32_t index)
{
    (void)ex;
    return index;
}

_Atomic uint64_t *exchange_word(const struct exchange *ex, uint32_t index)
{
    (void)ex;
    return &fake.words[index];
}

struct table_ref exchange_table(const struct exchange *ex)
{
    (void)ex;
    return (struct table_ref){.slot = 0}; /* what counts in tables is tested by itself */
}

void exchange_resume(struct exchange *ex)
{
    (void)ex;
    fake.resumed++;
}

bool exchange_response_resume(struct exchange *ex)
{
    (void)ex;
    fake.response_resumed++;
    return true;
}

void exchange_discard_response(struct exchange *ex)
{
    ex->response = (struct exchange_response){.content_length = -1};
    headers_init(&ex->response.headers, ex->pool);
    fake.discarded++;
}

void exchange_upstream_failed(struct exchange *ex, enum reason reason)
{
    ex->reason = reason;
}

void exchange_snapshot(const struct exchange *ex, struct exchange_snapshot *snapshot)
{
    snapshot->request = ex->request;
}

void exchange_again(struct exchange *ex, const struct exchange_snapshot *snapshot)
{
    ex->request = snapshot->request;
    fake.resumed++;
}

void exchange_want_body(struct exchange *ex)
{
    (void)ex;
}

void exchange_read_body(struct exchange *ex)
{
    (void)ex;
    fake.body_asked++;
}

/* ---- memory of bodies: from malloc; no encoder is to be had ---- */
struct buffer *buffer_take(struct worker *worker, size_t room)
{
    struct buffer *buffer = malloc(sizeof(*buffer) + room);

    (void)worker;
    if (buffer == NULL) {
        abort();
    }
    *buffer = (struct buffer){.size = (uint32_t)room};
    return buffer;
}

void buffer_give(struct worker *worker, struct buffer *buffer)
{
    (void)worker;
    free(buffer);
}

struct encoder *encoder_take(struct worker *worker, enum content_coding coding, int64_t length)
{
    (void)worker;
    (void)length;
    (void)coding;
    return NULL;
}

void encoder_give(struct worker *worker, struct encoder *encoder)
{
    (void)worker;
    (void)encoder;
}

bool encoder_run(struct encoder *encoder, struct slice *input, enum encoder_step step, struct slice *output,
                 bool *more)
{
    (void)encoder;
    (void)input;
    (void)step;
    (void)output;
    *more = false;
    return false;
}

/* ---- filters: the one that was asked for last; what it passes on is kept as text ---- */
static struct body_filter fake_request_filter, fake_response_filter;
static struct {
    char data[65536];
    size_t len;
    bool ended;
} fake_request_sink, fake_response_sink;

struct body_filter *filter_request(struct exchange *ex, void *state)
{
    fake_request_filter = (struct body_filter){.ex = ex, .state = state};
    return &fake_request_filter;
}

struct body_filter *filter_response(struct exchange *ex, void *state)
{
    fake_response_filter = (struct body_filter){.ex = ex, .state = state};
    return &fake_response_filter;
}

bool filter_pass_request(struct body_filter *filter, struct slice data, bool last,
                         const struct headers *trailers)
{
    (void)filter;
    (void)trailers;
    if (data.len > sizeof(fake_request_sink.data) - fake_request_sink.len) {
        abort();
    }
    memcpy(fake_request_sink.data + fake_request_sink.len, data.ptr, data.len);
    fake_request_sink.len += data.len;
    fake_request_sink.ended = fake_request_sink.ended || last;
    return true;
}

bool filter_pass_response(struct body_filter *filter, struct slice data)
{
    (void)filter;
    if (data.len > sizeof(fake_response_sink.data) - fake_response_sink.len) {
        abort();
    }
    memcpy(fake_response_sink.data + fake_response_sink.len, data.ptr, data.len);
    fake_response_sink.len += data.len;
    return true;
}

void filter_end_response(struct body_filter *filter, const struct headers *trailers)
{
    (void)filter;
    (void)trailers;
    fake_response_sink.ended = true;
}

/* ---- requests of our own: what needs them is tested against the binary ---- */
struct subrequest *subrequest_new(struct exchange *parent, const struct subrequest_hooks *hooks,
                                  void *context)
{
    (void)parent;
    (void)hooks;
    (void)context;
    abort();
}

void subrequest_start(struct subrequest *sub, uint32_t service)
{
    (void)sub;
    (void)service;
    abort();
}

bool subrequest_body(struct subrequest *sub, struct slice data, bool last)
{
    (void)sub;
    (void)data;
    (void)last;
    abort();
}

void subrequest_cancel(struct subrequest *sub)
{
    (void)sub;
}

void subrequest_feed(struct subrequest *sub, struct exchange *ex)
{
    (void)sub;
    (void)ex;
    abort();
}

void subrequest_copy_head(struct subrequest *sub)
{
    (void)sub;
    abort();
}

struct slice exchange_url(const struct exchange *ex)
{
    return pool_printf(ex->pool, "%s://%.*s%.*s%s%.*s", ex->request.tls ? "https" : "http",
                       SLICE_ARG(ex->request.host), SLICE_ARG(ex->request.raw_path),
                       ex->request.has_query ? "?" : "", SLICE_ARG(ex->request.query));
}

struct slice exchange_scheme(const struct exchange *ex)
{
    return ex->request.tls ? SLICE("https") : SLICE("http");
}

bool redis_ask(struct redis_question *question)
{
    (void)question;
    return false;
}

enum password_answer passwords_ask(struct exchange *ex, struct slice hash, struct slice password, bool counts,
                                   password_decided *decided, void *context)
{
    (void)ex;
    (void)hash;
    (void)password;
    (void)counts;
    (void)decided;
    (void)context;
    abort();
}

bool passwords_known(const struct exchange *ex, struct slice hash, struct slice password)
{
    (void)ex;
    (void)hash;
    (void)password;
    abort();
}

/* ---- bodies that wait: the same ---- */
bool body_store_add(struct worker *worker, struct body_store *store, struct slice data)
{
    (void)worker;
    (void)store;
    (void)data;
    abort();
}

void body_store_clear(struct worker *worker, struct body_store *store)
{
    (void)worker;
    (void)store;
}

bool body_store_is_busy(const struct body_store *store)
{
    (void)store;
    abort();
}

bool body_store_is_written(const struct body_store *store)
{
    (void)store;
    abort();
}

struct slice body_store_next(struct worker *worker, const struct body_store *store, struct body_place *place)
{
    (void)worker;
    (void)store;
    (void)place;
    abort();
}

void body_place_reset(struct worker *worker, struct body_place *place)
{
    (void)worker;
    (void)place;
}

bool spool_there(const struct worker *worker)
{
    (void)worker;
    abort();
}

void exchange_response_want(struct exchange *ex)
{
    (void)ex;
    abort();
}

int exchange_redirect(struct exchange *ex, uint16_t status, struct slice location)
{
    headers_set_id(&ex->response.headers, HEADER_LOCATION, location);
    return exchange_answer_body(ex, status, REASON_redirect, SLICE(""), slice_cstr(http_status_text(status)));
}

static struct entry_options fake_entry = {.sanitize_path = true}; /* for tests to change */

/* A request as it stands when the chain begins; the target is prepared as an entry point with these options
 * does it. */
static inline void fake_exchange(struct exchange *ex, struct pool *pool, const char *method, const char *host,
                                 const char *target)
{
    struct request_path path;

    *ex = (struct exchange){.pool = pool, .entry = &fake_entry};
    ex->request.method = slice_cstr(method);
    ex->request.target = slice_cstr(target);
    if (path_prepare(pool, ex->request.method, ex->request.target, fake_entry.sanitize_path, 0, &path) !=
        PATH_OK) {
        abort(); /* a mistake of the test */
    }
    ex->request.host = path.host.len > 0 ? path.host : slice_cstr(host);
    ex->request.raw_path = path.raw;
    ex->request.path = path.path;
    ex->request.query = path.query;
    ex->request.has_query = path.has_query;
    headers_init(&ex->request.headers, pool);
    headers_init(&ex->response.headers, pool);
}

/* "Name=value;..." of the fields that would be sent. */
static inline void fake_headers(const struct headers *headers, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < headers->count && len < size; i++) {
        if (!(headers->items[i].flags & (HEADER_REMOVED | HEADER_HOP_BY_HOP))) {
            len += (size_t)snprintf(out + len, size - len, "%.*s=%.*s;", SLICE_ARG(headers->items[i].name),
                                    SLICE_ARG(headers->items[i].value));
        }
    }
}

#endif
