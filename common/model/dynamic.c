/*
 * dynamic.c - the options of routers, services and servers transports: one row each, names and defaults as in Traefik.
 *
 * The order of the rows is the order of the fields in the API's JSON.
 * Not here: middlewares (middlewares.c), the objects themselves (model.c).
 */
#include "common/model/dynamic.h"

#include <errno.h>

#include "common/http/headers.h"
#include "common/model/rows.h"

/* ---- routers ---- */

static const struct schema_field tls_domain_fields[] = {
    ROW("main", STRING, struct tls_domain, main, .flags = OMIT, .text = "Main name of the certificate."),
    ROW("sans", STRINGS, struct tls_domain, sans, .flags = OMIT, .text = "Further names of the certificate."),
};
const struct schema tls_domain_schema = SCHEMA(struct tls_domain, "tlsDomain", tls_domain_fields);

static const struct schema_field router_tls_fields[] = {
    ROW("options", STRING, struct router_tls, options, .flags = OMIT, .text = "Name of the TLS options."),
    ROW("certResolver", STRING, struct router_tls, cert_resolver, .flags = OMIT | SCHEMA_NOT_SERVED,
        .text = "Certificates resolver that gets the certificates."),
    ROW("domains", LIST, struct router_tls, domains, .flags = OMIT, .sub = &tls_domain_schema,
        .text = "Names to get certificates for, instead of those of the rule."),
};
const struct schema router_tls_schema = SCHEMA(struct router_tls, "routerTls", router_tls_fields);

static const char *const trace_verbosities[] = {"minimal", "detailed", NULL};

static const struct schema_field observability_fields[] = {
    ROW("accessLogs", OPT_BOOL, struct router_observability, access_logs, .flags = OMIT,
        .text = "Write access log lines for this router."),
    ROW("metrics", OPT_BOOL, struct router_observability, metrics, .flags = OMIT,
        .text = "Count this router's requests."),
    ROW("tracing", OPT_BOOL, struct router_observability, tracing, .flags = OMIT,
        .text = "Make spans for this router's requests."),
    ROW("traceVerbosity", ENUM, struct router_observability, trace_verbosity, .flags = OMIT,
        .fallback = "minimal", .choices = trace_verbosities, .text = "How many spans a request gets."),
};

static const struct schema_field ingress_metadata_fields[] = {
    ROW("namespace", STRING, struct ingress_metadata, namespace, .flags = OMIT),
    ROW("ingressName", STRING, struct ingress_metadata, ingress_name, .flags = OMIT),
    ROW("serviceName", STRING, struct ingress_metadata, service_name, .flags = OMIT),
    ROW("servicePort", STRING, struct ingress_metadata, service_port, .flags = OMIT),
};
static const struct schema ingress_metadata_schema =
    SCHEMA(struct ingress_metadata, "ingressMetadata", ingress_metadata_fields);

static const struct schema_field router_metadata_fields[] = {
    ROW("ingress", OPTIONAL, struct router_metadata, ingress, .sub = &ingress_metadata_schema),
};
static const struct schema router_metadata_schema =
    SCHEMA(struct router_metadata, "routerMetadata", router_metadata_fields);

static const struct schema_field observability_shown[] = {
    ROW("metadata", OPTIONAL, struct router_observability, metadata, .sub = &router_metadata_schema),
};
const struct schema router_observability_schema = {
    .name = "routerObservability",
    .size = sizeof(struct router_observability),
    .fields = observability_fields,
    .count = ARRAY_LEN(observability_fields),
    .shown = observability_shown,
    .shown_count = ARRAY_LEN(observability_shown),
};

static const char *const rule_syntaxes[] = {"v3", "v2", "default", "", NULL};

