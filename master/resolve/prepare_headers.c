/*
 * prepare_headers.c - headers: lists become the values that are sent, switches become fields.
 *
 * What is set on every answer and what only over TLS is decided here; workers copy. Names and values are Traefik's.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/http/headers.h"
#include "master/resolve/prepare.h"

/* Comma-separated, as it is sent. */
static struct slice join(struct pool *pool, const struct list *list)
{
    const struct slice *items = list->items;
    struct slice joined = SLICE("");

    for (size_t i = 0; i < list->count; i++) {
        joined = pool_printf(pool, "%.*s%s%.*s", SLICE_ARG(joined), i ? "," : "", SLICE_ARG(items[i]));
    }
    return joined;
}

static bool has_star(const struct list *list)
{
    const struct slice *items = list->items;

    for (size_t i = 0; i < list->count; i++) {
        if (slice_eq(items[i], SLICE("*"))) {
            return true;
        }
    }
    return false;
}

static bool cors_defined(const struct set_headers *o)
{
    return o->access_control_allow_credentials || o->access_control_allow_headers.count ||
           o->access_control_allow_methods.count || o->access_control_allow_origin_list.count ||
           o->access_control_allow_origin_list_regex.count || o->access_control_expose_headers.count ||
           o->access_control_max_age.set || o->add_vary_header;
}

static bool secure_defined(const struct set_headers *o)
{
    return o->allowed_hosts.count || o->hosts_proxy_headers.count ||
           (o->ssl_redirect.set && o->ssl_redirect.value) ||
           (o->ssl_temporary_redirect.set && o->ssl_temporary_redirect.value) ||
           (o->ssl_force_host.set && o->ssl_force_host.value) || o->ssl_host.len ||
           o->ssl_proxy_headers.count || o->sts_seconds.set || o->sts_include_subdomains || o->sts_preload ||
           o->force_sts_header || o->frame_deny || o->custom_frame_options_value.len ||
           o->content_type_nosniff || o->browser_xss_filter || o->custom_browser_xss_value.len ||
           o->content_security_policy.len || o->content_security_policy_report_only.len ||
           o->public_key.len || o->referrer_policy.len || o->feature_policy.len ||
           o->permissions_policy.len || o->is_development;
}

/* An expression without text matches everything, but is none for workers. */
static struct list regexes(struct pool *pool, const struct list *from)
{
    const struct regex_text *items = from->items;
    struct regex_text *made = pool_alloc(pool, (from->count + 1) * sizeof(*made));

    for (size_t i = 0; i < from->count; i++) {
        made[i] = items[i];
        if (items[i].pattern.len == 0) {
            made[i].pattern = SLICE("(?:)");
        }
    }
    return (struct list){made, from->count};
}

static void prepare_cors(struct pool *pool, const struct set_headers *o, struct prepared_headers *made)
{
    made->cors = cors_defined(o);
    made->credentials = o->access_control_allow_credentials;
    made->add_vary = o->add_vary_header;
    /* with credentials a browser does not take * */
    made->echo_headers = made->credentials && has_star(&o->access_control_allow_headers);
    made->echo_methods = made->credentials && has_star(&o->access_control_allow_methods);
    made->allow_headers = join(pool, &o->access_control_allow_headers);
    made->allow_methods = join(pool, &o->access_control_allow_methods);
    if (!(made->credentials && has_star(&o->access_control_expose_headers))) {
        made->expose_headers = join(pool, &o->access_control_expose_headers);
    }
    if (o->access_control_max_age.set) {
        made->max_age = pool_printf(pool, "%" PRId64, o->access_control_max_age.value);
    }
    made->origins = o->access_control_allow_origin_list;
    made->origin_regexes = regexes(pool, &o->access_control_allow_origin_list_regex);
}

#define SECURE_MOST 10

/* Blanks around a value are not sent (RFC 9110, 5.5); with HTTP/2 whoever gets them resets the stream (RFC 9113, 8.2.1). */
static void put(struct string_map *map, struct slice name, struct slice value)
{
    if (value.len) {
        map->items[map->count++] = (struct string_pair){name, slice_trim(value)};
    }
}

static int by_key(const void *a, const void *b)
{
    return slice_cmp(((const struct string_pair *)a)->key, ((const struct string_pair *)b)->key);
}

