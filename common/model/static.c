/*
 * static.c - the options of the static configuration: entry points, transports, api, ping and the root of the tables.
 *
 * Not here: providers (static_providers.c), logs, metrics and traces (static_observability.c), certificates and
 * experiments (static_extras.c), what is derived and checked after decoding (master/static).
 */
#include "common/model/static.h"
#include "common/model/rows.h"
#include "common/model/tcp.h"

/* ---- entry points ---- */

static const struct schema_field life_cycle_fields[] = {
    ROW("requestAcceptGraceTimeout", DURATION, struct life_cycle, request_accept_grace_timeout,
        .text = "After the order to stop, how long new requests are still accepted."),
    ROW("graceTimeOut", DURATION, struct life_cycle, grace_time_out, .fallback = "10s",
        .text = "Then, how long requests in flight may take to finish."),
};
static const struct schema life_cycle_schema = SCHEMA(struct life_cycle, "lifeCycle", life_cycle_fields);

static const struct schema_field responding_fields[] = {
    ROW("readTimeout", DURATION, struct responding_timeouts, read_timeout, .fallback = "60s",
        .text = "How long reading a whole request may take, body included; 0 for no bound."),
    ROW("writeTimeout", DURATION, struct responding_timeouts, write_timeout,
        .text = "How long writing a response may take; 0 for no bound."),
    ROW("idleTimeout", DURATION, struct responding_timeouts, idle_timeout, .fallback = "180s",
        .text = "How long an idle keep-alive connection is kept; 0 for no bound."),
};
static const struct schema responding_schema =
    SCHEMA(struct responding_timeouts, "respondingTimeouts", responding_fields);

static const struct schema_field transport_fields[] = {
    ROW("lifeCycle", STRUCT, struct entry_point_transport, life_cycle, .sub = &life_cycle_schema,
        .text = "How the entry point stops."),
    ROW("respondingTimeouts", STRUCT, struct entry_point_transport, responding_timeouts,
        .sub = &responding_schema, .text = "Bounds on waiting for clients."),
    ROW("keepAliveMaxTime", DURATION, struct entry_point_transport, keep_alive_max_time,
        .text = "Age at which a connection is closed after its response; 0 for none."),
    ROW("keepAliveMaxRequests", INT, struct entry_point_transport, keep_alive_max_requests, .min = 0,
        .max = INT32_MAX, .text = "Requests after which a connection is closed; 0 for no bound."),
};
static const struct schema transport_schema =
    SCHEMA(struct entry_point_transport, "entryPointTransport", transport_fields);

static const struct schema_field trusted_fields[] = {
    ROW("insecure", BOOL, struct trusted_peers, insecure, .text = "Believe everyone."),
    ROW("trustedIPs", STRINGS, struct trusted_peers, trusted_ips,
        .text = "Addresses and ranges that are believed."),
};
static const struct schema trusted_schema = SCHEMA(struct trusted_peers, "proxyProtocol", trusted_fields);

static const struct schema_field forwarded_fields[] = {
    ROW("insecure", BOOL, struct forwarded_headers, insecure, .text = "Believe X-Forwarded-* of everyone."),
    ROW("trustedIPs", STRINGS, struct forwarded_headers, trusted_ips,
        .text = "Addresses and ranges whose X-Forwarded-* are believed."),
    ROW("connection", STRINGS, struct forwarded_headers, connection,
        .text = "Headers named in Connection that the middlewares may still see."),
    ROW("notAppendXForwardedFor", BOOL, struct forwarded_headers, not_append_x_forwarded_for,
        .text = "Do not add the client to X-Forwarded-For."),
    ROW("addXForwardedSchemeHeaders", BOOL, struct forwarded_headers, add_x_forwarded_scheme_headers,
        .text = "Send X-Forwarded-Scheme and X-Scheme too."),
};
static const struct schema forwarded_schema =
    SCHEMA(struct forwarded_headers, "forwardedHeaders", forwarded_fields);

static const struct schema_field redirect_fields[] = {
    ROW("to", STRING, struct redirect_entry_point, to,
        .text = "Entry point, or :PORT, that clients are sent to."),
    ROW("scheme", STRING, struct redirect_entry_point, scheme, .fallback = "https",
        .text = "Scheme of the new URL."),
    ROW("permanent", BOOL, struct redirect_entry_point, permanent, .fallback = "true",
        .text = "301 (GET) or 308 instead of 302 or 307."),
    ROW("priority", INT, struct redirect_entry_point, priority, .fallback = "9223372036854775806",
        .text = "Priority of the router that is made for it."),
};
static const struct schema redirect_schema =
    SCHEMA(struct redirect_entry_point, "redirectEntryPoint", redirect_fields);

