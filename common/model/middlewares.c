/*
 * middlewares.c - the options of the middlewares, and which of them an object holds.
 *
 * The one list of kinds is MIDDLEWARES in the header: the rows of middleware_fields come from it, in its order.
 * Not here: the tables of those about access, limits, content and tokens (middlewares_access.c, middlewares_limits.c,
 * middlewares_content.c, middlewares_tokens.c), what they do (worker/middleware/), chains (master/resolve).
 */
#include "common/model/middlewares.h"

#include <errno.h>

#include "common/http/headers.h"
#include "common/model/rows.h"

/* ---- checks that rows cannot express; Traefik cuts blanks off some texts before it uses them ---- */

static int strip_prefix_check(void *object, struct error *why)
{
    struct strip_prefix *strip = object;
    struct slice *prefixes = strip->prefixes.items;

    (void)why;
    for (size_t i = 0; i < strip->prefixes.count; i++) {
        prefixes[i] = slice_trim(prefixes[i]);
    }
    return 0;
}

static int strip_prefix_regex_check(void *object, struct error *why)
{
    struct strip_prefix_regex *strip = object;
    struct regex_text *items = strip->regex.items;

    (void)why;
    for (size_t i = 0; i < strip->regex.count; i++) {
        items[i].pattern = slice_trim(items[i].pattern);
    }
    return 0;
}

/* An empty one matches between all letters: nobody means that. */
static int regex_there(const struct regex_text *regex, struct error *why)
{
    return regex->pattern.len ? 0 : error_set(why, -EINVAL, "regex is missing: say what is replaced");
}

static int replace_path_regex_check(void *object, struct error *why)
{
    struct replace_path_regex *replace = object;

    replace->regex.pattern = slice_trim(replace->regex.pattern);
    replace->replacement = slice_trim(replace->replacement);
    return regex_there(&replace->regex, why);
}

static int redirect_regex_check(void *object, struct error *why)
{
    return regex_there(&((struct redirect_regex *)object)->regex, why);
}

static int headers_check(const char *option, const struct string_map *map, struct error *why)
{
    for (size_t i = 0; i < map->count; i++) {
        if (!header_name_valid(map->items[i].key)) {
            return error_set(why, -EINVAL, "%s: \"%.*s\" is no header name", option,
                             SLICE_ARG(slice_head(map->items[i].key, 100)));
        }
        if (!header_value_valid(map->items[i].value)) {
            return error_set(why, -EINVAL, "%s.%.*s: the value holds a line end or another control character",
                             option, SLICE_ARG(slice_head(map->items[i].key, 100)));
        }
    }
    return 0;
}

static int set_headers_check(void *object, struct error *why)
{
    const struct set_headers *headers = object;
    int rc = headers_check("customRequestHeaders", &headers->custom_request_headers, why);

    return rc < 0 ? rc : headers_check("customResponseHeaders", &headers->custom_response_headers, why);
}

/* ---- parameters ---- */

static const struct schema_field add_prefix_fields[] = {
    ROW("prefix", STRING, struct add_prefix, prefix, .flags = OMIT,
        .text = "Text put in front of the path, with its /."),
};
const struct schema add_prefix_schema = SCHEMA(struct add_prefix, "addPrefix", add_prefix_fields);

static const struct schema_field strip_prefix_fields[] = {
    ROW("prefixes", STRINGS, struct strip_prefix, prefixes, .flags = OMIT,
        .text = "Prefixes; the first that fits is cut off the path and put into X-Forwarded-Prefix."),
    ROW("forceSlash", BOOL, struct strip_prefix, force_slash, .flags = OMIT | SCHEMA_DEPRECATED,
        .text = "An empty path becomes / at once. Remove it: servers see no difference."),
};
const struct schema strip_prefix_schema =
    CHECKED(struct strip_prefix, "stripPrefix", strip_prefix_fields, strip_prefix_check);

static const struct schema_field strip_prefix_regex_fields[] = {
    ROW("regex", REGEXES, struct strip_prefix_regex, regex, .flags = OMIT,
        .text = "Expressions; the first that matches the start of the path is cut off."),
};
const struct schema strip_prefix_regex_schema = CHECKED(struct strip_prefix_regex, "stripPrefixRegex",
                                                        strip_prefix_regex_fields, strip_prefix_regex_check);

static const struct schema_field replace_path_fields[] = {
    ROW("path", STRING, struct replace_path, path, .flags = OMIT,
        .text = "The new path; the old one goes into X-Replaced-Path."),
};
const struct schema replace_path_schema = SCHEMA(struct replace_path, "replacePath", replace_path_fields);

