/*
 * kubernetes_crd_schema.c - the tables of kubernetes_crd_schema.h: one row for each field of a custom resource.
 *
 * Middlewares have the tables of common/model/middlewares*.c, but for those that refer to other objects: their tables
 * are here. Not here: what a field does (kubernetes_crd_*.c).
 */
#include "master/provider/kubernetes_crd_schema.h"

#include "common/model/strategies.h"

#define FIELD(label, kind_, type, member, ...)                                                               \
    {                                                                                                        \
        .name = (label), .kind = SCHEMA_##kind_, .offset = offsetof(type, member), __VA_ARGS__               \
    }

static const struct schema_field reference_fields[] = {
    FIELD("name", STRING, struct crd_reference, name, .flags = SCHEMA_REQUIRED,
          .text = "Name of the object."),
    FIELD("namespace", STRING, struct crd_reference, namespace,
          .text = "Its namespace, when it is another (needs allowCrossNamespace)."),
};
const struct schema crd_reference_schema = SCHEMA(struct crd_reference, "reference", reference_fields);

static const char *const service_kinds[] = {"Service", "TraefikService", "", NULL};
#define STRATEGY(identifier, name, kind, words) name,
static const char *const strategies[] = {STRATEGIES(STRATEGY) "RoundRobin", "", NULL};
#undef STRATEGY
static const char *const schemes[] = {"http", "https", "h2c", "", NULL};

/* The fields of a reference to a service, in struct `type` behind `at` (empty, or "service." for one that is part of more). */
#define SERVICE_FIELDS(type, at)                                                                             \
    FIELD("name", STRING, type, at name, .flags = SCHEMA_REQUIRED,                                           \
          .text = "Name of the Service or TraefikService."),                                                 \
        FIELD("kind", ENUM, type, at kind, .choices = service_kinds,                                         \
              .text = "Service (when empty) or TraefikService."),                                            \
        FIELD("namespace", STRING, type, at namespace, .text = "Its namespace, when it is another."),        \
        FIELD("middlewares", LIST, type, at middlewares, .sub = &crd_reference_schema,                       \
              .text = "Middlewares of this service, run after the route's."),                                \
        FIELD("sticky", OPTIONAL, type, at sticky, .flags = SCHEMA_ALLOW_EMPTY, .sub = &sticky_schema,       \
              .text = "Keep a client on its server."),                                                       \
        FIELD("port", DOC, type, at port, .flags = SCHEMA_INT_OR_STRING,                                     \
              .text = "Port of the Service: number or name."),                                               \
        FIELD(                                                                                               \
            "scheme", ENUM, type, at scheme, .choices = schemes,                                             \
            .text =                                                                                          \
                "http, https or h2c; https when empty and the port is 443 or its name begins with https."),  \
        FIELD("strategy", ENUM, type, at strategy, .choices = strategies,                                    \
              .text = "How a server is picked."),                                                            \
        FIELD("passHostHeader", OPT_BOOL, type, at pass_host_header,                                         \
              .text = "Send the client's Host header on (default)."),                                        \
        FIELD("responseForwarding", OPTIONAL, type, at response_forwarding, .flags = SCHEMA_ALLOW_EMPTY,     \
              .sub = &response_forwarding_schema, .text = "How bodies of responses are passed on."),         \
        FIELD("serversTransport", STRING, type, at servers_transport,                                        \
              .text = "Name of a ServersTransport."),                                                        \
        FIELD("weight", OPT_INT, type, at weight, .min = 0, .max = INT32_MAX,                                \
              .text = "Share of the requests (default 1)."),                                                 \
        FIELD("nativeLB", OPT_BOOL, type, at native_lb,                                                      \
              .text = "Send to the cluster address instead of the pods."),                                   \
        FIELD("nodePortLB", BOOL, type, at node_port_lb,                                                     \
              .text = "Send to the nodes' ports instead of the pods."),                                      \
        FIELD("healthCheck", OPTIONAL, type, at health_check, .flags = SCHEMA_ALLOW_EMPTY,                   \
              .sub = &health_check_schema,                                                                   \
              .text = "Ask the servers regularly; for Services of type ExternalName only."),                 \
        FIELD("passiveHealthCheck", OPTIONAL, type, at passive_health_check, .flags = SCHEMA_ALLOW_EMPTY,    \
              .sub = &passive_health_check_schema, .text = "Leave out servers whose answers fail."),         \
        FIELD("slowStart", DURATION, type, at slow_start,                                                    \
              .text = "Own option: for so long the share of a server that is new, or up again, grows.")

