/*
 * kubernetes_crd_schema_tcp.c - the tables of kubernetes_crd_schema_tcp.h: one row for each field of a custom resource.
 *
 * A MiddlewareTCP has the table of common/model/tcp.c. Not here: what a field does (kubernetes_crd_*.c).
 */
#include "master/provider/kubernetes_crd_schema_tcp.h"

#define FIELD(label, kind_, type, member, ...)                                                               \
    {                                                                                                        \
        .name = (label), .kind = SCHEMA_##kind_, .offset = offsetof(type, member), __VA_ARGS__               \
    }
#define SERVICE(label, kind_, member, ...) FIELD(label, kind_, struct crd_layer4_service, member, __VA_ARGS__)

#define SERVICE_FIELDS(share)                                                                                \
    SERVICE("name", STRING, name, .flags = SCHEMA_REQUIRED, .text = "Name of the Service."),                 \
        SERVICE("namespace", STRING, namespace, .text = "Its namespace, when it is another."),               \
        SERVICE("port", DOC, port, .flags = SCHEMA_INT_OR_STRING | SCHEMA_REQUIRED,                          \
                .text = "Port of the Service: number or name."),                                             \
        SERVICE("weight", OPT_INT, weight, .min = 0, .max = INT32_MAX, .text = share),                       \
        SERVICE("nativeLB", OPT_BOOL, native_lb,                                                             \
                .text = "Send to the cluster address instead of the pods."),                                 \
        SERVICE("nodePortLB", BOOL, node_port_lb, .text = "Send to the nodes' ports instead of the pods.")

/* ---- IngressRouteTCP ---- */

static const struct schema_field tcp_service_fields[] = {
    SERVICE_FIELDS("Share of the connections (default 1)."),
    SERVICE("terminationDelay", OPT_INT, termination_delay, .flags = SCHEMA_DEPRECATED,
            .text = "write terminationDelay of a ServersTransportTCP instead"),
    SERVICE("proxyProtocol", OPTIONAL, proxy_protocol, .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_DEPRECATED,
            .sub = &proxy_protocol_schema, .text = "write proxyProtocol of a ServersTransportTCP instead"),
    SERVICE("serversTransport", STRING, servers_transport, .text = "Name of a ServersTransportTCP."),
    SERVICE("tls", BOOL, tls, .text = "Speak TLS to the servers."),
};
static const struct schema tcp_service_schema_ =
    SCHEMA(struct crd_layer4_service, "service", tcp_service_fields);

static const struct schema_field tcp_route_fields[] = {
    FIELD("match", STRING, struct crd_tcp_route, match, .flags = SCHEMA_REQUIRED,
          .text = "Which connections the route takes: HostSNI, HostSNIRegexp, ClientIP, ALPN."),
    FIELD("priority", INT, struct crd_tcp_route, priority,
          .text = "Which route is asked first; 0: length of the rule."),
    FIELD("syntax", STRING, struct crd_tcp_route, syntax, .text = "Version of the rule language: v3 or v2."),
    FIELD("services", LIST, struct crd_tcp_route, services, .sub = &tcp_service_schema_,
          .text = "Who gets the connections."),
    FIELD("middlewares", LIST, struct crd_tcp_route, middlewares, .sub = &crd_reference_schema,
          .text = "MiddlewareTCPs, in this order."),
};
const struct schema crd_tcp_route_schema = SCHEMA(struct crd_tcp_route, "route", tcp_route_fields);

static const struct schema_field tcp_tls_fields[] = {
    FIELD("secretName", STRING, struct crd_tcp_tls, secret_name, .text = "Secret with the certificate."),
    FIELD("passthrough", BOOL, struct crd_tcp_tls, passthrough,
          .text = "Leave TLS to the servers: only the name that the client asks for is read."),
    FIELD("options", OPTIONAL, struct crd_tcp_tls, options, .sub = &crd_reference_schema,
          .text = "A TLSOption."),
    FIELD("store", OPTIONAL, struct crd_tcp_tls, store, .sub = &crd_reference_schema,
          .text = "A TLSStore: default only."),
    FIELD("certResolver", STRING, struct crd_tcp_tls, cert_resolver, .text = "Certificates resolver."),
    FIELD("domains", LIST, struct crd_tcp_tls, domains, .sub = &tls_domain_schema,
          .text = "Names to get certificates for."),
};
static const struct schema crd_tcp_tls_schema = SCHEMA(struct crd_tcp_tls, "tls", tcp_tls_fields);

