/*
 * rule_tcp.c - the matchers of TCP routers, in both syntaxes: HostSNI, HostSNIRegexp, ClientIP, ALPN.
 *
 * A name of the TLS handshake is told by the predicates for hosts: RULE_ANY for HostSNI(`*`), RULE_HOST, RULE_HOST_SUFFIX,
 * RULE_HOST_REGEXP. v2 takes several values (any of them) and {name:regexp} templates.
 */
#include "common/rule/rule_inner.h"

#define ACME_PROTOCOL SLICE("acme-tls/1") /* answered by the router itself */

static bool host_fit(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i], letter = (unsigned char)(c | 0x20);

        if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.' &&
            c != '-' && c != ':') {
            return false;
        }
    }
    return host.len > 0;
}

static int build_name(const struct rule_call *call, struct slice host, bool wildcards, struct rule **out,
                      struct error *why)
{
    bool wildcard = wildcards && slice_has_prefix(host, SLICE("*."));

    if (slice_eq(host, SLICE("*"))) {
        *out = rule_new(call, RULE_ANY, slice_of(NULL, 0), slice_of(NULL, 0));
        return 0;
    }
    if (!host_fit(wildcard ? slice_from(host, 2) : host)) {
        return rule_error(call, why, "invalid value \"%.*s\": it is no host name",
                          SLICE_ARG(slice_head(host, 100)));
    }
    host = rule_host_key(rule_lower(call->pool, wildcard ? slice_from(host, 1) : host));
    *out = rule_new(call, wildcard ? RULE_HOST_SUFFIX : RULE_HOST, slice_of(NULL, 0), host);
    return 0;
}

static int build_host_sni(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_name(call, call->values[0], true, out, why);
}

static int build_host_sni_v2(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct rule **rules = pool_zalloc(call->pool, call->count * sizeof(struct rule *));

    for (size_t i = 0; i < call->count; i++) {
        int rc = build_name(call, call->values[i], false, &rules[i], why);

        if (rc < 0) {
            return rc;
        }
    }
    *out = rule_join(call->pool, RULE_OR, rules, call->count);
    return 0;
}

static int build_host_sni_regexp(const struct rule_call *call, struct rule **out, struct error *why)
{
    if (!rule_is_ascii(call->values[0])) {
        return rule_error(call, why, "invalid value \"%.*s\", non-ASCII characters are not allowed",
                          SLICE_ARG(slice_head(call->values[0], 100)));
    }
    return rule_new_regex(call, RULE_HOST_REGEXP, slice_of(NULL, 0), call->values[0], out, why);
}

static int build_alpn(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct rule **rules = pool_zalloc(call->pool, call->count * sizeof(struct rule *));

    for (size_t i = 0; i < call->count; i++) {
        if (slice_eq(call->values[i], ACME_PROTOCOL)) {
            return rule_error(call, why, "invalid protocol value, \"acme-tls/1\" is not allowed");
        }
        rules[i] = rule_new(call, RULE_ALPN, slice_of(NULL, 0), call->values[i]);
    }
    *out = rule_join(call->pool, RULE_OR, rules, call->count);
    return 0;
}

const struct rule_matcher rule_matchers_tcp_v3[] = {
    {"HostSNI", RULE_TCP_V3, 1, 1, build_host_sni},
    {"HostSNIRegexp", RULE_TCP_V3, 1, 1, build_host_sni_regexp},
    {"ClientIP", RULE_TCP_V3, 1, 1, rule_build_client_ip},
    {"ALPN", RULE_TCP_V3, 1, 1, build_alpn},
};
const size_t rule_matchers_tcp_v3_count = ARRAY_LEN(rule_matchers_tcp_v3);

const struct rule_matcher rule_matchers_tcp_v2[] = {
    {"HostSNI", RULE_TCP_V2, 1, 0, build_host_sni_v2},
    {"HostSNIRegexp", RULE_TCP_V2, 1, 0, rule_build_host_template},
    {"ClientIP", RULE_TCP_V2, 1, 0, rule_build_client_ip},
    {"ALPN", RULE_TCP_V2, 1, 0, build_alpn},
};
const size_t rule_matchers_tcp_v2_count = ARRAY_LEN(rule_matchers_tcp_v2);

const struct rule *rule_first_sni(const struct rule *rule)
{
    const struct rule *found = NULL;

    switch (rule->op) {
    case RULE_AND:
    case RULE_OR:
        found = rule_first_sni(rule->left);
        return found ? found : rule_first_sni(rule->right);
    case RULE_NOT:
        return rule_first_sni(rule->left);
    case RULE_PREDICATE:
        break;
    }
    bool name =
        rule->predicate == RULE_ANY || rule->predicate == RULE_HOST || rule->predicate == RULE_HOST_SUFFIX;

    return name ? rule : NULL;
}
