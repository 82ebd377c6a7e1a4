/*
 * static.h - the static configuration: entry points, providers, logs, timeouts. Traefik's names.
 *
 * Decoded from flags, environment or file by master/static; what workers need of it (entry points, server
 * defaults) is packed into the static page with the same tables. Options of later steps have rows too, so
 * that a manifest of today's users is understood; what has no effect yet is SCHEMA_NOT_SERVED and said.
 */
#ifndef WEIR_COMMON_MODEL_STATIC_H
#define WEIR_COMMON_MODEL_STATIC_H

#include "common/model/dynamic.h"
#include "common/schema/schema.h"

struct life_cycle {
    int64_t request_accept_grace_timeout; /* ns, default 0 */
    int64_t grace_time_out;               /* ns, default 10s */
};

struct responding_timeouts {
    int64_t read_timeout;  /* ns, default 60s: whole request including body; 0 none */
    int64_t write_timeout; /* ns, default 0 */
    int64_t idle_timeout;  /* ns, default 180s: keep-alive idle */
};

struct entry_point_transport {
    struct life_cycle life_cycle;
    struct responding_timeouts responding_timeouts;
    int64_t keep_alive_max_time;     /* ns, 0 none */
    int64_t keep_alive_max_requests; /* 0 none */
};

struct trusted_peers {
    bool insecure;
    struct list trusted_ips; /* struct slice: address or CIDR */
};

struct forwarded_headers {
    bool insecure;
    struct list trusted_ips; /* struct slice */
    struct list connection;  /* struct slice */
    bool not_append_x_forwarded_for;
    bool add_x_forwarded_scheme_headers;
};

struct redirect_entry_point {
    struct slice to, scheme; /* scheme default "https" */
    bool permanent;          /* default true */
    int64_t priority;        /* default MaxInt64 - 1 */
};

struct redirections {
    struct redirect_entry_point *entry_point;
};

struct encoded_characters { /* all default true */
    bool allow_encoded_slash, allow_encoded_back_slash, allow_encoded_null_character, allow_encoded_semicolon,
        allow_encoded_percent, allow_encoded_question_mark, allow_encoded_hash;
};

struct entry_point_http {
    struct redirections *redirections;
    struct list middlewares; /* struct slice */
    struct router_tls *tls;
    struct encoded_characters encoded_characters;
    bool encode_query_semicolons;
    bool sanitize_path;                       /* default true */
    int64_t max_header_bytes;                 /* default 1048576 */
    struct slice underscore_headers_strategy; /* keep, delete, reject */
};

struct http2_config {
    int64_t max_concurrent_streams, max_decoder_header_table_size, max_encoder_header_table_size;
};

struct http3_config {
    int64_t advertised_port;
};

struct entry_point {
    struct slice address; /* ":80", "127.0.0.1:8000/tcp", ":53/udp" */
    bool allow_acme_by_pass, reuse_port, as_default;
    struct entry_point_transport transport;
    struct trusted_peers *proxy_protocol;
    struct forwarded_headers forwarded_headers;
    struct entry_point_http http;
    struct http2_config http2;
    struct http3_config *http3;
    int64_t udp_timeout;
    struct router_observability observability;
};

struct file_provider {
    struct slice directory, filename;
    bool watch; /* default true */
    bool debug_log_generated_template;
};

struct ingress_endpoint { /* what is written into the status of Ingresses */
    struct slice ip, hostname, published_service;
};

/* The providers that read Kubernetes objects; not every option exists in each: static_providers.c. */
struct kubernetes_provider {
    struct slice manifests; /* ours: a directory or file of YAML instead of an API server */
    struct slice endpoint, token, cert_auth_file_path;
    bool disable_cluster_scope_resources;
    struct list namespaces; /* struct slice */
    bool allow_cross_namespace, allow_external_name_services;
    struct slice label_selector, ingress_class;
    int64_t throttle_duration;
    bool allow_empty_services, native_lb_by_default;
    struct list cross_provider_namespaces;
    bool status; /* ours: what became of the objects is written into the cluster */
    /* kubernetesIngress only */
    struct ingress_endpoint *ingress_endpoint;
    bool report_node_internal_ips, disable_ingress_class_lookup, strict_prefix_matching;
    struct { /* what only [kubernetes] of Traefik 1 had */
        bool disable_pass_host_headers, enable_pass_tls_cert;
        struct doc *others;
    } legacy;
};

struct rest_provider {
    bool insecure;
};

struct unserved; /* options that are checked and not acted upon (rows.h); only its presence means something */

