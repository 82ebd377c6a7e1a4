/*
 * compile.c - the order of a compile: plan, number, write the pages.
 *
 * Not here: after a few objects have changed (compile_patch.c), what gets in (plan.c), TCP (compile_tcp.c), UDP
 * (compile_udp.c), services (compile_services.c), middlewares (compile_middlewares.c), the static page (compile_static.c).
 */
#include "master/compile/compile.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "master/compile/compiler.h"
#include "master/compile/names.h"
#include "master/tls/vault.h"
#include "shm/routes.h"
#include "shm/tls_options.h"

#define POOL_FIRST (64u * 1024)

void compile_routes(struct compiler *compiler, struct page_builder *builder)
{
    struct route_input *rows = pool_alloc(compiler->pool, (compiler->plan_count + 1) * sizeof(*rows));

    for (size_t i = 0; i < compiler->plan_count; i++) {
        const struct plan *plan = &compiler->plans[i];
        const struct http_router *router = compiler->model->routers[plan->router];

        rows[i] = (struct route_input){
            .name = router->element.name,
            .rule = router->rule,
            .rule_text = router->config.rule,
            .v2 = router->v2,
            .priority = router->priority,
            .precedence = -(int32_t)router->precedence, /* the page: the greater wins */
            .entry_points = plan->entry_points,
            .entry_point_count = plan->entry_point_count,
            .tls = plan->layer == 0 && router->config.tls != NULL,
            .tls_options = plan->layer == 0 && router->config.tls ? tls_options_id(router->tls_options) : 0,
            .middlewares = plan->chain,
            .middleware_count = plan->chain_count,
            .service = plan->service == NUMBER_NONE ? ROUTE_NONE : compiler->service_numbers[plan->service],
            .layer = plan->layer,
            .children = plan->children,
            .flags = plan->denied << ROUTE_DENY_ENCODED_SHIFT |
                     (slice_eq(router->element.provider, SLICE("internal")) ? ROUTE_INTERNAL : 0),
        };
    }
    routes_build(builder, rows, compiler->plan_count);
}

struct compiler *compiler_new(const struct static_config *config, struct model *model, struct board *board,
                              uint64_t generation, struct names *names)
{
    struct compiler *compiler = xcalloc(1, sizeof(*compiler));

    compiler->config = config;
    compiler->model = model;
    compiler->board = board;
    compiler->names = names;
    compiler->generation = generation;
    compiler->pool = pool_new(POOL_FIRST, 0);
    compiler->kept = pool_new(POOL_FIRST, 0);
    compiler->lasting = pool_new(256, 0);
    return compiler;
}

void compiler_free(struct compiler *compiler)
{
    if (compiler) {
        pool_free(compiler->pool);
        pool_free(compiler->kept);
        pool_free(compiler->lasting);
        free(compiler);
    }
}

bool compiler_doubts(const struct compiler *compiler)
{
    return compiler->doubts;
}

bool compiler_noted(const struct compiler *compiler)
{
    return compiler->noted;
}

const struct health_target *compiler_health(const struct compiler *compiler, size_t *count)
{
    *count = compiler->health_count;
    return compiler->health;
}

void compiler_strip(struct compiler *compiler)
{
    pool_free(compiler->pool);
    compiler->pool = NULL;
    compiler->vault = NULL;
    compiler->middlewares = (struct name_index){0};
    compiler->service_states = compiler->transport_used = NULL;
    compiler->middleware_rows = NULL;
    compiler->server_tls = NULL;
    compiler->vault = NULL;
    compiler->denied = NULL;
    compiler->plans = NULL;
    compiler->tcp_states = NULL;
    compiler->tcp_plans = NULL;
    compiler->tcp_plan_count = 0;
    compiler->tcp_middlewares = NULL;
    compiler->tcp_ways = NULL;
    compiler->tls_options = NULL;
    compiler->plan_count = compiler->plan_capacity = 0;
}

static void own_vault_free(struct vault *own)
{
    if (own) {
        vault_end(own);
        vault_free(own);
    }
}

