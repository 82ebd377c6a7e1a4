/*
 * verdict.c - contract in verdict.h.
 */
#include "master/kube/verdict.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "master/kube/moment.h"
#include "master/kube/target.h"

#define CONTROLLER "weir.dev/weir"
#define EVENT_NAME_MOST 200 /* of the object's name in the Event's: 253 in all */

struct kube_verdicts *kube_verdicts_new(struct kube_store *store)
{
    struct kube_verdicts *verdicts = xcalloc(1, sizeof(*verdicts));

    verdicts->pool = pool_new(4096, 0);
    verdicts->store = store;
    return verdicts;
}

void kube_verdicts_free(struct kube_verdicts *verdicts)
{
    if (verdicts) {
        kube_store_free(verdicts->store);
        pool_free(verdicts->pool);
        free(verdicts);
    }
}

/* Whole characters only, as many as there is room for: what is read back is what was written. */
static struct slice message_copy(struct pool *pool, struct slice message)
{
    size_t room = message.len < VERDICT_NOTE_MOST ? message.len : VERDICT_NOTE_MOST, len = 0;
    char *copy = pool_alloc(pool, room + 1);

    while (message.len > 0) {
        size_t bytes = text_utf8_length(message);
        struct slice piece = bytes ? slice_head(message, bytes) : SLICE("?");

        if (len + piece.len > room) {
            break;
        }
        memcpy(copy + len, piece.ptr, piece.len);
        len += piece.len;
        message = slice_from(message, bytes ? bytes : 1);
    }
    copy[len] = '\0';
    return slice_of(copy, len);
}

void kube_verdict_add(struct kube_verdicts *verdicts, const struct kube_object *object,
                      const struct kube_resource *resource, enum kube_accepted accepted, const char *reason,
                      struct slice message, const struct doc *balancer)
{
    struct kube_verdict *verdict;
    struct text json;

    verdicts->items = pool_grow(verdicts->pool, verdicts->items, verdicts->count, &verdicts->capacity,
                                sizeof(*verdicts->items));
    verdict = &verdicts->items[verdicts->count++];
    *verdict = (struct kube_verdict){
        .object = object,
        .resource = resource,
        .accepted = accepted,
        .reason = reason,
        .message = message_copy(verdicts->pool, message),
    };
    verdict->words.accepted = accepted;
    verdict->words.hash = kube_words_hash(accepted, slice_cstr(reason), verdict->message);
    if (balancer) {
        text_init(&json);
        doc_to_json(balancer, &json);
        verdict->balancer = pool_copy(verdicts->pool, text_slice(&json));
        verdict->words.balancer = kube_balancer_hash(balancer);
        text_free(&json);
    }
}

static const struct kube_words *last_words(const struct kube_note *note, uint64_t term)
{
    return note->term == term ? &note->words : &note->carried.words;
}

struct kube_needs kube_verdict_needs(const struct kube_verdict *verdict, const struct kube_note *note,
                                     uint64_t term)
{
    const struct kube_words *last = last_words(note, term);
    struct kube_needs needs = {
        .event = verdict->accepted == KUBE_REFUSED ? last->hash != verdict->words.hash
                                                   : last->accepted == KUBE_REFUSED,
    };

    if (verdict->resource->status == KUBE_STATUS_CONDITIONS) {
        needs.status = last->hash != verdict->words.hash || last->observed != note->carried.generation;
    } else {
        needs.status = verdict->balancer.len > 0 && last->balancer != verdict->words.balancer;
    }
    return needs;
}

void kube_verdict_target(const struct kube_verdict *verdict, const char *rest, struct text *out)
{
    const struct kube_resource *resource = verdict->resource;

    text_printf(out, "/apis/%s/%s/namespaces/", resource->group, resource->version);
    kube_add_escaped(out, verdict->object->namespace);
    text_printf(out, "/%s/", resource->plural);
    kube_add_escaped(out, verdict->object->name);
    text_add_cstr(out, rest);
}

static void add_member(struct text *out, const char *key, struct slice value)
{
    text_printf(out, "\"%s\":", key);
    text_add_json(out, value);
}