static const struct schema_field router_fields[] = {
    ROW("entryPoints", STRINGS, struct router_config, entry_points, .flags = OMIT,
        .text = "Entry points that the router listens on; all default ones when empty."),
    ROW("middlewares", STRINGS, struct router_config, middlewares, .flags = OMIT,
        .text =
            "Middlewares in the order of the request; a name of another provider is written name@provider."),
    ROW("service", STRING, struct router_config, service, .flags = OMIT,
        .text = "Service that gets the requests."),
    ROW("rule", STRING, struct router_config, rule, .flags = OMIT,
        .text = "Which requests the router takes."),
    ROW("parentRefs", STRINGS, struct router_config, parent_refs, .flags = OMIT,
        .text = "Routers that hand their requests on to this one (routing in layers)."),
    ROW("ruleSyntax", ENUM, struct router_config, rule_syntax, .flags = OMIT, .choices = rule_syntaxes,
        .text = "Version of the rule language: v3 or v2. Rewrite v2 rules, upstream has deprecated them."),
    ROW("priority", INT, struct router_config, priority, .flags = OMIT,
        .text = "Which router is asked first; 0 stands for the length of the rule."),
    ROW("tls", OPTIONAL, struct router_config, tls, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &router_tls_schema, .text = "When there (even empty), the router takes TLS connections only."),
    ROW("observability", OPTIONAL, struct router_config, observability, .flags = OMIT | SCHEMA_NOT_SERVED,
        .sub = &router_observability_schema, .text = "What is recorded of this router's requests."),
};
const struct schema router_schema = SCHEMA(struct router_config, "router", router_fields);

/* ---- services ---- */

static const char *const same_sites[] = {"none", "lax", "strict", "None", "Lax", "Strict",
                                         "NONE", "LAX", "STRICT", "",     NULL};

static const struct schema_field sticky_cookie_fields[] = {
    ROW("name", STRING, struct sticky_cookie, name, .flags = OMIT, .text = "Name of the cookie."),
    ROW("secure", BOOL, struct sticky_cookie, secure, .flags = OMIT,
        .text = "Send the cookie over TLS only."),
    ROW("httpOnly", BOOL, struct sticky_cookie, http_only, .flags = OMIT,
        .text = "Hide the cookie from scripts."),
    ROW("sameSite", ENUM, struct sticky_cookie, same_site, .flags = OMIT | SCHEMA_SOFT_CHOICES,
        .choices = same_sites, .text = "SameSite attribute of the cookie."),
    ROW("maxAge", INT, struct sticky_cookie, max_age, .flags = OMIT,
        .text = "Seconds that the cookie lives; 0 for the browser session, negative to drop it."),
    ROW("path", STRING, struct sticky_cookie, path, .flags = OMIT, .fallback = "/",
        .text = "Path attribute."),
    ROW("domain", STRING, struct sticky_cookie, domain, .flags = OMIT, .text = "Domain attribute."),
};
static const struct schema sticky_cookie_schema =
    SCHEMA(struct sticky_cookie, "stickyCookie", sticky_cookie_fields);

static const struct schema_field sticky_fields[] = {
    ROW("cookie", OPTIONAL, struct sticky, cookie, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &sticky_cookie_schema, .text = "Keep a client on its server by a cookie."),
};
const struct schema sticky_schema = SCHEMA(struct sticky, "sticky", sticky_fields);

static const struct schema_field server_fields[] = {
    ROW("url", STRING, struct server_config, url, .flags = OMIT,
        .text = "Address of the server: http://HOST:PORT."),
    ROW("weight", OPT_INT, struct server_config, weight, .flags = OMIT, .min = INT32_MIN, .max = INT32_MAX,
        .text = "Share of the requests; 1 when not written, 0 for none."),
    ROW("preservePath", BOOL, struct server_config, preserve_path, .flags = OMIT,
        .text = "Put the path of the URL in front of the request's."),
    ROW("fenced", BOOL, struct server_config, fenced, .flags = OMIT,
        .text = "The server takes no new clients, only those that stick to it."),
};
const struct schema server_schema = SCHEMA(struct server_config, "server", server_fields);

static const char *const health_modes[] = {"http", "grpc", "", NULL};

