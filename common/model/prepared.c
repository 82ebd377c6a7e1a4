/*
 * prepared.c - how prepared middlewares are packed. See prepared.h. Nobody writes these as options: names are for people who read
 * dumps.
 */
#include "common/model/prepared.h"
#include "common/model/rows.h"

static const struct schema_field client_fields[] = {
    ROW("depth", INT, struct prepared_client, depth),
    ROW("excluded", STRING, struct prepared_client, excluded),
    ROW("ipv6Bits", INT, struct prepared_client, ipv6_bits),
};
static const struct schema client_schema = SCHEMA(struct prepared_client, "client", client_fields);

static const struct schema_field source_fields[] = {
    ROW("kind", INT, struct prepared_source, kind),
    ROW("client", STRUCT, struct prepared_source, client, .sub = &client_schema),
    ROW("header", STRING, struct prepared_source, header),
};
static const struct schema source_schema = SCHEMA(struct prepared_source, "source", source_fields);

static const struct schema_field redis_fields[] = {
    ROW("identity", INT, struct prepared_redis, identity),
    ROW("prefix", STRING, struct prepared_redis, prefix),
    ROW("arguments", STRINGS, struct prepared_redis, arguments),
    ROW("username", STRING, struct prepared_redis, username, .flags = SCHEMA_SECRET),
    ROW("password", STRING, struct prepared_redis, password, .flags = SCHEMA_SECRET),
    ROW("db", INT, struct prepared_redis, db),
    ROW("most", INT, struct prepared_redis, most),
    ROW("least", INT, struct prepared_redis, least),
    ROW("dialTimeout", INT, struct prepared_redis, dial_timeout),
    ROW("readTimeout", INT, struct prepared_redis, read_timeout),
    ROW("writeTimeout", INT, struct prepared_redis, write_timeout),
    ROW("nodes", INT, struct prepared_redis, nodes),
    ROW("slots", STRING, struct prepared_redis, slots),
};
static const struct schema redis_schema = SCHEMA(struct prepared_redis, "redis", redis_fields);

static const struct schema_field rate_limit_prepared_fields[] = {
    ROW("interval", INT, struct prepared_rate_limit, interval),
    ROW("tolerance", INT, struct prepared_rate_limit, tolerance),
    ROW("maxDelay", INT, struct prepared_rate_limit, max_delay_ns),
    ROW("shift", INT, struct prepared_rate_limit, shift),
    ROW("source", STRUCT, struct prepared_rate_limit, source, .sub = &source_schema),
    ROW("redis", OPTIONAL, struct prepared_rate_limit, redis, .sub = &redis_schema),
};
static const struct schema rate_limit_prepared_schema =
    SCHEMA(struct prepared_rate_limit, "rateLimit", rate_limit_prepared_fields);

static const struct schema_field in_flight_prepared_fields[] = {
    ROW("amount", INT, struct prepared_in_flight_req, amount),
    ROW("body", STRING, struct prepared_in_flight_req, body),
    ROW("source", STRUCT, struct prepared_in_flight_req, source, .sub = &source_schema),
};
static const struct schema in_flight_prepared_schema =
    SCHEMA(struct prepared_in_flight_req, "inFlightReq", in_flight_prepared_fields);

static const struct schema_field ip_list_fields[] = {
    ROW("allowed", STRING, struct prepared_ip_list, allowed),
    ROW("client", STRUCT, struct prepared_ip_list, client, .sub = &client_schema),
    ROW("rejectStatus", INT, struct prepared_ip_list, reject_status),
};
static const struct schema ip_list_schema = SCHEMA(struct prepared_ip_list, "ipList", ip_list_fields);

static const struct schema_field errors_fields[] = {
    ROW("statuses", STRING, struct prepared_errors, statuses),
    ROW("rewrites", STRING, struct prepared_errors, rewrites),
    ROW("query", STRING, struct prepared_errors, query),
    ROW("allHeaders", BOOL, struct prepared_errors, all_headers),
    ROW("headers", STRINGS, struct prepared_errors, headers),
};
static const struct schema errors_prepared_schema = SCHEMA(struct prepared_errors, "errors", errors_fields);

