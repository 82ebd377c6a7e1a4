/*
 * reflector_inner.h - the inside of a reflector. Private to reflector*.c.
 *
 * reflector.c        questions, answers, life
 * reflector_items.c  what answers bring, piece by piece
 * reflector_sinks.c  who is given it
 * reflector_again.c  what fails: words, and when it is asked again
 */
#ifndef WEIR_MASTER_KUBE_REFLECTOR_INNER_H
#define WEIR_MASTER_KUBE_REFLECTOR_INNER_H

#include "common/base/text.h"
#include "master/kube/reflector.h"
#include "master/kube/split.h"

#define OBJECT_MAX (8u << 20)
#define BACKOFF_FIRST_MS 100
#define BACKOFF_AWAY_MS 2000 /* it is back within seconds after the API server is */
#define BACKOFF_OFF_MS 10000
#define BACKOFF_OFF_FIRST_MS 1000
#define REFLECTOR_NAME 600 /* of namespace and name each 253 at most */

struct kube_reflector {
    struct kube_reflector *next;
    struct kube_reflectors *all;
    struct kube_question question; /* texts malloc'd */
    struct kube_sink *sinks;
    char *target; /* path with its fixed part of the query, ending in '?' or '&' */
    uv_timer_t timer;
    struct http_call *call;
    struct split split;
    bool watching;
    bool synced;
    enum kube_off off; /* said */
    bool complained;   /* of an answer that is no good: said */
    bool start_over;   /* the version is too old: list again */
    unsigned status, failures;
    unsigned doubts;        /* refusals that may pass by themselves */
    uint64_t asked_wait_ms; /* Retry-After of the last refusal; 0: none */
    bool unreachable;       /* last time: no answer at all */
    bool hasty;     /* the last answer broke off, or its watch ended at once: asked less and less often */
    bool wary;      /* it was away: one that has just started knows neither rights nor kinds for a moment */
    uint64_t began; /* loop time of the watch */
    uint32_t round;
    bool no_list; /* what came in place of one says of itself that it is a Status */
    char version[64], next_version[64];
    char *continue_token; /* of the page that is asked for; malloc'd */
    char *next_token;     /* of the one behind it, which counts when this one came whole; malloc'd */
    struct text problem;  /* body of an answer other than 200 */
};

/* ---- reflector.c ---- */
void reflector_ask(struct kube_reflector *reflector); /* the next question, now */

/* ---- reflector_items.c ---- */
/* For the answer that is to come, by `watching`. */
void reflector_expect(struct kube_reflector *reflector);

/* ---- reflector_sinks.c ---- */
void reflector_put(struct kube_reflector *reflector, struct kube_batch *batch); /* takes the reference over */
void reflector_remove(struct kube_reflector *reflector, const struct kube_object *object);
/* Objects that do not carry that mark go. */
void reflector_sweep(struct kube_reflector *reflector, uint32_t round);
void reflector_tell_changed(struct kube_reflector *reflector);
void reflector_tell_synced(struct kube_reflector *reflector);
void reflector_tell_off(struct kube_reflector *reflector, enum kube_off off);
void reflector_greet(struct kube_reflector *reflector); /* who has just joined */
void reflector_add_sink(struct kube_reflector *reflector, struct kube_sink *sink);
void reflector_drop_sink(struct kube_reflector *reflector, struct kube_sink *sink);

/* ---- reflector_again.c ---- */
const char *reflector_verb(const struct kube_reflector *reflector);
void reflector_name(const struct kube_reflector *reflector, char name[REFLECTOR_NAME]);
void reflector_again_in(struct kube_reflector *reflector, uint64_t ms);
/* Waits up to that long, longer each time in a row, and as long as the server asked for. */
void reflector_back_off(struct kube_reflector *reflector, uint64_t first_ms, uint64_t most_ms);
/* There is no answer. */
void reflector_failed(struct kube_reflector *reflector, const struct error *why);
/* The server answers, but not as it should: said once for this kind. */
void reflector_failed_here(struct kube_reflector *reflector, uint64_t most_ms, const struct error *why);
/* 403 or 404. */
void reflector_turn_off(struct kube_reflector *reflector, const char *words);

#endif
