/*
 * carried.c - contract in carried.h.
 */
#include "master/kube/carried.h"

#include "common/base/hash.h"
#include "master/kube/moment.h"

static struct slice text_at(const struct doc *map, const char *key)
{
    return doc_text(doc_get(map, key), SLICE(""));
}

uint64_t kube_words_hash(enum kube_accepted accepted, struct slice reason, struct slice message)
{
    uint64_t hash = hash_slice((uint64_t)accepted + 1, reason);

    hash = hash_slice(hash, message);
    return hash ? hash : 1;
}

static uint64_t item_hash(const struct doc *item)
{
    const struct doc *ports = doc_get(item, "ports");
    uint64_t hash = hash_slice(hash_slice(1, text_at(item, "ip")), text_at(item, "hostname"));

    for (size_t i = 0; ports && ports->kind == DOC_LIST && i < ports->list.count; i++) {
        const struct doc *port = ports->list.items[i];

        hash = hash_slice(hash_slice(hash, text_at(port, "port")), text_at(port, "protocol"));
    }
    return hash_finish(hash);
}

uint64_t kube_balancer_hash(const struct doc *list)
{
    uint64_t sum = 0;

    for (size_t i = 0; list && list->kind == DOC_LIST && i < list->list.count; i++) {
        sum += item_hash(list->list.items[i]);
    }
    return sum;
}

static const struct doc *accepted_of(const struct doc *object)
{
    const struct doc *conditions = doc_path(object, "status", "conditions", NULL);

    for (size_t i = 0; conditions && conditions->kind == DOC_LIST && i < conditions->list.count; i++) {
        if (slice_eq(text_at(conditions->list.items[i], "type"), SLICE("Accepted"))) {
            return conditions->list.items[i];
        }
    }
    return NULL;
}

static void read_condition(const struct doc *condition, struct kube_carried *out)
{
    struct slice status = text_at(condition, "status");

    out->words.accepted = slice_eq(status, SLICE("True"))    ? KUBE_ACCEPTED
                          : slice_eq(status, SLICE("False")) ? KUBE_REFUSED
                                                             : KUBE_ACCEPTED_UNKNOWN;
    out->words.hash =
        kube_words_hash(out->words.accepted, text_at(condition, "reason"), text_at(condition, "message"));
    (void)doc_int(doc_get(condition, "observedGeneration"), &out->words.observed);
    if (moment_parse(text_at(condition, "lastTransitionTime"), &out->since_s) < 0) {
        out->since_s = 0;
    }
}

void kube_carried_read(enum kube_status_form form, const struct doc *object, struct kube_carried *out)
{
    *out = (struct kube_carried){.generation = 0};
    (void)doc_int(doc_path(object, "metadata", "generation", NULL), &out->generation);
    if (form == KUBE_STATUS_CONDITIONS) {
        const struct doc *condition = accepted_of(object);

        if (condition) {
            read_condition(condition, out);
        }
    } else if (form == KUBE_STATUS_BALANCER) {
        out->words.balancer = kube_balancer_hash(doc_path(object, "status", "loadBalancer", "ingress", NULL));
    }
}