static const struct schema_field service_fields[] = {SERVICE_FIELDS(struct crd_service, )};
const struct schema crd_service_schema = SCHEMA(struct crd_service, "service", service_fields);

/* ---- IngressRoute ---- */

static const char *const route_kinds[] = {"Rule", "", NULL};

static const struct schema_field route_fields[] = {
    FIELD("match", STRING, struct crd_route, match, .flags = SCHEMA_REQUIRED,
          .text = "Which requests the route takes."),
    FIELD("kind", ENUM, struct crd_route, kind, .choices = route_kinds, .text = "Rule, the only kind."),
    FIELD("priority", INT, struct crd_route, priority,
          .text = "Which route is asked first; 0: length of the rule."),
    FIELD("syntax", STRING, struct crd_route, syntax, .text = "Version of the rule language: v3 or v2."),
    FIELD("services", LIST, struct crd_route, services, .sub = &crd_service_schema, .text = "Who answers."),
    FIELD("middlewares", LIST, struct crd_route, middlewares, .sub = &crd_reference_schema,
          .text = "Middlewares in the order of the request."),
    FIELD("observability", OPTIONAL, struct crd_route, observability,
          .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_NOT_SERVED, .sub = &router_observability_schema,
          .text = "What is recorded of the route's requests."),
};
const struct schema crd_route_schema = SCHEMA(struct crd_route, "route", route_fields);

static const struct schema_field tls_fields[] = {
    FIELD("secretName", STRING, struct crd_tls, secret_name, .text = "Secret with the certificate."),
    FIELD("options", OPTIONAL, struct crd_tls, options, .sub = &crd_reference_schema, .text = "A TLSOption."),
    FIELD("store", OPTIONAL, struct crd_tls, store, .sub = &crd_reference_schema,
          .text = "A TLSStore: default only."),
    FIELD("certResolver", STRING, struct crd_tls, cert_resolver, .text = "Certificates resolver."),
    FIELD("domains", LIST, struct crd_tls, domains, .sub = &tls_domain_schema,
          .text = "Names to get certificates for."),
};
static const struct schema crd_tls_schema = SCHEMA(struct crd_tls, "tls", tls_fields);

static const struct schema_field ingress_route_fields[] = {
    FIELD("ingressClassName", STRING, struct crd_ingress_route, ingress_class_name,
          .text = "Which router shall serve it."),
    FIELD("entryPoints", STRINGS, struct crd_ingress_route, entry_points,
          .text = "Entry points; all default ones when empty."),
    FIELD("routes", DOC, struct crd_ingress_route, routes, .flags = SCHEMA_REQUIRED, .sub = &crd_route_schema,
          .text = "The routes."),
    FIELD("tls", OPTIONAL, struct crd_ingress_route, tls, .flags = SCHEMA_ALLOW_EMPTY, .sub = &crd_tls_schema,
          .text = "When there (even empty), the routes take TLS connections only."),
    FIELD("parentRefs", LIST, struct crd_ingress_route, parent_refs, .sub = &crd_reference_schema,
          .text = "IngressRoutes that hand their requests on to this one."),
};
const struct schema crd_ingress_route_schema =
    SCHEMA(struct crd_ingress_route, "ingressRoute", ingress_route_fields);

/* ---- TraefikService ---- */

static const struct schema_field weighted_fields[] = {
    FIELD("services", LIST, struct crd_weighted, services, .sub = &crd_service_schema,
          .text = "The services, with weights."),
    FIELD("sticky", OPTIONAL, struct crd_weighted, sticky, .flags = SCHEMA_ALLOW_EMPTY, .sub = &sticky_schema,
          .text = "Keep a client on its service."),
};
static const struct schema crd_weighted_schema = SCHEMA(struct crd_weighted, "weighted", weighted_fields);

static const struct schema_field hashed_fields[] = {
    FIELD("services", LIST, struct crd_weighted, services, .sub = &crd_service_schema,
          .text = "The services, with weights."),
};
static const struct schema crd_hashed_schema =
    SCHEMA(struct crd_weighted, "highestRandomWeight", hashed_fields);

static const struct schema_field mirror_fields[] = {
    SERVICE_FIELDS(struct crd_mirror, service.),
    FIELD("percent", INT, struct crd_mirror, percent, .min = 0, .max = 100,
          .text = "Part of the requests that is copied."),
};
static const struct schema crd_mirror_schema = SCHEMA(struct crd_mirror, "mirror", mirror_fields);