static const struct schema_field ingress_route_tcp_fields[] = {
    FIELD("ingressClassName", STRING, struct crd_layer4_route, ingress_class_name,
          .text = "Which router shall serve it."),
    FIELD("entryPoints", STRINGS, struct crd_layer4_route, entry_points,
          .text = "Entry points; all default ones when empty."),
    FIELD("routes", DOC, struct crd_layer4_route, routes, .flags = SCHEMA_REQUIRED,
          .sub = &crd_tcp_route_schema, .text = "The routes."),
    FIELD("tls", OPTIONAL, struct crd_layer4_route, tls, .flags = SCHEMA_ALLOW_EMPTY,
          .sub = &crd_tcp_tls_schema, .text = "When there (even empty), the routes take TLS only."),
};
const struct schema crd_ingress_route_tcp_schema =
    SCHEMA(struct crd_layer4_route, "ingressRouteTCP", ingress_route_tcp_fields);

/* ---- IngressRouteUDP ---- */

static const struct schema_field udp_service_fields[] = {SERVICE_FIELDS("Share of the clients (default 1).")};
static const struct schema udp_service_schema_ =
    SCHEMA(struct crd_layer4_service, "service", udp_service_fields);

static const struct schema_field udp_route_fields[] = {
    FIELD("services", LIST, struct crd_udp_route, services, .sub = &udp_service_schema_,
          .text = "Who gets the datagrams."),
};
const struct schema crd_udp_route_schema = SCHEMA(struct crd_udp_route, "route", udp_route_fields);

static const struct schema_field ingress_route_udp_fields[] = {
    FIELD("ingressClassName", STRING, struct crd_layer4_route, ingress_class_name,
          .text = "Which router shall serve it."),
    FIELD("entryPoints", STRINGS, struct crd_layer4_route, entry_points,
          .text = "UDP entry points; all of them when empty."),
    FIELD("routes", DOC, struct crd_layer4_route, routes, .flags = SCHEMA_REQUIRED,
          .sub = &crd_udp_route_schema, .text = "The routes."),
};
const struct schema crd_ingress_route_udp_schema =
    SCHEMA(struct crd_layer4_route, "ingressRouteUDP", ingress_route_udp_fields);

/* ---- ServersTransportTCP ---- */

#define TRANSPORT_TLS(label, kind_, member, ...)                                                             \
    FIELD(label, kind_, struct crd_tcp_transport_tls, member, __VA_ARGS__)

static const struct schema_field transport_tls_fields[] = {
    TRANSPORT_TLS("serverName", STRING, server_name, .text = "Name asked for in the TLS handshake."),
    TRANSPORT_TLS("insecureSkipVerify", BOOL, insecure_skip_verify,
                  .text = "Believe any certificate of a server."),
    TRANSPORT_TLS("rootCAs", LIST, root_cas, .sub = &crd_root_ca_schema,
                  .text = "Authorities of the servers' certificates."),
    TRANSPORT_TLS("rootCAsSecrets", STRINGS, root_cas_secrets, .flags = SCHEMA_DEPRECATED,
                  .text = "write rootCAs instead"),
    TRANSPORT_TLS("certificatesSecrets", STRINGS, certificates_secrets,
                  .text = "Secrets with certificates shown to servers."),
    TRANSPORT_TLS("peerCertURI", STRING, peer_cert_uri,
                  .text = "URI that the server's certificate must carry."),
    TRANSPORT_TLS("peerCertSANs", LIST, peer_cert_sans, .sub = &peer_cert_san_schema,
                  .text = "Names, one of which the server's certificate must carry."),
    TRANSPORT_TLS("spiffe", DOC, spiffe, .text = "Check servers by SPIFFE identities."),
};
static const struct schema transport_tls_schema =
    SCHEMA(struct crd_tcp_transport_tls, "transportTLS", transport_tls_fields);

#define TRANSPORT(label, kind_, member, ...)                                                                 \
    FIELD(label, kind_, struct crd_tcp_transport, member, __VA_ARGS__)

