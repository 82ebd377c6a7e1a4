/*
 * compile_tcp.c - TCP: which routers get in and what they use, rows of their services.
 *
 * As for HTTP (plan_uses.c) references were followed by master/resolve; what is found broken here nevertheless is left out with
 * an error. Services get the numbers behind those of HTTP and lie on the same pages.
 *
 * Not here: the two pages of TCP (compile_tcp_pages.c).
 */
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/model/layer4.h"
#include "common/net/ranges.h"
#include "master/compile/compiler.h"
#include "master/compile/url.h"
#include "shm/tcp_page.h"

#define DEPTH_MAX 64
#define SERVERS_MAX 65536u /* positions in a sequence have 16 bits */
#define SEED_SERVER 0x746370ULL
#define SEED_IN_FLIGHT 0x746370636f6eULL

static struct tcp_service *service_at(const struct compiler *compiler, uint32_t position)
{
    return (struct tcp_service *)compiler->model->layer4[TCP_SERVICE].items[position];
}

/* ---- what is used ---- */

/* Marks it and all below it; false when it cannot be served. */
static bool service_mark(struct compiler *compiler, uint32_t position, unsigned depth)
{
    struct tcp_service *service = service_at(compiler, position);
    uint8_t *state = &compiler->tcp_states[position];
    bool good = service->element.status != ELEMENT_DISABLED;

    if (*state != SERVICE_UNKNOWN) {
        return *state == SERVICE_GOOD; /* SERVICE_LOOKED_AT: it is part of itself */
    }
    *state = SERVICE_LOOKED_AT;
    if (good && depth > DEPTH_MAX) {
        compile_note(compiler, &service->element, true, "weighted services are nested too deep");
        good = false;
    } else if (good && service->config.weighted) {
        const struct list *list = &service->config.weighted->services;
        const struct weighted_service *children = list->items;

        for (size_t i = 0; i < list->count && good; i++) {
            uint32_t child =
                name_find(compiler, &compiler->tcp_services, children[i].name, service->element.provider);

            good = child != NUMBER_NONE && service_mark(compiler, child, depth + 1);
        }
        if (!good) {
            compile_note(compiler, &service->element, true, "one of its services cannot be served");
        }
    }
    *state = good ? SERVICE_GOOD : SERVICE_BAD;
    compiler->tcp_orders[position] = ++compiler->service_order;
    return good;
}

/* ---- middlewares ---- */

struct chains { /* rows of the middlewares that routers use */
    struct tcp_middleware_row *rows;
    size_t count, capacity;
    uint32_t *shared; /* by position: the row for all routers, NUMBER_NONE while there is none */
};

static struct slice allowed_ranges(struct compiler *compiler, const struct tcp_ip_list *list)
{
    const struct slice *texts = list->source_range.items;
    struct cidr *ranges = pool_alloc(compiler->pool, (list->source_range.count + 1) * sizeof(*ranges));
    size_t count = 0;

    for (size_t i = 0; i < list->source_range.count; i++) {
        count += cidr_parse(texts[i], &ranges[count], NULL);
    }
    return ranges_make(compiler->pool, ranges, count);
}

/* Counts are kept for each router, as those of requests are. */
static struct table_ref in_flight_table(struct compiler *compiler, struct slice middleware,
                                        struct slice router)
{
    return compiler->board
               ? table_take(compiler->board, hash_slice(hash_slice(SEED_IN_FLIGHT, middleware), router),
                            compiler->generation)
               : (struct table_ref){.slot = 0};
}

static uint32_t row_add(struct compiler *compiler, struct chains *chains, uint32_t position,
                        const struct tcp_router *router)
{
    const struct tcp_middleware *middleware =
        (struct tcp_middleware *)compiler->model->layer4[TCP_MIDDLEWARE].items[position];
    const struct tcp_middleware_config *config = &middleware->config;
    const struct tcp_ip_list *list = config->ip_allow_list ? config->ip_allow_list : config->ip_white_list;
    struct tcp_middleware_row *row;

    if (list && chains->shared[position] != NUMBER_NONE) {
        return chains->shared[position];
    }
    chains->rows =
        pool_grow(compiler->pool, chains->rows, chains->count, &chains->capacity, sizeof(*chains->rows));
    row = &chains->rows[chains->count];
    *row = (struct tcp_middleware_row){.name = middleware->element.name};
    if (list) {
        row->kind = TCP_IP_LIST;
        row->allowed = allowed_ranges(compiler, list);
        chains->shared[position] = (uint32_t)chains->count;
    } else {
        row->kind = TCP_IN_FLIGHT_CONN;
        row->amount = config->in_flight_conn->amount;
        row->table = in_flight_table(compiler, middleware->element.name, router->element.name);
    }
    return (uint32_t)chains->count++;
}