static const struct schema_field mirroring_fields[] = {
    SERVICE_FIELDS(struct crd_mirroring, service.),
    FIELD("mirrorBody", OPT_BOOL, struct crd_mirroring, mirror_body, .fallback = "true",
          .text = "Copy bodies too."),
    FIELD("maxBodySize", OPT_INT, struct crd_mirroring, max_body_size, .fallback = "-1", .min = -1,
          .max = 9.3e18, .text = "Requests with a larger body are not copied; -1: no bound."),
    FIELD("mirrors", LIST, struct crd_mirroring, mirrors, .sub = &crd_mirror_schema,
          .text = "Services that get copies."),
};
static const struct schema crd_mirroring_schema = SCHEMA(struct crd_mirroring, "mirroring", mirroring_fields);

static const struct schema_field failover_errors_fields[] = {
    FIELD("status", STRINGS, struct crd_failover_errors, status, .text = "Statuses that count as failed."),
    FIELD("maxRequestBodyBytes", OPT_INT, struct crd_failover_errors, max_request_body_bytes,
          .fallback = "-1", .min = -1, .max = 9.3e18,
          .text = "Larger requests are not tried again; -1: no bound."),
};
static const struct schema crd_failover_errors_schema =
    SCHEMA(struct crd_failover_errors, "failoverErrors", failover_errors_fields);

static const struct schema_field failover_fields[] = {
    FIELD("service", STRUCT, struct crd_failover, service, .sub = &crd_service_schema,
          .text = "Who answers while well."),
    FIELD("fallback", STRUCT, struct crd_failover, fallback, .sub = &crd_service_schema,
          .text = "Who answers otherwise."),
    FIELD("errors", STRUCT, struct crd_failover, errors, .sub = &crd_failover_errors_schema,
          .text = "What counts as failed."),
};
static const struct schema crd_failover_schema = SCHEMA(struct crd_failover, "failover", failover_fields);

static const struct schema_field traefik_service_fields[] = {
    FIELD("weighted", OPTIONAL, struct crd_traefik_service, weighted, .sub = &crd_weighted_schema,
          .text = "Spreads requests over services by weight."),
    FIELD("mirroring", OPTIONAL, struct crd_traefik_service, mirroring, .sub = &crd_mirroring_schema,
          .text = "Sends copies of requests to other services."),
    FIELD("highestRandomWeight", OPTIONAL, struct crd_traefik_service, highest_random_weight,
          .sub = &crd_hashed_schema, .text = "Spreads clients over services by their address."),
    FIELD("failover", OPTIONAL, struct crd_traefik_service, failover, .sub = &crd_failover_schema,
          .text = "Goes over to another service."),
};
const struct schema crd_traefik_service_schema =
    SCHEMA(struct crd_traefik_service, "traefikService", traefik_service_fields);

/* ---- Middleware: what refers to other objects ---- */

static const struct schema_field chain_fields[] = {
    FIELD("middlewares", LIST, struct crd_chain, middlewares, .sub = &crd_reference_schema,
          .text = "The members, in order."),
};
const struct schema crd_chain_schema = SCHEMA(struct crd_chain, "chain", chain_fields);

static const struct schema_field auth_fields[] = {
    FIELD("secret", STRING, struct crd_auth, secret,
          .text = "Secret with the users: lines under its only key, or of type kubernetes.io/basic-auth."),
    FIELD("realm", STRING, struct crd_auth, realm, .text = "The realm; traefik when empty."),
    FIELD("removeHeader", BOOL, struct crd_auth, remove_header, .text = "Do not pass Authorization on."),
    FIELD("headerField", STRING, struct crd_auth, header_field,
          .text = "Header that tells the server the name of the user."),
};
const struct schema crd_auth_schema = SCHEMA(struct crd_auth, "auth", auth_fields);

static const struct schema_field client_tls_fields[] = {
    FIELD("caSecret", STRING, struct crd_client_tls, ca_secret,
          .text = "Secret with the authority of the server."),
    FIELD("certSecret", STRING, struct crd_client_tls, cert_secret,
          .text = "Secret with the certificate that is shown to it."),
    FIELD("insecureSkipVerify", BOOL, struct crd_client_tls, insecure_skip_verify,
          .text = "Believe any certificate."),
    FIELD("caOptional", OPT_BOOL, struct crd_client_tls, ca_optional, .flags = SCHEMA_DEPRECATED,
          .text = "Without effect; remove it."),
};
const struct schema crd_client_tls_schema = SCHEMA(struct crd_client_tls, "clientTLS", client_tls_fields);

