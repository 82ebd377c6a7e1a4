/*
 * middlewares_limits.c - the options of the middlewares that bound what servers get: rates, sizes, failures.
 *
 * Names and defaults as in Traefik. Not here: the list of all kinds (middlewares.c), sources (middlewares_access.c).
 */
#include "common/model/middlewares.h"
#include "common/model/rows.h"

static const struct schema_field redis_fields[] = {
    ROW("endpoints", STRINGS, struct redis, endpoints, .flags = OMIT, .fallback = "localhost:6379",
        .text = "HOST:PORT; several are a cluster."),
    ROW("tls", OPTIONAL, struct redis, tls, .flags = OMIT | SCHEMA_ALLOW_EMPTY, .sub = &client_tls_schema,
        .text = "How it is spoken to over TLS."),
    ROW("username", STRING, struct redis, username, .flags = OMIT | SCHEMA_SECRET,
        .text = "Name of the user."),
    ROW("password", STRING, struct redis, password, .flags = OMIT | SCHEMA_SECRET, .text = "Its password."),
    ROW("db", INT, struct redis, db, .flags = OMIT, .min = 0, .max = INT32_MAX,
        .text = "Number of the database."),
    ROW("poolSize", INT, struct redis, pool_size, .flags = OMIT, .min = 0, .max = INT32_MAX,
        .text = "Connections; 10 a processor when 0."),
    ROW("minIdleConns", INT, struct redis, min_idle_conns, .flags = OMIT, .min = 0, .max = INT32_MAX,
        .text = "Idle connections that are kept."),
    ROW("maxActiveConns", INT, struct redis, max_active_conns, .flags = OMIT, .min = 0, .max = INT32_MAX,
        .text = "Connections at most; 0 for no bound."),
    ROW("readTimeout", DURATION, struct redis, read_timeout, .flags = OMIT, .fallback = "3s",
        .text = "How long reading may take."),
    ROW("writeTimeout", DURATION, struct redis, write_timeout, .flags = OMIT, .fallback = "3s",
        .text = "How long writing may take."),
    ROW("dialTimeout", DURATION, struct redis, dial_timeout, .flags = OMIT, .fallback = "5s",
        .text = "How long connecting may take."),
};
static const struct schema redis_schema = SCHEMA(struct redis, "redis", redis_fields);

static const char *const limit_scopes[] = {"router", "middleware", "", NULL};

static const struct schema_field rate_limit_fields[] = {
    ROW("average", INT, struct rate_limit, average, .flags = OMIT, .min = 0, .max = 9.3e18,
        .text = "Requests for each period and source; 0 for no limit."),
    ROW("period", DURATION, struct rate_limit, period, .flags = OMIT, .fallback = "1s", .min = 0,
        .max = 9.2e18, .text = "What average counts in."),
    ROW("burst", INT, struct rate_limit, burst, .flags = OMIT, .fallback = "1", .min = 0, .max = 9.3e18,
        .text = "Requests that may come at once."),
    ROW("sourceCriterion", OPTIONAL, struct rate_limit, source_criterion, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &source_criterion_schema, .text = "What makes a source."),
    ROW("redis", OPTIONAL, struct rate_limit, redis, .flags = OMIT | SCHEMA_ALLOW_EMPTY, .sub = &redis_schema,
        .text = "Count in a Redis, for several replicas together."),
    ROW("scope", ENUM, struct rate_limit, scope, .flags = OMIT, .choices = limit_scopes,
        .text = "Own option: router (the default), each router counts for itself; middleware, all together."),
};
const struct schema rate_limit_schema = SCHEMA(struct rate_limit, "rateLimit", rate_limit_fields);