/* False, with an error, when one is missing. */
static bool chain_make(struct compiler *compiler, const struct name_index *names, struct tcp_router *router,
                       struct chains *chains, struct tcp_plan *plan)
{
    const struct slice *wanted = router->config.middlewares.items;
    size_t count = router->config.middlewares.count;

    plan->chain = pool_alloc(compiler->pool, (count + 1) * sizeof(*plan->chain));
    for (size_t i = 0; i < count; i++) {
        uint32_t position = name_find(compiler, names, wanted[i], router->element.provider);

        if (position == NUMBER_NONE ||
            compiler->model->layer4[TCP_MIDDLEWARE].items[position]->status == ELEMENT_DISABLED) {
            compile_note(compiler, &router->element, true, "middleware %.*s %s", SLICE_ARG(wanted[i]),
                         position == NUMBER_NONE ? "does not exist" : "has errors");
            return false;
        }
        plan->chain[plan->chain_count++] = row_add(compiler, chains, position, router);
    }
    return true;
}

/* ---- routers ---- */

static bool router_plan(struct compiler *compiler, const struct name_index *middlewares, uint32_t position,
                        struct chains *chains, struct tcp_plan *plan)
{
    struct tcp_router *router = (struct tcp_router *)compiler->model->layer4[TCP_ROUTER].items[position];
    uint32_t *entry_points;

    if ((router->element.status == ELEMENT_DISABLED && !router->tls_broken) || router->rule == NULL) {
        return false;
    }
    *plan = (struct tcp_plan){.router = position};
    plan->entry_point_count =
        plan_entry_points(compiler, &router->element, &router->entry_points, &entry_points);
    plan->entry_points = entry_points;
    if (plan->entry_point_count == 0) {
        compile_note(compiler, &router->element, true, "it is served on no entry point");
        return false;
    }
    plan->service =
        name_find(compiler, &compiler->tcp_services, router->config.service, router->element.provider);
    if (plan->service == NUMBER_NONE || !service_mark(compiler, plan->service, 0)) {
        compile_note(compiler, &router->element, true, "service %.*s %s", SLICE_ARG(router->config.service),
                     plan->service == NUMBER_NONE ? "does not exist" : "cannot be served");
        return false;
    }
    return chain_make(compiler, middlewares, router, chains, plan);
}

void tcp_plan_all(struct compiler *compiler)
{
    const struct layer4_objects *all = compiler->model->layer4;
    size_t services = all[TCP_SERVICE].count, routers = all[TCP_ROUTER].count;
    struct chains chains = {0};
    struct name_index middlewares;

    name_index_make(compiler->kept, &compiler->tcp_services, all[TCP_SERVICE].items, services);
    name_index_make(compiler->pool, &middlewares, all[TCP_MIDDLEWARE].items, all[TCP_MIDDLEWARE].count);
    compiler->tcp_states = pool_zalloc(compiler->pool, services + 1);
    compiler->tcp_orders = pool_zalloc(compiler->kept, (services + 1) * sizeof(*compiler->tcp_orders));
    compiler->tcp_numbers = pool_alloc(compiler->kept, (services + 1) * sizeof(*compiler->tcp_numbers));
    compiler->tcp_plans = pool_alloc(compiler->pool, (routers + 1) * sizeof(*compiler->tcp_plans));
    chains.shared = pool_alloc(compiler->pool, (all[TCP_MIDDLEWARE].count + 1) * sizeof(*chains.shared));
    for (size_t i = 0; i < all[TCP_MIDDLEWARE].count; i++) {
        chains.shared[i] = NUMBER_NONE;
    }
    for (size_t i = 0; i < routers; i++) {
        compiler->tcp_plan_count += router_plan(compiler, &middlewares, (uint32_t)i, &chains,
                                                &compiler->tcp_plans[compiler->tcp_plan_count]);
    }
    for (size_t i = 0; i < services; i++) {
        compiler->tcp_numbers[i] =
            compiler->tcp_states[i] == SERVICE_GOOD ? compiler->tcp_service_count++ : NUMBER_NONE;
    }
    compiler->tcp_middlewares = chains.rows;
    compiler->tcp_middleware_count = (uint32_t)chains.count;
}

