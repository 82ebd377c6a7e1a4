/*
 * middlewares.h - the parameters of every HTTP middleware, and the one list of them.
 *
 * A middleware is: its parameter struct here, its table of options in middlewares*.c, one line in
 * MIDDLEWARES below, and worker/middleware/<name>.c with its callbacks. The same struct is what the
 * file provider and the custom resources decode into, what the API shows, and (packed, pointers as
 * offsets) what the worker reads from the arena, unless its kind is prepared (prepared.h).
 */
#ifndef WEIR_COMMON_MODEL_MIDDLEWARES_H
#define WEIR_COMMON_MODEL_MIDDLEWARES_H

#include "common/schema/schema.h"

struct add_prefix {
    struct slice prefix;
};

struct strip_prefix {
    struct list prefixes; /* struct slice */
    bool force_slash;     /* deprecated upstream: an empty path becomes / */
};

struct strip_prefix_regex {
    struct list regex; /* struct regex_text */
};

struct replace_path {
    struct slice path;
};

struct replace_path_regex {
    struct regex_text regex;
    struct slice replacement;
};

struct redirect_scheme {
    struct slice scheme;
    struct slice port;
    bool permanent;
};

struct redirect_regex {
    struct regex_text regex;
    struct slice replacement;
    bool permanent;
};

struct set_headers {
    struct string_map custom_request_headers; /* an empty value removes the header */
    struct string_map custom_response_headers;
    bool access_control_allow_credentials;
    struct list access_control_allow_headers, access_control_allow_methods; /* struct slice */
    struct list access_control_allow_origin_list;                           /* struct slice */
    struct list access_control_allow_origin_list_regex;                     /* struct regex_text */
    struct list access_control_expose_headers;                              /* struct slice */
    struct opt_int access_control_max_age;                                  /* seconds */
    bool add_vary_header;
    struct list allowed_hosts, hosts_proxy_headers; /* struct slice */
    struct string_map ssl_proxy_headers;
    struct opt_int sts_seconds;
    bool sts_include_subdomains, sts_preload, force_sts_header;
    bool frame_deny;
    struct slice custom_frame_options_value;
    bool content_type_nosniff, browser_xss_filter;
    struct slice custom_browser_xss_value, content_security_policy, content_security_policy_report_only;
    struct slice public_key, referrer_policy, permissions_policy;
    bool is_development;
    struct slice feature_policy; /* this one and the following: deprecated upstream, without effect there */
    struct opt_bool ssl_redirect, ssl_temporary_redirect, ssl_force_host;
    struct slice ssl_host;
};

struct chain {
    struct list middlewares; /* struct slice: names; resolved and flattened by the master, never packed */
};

/* ---- parts of several ---- */
struct ip_strategy { /* whose address counts behind trusted proxies */
    int64_t depth;
    struct list excluded_ips; /* struct slice */
    struct opt_int ipv6_subnet;
};

struct source_criterion {
    struct ip_strategy *ip_strategy;
    struct slice request_header_name;
    bool request_host;
};

struct client_tls {             /* towards a server of the operator's own */
    struct slice ca, cert, key; /* path or PEM */
    bool insecure_skip_verify;
    struct opt_bool ca_optional; /* deprecated upstream, without effect there */
};

/* ---- access ---- */
struct ip_white_list {
    struct list source_range; /* struct slice */
    struct ip_strategy *ip_strategy;
};

struct ip_allow_list {
    struct list source_range; /* struct slice */
    struct ip_strategy *ip_strategy;
    int64_t reject_status_code;
};

struct basic_auth {
    struct list users; /* struct slice: name:hash */
    struct slice users_file, realm;
    bool remove_header;
    struct slice header_field;
};

struct digest_auth {
    struct list users; /* struct slice: name:realm:hash */
    struct slice users_file;
    bool remove_header;
    struct slice realm, header_field;
};

