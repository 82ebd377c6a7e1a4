/*
 * writer.c - contract in writer.h.
 */
#include "master/kube/writer.h"

#include <stdlib.h>
#include <uv.h>

#include "common/base/memory.h"
#include "master/kube/call.h"
#include "master/kube/moment.h"
#include "master/kube/refusals.h"
#include "master/kube/target.h"

#define READ_MS 10000
#define BURST 100
#define TOKEN_MS 50 /* 20 a second */
#define FAILED_FIRST_MS 1000
#define FAILED_MOST_MS 60000

enum step {
    STEP_EVENT,
    STEP_STATUS,
    STEP_LOOK /* is the object there at all? */
};

struct kube_writer {
    struct kube_writer_options options;
    struct kube_call call;
    uv_timer_t timer;
    struct kube_verdicts *verdicts;
    struct kube_verdicts *next_verdicts; /* came while a request about one of `verdicts` was on its way */
    uint32_t *waiting;                   /* places in `verdicts` that need something */
    size_t waiting_count, at;
    uint64_t term; /* of ours; 0 before the first */
    bool leads;
    unsigned tokens;
    uint64_t tokens_since, failed_until;
    unsigned failures;
    struct kube_refusals refusals;
    /* of the request on its way */
    enum step step;
    struct kube_words sent;
    bool look; /* the next step is STEP_LOOK, at the same object */
};

static void pump(struct kube_writer *writer);

/* ---- what is to be done ---- */
/* What of a verdict's needs may be written now; *note is what it is compared with. */
static struct kube_needs needs_of(struct kube_writer *writer, const struct kube_verdict *verdict,
                                  struct kube_note *note)
{
    struct kube_needs needs = {false, false};
    uint64_t now = uv_now(writer->options.loop);

    if (kube_table_note(writer->options.table, verdict->object, note)) {
        needs = kube_verdict_needs(verdict, note, writer->term);
        needs.event = needs.event && kube_refusals_may(&writer->refusals, NULL, now);
        needs.status = needs.status && kube_refusals_may(&writer->refusals, verdict->resource, now);
    }
    return needs;
}

