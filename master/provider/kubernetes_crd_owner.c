/*
 * kubernetes_crd_owner.c - whose a name is: a/b-m and a-b/m both come to a-b-m, and one of them alone is called so.
 *
 * Among objects that others refer to by name it is the oldest's (of one age, the first by namespace and name). What is
 * made of Services has the name whose it is first in the order of a load, unless a TraefikService is called so. Who
 * means another than whose the name is gets an error, and never the other.
 *
 * A patch knows of no owners: each object notes whom it means by a name (k8s_note_meant()), and names that mean two are
 * left to a load (kubernetes_patch.c).
 */
#include "master/provider/kubernetes_crd.h"

struct maker { /* of an element of the model */
    struct slice namespace;
    struct slice whom; /* "Service a/b:80" */
};

struct later { /* a reference to what nobody is called by himself, but something made for others may be */
    struct k8s_place place;
    struct element *element;
    struct slice name, namespace, whom;
};

struct child { /* a router that refers to others */
    struct element *router;
    const struct crd_parent *parents;
    struct list names;
};

struct crd_owners {
    struct seen named[CRD_NAMED_KINDS];         /* struct kube_object by name */
    struct seen services, layer4[LAYER4_KINDS]; /* struct maker by name */
    struct later *later;
    size_t later_count, later_capacity;
    struct child *children;
    size_t child_count, child_capacity;
};

static const char *const kinds[CRD_NAMED_KINDS] = {
    [CRD_SERVICE] = "TraefikService",
    [CRD_MIDDLEWARE] = "Middleware",
    [CRD_MIDDLEWARE_TCP] = "MiddlewareTCP",
    [CRD_TRANSPORT] = "ServersTransport",
    [CRD_TRANSPORT_TCP] = "ServersTransportTCP",
    [CRD_TLS_OPTION] = "TLSOption",
    [CRD_TLS_STORE] = "TLSStore",
};

static struct slice object_text(struct k8s *crd, const char *kind, struct slice namespace, struct slice name)
{
    return pool_printf(crd->scratch, "%s %.*s/%.*s", kind, SLICE_ARG(namespace), SLICE_ARG(name));
}

/* ---- objects that others refer to ---- */
void crd_owners_begin(struct k8s *crd)
{
    struct crd_owners *owners = pool_zalloc(crd->scratch, sizeof(*owners));

    for (size_t kind = 0; kind < CRD_NAMED_KINDS; kind++) {
        seen_init(&owners->named[kind], crd->scratch);
    }
    for (size_t kind = 0; kind < LAYER4_KINDS; kind++) {
        seen_init(&owners->layer4[kind], crd->scratch);
    }
    seen_init(&owners->services, crd->scratch);
    crd->owners = owners;
}

bool crd_is_default(enum crd_named kind, const struct kube_object *object)
{
    return (kind == CRD_TLS_OPTION || kind == CRD_TLS_STORE) && slice_eq(object->name, SLICE("default"));
}

static bool older(const struct kube_object *object, const struct kube_object *other)
{
    struct slice none = SLICE("");

    return slice_cmp(doc_text(doc_path(object->doc, "metadata", "creationTimestamp", NULL), none),
                     doc_text(doc_path(other->doc, "metadata", "creationTimestamp", NULL), none)) < 0;
}

void crd_find_owners(struct k8s *crd)
{
    crd_owners_begin(crd);
    for (size_t kind = 0; kind < CRD_NAMED_KINDS; kind++) {
        struct seen *named = &crd->owners->named[kind];
        const struct kube_object **objects;
        size_t count = kube_list(crd->store, kinds[kind], &objects);

        for (size_t i = 0; i < count; i++) {
            const struct kube_object *object = objects[i];

            if (!crd_ours(object) || !k8s_selected(crd, object) || crd_is_default(kind, object)) {
                continue;
            }
            struct slice name = k8s_object_name(crd->scratch, object->namespace, object->name);
            const struct kube_object *owner = seen_get(named, name);

            if (owner == NULL || older(object, owner)) {
                seen_set(named, name, (void *)(uintptr_t)object);
            }
        }
    }
}

/* NULL: of nobody, or of the one that is meant. */
static const struct kube_object *other_owner(struct k8s *crd, enum crd_named kind, struct slice namespace,
                                             struct slice name, struct slice full)
{
    const struct kube_object *owner = seen_get(&crd->owners->named[kind], full);

    return owner && slice_eq(owner->namespace, namespace) && slice_eq(owner->name, name) ? NULL : owner;
}

bool crd_owns(struct k8s *crd, enum crd_named kind, const struct kube_object *object, struct slice full)
{
    const struct kube_object *owner = other_owner(crd, kind, object->namespace, object->name, full);
    struct k8s_place place = {.object = object};

    k8s_note_meant(crd, kind, full, object_text(crd, kinds[kind], object->namespace, object->name), object);
    if (owner) {
        k8s_notice_error(crd, &place,
                         "it would be called %.*s, which is the name of %.*s: rename one of the two",
                         SLICE_ARG(full), SLICE_ARG(owner->origin.object));
    }
    return owner == NULL;
}

static void look_later(struct k8s *crd, const struct later *reference)
{
    struct crd_owners *owners = crd->owners;

    owners->later = pool_grow(crd->scratch, owners->later, owners->later_count, &owners->later_capacity,
                              sizeof(*owners->later));
    owners->later[owners->later_count++] = *reference;
}

bool crd_means(struct k8s *crd, const struct k8s_place *place, struct element *element, enum crd_named kind,
               struct slice namespace, struct slice name, struct slice full)
{
    const struct kube_object *owner = other_owner(crd, kind, namespace, name, full);
    struct slice whom = object_text(crd, kinds[kind], namespace, name);