static const struct schema_field in_flight_req_fields[] = {
    ROW("amount", INT, struct in_flight_req, amount, .flags = OMIT, .min = 0, .max = 9.3e18,
        .text = "Requests of a source at the same time."),
    ROW("sourceCriterion", OPTIONAL, struct in_flight_req, source_criterion,
        .flags = OMIT | SCHEMA_ALLOW_EMPTY, .sub = &source_criterion_schema,
        .text = "What makes a source; the host when empty."),
};
const struct schema in_flight_req_schema = SCHEMA(struct in_flight_req, "inFlightReq", in_flight_req_fields);

static const struct schema_field buffering_fields[] = {
    ROW("maxRequestBodyBytes", INT, struct buffering, max_request_body_bytes, .flags = OMIT, .min = 0,
        .max = 9.3e18, .text = "Longest body of a request; 0 for no bound."),
    ROW("memRequestBodyBytes", INT, struct buffering, mem_request_body_bytes, .flags = OMIT, .min = 0,
        .max = 9.3e18, .text = "So much of the body of a request stays in memory; 1 MiB when 0."),
    ROW("maxResponseBodyBytes", INT, struct buffering, max_response_body_bytes, .flags = OMIT, .min = 0,
        .max = 9.3e18, .text = "Longest body of an answer; 0 for no bound."),
    ROW("memResponseBodyBytes", INT, struct buffering, mem_response_body_bytes, .flags = OMIT, .min = 0,
        .max = 9.3e18, .text = "So much of the body of an answer stays in memory; 1 MiB when 0."),
    ROW("retryExpression", STRING, struct buffering, retry_expression, .flags = OMIT,
        .text = "When the request is sent again: IsNetworkError() && Attempts() < 2."),
};
const struct schema buffering_schema = SCHEMA(struct buffering, "buffering", buffering_fields);

static const struct schema_field circuit_breaker_fields[] = {
    ROW("expression", STRING, struct circuit_breaker, expression, .flags = OMIT,
        .text = "When it opens: NetworkErrorRatio() > 0.30."),
    ROW("checkPeriod", DURATION, struct circuit_breaker, check_period, .flags = OMIT, .fallback = "100ms",
        .text = "How often the expression is looked at."),
    ROW("fallbackDuration", DURATION, struct circuit_breaker, fallback_duration, .flags = OMIT,
        .fallback = "10s", .text = "How long it stays open."),
    ROW("recoveryDuration", DURATION, struct circuit_breaker, recovery_duration, .flags = OMIT,
        .fallback = "10s", .text = "How long it takes to let everything through again."),
    ROW("responseCode", INT, struct circuit_breaker, response_code, .flags = OMIT, .fallback = "503",
        .min = 0, .max = 599, .text = "Status while it is open."),
};
const struct schema circuit_breaker_schema =
    SCHEMA(struct circuit_breaker, "circuitBreaker", circuit_breaker_fields);

static const struct schema_field retry_fields[] = {
    ROW("attempts", INT, struct retry, attempts, .flags = OMIT, .min = 0, .max = INT32_MAX,
        .text = "How often a request is sent in all."),
    ROW("timeout", DURATION, struct retry, timeout, .flags = OMIT,
        .text = "Time for all attempts together; 0 for no bound."),
    ROW("initialInterval", DURATION, struct retry, initial_interval, .flags = OMIT,
        .text = "First pause; it grows from there."),
    ROW("maxRequestBodyBytes", OPT_INT, struct retry, max_request_body_bytes, .flags = OMIT,
        .fallback = "2097152", .min = -1, .max = 9.3e18,
        .text = "Longer requests are sent once; -1 for 64 MiB."),
    ROW("status", STRINGS, struct retry, status, .flags = OMIT,
        .text = "Statuses (or ranges, 500-599) after which it is sent again."),
    ROW("disableRetryOnNetworkError", BOOL, struct retry, disable_retry_on_network_error, .flags = OMIT,
        .text = "Not after failures of the network."),
    ROW("retryNonIdempotentMethod", BOOL, struct retry, retry_non_idempotent_method, .flags = OMIT,
        .text = "POST and other methods that change something, too."),
};
const struct schema retry_schema = SCHEMA(struct retry, "retry", retry_fields);