static const struct schema_field replace_path_regex_fields[] = {
    ROW("regex", REGEX, struct replace_path_regex, regex, .flags = OMIT,
        .text = "Expression that the path must match."),
    ROW("replacement", STRING, struct replace_path_regex, replacement, .flags = OMIT,
        .text = "The new path, with $1 and ${name} for groups."),
};
const struct schema replace_path_regex_schema = CHECKED(struct replace_path_regex, "replacePathRegex",
                                                        replace_path_regex_fields, replace_path_regex_check);

static const struct schema_field redirect_scheme_fields[] = {
    ROW("scheme", STRING, struct redirect_scheme, scheme, .flags = OMIT, .text = "Scheme of the new URL."),
    ROW("port", STRING, struct redirect_scheme, port, .flags = OMIT, .text = "Port of the new URL."),
    ROW("permanent", BOOL, struct redirect_scheme, permanent, .flags = OMIT,
        .text = "301 (GET) or 308 instead of 302 or 307."),
};
const struct schema redirect_scheme_schema =
    SCHEMA(struct redirect_scheme, "redirectScheme", redirect_scheme_fields);

static const struct schema_field redirect_regex_fields[] = {
    ROW("regex", REGEX, struct redirect_regex, regex, .flags = OMIT,
        .text = "Expression that the URL must match."),
    ROW("replacement", STRING, struct redirect_regex, replacement, .flags = OMIT,
        .text = "The new URL, with $1 and ${name} for groups."),
    ROW("permanent", BOOL, struct redirect_regex, permanent, .flags = OMIT,
        .text = "301 (GET) or 308 instead of 302 or 307."),
};
const struct schema redirect_regex_schema =
    CHECKED(struct redirect_regex, "redirectRegex", redirect_regex_fields, redirect_regex_check);

#define LATER (OMIT | SCHEMA_NOT_SERVED)
#define HEADER(label, kind_, member, text_)                                                                  \
    ROW(label, kind_, struct set_headers, member, .flags = OMIT, .text = text_)
#define OLD_HEADER(label, kind_, member, text_)                                                              \
    ROW(label, kind_, struct set_headers, member, .flags = OMIT | SCHEMA_DEPRECATED, .text = text_)

static const struct schema_field set_headers_fields[] = {
    ROW("customRequestHeaders", STRING_MAP, struct set_headers, custom_request_headers,
        .flags = OMIT | SCHEMA_SECRET_HEADERS,
        .text = "Headers set on the request; an empty value removes the header."),
    ROW("customResponseHeaders", STRING_MAP, struct set_headers, custom_response_headers,
        .flags = OMIT | SCHEMA_SECRET_HEADERS,
        .text = "Headers set on the response; an empty value removes the header."),
    HEADER("accessControlAllowCredentials", BOOL, access_control_allow_credentials,
           "CORS: scripts may send credentials."),
    HEADER("accessControlAllowHeaders", STRINGS, access_control_allow_headers,
           "CORS: request headers allowed."),
    HEADER("accessControlAllowMethods", STRINGS, access_control_allow_methods, "CORS: methods allowed."),
    HEADER("accessControlAllowOriginList", STRINGS, access_control_allow_origin_list,
           "CORS: origins allowed."),
    HEADER("accessControlAllowOriginListRegex", REGEXES, access_control_allow_origin_list_regex,
           "CORS: expressions for origins allowed."),
    HEADER("accessControlExposeHeaders", STRINGS, access_control_expose_headers,
           "CORS: response headers that scripts may read."),
    HEADER("accessControlMaxAge", OPT_INT, access_control_max_age,
           "CORS: seconds that the permission is kept."),
    HEADER("addVaryHeader", BOOL, add_vary_header, "CORS: add Vary: Origin."),
    HEADER("allowedHosts", STRINGS, allowed_hosts, "Hosts that requests may name; all when empty."),
    HEADER("hostsProxyHeaders", STRINGS, hosts_proxy_headers,
           "Headers that may carry the host name asked for."),
    HEADER("sslProxyHeaders", STRING_MAP, ssl_proxy_headers, "Headers that show that the client used TLS."),
    HEADER("stsSeconds", OPT_INT, sts_seconds, "Age of Strict-Transport-Security; none when 0."),
    HEADER("stsIncludeSubdomains", BOOL, sts_include_subdomains, "Add includeSubDomains to it."),
    HEADER("stsPreload", BOOL, sts_preload, "Add preload to it."),
    HEADER("forceSTSHeader", BOOL, force_sts_header, "Send it without TLS too."),
    HEADER("frameDeny", BOOL, frame_deny, "X-Frame-Options: DENY."),
    HEADER("customFrameOptionsValue", STRING, custom_frame_options_value,
           "Another value of X-Frame-Options."),
    HEADER("contentTypeNosniff", BOOL, content_type_nosniff, "X-Content-Type-Options: nosniff."),
    HEADER("browserXssFilter", BOOL, browser_xss_filter, "X-XSS-Protection: 1; mode=block."),
    HEADER("customBrowserXSSValue", STRING, custom_browser_xss_value, "Another value of X-XSS-Protection."),
    HEADER("contentSecurityPolicy", STRING, content_security_policy, "Value of Content-Security-Policy."),
    HEADER("contentSecurityPolicyReportOnly", STRING, content_security_policy_report_only,
           "Value of Content-Security-Policy-Report-Only."),
    HEADER("publicKey", STRING, public_key, "Value of Public-Key-Pins."),
    HEADER("referrerPolicy", STRING, referrer_policy, "Value of Referrer-Policy."),
    HEADER("permissionsPolicy", STRING, permissions_policy, "Value of Permissions-Policy."),
    HEADER("isDevelopment", BOOL, is_development, "Switch host, TLS and STS checks off for development."),
    OLD_HEADER("featurePolicy", STRING, feature_policy, "Without effect; use permissionsPolicy."),
    OLD_HEADER("sslRedirect", OPT_BOOL, ssl_redirect,
               "Without effect; use the entry point's redirections or redirectScheme."),
    OLD_HEADER("sslTemporaryRedirect", OPT_BOOL, ssl_temporary_redirect,
               "Without effect; use the entry point's redirections or redirectScheme."),
    OLD_HEADER("sslHost", STRING, ssl_host, "Without effect; use redirectRegex."),
    OLD_HEADER("sslForceHost", OPT_BOOL, ssl_force_host, "Without effect; use redirectRegex."),
};
const struct schema set_headers_schema =
    CHECKED(struct set_headers, "headers", set_headers_fields, set_headers_check);