static const struct schema_field redirections_fields[] = {
    ROW("entryPoint", OPTIONAL, struct redirections, entry_point, .sub = &redirect_schema,
        .text = "Send all requests to another entry point."),
};
static const struct schema redirections_schema =
    SCHEMA(struct redirections, "redirections", redirections_fields);

#define ENCODED(label, member, what)                                                                         \
    ROW(label, BOOL, struct encoded_characters, member, .fallback = "true",                                  \
        .text = "Allow " what " in the path.")
static const struct schema_field encoded_fields[] = {
    ENCODED("allowEncodedSlash", allow_encoded_slash, "%2F"),
    ENCODED("allowEncodedBackSlash", allow_encoded_back_slash, "%5C"),
    ENCODED("allowEncodedNullCharacter", allow_encoded_null_character, "%00"),
    ENCODED("allowEncodedSemicolon", allow_encoded_semicolon, "%3B"),
    ENCODED("allowEncodedPercent", allow_encoded_percent, "%25"),
    ENCODED("allowEncodedQuestionMark", allow_encoded_question_mark, "%3F"),
    ENCODED("allowEncodedHash", allow_encoded_hash, "%23"),
};
static const struct schema encoded_schema =
    SCHEMA(struct encoded_characters, "encodedCharacters", encoded_fields);

static const char *const underscore_strategies[] = {"keep", "delete", "reject", NULL};

static const struct schema_field http_fields[] = {
    ROW("redirections", OPTIONAL, struct entry_point_http, redirections, .sub = &redirections_schema,
        .text = "Redirections of the whole entry point."),
    ROW("middlewares", STRINGS, struct entry_point_http, middlewares,
        .text = "Middlewares run before those of each router: name@provider."),
    ROW("tls", OPTIONAL, struct entry_point_http, tls, .flags = SCHEMA_ALLOW_EMPTY, .sub = &router_tls_schema,
        .text = "TLS settings of routers that have none: they take TLS connections only."),
    ROW("encodedCharacters", STRUCT, struct entry_point_http, encoded_characters, .sub = &encoded_schema,
        .text = "Which encoded characters the path of a request may hold."),
    ROW("encodeQuerySemicolons", BOOL, struct entry_point_http, encode_query_semicolons,
        .text = "Pass ; in queries on as %3B."),
    ROW("sanitizePath", BOOL, struct entry_point_http, sanitize_path, .fallback = "true",
        .text = "Resolve /./, /../ and // before routing."),
    ROW("maxHeaderBytes", INT, struct entry_point_http, max_header_bytes, .fallback = "1048576", .min = 0,
        .max = INT32_MAX, .text = "Largest head of a request."),
    ROW("underscoreHeadersStrategy", ENUM, struct entry_point_http, underscore_headers_strategy,
        .fallback = "keep", .choices = underscore_strategies,
        .text = "What happens to headers with _ in their names."),
};
static const struct schema http_schema_ = SCHEMA(struct entry_point_http, "entryPointHttp", http_fields);

static const struct schema_field http2_fields[] = {
    ROW("maxConcurrentStreams", INT, struct http2_config, max_concurrent_streams, .fallback = "250", .min = 0,
        .max = INT32_MAX, .text = "Streams that a client may open at once."),
    ROW("maxDecoderHeaderTableSize", INT, struct http2_config, max_decoder_header_table_size,
        .fallback = "4096", .min = 0, .max = INT32_MAX, .text = "HPACK table for what clients send."),
    ROW("maxEncoderHeaderTableSize", INT, struct http2_config, max_encoder_header_table_size,
        .fallback = "4096", .min = 0, .max = INT32_MAX, .text = "HPACK table for what clients get."),
};
static const struct schema http2_schema = SCHEMA(struct http2_config, "http2", http2_fields);

static const struct schema_field http3_fields[] = {
    ROW("advertisedPort", INT, struct http3_config, advertised_port, .min = 0, .max = 65535,
        .text = "UDP port named to clients when it is not the entry point's."),
};
static const struct schema http3_schema = SCHEMA(struct http3_config, "http3", http3_fields);

