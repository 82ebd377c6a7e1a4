/*
 * kubernetes_load.c - how a load of a Kubernetes provider begins and ends: the store, the model, which objects count.
 *
 * Objects come from a store: of manifests, or of an API server (kubernetes_live.c).
 * Providers that name the same folder share its documents: each keeps its last store in its state, and a load starts
 * from the last store of anybody with that path. Nothing is read into documents twice.
 *
 * Not here: what the objects mean (kubernetes_crd*.c, kubernetes_ingress*.c).
 */
#include "master/provider/kubernetes.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/memory.h"

struct provider_state {
    struct provider_state *next;
    struct kube_store *store;
    char *path; /* "": an API server */
    struct k8s_live live;
};

/* Loads follow one another on one thread, but a provider that is switched off frees its state on another. */
static pthread_mutex_t states_lock = PTHREAD_MUTEX_INITIALIZER;
static struct provider_state *states;

static struct provider_state *state_new(void)
{
    struct provider_state *state = xcalloc(1, sizeof(*state));

    (void)pthread_mutex_lock(&states_lock);
    state->next = states;
    states = state;
    (void)pthread_mutex_unlock(&states_lock);
    return state;
}

struct kube_store *k8s_state_store(const struct provider_state *state)
{
    return state->store;
}

void k8s_free_state(struct provider_state *state)
{
    if (state == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&states_lock);
    for (struct provider_state **at = &states; *at; at = &(*at)->next) {
        if (*at == state) {
            *at = state->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&states_lock);
    k8s_live_free(&state->live);
    kube_store_free(state->store);
    free(state->path);
    free(state);
}

struct k8s_live *k8s_state_live(struct provider_state *state)
{
    return &state->live;
}

const struct k8s_live *k8s_state_live_const(const struct provider_state *state)
{
    return &state->live;
}

/* The last store of that path, a reference of it: the own one, else that of another provider. */
static struct kube_store *last_store(const struct provider_state *own, struct slice path)
{
    struct kube_store *found = NULL;

    (void)pthread_mutex_lock(&states_lock);
    for (const struct provider_state *at = states; at; at = at->next) {
        if (at->store && slice_eq(slice_cstr(at->path), path) && (found == NULL || at == own)) {
            found = at->store;
        }
    }
    if (found) {
        kube_store_ref(found);
    }
    (void)pthread_mutex_unlock(&states_lock);
    return found;
}

static void keep_store(struct provider_state *state, struct slice path, struct kube_store *store)
{
    struct kube_store *old;
    char *old_path, *copy = xstrndup(path.ptr, path.len);

    (void)pthread_mutex_lock(&states_lock);
    old = state->store;
    old_path = state->path;
    state->store = store;
    state->path = copy;
    (void)pthread_mutex_unlock(&states_lock);
    kube_store_free(old);
    free(old_path);
}

void k8s_state_take_store(struct provider_state *state, struct kube_store *store)
{
    keep_store(state, SLICE(""), store);
}

static void release_store(void *store)
{
    kube_store_free(store);
}

static int load_store(struct k8s *k8s, struct provider_state **state, struct kube_store **out,
                      struct error *why)
{
    struct slice path = k8s->options->manifests;
    struct kube_store *previous;
    int rc;

    if (*state == NULL) {
        *state = state_new();
    }
    if (path.len == 0) {
        rc = k8s_live_store(k8s, &(*state)->live, out, why);
        if (rc == 0) {
            keep_store(*state, path, *out);
        }
        return rc;
    }
    k8s_live_free(&(*state)->live);
    previous = last_store(*state, path);
    rc = manifests_load(path, previous, out, why);
    kube_store_free(previous);
    if (rc < 0) {
        error_prefix(why, "%s.manifests", k8s->option);
        return rc;
    }
    keep_store(*state, path, *out);
    return 0;
}

int k8s_begin(struct k8s *k8s, struct provider_state **state, struct error *why)
{
    struct kube_store *store;
    int rc;

    if (*state) { /* whatever becomes of this load: what changed before it is not given any more */
        k8s_refresh_free((*state)->live.refresh);
        (*state)->live.refresh = NULL;
    }

    k8s->scratch = pool_new(65536, 0);
    rc = selector_parse(k8s->scratch, k8s->options->label_selector, &k8s->selector, why);
    if (rc < 0) {
        error_prefix(why, "%s.labelSelector", k8s->option);
        return rc;
    }
    rc = load_store(k8s, state, &store, why);
    if (rc < 0) {
        return rc;
    }
    k8s->store = store;
    k8s_model_begin(k8s);
    k8s->model->gaps = kube_store_gaps(store);
    k8s->model->release = release_store;
    k8s->model->release_context = kube_store_ref(store);
    k8s_index_slices(k8s);
    return 0;
}

void k8s_model_begin(struct k8s *k8s)
{
    k8s->model = model_new();
    k8s->made_count = k8s->use_count = k8s->need_count = 0;
    seen_init(&k8s->routers, k8s->scratch);
    seen_init(&k8s->services, k8s->scratch);
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        seen_init(&k8s->layer4[kind], k8s->scratch);
    }
}

