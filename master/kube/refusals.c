/*
 * refusals.c - contract in refusals.h.
 */
#include "master/kube/refusals.h"

#include "common/base/log.h"
#include "master/kube/api.h"

#define OFF_FIRST_MS 5000
#define OFF_MOST_MS 600000

static struct refusal *kind_of(struct kube_refusals *refusals, const struct kube_resource *resource)
{
    for (size_t i = 0; i < refusals->count; i++) {
        if (refusals->kinds[i].resource == resource) {
            return &refusals->kinds[i];
        }
    }
    if (refusals->count == REFUSALS_KINDS) {
        return &refusals->kinds[REFUSALS_KINDS - 1]; /* more kinds than there are: they share a fate */
    }
    refusals->kinds[refusals->count] = (struct refusal){.resource = resource};
    return &refusals->kinds[refusals->count++];
}

bool kube_refusals_may(struct kube_refusals *refusals, const struct kube_resource *resource, uint64_t now)
{
    const struct refusal *kind = kind_of(refusals, resource);

    return !kind->off || now >= kind->until;
}

static void say(const struct kube_resource *resource, unsigned status, struct slice body)
{
    char words[256];

    kube_problem_words(body, words, sizeof(words));
    if (resource == NULL) {
        log_warn(
            "Events cannot be written (%u%s%s): refused objects are named in the log only; it is tried again",
            status, words[0] ? ": " : "", words);
    } else if (status == 404) {
        log_warn(
            "%s.%s: the installed definition has no status (404): it is not written; those of `weir crds` "
            "have one",
            resource->plural, resource->group);
    } else {
        log_warn("%s.%s: status cannot be written (%u%s%s): it is left alone, and tried again",
                 resource->plural, resource->group, status, words[0] ? ": " : "", words);
    }
}

void kube_refusals_add(struct kube_refusals *refusals, const struct kube_resource *resource, unsigned status,
                       struct slice body, uint64_t now)
{
    struct refusal *kind = kind_of(refusals, resource);
    unsigned shift = kind->times < 10 ? kind->times : 10;
    uint64_t ms = (uint64_t)OFF_FIRST_MS << shift;

    if (!kind->off) {
        say(resource, status, body);
    }
    kind->off = true;
    kind->times++;
    kind->until = now + (ms < OFF_MOST_MS ? ms : OFF_MOST_MS);
}

void kube_refusals_end(struct kube_refusals *refusals, const struct kube_resource *resource)
{
    struct refusal *kind = kind_of(refusals, resource);

    if (kind->off) {
        log_info("%s%s%s can be written now", resource ? resource->plural : "Events", resource ? "." : "",
                 resource ? resource->group : "");
        *kind = (struct refusal){.resource = resource};
    }
}

bool kube_refusals_next(const struct kube_refusals *refusals, uint64_t *until)
{
    *until = UINT64_MAX;
    for (size_t i = 0; i < refusals->count; i++) {
        if (refusals->kinds[i].off && refusals->kinds[i].until < *until) {
            *until = refusals->kinds[i].until;
        }
    }
    return *until != UINT64_MAX;
}
