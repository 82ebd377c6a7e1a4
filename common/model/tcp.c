/*
 * tcp.c - the options of tcp.h: one row each, names and defaults as in Traefik.
 */
#include "common/model/tcp.h"

#include "common/model/dynamic.h"
#include "common/model/rows.h"

static const char *const rule_syntaxes[] = {"v3", "v2", "default", "", NULL};

static const struct schema_field router_tls_fields[] = {
    ROW("passthrough", BOOL, struct tcp_router_tls, passthrough,
        .text = "Leave TLS to the servers: only the name that the client asks for is read."),
    ROW("options", STRING, struct tcp_router_tls, options, .flags = OMIT, .text = "Name of the TLS options."),
    ROW("certResolver", STRING, struct tcp_router_tls, cert_resolver, .flags = OMIT,
        .text = "Certificates resolver that gets the certificates."),
    ROW("domains", LIST, struct tcp_router_tls, domains, .flags = OMIT, .sub = &tls_domain_schema,
        .text = "Names to get certificates for, instead of those of the rule."),
};
static const struct schema tcp_router_tls_schema =
    SCHEMA(struct tcp_router_tls, "tcpRouterTls", router_tls_fields);

static const struct schema_field router_fields[] = {
    ROW("entryPoints", STRINGS, struct tcp_router_config, entry_points, .flags = OMIT,
        .text = "Entry points that the router listens on; all default ones when empty."),
    ROW("middlewares", STRINGS, struct tcp_router_config, middlewares, .flags = OMIT,
        .text = "TCP middlewares, in this order."),
    ROW("service", STRING, struct tcp_router_config, service, .flags = OMIT,
        .text = "TCP service that gets the connections."),
    ROW("rule", STRING, struct tcp_router_config, rule, .flags = OMIT,
        .text = "Which connections the router takes: HostSNI(`a.example`), HostSNI(`*`), ClientIP, ALPN."),
    ROW("ruleSyntax", ENUM, struct tcp_router_config, rule_syntax, .flags = OMIT, .choices = rule_syntaxes,
        .text = "Version of the rule language: v3 or v2."),
    ROW("priority", INT, struct tcp_router_config, priority, .flags = OMIT,
        .text = "Which router is asked first; 0 stands for the length of the rule."),
    ROW("tls", OPTIONAL, struct tcp_router_config, tls, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &tcp_router_tls_schema, .text = "When there (even empty), the router takes TLS only."),
};
const struct schema tcp_router_schema = SCHEMA(struct tcp_router_config, "tcpRouter", router_fields);

/* ---- services ---- */

static const struct schema_field server_fields[] = {
    ROW("address", STRING, struct tcp_server, address, .flags = OMIT,
        .text = "Address of the server: HOST:PORT."),
    ROW("tls", BOOL, struct tcp_server, tls, .flags = OMIT, .text = "Speak TLS to it."),
};
static const struct schema tcp_server_schema = SCHEMA(struct tcp_server, "tcpServer", server_fields);

static const struct schema_field proxy_protocol_fields[] = {
    ROW("version", INT, struct proxy_protocol, version, .flags = OMIT, .fallback = "2", .min = 1, .max = 2,
        .text = "Version of the PROXY protocol."),
};
const struct schema proxy_protocol_schema =
    SCHEMA(struct proxy_protocol, "proxyProtocol", proxy_protocol_fields);

static const struct schema_field health_check_fields[] = {
    ROW("port", INT, struct tcp_health_check, port, .flags = OMIT, .min = 0, .max = 65535,
        .text = "Port of the probe when it is not the server's."),
    ROW("send", STRING, struct tcp_health_check, send, .flags = OMIT, .text = "What the probe sends."),
    ROW("expect", STRING, struct tcp_health_check, expect, .flags = OMIT,
        .text = "What a healthy server answers with."),
    ROW("interval", DURATION, struct tcp_health_check, interval, .flags = OMIT, .fallback = "30s",
        .text = "Time between probes of a healthy server."),
    ROW("unhealthyInterval", DURATION, struct tcp_health_check, unhealthy_interval, .flags = OMIT,
        .text = "Time between probes of an unhealthy server; as interval when not written."),
    ROW("timeout", DURATION, struct tcp_health_check, timeout, .flags = OMIT, .fallback = "5s",
        .text = "How long a probe may take."),
};
static const struct schema tcp_health_check_schema =
    SCHEMA(struct tcp_health_check, "tcpHealthCheck", health_check_fields);