static const struct schema_field basic_auth_fields[] = {
    ROW("users", STRING_MAP, struct prepared_basic_auth, users),
    ROW("seed", STRING, struct prepared_basic_auth, seed),
    ROW("challenge", STRING, struct prepared_basic_auth, challenge),
    ROW("headerField", STRING, struct prepared_basic_auth, header_field),
    ROW("removeHeader", BOOL, struct prepared_basic_auth, remove_header),
};
static const struct schema basic_auth_prepared_schema =
    SCHEMA(struct prepared_basic_auth, "basicAuth", basic_auth_fields);

static const struct schema_field digest_auth_fields[] = {
    ROW("users", STRING_MAP, struct prepared_digest_auth, users),
    ROW("realm", STRING, struct prepared_digest_auth, realm),
    ROW("challenge", STRING, struct prepared_digest_auth, challenge),
    ROW("headerField", STRING, struct prepared_digest_auth, header_field),
    ROW("removeHeader", BOOL, struct prepared_digest_auth, remove_header),
};
static const struct schema digest_auth_prepared_schema =
    SCHEMA(struct prepared_digest_auth, "digestAuth", digest_auth_fields);

static const struct schema_field pass_tls_client_cert_fields[] = {
    ROW("pem", BOOL, struct prepared_pass_tls_client_cert, pem),
    ROW("info", BOOL, struct prepared_pass_tls_client_cert, info),
    ROW("wanted", INT, struct prepared_pass_tls_client_cert, wanted),
};
static const struct schema pass_tls_client_cert_prepared_schema =
    SCHEMA(struct prepared_pass_tls_client_cert, "passTLSClientCert", pass_tls_client_cert_fields);

static const struct schema_field api_key_fields[] = {
    ROW("header", STRING, struct prepared_api_key, header),
    ROW("scheme", STRING, struct prepared_api_key, scheme),
    ROW("query", STRING, struct prepared_api_key, query),
    ROW("cookie", STRING, struct prepared_api_key, cookie),
    ROW("plain", BOOL, struct prepared_api_key, plain),
    ROW("hashes", STRINGS, struct prepared_api_key, hashes),
};
static const struct schema api_key_prepared_schema =
    SCHEMA(struct prepared_api_key, "apiKey", api_key_fields);

static const struct schema_field jwt_fields[] = {
    ROW("keys", STRING_MAP, struct prepared_jwt, keys),
    ROW("claims", STRING, struct prepared_jwt, claims),
    ROW("tokenKey", STRING, struct prepared_jwt, token_key),
    ROW("user", STRING, struct prepared_jwt, user),
    ROW("forwardHeaders", STRING_MAP, struct prepared_jwt, forward_headers),
    ROW("issuers", STRINGS, struct prepared_jwt, issuers),
    ROW("audiences", STRINGS, struct prepared_jwt, audiences),
    ROW("leeway", INT, struct prepared_jwt, leeway),
    ROW("forwardAuthorization", BOOL, struct prepared_jwt, forward_authorization),
    ROW("fetched", BOOL, struct prepared_jwt, fetched),
};
static const struct schema jwt_prepared_schema = SCHEMA(struct prepared_jwt, "jwt", jwt_fields);

static const struct schema_field compress_fields[] = {
    ROW("encodings", STRING, struct prepared_compress, encodings),
    ROW("any", INT, struct prepared_compress, any),
    ROW("unasked", INT, struct prepared_compress, unasked),
    ROW("least", INT, struct prepared_compress, least),
    ROW("included", STRINGS, struct prepared_compress, included),
    ROW("excluded", STRINGS, struct prepared_compress, excluded),
};
static const struct schema compress_prepared_schema =
    SCHEMA(struct prepared_compress, "compress", compress_fields);

static const struct schema_field buffering_fields[] = {
    ROW("requestMost", INT, struct prepared_buffering, request_most),
    ROW("responseMost", INT, struct prepared_buffering, response_most),
    ROW("requestMemory", INT, struct prepared_buffering, request_memory),
    ROW("responseMemory", INT, struct prepared_buffering, response_memory),
    ROW("again", STRING, struct prepared_buffering, again),
};
static const struct schema buffering_prepared_schema =
    SCHEMA(struct prepared_buffering, "buffering", buffering_fields);

