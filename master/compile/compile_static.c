/*
 * compile_static.c - the static page from the static configuration: entry points by number, what a log line needs.
 */
#include <errno.h>
#include <sys/utsname.h>

#include "common/base/log.h"
#include "common/base/pool.h"
#include "common/net/ranges.h"
#include "master/compile/compile.h"
#include "shm/static_page.h"

/* ":80", "host:80/tcp", "[::]:443/udp": what stands behind the last colon, without the protocol. */
static int entry_point_port(struct slice name, struct slice address, uint16_t *out, struct error *why)
{
    ptrdiff_t slash = slice_rfind(address, '/'), colon;
    struct slice text = slash < 0 ? address : slice_head(address, (size_t)slash);
    uint64_t port;

    colon = slice_rfind(text, ':');
    if (colon < 0 || !slice_to_u64(slice_from(text, (size_t)colon + 1), &port) || port > 65535) {
        return error_set(why, -EINVAL, "entryPoints.%.*s.address: \"%.*s\" has no port", SLICE_ARG(name),
                         SLICE_ARG(address));
    }
    *out = (uint16_t)port;
    return 0;
}

static int trusted_ranges(struct pool *pool, struct slice name, const char *option, const struct list *texts,
                          struct cidr **out, struct error *why)
{
    const struct slice *items = texts->items;
    struct cidr *ranges = pool_zalloc(pool, (texts->count + 1) * sizeof(*ranges));

    for (size_t i = 0; i < texts->count; i++) {
        if (!cidr_parse(items[i], &ranges[i], why)) {
            error_prefix(why, "entryPoints.%.*s.%s.trustedIPs", SLICE_ARG(name), option);
            return -EINVAL;
        }
    }
    *out = ranges;
    return 0;
}

static int fill_row(struct pool *pool, struct slice name, const struct entry_point *config,
                    struct entry_point_input *row, struct error *why)
{
    const struct list *trusted = &config->forwarded_headers.trusted_ips;
    struct cidr *ranges;
    int rc;

    if ((rc = entry_point_port(name, config->address, &row->port, why)) < 0 ||
        (rc = trusted_ranges(pool, name, "forwardedHeaders", trusted, &ranges, why)) < 0) {
        return rc;
    }
    row->name = name;
    row->config = config;
    row->trusted = ranges;
    row->trusted_count = trusted->count;
    row->internal = slice_eq(name, SLICE("traefik"));
    if (config->proxy_protocol) {
        const struct list *proxies = &config->proxy_protocol->trusted_ips;

        if ((rc = trusted_ranges(pool, name, "proxyProtocol", proxies, &ranges, why)) < 0) {
            return rc;
        }
        row->proxies = ranges_make(pool, ranges, proxies->count);
    }
    return 0;
}

static void log_options(const struct log_config *config, struct static_root *root)
{
    enum log_level level = LOG_LEVEL_ERROR;

    root->log_level = level;
    root->log_format = LOG_FORMAT_COMMON;
    if (!config) {
        return;
    }
    (void)log_level_parse(config->level, &level); /* checked when it was decoded; else the default stays */
    root->log_level = level;
    root->log_format = slice_eq_nocase(config->format, SLICE("json")) ? LOG_FORMAT_JSON : LOG_FORMAT_COMMON;
}

int compile_static(const struct static_config *config, struct page_builder **out, struct error *why)
{
    const struct entry_point *entry_points = config->entry_points.values;
    size_t count = config->entry_points.count;
    struct pool *pool = pool_new(4096, 0);
    struct entry_point_input *rows = pool_zalloc(pool, (count + 1) * sizeof(*rows));
    struct utsname host = {0};
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rows[i].acme_taken = static_tls_challenge(config) && !entry_points[i].allow_acme_by_pass;
        rc = fill_row(pool, config->entry_points.keys[i], &entry_points[i], &rows[i], why);
    }
    if (rc == 0) {
        struct static_root root = {
            .stopping_status = config->ping ? (uint32_t)config->ping->terminating_status_code : 503,
        };

        log_options(config->log, &root);
        (void)uname(&host);
        root.host_name = slice_cstr(host.nodename);
        *out = builder_new(PAGE_STATIC);
        static_page_build(*out, rows, count, &root);
    }
    pool_free(pool);
    return rc;
}
