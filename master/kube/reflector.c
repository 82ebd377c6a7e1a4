/*
 * reflector.c - list, watch, and start over; contract in reflector.h.
 */
#include "master/kube/reflector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/doc/doc.h"
#include "master/kube/split.h"
#include "master/kube/target.h"
#include "master/kube/unread.h"

#define PAGE_LIMIT 500
#define OBJECT_MAX (8u << 20)
#define LIST_SILENCE_MS 30000
#define WATCH_SILENCE_MS 100000 /* bookmarks come about once a minute */
#define WATCH_SECONDS 300       /* and up to as many again: not all watches end at once */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_AWAY_MS 2000 /* it is back within seconds after the API server is */
#define BACKOFF_OFF_MS 10000
#define BACKOFF_OFF_FIRST_MS 1000
#define RETRY_AFTER_MOST_MS 60000 /* a server that says more is asked sooner */
#define DOUBTS_MOST 4 /* an API server that has just started forbids or puts off everything for a moment */
#define QUICK_END_MS 1000 /* a watch that ends sooner has failed in some way */

struct kube_reflector {
    struct kube_reflector_options options;
    char *target; /* path with its fixed part of the query, ending in '?' or '&' */
    uv_timer_t timer;
    struct http_call *call;
    struct split split;
    bool watching;
    bool changed, synced;
    bool off;        /* not installed or not permitted: said */
    bool complained; /* of an answer that is no good: said */
    bool start_over; /* the version is too old: list again */
    unsigned status, failures;
    unsigned doubts;        /* refusals that may pass by themselves */
    uint64_t asked_wait_ms; /* Retry-After of the last refusal; 0: none */
    bool unreachable;       /* last time: no answer at all */
    bool wary;      /* it was away: one that has just started knows neither rights nor kinds for a moment */
    uint64_t began; /* loop time of the watch */
    uint32_t round;
    char version[64], next_version[64];
    char *continue_token;
    struct text problem; /* body of an answer other than 200 */
};

static void begin(struct kube_reflector *reflector);

/* ---- what is said ---- */
static const char *verb(const struct kube_reflector *reflector)
{
    return reflector->watching ? "watch" : "list";
}

static void name_of(const struct kube_reflector *reflector, char *buf, size_t size)
{
    const struct kube_resource *resource = reflector->options.resource;

    (void)snprintf(buf, size, "%s%s%s%s%.*s%s%.*s", resource->plural, resource->group[0] ? "." : "",
                   resource->group, reflector->options.namespace.len ? " in namespace " : "",
                   SLICE_ARG(reflector->options.namespace), reflector->options.name.len ? ", name " : "",
                   SLICE_ARG(reflector->options.name));
}

static void tell_synced(struct kube_reflector *reflector)
{
    if (!reflector->synced) {
        reflector->synced = true;
        reflector->options.synced(reflector->options.context);
    }
}

static void tell_changed(struct kube_reflector *reflector)
{
    if (reflector->changed) {
        reflector->changed = false;
        reflector->options.changed(reflector->options.context);
    }
}

/* ---- again, later ---- */
static void on_timer(uv_timer_t *timer)
{
    begin(timer->data);
}

static void again_in(struct kube_reflector *reflector, uint64_t ms)
{
    (void)uv_timer_start(&reflector->timer, on_timer, ms, 0);
}

/* Doubles up to the bound; somewhere in the upper half, so that many do not come at once. */
static void back_off(struct kube_reflector *reflector, uint64_t first, uint64_t bound)
{
    unsigned shift = reflector->failures < 16 ? reflector->failures : 16;
    uint64_t ms = first << shift;
    uint32_t noise = 0;

    reflector->failures++;
    ms = ms < bound ? ms : bound;
    (void)uv_random(NULL, NULL, &noise, sizeof(noise), 0, NULL);
    ms = ms / 2 + noise % (ms / 2 + 1);
    if (reflector->asked_wait_ms) { /* no sooner than the server wants, and not all at once */
        ms += reflector->asked_wait_ms;
        reflector->asked_wait_ms = 0;
    }
    again_in(reflector, ms);
}

static void failed(struct kube_reflector *reflector, const struct error *why)
{
    kube_api_failed(reflector->options.api, why);
    reflector->unreachable = reflector->wary = true;
    back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
}