static const struct schema_field health_check_fields[] = {
    ROW("scheme", STRING, struct health_check, scheme, .flags = OMIT, .text = "Scheme of the probe."),
    ROW("mode", ENUM, struct health_check, mode, .flags = OMIT, .fallback = "http", .choices = health_modes,
        .text = "Protocol of the probe: http or grpc."),
    ROW("path", STRING, struct health_check, path, .flags = OMIT, .text = "Path that is asked for."),
    ROW("method", STRING, struct health_check, method, .flags = OMIT,
        .text = "Method of the probe; GET when empty."),
    ROW("status", INT, struct health_check, status, .flags = OMIT, .min = 0, .max = 999,
        .text = "Status that counts as healthy; any 2xx or 3xx when 0."),
    ROW("port", INT, struct health_check, port, .flags = OMIT, .min = 0, .max = 65535,
        .text = "Port of the probe when it is not the server's."),
    ROW("interval", DURATION, struct health_check, interval, .flags = OMIT, .fallback = "30s",
        .text = "Time between probes of a healthy server."),
    ROW("unhealthyInterval", DURATION, struct health_check, unhealthy_interval, .flags = OMIT,
        .text = "Time between probes of an unhealthy server; as interval when not written."),
    ROW("timeout", DURATION, struct health_check, timeout, .flags = OMIT, .fallback = "5s",
        .text = "How long a probe may take."),
    ROW("hostname", STRING, struct health_check, hostname, .flags = OMIT,
        .text = "Host header of the probe."),
    ROW("followRedirects", OPT_BOOL, struct health_check, follow_redirects, .flags = OMIT, .fallback = "true",
        .text = "Follow redirections of the probe."),
    ROW("headers", STRING_MAP, struct health_check, headers, .flags = OMIT | SCHEMA_SECRET,
        .text = "Headers of the probe."),
};

/* What would not be a request is none that servers are asked with. */
static int health_check_check(void *object, struct error *why)
{
    const struct health_check *check = object;

    if (check->method.len && !header_name_valid(check->method)) { /* a token as well */
        return error_set(why, -EINVAL, "method \"%.*s\" is none", SLICE_ARG(slice_head(check->method, 100)));
    }
    if (!header_value_valid(check->hostname) || !header_value_valid(check->path)) {
        return error_set(why, -EINVAL, "%s holds a line end or another control character",
                         header_value_valid(check->path) ? "hostname" : "path");
    }
    for (size_t i = 0; i < check->headers.count; i++) {
        const struct string_pair *pair = &check->headers.items[i];

        if (!header_name_valid(pair->key) || !header_value_valid(pair->value)) {
            return error_set(why, -EINVAL, "headers.%.*s: its name is none, or its value holds a line end",
                             SLICE_ARG(slice_head(pair->key, 100)));
        }
    }
    return 0;
}

const struct schema health_check_schema =
    CHECKED(struct health_check, "healthCheck", health_check_fields, health_check_check);

static const struct schema_field passive_fields[] = {
    ROW("failureWindow", DURATION, struct passive_health_check, failure_window, .flags = OMIT,
        .fallback = "10s",
        .text = "Time in which the failures must fall, and for which the server is left out."),
    ROW("maxFailedAttempts", INT, struct passive_health_check, max_failed_attempts, .flags = OMIT,
        .fallback = "1", .text = "Failures in the window that make a server unhealthy."),
};
const struct schema passive_health_check_schema =
    SCHEMA(struct passive_health_check, "passiveHealthCheck", passive_fields);

static const struct schema_field forwarding_fields[] = {
    ROW("flushInterval", DURATION, struct response_forwarding, flush_interval, .flags = OMIT | SCHEMA_INERT,
        .fallback = "100ms", .text = "How long small pieces of an answer may wait for more: none waits."),
};
const struct schema response_forwarding_schema =
    SCHEMA(struct response_forwarding, "responseForwarding", forwarding_fields);

