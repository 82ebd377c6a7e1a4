/*
 * static_observability.c - the options of logs, metrics and traces. Of these only `log` has effect so far.
 */
#include "common/model/rows.h"
#include "common/model/static.h"

/* ---- shared ---- */

static const struct schema_field tls_client_fields[] = {
    U_TEXT("ca", NULL, "Authority of the other side's certificate."),
    U_TEXT("cert", NULL, "Certificate shown to the other side."),
    U_SECRET("key", "Its private key."),
    U_FLAG("insecureSkipVerify", "Believe any certificate."),
    U_ROW("caOptional", BOOL, flag, .flags = SCHEMA_DEPRECATED,
          .text = "Gone since Traefik 3: it only ever concerned servers; remove it."),
};
const struct schema unserved_tls_client = SCHEMA(struct unserved, "tls", tls_client_fields);

static const struct schema_field otlp_grpc_fields[] = {
    U_TEXT("endpoint", "localhost:4317", "HOST:PORT of the collector."),
    U_FLAG("insecure", "Without TLS."),
    U_SUB("tls", unserved_tls_client, "TLS of the connection."),
    U_SECRETS("headers", "Headers sent along."),
};
const struct schema unserved_otlp_grpc = SCHEMA(struct unserved, "grpc", otlp_grpc_fields);

static const struct schema_field otlp_http_fields[] = {
    U_TEXT("endpoint", "https://localhost:4318", "URL of the collector."),
    U_SUB("tls", unserved_tls_client, "TLS of the connection."),
    U_SECRETS("headers", "Headers sent along."),
};
const struct schema unserved_otlp_http = SCHEMA(struct unserved, "http", otlp_http_fields);

#define COLLECTOR                                                                                            \
    U_SUB("grpc", unserved_otlp_grpc, "Send by gRPC."), U_SUB("http", unserved_otlp_http, "Send by HTTP.")
#define RESOURCE                                                                                             \
    U_TEXT("serviceName", "traefik", "Name of the service in what is sent."),                                \
        U_PAIRS("resourceAttributes", "Further attributes of the resource.")

static const struct schema_field otlp_log_fields[] = {RESOURCE, COLLECTOR};
static const struct schema otlp_log_schema = SCHEMA(struct unserved, "otlp", otlp_log_fields);

/* ---- log ---- */

#define L struct log_config
static const struct schema_field log_fields[] = {
    ROW("level", STRING, L, level, .fallback = "ERROR",
        .text = "TRACE, DEBUG, INFO, WARN, ERROR, FATAL or PANIC."),
    ROW("format", STRING, L, format, .fallback = "common", .text = "common or json."),
    ROW("noColor", BOOL, L, no_color, .text = "No colours; weir never uses any."),
    ROW("filePath", STRING, L, file_path, .text = "File instead of the standard output."),
    ROW("maxSize", INT, L, max_size, .flags = SCHEMA_NOT_SERVED, .min = 0, .max = INT32_MAX,
        .text = "MiB at which the file is rotated."),
    ROW("maxAge", INT, L, max_age, .flags = SCHEMA_NOT_SERVED, .min = 0, .max = INT32_MAX,
        .text = "Days that rotated files are kept."),
    ROW("maxBackups", INT, L, max_backups, .flags = SCHEMA_NOT_SERVED, .min = 0, .max = INT32_MAX,
        .text = "Rotated files that are kept."),
    ROW("compress", BOOL, L, compress, .flags = SCHEMA_NOT_SERVED, .text = "Compress rotated files."),
    ROW("otlp", OPTIONAL, L, otlp, .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_NOT_SERVED, .sub = &otlp_log_schema,
        .text = "Send to an OpenTelemetry collector."),
};
const struct schema log_schema = SCHEMA(struct log_config, "log", log_fields);

/* ---- access log ---- */

static const struct schema_field filters_fields[] = {
    U_LIST("statusCodes", "Only statuses in these ranges."),
    U_FLAG("retryAttempts", "Requests that were tried again."),
    U_TIME("minDuration", NULL, "Requests that took longer."),
};
static const struct schema filters_schema = SCHEMA(struct unserved, "filters", filters_fields);