static const struct schema_field forward_auth_fields[] = {
    ROW("authority", STRING, struct prepared_forward_auth, authority),
    ROW("tls", BOOL, struct prepared_forward_auth, tls),
    ROW("path", STRING, struct prepared_forward_auth, path),
    ROW("query", STRING, struct prepared_forward_auth, query),
    ROW("hasQuery", BOOL, struct prepared_forward_auth, has_query),
    ROW("trust", INT, struct prepared_forward_auth, trust),
    ROW("requestHeaders", STRINGS, struct prepared_forward_auth, request_headers),
    ROW("responseHeaders", STRINGS, struct prepared_forward_auth, response_headers),
    ROW("responseRegexes", REGEXES, struct prepared_forward_auth, response_regexes),
    ROW("cookies", STRINGS, struct prepared_forward_auth, cookies),
    ROW("forwardBody", BOOL, struct prepared_forward_auth, forward_body),
    ROW("bodyMost", INT, struct prepared_forward_auth, body_most),
    ROW("answerMost", INT, struct prepared_forward_auth, answer_most),
    ROW("keepLocation", BOOL, struct prepared_forward_auth, keep_location),
    ROW("keepMethod", BOOL, struct prepared_forward_auth, keep_method),
    ROW("signin", STRING, struct prepared_forward_auth, signin),
};
static const struct schema forward_auth_prepared_schema =
    SCHEMA(struct prepared_forward_auth, "forwardAuth", forward_auth_fields);

static const struct schema_field field_fields[] = {
    ROW("name", STRING, struct prepared_field, name),
    ROW("value", STRING, struct prepared_field, value),
    ROW("id", INT, struct prepared_field, id),
    ROW("change", INT, struct prepared_field, change),
};
static const struct schema field_schema = SCHEMA(struct prepared_field, "field", field_fields);

static const struct schema_field headers_fields[] = {
    ROW("customRequest", LIST, struct prepared_headers, custom_request, .sub = &field_schema),
    ROW("customResponse", LIST, struct prepared_headers, custom_response, .sub = &field_schema),
    ROW("cors", BOOL, struct prepared_headers, cors),
    ROW("credentials", BOOL, struct prepared_headers, credentials),
    ROW("addVary", BOOL, struct prepared_headers, add_vary),
    ROW("echoHeaders", BOOL, struct prepared_headers, echo_headers),
    ROW("echoMethods", BOOL, struct prepared_headers, echo_methods),
    ROW("allowHeaders", STRING, struct prepared_headers, allow_headers),
    ROW("allowMethods", STRING, struct prepared_headers, allow_methods),
    ROW("exposeHeaders", STRING, struct prepared_headers, expose_headers),
    ROW("maxAge", STRING, struct prepared_headers, max_age),
    ROW("origins", STRINGS, struct prepared_headers, origins),
    ROW("originRegexes", REGEXES, struct prepared_headers, origin_regexes),
    ROW("secure", STRING_MAP, struct prepared_headers, secure),
    ROW("secureTls", STRING_MAP, struct prepared_headers, secure_tls),
    ROW("allowedHosts", STRINGS, struct prepared_headers, allowed_hosts),
    ROW("hostsProxyHeaders", STRINGS, struct prepared_headers, hosts_proxy_headers),
    ROW("sslProxyHeaders", STRING_MAP, struct prepared_headers, ssl_proxy_headers),
};
static const struct schema headers_schema = SCHEMA(struct prepared_headers, "headers", headers_fields);

static const struct schema_field retry_fields[] = {
    ROW("attempts", INT, struct prepared_retry, attempts),
    ROW("timeout", INT, struct prepared_retry, timeout),
    ROW("initialPause", INT, struct prepared_retry, initial_pause),
    ROW("growth", INT, struct prepared_retry, growth),
    ROW("bodyMost", INT, struct prepared_retry, body_most),
    ROW("statuses", STRING, struct prepared_retry, statuses),
    ROW("byNetwork", BOOL, struct prepared_retry, by_network),
    ROW("everyMethod", BOOL, struct prepared_retry, every_method),
};
static const struct schema retry_prepared_schema = SCHEMA(struct prepared_retry, "retry", retry_fields);