static void add_api_version(struct text *out, const struct kube_resource *resource)
{
    text_printf(out, "\"apiVersion\":\"%s%s%s\",\"kind\":\"%s\",", resource->group,
                resource->group[0] ? "/" : "", resource->version, resource->kind);
}

static void add_condition(const struct kube_verdict *verdict, const struct kube_note *note, uint64_t term,
                          int64_t now_s, struct text *out)
{
    bool stays = last_words(note, term)->accepted == verdict->accepted &&
                 note->carried.words.accepted == verdict->accepted && note->carried.since_s != 0;
    char since[MOMENT_TEXT];

    moment_text(stays ? note->carried.since_s : now_s, since);
    text_printf(out, "{\"type\":\"Accepted\",\"status\":\"%s\",\"reason\":\"%s\",",
                verdict->accepted == KUBE_ACCEPTED ? "True" : "False", verdict->reason);
    add_member(out, "message", verdict->message);
    if (note->carried.generation) {
        text_printf(out, ",\"observedGeneration\":%lld", (long long)note->carried.generation);
    }
    text_printf(out, ",\"lastTransitionTime\":\"%s\"}", since);
}

void kube_verdict_body(const struct kube_verdict *verdict, const struct kube_note *note, uint64_t term,
                       int64_t now_s, struct text *out)
{
    text_add_char(out, '{');
    add_api_version(out, verdict->resource);
    text_add_cstr(out, "\"metadata\":{");
    add_member(out, "name", verdict->object->name);
    text_add_char(out, ',');
    add_member(out, "namespace", verdict->object->namespace);
    text_add_cstr(out, "},\"status\":{");
    if (verdict->resource->status == KUBE_STATUS_CONDITIONS) {
        text_add_cstr(out, "\"conditions\":[");
        add_condition(verdict, note, term, now_s, out);
        text_add_char(out, ']');
    } else {
        text_add_cstr(out, "\"loadBalancer\":{\"ingress\":");
        text_add(out, verdict->balancer);
        text_add_char(out, '}');
    }
    text_add_cstr(out, "}}");
}

/* The beginning of the object's name that may stand before a dot. */
static struct slice event_prefix(struct slice name)
{
    name = slice_head(name, EVENT_NAME_MOST);
    while (name.len > 0 && (name.ptr[name.len - 1] == '-' || name.ptr[name.len - 1] == '.')) {
        name.len--;
    }
    return name;
}

void kube_verdict_event(const struct kube_verdict *verdict, const struct kube_note *note,
                        struct slice instance, int64_t now_us, struct text *out)
{
    const struct kube_object *object = verdict->object;
    struct slice uid = doc_text(doc_path(object->doc, "metadata", "uid", NULL), SLICE(""));
    int64_t parts[2] = {note->carried.generation, note->carried.since_s};
    uint64_t key = hash_bytes(hash_slice(verdict->words.hash, uid), parts, sizeof(parts));
    struct slice prefix = event_prefix(object->name);
    char now[MOMENT_TEXT];

    moment_micro_text(now_us, now);
    text_printf(
        out,
        "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"%.*s.%016llx\",",
        SLICE_ARG(prefix), (unsigned long long)key);
    add_member(out, "namespace", object->namespace);
    text_printf(out, "},\"eventTime\":\"%s\",\"reportingController\":\"" CONTROLLER "\",", now);
    add_member(out, "reportingInstance", slice_head(instance, 128));
    text_printf(out, ",\"action\":\"Configure\",\"reason\":\"%s\",\"type\":\"%s\",", verdict->reason,
                verdict->accepted == KUBE_REFUSED ? "Warning" : "Normal");
    add_member(out, "note", verdict->message);
    text_add_cstr(out, ",\"regarding\":{");
    add_api_version(out, verdict->resource);
    add_member(out, "namespace", object->namespace);
    text_add_char(out, ',');
    add_member(out, "name", object->name);
    text_add_char(out, ',');
    add_member(out, "uid", uid);
    text_add_cstr(out, "}}");
}