    k8s_note_meant(crd, kind, full, whom, place->object);
    if (owner) {
        k8s_error(crd, place, element, true,
                  "%.*s is meant, but %.*s is the name of %.*s: rename one of the two", SLICE_ARG(whom),
                  SLICE_ARG(full), SLICE_ARG(owner->origin.object));
        return false;
    }
    if (kind == CRD_SERVICE && seen_get(&crd->owners->named[kind], full) == NULL) {
        look_later(crd, &(struct later){*place, element, full, namespace, whom});
    }
    return true;
}

/* ---- what is made of others ---- */
struct slice crd_whom(struct k8s *crd, struct slice namespace, struct slice service, const struct doc *port)
{
    struct slice text = doc_text(port, SLICE(""));

    return pool_printf(crd->scratch, "Service %.*s/%.*s:%.*s", SLICE_ARG(namespace), SLICE_ARG(service),
                       SLICE_ARG(text));
}

static void refuse(struct k8s *crd, const struct k8s_place *place, struct element *element, struct slice full,
                   struct slice whom, struct slice owner)
{
    k8s_error(crd, place, element, true,
              "what is made for %.*s would be called %.*s, which is the name of %.*s: rename one of the two",
              SLICE_ARG(whom), SLICE_ARG(full), SLICE_ARG(owner));
}

static bool take(struct k8s *crd, const struct k8s_place *place, struct element *element, struct seen *makers,
                 struct slice full, struct slice namespace, struct slice whom)
{
    const struct maker *there = seen_get(makers, full);
    struct maker *maker;

    if (there == NULL) {
        maker = pool_alloc(crd->scratch, sizeof(*maker));
        *maker = (struct maker){namespace, whom};
        seen_set(makers, full, maker);
    } else if (!slice_eq(there->whom, whom)) {
        refuse(crd, place, element, full, whom, there->whom);
        return false;
    }
    return true;
}

bool crd_takes_service(struct k8s *crd, const struct k8s_place *place, struct element *element,
                       struct slice full, struct slice namespace, struct slice whom)
{
    const struct kube_object *owner = seen_get(&crd->owners->named[CRD_SERVICE], full);

    k8s_note_meant(crd, CRD_SERVICE, full, whom, place->object);
    if (owner) {
        refuse(crd, place, element, full, whom, owner->origin.object);
        return false;
    }
    return take(crd, place, element, &crd->owners->services, full, namespace, whom);
}

bool crd_takes_layer4(struct k8s *crd, const struct k8s_place *place, struct element *element,
                      enum layer4_kind kind, struct slice full, struct slice whom)
{
    return take(crd, place, element, &crd->owners->layer4[kind], full, place->object->namespace, whom);
}

/* ---- routes ---- */
/* Whether the element is made of an object of that kind and namespace. */
static bool from_namespace(struct k8s *crd, const struct element *element, struct slice kind,
                           struct slice namespace)
{
    return slice_has_prefix(element->origin.object,
                            pool_printf(crd->scratch, "%.*s %.*s/", SLICE_ARG(kind), SLICE_ARG(namespace)));
}

bool crd_router_taken(struct k8s *crd, const struct k8s_place *place, const struct element *there)
{
    const struct kube_object *object = place->object;

    if (there == NULL || from_namespace(crd, there, object->kind, object->namespace)) {
        return false;
    }
    k8s_notice_error(crd, place, "its router would be called %.*s, as that of %.*s: rename one of the two",
                     SLICE_ARG(there->name), SLICE_ARG(there->origin.object));
    return true;
}

void crd_means_parents(struct k8s *crd, struct element *router, const struct crd_parent *parents,
                       struct list names)
{
    struct crd_owners *owners = crd->owners;

    if (names.count) {
        owners->children = pool_grow(crd->scratch, owners->children, owners->child_count,
                                     &owners->child_capacity, sizeof(*owners->children));
        owners->children[owners->child_count++] = (struct child){router, parents, names};
    }
}

/* ---- after all was read ---- */
static void is_another(struct k8s *crd, const struct k8s_place *place, struct element *element,
                       struct slice whom, struct slice name, struct slice other)
{
    k8s_error(crd, place, element, true, "%.*s is meant, but %.*s is made for %.*s: rename one of the two",
              SLICE_ARG(whom), SLICE_ARG(name), SLICE_ARG(other));
}

static void look_at_parents(struct k8s *crd, const struct child *child)
{
    const struct slice *names = child->names.items;

    for (size_t i = 0; i < child->names.count; i++) {
        const struct kube_object *meant = child->parents[i].object;
        const struct http_router *there = seen_get(&crd->routers, names[i]);

        if (there && !from_namespace(crd, &there->element, SLICE("IngressRoute"), meant->namespace)) {
            is_another(crd, &child->parents[i].place, child->router, meant->origin.object, names[i],
                       there->element.origin.object);
        }
    }
}

void crd_look_later(struct k8s *crd)
{
    for (size_t i = 0; i < crd->owners->later_count; i++) {
        const struct later *reference = &crd->owners->later[i];
        const struct maker *maker = seen_get(&crd->owners->services, reference->name);

        if (maker && !slice_eq(maker->namespace, reference->namespace)) {
            is_another(crd, &reference->place, reference->element, reference->whom, reference->name,
                       maker->whom);
        }
    }
    for (size_t i = 0; i < crd->owners->child_count; i++) {
        look_at_parents(crd, &crd->owners->children[i]);
    }
}