static const struct schema_field header_fields[] = {
    U_TEXT("defaultMode", "drop", "keep, drop or redact."),
    U_PAIRS("names", "The same for single headers."),
};
static const struct schema header_schema = SCHEMA(struct unserved, "headers", header_fields);

static const struct schema_field query_fields[] = {U_TEXT("defaultMode", "keep", "keep or drop.")};
static const struct schema query_schema = SCHEMA(struct unserved, "queryParameters", query_fields);

static const struct schema_field field_fields[] = {
    U_TEXT("defaultMode", "keep", "keep or drop."),
    U_PAIRS("names", "The same for single fields."),
    U_SUB("headers", header_schema, "Headers of requests and responses."),
    U_SUB("queryParameters", query_schema, "Query parameters."),
};
static const struct schema field_schema = SCHEMA(struct unserved, "fields", field_fields);

static const struct schema_field access_log_fields[] = {
    U_TEXT("filePath", NULL, "File instead of the standard output."),
    U_TEXT("format", "common", "common, json or genericCLF."),
    U_SUB("filters", filters_schema, "Which requests are written."),
    U_SUB("fields", field_schema, "Which fields are written."),
    U_NUMBER("bufferingSize", NULL, "Lines that are written together."),
    U_FLAG("addInternals", "Requests to internal services too."),
    U_FLAG("dualOutput", "Write lines also when they are sent to a collector."),
    U_SUB("otlp", otlp_log_schema, "Send to an OpenTelemetry collector."),
};
const struct schema access_log_schema = SCHEMA(struct unserved, "accessLog", access_log_fields);

/* ---- metrics ---- */

#define LABEL_FLAGS(type)                                                                                    \
    ROW("addEntryPointsLabels", BOOL, type, add_entry_points_labels, .fallback = "true",                     \
        .text = "Metrics for each entry point."),                                                            \
        ROW("addRoutersLabels", BOOL, type, add_routers_labels, .text = "Metrics for each router."),         \
        ROW("addServicesLabels", BOOL, type, add_services_labels, .fallback = "true",                        \
            .text = "Metrics for each service.")
#define U_LABEL_FLAGS                                                                                        \
    U_FLAG_ON("addEntryPointsLabels", "Metrics for each entry point."),                                      \
        U_FLAG("addRoutersLabels", "Metrics for each router."),                                              \
        U_FLAG_ON("addServicesLabels", "Metrics for each service.")

static const struct schema_field prometheus_fields[] = {
    ROW("buckets", STRINGS, struct prometheus_config, buckets, .flags = SCHEMA_NUMBERS,
        .text = "Bounds of the latency histogram in seconds; 0.1, 0.3, 1.2, 5 when empty."),
    LABEL_FLAGS(struct prometheus_config),
    ROW("entryPoint", STRING, struct prometheus_config, entry_point, .fallback = "traefik",
        .text = "Entry point that answers /metrics."),
    ROW("manualRouting", BOOL, struct prometheus_config, manual_routing,
        .text = "Make no router; route to the service prometheus@internal yourself."),
    ROW("headerLabels", STRING_MAP, struct prometheus_config, header_labels,
        .text = "Request headers that become labels: label and header."),
};
static const struct schema prometheus_schema =
    SCHEMA(struct prometheus_config, "prometheus", prometheus_fields);

#define PUSHED(default_)                                                                                     \
    U_TEXT("address", default_, "Address that metrics are sent to."),                                        \
        U_TIME("pushInterval", "10s", "Time between two sendings."), U_LABEL_FLAGS
#define PREFIX U_TEXT("prefix", "traefik", "Prefix of the names.")

static const struct schema_field datadog_fields[] = {PUSHED("localhost:8125"), PREFIX};
static const struct schema datadog_schema = SCHEMA(struct unserved, "datadog", datadog_fields);

static const struct schema_field statsd_fields[] = {PUSHED("localhost:8125"), PREFIX};
static const struct schema statsd_schema = SCHEMA(struct unserved, "statsD", statsd_fields);

