/*
 * kubernetes_crd_schema.h - what the `spec` of Traefik's custom resources holds, as Traefik 3.7 defines it.
 *
 * Parts that the file provider knows too (sticky, health checks, timeouts) use its tables. Fields that are an integer or a
 * text (ports) stay documents: which of the two it is has a meaning.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_CRD_SCHEMA_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_CRD_SCHEMA_H

#include "common/model/dynamic.h"

struct crd_reference {
    struct slice name, namespace;
};

struct crd_service {
    struct slice name, kind, namespace, scheme, strategy, servers_transport;
    struct doc *port;        /* number or name */
    struct list middlewares; /* struct crd_reference */
    struct opt_int weight;
    struct opt_bool pass_host_header, native_lb;
    bool node_port_lb;
    struct sticky *sticky;
    struct response_forwarding *response_forwarding;
    struct health_check *health_check;
    struct passive_health_check *passive_health_check;
    int64_t slow_start; /* ns */
};

struct crd_route {
    struct slice match, kind, syntax;
    int64_t priority;
    struct list services;    /* struct crd_service */
    struct list middlewares; /* struct crd_reference */
    struct router_observability *observability;
};

struct crd_tls {
    struct slice secret_name, cert_resolver;
    struct crd_reference *options, *store;
    struct list domains; /* struct tls_domain */
};

struct crd_ingress_route {
    struct slice ingress_class_name;
    struct list entry_points; /* struct slice */
    struct doc *routes;       /* decoded one by one, so that a bad route takes no other down */
    struct crd_tls *tls;
    struct list parent_refs; /* struct crd_reference */
};

struct crd_weighted {
    struct list services; /* struct crd_service */
    struct sticky *sticky;
};

struct crd_mirror {
    struct crd_service service;
    int64_t percent;
};

struct crd_mirroring {
    struct crd_service service;
    struct opt_bool mirror_body;
    struct opt_int max_body_size;
    struct list mirrors; /* struct crd_mirror */
};

struct crd_failover_errors {
    struct list status; /* struct slice */
    struct opt_int max_request_body_bytes;
};

struct crd_failover {
    struct crd_service service, fallback;
    struct crd_failover_errors errors;
};

struct crd_traefik_service {
    struct crd_weighted *weighted;
    struct crd_mirroring *mirroring;
    struct crd_weighted *highest_random_weight;
    struct crd_failover *failover;
};

struct crd_chain {
    struct list middlewares; /* struct crd_reference */
};

struct crd_auth { /* basicAuth, digestAuth */
    struct slice secret, realm, header_field;
    bool remove_header;
};

struct crd_client_tls {
    struct slice ca_secret, cert_secret;
    bool insecure_skip_verify;
    struct opt_bool ca_optional;
};

struct crd_redis {
    struct list endpoints; /* struct slice */
    struct crd_client_tls *tls;
    struct slice secret; /* user name and password */
    int64_t db, pool_size, min_idle_conns, max_active_conns;
    int64_t read_timeout, write_timeout, dial_timeout;
};

struct crd_root_ca {
    struct slice secret, config_map;
};

struct crd_servers_transport {
    struct slice server_name, min_version, max_version, peer_cert_uri;
    bool insecure_skip_verify, disable_http2;
    struct list root_cas;             /* struct crd_root_ca */
    struct list root_cas_secrets;     /* struct slice */
    struct list certificates_secrets; /* struct slice */
    struct list cipher_suites;        /* struct slice */
    int64_t max_idle_conns_per_host;
    struct forwarding_timeouts *forwarding_timeouts;
    struct list peer_cert_sans; /* struct peer_cert_san */
    struct doc *spiffe;
};

extern const struct schema crd_ingress_route_schema, crd_route_schema, crd_traefik_service_schema,
    crd_chain_schema, crd_servers_transport_schema;
extern const struct schema crd_reference_schema, crd_root_ca_schema, crd_service_schema, crd_auth_schema,
    crd_client_tls_schema, crd_redis_schema;

#endif
