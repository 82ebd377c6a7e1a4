/*
 * reflector_again.c - what fails: what is said of it, and when it is asked again.
 */
#include <stdio.h>

#include "common/base/log.h"
#include "master/kube/reflector_inner.h"

#define DOUBTS_MOST 4 /* an API server that has just started forbids or puts off everything for a moment */

/* ---- words ---- */
const char *reflector_verb(const struct kube_reflector *reflector)
{
    return reflector->watching ? "watch" : "list";
}

void reflector_name(const struct kube_reflector *reflector, char name[REFLECTOR_NAME])
{
    const struct kube_resource *resource = reflector->question.resource;

    (void)snprintf(name, REFLECTOR_NAME, "%s%s%s%s%.*s%s%.*s", resource->plural,
                   resource->group[0] ? "." : "", resource->group,
                   reflector->question.namespace.len ? " in namespace " : "",
                   SLICE_ARG(reflector->question.namespace), reflector->question.name.len ? ", name " : "",
                   SLICE_ARG(reflector->question.name));
}

/* ---- again, later ---- */
static void on_timer(uv_timer_t *timer)
{
    reflector_ask(timer->data);
}

void reflector_again_in(struct kube_reflector *reflector, uint64_t ms)
{
    (void)uv_timer_start(&reflector->timer, on_timer, ms, 0);
}

/* Doubles up to the bound; somewhere in the upper half, so that many do not come at once. */
void reflector_back_off(struct kube_reflector *reflector, uint64_t first, uint64_t bound)
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
    reflector_again_in(reflector, ms);
}

void reflector_failed(struct kube_reflector *reflector, const struct error *why)
{
    kube_api_failed(reflector->all->api, why);
    reflector->unreachable = reflector->wary = true;
    reflector_back_off(reflector, BACKOFF_FIRST_MS, BACKOFF_AWAY_MS);
}

/* The server answers, but not as it should: said once for this kind. */
void reflector_failed_here(struct kube_reflector *reflector, uint64_t most_ms, const struct error *why)
{
    char name[REFLECTOR_NAME];

    if (!reflector->complained) {
        reflector_name(reflector, name);
        log_warn("%s %s: %s; what is known stays in force, it is asked again", reflector_verb(reflector),
                 name, why->text);
        reflector->complained = true;
    }
    reflector_back_off(reflector, BACKOFF_FIRST_MS, most_ms);
}

void reflector_turn_off(struct kube_reflector *reflector, const char *words)
{
    bool missing = reflector->status == 404;
    char name[REFLECTOR_NAME];

    kube_api_worked(reflector->all->api);
    if (!reflector->off && (reflector->wary || (!missing && reflector->synced)) &&
        ++reflector->doubts <= DOUBTS_MOST) {
        reflector_back_off(reflector, BACKOFF_OFF_FIRST_MS, BACKOFF_AWAY_MS);
        return;
    }
    if (!reflector->off) {
        reflector_name(reflector, name);
        log_at(
            reflector->question.resource->optional ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, NULL,
            "%s: the API server %s (%s %s)%s%s; such objects are not read until it does, it is asked again",
            name, missing ? "does not have this kind" : "does not permit this", reflector_verb(reflector),
            missing ? "answers 404" : "is forbidden", missing ? "" : ": ", missing ? "" : words);
        reflector->failures = 0;
    }
    enum kube_off off = missing ? KUBE_MISSING : KUBE_FORBIDDEN;

    if (reflector->off != off) {
        reflector_tell_off(reflector, off);
    }
    /* A kind that is gone has no objects; who may no longer look knows nothing better than what was there. */
    if (missing) {
        reflector_sweep(reflector, reflector->round + 1);
    }
    reflector->version[0] = '\0';
    reflector_tell_changed(reflector);
    reflector_tell_synced(reflector);
    reflector_back_off(reflector, BACKOFF_OFF_FIRST_MS, BACKOFF_OFF_MS);
}