static const struct schema_field load_balancer_fields[] = {
    ROW("sticky", OPTIONAL, struct load_balancer, sticky, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &sticky_schema, .text = "Keep a client on its server."),
    ROW("servers", LIST, struct load_balancer, servers, .flags = OMIT, .sub = &server_schema,
        .text = "The servers."),
    ROW("strategy", STRING, struct load_balancer, strategy, .flags = OMIT, .fallback = "wrr",
        .text = "How a server is picked: wrr (in turn, by weight), p2c (of two at random the one with fewer "
                "requests "
                "under way), hrw (by the client's address), leasttime (the quickest to begin its answers, by "
                "requests "
                "under way and weight), leastconn (the fewest requests under way, by weight)."),
    ROW("healthCheck", OPTIONAL, struct load_balancer, health_check, .flags = OMIT,
        .sub = &health_check_schema, .text = "Ask the servers regularly whether they are well."),
    ROW("passiveHealthCheck", OPTIONAL, struct load_balancer, passive_health_check, .flags = OMIT,
        .sub = &passive_health_check_schema, .text = "Leave out servers whose answers fail."),
    ROW("slowStart", DURATION, struct load_balancer, slow_start, .flags = OMIT,
        .text = "Own option: for so long the share of a server that is new, or up again, grows; 0 for all of "
                "it at "
                "once."),
    ROW("passHostHeader", OPT_BOOL, struct load_balancer, pass_host_header, .fallback = "true",
        .text = "Send the client's Host header to the server; otherwise the host of its URL."),
    ROW("responseForwarding", OPTIONAL, struct load_balancer, response_forwarding,
        .flags = OMIT | SCHEMA_DEFAULT_ON, .sub = &response_forwarding_schema,
        .text = "How bodies of responses are passed on."),
    ROW("serversTransport", STRING, struct load_balancer, servers_transport, .flags = OMIT,
        .text = "Name of the servers transport; default@internal when empty."),
};
const struct schema load_balancer_schema = SCHEMA(struct load_balancer, "loadBalancer", load_balancer_fields);

const struct schema health_signal_schema = {.name = "healthSignal", .size = sizeof(struct health_signal)};

static const struct schema_field weighted_service_fields[] = {
    ROW("name", STRING, struct weighted_service, name, .flags = OMIT, .text = "Name of the service."),
    ROW("weight", OPT_INT, struct weighted_service, weight, .flags = OMIT, .fallback = "1", .min = INT32_MIN,
        .max = INT32_MAX, .text = "Share of the requests; 0 for none."),
};
const struct schema weighted_service_schema =
    SCHEMA(struct weighted_service, "weightedService", weighted_service_fields);

#define HEALTH_SIGNAL(type)                                                                                  \
    ROW("healthCheck", OPTIONAL, type, health_check, .flags = OMIT | SCHEMA_ALLOW_EMPTY,                     \
        .sub = &health_signal_schema, .text = "Pass the health of the children on to the parent.")

static const struct schema_field weighted_fields[] = {
    ROW("services", LIST, struct weighted, services, .flags = OMIT, .sub = &weighted_service_schema,
        .text = "The services and their shares."),
    ROW("sticky", OPTIONAL, struct weighted, sticky, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &sticky_schema, .text = "Keep a client on its service."),
    HEALTH_SIGNAL(struct weighted),
};
const struct schema weighted_schema = SCHEMA(struct weighted, "weighted", weighted_fields);

static const struct schema_field hashed_fields[] = {
    ROW("services", LIST, struct weighted, services, .flags = OMIT, .sub = &weighted_service_schema,
        .text = "The services and their shares."),
    HEALTH_SIGNAL(struct weighted),
};
const struct schema highest_random_weight_schema =
    SCHEMA(struct weighted, "highestRandomWeight", hashed_fields);

static const struct schema_field mirror_service_fields[] = {
    ROW("name", STRING, struct mirror_service, name, .flags = OMIT, .text = "Service that gets copies."),
    ROW("percent", INT, struct mirror_service, percent, .flags = OMIT, .min = 0, .max = 100,
        .text = "Part of the requests that is copied."),
};
static const struct schema mirror_service_schema =
    SCHEMA(struct mirror_service, "mirror", mirror_service_fields);

static const struct schema_field mirroring_fields[] = {
    ROW("service", STRING, struct mirroring, service, .flags = OMIT, .text = "Service that answers."),
    ROW("mirrorBody", OPT_BOOL, struct mirroring, mirror_body, .flags = OMIT, .fallback = "true",
        .text = "Copy the bodies of requests too."),
    ROW("maxBodySize", OPT_INT, struct mirroring, max_body_size, .flags = OMIT, .fallback = "-1",
        .text = "Requests with a larger body are not copied; -1 for no bound."),
    ROW("mirrors", LIST, struct mirroring, mirrors, .flags = OMIT, .sub = &mirror_service_schema,
        .text = "Services that get copies; their answers are dropped."),
    HEALTH_SIGNAL(struct mirroring),
};
static const struct schema mirroring_schema = SCHEMA(struct mirroring, "mirroring", mirroring_fields);

