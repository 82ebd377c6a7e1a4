/*
 * kubernetes_live.c - a Kubernetes provider that asks an API server: its store, and the single Secrets and ConfigMaps that
 * its objects name; and what was kept of it (stateDir) while it is silent at the start. Contract in kubernetes.h.
 *
 * Not here: the API server (master/kube), manifests (kubernetes_load.c).
 */
#include "master/provider/kubernetes.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "master/kube/state.h"

/* Those that read other objects of the same cluster do not wait for one another: their Leases have other names. */
static struct slice lease_name(struct k8s *k8s)
{
    const struct kubernetes_provider *options = k8s->options;
    const struct slice *namespaces = options->namespaces.items;
    uint64_t hash = hash_slice(hash_slice(0, options->ingress_class), options->label_selector);

    if (!options->status) {
        return SLICE("");
    }
    if (options->ingress_class.len == 0 && options->label_selector.len == 0 &&
        options->namespaces.count == 0) {
        return pool_printf(k8s->scratch, "weir-%s", k8s->provider);
    }
    for (size_t i = 0; i < options->namespaces.count; i++) {
        hash = hash_slice(hash, namespaces[i]);
    }
    return pool_printf(k8s->scratch, "weir-%s-%08x", k8s->provider, (unsigned)(hash ^ hash >> 32));
}

int k8s_live_store(struct k8s *k8s, struct k8s_live *state, struct kube_store **out, struct error *why)
{
    const struct kubernetes_provider *options = k8s->options;
    const struct kube_live_options live = {
        .access = {.endpoint = options->endpoint,
                   .token = options->token,
                   .ca_file = options->cert_auth_file_path},
        .namespaces = options->namespaces,
        .selector = options->label_selector,
        .throttle_ns = options->throttle_duration,
        .no_cluster_scope = options->disable_cluster_scope_resources,
        .without = options->disable_ingress_class_lookup ? K8S_INGRESS_CLASS : NULL,
        .lease = lease_name(k8s),
        .resources = k8s->resources,
    };
    const struct kube_live *before = state->live;
    int rc = kube_live_ensure(&live, &state->live, why);

    if (state->live != before) { /* perhaps another cluster */
        kube_store_free(state->kept);
        state->kept = NULL;
    }
    state->provider = k8s->provider;
    k8s->from_kept = false;
    if (rc == 0) {
        rc = kube_live_store(state->live, out, why);
    }
    if (rc == -EAGAIN && state->kept) {
        *out = kube_store_ref(state->kept);
        k8s->from_kept = true;
        rc = 0;
    }
    if (rc < 0) {
        error_prefix(why, "%s", k8s->option);
    }
    return rc;
}

void k8s_need(struct k8s *k8s, const char *kind, struct slice namespace, struct slice name)
{
    struct slice key = pool_printf(k8s->scratch, "%s/%.*s/%.*s", kind, SLICE_ARG(namespace), SLICE_ARG(name));

    if (seen_get(&k8s->needed, key)) {
        return;
    }
    seen_set(&k8s->needed, key, k8s);
    k8s->needs =
        pool_grow(k8s->scratch, k8s->needs, k8s->need_count, &k8s->need_capacity, sizeof(*k8s->needs));
    k8s->needs[k8s->need_count++] = (struct kube_name){kind, namespace, name};
}

void k8s_claim(struct k8s *k8s, const struct kube_object *object)
{
    k8s->claims =
        pool_grow(k8s->scratch, k8s->claims, k8s->claim_count, &k8s->claim_capacity, sizeof(*k8s->claims));
    k8s->claims[k8s->claim_count++] = object;
}

static void keep_claims(const struct k8s *k8s, struct k8s_live *live)
{
    struct k8s_judging *judging = &live->judging;

    free(judging->claims);
    judging->provider = k8s->provider;
    judging->resources = k8s->resources;
    judging->claim_count = k8s->claim_count;
    judging->claims = xcalloc(k8s->claim_count + 1, sizeof(*judging->claims));
    if (k8s->claim_count) {
        memcpy(judging->claims, k8s->claims, k8s->claim_count * sizeof(*judging->claims));
    }
}

int k8s_settle(struct k8s *k8s, struct provider_state *state, struct error *why)
{
    struct k8s_live *live = k8s_state_live(state);

    if (live->live == NULL) {
        return 0;
    }
    keep_claims(k8s, live);
    bool there = kube_live_need(live->live, k8s->needs,
                                k8s->need_count); /* also while stale: they come with the rest */

    if (k8s->from_kept) {
        live->stale = true;
        return 0;
    }
    if (!there && (!live->complete || kube_live_patient(live->live))) {
        model_free(k8s->model);
        return error_set(why, -EAGAIN, "%s: the API server has not answered for every Secret yet",
                         k8s->option);
    }
    live->complete = true;
    live->refresh = k8s_refresh_new(k8s);
    if (live->stale) {
        log_info("Provider %s: the API server has answered; what was kept of it is replaced", live->provider);
        live->stale = false;
        kube_store_free(live->kept);
        live->kept = NULL;
    }
    return 0;
}

/* ---- stateDir ---- */
static struct kube_state_place place_of(const struct static_config *config, const struct k8s_live *live)
{
    return (struct kube_state_place){
        .dir = config->state_dir, .provider = live->provider, .source = kube_live_source(live->live)};
}

void k8s_keep(const struct static_config *config, struct provider_state *state)
{
    struct k8s_live *live = k8s_state_live(state);

    if (live->live && live->complete) {
        kube_live_keep(live->live, live->provider, config->state_dir);
    }
}

static void say_recalled(const struct k8s_live *live)
{
    const struct kube_object **objects;
    time_t at = (time_t)live->kept_s;
    char text[32] = "";
    struct tm parts;

    if (gmtime_r(&at, &parts)) {
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", &parts);
    }
    log_warn("Provider %s: the API server has not answered: what was kept of it on %s (%zu objects, no "
             "Secrets) is "
             "served until it does",
             live->provider, text, kube_objects(live->kept, &objects));
}

void k8s_recall(const struct static_config *config, struct provider_state *state)
{
    struct k8s_live *live = k8s_state_live(state);
    struct kube_state_place place;
    struct error why;
    int rc;

    if (live->live == NULL || live->complete || live->recalled || config->state_dir.len == 0) {
        return;
    }
    live->recalled = true;
    place = place_of(config, live);
    rc = kube_state_read(&place, &live->kept, &live->kept_s, &why);
    if (rc == 0) {
        say_recalled(live);
    } else if (rc == -ENOENT) {
        log_warn("Provider %s: the API server has not answered, and nothing was kept of it: %s",
                 live->provider, why.text);
    } else {
        log_error("Provider %s: what was kept of the API server cannot be used: %s", live->provider,
                  why.text);
    }
}

int64_t k8s_stale(const struct provider_state *state)
{
    const struct k8s_live *live = k8s_state_live_const(state);

    return live->stale ? live->kept_s : 0;
}

void k8s_live_free(struct k8s_live *live)
{
    k8s_refresh_free(live->refresh);
    kube_live_close(live->live);
    kube_store_free(live->kept);
    free(live->judging.claims);
    *live = (struct k8s_live){0};
}

int k8s_wait(struct provider_state *state, unsigned timeout_ms, struct error *why)
{
    return kube_live_wait(k8s_state_live(state)->live, timeout_ms, why);
}

struct slice k8s_written_at(struct k8s *k8s, const struct origin *origin, uint32_t line)
{
    if (origin->file.len == 0) {
        return SLICE("");
    }
    return pool_printf(k8s->scratch, " (%.*s:%u)", SLICE_ARG(origin->file), line);
}
