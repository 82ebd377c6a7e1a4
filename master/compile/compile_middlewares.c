/*
 * compile_middlewares.c - rows of the middlewares page: parameters, the services that are asked, words on the board.
 *
 * A middleware has one row, or, when it keeps something for each router, one for each router that uses it.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "master/compile/compiler.h"
#include "master/tls/learned.h"
#include "master/tls/vault.h"
#include "shm/middlewares.h"

#define SEED_WORD 0x6d696464ULL

struct link { /* of a plan's chain */
    struct middleware_use use;
    uint32_t *place; /* where its number goes */
};

static int link_order(const void *a, const void *b)
{
    const struct middleware_use *x = &((const struct link *)a)->use, *y = &((const struct link *)b)->use;

    if (x->middleware != y->middleware) {
        return x->middleware < y->middleware ? -1 : 1;
    }
    return x->router < y->router ? -1 : x->router > y->router;
}

static size_t links_count(const struct compiler *compiler)
{
    size_t count = 0;

    for (size_t i = 0; i < compiler->plan_count; i++) {
        count += compiler->plans[i].chain_count;
    }
    for (size_t i = 0; i < compiler->model->service_count; i++) {
        count += compiler->service_chains[i].count;
    }
    return count;
}

static size_t service_links_make(const struct compiler *compiler, struct link *links)
{
    size_t count = 0;

    for (size_t i = 0; i < compiler->model->service_count; i++) {
        const struct service_chain *chain = &compiler->service_chains[i];
        uint32_t owner = (uint32_t)(compiler->model->router_count + i);

        for (uint32_t k = 0; k < chain->count; k++) {
            uint32_t position = chain->items[k];
            bool own = compiler->model->middlewares[position]->words_by_router;

            links[count++] = (struct link){
                .use = {.middleware = position, .router = own ? owner : NUMBER_NONE},
                .place = &chain->items[k],
            };
        }
    }
    return count;
}

/* Plans of one router share their chain: it is numbered once. */
static size_t links_make(struct compiler *compiler, struct link *links)
{
    size_t count = 0;

    for (size_t i = 0; i < compiler->plan_count; i++) {
        struct plan *plan = &compiler->plans[i];

        if (i > 0 && plan->chain == compiler->plans[i - 1].chain) {
            continue;
        }
        for (uint32_t k = 0; k < plan->chain_count; k++) {
            uint32_t position = plan->chain[k];
            bool own = compiler->model->middlewares[position]->words_by_router;

            links[count++] = (struct link){
                .use = {.middleware = position, .router = own ? plan->owners[k] : NUMBER_NONE},
                .place = &plan->chain[k],
            };
        }
    }
    return count + service_links_make(compiler, links + count);
}

static uint64_t identity_of(const struct compiler *compiler, const struct http_middleware *middleware,
                            uint32_t router)
{
    uint64_t identity = hash_slice(SEED_WORD, middleware->element.name);

    if (router == NUMBER_NONE) {
        return identity;
    }
    if (router >= compiler->model->router_count) { /* apart from a router of that name */
        return hash_slice(~identity,
                          compiler->model->services[router - compiler->model->router_count]->element.name);
    }
    return hash_slice(identity, compiler->model->routers[router]->element.name);
}

/* They were marked, or the router that uses the middleware did not get in. */
static const uint32_t *services_of(struct compiler *compiler, const struct http_middleware *middleware)
{
    const struct slice *names = middleware->services.items;
    size_t count = middleware->services.count;
    uint32_t *numbers = pool_alloc(compiler->pool, (count + 1) * sizeof(*numbers));

    for (size_t i = 0; i < count; i++) {
        uint32_t position = name_find(compiler, &compiler->services, names[i], middleware->element.provider);

        numbers[i] = compiler->service_numbers[position];
    }
    return numbers;
}