static const struct schema_field failover_errors_fields[] = {
    ROW("maxRequestBodyBytes", OPT_INT, struct failover_errors, max_request_body_bytes, .flags = OMIT,
        .fallback = "-1", .text = "Larger requests are not tried again; -1 for no bound."),
    ROW("status", STRINGS, struct failover_errors, status, .flags = OMIT,
        .text = "Statuses (or ranges, 500-599) that count as failed."),
};
static const struct schema failover_errors_schema =
    SCHEMA(struct failover_errors, "failoverErrors", failover_errors_fields);

static const struct schema_field failover_fields[] = {
    ROW("service", STRING, struct failover, service, .flags = OMIT,
        .text = "Service that answers while it is well."),
    ROW("fallback", STRING, struct failover, fallback, .flags = OMIT,
        .text = "Service that answers otherwise."),
    HEALTH_SIGNAL(struct failover),
    ROW("errors", OPTIONAL, struct failover, errors, .flags = OMIT, .sub = &failover_errors_schema,
        .text = "Answers that make the fallback try."),
};
static const struct schema failover_schema = SCHEMA(struct failover, "failover", failover_fields);

static const struct schema_field service_fields[] = {
    ROW("middlewares", STRINGS, struct service_config, middlewares, .flags = OMIT,
        .text = "Middlewares of the service, run after the router's."),
    ROW("loadBalancer", OPTIONAL, struct service_config, load_balancer, .flags = OMIT,
        .sub = &load_balancer_schema, .text = "Spreads requests over servers."),
    ROW("highestRandomWeight", OPTIONAL, struct service_config, highest_random_weight, .flags = OMIT,
        .sub = &highest_random_weight_schema, .text = "Spreads clients over services by their address."),
    ROW("weighted", OPTIONAL, struct service_config, weighted, .flags = OMIT, .sub = &weighted_schema,
        .text = "Spreads requests over services."),
    ROW("mirroring", OPTIONAL, struct service_config, mirroring, .flags = OMIT, .sub = &mirroring_schema,
        .text = "Sends copies of requests to other services."),
    ROW("failover", OPTIONAL, struct service_config, failover, .flags = OMIT, .sub = &failover_schema,
        .text = "Goes over to another service when one is not well."),
};
const struct schema service_schema = SCHEMA(struct service_config, "service", service_fields);

/* ---- servers transports ---- */

static const struct schema_field timeout_fields[] = {
    ROW("dialTimeout", DURATION, struct forwarding_timeouts, dial_timeout, .flags = OMIT, .fallback = "30s",
        .text = "How long a connection to a server may take to open; 0 for no bound."),
    ROW("responseHeaderTimeout", DURATION, struct forwarding_timeouts, response_header_timeout, .flags = OMIT,
        .text = "How long a server may take to begin its answer; 0 for no bound."),
    ROW("idleConnTimeout", DURATION, struct forwarding_timeouts, idle_conn_timeout, .flags = OMIT,
        .fallback = "90s", .text = "How long an idle connection to a server is kept."),
    ROW("readIdleTimeout", DURATION, struct forwarding_timeouts, read_idle_timeout, .flags = OMIT,
        .text = "Silence after which an HTTP/2 connection is pinged; 0 for never."),
    ROW("pingTimeout", DURATION, struct forwarding_timeouts, ping_timeout, .flags = OMIT, .fallback = "15s",
        .text = "How long the answer to that ping may take."),
    ROW("sendTimeout", DURATION, struct forwarding_timeouts, send_timeout, .flags = OMIT, .fallback = "60s",
        .text =
            "Own option: how long a server may take nothing of a request that waits for it; 0 for no bound."),
};
const struct schema forwarding_timeouts_schema =
    SCHEMA(struct forwarding_timeouts, "forwardingTimeouts", timeout_fields);

static const struct schema_field certificate_fields[] = {
    ROW("certFile", STRING, struct tls_certificate_file, cert_file, .flags = OMIT,
        .text = "Certificate: path or PEM."),
    ROW("keyFile", STRING, struct tls_certificate_file, key_file, .flags = OMIT | SCHEMA_SECRET,
        .text = "Its private key: path or PEM."),
};
const struct schema tls_certificate_file_schema =
    SCHEMA(struct tls_certificate_file, "clientCertificate", certificate_fields);