#define REDIS(label, kind_, member, ...) FIELD(label, kind_, struct crd_redis, member, __VA_ARGS__)
#define REDIS_COUNT(label, member, text_) REDIS(label, INT, member, .min = 0, .max = INT32_MAX, .text = text_)

static const struct schema_field redis_fields[] = {
    REDIS("endpoints", STRINGS, endpoints, .fallback = "localhost:6379",
          .text = "HOST:PORT; several are a cluster."),
    REDIS("tls", OPTIONAL, tls, .flags = SCHEMA_ALLOW_EMPTY, .sub = &crd_client_tls_schema,
          .text = "How it is spoken to over TLS."),
    REDIS("secret", STRING, secret, .text = "Secret with username and password."),
    REDIS_COUNT("db", db, "Number of the database."),
    REDIS_COUNT("poolSize", pool_size, "Connections; 10 a processor when 0."),
    REDIS_COUNT("minIdleConns", min_idle_conns, "Idle connections that are kept."),
    REDIS_COUNT("maxActiveConns", max_active_conns, "Connections at most; 0 for no bound."),
    REDIS("readTimeout", DURATION, read_timeout, .fallback = "3s", .text = "How long reading may take."),
    REDIS("writeTimeout", DURATION, write_timeout, .fallback = "3s", .text = "How long writing may take."),
    REDIS("dialTimeout", DURATION, dial_timeout, .fallback = "5s", .text = "How long connecting may take."),
};
const struct schema crd_redis_schema = SCHEMA(struct crd_redis, "redis", redis_fields);

/* ---- ServersTransport ---- */

static const struct schema_field root_ca_fields[] = {
    FIELD("secret", STRING, struct crd_root_ca, secret,
          .text = "Secret with the authority under tls.ca or ca.crt."),
    FIELD("configMap", STRING, struct crd_root_ca, config_map, .text = "ConfigMap with the authority."),
};
const struct schema crd_root_ca_schema = SCHEMA(struct crd_root_ca, "rootCA", root_ca_fields);

#define TRANSPORT(label, kind_, member, ...)                                                                 \
    FIELD(label, kind_, struct crd_servers_transport, member, __VA_ARGS__)

static const struct schema_field servers_transport_fields[] = {
    TRANSPORT("serverName", STRING, server_name, .text = "Name asked for in the TLS handshake."),
    TRANSPORT("insecureSkipVerify", BOOL, insecure_skip_verify,
              .text = "Believe any certificate of a server."),
    TRANSPORT("rootCAs", LIST, root_cas, .sub = &crd_root_ca_schema,
              .text = "Authorities of the servers' certificates."),
    TRANSPORT("rootCAsSecrets", STRINGS, root_cas_secrets, .flags = SCHEMA_DEPRECATED,
              .text = "write rootCAs instead"),
    TRANSPORT("certificatesSecrets", STRINGS, certificates_secrets,
              .text = "Secrets with certificates shown to servers."),
    TRANSPORT("cipherSuites", STRINGS, cipher_suites, .text = "Cipher suites offered to servers."),
    TRANSPORT("minVersion", STRING, min_version, .text = "Lowest TLS version: VersionTLS12..."),
    TRANSPORT("maxVersion", STRING, max_version, .text = "Highest TLS version."),
    TRANSPORT("maxIdleConnsPerHost", INT, max_idle_conns_per_host, .min = -1, .max = INT32_MAX,
              .text = "Idle connections kept for each server."),
    TRANSPORT("forwardingTimeouts", OPTIONAL, forwarding_timeouts, .flags = SCHEMA_DEFAULT_ON,
              .sub = &forwarding_timeouts_schema, .text = "Bounds on waiting for servers."),
    TRANSPORT("disableHTTP2", BOOL, disable_http2, .text = "Never speak HTTP/2 to servers."),
    TRANSPORT("peerCertURI", STRING, peer_cert_uri, .text = "URI that the server's certificate must carry."),
    TRANSPORT("peerCertSANs", LIST, peer_cert_sans, .sub = &peer_cert_san_schema,
              .text = "Names, one of which the server's certificate must carry."),
    TRANSPORT("spiffe", DOC, spiffe, .text = "Check servers by SPIFFE identities."),
};
const struct schema crd_servers_transport_schema =
    SCHEMA(struct crd_servers_transport, "serversTransport", servers_transport_fields);