/* By address and by name: a middleware that is another is another row. */
static uint64_t rows_sum(struct compiler *compiler)
{
    uint64_t sum = compiler->middleware_count;

    for (uint32_t i = 0; i < compiler->middleware_count; i++) {
        const struct middleware_use *use = &compiler->middleware_rows[i];
        const struct http_middleware *middleware = compiler->model->middlewares[use->middleware];
        uint64_t parts[2] = {(uintptr_t)middleware, identity_of(compiler, middleware, use->router)};

        sum = hash_bytes(sum, parts, sizeof(parts));
        if (middleware->services.count) {
            sum = hash_bytes(sum, services_of(compiler, middleware),
                             middleware->services.count * sizeof(uint32_t));
        }
    }
    return sum;
}

static uint64_t chains_sum(const struct compiler *compiler)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < compiler->model->service_count; i++) {
        const struct service_chain *chain = &compiler->service_chains[i];

        if (chain->count) {
            sum = hash_slice(sum, compiler->model->services[i]->element.name);
            sum = hash_bytes(sum, chain->items, chain->count * sizeof(*chain->items));
        }
    }
    return sum;
}

void middlewares_number(struct compiler *compiler)
{
    struct link *links = pool_alloc(compiler->pool, (links_count(compiler) + 1) * sizeof(*links));
    size_t count = links_make(compiler, links);
    uint32_t rows = 0;

    compiler->middleware_rows = pool_alloc(compiler->pool, (count + 1) * sizeof(*compiler->middleware_rows));
    if (count > 1) {
        qsort(links, count, sizeof(*links), link_order);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || link_order(&links[i - 1], &links[i]) != 0) {
            compiler->middleware_rows[rows++] = links[i].use;
        }
        *links[i].place = rows - 1;
    }
    compiler->middleware_count = rows;
    compiler->middleware_sum = rows_sum(compiler);
    compiler->chains_sum = chains_sum(compiler);
}

static const struct board_ref *words_of(struct compiler *compiler, const struct http_middleware *middleware,
                                        uint32_t router)
{
    struct board_ref *words = pool_zalloc(compiler->pool, (middleware->word_count + 1) * sizeof(*words));
    uint64_t identity = identity_of(compiler, middleware, router);
    for (uint32_t i = 0; i < middleware->word_count; i++) {
        words[i] = compile_word(compiler, hash_bytes(identity, &i, sizeof(i)));
    }
    if (middleware->learns.len && compiler->vault && vault_learned(compiler->vault)) {
        learned_heed(vault_learned(compiler->vault), middleware->learns, words[0]);
    }
    return words;
}

static struct table_ref table_of(struct compiler *compiler, const struct http_middleware *middleware,
                                 uint32_t router)
{
    uint64_t layout = middleware->table;

    return layout && compiler->board
               ? table_take(compiler->board,
                            hash_bytes(identity_of(compiler, middleware, router), &layout, sizeof(layout)),
                            compiler->generation)
               : (struct table_ref){.slot = 0};
}

int compile_middlewares(struct compiler *compiler, struct page_builder *builder, struct error *why)
{
    struct middleware_input *rows =
        pool_zalloc(compiler->pool, (compiler->middleware_count + 1) * sizeof(*rows));

    for (uint32_t i = 0; i < compiler->middleware_count; i++) {
        const struct middleware_use *use = &compiler->middleware_rows[i];
        const struct http_middleware *middleware = compiler->model->middlewares[use->middleware];
        struct middleware_input *row = &rows[i];

        row->name = middleware->element.name;
        if (!middleware_config_kind(&middleware->config, &row->kind, &row->params, why)) {
            error_prefix(why, "middleware %.*s", SLICE_ARG(row->name));
            return -EINVAL;
        }
        if (middleware->prepared) {
            row->params = middleware->prepared;
        }
        row->services = services_of(compiler, middleware);
        row->service_count = (uint32_t)middleware->services.count;
        row->words = words_of(compiler, middleware, use->router);
        row->word_count = middleware->word_count;
        row->table = table_of(compiler, middleware, use->router);
    }
    middlewares_build(builder, rows, compiler->middleware_count);
    return 0;
}
