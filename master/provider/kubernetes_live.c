/*
 * kubernetes_live.c - a Kubernetes provider that asks an API server: its store, and the single Secrets and ConfigMaps that
 * its objects name. Contract in kubernetes.h.
 *
 * Not here: the API server (master/kube), manifests (kubernetes_load.c).
 */
#include "master/provider/kubernetes.h"

#include <errno.h>

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
        .no_cluster_scope = options->disable_cluster_scope_resources || options->disable_ingress_class_lookup,
        .resources = k8s->resources,
    };
    int rc = kube_live_ensure(&live, &state->live, why);

    if (rc == 0) {
        rc = kube_live_store(state->live, out, why);
    }
    if (rc < 0) {
        error_prefix(why, "%s", k8s->option);
    }
    return rc;
}

void k8s_need(struct k8s *k8s, const char *kind, struct slice namespace, struct slice name)
{
    for (size_t i = 0; i < k8s->need_count; i++) {
        const struct kube_name *there = &k8s->needs[i];

        if (strcmp(there->kind, kind) == 0 && slice_eq(there->namespace, namespace) &&
            slice_eq(there->name, name)) {
            return;
        }
    }
    k8s->needs =
        pool_grow(k8s->scratch, k8s->needs, k8s->need_count, &k8s->need_capacity, sizeof(*k8s->needs));
    k8s->needs[k8s->need_count++] = (struct kube_name){kind, namespace, name};
}

int k8s_settle(struct k8s *k8s, struct provider_state *state, struct error *why)
{
    struct k8s_live *live = k8s_state_live(state);

    if (live->live && !kube_live_need(live->live, k8s->needs, k8s->need_count) && !live->complete) {
        model_free(k8s->model);
        return error_set(why, -EAGAIN, "%s: the API server has not answered for every Secret yet",
                         k8s->option);
    }
    live->complete = true;
    return 0;
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