struct forward_auth {
    struct slice address;
    struct client_tls *tls;
    struct opt_bool trust_forward_header;
    struct list auth_response_headers; /* struct slice */
    struct regex_text auth_response_headers_regex;
    struct list auth_request_headers; /* struct slice */
    struct opt_int max_response_body_size;
    struct list add_auth_cookies_to_response; /* struct slice */
    struct slice header_field;
    bool forward_body;
    struct opt_int max_body_size;
    bool preserve_location_header, preserve_request_method;
    struct slice auth_signin_url;
};

struct certificate_issuer {
    bool country, province, locality, organization, common_name, serial_number, domain_component;
};

struct certificate_subject {
    bool country, province, locality, organization, organizational_unit, common_name, serial_number,
        domain_component;
};

struct certificate_info {
    bool not_after, not_before, sans, serial_number;
    struct certificate_subject *subject;
    struct certificate_issuer *issuer;
};

struct pass_tls_client_cert {
    bool pem;
    struct certificate_info *info;
};

struct key_source { /* where a client puts its key */
    struct slice header, scheme, query, cookie;
};

struct api_key { /* ours */
    struct key_source source;
    bool plain;
    struct list secret_values; /* struct slice: hashes */
};

#define JWT_CLIENT_TIMEOUT_S 5
#define JWT_CLIENT_RETRIES 3
struct jwt_client { /* how jwksUrl is asked; those two where there is none */
    struct client_tls *tls;
    int64_t timeout_seconds, max_retries;
};

struct jwt { /* ours */
    struct slice signing_secret;
    bool signing_secret_base64;
    struct slice public_key, jwks_file; /* path or text */
    bool forward_authorization;
    struct slice token_key, claims;
    struct string_map forward_headers;
    struct list issuers, audiences; /* struct slice */
    int64_t leeway;                 /* ns */
    struct slice username_claim, jwks_url;
    struct jwt_client *client_config;
};

/* ---- limits ---- */
struct redis {
    struct list endpoints; /* struct slice */
    struct client_tls *tls;
    struct slice username, password;
    int64_t db, pool_size, min_idle_conns, max_active_conns;
    int64_t read_timeout, write_timeout, dial_timeout;
};

struct rate_limit {
    int64_t average, period, burst;
    struct source_criterion *source_criterion;
    struct redis *redis;
    struct slice scope; /* router, middleware */
};

struct in_flight_req {
    int64_t amount;
    struct source_criterion *source_criterion;
};

struct buffering {
    int64_t max_request_body_bytes, mem_request_body_bytes;
    int64_t max_response_body_bytes, mem_response_body_bytes;
    struct slice retry_expression;
};

struct circuit_breaker {
    struct slice expression;
    int64_t check_period, fallback_duration, recovery_duration;
    int64_t response_code;
};

struct retry {
    int64_t attempts, timeout, initial_interval;
    struct opt_int max_request_body_bytes;
    struct list status; /* struct slice */
    bool disable_retry_on_network_error, retry_non_idempotent_method;
};

/* ---- content ---- */
struct encoded_characters_filter {
    bool allow_encoded_slash, allow_encoded_back_slash, allow_encoded_null_character, allow_encoded_semicolon,
        allow_encoded_percent, allow_encoded_question_mark, allow_encoded_hash;
};

struct errors {
    struct list status;          /* struct slice: 404, 500-599 */
    struct doc *status_rewrites; /* statuses or ranges to statuses */
    struct slice service, query;
    struct list error_request_headers; /* struct slice */
};

struct compress {
    struct list excluded_content_types, included_content_types; /* struct slice */
    int64_t min_response_body_bytes;
    struct list encodings; /* struct slice */
    struct slice default_encoding;
};

struct content_type {
    struct opt_bool auto_detect; /* deprecated upstream */
};

struct grpc_web {
    struct list allow_origins; /* struct slice */
};

/* MIDDLEWARE(identifier, option name): the order is the order of the reference page. struct <identifier> holds the options,
 * mw_<identifier> is the worker's table of callbacks, <identifier>_schema the table of options. */
