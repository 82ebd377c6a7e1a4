/*
 * reflector.c - list, watch, and start over; contract in reflector.h, parts in reflector_inner.h.
 */
#include "master/kube/reflector.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/kube/reflector_inner.h"
#include "master/kube/target.h"

#define PAGE_LIMIT 500
#define LIST_SILENCE_MS 30000
#define WATCH_SILENCE_MS 100000   /* bookmarks come about once a minute */
#define WATCH_SECONDS 300         /* and up to as many again: not all watches end at once */
#define RETRY_AFTER_MOST_MS 60000 /* a server that says more is asked sooner */
#define BUSY_MOST 4               /* answers 429 and 503 in a row that are worth no word */
#define QUICK_END_MS 1000         /* a watch that ends sooner has failed in some way */

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

/* A watch is over that the server had answered. One that ends at once has failed in some way, also when the lists between
 * such watches succeed: without longer and longer pauses the server would give lists all the time. */
static uint64_t watch_over(struct kube_reflector *reflector)
{
    reflector->hasty = uv_now(reflector->all->loop) - reflector->began < QUICK_END_MS;
    if (!reflector->hasty) {
        reflector->failures = 0;
    }
    return reflector->hasty ? BACKOFF_OFF_MS : BACKOFF_AWAY_MS;
}

