/*
 * compile_udp.c - the UDP page: a service for each UDP entry point that has a router, and all services under it.
 *
 * Services get their numbers children first, so none can be its own child. What master/resolve has found broken is disabled
 * and left out; a server without an address that can be dialled is left out with an error on its service.
 */
#include "master/compile/compiler.h"
#include "shm/udp_page.h"

#define SERVERS_MAX 65536u /* positions in a sequence have 16 bits */
#define DEPTH_MAX 64u

struct udp_compiler {
    struct compiler *all;
    const struct layer4_objects *objects;
    struct name_index index;
    uint32_t *numbers; /* by position; NUMBER_NONE: not used, or not to be used */
    struct service *rows;
    uint32_t count;
};

static struct udp_service *service_at(const struct udp_compiler *udp, uint32_t position)
{
    return (struct udp_service *)udp->objects->items[position];
}

/* ---- servers ---- */
/* HOST:PORT taken apart; what a worker cannot dial is no port. */
static bool host_and_port(struct slice text, struct slice *host, uint16_t *port)
{
    ptrdiff_t colon = slice_rfind(text, ':');
    uint64_t number;

    if (colon < 0 || !slice_to_u64(slice_from(text, (size_t)colon + 1), &number) || number == 0 ||
        number > UINT16_MAX) {
        return false;
    }
    *host = slice_head(text, (size_t)colon);
    if (host->len >= 2 && host->ptr[0] == '[' && host->ptr[host->len - 1] == ']') {
        *host = slice_of(host->ptr + 1, host->len - 2);
    }
    *port = (uint16_t)number;
    return true;
}

static bool server_fill(struct udp_compiler *udp, struct udp_service *service, struct slice address,
                        struct server *out)
{
    struct address literal = {0};
    struct slice host;
    uint16_t port;

    if (slice_find(address, ':') < 0) {
        return false; /* master/resolve said so */
    }
    if (!host_and_port(address, &host, &port)) {
        compile_note(udp->all, &service->element, false,
                     "the server \"%.*s\" is left out: its port is no number from 1 to 65535",
                     SLICE_ARG(address));
        return false;
    }
    (void)address_parse(host.len ? host : SLICE("127.0.0.1"), &literal); /* no host: as Go dials it */
    *out = (struct server){.url = address,
                           .scheme = SLICE("udp"),
                           .host = address,
                           .weight = 1,
                           .addresses = compile_addresses(udp->all, host, &literal, port)};
    return true;
}

/* ---- services ---- */
/* Its ticket is not that of a service of another kind which has the same name. */
static void sequence_make(struct udp_compiler *udp, const uint32_t *weights, size_t count,
                          struct service *row)
{
    compile_sequence(udp->all, pool_printf(udp->all->pool, "udp %.*s", SLICE_ARG(row->name)), weights, count,
                     row);
}

static void balancer_fill(struct udp_compiler *udp, struct udp_service *service, struct service *row)
{
    struct pool *pool = udp->all->pool;
    const struct list *list = &service->config.load_balancer->servers;
    const struct udp_server *configs = list->items;
    struct server *servers = pool_zalloc(pool, (list->count + 1) * sizeof(*servers));
    uint32_t *weights = pool_zalloc(pool, (list->count + 1) * sizeof(*weights));
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (count == SERVERS_MAX) {
            compile_note(udp->all, &service->element, false, "only its first %u servers are used",
                         SERVERS_MAX);
            break;
        }
        if (server_fill(udp, service, configs[i].address, &servers[count])) {
            weights[count++] = 1;
        }
    }
    row->servers = (struct list){servers, count};
    sequence_make(udp, weights, count, row);
}

static uint32_t service_number(struct udp_compiler *udp, uint32_t position, unsigned depth);

