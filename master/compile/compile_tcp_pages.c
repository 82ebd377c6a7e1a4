/*
 * compile_tcp_pages.c - the pages of TCP: routers with their index, and what goes with them (shm/tcp_page.h).
 *
 * Not here: which routers and services those are (compile_tcp.c).
 */
#include "common/model/layer4.h"
#include "master/compile/compiler.h"
#include "shm/routes.h"
#include "shm/tcp_page.h"
#include "shm/tls_options.h"

#define MILLISECOND INT64_C(1000000)
#define DIAL_TIMEOUT (30000 * MILLISECOND)
#define KEEP_ALIVE (15000 * MILLISECOND)
#define TERMINATION_DELAY (100 * MILLISECOND)

/* ---- the TCP page ---- */

/* Where a service names no transport. */
static struct tcp_way usual_way(const struct tcp_transport_config *config)
{
    struct tcp_way way = {
        .dial_timeout = DIAL_TIMEOUT, .keep_alive = KEEP_ALIVE, .termination_delay = TERMINATION_DELAY};

    if (config) {
        way.dial_timeout = config->dial_timeout > 0 ? config->dial_timeout : 0;
        way.keep_alive = config->dial_keep_alive ? config->dial_keep_alive : KEEP_ALIVE;
        way.termination_delay = config->termination_delay ? config->termination_delay : TERMINATION_DELAY;
    }
    return way;
}

static struct tcp_way way_of(const struct compiler *compiler, const struct tcp_service *service)
{
    struct tcp_way way = usual_way(compiler->config->tcp_servers_transport);
    const struct tcp_load_balancer *balancer = service->config.load_balancer;
    const struct proxy_protocol *proxy = balancer ? balancer->proxy_protocol : NULL;
    const struct tcp_transport *transport =
        balancer && balancer->servers_transport.len
            ? layer4_find(compiler->model, TCP_TRANSPORT, balancer->servers_transport)
            : NULL;

    if (transport) {
        way.dial_timeout = transport->config.dial_timeout > 0 ? transport->config.dial_timeout : 0;
        way.keep_alive = transport->config.dial_keep_alive ? transport->config.dial_keep_alive : KEEP_ALIVE;
        way.termination_delay = transport->config.termination_delay;
        proxy = transport->config.proxy_protocol;
    } else if (balancer && balancer->termination_delay.set) {
        way.termination_delay = balancer->termination_delay.value * MILLISECOND;
    }
    way.proxy_protocol = proxy ? (uint32_t)proxy->version : 0;
    return way;
}

static struct tcp_service *service_of(const struct compiler *compiler, uint32_t position)
{
    return (struct tcp_service *)compiler->model->layer4[TCP_SERVICE].items[position];
}

static bool names_host(const struct rule *rule)
{
    if (rule->op != RULE_PREDICATE) {
        return names_host(rule->left) || (rule->right && names_host(rule->right));
    }
    return rule->predicate == RULE_HOST || rule->predicate == RULE_HOST_SUFFIX;
}

static const uint8_t *points_make(struct compiler *compiler)
{
    const struct model *model = compiler->model;
    const struct map *points = &compiler->config->entry_points;
    uint8_t *flags = pool_zalloc(compiler->pool, points->count + 1);

    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];
        const struct slice *names = router->entry_points.items;

        for (size_t k = 0; router->config.tls && router->rule && k < router->entry_points.count; k++) {
            uint32_t number = entry_point_number(points, names[k]);

            if (number != NUMBER_NONE) {
                flags[number] |= names_host(router->rule) ? TCP_HTTPS : TCP_HTTPS | TCP_HTTPS_ALL;
            }
        }
    }
    for (size_t i = 0; i < compiler->tcp_plan_count; i++) {
        const struct tcp_plan *plan = &compiler->tcp_plans[i];
        const struct tcp_router *router = (struct tcp_router *)model->layer4[TCP_ROUTER].items[plan->router];

        for (size_t k = 0; k < plan->entry_point_count; k++) {
            flags[plan->entry_points[k]] |= router->config.tls ? TCP_TLS : TCP_PLAIN;
        }
    }
    return flags;
}

static bool speaks_tls(const struct tcp_service *service)
{
    const struct tcp_load_balancer *balancer = service->config.load_balancer;
    const struct tcp_server *servers = balancer ? balancer->servers.items : NULL;

    for (size_t i = 0; balancer && i < balancer->servers.count; i++) {
        if (servers[i].tls) {
            return true;
        }
    }
    return false;
}

static struct server_tls_wish wish_of(const struct tcp_client_tls *config)
{
    struct server_tls_wish wish = {.insecure = false};

    if (config) {
        wish.server_name = config->server_name;
        wish.peer_cert_uri = config->peer_cert_uri;
        wish.root_cas = config->root_cas;
        wish.certificates = config->certificates;
        wish.sans = config->peer_cert_sans;
        wish.insecure = config->insecure_skip_verify;
        wish.spiffe = config->spiffe != NULL;
    }
    return wish;
}