static void scan(struct kube_writer *writer)
{
    const struct kube_verdicts *verdicts = writer->verdicts;
    struct kube_note note;

    free(writer->waiting);
    writer->waiting = NULL;
    writer->waiting_count = writer->at = 0;
    if (verdicts == NULL || !writer->leads) {
        return;
    }
    writer->waiting = xcalloc(verdicts->count + 1, sizeof(*writer->waiting));
    for (size_t i = 0; i < verdicts->count; i++) {
        struct kube_needs needs = needs_of(writer, &verdicts->items[i], &note);

        if (needs.status || needs.event) {
            writer->waiting[writer->waiting_count++] = (uint32_t)i;
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct kube_writer *writer = timer->data;

    if (writer->at == writer->waiting_count) {
        scan(writer); /* a kind that was off may be tried again */
    }
    pump(writer);
}

static void wake_at(struct kube_writer *writer, uint64_t at)
{
    uint64_t now = uv_now(writer->options.loop);

    (void)uv_timer_start(&writer->timer, on_timer, at > now ? at - now : 0, 0);
}

/* Nothing waits: until a kind may be tried again. When none has to, the set is of no more use. */
static void wait_for_kinds(struct kube_writer *writer)
{
    uint64_t until;

    if (!kube_refusals_next(&writer->refusals, &until)) {
        kube_verdicts_free(writer->verdicts);
        writer->verdicts = NULL;
        scan(writer);
    } else if (until > uv_now(writer->options.loop)) {
        wake_at(writer, until);
    }
}

/* ---- how fast ---- */
static bool take_token(struct kube_writer *writer)
{
    uint64_t now = uv_now(writer->options.loop), more = (now - writer->tokens_since) / TOKEN_MS;

    if (writer->tokens + more >= BURST) {
        writer->tokens = BURST;
        writer->tokens_since = now;
    } else {
        writer->tokens += (unsigned)more;
        writer->tokens_since += more * TOKEN_MS;
    }
    if (writer->tokens == 0) {
        wake_at(writer, writer->tokens_since + TOKEN_MS);
        return false;
    }
    writer->tokens--;
    return true;
}

static void failed(struct kube_writer *writer)
{
    unsigned shift = writer->failures < 10 ? writer->failures : 10;
    uint64_t ms = (uint64_t)FAILED_FIRST_MS << shift;
    uint32_t noise = 0;

    (void)uv_random(NULL, NULL, &noise, sizeof(noise), 0, NULL);
    ms = ms < FAILED_MOST_MS ? ms : FAILED_MOST_MS;
    writer->failures++;
    writer->failed_until = uv_now(writer->options.loop) + ms / 2 + noise % (ms / 2 + 1);
}

/* ---- answers ---- */
/* A refusal that a later try may not meet: too many requests, an API server that is away, a token that is replaced. */
static bool may_pass(unsigned status)
{
    return status == 0 || status == 401 || status == 409 || status == 429 || status >= 500;
}

static void turn_off(struct kube_writer *writer, const struct kube_resource *resource, unsigned status,
                     struct slice body)
{
    kube_refusals_add(&writer->refusals, resource, status, body, uv_now(writer->options.loop));
}

static void remember(struct kube_writer *writer, const struct kube_verdict *verdict)
{
    kube_table_written(writer->options.table, verdict->object, writer->term, &writer->sent);
}

static void event_answered(struct kube_writer *writer, const struct kube_verdict *verdict,
                           const struct kube_answer *answer)
{
    if (answer->status == 200 || answer->status == 201 || answer->status == 409) { /* 409: told before */
        writer->failures = 0;
        kube_refusals_end(&writer->refusals, NULL);
        remember(writer, verdict);
    } else if (may_pass(answer->status)) {
        failed(writer);
    } else {
        turn_off(writer, NULL, answer->status, answer->body);
    }
}

static void status_answered(struct kube_writer *writer, const struct kube_verdict *verdict,
                            const struct kube_answer *answer)
{
    if (answer->status == 200 || answer->status == 201) {
        writer->failures = 0;
        kube_refusals_end(&writer->refusals, verdict->resource);
        remember(writer, verdict);
    } else if (may_pass(answer->status)) {
        failed(writer);
    } else if (answer->status == 404) { /* the same words, whichever of the two is missing */
        writer->look = true;
    } else {
        turn_off(writer, verdict->resource, answer->status, answer->body);
    }
}

static void looked(struct kube_writer *writer, const struct kube_verdict *verdict,
                   const struct kube_answer *answer)
{
    if (answer->status == 200) {
        turn_off(writer, verdict->resource, 404, SLICE(""));
    } else if (answer->status == 404) {
        remember(writer, verdict); /* it is gone, its event is on the way */
    } else {
        failed(writer);
    }
}

static void on_answer(void *context, const struct kube_answer *answer)
{
    struct kube_writer *writer = context;
    const struct kube_verdict *verdict = &writer->verdicts->items[writer->waiting[writer->at]];

    writer->look = false;
    switch (writer->step) {
    case STEP_EVENT:
        event_answered(writer, verdict, answer);
        break;
    case STEP_STATUS:
        status_answered(writer, verdict, answer);
        break;
    case STEP_LOOK:
        looked(writer, verdict, answer);
        break;
    }
    if (writer->next_verdicts) {
        kube_verdicts_free(writer->verdicts);
        writer->verdicts = writer->next_verdicts;
        writer->next_verdicts = NULL;
        writer->look = false;
        scan(writer);
    }
    pump(writer);
}

/* ---- requests ---- */
static int send_event(struct kube_writer *writer, const struct kube_verdict *verdict,
                      const struct kube_note *note, struct error *why)
{
    struct text target, body;
    int rc;

    /* a status that is still to come must differ from what is remembered after this */
    const struct kube_words *last = note->term == writer->term ? &note->words : &note->carried.words;

    writer->step = STEP_EVENT;
    writer->sent = verdict->words;
    writer->sent.observed = -1;
    writer->sent.balancer = last->balancer;
    text_init(&target);
    text_init(&body);
    text_add_cstr(&target, "/apis/events.k8s.io/v1/namespaces/");
    kube_add_escaped(&target, verdict->object->namespace);
    text_add_cstr(&target, "/events");
    kube_verdict_event(verdict, note, writer->options.instance, moment_now_us(), &body);

    const struct kube_request request = {.method = SLICE("POST"),
                                         .target = text_slice(&target),
                                         .content_type = SLICE("application/json"),
                                         .body = text_slice(&body),
                                         .read_ms = READ_MS};

    rc = kube_call_start(&writer->call, &request, on_answer, writer, why);
    text_free(&target);
    text_free(&body);
    return rc;
}

static int send_status(struct kube_writer *writer, const struct kube_verdict *verdict,
                       const struct kube_note *note, struct error *why)
{
    struct text target, body;
    int rc;

    writer->step = STEP_STATUS;
    writer->sent = verdict->words;
    writer->sent.observed = note->carried.generation;
    text_init(&target);
    text_init(&body);
    kube_verdict_target(verdict, "/status?fieldManager=weir&force=true", &target);
    kube_verdict_body(verdict, note, writer->term, moment_now_us() / 1000000, &body);

    const struct kube_request request = {.method = SLICE("PATCH"),
                                         .target = text_slice(&target),
                                         .content_type = SLICE("application/apply-patch+yaml"),
                                         .body = text_slice(&body),
                                         .read_ms = READ_MS};

    rc = kube_call_start(&writer->call, &request, on_answer, writer, why);
    text_free(&target);
    text_free(&body);
    return rc;
}

static int send_look(struct kube_writer *writer, const struct kube_verdict *verdict, struct error *why)
{
    struct text target;
    int rc;

    writer->step = STEP_LOOK;
    text_init(&target);
    kube_verdict_target(verdict, "", &target);

    const struct kube_request request = {
        .method = SLICE("GET"), .target = text_slice(&target), .read_ms = READ_MS};

    rc = kube_call_start(&writer->call, &request, on_answer, writer, why);
    text_free(&target);
    return rc;
}

static int send_next(struct kube_writer *writer, const struct kube_verdict *verdict, struct kube_needs needs,
                     const struct kube_note *note, struct error *why)
{
    if (needs.event) {
        return send_event(writer, verdict, note, why);
    }
    return writer->look ? send_look(writer, verdict, why) : send_status(writer, verdict, note, why);
}

static void pump(struct kube_writer *writer)
{
    struct kube_note note;
    struct error why;
    int rc;

    if (!writer->leads || kube_call_busy(&writer->call)) {
        return;
    }
    if (uv_now(writer->options.loop) < writer->failed_until) {
        wake_at(writer, writer->failed_until);
        return;
    }
    for (; writer->at < writer->waiting_count; writer->at++) {
        const struct kube_verdict *verdict = &writer->verdicts->items[writer->waiting[writer->at]];
        struct kube_needs needs = needs_of(writer, verdict, &note); /* it may have changed since */

        if (!needs.status && !needs.event) {
            writer->look = false; /* that was about this one */
            continue;
        }
        if (!take_token(writer)) {
            return;
        }
        rc = send_next(writer, verdict, needs, &note, &why);
        if (rc < 0) {
            failed(writer);
            wake_at(writer, writer->failed_until);
        }
        return;
    }
    wait_for_kinds(writer);
}

/* ---- life ---- */
struct kube_writer *kube_writer_new(const struct kube_writer_options *options)
{
    struct kube_writer *writer = xcalloc(1, sizeof(*writer));

    writer->options = *options;
    writer->tokens = BURST;
    kube_call_init(&writer->call, options->api);
    (void)uv_timer_init(options->loop, &writer->timer);
    writer->timer.data = writer;
    return writer;
}

void kube_writer_take(struct kube_writer *writer, struct kube_verdicts *verdicts)
{
    if (!writer->leads) {
        kube_verdicts_free(verdicts);
        return;
    }
    if (kube_call_busy(&writer->call)) {
        kube_verdicts_free(writer->next_verdicts);
        writer->next_verdicts = verdicts;
        return;
    }
    kube_verdicts_free(writer->verdicts);
    writer->verdicts = verdicts;
    scan(writer);
    pump(writer);
}

void kube_writer_begin(struct kube_writer *writer)
{
    writer->leads = true;
    writer->term++;
}

void kube_writer_end(struct kube_writer *writer)
{
    writer->leads = false;
    (void)uv_timer_stop(&writer->timer);
    kube_call_stop(&writer->call);
    kube_verdicts_free(writer->verdicts);
    kube_verdicts_free(writer->next_verdicts);
    writer->verdicts = writer->next_verdicts = NULL;
    scan(writer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void kube_writer_close(struct kube_writer *writer)
{
    kube_writer_end(writer);
    uv_close((uv_handle_t *)&writer->timer, on_closed);
}