static void on_head(void *context, const struct h1_message *message)
{
    struct kube_reflector *reflector = context;

    reflector->status = message->status;
    if (reflector->unreachable) { /* it is back: no more long waits */
        reflector->unreachable = false;
        reflector->failures = reflector->hasty ? reflector->failures : 0;
    }
    if (message->status == 429 || message->status == 503) {
        reflector->asked_wait_ms = retry_after_ms(message);
    }
    if (message->status != 200) {
        return;
    }
    kube_api_worked(reflector->all->api);
    if (reflector->watching) {
        reflector->doubts = 0;
    }
    if (reflector->watching && reflector->off) { /* listed and watched: all is well */
        char name[REFLECTOR_NAME];

        reflector_name(reflector, name);
        log_info("%s can be read now", name);
        reflector_tell_off(reflector, KUBE_ON);
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
    reflector_tell_changed(reflector);
    if (rc == 0 && !reflector->start_over) {
        return;
    }
    http_call_cancel(reflector->call);
    reflector->call = NULL;
    reflector->version[0] = '\0'; /* what was missed is not known: a list puts it right */

    uint64_t bound = reflector->watching ? watch_over(reflector) : BACKOFF_AWAY_MS;

    if (rc < 0) {
        reflector_failed_here(reflector, bound, &why);
    } else {
        reflector_back_off(reflector, BACKOFF_FIRST_MS, bound);
    }
}

/* The list begins anew, or goes on behind this page. */
static void take_token(struct kube_reflector *reflector, char *token)
{
    free(reflector->continue_token);
    reflector->continue_token = token;
}

static void list_done(struct kube_reflector *reflector)
{
    if (reflector->next_version[0] == '\0' || reflector->no_list) {
        struct error why;

        take_token(reflector, NULL);
        (void)error_set(&why, -EPROTO,
                        reflector->no_list ? "what came is a Status and no list"
                                           : "the list has no resourceVersion");
        reflector_failed_here(reflector, BACKOFF_AWAY_MS, &why);
        return;
    }
    take_token(reflector, reflector->next_token);
    reflector->next_token = NULL;
    if (reflector->continue_token) {
        reflector_again_in(reflector, 0);
        return;
    }
    memcpy(reflector->version, reflector->next_version, sizeof(reflector->version));
    reflector_sweep(reflector, reflector->round);
    reflector->wary = false;
    reflector->complained = reflector->complained && reflector->hasty;
    if (!reflector->off && !reflector->hasty) {
        reflector->failures = 0;
    }
    reflector_tell_changed(reflector);
    reflector_tell_synced(reflector);
    reflector_again_in(reflector, 0);
}

static void watch_done(struct kube_reflector *reflector)
{
    if (uv_now(reflector->all->loop) - reflector->began < QUICK_END_MS) {
        reflector_back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
    } else {
        reflector->failures = 0;
        reflector->hasty = false;
        reflector_again_in(reflector, 0);
    }
}

/* Of all kinds alike: said once. */
static void unknown_user(struct kube_reflector *reflector, const char *words)
{
    struct error why;

    (void)error_set(&why, -EACCES,
                    "the API server answers 401%s%s: it does not take the token or certificate",
                    words[0] ? ": " : "", words);
    kube_api_refused(reflector->all->api, &why);
    reflector->wary = true;
    reflector_back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
}

static void refused(struct kube_reflector *reflector)
{
    char words[256];
    struct error why;

    kube_problem_words(text_slice(&reflector->problem), words, sizeof(words));
    if (reflector->status == 401) {
        unknown_user(reflector, words);
        return;
    }
    if (reflector->status == 404 || reflector->status == 403) {
        reflector_turn_off(reflector, words);
        return;
    }
    if (reflector->status == 410 && (reflector->watching || reflector->continue_token)) {
        reflector->version[0] = '\0';
        take_token(reflector, NULL);
        reflector_back_off(reflector, BACKOFF_FIRST_MS,
                           reflector->watching ? watch_over(reflector) : BACKOFF_AWAY_MS);
        return;
    }
    if ((reflector->status == 429 || reflector->status == 503) && ++reflector->doubts <= BUSY_MOST) {
        reflector_back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
        return;
    }
    take_token(reflector, NULL); /* it may be what is refused: another server does not know it, say */
    (void)error_set(&why, -EPROTO, "the API server answers %u%s%s", reflector->status, words[0] ? ": " : "",
                    words);
    reflector_failed_here(reflector, BACKOFF_AWAY_MS, &why);
}

static void on_done(void *context, int rc, const struct error *why)
{
    struct kube_reflector *reflector = context;
    struct error cut;

    reflector->call = NULL;
    if (rc < 0) {
        if (reflector->watching && reflector->status == 200 &&
            uv_now(reflector->all->loop) - reflector->began >= QUICK_END_MS) {
            watch_done(reflector); /* asked again at once: only if that fails too is it worth a word */
        } else {
            reflector->hasty = reflector->status == 200;
            reflector_failed(reflector, why);
        }
    } else if (reflector->status != 200) {
        refused(reflector);
    } else if (!split_at_end(&reflector->split)) {
        (void)error_set(&cut, -EPROTO, "the answer ends in the middle");
        reflector_failed_here(reflector, BACKOFF_AWAY_MS, &cut);
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

void reflector_ask(struct kube_reflector *reflector)
{
    struct text target;
    struct error why;
    int rc;

    text_init(&target);
    reflector->watching = reflector->version[0] != '\0';
    reflector->start_over = false;
    reflector->status = 0;
    reflector->began = uv_now(reflector->all->loop);
    reflector->next_version[0] = '\0';
    free(reflector->next_token);
    reflector->next_token = NULL;
    reflector->no_list = false;
    text_clear(&reflector->problem);
    reflector_expect(reflector);
    if (reflector->watching) {
        ask_watch(reflector, &target);
    } else {
        ask_list(reflector, &target);
    }
    rc = kube_api_get(reflector->all->api, text_slice(&target),
                      reflector->watching ? WATCH_SILENCE_MS : LIST_SILENCE_MS, &handlers, reflector,
                      &reflector->call, &why);
    text_free(&target);
    if (rc < 0) {
        reflector_failed(reflector, &why);
    }
}

/* ---- life ---- */
void kube_reflectors_begin(struct kube_reflectors *all, struct uv_loop_s *loop, struct kube_api *api)
{
    *all = (struct kube_reflectors){.loop = loop, .api = api};
    (void)uv_timer_init(loop, &all->greet);
    all->greet.data = all;
}

void kube_reflectors_end(struct kube_reflectors *all)
{
    uv_close((uv_handle_t *)&all->greet, NULL);
}

static struct slice text_copy(struct slice text)
{
    return slice_of(xstrndup(text.ptr, text.len), text.len);
}

static struct kube_reflector *start(struct kube_reflectors *all, const struct kube_question *question,
                                    char *target)
{
    struct kube_reflector *reflector = xcalloc(1, sizeof(*reflector));

    reflector->all = all;
    reflector->question = (struct kube_question){.resource = question->resource,
                                                 .namespace = text_copy(question->namespace),
                                                 .name = text_copy(question->name)};
    reflector->target = target;
    text_init(&reflector->problem);
    reflector_expect(reflector);
    (void)uv_timer_init(all->loop, &reflector->timer);
    reflector->timer.data = reflector;
    reflector->next = all->first;
    all->first = reflector;
    reflector_again_in(reflector, 0);
    return reflector;
}

/* The same is asked, and the same is read out of the answers. */
static bool same(const struct kube_reflector *reflector, const struct kube_resource *resource,
                 const char *target)
{
    const struct kube_resource *mine = reflector->question.resource;

    return strcmp(reflector->target, target) == 0 && strcmp(mine->kind, resource->kind) == 0 &&
           mine->status == resource->status && mine->optional == resource->optional;
}

struct kube_reflector *kube_reflector_join(struct kube_reflectors *all, const struct kube_question *question,
                                           struct kube_sink *sink)
{
    char *target = kube_target(question);
    struct kube_reflector *at = all->first;

    while (at && !same(at, question->resource, target)) {
        at = at->next;
    }
    if (at) {
        free(target);
    } else {
        at = start(all, question, target);
    }
    reflector_add_sink(at, sink);
    return at;
}

static void on_closed(uv_handle_t *handle)
{
    struct kube_reflector *reflector = handle->data;

    split_free(&reflector->split);
    text_free(&reflector->problem);
    free((char *)(uintptr_t)reflector->question.namespace.ptr);
    free((char *)(uintptr_t)reflector->question.name.ptr);
    free(reflector->continue_token);
    free(reflector->next_token);
    free(reflector->target);
    free(reflector);
}

static void stop(struct kube_reflector *reflector)
{
    struct kube_reflector **link = &reflector->all->first;

    while (*link != reflector) {
        link = &(*link)->next;
    }
    *link = reflector->next;
    if (reflector->call) {
        http_call_cancel(reflector->call);
        reflector->call = NULL;
    }
    uv_close((uv_handle_t *)&reflector->timer, on_closed);
}

void kube_reflector_leave(struct kube_reflector *reflector, struct kube_sink *sink, bool forget)
{
    reflector_drop_sink(reflector, sink);
    if (forget) {
        (void)kube_table_sweep(sink->table, sink->owner, reflector->round + 1);
    }
    if (reflector->sinks == NULL) {
        stop(reflector);
    }
}
