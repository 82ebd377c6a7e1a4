/*
 * compile.c - the order of a compile: plan, number, write the pages.
 *
 * Not here: what gets in (plan.c), services (compile_services.c), the static page (compile_static.c).
 */
#include "master/compile/compile.h"

#include <errno.h>

#include "master/compile/compiler.h"
#include "master/compile/names.h"
#include "shm/middlewares.h"
#include "shm/routes.h"

#define POOL_FIRST (64u * 1024)

static int compile_middlewares(struct compiler *compiler, struct page_builder *builder, struct error *why)
{
    const struct model *model = compiler->model;
    struct middleware_input *rows =
        pool_zalloc(compiler->pool, (compiler->middleware_count + 1) * sizeof(*rows));

    for (size_t i = 0; i < model->middleware_count; i++) {
        const struct http_middleware *middleware = model->middlewares[i];
        struct middleware_input *row;

        if (compiler->middleware_numbers[i] == NUMBER_NONE) {
            continue;
        }
        row = &rows[compiler->middleware_numbers[i]];
        row->name = middleware->element.name;
        if (!middleware_config_kind(&middleware->config, &row->kind, &row->params, why)) {
            error_prefix(why, "middleware %.*s", SLICE_ARG(row->name));
            return -EINVAL;
        }
    }
    middlewares_build(builder, rows, compiler->middleware_count);
    return 0;
}

static const uint32_t *chain_numbers(struct compiler *compiler, const struct plan *plan)
{
    uint32_t *numbers = pool_alloc(compiler->pool, (plan->chain_count + 1) * sizeof(*numbers));

    for (uint32_t i = 0; i < plan->chain_count; i++) {
        numbers[i] = compiler->middleware_numbers[plan->chain[i]];
    }
    return numbers;
}

static void compile_routes(struct compiler *compiler, struct page_builder *builder)
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
            .tls = router->config.tls != NULL,
            .middlewares = plan->chain_count ? chain_numbers(compiler, plan) : NULL,
            .middleware_count = plan->chain_count,
            .service = compiler->service_numbers[plan->service],
            .flags = plan->denied << ROUTE_DENY_ENCODED_SHIFT |
                     (slice_eq(router->element.provider, SLICE("internal")) ? ROUTE_INTERNAL : 0),
        };
    }
    routes_build(builder, rows, compiler->plan_count);
}

int compile_model(const struct static_config *config, struct model *model, struct board *board,
                  uint64_t generation, struct names *names, struct compiled *out, struct error *why)
{
    struct compiler compiler = {.config = config,
                                .model = model,
                                .board = board,
                                .names = names,
                                .generation = generation,
                                .pool = pool_new(POOL_FIRST, 0)};
    struct compiled made = {.count = 0};
    int rc;

    if (names) {
        names_begin(names);
    }
    plan_all(&compiler);
    made.pages[PAGE_MIDDLEWARES] = builder_new(PAGE_MIDDLEWARES);
    if ((rc = compile_middlewares(&compiler, made.pages[PAGE_MIDDLEWARES], why)) < 0) {
        goto fail;
    }
    compile_services(&compiler, &made);
    made.pages[PAGE_ROUTES] = builder_new(PAGE_ROUTES);
    compile_routes(&compiler, made.pages[PAGE_ROUTES]);
    pool_free(compiler.pool);
    *out = made;
    return 0;

fail:
    compiled_free(&made);
    pool_free(compiler.pool);
    return rc;
}

void compiled_free(struct compiled *compiled)
{
    for (size_t i = 0; i < PAGE_PLACES; i++) {
        builder_free(compiled->pages[i]);
    }
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
        rc = compile_model(config, model, NULL, 0, names, out, why);
        if (rc == 0 && names_pending(names)) {
            compiled_free(out);
            names_settle(names, timeout_ms);
            rc = compile_model(config, model, NULL, 0, names, out, why);
        }
        names_close(names);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT); /* handles that were closed */
    (void)uv_loop_close(&loop);
    return rc;
}