static const struct schema_field influxdb2_fields[] = {
    PUSHED("http://localhost:8086"),
    U_SECRET("token", "Access token, or its file."),
    U_TEXT("org", NULL, "Organisation."),
    U_TEXT("bucket", NULL, "Bucket."),
    U_PAIRS("additionalLabels", "Further tags."),
};
static const struct schema influxdb2_schema = SCHEMA(struct unserved, "influxDB2", influxdb2_fields);

static const struct schema_field otlp_metrics_fields[] = {
    COLLECTOR,
    U_LABEL_FLAGS,
    U_ROW("explicitBoundaries", STRINGS, list, .flags = SCHEMA_NUMBERS,
          .text = "Bounds of the latency histogram in seconds."),
    U_TIME("pushInterval", "10s", "Time between two sendings."),
    RESOURCE,
};
static const struct schema otlp_metrics_schema = SCHEMA(struct unserved, "otlp", otlp_metrics_fields);

#define M struct metrics_config
static const struct schema_field metrics_fields[] = {
    ROW("addInternals", BOOL, M, add_internals, .text = "Count requests to internal services too."),
    ROW("prometheus", OPTIONAL, M, prometheus, .flags = SCHEMA_ALLOW_EMPTY, .sub = &prometheus_schema,
        .text = "Metrics for Prometheus to fetch."),
    ROW("datadog", OPTIONAL, M, datadog, .flags = SCHEMA_ALLOW_EMPTY, .sub = &datadog_schema,
        .text = "Datadog."),
    ROW("statsD", OPTIONAL, M, statsd, .flags = SCHEMA_ALLOW_EMPTY, .sub = &statsd_schema, .text = "StatsD."),
    ROW("influxDB2", OPTIONAL, M, influxdb2, .flags = SCHEMA_ALLOW_EMPTY, .sub = &influxdb2_schema,
        .text = "InfluxDB 2."),
    ROW("otlp", OPTIONAL, M, otlp, .flags = SCHEMA_ALLOW_EMPTY, .sub = &otlp_metrics_schema,
        .text = "An OpenTelemetry collector."),
    ROW("influxDB", OPTIONAL, M, removed, .flags = SCHEMA_DEPRECATED | SCHEMA_ALLOW_EMPTY,
        .sub = &influxdb2_schema,
        .text = "InfluxDB 1 is gone since Traefik 3: without effect. Write metrics.influxDB2."),
};
const struct schema metrics_schema = SCHEMA(struct metrics_config, "metrics", metrics_fields);

/* ---- traces ---- */

static const struct schema_field otlp_tracing_fields[] = {COLLECTOR};
static const struct schema otlp_tracing_schema = SCHEMA(struct unserved, "otlp", otlp_tracing_fields);

#define GONE(label)                                                                                          \
    U_ROW(label, DOC, doc, .flags = SCHEMA_DEPRECATED,                                                       \
          .text = "This exporter is gone since Traefik 3: without effect. Write tracing.otlp.")

static const struct schema_field tracing_fields[] = {
    RESOURCE,
    U_LIST("capturedRequestHeaders", "Request headers that become attributes."),
    U_LIST("capturedResponseHeaders", "Response headers that become attributes."),
    U_LIST("safeQueryParams", "Query parameters that are not hidden."),
    U_ROW("sampleRate", DOUBLE, real, .fallback = "1", .min = 0, .max = 1,
          .text = "Part of the requests, 0.0 to 1.0."),
    U_FLAG("addInternals", "Requests to internal services too."),
    U_SUB("otlp", otlp_tracing_schema, "The OpenTelemetry collector."),
    U_ROW("globalAttributes", STRING_MAP, pairs, .flags = SCHEMA_DEPRECATED,
          .text = "Write resourceAttributes."),
    U_ROW("spanNameLimit", INT, number, .flags = SCHEMA_DEPRECATED,
          .text = "Gone since Traefik 3: without effect, remove it."),
    GONE("jaeger"),
    GONE("zipkin"),
    GONE("datadog"),
    GONE("instana"),
    GONE("haystack"),
    GONE("elastic"),
};
const struct schema tracing_schema = SCHEMA(struct unserved, "tracing", tracing_fields);