struct udp_config { /* entry_point.udp_timeout seen as a struct, for its dotted name udp.timeout */
    int64_t timeout;
};
static const struct schema_field udp_fields[] = {
    ROW("timeout", DURATION, struct udp_config, timeout, .fallback = "3s",
        .text = "Silence after which a UDP session ends."),
};
static const struct schema udp_schema = SCHEMA(struct udp_config, "udp", udp_fields);

static const char *const trace_verbosities[] = {"minimal", "detailed", NULL};
static const struct schema_field observability_fields[] = {
    ROW("accessLogs", OPT_BOOL, struct router_observability, access_logs,
        .text = "Write access log lines; on when not written."),
    ROW("metrics", OPT_BOOL, struct router_observability, metrics,
        .text = "Count requests; on when not written."),
    ROW("tracing", OPT_BOOL, struct router_observability, tracing,
        .text = "Make spans; on when not written."),
    ROW("traceVerbosity", ENUM, struct router_observability, trace_verbosity, .fallback = "minimal",
        .choices = trace_verbosities, .text = "How many spans a request gets."),
};
static const struct schema observability_schema =
    SCHEMA(struct router_observability, "entryPointObservability", observability_fields);

static const struct schema_field entry_point_fields[] = {
    ROW("address", STRING, struct entry_point, address, .flags = SCHEMA_REQUIRED,
        .text = "[HOST]:PORT[/tcp|/udp] to listen on."),
    ROW("allowACMEByPass", BOOL, struct entry_point, allow_acme_by_pass,
        .text = "Leave /.well-known/acme-challenge/ to the routers."),
    ROW("reusePort", BOOL, struct entry_point, reuse_port, .text = "Share the port with other processes."),
    ROW("asDefault", BOOL, struct entry_point, as_default,
        .text = "Routers without entry points get this one; without any such mark they get all."),
    ROW("transport", STRUCT, struct entry_point, transport, .sub = &transport_schema,
        .text = "Connections of clients."),
    ROW("proxyProtocol", OPTIONAL, struct entry_point, proxy_protocol, .flags = SCHEMA_ALLOW_EMPTY,
        .sub = &trusted_schema, .text = "Peers that may send a PROXY protocol header."),
    ROW("forwardedHeaders", STRUCT, struct entry_point, forwarded_headers, .sub = &forwarded_schema,
        .text = "What is believed of, and added to, X-Forwarded-*."),
    ROW("http", STRUCT, struct entry_point, http, .sub = &http_schema_, .text = "HTTP on this entry point."),
    ROW("http2", STRUCT, struct entry_point, http2, .sub = &http2_schema, .text = "HTTP/2."),
    ROW("http3", OPTIONAL, struct entry_point, http3, .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_NOT_SERVED,
        .sub = &http3_schema, .text = "HTTP/3."),
    ROW("udp", STRUCT, struct entry_point, udp_timeout, .sub = &udp_schema,
        .text = "UDP on this entry point."),
    ROW("observability", STRUCT, struct entry_point, observability, .flags = SCHEMA_NOT_SERVED,
        .sub = &observability_schema, .text = "What is recorded of requests, where the router does not say."),
};
const struct schema entry_point_schema = SCHEMA(struct entry_point, "entryPoint", entry_point_fields);

/* ---- transports to servers ---- */

static const struct schema_field timeout_fields[] = {
    ROW("dialTimeout", DURATION, struct forwarding_timeouts, dial_timeout, .fallback = "30s",
        .text = "How long a connection to a server may take to open; 0 for no bound."),
    ROW("responseHeaderTimeout", DURATION, struct forwarding_timeouts, response_header_timeout,
        .text = "How long a server may take to begin its answer; 0 for no bound."),
    ROW("idleConnTimeout", DURATION, struct forwarding_timeouts, idle_conn_timeout, .fallback = "90s",
        .text = "How long an idle connection to a server is kept."),
};
static const struct schema timeouts_schema =
    SCHEMA(struct forwarding_timeouts, "forwardingTimeouts", timeout_fields);

