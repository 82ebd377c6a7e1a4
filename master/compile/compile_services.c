/*
 * compile_services.c - rows of the services pages: servers with their addresses, shares, tickets.
 *
 * A word on the board is taken only where something is to be remembered: a ticket where there is a choice, a health word
 * where somebody looks after health.
 */
#include "common/base/hash.h"
#include "common/base/process.h"
#include "master/compile/compiler.h"
#include "master/compile/names.h"
#include "master/compile/url.h"

#define SEED_TICKET 0x7469636b6574ULL
#define SEED_LOAD 0x6c6f6164ULL
#define SEED_SINCE 0x73696e6365ULL
#define SEED_HEALTH 0x6865616c7468ULL
#define MILLISECOND 1000000LL
#define SECOND (1000 * MILLISECOND)

struct board_ref compile_word(struct compiler *compiler, uint64_t identity)
{
    return compiler->board ? board_word(compiler->board, identity, compiler->generation)
                           : (struct board_ref){0};
}

uint32_t compile_weight(struct opt_int weight)
{
    int64_t value = weight.set ? weight.value : 1;

    return value <= 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

uint64_t compile_ticket_identity(const struct http_service *service)
{
    return hash_slice(SEED_TICKET, service->element.name);
}

/* ---- transports ---- */

/* False, with an error, when the transport that the service names cannot be used. */
static bool transport_number(struct compiler *compiler, struct http_service *service, bool any_server,
                             uint32_t *out)
{
    struct slice name = service->config.load_balancer->servers_transport;
    uint32_t position;

    *out = 0;
    if (name.len == 0 || slice_eq(name, SLICE("default@internal")) || !any_server) {
        return true;
    }
    position = name_find(compiler, &compiler->transports, name, service->element.provider);
    if (position == NUMBER_NONE ||
        compiler->model->transports[position]->element.status == ELEMENT_DISABLED) {
        compile_note(compiler, &service->element, false, "serversTransport %.*s %s: its servers are left out",
                     SLICE_ARG(name), position == NUMBER_NONE ? "does not exist" : "has errors");
        return false;
    }
    *out = compiler->transport_numbers[position];
    return true;
}

/* ---- servers ---- */

struct list compile_addresses(struct compiler *compiler, struct slice host, const struct address *literal,
                              uint16_t port)
{
    struct list found = {NULL, 0};

    if (literal->family) {
        found = (struct list){(void *)(uintptr_t)literal, 1};
    } else if (compiler->names) {
        found = names_lookup(compiler->names, host, compiler->pool);
    }
    struct server_address *items = pool_zalloc(compiler->pool, (found.count + 1) * sizeof(*items));

    for (size_t i = 0; i < found.count; i++) {
        items[i].address = ((const struct address *)found.items)[i];
        items[i].address.port = port;
    }
    return (struct list){items, found.count};
}

/* Who has it gets the connections that are kept idle. Names in any letter case are one. */
static uint64_t server_identity(const struct compiler *compiler, const struct server_url *url,
                                uint64_t transport)
{
    struct slice text =
        pool_printf(compiler->pool, "%.*s %.*s %u", SLICE_ARG(url->scheme), SLICE_ARG(url->host), url->port);

    for (size_t i = 0; i < text.len; i++) {
        ((char *)(uintptr_t)text.ptr)[i] = (char)ascii_lower((unsigned char)text.ptr[i]);
    }
    return board_hash(compiler->board, transport, text);
}

/* The URL as it may be shown: never with user and password. */
static struct slice shown(struct compiler *compiler, struct slice url)
{
    ptrdiff_t at = slice_rfind(url, '@');

    return at < 0 ? url
                  : pool_printf(compiler->pool, "(user hidden)%.*s", SLICE_ARG(slice_from(url, (size_t)at)));
}

/* False, with an error on the service, when this server is left out. */
static bool server_fill(struct compiler *compiler, struct http_service *service,
                        const struct server_config *config, uint64_t transport, struct server *out)
{
    const struct load_balancer *balancer = service->config.load_balancer;
    struct server_url url;
    struct error why;

    if (server_url_parse(config->url, &url, &why) < 0) {
        struct slice text = shown(compiler, config->url);

        compile_note(compiler, &service->element, false, "server %.*s is left out: %s", SLICE_ARG(text),
                     why.text);
        return false;
    }
    bool tls = slice_eq_nocase(url.scheme, SLICE("https")), h2c = slice_eq_nocase(url.scheme, SLICE("h2c"));

    if (!tls && !h2c && !slice_eq_nocase(url.scheme, SLICE("http"))) {
        compile_note(compiler, &service->element, false,
                     "server %.*s://%.*s is left out: scheme %.*s is none of http, https, h2c",
                     SLICE_ARG(url.scheme), SLICE_ARG(url.authority), SLICE_ARG(url.scheme));
        return false;
    }
    if (url.has_user || url.has_query) {
        compile_note(compiler, &service->element, false, "server %.*s://%.*s: %s in its URL has no effect",
                     SLICE_ARG(url.scheme), SLICE_ARG(url.authority),
                     url.has_user ? "user information" : "a query");
    }
    compiler->system_wanted = compiler->system_wanted || tls;
    *out = (struct server){
        .url = config->url,
        .scheme = tls   ? SLICE("https")
                  : h2c ? SLICE("h2c")
                        : SLICE("http"),
        .tls = tls,
        .h2c = h2c,
        .host = url.authority,
        .path = server_url_sent_path(compiler->pool, url.path),
        .addresses = compile_addresses(compiler, url.host, &url.literal, url.port),
        .identity = server_identity(compiler, &url, transport),
        .preserve_path = config->preserve_path,
    };
    if (balancer->health_check || balancer->passive_health_check) {
        out->health =
            compile_word(compiler, hash_slice(hash_slice(SEED_HEALTH, service->element.name), config->url));
    }
    if (balancer->passive_health_check) {
        out->failures = compile_failures(compiler, service, config->url);
    }
    if (balancer->slow_start > 0) {
        out->since =
            compile_word(compiler, hash_slice(hash_slice(SEED_SINCE, service->element.name), config->url));
    }
    if (balancer->health_check) {
        compile_health(compiler, service, config, out);
    }
    return true;
}

void compile_sequence(struct compiler *compiler, struct slice service, const uint32_t *weights, size_t count,
                      struct service *row)
{
    uint16_t *order;

    row->sequence.count = smooth_sequence(compiler->pool, weights, count, &order);
    row->sequence.items = order;
    if (row->sequence.count > 1) {
        row->ticket = compile_word(compiler, hash_slice(SEED_TICKET, service));
    }
}

/* A word that nobody had before is a server that is new, beside others that are not: where all are, all have their shares. */
static void since_fill(struct compiler *compiler, const struct server *servers, size_t count)
{
    uint64_t since = SINCE_EVER;

    for (size_t i = 0; i < count && compiler->board; i++) {
        const _Atomic uint64_t *word = board_at(compiler->board, servers[i].since);

        if (word && atomic_load_explicit(word, memory_order_relaxed) != 0) {
            since = (uint64_t)process_clock_ns();
        }
    }
    for (size_t i = 0; i < count && compiler->board; i++) {
        _Atomic uint64_t *word = board_at(compiler->board, servers[i].since);
        uint64_t never = 0;

        if (word) {
            (void)atomic_compare_exchange_strong(word, &never, since);
        }
    }
}

/* What the model says, or will say. */
static struct list servers_now(const struct compiler *compiler, uint32_t position)
{
    size_t low = 0, high = compiler->change_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compiler->changes[middle].position == position) {
            return compiler->changes[middle].servers;
        }
        if (compiler->changes[middle].position < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return compiler->model->services[position]->config.load_balancer->servers;
}

/* p2c knows no weights; a server without a share gets nobody otherwise. */
static uint32_t share_of(const struct server_config *config, enum service_strategy strategy)
{
    return strategy == STRATEGY_P2C ? 1 : compile_weight(config->weight);
}

static void load_balancer_fill(struct compiler *compiler, uint32_t position, struct service *row)
{
    struct http_service *service = compiler->model->services[position];
    const struct load_balancer *balancer = service->config.load_balancer;
    const struct list list = servers_now(compiler, position);
    const struct server_config *configs = list.items;
    struct server *servers = pool_alloc(compiler->pool, (list.count + 1) * sizeof(*servers));
    uint32_t *weights = pool_alloc(compiler->pool, (list.count + 1) * sizeof(*weights));
    struct slice *names = pool_zalloc(compiler->pool, (list.count + 1) * sizeof(*names));
    size_t count = 0;
    uint64_t identity;

    (void)strategy_find(balancer->strategy, &row->strategy); /* resolve said so */
    row->checked = balancer->health_check != NULL;
    row->failure_window = balancer->passive_health_check ? balancer->passive_health_check->failure_window : 0;
    row->slow_start = balancer->slow_start > 0 ? balancer->slow_start : 0;
    row->pass_host_header = balancer->pass_host_header.set ? balancer->pass_host_header.value : true;
    if (!transport_number(compiler, service, list.count > 0, &row->transport)) {
        return;
    }
    identity = compiler->transport_rows[row->transport].identity;
    for (size_t i = 0; i < list.count; i++) {
        if (count == POSITIONS_MOST) {
            compile_note(compiler, &service->element, false, "only its first %u servers are used",
                         POSITIONS_MOST);
            break;
        }
        if (server_fill(compiler, service, &configs[i], identity, &servers[count])) {
            /* a fenced server is on its way out: it is kept for sticky sessions, new ones do not begin there */
            uint32_t share = share_of(&configs[i], row->strategy);

            servers[count].weight = weights[count] = configs[i].fenced ? 0 : share;
            names[count] = share > 0 ? configs[i].url : SLICE("");
            if (row->strategy >= STRATEGY_P2C) {
                servers[count].load = compile_word(
                    compiler, hash_slice(hash_slice(SEED_LOAD, service->element.name), configs[i].url));
            }
            count++;
        }
    }
    row->servers = (struct list){servers, count};
    if (row->slow_start > 0) {
        since_fill(compiler, servers, count);
    }
    if (row->strategy == STRATEGY_HRW) {
        return; /* the client's address is what sticks */
    }
    compile_sequence(compiler, service->element.name, weights, count, row);
    compile_sticky(compiler, balancer->sticky, names, count, row);
}

static void row_fill(struct compiler *compiler, uint32_t position, struct service *row)
{
    const struct http_service *service = compiler->model->services[position];

    row->name = service->element.name;
    row->middlewares =
        (struct list){compiler->service_chains[position].items, compiler->service_chains[position].count};
    (void)service_unserved(service, &row->kind, &row->internal);
    switch (row->kind) {
    case SERVICE_LOAD_BALANCER:
        load_balancer_fill(compiler, position, row);
        break;
    case SERVICE_WEIGHTED:
        compile_weighted(compiler, position, row);
        break;
    case SERVICE_FAILOVER:
        compile_failover(compiler, position, row);
        break;
    case SERVICE_MIRRORING:
        compile_mirroring(compiler, position, row);
        break;
    case SERVICE_INTERNAL:
        break;
    }
}

struct page_builder *compile_services_page(struct compiler *compiler, size_t page)
{
    struct page_builder *builder = builder_new(PAGE_SERVICES);
    uint32_t row = compiler->service_firsts[page], count = compiler->service_firsts[page + 1] - row;
    struct service *rows = pool_zalloc(compiler->pool, (count + 1) * sizeof(*rows));

    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = compiler->service_positions[row + i];

        if (page < compiler->http_service_pages) {
            row_fill(compiler, position, &rows[i]);
        } else {
            tcp_service_row(compiler, position, &rows[i]);
        }
    }
    services_build(builder, (uint32_t)(page << compiler->service_shift), compiler->service_shift,
                   compiler->service_pages, rows, count);
    return builder;
}

void compile_services(struct compiler *compiler, struct compiled *out)
{
    for (size_t i = 0; i < compiler->service_pages; i++) {
        out->pages[PAGE_SERVICES + i] = compile_services_page(compiler, i);
    }
    out->count = PAGE_SERVICES + compiler->service_pages;
}