static const char *const san_types[] = {"DNSName", "URI", NULL};

static const struct schema_field san_fields[] = {
    ROW("type", ENUM, struct peer_cert_san, type, .flags = OMIT | SCHEMA_REQUIRED, .choices = san_types,
        .text = "What the value is."),
    ROW("value", STRING, struct peer_cert_san, value, .flags = OMIT | SCHEMA_REQUIRED,
        .text = "The name (or address), or the URI."),
};
const struct schema peer_cert_san_schema = SCHEMA(struct peer_cert_san, "peerCertSAN", san_fields);

static const struct schema_field transport_fields[] = {
    ROW("serverName", STRING, struct servers_transport_config, server_name, .flags = OMIT,
        .text = "Name asked for in the TLS handshake, and looked for in the certificate."),
    ROW("insecureSkipVerify", BOOL, struct servers_transport_config, insecure_skip_verify, .flags = OMIT,
        .text = "Believe any certificate of a server."),
    ROW("rootCAs", STRINGS, struct servers_transport_config, root_cas, .flags = OMIT,
        .text = "Authorities (path or PEM) that servers' certificates are checked against."),
    ROW("certificates", LIST, struct servers_transport_config, certificates, .flags = OMIT,
        .sub = &tls_certificate_file_schema, .text = "Certificates shown to servers."),
    ROW("cipherSuites", STRINGS, struct servers_transport_config, cipher_suites, .flags = OMIT,
        .text = "Cipher suites offered to servers."),
    ROW("minVersion", STRING, struct servers_transport_config, min_version, .flags = OMIT,
        .text = "Lowest TLS version: VersionTLS10 to VersionTLS13; VersionTLS12 when empty."),
    ROW("maxVersion", STRING, struct servers_transport_config, max_version, .flags = OMIT,
        .text = "Highest TLS version."),
    ROW("maxIdleConnsPerHost", INT, struct servers_transport_config, max_idle_conns_per_host, .flags = OMIT,
        .min = INT32_MIN, .max = INT32_MAX,
        .text = "Idle connections kept for each server; 0 stands for 200, negative: none is kept."),
    ROW("forwardingTimeouts", OPTIONAL, struct servers_transport_config, forwarding_timeouts, .flags = OMIT,
        .sub = &forwarding_timeouts_schema, .text = "Bounds on waiting for servers."),
    ROW("disableHTTP2", BOOL, struct servers_transport_config, disable_http2, .flags = OMIT,
        .text = "Never speak HTTP/2 to servers."),
    ROW("peerCertURI", STRING, struct servers_transport_config, peer_cert_uri, .flags = OMIT,
        .text = "URI that the server's certificate must carry; upstream prefers peerCertSANs."),
    ROW("peerCertSANs", LIST, struct servers_transport_config, peer_cert_sans, .flags = OMIT,
        .sub = &peer_cert_san_schema, .text = "Names, one of which the server's certificate must carry."),
    ROW("spiffe", DOC, struct servers_transport_config, spiffe, .flags = OMIT | SCHEMA_NOT_SERVED,
        .text = "Check servers by SPIFFE identities."),
};
const struct schema servers_transport_schema =
    SCHEMA(struct servers_transport_config, "serversTransport", transport_fields);

/* ---- what stands under `http:` in a file ---- */

static const struct schema_field http_fields[] = {
    ROW("routers", MAP, struct http_config, routers, .flags = OMIT, .sub = &router_schema,
        .text = "Routers by name."),
    ROW("services", MAP, struct http_config, services, .flags = OMIT, .sub = &service_schema,
        .text = "Services by name."),
    ROW("middlewares", MAP, struct http_config, middlewares, .flags = OMIT, .sub = &middleware_schema,
        .text = "Middlewares by name."),
    ROW("serversTransports", MAP, struct http_config, servers_transports, .flags = OMIT,
        .sub = &servers_transport_schema, .text = "Servers transports by name."),
};
const struct schema http_schema = SCHEMA(struct http_config, "http", http_fields);