static const struct schema_field servers_transport_fields[] = {
    ROW("insecureSkipVerify", BOOL, struct servers_transport_config, insecure_skip_verify,
        .text = "Believe any certificate of a server."),
    ROW("rootCAs", STRINGS, struct servers_transport_config, root_cas,
        .text = "Authorities (path or PEM) that servers' certificates are checked against."),
    ROW("maxIdleConnsPerHost", INT, struct servers_transport_config, max_idle_conns_per_host,
        .fallback = "200", .min = INT32_MIN, .max = INT32_MAX,
        .text = "Idle connections kept for each server; 0 stands for 200, negative: none is kept."),
    ROW("forwardingTimeouts", OPTIONAL, struct servers_transport_config, forwarding_timeouts,
        .sub = &timeouts_schema, .text = "Bounds on waiting for servers."),
    ROW("spiffe", DOC, struct servers_transport_config, spiffe, .flags = SCHEMA_NOT_SERVED,
        .text = "Check servers by SPIFFE identities (ids, trustDomain)."),
};
static const struct schema static_transport_schema =
    SCHEMA(struct servers_transport_config, "serversTransport", servers_transport_fields);

static const struct schema_field tcp_tls_fields[] = {
    ROW("insecureSkipVerify", BOOL, struct tcp_client_tls, insecure_skip_verify,
        .text = "Believe any certificate of a server."),
    ROW("rootCAs", STRINGS, struct tcp_client_tls, root_cas,
        .text = "Authorities that servers' certificates are checked against."),
    ROW("spiffe", DOC, struct tcp_client_tls, spiffe, .flags = SCHEMA_NOT_SERVED,
        .text = "Check servers by SPIFFE identities (ids, trustDomain)."),
};
static const struct schema tcp_tls_schema = SCHEMA(struct tcp_client_tls, "tcpTls", tcp_tls_fields);

static const struct schema_field tcp_transport_fields[] = {
    ROW("dialKeepAlive", DURATION, struct tcp_transport_config, dial_keep_alive, .fallback = "15s",
        .text = "Time between keep-alive probes; negative for none."),
    ROW("dialTimeout", DURATION, struct tcp_transport_config, dial_timeout, .fallback = "30s",
        .text = "How long a connection to a server may take to open."),
    ROW("terminationDelay", DURATION, struct tcp_transport_config, termination_delay,
        .text = "How long the other half of a half-closed connection stays open; 0 stands for 100ms."),
    ROW("tls", OPTIONAL, struct tcp_transport_config, tls, .sub = &tcp_tls_schema, .text = "TLS to servers."),
};
static const struct schema tcp_transport_schema =
    SCHEMA(struct tcp_transport_config, "tcpServersTransport", tcp_transport_fields);

/* ---- small ones ---- */

static const struct schema_field ping_fields[] = {
    ROW("entryPoint", STRING, struct ping_config, entry_point, .fallback = "traefik",
        .text = "Entry point that answers /ping."),
    ROW("manualRouting", BOOL, struct ping_config, manual_routing,
        .text = "Make no router; route to the service ping@internal yourself."),
    ROW("terminatingStatusCode", INT, struct ping_config, terminating_status_code, .fallback = "503",
        .min = 200, .max = 599, .text = "Status of /ping while weir stops."),
};
static const struct schema ping_schema = SCHEMA(struct ping_config, "ping", ping_fields);

static const struct schema_field api_fields[] = {
    ROW("basePath", STRING, struct api_config, base_path, .fallback = "/",
        .text = "Path in front of /api, /dashboard."),
    ROW("insecure", BOOL, struct api_config, insecure,
        .text = "Serve it on the entry point traefik to everyone."),
    ROW("dashboard", BOOL, struct api_config, dashboard, .fallback = "true", .text = "Serve the dashboard."),
    ROW("debug", BOOL, struct api_config, debug, .text = "Serve /debug too."),
    ROW("disableDashboardAd", BOOL, struct api_config, disable_dashboard_ad, .flags = SCHEMA_INERT,
        .text = "weir shows no advertisements."),
    ROW("dashboardName", STRING, struct api_config, dashboard_name, .text = "Title of the dashboard."),
};
static const struct schema api_schema = SCHEMA(struct api_config, "api", api_fields);

static const char *const default_syntaxes[] = {"v3", "v2", "", NULL};
static const struct schema_field core_fields[] = {
    ROW("defaultRuleSyntax", ENUM, struct core_config, default_rule_syntax, .choices = default_syntaxes,
        .text = "Rule language of routers that name none: v3 (also when not written) or v2."),
};
static const struct schema core_schema = SCHEMA(struct core_config, "core", core_fields);