static void prepare_secure(struct pool *pool, const struct set_headers *o, struct prepared_headers *made)
{
    struct string_map *always = &made->secure, *tls = &made->secure_tls;
    bool live = !o->is_development;

    always->items = pool_alloc(pool, SECURE_MOST * sizeof(*always->items));
    tls->items = pool_alloc(pool, SECURE_MOST * sizeof(*tls->items));
    if (live && o->sts_seconds.set && o->sts_seconds.value != 0) {
        put(o->force_sts_header ? always : tls, SLICE("Strict-Transport-Security"),
            pool_printf(pool, "max-age=%" PRId64 "%s%s", o->sts_seconds.value,
                        o->sts_include_subdomains ? "; includeSubDomains" : "",
                        o->sts_preload ? "; preload" : ""));
    }
    if (live) {
        put(tls, SLICE("Public-Key-Pins"), o->public_key);
        made->allowed_hosts = o->allowed_hosts;
    }
    put(always, SLICE("X-Frame-Options"),
        o->custom_frame_options_value.len ? o->custom_frame_options_value
        : o->frame_deny                   ? SLICE("DENY")
                                          : SLICE(""));
    put(always, SLICE("X-Content-Type-Options"), o->content_type_nosniff ? SLICE("nosniff") : SLICE(""));
    put(always, SLICE("X-Xss-Protection"),
        o->custom_browser_xss_value.len ? o->custom_browser_xss_value
        : o->browser_xss_filter         ? SLICE("1; mode=block")
                                        : SLICE(""));
    put(always, SLICE("Content-Security-Policy"), o->content_security_policy);
    put(always, SLICE("Content-Security-Policy-Report-Only"), o->content_security_policy_report_only);
    put(always, SLICE("Referrer-Policy"), o->referrer_policy);
    put(always, SLICE("Permissions-Policy"), o->permissions_policy);
    qsort(always->items, always->count, sizeof(*always->items), by_key);
    qsort(tls->items, tls->count, sizeof(*tls->items), by_key);
    made->hosts_proxy_headers = o->hosts_proxy_headers;
    made->ssl_proxy_headers = o->ssl_proxy_headers;
}

static void note_nonce(struct preparation *at, const char *option, struct slice value)
{
    if (slice_find_slice(value, SLICE("$NONCE")) >= 0) {
        element_error(at->resolver->model, &at->middleware->element, false,
                      "headers.%s: $NONCE is sent as it is: a policy with a nonce that no page knows would "
                      "block its scripts",
                      option);
    }
}

static bool is_framing(enum header_id id)
{
    return id == HEADER_CONTENT_LENGTH || id == HEADER_TRANSFER_ENCODING || id == HEADER_TRAILER;
}

/* Fields that weir itself would add again on the way to the upstream. */
static bool is_ours(enum header_id id, struct slice name)
{
    switch (id) {
    case HEADER_X_FORWARDED_HOST:
    case HEADER_X_FORWARDED_PORT:
    case HEADER_X_FORWARDED_PROTO:
    case HEADER_X_FORWARDED_SERVER:
    case HEADER_X_FORWARDED_SCHEME:
    case HEADER_X_REAL_IP:
    case HEADER_X_SCHEME:
        return true;
    default:
        /* only this spelling keeps the client's address from being appended: as in Traefik */
        return slice_eq(name, SLICE("X-Forwarded-For"));
    }
}

static enum field_change change_of(enum header_id id, struct slice name, struct slice value, bool request)
{
    if (request && id == HEADER_HOST && value.len > 0) {
        return FIELD_HOST;
    }
    if (is_framing(id) || !header_name_valid(name) || !header_value_valid(value)) {
        return FIELD_LEAVE;
    }
    if (value.len > 0) {
        return FIELD_SET;
    }
    return request && is_ours(id, name) ? FIELD_SUPPRESS : FIELD_REMOVE;
}

struct list prepare_fields(struct pool *pool, const struct string_map *map, bool request)
{
    struct prepared_field *fields = pool_zalloc(pool, (map->count + 1) * sizeof(*fields));

    for (size_t i = 0; i < map->count; i++) {
        struct slice name = map->items[i].key, value = map->items[i].value;
        enum header_id id = header_id(name);
        enum field_change change = change_of(id, name, value, request);

        if (change == FIELD_SET) {
            name = id != HEADER_OTHER ? header_name(id) : header_name_canonical(pool, name);
            value = slice_trim(value); /* as above */
        }
        fields[i] = (struct prepared_field){name, value, id, change};
    }
    return (struct list){fields, map->count};
}

const void *prepare_set_headers(struct preparation *at, const struct set_headers *options)
{
    struct prepared_headers *made = pool_zalloc(at->pool, sizeof(*made));

    made->custom_request = prepare_fields(at->pool, &options->custom_request_headers, true);
    made->custom_response = prepare_fields(at->pool, &options->custom_response_headers, false);
    if (!cors_defined(options) && !secure_defined(options) && made->custom_request.count == 0 &&
        made->custom_response.count == 0) {
        return prepare_wrong(at, "headers configuration not valid");
    }
    prepare_cors(at->pool, options, made);
    prepare_secure(at->pool, options, made);
    note_nonce(at, "contentSecurityPolicy", options->content_security_policy);
    note_nonce(at, "contentSecurityPolicyReportOnly", options->content_security_policy_report_only);
    return made;
}
