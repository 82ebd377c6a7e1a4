/*
 * static.c - the options of the static configuration: transports, api, ping and the root of the tables.
 *
 * Not here: entry points (static_entry_points.c), providers (static_providers.c), logs, metrics and traces
 * (static_observability.c), certificates and experiments (static_extras.c), what is derived and checked after decoding
 * (master/static).
 */
#include "common/model/rows.h"
#include "common/model/static.h"
#include "common/model/static_legacy.h"
#include "common/model/tcp.h"

/* ---- transports to servers ---- */

static const struct schema_field timeout_fields[] = {
    ROW("dialTimeout", DURATION, struct forwarding_timeouts, dial_timeout, .fallback = "30s",
        .text = "How long a connection to a server may take to open; 0 for no bound."),
    ROW("responseHeaderTimeout", DURATION, struct forwarding_timeouts, response_header_timeout,
        .text = "How long a server may take to begin its answer; 0 for no bound."),
    ROW("idleConnTimeout", DURATION, struct forwarding_timeouts, idle_conn_timeout, .fallback = "90s",
        .text = "How long an idle connection to a server is kept."),
    ROW("sendTimeout", DURATION, struct forwarding_timeouts, send_timeout, .fallback = "60s",
        .text =
            "Own option: how long a server may take nothing of a request that waits for it; 0 for no bound."),
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
        .text = "An option of Traefik 1, without effect. Write " instead),

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
        .text = "File with the static configuration; other flags are ignored then, unless it or they have "
                "kubernetes, logLevel or defaultEntryPoints: then they hold before it, as in Traefik 1."),
    ROW("workers", INT, S, workers, .min = 0, .max = 256,
        .text = "Own option: worker processes; 0 for one for each core that may be used."),
    ROW("limits", STRUCT, S, limits, .sub = &limits_schema, .text = "Own option: bounds on the whole."),
    ROW("stateDir", STRING, S, state_dir,
        .text = "Own option: folder that keeps what an API server said last, without Secrets, for a start "
                "while it is away."),
    ROW("spoolDir", STRING, S, spool_dir,
        .text =
            "Own option: folder for the files that hold long bodies (limits.spool), which have no name in "
            "it. That of TMPDIR, /tmp or stateDir when empty."),

    /* older spellings: accepted, named in a warning that says what to write */
    ROW("logLevel", STRING, S, legacy.log_level, .flags = SCHEMA_DEPRECATED,
        .text = "An option of Traefik 1. Write log.level."),
    ROW("kubernetes", DOC, S, legacy.kubernetes, .flags = SCHEMA_DEPRECATED,
        .text = "An option of Traefik 1. Write providers.kubernetesIngress."),
    ROW("defaultEntryPoints", STRINGS, S, legacy.default_entry_points, .flags = SCHEMA_DEPRECATED,
        .text = "An option of Traefik 1. Write entryPoints.NAME.asDefault=true."),
    TRAEFIK_1(OLD) ROW("pilot", DOC, S, legacy.others, .flags = SCHEMA_DEPRECATED,
                       .text = "Traefik Pilot is gone: without effect. Remove it; local plugins go under "
                               "experimental.localPlugins."),
};
const struct schema static_schema = SCHEMA(struct static_config, "static", static_fields);