static const struct schema_field load_balancer_fields[] = {
    ROW("servers", LIST, struct tcp_load_balancer, servers, .flags = OMIT, .sub = &tcp_server_schema,
        .text = "The servers."),
    ROW("serversTransport", STRING, struct tcp_load_balancer, servers_transport, .flags = OMIT,
        .text = "Name of the TCP servers transport; the default one when empty."),
    ROW("proxyProtocol", OPTIONAL, struct tcp_load_balancer, proxy_protocol,
        .flags = OMIT | SCHEMA_ALLOW_EMPTY | SCHEMA_DEPRECATED, .sub = &proxy_protocol_schema,
        .text = "write proxyProtocol of the serversTransport instead"),
    ROW("terminationDelay", OPT_INT, struct tcp_load_balancer, termination_delay,
        .flags = OMIT | SCHEMA_DEPRECATED, .text = "write terminationDelay of the serversTransport instead"),
    ROW("healthCheck", OPTIONAL, struct tcp_load_balancer, health_check, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &tcp_health_check_schema, .text = "Ask the servers regularly whether they are well."),
};
const struct schema tcp_load_balancer_schema =
    SCHEMA(struct tcp_load_balancer, "tcpLoadBalancer", load_balancer_fields);

static const struct schema_field weighted_fields[] = {
    ROW("services", LIST, struct tcp_weighted, services, .flags = OMIT, .sub = &weighted_service_schema,
        .text = "The services and their shares."),
    ROW("healthCheck", OPTIONAL, struct tcp_weighted, health_check, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &health_signal_schema, .text = "Pass the health of the children on to the parent."),
};
static const struct schema tcp_weighted_schema = SCHEMA(struct tcp_weighted, "tcpWeighted", weighted_fields);

static const struct schema_field service_fields[] = {
    ROW("loadBalancer", OPTIONAL, struct tcp_service_config, load_balancer, .flags = OMIT,
        .sub = &tcp_load_balancer_schema, .text = "Spreads connections over servers."),
    ROW("weighted", OPTIONAL, struct tcp_service_config, weighted, .flags = OMIT, .sub = &tcp_weighted_schema,
        .text = "Spreads connections over services by weight."),
};
const struct schema tcp_service_schema = SCHEMA(struct tcp_service_config, "tcpService", service_fields);

/* ---- middlewares ---- */

static const struct schema_field in_flight_fields[] = {
    ROW("amount", INT, struct tcp_in_flight_conn, amount, .flags = OMIT, .min = 0, .max = 9.3e18,
        .text = "Connections of an address at the same time."),
};
static const struct schema tcp_in_flight_schema =
    SCHEMA(struct tcp_in_flight_conn, "inFlightConn", in_flight_fields);

static const struct schema_field ip_list_fields[] = {
    ROW("sourceRange", STRINGS, struct tcp_ip_list, source_range, .flags = OMIT,
        .text = "Addresses and ranges that may connect."),
};
static const struct schema tcp_ip_list_schema = SCHEMA(struct tcp_ip_list, "ipAllowList", ip_list_fields);

static const struct schema_field middleware_fields[] = {
    ROW("inFlightConn", OPTIONAL, struct tcp_middleware_config, in_flight_conn, .flags = OMIT,
        .sub = &tcp_in_flight_schema, .text = "Bounds the connections of an address."),
    ROW("ipWhiteList", OPTIONAL, struct tcp_middleware_config, ip_white_list,
        .flags = OMIT | SCHEMA_DEPRECATED, .sub = &tcp_ip_list_schema, .text = "write ipAllowList instead"),
    ROW("ipAllowList", OPTIONAL, struct tcp_middleware_config, ip_allow_list, .flags = OMIT,
        .sub = &tcp_ip_list_schema, .text = "Lets only some addresses connect."),
};
const struct schema tcp_middleware_schema =
    SCHEMA(struct tcp_middleware_config, "tcpMiddleware", middleware_fields);