static const struct schema_field chain_fields[] = {
    ROW("middlewares", STRINGS, struct chain, middlewares, .flags = OMIT,
        .text = "Middlewares run in this order."),
};
const struct schema chain_schema = SCHEMA(struct chain, "chain", chain_fields);

/* ---- the kinds ---- */

static const struct schema_field middleware_fields[] = {
#define MIDDLEWARE(identifier, option)                                                                       \
    ROW(#option, OPTIONAL, struct middleware_config, identifier, .flags = OMIT | SCHEMA_ALLOW_EMPTY,         \
        .sub = &identifier##_schema, .text = "A middleware of this kind."),
    MIDDLEWARES(MIDDLEWARE)
#undef MIDDLEWARE
    /* free-form as it is, it may hold passwords and keys: none is shown */
    ROW("plugin", DOC, struct middleware_config, plugin, .flags = OMIT | SCHEMA_SECRET,
        .text = "By the name of a plugin (experimental.plugins), its options."),
};
const struct schema middleware_schema = SCHEMA(struct middleware_config, "middleware", middleware_fields);

const char *middleware_kind_name(enum middleware_kind kind)
{
    return kind < MIDDLEWARE_KINDS ? middleware_fields[kind].name : "unknown";
}

const struct schema *middleware_kind_schema(enum middleware_kind kind)
{
    return kind < MIDDLEWARE_KINDS ? middleware_fields[kind].sub : NULL;
}

bool middleware_config_kind(const struct middleware_config *config, enum middleware_kind *kind,
                            const void **params, struct error *why)
{
    size_t set = 0, found = 0;
    const void *found_params = NULL;

    for (size_t i = 0; i < ARRAY_LEN(middleware_fields); i++) {
        /* every member of the struct is a pointer, whatever it points to */
        const void *const *slot = (const void *const *)((const char *)config + middleware_fields[i].offset);
        if (*slot) {
            set++;
            found = i;
            found_params = *slot;
        }
    }
    if (set == 0) {
        error_set(why, -EINVAL,
                  "the middleware has no kind: write one of stripPrefix, redirectScheme, headers...");
        return false;
    }
    if (set > 1) {
        error_set(why, -EINVAL,
                  "cannot create middleware: multi-types middleware not supported, consider declaring "
                  "two different pieces of middleware instead");
        return false;
    }
    *kind = (enum middleware_kind)found;
    *params = found_params;
    return true;
}
