/*
 * check.c - after decoding: what Traefik derives from a static configuration, and what must fit together.
 *
 * Errors keep weir from starting; warnings name what is accepted and does not work. Single values were checked by the
 * table already.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/net/addr.h"
#include "master/static/static_internal.h"

#define DEFAULT_HEADER_BYTES 1048576

/* ---- addresses ---- */

int entry_point_address(const struct entry_point *entry_point, struct address *address, bool *udp,
                        struct error *why)
{
    struct slice text = entry_point->address;
    ptrdiff_t slash = slice_rfind(text, '/');
    struct slice protocol = slash < 0 ? SLICE("tcp") : slice_from(text, (size_t)slash + 1);
    struct slice host_port = slash < 0 ? text : slice_head(text, (size_t)slash);
    char local[ADDRESS_TEXT_SIZE];

    *udp = slice_eq_nocase(protocol, SLICE("udp"));
    if (!*udp && !slice_eq_nocase(protocol, SLICE("tcp"))) {
        return error_set(why, -EINVAL, "\"%.*s\": unknown protocol \"%.*s\", write /tcp or /udp",
                         SLICE_ARG(text), SLICE_ARG(protocol));
    }
    if (slice_find(host_port, ':') < 0) {
        uint64_t port;

        if (!slice_to_u64(host_port, &port)) {
            return error_set(why, -EINVAL, "\"%.*s\": the port is missing, write \"%.*s:80\" for port 80",
                             SLICE_ARG(text), SLICE_ARG(host_port));
        }
        if (port == 0 || port > 65535) {
            return error_set(why, -EINVAL, "\"%.*s\": a port is a number from 1 to 65535", SLICE_ARG(text));
        }
        return error_set(why, -EINVAL, "\"%.*s\": the port is missing, write \":%.*s\" for port %.*s",
                         SLICE_ARG(text), SLICE_ARG(host_port), SLICE_ARG(host_port));
    }
    if (slice_has_prefix(host_port, SLICE("localhost:"))) { /* the one name that needs no resolver */
        snprintf(local, sizeof(local), "127.0.0.1%.*s", SLICE_ARG(slice_head(slice_from(host_port, 9), 20)));
        host_port = slice_cstr(local);
    }
    int rc = address_parse_host_port(host_port, address, why);

    if (rc < 0) {
        error_prefix(why, "\"%.*s\"", SLICE_ARG(text));
        return rc;
    }
    if (address->port == 0) {
        return error_set(why, -EINVAL, "\"%.*s\": port 0 cannot be listened on", SLICE_ARG(text));
    }
    return 0;
}

static bool is_wildcard(const struct address *address)
{
    static const uint8_t zero[16];

    return address->family == 0 || memcmp(address->bytes, zero, address->family == 4 ? 4 : 16) == 0;
}

static bool overlap(const struct address *a, const struct address *b)
{
    if (a->port != b->port) {
        return false;
    }
    if (is_wildcard(a) || is_wildcard(b)) {
        return true;
    }
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 16) == 0;
}

static void check_overlap(struct static_loaded *loaded, size_t i, const struct address *address, bool udp)
{
    const struct map *map = &loaded->config.entry_points;
    const struct entry_point *points = map->values;

    for (size_t j = 0; j < i; j++) {
        struct address other;
        bool other_udp;

        if (entry_point_address(&points[j], &other, &other_udp, NULL) < 0 || other_udp != udp ||
            !overlap(address, &other) || (points[i].reuse_port && points[j].reuse_port)) {
            continue;
        }
        static_error(loaded, "entryPoints.%.*s.address: \"%.*s\" is taken by entryPoints.%.*s (\"%.*s\")",
                     SLICE_ARG(map->keys[i]), SLICE_ARG(points[i].address), SLICE_ARG(map->keys[j]),
                     SLICE_ARG(points[j].address));
    }
}

static void check_ranges(struct static_loaded *loaded, struct slice name, const char *option,
                         const struct list *ranges)
{
    const struct slice *items = ranges->items;

    for (size_t i = 0; i < ranges->count; i++) {
        struct cidr range;
        struct error why = {0};

        if (!cidr_parse(slice_trim(items[i]), &range, &why)) {
            static_error(loaded, "entryPoints.%.*s.%s: \"%.*s\" is no address or range: %s", SLICE_ARG(name),
                         option, SLICE_ARG(items[i]), why.text);
        }
    }
}

