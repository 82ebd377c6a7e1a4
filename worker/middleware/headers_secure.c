/*
 * headers_secure.c - see headers_secure.h.
 */
#include "worker/middleware/headers_secure.h"

#include "worker/exchange.h"

/* The host that the client asked for, as a proxy before us may know better. */
static struct slice asked_host(const struct exchange *ex, const struct prepared_headers *p)
{
    const struct slice *names = exchange_items(ex, p->hosts_proxy_headers);

    for (size_t i = 0; i < p->hosts_proxy_headers.count; i++) {
        const struct header *item = headers_find(&ex->request.headers, exchange_text(ex, names[i]));

        if (item && item->value.len) {
            return item->value;
        }
    }
    return ex->request.host;
}

enum mw_verdict secure_request(struct exchange *ex, const struct prepared_headers *p)
{
    const struct slice *hosts = exchange_items(ex, p->allowed_hosts);
    struct slice host;

    if (p->allowed_hosts.count == 0) {
        return MW_PASS;
    }
    host = asked_host(ex, p);
    for (size_t i = 0; i < p->allowed_hosts.count; i++) {
        if (slice_eq_nocase(exchange_text(ex, hosts[i]), host)) {
            return MW_PASS;
        }
    }
    return exchange_answer_body(ex, 500, REASON_host_denied, SLICE("text/plain; charset=utf-8"),
                                SLICE("Bad Host\n"));
}

static bool over_tls(const struct exchange *ex, const struct prepared_headers *p)
{
    const struct string_pair *pairs =
        exchange_items(ex, (struct list){p->ssl_proxy_headers.items, p->ssl_proxy_headers.count});

    for (size_t i = 0; i < p->ssl_proxy_headers.count && !ex->request.tls; i++) {
        const struct header *item = headers_find(&ex->request.headers, exchange_text(ex, pairs[i].key));

        if (slice_eq(item ? item->value : SLICE(""), exchange_text(ex, pairs[i].value))) {
            return true;
        }
    }
    return ex->request.tls;
}

static void set_all(struct exchange *ex, const struct string_map *map)
{
    const struct string_pair *pairs = exchange_items(ex, (struct list){map->items, map->count});

    for (size_t i = 0; i < map->count; i++) {
        headers_set(&ex->response.headers, exchange_text(ex, pairs[i].key),
                    exchange_text(ex, pairs[i].value));
    }
}

void secure_response(struct exchange *ex, const struct prepared_headers *p)
{
    set_all(ex, &p->secure);
    if (p->secure_tls.count && over_tls(ex, p)) {
        set_all(ex, &p->secure_tls);
    }
}