#define MIDDLEWARES(MIDDLEWARE)                                                                              \
    MIDDLEWARE(add_prefix, addPrefix)                                                                        \
    MIDDLEWARE(strip_prefix, stripPrefix)                                                                    \
    MIDDLEWARE(strip_prefix_regex, stripPrefixRegex)                                                         \
    MIDDLEWARE(replace_path, replacePath)                                                                    \
    MIDDLEWARE(replace_path_regex, replacePathRegex)                                                         \
    MIDDLEWARE(redirect_scheme, redirectScheme)                                                              \
    MIDDLEWARE(redirect_regex, redirectRegex)                                                                \
    MIDDLEWARE(set_headers, headers)                                                                         \
    MIDDLEWARE(chain, chain)                                                                                 \
    MIDDLEWARE(ip_white_list, ipWhiteList)                                                                   \
    MIDDLEWARE(ip_allow_list, ipAllowList)                                                                   \
    MIDDLEWARE(errors, errors)                                                                               \
    MIDDLEWARE(rate_limit, rateLimit)                                                                        \
    MIDDLEWARE(basic_auth, basicAuth)                                                                        \
    MIDDLEWARE(compress, compress)                                                                           \
    MIDDLEWARE(buffering, buffering)                                                                         \
    MIDDLEWARE(in_flight_req, inFlightReq)                                                                   \
    MIDDLEWARE(encoded_characters_filter, encodedCharacters)                                                 \
    MIDDLEWARE(forward_auth, forwardAuth)                                                                    \
    MIDDLEWARE(grpc_web, grpcWeb)                                                                            \
    MIDDLEWARE(content_type, contentType)                                                                    \
    MIDDLEWARE(retry, retry)                                                                                 \
    MIDDLEWARE(circuit_breaker, circuitBreaker)                                                              \
    MIDDLEWARE(digest_auth, digestAuth)                                                                      \
    MIDDLEWARE(pass_tls_client_cert, passTLSClientCert)                                                      \
    MIDDLEWARE(api_key, apiKey)                                                                              \
    MIDDLEWARE(jwt, jwt)

enum middleware_kind {
#define MIDDLEWARE(identifier, option) MIDDLEWARE_##identifier,
    MIDDLEWARES(MIDDLEWARE)
#undef MIDDLEWARE
        MIDDLEWARE_plugin, /* its options are free-form: plugins.h */
    MIDDLEWARE_KINDS
};

/* What a middleware object holds: exactly one of these is set. */
struct middleware_config {
#define MIDDLEWARE(identifier, option) struct identifier *identifier;
    MIDDLEWARES(MIDDLEWARE)
#undef MIDDLEWARE
    struct doc *plugin; /* by its name, what it wants */
};

#define MIDDLEWARE(identifier, option) extern const struct schema identifier##_schema;
MIDDLEWARES(MIDDLEWARE)
#undef MIDDLEWARE
/* Parts, for custom resources that have them too. */
extern const struct schema source_criterion_schema, ip_strategy_schema, client_tls_schema;

extern const struct schema middleware_schema; /* struct middleware_config; unknown kinds are errors */

/* The option name ("stripPrefix") and the parameter schema of a kind. */
const char *middleware_kind_name(enum middleware_kind kind);
const struct schema *middleware_kind_schema(enum middleware_kind kind);

/* `plugin: {jwt: ...}` and `plugin: {apiKey: ...}`, as Traefik Hub has them, are the kinds jwt and apiKey: `spec` of a middleware
 * without the word around them, in the pool, or as it is. any_case: the letters of keys may have any case. */
const struct doc *middleware_unwrapped(struct pool *pool, const struct doc *spec, bool any_case);

/* Which one is set; false when none or more than one is, or one that is not served yet (the text then says so). */
bool middleware_config_kind(const struct middleware_config *config, enum middleware_kind *kind,
                            const void **params, struct error *why);

#endif