static void check_proxy_protocol(struct static_loaded *loaded, struct slice name,
                                 const struct trusted_peers *peers)
{
    if (peers == NULL) {
        return;
    }
    check_ranges(loaded, name, "proxyProtocol.trustedIPs", &peers->trusted_ips);
    if (peers->insecure) {
        static_warn(loaded,
                    "entryPoints.%.*s.proxyProtocol.insecure: the PROXY header of every client is believed",
                    SLICE_ARG(name));
    } else if (peers->trusted_ips.count == 0) {
        static_error(
            loaded,
            "entryPoints.%.*s.proxyProtocol: nobody is trusted, write trustedIPs (or insecure for a test)",
            SLICE_ARG(name));
    }
}

static void check_entry_points(struct static_loaded *loaded)
{
    const struct map *map = &loaded->config.entry_points;
    const struct entry_point *points = map->values;

    for (size_t i = 0; i < map->count; i++) {
        struct slice name = map->keys[i];
        struct address address;
        struct error why = {0};
        bool udp;

        if (entry_point_address(&points[i], &address, &udp, &why) < 0) {
            static_error(loaded, "entryPoints.%.*s.address: %s", SLICE_ARG(name), why.text);
            continue;
        }
        check_overlap(loaded, i, &address, udp);
        check_ranges(loaded, name, "forwardedHeaders.trustedIPs", &points[i].forwarded_headers.trusted_ips);
        check_proxy_protocol(loaded, name, points[i].proxy_protocol);
        if (udp && points[i].udp_timeout <= 0) {
            static_error(loaded, "entryPoints.%.*s.udp.timeout: must be greater than zero", SLICE_ARG(name));
        }
        if (points[i].forwarded_headers.insecure) {
            static_warn(
                loaded,
                "entryPoints.%.*s.forwardedHeaders.insecure: X-Forwarded-* of every client are believed",
                SLICE_ARG(name));
        }
    }
}

/* ---- the rest ---- */

static bool valid_base_path(struct slice path)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr("/_.:~-", c)) ||
            c == '\0') {
            return false;
        }
    }
    return true;
}

static const char *const provider_names[] = {
    "kubernetesgateway",
    "kubernetescrd",
    "kubernetes",
    "kubernetesingressnginx",
    "swarm",
    "docker",
    "file",
    "redis",
    "knative",
    "consul",
    "consulcatalog",
    "nomad",
    "etcd",
    "ecs",
    "http",
    "zookeeper",
    "rest",
};

static void check_precedence(struct static_loaded *loaded)
{
    const struct list *names = &loaded->config.providers.precedence;
    const struct slice *items = names->items;

    for (size_t i = 0; i < names->count; i++) {
        bool known = false;

        for (size_t j = 0; j < ARRAY_LEN(provider_names); j++) {
            known = known || slice_eq(items[i], slice_cstr(provider_names[j]));
        }
        if (!known) {
            static_error(loaded, "providers.precedence: \"%.*s\" is no provider", SLICE_ARG(items[i]));
        }
    }
}

static void check_kubernetes(struct static_loaded *loaded, const char *name,
                             const struct kubernetes_provider *options)
{
    if (options && options->report_node_internal_ips && options->ingress_endpoint) {
        static_error(loaded,
                     "providers.%s: reportNodeInternalIPs and ingressEndpoint exclude each other: remove one",
                     name);
    }
    if (options && options->report_node_internal_ips && options->disable_cluster_scope_resources) {
        static_error(loaded,
                     "providers.%s: reportNodeInternalIPs needs the nodes, and disableClusterScopeResources "
                     "is set: remove one",
                     name);
    }
}

static void check_providers(struct static_loaded *loaded)
{
    const struct providers *providers = &loaded->config.providers;

    check_precedence(loaded);
    if (providers->file && providers->file->filename.len == 0 && providers->file->directory.len == 0) {
        static_error(loaded, "providers.file: write providers.file.filename or providers.file.directory");
    }
    if (providers->file && providers->file->filename.len && providers->file->directory.len) {
        static_warn(loaded, "providers.file.filename: ignored, providers.file.directory is read");
    }
    check_kubernetes(loaded, "kubernetesCRD", providers->kubernetes_crd);
    check_kubernetes(loaded, "kubernetesIngress", providers->kubernetes_ingress);
}

static void check_ocsp(struct static_loaded *loaded)
{
    const struct ocsp_config *ocsp = loaded->config.ocsp;

    for (size_t i = 0; ocsp && i < ocsp->responder_overrides.count; i++) {
        const struct string_pair *pair = &ocsp->responder_overrides.items[i];

        if (!slice_has_prefix(pair->value, SLICE("http://")) &&
            !slice_has_prefix(pair->value, SLICE("https://"))) {
            static_error(loaded, "ocsp.responderOverrides.%.*s: \"%.*s\" is no URL of http or https",
                         SLICE_ARG(pair->key), SLICE_ARG(pair->value));
        }
    }
}