/* The server answers, but not as it should: said once for this kind. */
static void failed_here(struct kube_reflector *reflector, const struct error *why)
{
    char name[256];

    if (!reflector->complained) {
        name_of(reflector, name, sizeof(name));
        log_warn("%s %s: %s; what is known stays in force, it is asked again", verb(reflector), name,
                 why->text);
        reflector->complained = true;
    }
    back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
}

/* ---- what arrives ---- */
static void take_batch(struct kube_reflector *reflector, struct kube_batch *batch)
{
    if (kube_table_put(reflector->options.table, batch, reflector->options.owner, reflector->round)) {
        reflector->changed = true;
    }
}

static void passed_over(const struct kube_reflector *reflector, struct slice text, const struct error *why)
{
    char name[600]; /* of namespace and name each 253 at most */

    kube_unread_name(text, name, sizeof(name));
    log_error("%s%s: %s; it is passed over", reflector->options.resource->kind, name, why->text);
}

static void list_item(struct kube_reflector *reflector, struct slice text)
{
    struct kube_batch *batch;
    char version[64];
    struct error why;

    if (kube_object_read(reflector->options.resource, text, &batch, version, &why) < 0) {
        passed_over(reflector, text, &why);
    } else {
        take_batch(reflector, batch);
    }
}

static void watch_item(struct kube_reflector *reflector, struct slice text)
{
    struct watch_event event;
    struct error why;

    if (kube_event_read(reflector->options.resource, text, &event, &why) < 0) {
        passed_over(reflector, text, &why);
        return;
    }
    switch (event.type) {
    case WATCH_ADDED:
    case WATCH_MODIFIED:
        take_batch(reflector, event.batch);
        break;
    case WATCH_DELETED:
        reflector->changed |= kube_table_remove(reflector->options.table, &event.batch->objects[0]);
        batch_unref(event.batch);
        break;
    case WATCH_BOOKMARK:
        break;
    case WATCH_ERROR:
        log_debug("%s: watch: %lld %s", reflector->options.resource->plural, (long long)event.code,
                  event.message);
        reflector->start_over = true; /* whatever it is: a list puts it right */
        return;
    }
    if (event.version[0]) {
        memcpy(reflector->version, event.version, sizeof(reflector->version));
    }
}

static void on_item(void *context, struct slice text)
{
    struct kube_reflector *reflector = context;

    if (reflector->watching) {
        watch_item(reflector, text);
    } else {
        list_item(reflector, text);
    }
}

static void on_member(void *context, struct slice key, struct slice text)
{
    struct kube_reflector *reflector = context;
    struct pool *pool;
    struct doc *metadata = NULL;
    struct slice token;

    if (!slice_eq(key, SLICE("metadata"))) {
        return;
    }
    pool = pool_new(1024, 0);
    if (doc_read_json(pool, SLICE("metadata"), text, &metadata, NULL) == 0) {
        token = doc_text(doc_get(metadata, "continue"), SLICE(""));
        free(reflector->continue_token);
        reflector->continue_token = token.len ? xstrndup(token.ptr, token.len) : NULL;
        (void)slice_to_cstr(doc_text(doc_get(metadata, "resourceVersion"), SLICE("")),
                            reflector->next_version, sizeof(reflector->next_version));
    }
    pool_free(pool);
}

static void on_oversize(void *context, size_t length)
{
    const struct kube_reflector *reflector = context;

    log_error("%s: an object of %zu bytes is passed over: more than %u are not read",
              reflector->options.resource->plural, length, OBJECT_MAX);
}

static const struct split_handlers split_handlers = {on_item, on_member, on_oversize};

/* ---- answers ---- */
/* RFC 9110 10.2.3 in seconds; a date is passed over. */
static uint64_t retry_after_ms(const struct h1_message *message)
{
    const struct header *header = headers_find(&message->headers, SLICE("Retry-After"));
    uint64_t seconds = 0;

    if (header == NULL || !slice_to_u64(slice_trim(header->value), &seconds)) {
        return 0;
    }
    return seconds < RETRY_AFTER_MOST_MS / 1000 ? seconds * 1000 : RETRY_AFTER_MOST_MS;
}