static void weighted_fill(struct udp_compiler *udp, struct udp_service *service, struct service *row,
                          unsigned depth)
{
    struct pool *pool = udp->all->pool;
    const struct list *list = &service->config.weighted->services;
    const struct weighted_service *configs = list->items;
    struct service_child *children = pool_zalloc(pool, (list->count + 1) * sizeof(*children));
    uint32_t *weights = pool_zalloc(pool, (list->count + 1) * sizeof(*weights));
    size_t count = 0;

    for (size_t i = 0; i < list->count && count < SERVERS_MAX; i++) {
        uint32_t child = name_find(udp->all, &udp->index, configs[i].name, service->element.provider);
        uint32_t number = child == NUMBER_NONE ? NUMBER_NONE : service_number(udp, child, depth + 1);

        if (number != NUMBER_NONE) {
            weights[count] = compile_weight(configs[i].weight);
            children[count] =
                (struct service_child){.name = configs[i].name, .service = number, .weight = weights[count]};
            count++;
        }
    }
    row->children = (struct list){children, count};
    sequence_make(udp, weights, count, row);
}

/* Of a service that is used, and of all that it chooses from; NUMBER_NONE: it is disabled. */
static uint32_t service_number(struct udp_compiler *udp, uint32_t position, unsigned depth)
{
    struct udp_service *service = service_at(udp, position);
    struct service row = {.name = service->element.name};

    if (udp->numbers[position] != NUMBER_NONE || service->element.status == ELEMENT_DISABLED ||
        depth > DEPTH_MAX) {
        return udp->numbers[position];
    }
    if (service->config.load_balancer) {
        row.kind = SERVICE_LOAD_BALANCER;
        balancer_fill(udp, service, &row);
    } else {
        row.kind = SERVICE_WEIGHTED;
        weighted_fill(udp, service, &row, depth);
    }
    udp->rows[udp->count] = row;
    udp->numbers[position] = udp->count++;
    return udp->numbers[position];
}

/* ---- routes ---- */
/* The routers of the list do not share an entry point but where one was told that it gets nothing there: the last wins. */
static void router_take(struct udp_compiler *udp, const struct udp_router *router, uint32_t *services)
{
    const struct slice *names = router->entry_points.items;
    uint32_t position = name_find(udp->all, &udp->index, router->config.service, router->element.provider);
    uint32_t number = position == NUMBER_NONE ? NUMBER_NONE : service_number(udp, position, 0);

    for (size_t i = 0; i < router->entry_points.count && number != NUMBER_NONE; i++) {
        uint32_t point = entry_point_number(&udp->all->config->entry_points, names[i]);

        if (point != NUMBER_NONE) {
            services[point] = number;
        }
    }
}

struct page_builder *compile_udp(struct compiler *compiler)
{
    const struct layer4_objects *routers = &compiler->model->layer4[UDP_ROUTER];
    struct udp_compiler udp = {.all = compiler, .objects = &compiler->model->layer4[UDP_SERVICE]};
    size_t points = compiler->config->entry_points.count, route_count = 0;
    struct page_builder *builder = builder_new(PAGE_UDP);
    uint32_t *services = pool_zalloc(compiler->pool, (points + 1) * sizeof(*services));
    struct udp_route *routes = pool_zalloc(compiler->pool, (points + 1) * sizeof(*routes));

    udp.numbers = pool_zalloc(compiler->pool, (udp.objects->count + 1) * sizeof(*udp.numbers));
    udp.rows = pool_zalloc(compiler->pool, (udp.objects->count + 1) * sizeof(*udp.rows));
    memset(udp.numbers, 0xff, udp.objects->count * sizeof(*udp.numbers));
    memset(services, 0xff, points * sizeof(*services));
    name_index_make(compiler->pool, &udp.index, udp.objects->items, udp.objects->count);
    for (size_t i = 0; i < routers->count; i++) {
        const struct udp_router *router = (const struct udp_router *)routers->items[i];

        if (router->element.status != ELEMENT_DISABLED) {
            router_take(&udp, router, services);
        }
    }
    for (size_t i = 0; i < points; i++) {
        if (services[i] != NUMBER_NONE) {
            routes[route_count++] = (struct udp_route){(uint32_t)i, services[i]};
        }
    }
    udp_page_build(builder, udp.rows, udp.count, routes, route_count);
    return builder;
}
