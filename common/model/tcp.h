/*
 * tcp.h - what stands under `tcp:` in a dynamic configuration: routers by SNI, services, middlewares, transports.
 *
 * Names and defaults as in Traefik. Not here: the objects that a provider makes of them (dynamic.h).
 */
#ifndef WEIR_COMMON_MODEL_TCP_H
#define WEIR_COMMON_MODEL_TCP_H

#include "common/schema/schema.h"

struct tcp_router_tls {
    bool passthrough;
    struct slice options, cert_resolver;
    struct list domains; /* struct tls_domain */
};

struct tcp_router_config {
    struct list entry_points; /* struct slice */
    struct list middlewares;  /* struct slice */
    struct slice service, rule, rule_syntax;
    int64_t priority; /* 0: length of the rule */
    struct tcp_router_tls *tls;
};

struct tcp_server {
    struct slice address; /* HOST:PORT */
    bool tls;
};

struct proxy_protocol {
    int64_t version; /* 1 or 2 */
};

#define TCP_HEALTH_TEXT_MOST 65535u /* bytes; longer ones are left out, as in Traefik */

struct tcp_health_check {
    int64_t port;
    struct slice send, expect;
    int64_t interval, timeout;
    int64_t unhealthy_interval; /* nanoseconds; 0: as interval */
};

struct tcp_load_balancer {
    struct list servers; /* struct tcp_server */
    struct slice servers_transport;
    struct proxy_protocol *proxy_protocol; /* deprecated upstream: it belongs to the transport */
    struct opt_int termination_delay;      /* milliseconds; deprecated likewise */
    struct tcp_health_check *health_check;
};

struct tcp_weighted {
    struct list services;               /* struct weighted_service (dynamic.h) */
    struct health_signal *health_check; /* dynamic.h */
};

struct tcp_service_config {
    struct tcp_load_balancer *load_balancer;
    struct tcp_weighted *weighted;
};

struct tcp_in_flight_conn {
    int64_t amount;
};

struct tcp_ip_list {
    struct list source_range; /* struct slice */
};

struct tcp_middleware_config { /* exactly one is set */
    struct tcp_in_flight_conn *in_flight_conn;
    struct tcp_ip_list *ip_white_list;
    struct tcp_ip_list *ip_allow_list;
};

struct tcp_client_tls {
    struct slice server_name;
    bool insecure_skip_verify;
    struct list root_cas;     /* struct slice */
    struct list certificates; /* struct tls_certificate_file (dynamic.h) */
    struct slice peer_cert_uri;
    struct list peer_cert_sans; /* struct peer_cert_san (dynamic.h) */
    struct doc *spiffe;
};

struct tcp_transport_config {
    int64_t dial_keep_alive, dial_timeout, termination_delay;
    struct proxy_protocol *proxy_protocol;
    struct tcp_client_tls *tls;
};

/* What a user writes under `tcp:` in a dynamic file. */
struct tcp_section {
    struct map routers;            /* struct tcp_router_config */
    struct map services;           /* struct tcp_service_config */
    struct map middlewares;        /* struct tcp_middleware_config */
    struct map servers_transports; /* struct tcp_transport_config */
};

extern const struct schema tcp_router_schema, tcp_service_schema, tcp_middleware_schema,
    tcp_servers_transport_schema, tcp_section_schema;
extern const struct schema tcp_load_balancer_schema, proxy_protocol_schema;

#endif