static void on_head(void *context, const struct h1_message *message)
{
    struct kube_reflector *reflector = context;

    reflector->status = message->status;
    if (reflector->unreachable) { /* it is back: no more long waits */
        reflector->unreachable = false;
        reflector->failures = 0;
    }
    if (message->status == 429 || message->status == 503) {
        reflector->asked_wait_ms = retry_after_ms(message);
    }
    if (message->status != 200) {
        return;
    }
    kube_api_worked(reflector->options.api);
    if (reflector->watching) {
        reflector->doubts = 0;
    }
    if (reflector->watching && reflector->off) { /* listed and watched: all is well */
        char name[256];

        name_of(reflector, name, sizeof(name));
        log_info("%s can be read now", name);
        reflector->off = false;
        reflector->options.off(reflector->options.context, false);
    }
}

static void on_body(void *context, struct slice piece)
{
    struct kube_reflector *reflector = context;
    struct error why;
    int rc;

    if (reflector->status != 200) {
        if (reflector->problem.len < 4096) {
            text_add(&reflector->problem, slice_head(piece, 4096));
        }
        return;
    }
    rc = split_feed(&reflector->split, piece, &why);
    tell_changed(reflector);
    if (rc == 0 && !reflector->start_over) {
        return;
    }
    http_call_cancel(reflector->call);
    reflector->call = NULL;
    reflector->version[0] = '\0'; /* what was missed is not known: a list puts it right */
    if (rc < 0) {
        failed_here(reflector, &why);
    } else {
        back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
    }
}

static void list_done(struct kube_reflector *reflector)
{
    if (reflector->next_version[0] == '\0') {
        struct error why;

        free(reflector->continue_token);
        reflector->continue_token = NULL;
        (void)error_set(&why, -EPROTO, "the list has no resourceVersion");
        failed_here(reflector, &why);
        return;
    }
    if (reflector->continue_token) {
        again_in(reflector, 0);
        return;
    }
    memcpy(reflector->version, reflector->next_version, sizeof(reflector->version));
    reflector->changed |=
        kube_table_sweep(reflector->options.table, reflector->options.owner, reflector->round);
    reflector->complained = reflector->wary = false;
    if (!reflector->off) {
        reflector->failures = 0;
    }
    tell_changed(reflector);
    tell_synced(reflector);
    again_in(reflector, 0);
}

static void watch_done(struct kube_reflector *reflector)
{
    if (uv_now(reflector->options.loop) - reflector->began < QUICK_END_MS) {
        back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
    } else {
        reflector->failures = 0;
        again_in(reflector, 0);
    }
}

static void turn_off(struct kube_reflector *reflector, const char *words)
{
    bool missing = reflector->status == 404;
    char name[256];

    kube_api_worked(reflector->options.api);
    if (!reflector->off && (reflector->wary || (!missing && reflector->synced)) &&
        ++reflector->doubts <= DOUBTS_MOST) {
        back_off(reflector, BACKOFF_OFF_FIRST_MS, BACKOFF_AWAY_MS);
        return;
    }
    if (!reflector->off) {
        name_of(reflector, name, sizeof(name));
        log_at(
            reflector->options.resource->optional ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, NULL,
            "%s: the API server %s (%s %s)%s%s; such objects are not read until it does, it is asked again",
            name, missing ? "does not have this kind" : "does not permit this", verb(reflector),
            missing ? "answers 404" : "is forbidden", missing ? "" : ": ", missing ? "" : words);
        reflector->off = true;
        reflector->failures = 0;
        reflector->options.off(reflector->options.context, true);
    }
    /* A kind that is gone has no objects; who may no longer look knows nothing better than what was there. */
    if (missing) {
        reflector->changed |=
            kube_table_sweep(reflector->options.table, reflector->options.owner, reflector->round + 1);
    }
    reflector->version[0] = '\0';
    tell_changed(reflector);
    tell_synced(reflector);
    back_off(reflector, BACKOFF_OFF_FIRST_MS, BACKOFF_OFF_MS);
}

static void refused(struct kube_reflector *reflector)
{
    char words[256];
    struct error why;

    kube_problem_words(text_slice(&reflector->problem), words, sizeof(words));
    if (reflector->status == 404 || reflector->status == 403) {
        turn_off(reflector, words);
        return;
    }
    if (reflector->status == 410 && (reflector->watching || reflector->continue_token)) {
        reflector->version[0] = '\0';
        free(reflector->continue_token);
        reflector->continue_token = NULL;
        back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
        return;
    }
    if ((reflector->status == 429 || reflector->status == 503) && ++reflector->doubts <= DOUBTS_MOST) {
        back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
        return;
    }
    (void)error_set(&why, -EPROTO, "the API server answers %u%s%s", reflector->status, words[0] ? ": " : "",
                    words);
    failed_here(reflector, &why);
}

