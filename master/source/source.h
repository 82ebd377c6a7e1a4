/*
 * source.h - where Kubernetes objects come from: a directory of manifests now, an API server later; one interface.
 *
 * A source fills a store of objects keyed by (group/kind, namespace, name) and says when something changed. Providers
 * read the store only, so whatever works in a cluster works offline, in tests, in `weir check` and in the demo.
 */
#ifndef WEIR_MASTER_SOURCE_SOURCE_H
#define WEIR_MASTER_SOURCE_SOURCE_H

#include "common/base/error.h"
#include "common/doc/doc.h"
#include "common/model/dynamic.h"

struct kube_object {
    struct slice group;     /* "traefik.io", "" for core */
    struct slice version;   /* "v1alpha1" */
    struct slice kind;      /* "IngressRoute" */
    struct slice namespace; /* "default" when the manifest names none */
    struct slice name;
    struct doc *doc; /* the whole object */
    struct origin origin;
};

struct kube_store; /* immutable once built: a new one replaces it */

/* All objects of a kind in any of the groups (NULL-terminated), sorted by namespace, name, group. */
size_t kube_list(const struct kube_store *store, const char *kind, const struct kube_object ***out);
const struct kube_object *kube_get(const struct kube_store *store, const char *group, const char *kind,
                                   struct slice namespace, struct slice name);
/* All objects, sorted by kind, namespace, name, group. */
size_t kube_objects(const struct kube_store *store, const struct kube_object ***out);
/* A file could not be read as a whole, and what it gave before is not known. */
bool kube_store_gaps(const struct kube_store *store);
/* Something could not be read, which may pass without a change that is told. */
bool kube_store_unread(const struct kube_store *store);
/* Documents that could not be read or are no objects: kept for the model's notices. */
size_t kube_notices(const struct kube_store *store, const struct notice **out);
/* Counted: whoever keeps views into the documents keeps a reference. kube_store_free() gives one back; NULL is fine. */
struct kube_store *kube_store_ref(struct kube_store *store);
void kube_store_free(struct kube_store *store);

/* ---- manifests: source/manifests.c ---- */
/* Reads a file, or all *.yaml, *.yml, *.json below a directory (lists of kind List are opened). A malformed file or
 * document becomes a notice; with `previous` the objects that a now unreadable (half-written) file gave before are kept,
 * and files that did not change are not read into documents again: when none did, *out is one more reference to it. */
int manifests_load(struct slice path, struct kube_store *previous, struct kube_store **out,
                   struct error *why);

/* ---- watching: source/watch.c (inotify under libuv) ---- */
struct watch;
typedef void watch_changed(void *context);
struct uv_loop_s;
/* Watches a file (by its directory, so that renames and Kubernetes' ..data symlinks are seen) or a directory tree; calls
 * changed() after the last event was quiet for 20 ms, at most 200 ms after the first. */
int watch_start(struct uv_loop_s *loop, struct slice path, watch_changed *changed, void *context,
                struct watch **out, struct error *why);
/* Not all of it could be watched the last time: fs.inotify.max_user_watches. Looked at anew with the next change only. */
bool watch_full(const struct watch *watch);
struct slice watch_path(const struct watch *watch);
void watch_stop(struct watch *watch); /* NULL is fine */

#endif
