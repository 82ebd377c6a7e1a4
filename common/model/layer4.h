/*
 * layer4.h - the objects of TCP, UDP and TLS in a model: one array for each kind, and one table that describes the kinds.
 *
 * What all of them have in common (adding, sorting, showing, comparing) is done over the table, kind by kind. Not here:
 * their options (tcp.h, udp.h, tls.h), what refers to what (master/resolve).
 */
#ifndef WEIR_COMMON_MODEL_LAYER4_H
#define WEIR_COMMON_MODEL_LAYER4_H

#include "common/model/element.h"
#include "common/model/tcp.h"
#include "common/model/tls.h"
#include "common/model/udp.h"

struct model;

enum layer4_kind {
    TCP_ROUTER,
    TCP_MIDDLEWARE,
    TCP_SERVICE,
    TCP_TRANSPORT,
    UDP_ROUTER,
    UDP_SERVICE,
    TLS_CERTIFICATE,
    TLS_OPTIONS,
    TLS_STORE,
    LAYER4_KINDS
};

struct tcp_router {
    struct element element;
    struct tcp_router_config config;
    struct list entry_points; /* struct slice: those that it is for, after defaults and checks */
    int64_t priority;         /* effective; -1 for HostSNI(`*`) alone */
    uint32_t precedence;      /* of its provider: between equal priorities the lower one wins */
    bool v2;                  /* rule syntax in force */
    struct slice tls_options; /* full name of those that a connection gets whose TLS ends here */
    bool
        tls_broken; /* disabled for want of those alone: its connections get no handshake, nor another router */
    struct rule *rule; /* NULL when it did not parse; the model frees it */
};

struct tcp_middleware {
    struct element element;
    struct tcp_middleware_config config;
};

struct tcp_service {
    struct element element;
    struct tcp_service_config config;
};

struct tcp_transport {
    struct element element;
    struct tcp_transport_config config;
};

struct udp_router {
    struct element element;
    struct udp_router_config config;
    struct list entry_points; /* struct slice: those that it is for, after defaults and checks */
};

struct udp_service {
    struct element element;
    struct udp_service_config config;
};

struct tls_keypair { /* named by its provider: "certificates[0]", "NAMESPACE/SECRET" */
    struct element element;
    struct tls_certificate config;
};

/* Options and stores called "default" keep that name when models are merged: they are for all providers. */
struct tls_options {
    struct element element;
    struct tls_options_config config;
};

struct tls_store {
    struct element element;
    struct tls_store_config config;
};

struct layer4_type {
    const char *name, *plural; /* "TCP router": for messages */
    const struct schema *schema;
    size_t size;   /* of the object; struct element is its first member */
    size_t config; /* offset of its options */
};

extern const struct layer4_type layer4_types[LAYER4_KINDS];

struct layer4_objects { /* pointers to objects of one kind, sorted by name after model_sort() */
    struct element **items;
    size_t count, capacity;
};

/* A new zeroed object with name and provider copied into the pool; schema_defaults() is the caller's. */
void *layer4_add(struct model *model, enum layer4_kind kind, struct slice name, struct slice provider);
void *layer4_config(enum layer4_kind kind, const struct element *element);
/* By name, after model_sort(); NULL when there is none. */
void *layer4_find(const struct model *model, enum layer4_kind kind, struct slice name);

/* For model.c. */
void layer4_sort(struct model *model);
void layer4_free(struct model *model); /* what lives outside of the pool */

#endif