static void on_done(void *context, int rc, const struct error *why)
{
    struct kube_reflector *reflector = context;
    struct error cut;

    reflector->call = NULL;
    if (rc < 0) {
        if (reflector->watching && reflector->status == 200 &&
            uv_now(reflector->options.loop) - reflector->began >= QUICK_END_MS) {
            watch_done(reflector); /* asked again at once: only if that fails too is it worth a word */
        } else {
            failed(reflector, why);
        }
    } else if (reflector->status != 200) {
        refused(reflector);
    } else if (!split_at_end(&reflector->split)) {
        (void)error_set(&cut, -EPROTO, "the answer ends in the middle");
        failed_here(reflector, &cut);
    } else if (reflector->watching) {
        watch_done(reflector);
    } else {
        list_done(reflector);
    }
}

static const struct http_handlers handlers = {on_head, on_body, on_done};

/* ---- questions ---- */
static void ask_list(struct kube_reflector *reflector, struct text *target)
{
    text_printf(target, "%slimit=%d", reflector->target, PAGE_LIMIT);
    if (reflector->continue_token) {
        text_add_cstr(target, "&continue=");
        kube_add_escaped(target, slice_cstr(reflector->continue_token));
    } else {
        reflector->round++;
    }
}

static void ask_watch(struct kube_reflector *reflector, struct text *target)
{
    uint32_t noise = 0;

    (void)uv_random(NULL, NULL, &noise, sizeof(noise), 0, NULL);
    text_printf(target,
                "%swatch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=", reflector->target,
                (unsigned)(WATCH_SECONDS + noise % WATCH_SECONDS));
    kube_add_escaped(target, slice_cstr(reflector->version));
}

static void begin(struct kube_reflector *reflector)
{
    struct text target;
    struct error why;
    int rc;

    text_init(&target);
    reflector->watching = reflector->version[0] != '\0';
    reflector->start_over = false;
    reflector->status = 0;
    reflector->began = uv_now(reflector->options.loop);
    reflector->next_version[0] = '\0';
    text_clear(&reflector->problem);
    split_free(&reflector->split);
    split_init(&reflector->split, reflector->watching ? SPLIT_SEQUENCE : SPLIT_LIST, OBJECT_MAX,
               &split_handlers, reflector);
    if (reflector->watching) {
        ask_watch(reflector, &target);
    } else {
        ask_list(reflector, &target);
    }
    rc = kube_api_get(reflector->options.api, text_slice(&target),
                      reflector->watching ? WATCH_SILENCE_MS : LIST_SILENCE_MS, &handlers, reflector,
                      &reflector->call, &why);
    text_free(&target);
    if (rc < 0) {
        failed(reflector, &why);
    }
}

/* ---- life ---- */
struct kube_reflector *kube_reflector_start(const struct kube_reflector_options *options)
{
    struct kube_reflector *reflector = xcalloc(1, sizeof(*reflector));

    reflector->options = *options;
    reflector->options.namespace =
        slice_of(xstrndup(options->namespace.ptr, options->namespace.len), options->namespace.len);
    reflector->options.name = slice_of(xstrndup(options->name.ptr, options->name.len), options->name.len);
    reflector->target = kube_target(options);
    text_init(&reflector->problem);
    split_init(&reflector->split, SPLIT_LIST, OBJECT_MAX, &split_handlers, reflector);
    (void)uv_timer_init(options->loop, &reflector->timer);
    reflector->timer.data = reflector;
    again_in(reflector, 0);
    return reflector;
}

static void on_closed(uv_handle_t *handle)
{
    struct kube_reflector *reflector = handle->data;

    split_free(&reflector->split);
    text_free(&reflector->problem);
    free((char *)(uintptr_t)reflector->options.namespace.ptr);
    free((char *)(uintptr_t)reflector->options.name.ptr);
    free(reflector->continue_token);
    free(reflector->target);
    free(reflector);
}

void kube_reflector_stop(struct kube_reflector *reflector, bool forget)
{
    if (reflector->call) {
        http_call_cancel(reflector->call);
        reflector->call = NULL;
    }
    if (forget) {
        (void)kube_table_sweep(reflector->options.table, reflector->options.owner, reflector->round + 1);
    }
    uv_close((uv_handle_t *)&reflector->timer, on_closed);
}