struct providers {
    int64_t
        throttle_duration; /* providersThrottleDuration, default 2s; ours applies the first change at once */
    struct list
        precedence; /* struct slice: lower-case provider names; the first wins between equal priorities */
    struct file_provider *file;
    struct kubernetes_provider *kubernetes_crd, *kubernetes_ingress;
    /* understood, not served by this build */
    struct rest_provider *rest;
    struct unserved *kubernetes_gateway, *kubernetes_ingress_nginx, *knative;
    struct unserved *docker, *swarm, *consul_catalog, *nomad, *ecs, *consul, *etcd, *zookeeper, *redis, *http;
    struct doc *plugin, *removed;
};

struct log_config {
    struct slice level, format, file_path; /* default ERROR, common, stdout */
    bool no_color;
    int64_t max_size, max_age, max_backups;
    bool compress;
    struct unserved *otlp;
};

struct ping_config {
    struct slice entry_point; /* default traefik */
    bool manual_routing;
    int64_t terminating_status_code;
};

struct api_config {
    struct slice base_path;
    bool insecure, dashboard, debug, disable_dashboard_ad;
    struct slice dashboard_name;
};

struct prometheus_config {
    struct slice entry_point; /* default traefik */
    bool manual_routing;
    bool add_entry_points_labels, add_routers_labels, add_services_labels;
    struct list buckets; /* struct slice */
    struct string_map header_labels;
};

struct metrics_config {
    bool add_internals;
    struct prometheus_config *prometheus;
    struct unserved *datadog, *statsd, *influxdb2, *otlp, *removed;
};

struct ocsp_config {
    struct string_map responder_overrides; /* who is asked, by the URL that a certificate names */
};

struct limits_config {
    int64_t memory; /* bytes, 0: none of our own */
    int64_t spool;  /* bytes, 0: nothing goes to a disk */
};

struct core_config {
    struct slice default_rule_syntax; /* v3, v2; empty when not written */
};

struct global_config {
    bool check_new_version, send_anonymous_usage, not_append_x_forwarded_for;
};

/* Spellings of Traefik 1.x and 2.x. */
struct legacy_config {
    struct slice log_level;           /* --logLevel: used as log.level when that is not written */
    struct doc *kubernetes;           /* --kubernetes: stands for providers.kubernetesIngress */
    struct list default_entry_points; /* struct slice: stands for entryPoints.NAME.asDefault */
    struct doc *others;               /* without effect */
};

struct plugin_config { /* a name of plugins and the module behind it */
    struct slice module_name;
    struct slice version, hash; /* without effect: modules are part of the build */
    struct unserved *settings;
};

struct experimental_config {
    struct map plugins, local_plugins; /* struct plugin_config */
    bool abort_on_plugin_failure;      /* this one and the following: without effect */
    struct unserved *fast_proxy;
    bool otlp_logs, knative, kubernetes_ingress_nginx, kubernetes_gateway, http3;
    struct doc *hub;
};

struct static_config {
    struct map entry_points; /* struct entry_point */
    struct providers providers;
    struct servers_transport_config servers_transport;
    struct tcp_transport_config *tcp_servers_transport; /* NULL: its defaults hold */
    struct log_config *log;
    struct ping_config *ping;
    struct api_config *api;
    struct core_config core;
    struct global_config global;
    struct metrics_config *metrics;
    struct experimental_config *experimental;
    /* understood, not served by this build */
    struct unserved *access_log, *tracing, *host_resolver, *spiffe;
    struct ocsp_config *ocsp;
    struct map certificates_resolvers; /* of their own file, which is asked: static_tls_challenge() */
    struct legacy_config legacy;
    struct limits_config limits; /* ours */
    int64_t workers;             /* ours: --workers; 0 means one per core that we may use */
    struct slice state_dir;      /* ours */
    struct slice spool_dir;      /* ours */
    struct slice config_file;
};

/* Whether a certificates resolver proves control in TLS handshakes, so that acme-tls/1 is asked of weir itself. */
bool static_tls_challenge(const struct static_config *config);

extern const struct schema static_schema, entry_point_schema;

/* Tables of the other files of this folder. */
extern const struct schema
    legacy_kubernetes_schema; /* struct kubernetes_provider: [kubernetes] of Traefik 1 */
extern const struct schema providers_schema, metrics_schema, log_schema, access_log_schema, tracing_schema;
extern const struct schema certificates_resolver_schema, experimental_schema, ocsp_schema, limits_schema;

#endif
