/*
 * static_entry_points.c - the options of entry points: their address, times, who is believed, HTTP on them.
 */
#include "common/model/rows.h"
#include "common/model/static.h"
#include "common/model/tcp.h"

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
        .text = "Leave ACME challenges, of HTTP and of TLS, to the routers."),
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