static const struct schema_field global_fields[] = {
    ROW("checkNewVersion", BOOL, struct global_config, check_new_version, .flags = SCHEMA_INERT,
        .fallback = "true", .text = "weir does not look for new versions."),
    ROW("sendAnonymousUsage", BOOL, struct global_config, send_anonymous_usage, .flags = SCHEMA_INERT,
        .text = "weir sends nothing about its use."),
    ROW("notAppendXForwardedFor", BOOL, struct global_config, not_append_x_forwarded_for,
        .flags = SCHEMA_INERT,
        .text = "As in Traefik 3.7 itself. Write it below each entry point's forwardedHeaders."),
};
static const struct schema global_schema = SCHEMA(struct global_config, "global", global_fields);

static const struct schema_field host_resolver_fields[] = {
    U_FLAG("cnameFlattening", "Follow CNAMEs of the host that a request names."),
    U_TEXT("resolvConfig", "/etc/resolv.conf", "File that names the resolvers."),
    U_NUMBER("resolvDepth", "5", "How many CNAMEs are followed."),
};
static const struct schema host_resolver_schema =
    SCHEMA(struct unserved, "hostResolver", host_resolver_fields);

static const struct schema_field spiffe_client_fields[] = {
    U_TEXT("workloadAPIAddr", NULL, "Address of the workload API."),
};
static const struct schema spiffe_client_schema = SCHEMA(struct unserved, "spiffe", spiffe_client_fields);

/* ---- the root ---- */

#define S struct static_config
#define LATER (SCHEMA_ALLOW_EMPTY | SCHEMA_NOT_SERVED)
#define OLD(label, instead)                                                                                  \
    ROW(label, DOC, S, legacy.others, .flags = SCHEMA_DEPRECATED,                                            \
        .text = "An option of Traefik 1, without effect. Write " instead)
#define GONE(label, why) ROW(label, DOC, S, legacy.others, .flags = SCHEMA_DEPRECATED, .text = why)