static void check_log(struct static_loaded *loaded)
{
    const struct log_config *log = loaded->config.log;
    enum log_level level;

    if (!log_level_parse(log->level, &level)) {
        static_error(loaded,
                     "log.level: \"%.*s\" is no level (TRACE, DEBUG, INFO, WARN, ERROR, FATAL, PANIC)",
                     SLICE_ARG(log->level));
    }
    if (!slice_eq(log->format, SLICE("common")) && !slice_eq(log->format, SLICE("json"))) {
        static_error(loaded, "log.format: \"%.*s\" is no format (common, json)", SLICE_ARG(log->format));
    }
}

void static_check(struct static_loaded *loaded)
{
    const struct static_config *config = &loaded->config;

    check_entry_points(loaded);
    check_providers(loaded);
    check_log(loaded);
    check_ocsp(loaded);
    if (config->api && !valid_base_path(config->api->base_path)) {
        static_error(loaded, "api.basePath: \"%.*s\" is no absolute path", SLICE_ARG(config->api->base_path));
    }
    if (slice_eq(config->core.default_rule_syntax, SLICE("v2"))) {
        static_warn(loaded, "core.defaultRuleSyntax: v2 is deprecated upstream, rewrite the rules in v3");
    }
}

/* ---- what is derived ---- */

static bool has_entry_point(const struct static_config *config, struct slice name)
{
    for (size_t i = 0; i < config->entry_points.count; i++) {
        if (slice_eq(config->entry_points.keys[i], name)) {
            return true;
        }
    }
    return false;
}

/* Keeps the map sorted. */
static void add_entry_point(struct static_loaded *loaded, struct slice name, struct slice address)
{
    struct map *map = &loaded->config.entry_points;
    struct entry_point *old = map->values,
                       *points = pool_alloc(loaded->pool, (map->count + 1) * sizeof(*points));
    struct slice *keys = pool_alloc(loaded->pool, (map->count + 1) * sizeof(*keys));
    size_t at = 0;

    while (at < map->count && slice_cmp(map->keys[at], name) < 0) {
        at++;
    }
    for (size_t i = 0; i < map->count; i++) {
        points[i + (i >= at)] = old[i];
        keys[i + (i >= at)] = map->keys[i];
    }
    schema_defaults(&entry_point_schema, loaded->pool, &points[at]);
    points[at].address = address;
    keys[at] = name;
    *map = (struct map){.keys = keys, .values = points, .count = map->count + 1};
}

static bool needs_internal(const struct static_config *config)
{
    const struct slice internal = SLICE("traefik");
    const struct prometheus_config *prometheus = config->metrics ? config->metrics->prometheus : NULL;

    return (config->api && config->api->insecure) ||
           (config->ping && !config->ping->manual_routing && slice_eq(config->ping->entry_point, internal)) ||
           (prometheus && !prometheus->manual_routing && slice_eq(prometheus->entry_point, internal)) ||
           (config->providers.rest && config->providers.rest->insecure);
}

static void derive_precedence(struct static_loaded *loaded)
{
    struct list *names = &loaded->config.providers.precedence;
    bool standard = names->count == 0;
    size_t count = standard ? ARRAY_LEN(provider_names) : names->count;
    struct slice *copy = pool_alloc(loaded->pool, count * sizeof(*copy));

    for (size_t i = 0; i < count; i++) {
        struct slice from = standard ? slice_cstr(provider_names[i]) : ((struct slice *)names->items)[i];
        char *lower = pool_alloc(loaded->pool, from.len + 1);

        for (size_t j = 0; j < from.len; j++) {
            lower[j] = (char)ascii_lower((unsigned char)from.ptr[j]);
        }
        copy[i] = slice_of(lower, from.len);
    }
    *names = (struct list){copy, count};
}

void static_derive(struct static_loaded *loaded)
{
    struct static_config *config = &loaded->config;

    if (config->entry_points.count == 0) {
        add_entry_point(loaded, SLICE("http"), SLICE(":80"));
    }
    if (needs_internal(config) && !has_entry_point(config, SLICE("traefik"))) {
        add_entry_point(loaded, SLICE("traefik"), SLICE(":8080"));
    }
    struct entry_point *points = config->entry_points.values;

    for (size_t i = 0; i < config->entry_points.count; i++) {
        if (points[i].http.max_header_bytes == 0) {
            points[i].http.max_header_bytes = DEFAULT_HEADER_BYTES;
        }
    }
    derive_precedence(loaded);
    static_derive_legacy(loaded);
}