/* ---- rows of services ---- */

/* False, with an error on the service, when this server is left out. */
static bool server_fill(struct compiler *compiler, struct tcp_service *service,
                        const struct tcp_server *config, struct server *out)
{
    struct slice address = config->address;
    struct server_url url;
    struct error why;

    if (address.len == 0 || slice_rfind(address, ':') < 0 || address.ptr[address.len - 1] == ':' ||
        address.ptr[address.len - 1] == ']') {
        compile_note(compiler, &service->element, false,
                     "the server \"%.*s\" is left out: it is no HOST:PORT", SLICE_ARG(address));
        return false;
    }
    if (server_url_parse(pool_printf(compiler->pool, "tcp://%.*s", SLICE_ARG(address)), &url, &why) < 0 ||
        url.path.len || url.has_user || url.has_query) {
        compile_note(compiler, &service->element, false, "server %.*s is left out: %s", SLICE_ARG(address),
                     url.path.len ? "it is no HOST:PORT" : why.text);
        return false;
    }
    compiler->system_wanted = compiler->system_wanted || config->tls;
    *out = (struct server){
        .url = address,
        .scheme = SLICE("tcp"),
        .host = address,
        .identity = hash_slice(SEED_SERVER, address),
        .tls = config->tls,
        .addresses = compile_addresses(compiler, url.host, &url.literal, url.port),
        .weight = 1,
    };
    if (service->config.load_balancer->health_check) {
        out->health = compile_tcp_health(compiler, service, config);
    }
    return true;
}

static void balancer_fill(struct compiler *compiler, struct tcp_service *service, struct slice identity,
                          struct service *row)
{
    const struct list *list = &service->config.load_balancer->servers;
    const struct tcp_server *configs = list->items;
    struct server *servers = pool_alloc(compiler->pool, (list->count + 1) * sizeof(*servers));
    uint32_t *weights = pool_alloc(compiler->pool, (list->count + 1) * sizeof(*weights));
    size_t count = 0;

    row->kind = SERVICE_LOAD_BALANCER;
    for (size_t i = 0; i < list->count && count < SERVERS_MAX; i++) {
        if (server_fill(compiler, service, &configs[i], &servers[count])) {
            weights[count++] = 1;
        }
    }
    row->servers = (struct list){servers, count};
    compile_sequence(compiler, identity, weights, count, row);
}

static void weighted_fill(struct compiler *compiler, struct tcp_service *service, uint32_t position,
                          struct slice identity, struct service *row)
{
    const struct list *list = &service->config.weighted->services;
    const struct weighted_service *configs = list->items;
    struct service_child *children = pool_alloc(compiler->pool, (list->count + 1) * sizeof(*children));
    uint32_t *weights = pool_alloc(compiler->pool, (list->count + 1) * sizeof(*weights));
    size_t count = 0;

    row->kind = SERVICE_WEIGHTED;
    for (size_t i = 0; i < list->count && count < SERVERS_MAX; i++) {
        uint32_t child =
            name_find(compiler, &compiler->tcp_services, configs[i].name, service->element.provider);

        if (child == NUMBER_NONE || compiler->tcp_numbers[child] == NUMBER_NONE ||
            compiler->tcp_orders[child] >= compiler->tcp_orders[position]) {
            continue; /* never: service_mark() */
        }
        weights[count] = compile_weight(configs[i].weight);
        children[count] = (struct service_child){.name = configs[i].name,
                                                 .service = compiler->tcp_numbers[child],
                                                 .weight = weights[count],
                                                 .watched = service->config.weighted->health_check != NULL};
        count++;
    }
    row->children = (struct list){children, count};
    compile_sequence(compiler, identity, weights, count, row);
}

void tcp_service_row(struct compiler *compiler, uint32_t position, struct service *row)
{
    struct tcp_service *service = service_at(compiler, position);
    /* an HTTP service may have the same name: its turn is its own */
    struct slice identity = pool_printf(compiler->pool, "tcp %.*s", SLICE_ARG(service->element.name));

    row->name = service->element.name;
    if (service->config.weighted) {
        weighted_fill(compiler, service, position, identity, row);
    } else {
        balancer_fill(compiler, service, identity, row);
    }
}
