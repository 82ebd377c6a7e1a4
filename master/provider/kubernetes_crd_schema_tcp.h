/*
 * kubernetes_crd_schema_tcp.h - what the `spec` of the custom resources for TCP, UDP and TLS holds.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_CRD_SCHEMA_TCP_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_CRD_SCHEMA_TCP_H

#include "master/provider/kubernetes_crd_schema.h"

struct crd_layer4_service { /* of TCP or UDP; UDP has no more than what Services have in common */
    struct slice name, namespace;
    struct doc *port; /* number or name */
    struct opt_int weight;
    struct opt_bool native_lb;
    bool node_port_lb;
    struct opt_int termination_delay; /* milliseconds */
    struct proxy_protocol *proxy_protocol;
    struct slice servers_transport;
    bool tls;
};

struct crd_tcp_route {
    struct slice match, syntax;
    int64_t priority;
    struct list services;    /* struct crd_layer4_service */
    struct list middlewares; /* struct crd_reference */
};

struct crd_tcp_tls {
    struct slice secret_name, cert_resolver;
    bool passthrough;
    struct crd_reference *options, *store;
    struct list domains; /* struct tls_domain */
};

struct crd_layer4_route { /* IngressRouteTCP, IngressRouteUDP */
    struct slice ingress_class_name;
    struct list entry_points; /* struct slice */
    struct doc *routes;       /* decoded one by one, so that a bad route takes no other down */
    struct crd_tcp_tls *tls;  /* TCP */
};

struct crd_udp_route {
    struct list services; /* struct crd_layer4_service */
};

struct crd_tcp_transport_tls {
    struct slice server_name, peer_cert_uri;
    bool insecure_skip_verify;
    struct list root_cas;             /* struct crd_root_ca */
    struct list root_cas_secrets;     /* struct slice */
    struct list certificates_secrets; /* struct slice */
    struct list peer_cert_sans;       /* struct peer_cert_san */
    struct doc *spiffe;
};

struct crd_tcp_transport {
    int64_t dial_timeout, dial_keep_alive, termination_delay;
    struct proxy_protocol *proxy_protocol;
    struct crd_tcp_transport_tls *tls;
};

struct crd_client_auth {
    struct list secret_names; /* struct slice */
    struct slice type;
};

struct crd_tls_option {
    struct tls_options_config options; /* but for the authorities of client_auth */
    struct crd_client_auth client_auth;
};

struct crd_certificate {
    struct slice secret_name;
};

struct crd_tls_store {
    struct crd_certificate *default_certificate;
    struct tls_generated_certificate *default_generated_cert;
    struct list certificates; /* struct crd_certificate */
};

extern const struct schema crd_ingress_route_tcp_schema, crd_tcp_route_schema, crd_ingress_route_udp_schema,
    crd_udp_route_schema, crd_tcp_transport_schema, crd_tls_option_schema, crd_tls_store_schema;

#endif