/* Settings of its transport, or the usual ones: those are made once for all. */
static uint32_t settings_of(struct compiler *compiler, struct tcp_service *service, uint32_t *usual)
{
    const struct tcp_transport_config *config = compiler->config->tcp_servers_transport;
    struct slice name = service->config.load_balancer->servers_transport;
    struct tcp_transport *transport = name.len ? layer4_find(compiler->model, TCP_TRANSPORT, name) : NULL;
    struct server_tls_wish wish = wish_of(transport ? transport->config.tls : config ? config->tls : NULL);

    if (transport) {
        return compile_server_tls(compiler, &transport->element, &wish);
    }
    if (*usual == NUMBER_NONE) {
        *usual = compile_server_tls(compiler, &service->element, &wish);
    }
    return *usual;
}

/* Of all transports, whether a service names them or not. */
static void settings_check(struct compiler *compiler)
{
    const struct layer4_objects *all = &compiler->model->layer4[TCP_TRANSPORT];

    for (size_t i = 0; i < all->count; i++) {
        struct tcp_transport *transport = (struct tcp_transport *)all->items[i];

        if (transport->element.status != ELEMENT_DISABLED) {
            const struct server_tls_wish wish = wish_of(transport->config.tls);

            compile_server_tls_check(compiler, &transport->element, &wish);
        }
    }
}

void tcp_ways_make(struct compiler *compiler)
{
    size_t count = compiler->tcp_service_count;
    uint32_t first = compiler->service_firsts[compiler->http_service_pages];
    struct tcp_way *ways = pool_alloc(compiler->pool, (count + 1) * sizeof(*ways));
    uint32_t usual = NUMBER_NONE;

    for (size_t i = 0; i < count; i++) {
        struct tcp_service *service = service_of(compiler, compiler->service_positions[first + i]);

        ways[i] = way_of(compiler, service);
        if (speaks_tls(service)) {
            ways[i].tls = settings_of(compiler, service, &usual);
        }
    }
    compiler->tcp_ways = ways;
    settings_check(compiler);
}

static struct page_builder *build_page(struct compiler *compiler)
{
    struct page_builder *builder = builder_new(PAGE_TCP);
    size_t count = compiler->tcp_service_count;

    struct tcp_page_input input = {
        .points = points_make(compiler),
        .point_count = compiler->config->entry_points.count,
        .ways = compiler->tcp_ways,
        .way_count = count,
        .first_service = plan_tcp_first(compiler),
        .middlewares = compiler->tcp_middlewares,
        .middleware_count = compiler->tcp_middleware_count,
    };

    tcp_page_build(builder, &input);
    return builder;
}

/* ---- the routes ---- */

static uint32_t options_number(const struct compiler *compiler, struct slice name)
{
    for (size_t i = 0; i < compiler->tls_option_count; i++) {
        if (slice_eq(compiler->tls_options[i].name, name)) {
            return (uint32_t)i;
        }
    }
    return TLS_OPTIONS_BROKEN;
}

static bool catches_all(const struct rule *rule)
{
    rule = rule->op == RULE_NOT ? rule->left : rule;
    return rule->op == RULE_PREDICATE && rule->predicate == RULE_ANY;
}

static struct page_builder *build_routes(struct compiler *compiler)
{
    struct page_builder *builder = builder_new(PAGE_TCP_ROUTES);
    struct route_input *rows = pool_alloc(compiler->pool, (compiler->tcp_plan_count + 1) * sizeof(*rows));

    for (size_t i = 0; i < compiler->tcp_plan_count; i++) {
        const struct tcp_plan *plan = &compiler->tcp_plans[i];
        const struct tcp_router *router =
            (struct tcp_router *)compiler->model->layer4[TCP_ROUTER].items[plan->router];
        const struct tcp_router_tls *tls = router->config.tls;

        rows[i] = (struct route_input){
            .name = router->element.name,
            .rule = router->rule,
            .rule_text = router->config.rule,
            .v2 = router->v2,
            .priority = router->priority,
            .precedence = -(int32_t)router->precedence, /* the page: the greater wins */
            .entry_points = plan->entry_points,
            .entry_point_count = plan->entry_point_count,
            .tls = tls != NULL,
            .tls_options = tls && !tls->passthrough ? options_number(compiler, router->tls_options) : 0,
            .middlewares = plan->chain,
            .middleware_count = plan->chain_count,
            .service = compiler->tcp_numbers[plan->service],
            .flags = ROUTE_TCP | (tls && tls->passthrough ? ROUTE_PASSTHROUGH : 0) |
                     (catches_all(router->rule) ? ROUTE_CATCH_ALL : 0),
        };
    }
    routes_build(builder, rows, compiler->tcp_plan_count);
    return builder;
}

void compile_tcp(struct compiler *compiler, struct compiled *out)
{
    out->pages[PAGE_TCP_ROUTES] = build_routes(compiler);
    out->pages[PAGE_TCP] = build_page(compiler);
}