/* ---- transports ---- */

static const struct schema_field client_tls_fields[] = {
    ROW("serverName", STRING, struct tcp_client_tls, server_name, .flags = OMIT,
        .text = "Name asked for in the TLS handshake."),
    ROW("insecureSkipVerify", BOOL, struct tcp_client_tls, insecure_skip_verify, .flags = OMIT,
        .text = "Believe any certificate of a server."),
    ROW("rootCAs", STRINGS, struct tcp_client_tls, root_cas, .flags = OMIT,
        .text = "Authorities (path or PEM) that servers' certificates are checked against."),
    ROW("certificates", LIST, struct tcp_client_tls, certificates, .flags = OMIT,
        .sub = &tls_certificate_file_schema, .text = "Certificates shown to servers."),
    ROW("peerCertURI", STRING, struct tcp_client_tls, peer_cert_uri, .flags = OMIT,
        .text = "URI that the server's certificate must carry; upstream prefers peerCertSANs."),
    ROW("peerCertSANs", LIST, struct tcp_client_tls, peer_cert_sans, .flags = OMIT,
        .sub = &peer_cert_san_schema, .text = "Names that the server's certificate must carry."),
    ROW("spiffe", DOC, struct tcp_client_tls, spiffe, .flags = OMIT,
        .text = "Check servers by SPIFFE identities."),
};
static const struct schema tcp_client_tls_schema =
    SCHEMA(struct tcp_client_tls, "tcpClientTls", client_tls_fields);

static const struct schema_field transport_fields[] = {
    ROW("dialKeepAlive", DURATION, struct tcp_transport_config, dial_keep_alive, .flags = OMIT,
        .fallback = "15s", .text = "Time between keep-alive probes of the system; negative: none are sent."),
    ROW("dialTimeout", DURATION, struct tcp_transport_config, dial_timeout, .flags = OMIT, .fallback = "30s",
        .text = "How long connecting may take; 0 for no bound."),
    ROW("proxyProtocol", OPTIONAL, struct tcp_transport_config, proxy_protocol,
        .flags = OMIT | SCHEMA_ALLOW_EMPTY, .sub = &proxy_protocol_schema,
        .text = "Tell servers the client's address by the PROXY protocol."),
    ROW("terminationDelay", DURATION, struct tcp_transport_config, termination_delay, .flags = OMIT,
        .fallback = "100ms", .text = "How long one side may go on after the other has finished."),
    ROW("tls", OPTIONAL, struct tcp_transport_config, tls, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &tcp_client_tls_schema, .text = "How servers are spoken to over TLS."),
};
const struct schema tcp_servers_transport_schema =
    SCHEMA(struct tcp_transport_config, "tcpServersTransport", transport_fields);

/* ---- what stands under `tcp:` in a file ---- */

static const struct schema_field tcp_fields[] = {
    ROW("routers", MAP, struct tcp_section, routers, .flags = OMIT, .sub = &tcp_router_schema,
        .text = "TCP routers by name."),
    ROW("services", MAP, struct tcp_section, services, .flags = OMIT, .sub = &tcp_service_schema,
        .text = "TCP services by name."),
    ROW("middlewares", MAP, struct tcp_section, middlewares, .flags = OMIT, .sub = &tcp_middleware_schema,
        .text = "TCP middlewares by name."),
    ROW("serversTransports", MAP, struct tcp_section, servers_transports, .flags = OMIT,
        .sub = &tcp_servers_transport_schema, .text = "TCP servers transports by name."),
};
const struct schema tcp_section_schema = SCHEMA(struct tcp_section, "tcp", tcp_fields);