void k8s_end(struct k8s *k8s)
{
    pool_free(k8s->scratch);
}

void k8s_copy_notices(struct k8s *k8s)
{
    const struct kubernetes_provider *first = k8s->config->providers.kubernetes_crd;
    const struct notice *notices;
    size_t count = kube_notices(k8s->store, &notices);

    if (first && first != k8s->options && slice_eq(first->manifests, k8s->options->manifests)) {
        return; /* the provider of custom resources tells */
    }
    for (size_t i = 0; i < count; i++) {
        model_notice(k8s->model, notices[i].is_error, &notices[i].origin, "%.*s", SLICE_ARG(notices[i].text));
    }
}

void k8s_watch_paths(const struct kubernetes_provider *options, struct pool *pool, struct list *out)
{
    if (options && options->manifests.len) {
        provider_watch(pool, out, options->manifests);
    }
}

/* ---- which objects count ---- */

static bool among(const struct list *names, struct slice name)
{
    const struct slice *items = names->items;

    for (size_t i = 0; i < names->count; i++) {
        if (slice_eq(items[i], name)) {
            return true;
        }
    }
    return false;
}

bool k8s_namespace_watched(const struct k8s *k8s, struct slice namespace)
{
    return k8s->options->namespaces.count == 0 || among(&k8s->options->namespaces, namespace);
}

bool k8s_cross_provider_allowed(const struct k8s *k8s, struct slice namespace)
{
    const struct list *allowed = &k8s->options->cross_provider_namespaces;

    return allowed->items == NULL || among(allowed, namespace);
}

bool k8s_selected(const struct k8s *k8s, const struct kube_object *object)
{
    return k8s_namespace_watched(k8s, object->namespace) &&
           selector_matches(k8s->selector, doc_path(object->doc, "metadata", "labels", NULL));
}

bool k8s_class_wanted(const struct k8s *k8s, struct slice class)
{
    struct slice wanted = k8s->options->ingress_class;

    return slice_eq(class, wanted) || (wanted.len == 0 && slice_eq(class, SLICE(K8S_CLASS_DEFAULT)));
}

size_t k8s_objects(struct k8s *k8s, const char *kind, bool (*ours)(const struct kube_object *object),
                   const struct kube_object ***out)
{
    const struct kube_object **all, **picked;
    size_t count = kube_list(k8s->store, kind, &all), kept = 0;

    picked = pool_alloc(k8s->scratch, (count + 1) * sizeof(struct kube_object *));
    for (size_t i = 0; i < count; i++) {
        if (!ours(all[i])) {
            continue;
        }
        /* sorted by name, then group: the older group stands right before the newer */
        if (i + 1 < count && slice_eq(all[i]->name, all[i + 1]->name) &&
            slice_eq(all[i]->namespace, all[i + 1]->namespace) && ours(all[i + 1])) {
            model_notice(k8s->model, false, &all[i]->origin,
                         "is there in both API groups: the one of %.*s%.*s is used, remove this one",
                         SLICE_ARG(all[i + 1]->group),
                         SLICE_ARG(k8s_written_at(k8s, &all[i + 1]->origin, all[i + 1]->origin.line)));
            continue;
        }
        if (k8s_selected(k8s, all[i])) {
            picked[kept++] = all[i];
        }
    }
    *out = picked;
    return kept;
}