static const struct schema_field circuit_breaker_fields[] = {
    ROW("code", STRING, struct prepared_circuit_breaker, code),
    ROW("ranges", STRING, struct prepared_circuit_breaker, ranges),
    ROW("latency", BOOL, struct prepared_circuit_breaker, latency),
    ROW("check", INT, struct prepared_circuit_breaker, check),
    ROW("fallback", INT, struct prepared_circuit_breaker, fallback),
    ROW("recovery", INT, struct prepared_circuit_breaker, recovery),
    ROW("status", INT, struct prepared_circuit_breaker, status),
};
static const struct schema circuit_breaker_prepared_schema =
    SCHEMA(struct prepared_circuit_breaker, "circuitBreaker", circuit_breaker_fields);

static const struct schema_field plugin_fields[] = {
    ROW("module", INT, struct prepared_plugin, module),
    ROW("program", STRING, struct prepared_plugin, program),
};
static const struct schema plugin_prepared_schema = SCHEMA(struct prepared_plugin, "plugin", plugin_fields);

const struct schema *middleware_prepared_schema(enum middleware_kind kind)
{
    static const struct schema *const schemas[MIDDLEWARE_KINDS] = {
        [MIDDLEWARE_set_headers] = &headers_schema,
        [MIDDLEWARE_ip_white_list] = &ip_list_schema,
        [MIDDLEWARE_ip_allow_list] = &ip_list_schema,
        [MIDDLEWARE_basic_auth] = &basic_auth_prepared_schema,
        [MIDDLEWARE_digest_auth] = &digest_auth_prepared_schema,
        [MIDDLEWARE_pass_tls_client_cert] = &pass_tls_client_cert_prepared_schema,
        [MIDDLEWARE_api_key] = &api_key_prepared_schema,
        [MIDDLEWARE_jwt] = &jwt_prepared_schema,
        [MIDDLEWARE_forward_auth] = &forward_auth_prepared_schema,
        [MIDDLEWARE_errors] = &errors_prepared_schema,
        [MIDDLEWARE_in_flight_req] = &in_flight_prepared_schema,
        [MIDDLEWARE_rate_limit] = &rate_limit_prepared_schema,
        [MIDDLEWARE_compress] = &compress_prepared_schema,
        [MIDDLEWARE_buffering] = &buffering_prepared_schema,
        [MIDDLEWARE_retry] = &retry_prepared_schema,
        [MIDDLEWARE_plugin] = &plugin_prepared_schema,
        [MIDDLEWARE_circuit_breaker] = &circuit_breaker_prepared_schema,
    };

    return kind < MIDDLEWARE_KINDS ? schemas[kind] : NULL;
}

const struct schema *middleware_stored_schema(enum middleware_kind kind)
{
    const struct schema *prepared = middleware_prepared_schema(kind);

    return prepared ? prepared : middleware_kind_schema(kind);
}

/* ---- statuses ---- */

bool status_range_read(struct slice text, struct status_range *out)
{
    ptrdiff_t dash = slice_find(text, '-');
    uint64_t from, to;

    if (!slice_to_u64(dash < 0 ? text : slice_head(text, (size_t)dash), &from) || from > UINT16_MAX) {
        return false;
    }
    to = from;
    if (dash >= 0 && (!slice_to_u64(slice_from(text, (size_t)dash + 1), &to) || to > UINT16_MAX)) {
        return false;
    }
    *out = (struct status_range){{(uint8_t)(from >> 8), (uint8_t)from}, {(uint8_t)(to >> 8), (uint8_t)to}};
    return true;
}

bool status_ranges_make(struct pool *pool, const struct list *texts, struct slice *out, struct slice *bad)
{
    const struct slice *items = texts->items;
    struct status_range *ranges = pool_alloc(pool, (texts->count + 1) * sizeof(*ranges));

    for (size_t i = 0; i < texts->count; i++) {
        if (!status_range_read(items[i], &ranges[i])) {
            *bad = items[i];
            return false;
        }
    }
    *out = slice_of((const char *)ranges, texts->count * sizeof(*ranges));
    return true;
}