static const struct schema_field transport_fields[] = {
    TRANSPORT("dialTimeout", DURATION, dial_timeout, .fallback = "30s",
              .text = "How long connecting may take; 0 for no bound."),
    TRANSPORT("dialKeepAlive", DURATION, dial_keep_alive, .fallback = "15s",
              .text = "Time between keep-alive probes of the system; negative: none are sent."),
    TRANSPORT("proxyProtocol", OPTIONAL, proxy_protocol, .flags = SCHEMA_ALLOW_EMPTY,
              .sub = &proxy_protocol_schema,
              .text = "Tell servers the client's address by the PROXY protocol."),
    TRANSPORT("terminationDelay", DURATION, termination_delay, .fallback = "100ms",
              .text = "How long one side may go on after the other has finished."),
    TRANSPORT("tls", OPTIONAL, tls, .flags = SCHEMA_ALLOW_EMPTY, .sub = &transport_tls_schema,
              .text = "How servers are spoken to over TLS."),
};
const struct schema crd_tcp_transport_schema =
    SCHEMA(struct crd_tcp_transport, "serversTransportTCP", transport_fields);

/* ---- TLSOption ---- */

static const struct schema_field client_auth_fields[] = {
    FIELD("secretNames", STRINGS, struct crd_client_auth, secret_names,
          .text = "Secrets with authorities of clients' certificates, under tls.ca or ca.crt."),
    FIELD("clientAuthType", ENUM, struct crd_client_auth, type, .choices = tls_client_auth_types,
          .text = "Whether clients show a certificate, and whether it is checked."),
};
static const struct schema client_auth_schema =
    SCHEMA(struct crd_client_auth, "clientAuth", client_auth_fields);

#define OPTION(label, kind_, member, ...) FIELD(label, kind_, struct crd_tls_option, member, __VA_ARGS__)

static const struct schema_field tls_option_fields[] = {
    OPTION("minVersion", STRING, options.min_version,
           .text = "Lowest TLS version: VersionTLS12, VersionTLS13."),
    OPTION("maxVersion", STRING, options.max_version, .text = "Highest TLS version."),
    OPTION("cipherSuites", STRINGS, options.cipher_suites,
           .text = "Cipher suites of TLS 1.2, by Go's names; the safe ones when empty."),
    OPTION("curvePreferences", STRINGS, options.curve_preferences,
           .text = "Curves in order of preference, by Go's names."),
    OPTION("clientAuth", STRUCT, client_auth, .sub = &client_auth_schema, .text = "Certificates of clients."),
    OPTION("sniStrict", BOOL, options.sni_strict,
           .text = "Refuse clients that ask for a name there is no certificate for."),
    OPTION("alpnProtocols", STRINGS, options.alpn_protocols, .fallback = "h2,http/1.1,acme-tls/1",
           .text = "Protocols offered, in order of preference."),
    OPTION("disableSessionTickets", BOOL, options.disable_session_tickets,
           .text = "Every connection does a full handshake."),
    OPTION("preferServerCipherSuites", OPT_BOOL, options.prefer_server_cipher_suites,
           .flags = SCHEMA_DEPRECATED, .text = "without effect; remove it"),
};
const struct schema crd_tls_option_schema = SCHEMA(struct crd_tls_option, "tlsOption", tls_option_fields);

/* ---- TLSStore ---- */

static const struct schema_field certificate_fields[] = {
    FIELD("secretName", STRING, struct crd_certificate, secret_name, .flags = SCHEMA_REQUIRED,
          .text = "Secret with tls.crt and tls.key."),
};
static const struct schema certificate_schema =
    SCHEMA(struct crd_certificate, "certificate", certificate_fields);

static const struct schema_field tls_store_fields[] = {
    FIELD("defaultCertificate", OPTIONAL, struct crd_tls_store, default_certificate,
          .sub = &certificate_schema, .text = "Certificate for names that there is no other for."),
    FIELD("defaultGeneratedCert", OPTIONAL, struct crd_tls_store, default_generated_cert,
          .sub = &tls_generated_certificate_schema, .text = "The same from a certificates resolver."),
    FIELD("certificates", LIST, struct crd_tls_store, certificates, .sub = &certificate_schema,
          .text = "Further certificates of the store."),
};
const struct schema crd_tls_store_schema = SCHEMA(struct crd_tls_store, "tlsStore", tls_store_fields);