/* Those behind the middlewares; transports and secrets after all who speak TLS to servers. */
static void compile_pages(struct compiler *compiler, struct compiled *made)
{
    compile_transport_rows(compiler);
    tcp_ways_make(compiler);
    compile_services(compiler, made);
    made->pages[PAGE_TRANSPORTS] = builder_new(PAGE_TRANSPORTS);
    compile_transports(compiler, made->pages[PAGE_TRANSPORTS]);
    made->pages[PAGE_ROUTES] = builder_new(PAGE_ROUTES);
    compile_routes(compiler, made->pages[PAGE_ROUTES]);
    made->pages[PAGE_UDP] = compile_udp(compiler);
    made->pages[PAGE_TLS] = compile_tls(compiler, compiler->vault);
    compile_secrets(compiler, compiler->vault, made);
    compile_tcp(compiler, made);
}

int compile_model(const struct static_config *config, struct model *model, struct board *board,
                  uint64_t generation, struct names *names, struct vault *vault, struct compiled *out,
                  struct error *why)
{
    struct compiled made = {.compiler = compiler_new(config, model, board, generation, names)};
    struct compiler *compiler = made.compiler;
    struct vault *own = vault ? NULL : vault_new(false);
    int rc;

    compiler->vault = own ? own : vault;
    if (own) {
        vault_begin(own);
    }
    if (names) {
        names_begin(names);
    }
    plan_all(compiler);
    made.pages[PAGE_MIDDLEWARES] = builder_new(PAGE_MIDDLEWARES);
    if ((rc = compile_middlewares(compiler, made.pages[PAGE_MIDDLEWARES], why)) < 0) {
        compiled_free(&made);
        own_vault_free(own);
        return rc;
    }
    compile_pages(compiler, &made);
    compiler->tls_only_sum = compile_tls_only_sum(compiler);
    compiler_strip(compiler);
    own_vault_free(own);
    *out = made;
    return 0;
}

/* ---- servers only ---- */
static size_t errors_of(const struct compiler *compiler, const struct servers_change *changes, size_t count)
{
    size_t errors = 0;

    for (size_t i = 0; i < count; i++) {
        errors += compiler->model->services[changes[i].position]->element.errors.count;
    }
    return errors;
}

int compile_servers(struct compiler *compiler, const struct servers_change *changes, size_t count,
                    uint64_t generation, struct compiled *out)
{
    struct compiled made = {.count = PAGE_SERVICES + compiler->service_pages};
    size_t errors = errors_of(compiler, changes, count);
    int rc = 0;

    compiler->pool = pool_new(POOL_FIRST, 0);
    compiler->generation = generation;
    compiler->changes = changes;
    compiler->change_count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t number = compiler->service_numbers[changes[i].position];
        size_t page = number >> compiler->service_shift;

        if (number != NUMBER_NONE && made.pages[PAGE_SERVICES + page] == NULL) {
            made.pages[PAGE_SERVICES + page] = compile_services_page(compiler, page);
        }
    }
    if (errors_of(compiler, changes, count) != errors) {
        rc = -EAGAIN; /* what is wrong is found, counted and said by the whole way */
    }
    if (compiler->system_wanted && !compiler->system_there) {
        rc = -EAGAIN; /* the first server of https */
    }
    compiler->changes = NULL;
    compiler->change_count = 0;
    compiler_strip(compiler);
    if (rc < 0) {
        compiled_free(&made);
    } else {
        *out = made;
    }
    return rc;
}

void compiled_free(struct compiled *compiled)
{
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        builder_free(compiled->pages[i]);
    }
    compiler_free(compiled->compiler);
    *compiled = (struct compiled){.count = 0};
}

static void ignore_change(void *context)
{
    (void)context;
}

int compile_model_resolved(const struct static_config *config, struct model *model, unsigned timeout_ms,
                           struct compiled *out, struct error *why)
{
    struct names *names;
    uv_loop_t loop;
    int rc = uv_loop_init(&loop);

    if (rc < 0) {
        return error_set(why, rc, "cannot make a loop: %s", uv_strerror(rc));
    }
    if ((rc = names_new(&loop, ignore_change, NULL, &names, why)) == 0) {
        rc = compile_model(config, model, NULL, 0, names, NULL, out, why);
        if (rc == 0 && names_pending(names)) {
            compiled_free(out);
            names_settle(names, timeout_ms);
            rc = compile_model(config, model, NULL, 0, names, NULL, out, why);
        }
        names_close(names);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* handles that were closed */
    (void)uv_loop_close(&loop);
    return rc;
}