static const struct schema_field static_fields[] = {
    ROW("global", STRUCT, S, global, .sub = &global_schema, .text = "Settings of the whole."),
    ROW("serversTransport", STRUCT, S, servers_transport, .sub = &static_transport_schema,
        .text = "How servers are spoken to, where a service does not say."),
    ROW("tcpServersTransport", OPTIONAL, S, tcp_servers_transport, .sub = &tcp_transport_schema,
        .text = "How servers of TCP services are spoken to, where a service does not say."),
    ROW("entryPoints", MAP, S, entry_points, .sub = &entry_point_schema, .text = "Entry points by name."),
    ROW("providers", STRUCT, S, providers, .sub = &providers_schema,
        .text = "Where routers and services come from."),
    ROW("api", OPTIONAL, S, api, .flags = LATER, .sub = &api_schema, .text = "API and dashboard."),
    ROW("metrics", OPTIONAL, S, metrics, .flags = LATER, .sub = &metrics_schema, .text = "Metrics."),
    ROW("ping", OPTIONAL, S, ping, .flags = SCHEMA_ALLOW_EMPTY, .sub = &ping_schema, .text = "Answer /ping."),
    ROW("log", OPTIONAL, S, log, .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_DEFAULT_ON, .sub = &log_schema,
        .text = "What weir says about itself."),
    ROW("accessLog", OPTIONAL, S, access_log, .flags = LATER, .sub = &access_log_schema,
        .text = "A line for each request."),
    ROW("tracing", OPTIONAL, S, tracing, .flags = LATER, .sub = &tracing_schema,
        .text = "OpenTelemetry traces."),
    ROW("hostResolver", OPTIONAL, S, host_resolver, .flags = LATER, .sub = &host_resolver_schema,
        .text = "CNAMEs of hosts in Host rules."),
    ROW("certificatesResolvers", MAP, S, certificates_resolvers, .flags = SCHEMA_NOT_SERVED,
        .sub = &certificates_resolver_schema, .text = "Where certificates are got from, by name."),
    ROW("experimental", OPTIONAL, S, experimental, .flags = SCHEMA_ALLOW_EMPTY, .sub = &experimental_schema,
        .text = "Experiments of Traefik."),
    ROW("core", STRUCT, S, core, .sub = &core_schema, .text = "Rule language."),
    ROW("spiffe", OPTIONAL, S, spiffe, .flags = SCHEMA_NOT_SERVED, .sub = &spiffe_client_schema,
        .text = "SPIFFE."),
    ROW("ocsp", OPTIONAL, S, ocsp, .flags = SCHEMA_ALLOW_EMPTY, .sub = &ocsp_schema,
        .text = "Stapling of OCSP answers."),
    ROW("configFile", STRING, S, config_file,
        .text = "File with the static configuration; other flags are ignored then."),
    ROW("workers", INT, S, workers, .min = 0, .max = 256,
        .text = "Own option: worker processes; 0 for one for each core that may be used."),
    ROW("limits", STRUCT, S, limits, .sub = &limits_schema, .text = "Own option: bounds on the whole."),
    ROW("stateDir", STRING, S, state_dir,
        .text = "Own option: folder that keeps what an API server said last, without Secrets, for a start "
                "while it is "
                "away."),
    ROW("spoolDir", STRING, S, spool_dir,
        .text =
            "Own option: folder for the files that hold long bodies (limits.spool), which have no name in "
            "it. That of TMPDIR, /tmp or stateDir when empty."),

    /* older spellings: accepted, named in a warning that says what to write */
    ROW("logLevel", STRING, S, legacy.log_level, .flags = SCHEMA_DEPRECATED,
        .text = "An option of Traefik 1. Write log.level."),
    ROW("kubernetes", DOC, S, legacy.kubernetes, .flags = SCHEMA_DEPRECATED,
        .text = "An option of Traefik 1. Write providers.kubernetesIngress."),
    OLD("debug", "log.level=DEBUG."),
    OLD("traefikLog", "log.filePath and log.format."),
    OLD("traefikLogsFile", "log.filePath."),
    OLD("accessLogsFile", "accessLog.filePath."),
    ROW("defaultEntryPoints", STRINGS, S, legacy.default_entry_points, .flags = SCHEMA_DEPRECATED,
        .text = "An option of Traefik 1. Write entryPoints.NAME.asDefault=true."),
    OLD("web", "api, ping and metrics."),
    OLD("statistics", "metrics.prometheus."),
    OLD("graceTimeOut", "entryPoints.NAME.transport.lifeCycle.graceTimeOut."),
    OLD("lifeCycle", "entryPoints.NAME.transport.lifeCycle."),
    OLD("respondingTimeouts", "entryPoints.NAME.transport.respondingTimeouts."),
    OLD("idleTimeout", "entryPoints.NAME.transport.respondingTimeouts.idleTimeout."),
    OLD("forwardingTimeouts", "serversTransport.forwardingTimeouts."),
    OLD("insecureSkipVerify", "serversTransport.insecureSkipVerify."),
    OLD("rootCAs", "serversTransport.rootCAs."),
    OLD("maxIdleConnsPerHost", "serversTransport.maxIdleConnsPerHost."),
    OLD("providersThrottleDuration", "providers.providersThrottleDuration."),
    OLD("checkNewVersion", "global.checkNewVersion."),
    OLD("sendAnonymousUsage", "global.sendAnonymousUsage."),
    OLD("retry", "a retry middleware on the routers."),
    OLD("constraints", "the constraints of each provider."),
    OLD("keepTrailingSlash", "nothing: trailing slashes are always kept."),
    OLD("allowMinWeightZero", "nothing: a weight of 0 is always allowed."),
    OLD("acme", "certificatesResolvers.NAME.acme."),
    OLD("docker", "providers.docker."),
    OLD("file", "providers.file."),
    OLD("rest", "providers.rest."),
    OLD("consul", "providers.consul."),
    OLD("consulCatalog", "providers.consulCatalog."),
    OLD("etcd", "providers.etcd."),
    OLD("zookeeper", "providers.zooKeeper."),
    OLD("ecs", "providers.ecs."),
    OLD("boltdb", "another provider: there is none for boltdb any more."),
    OLD("marathon", "another provider: there is none for marathon any more."),
    OLD("mesos", "another provider: there is none for mesos any more."),
    OLD("rancher", "another provider: there is none for rancher any more."),
    OLD("eureka", "another provider: there is none for eureka any more."),
    OLD("dynamodb", "another provider: there is none for dynamodb any more."),
    OLD("servicefabric", "another provider: there is none for servicefabric any more."),
    OLD("cluster", "nothing: there is no cluster mode any more."),
    OLD("frontends", "routers in a file of the file provider."),
    OLD("backends", "services in a file of the file provider."),
    GONE("pilot", "Traefik Pilot is gone: without effect. Remove it; local plugins go under "
                  "experimental.localPlugins."),
};
const struct schema static_schema = SCHEMA(struct static_config, "static", static_fields);
