/*
 * compile_parents.c - rows of services that are made of others: weighted, by highest random weight, failover, mirroring.
 */
#include "common/model/prepared.h"
#include "master/compile/compiler.h"

/* False when it is not to be used: plan_uses.c said so. */
static bool child_fill(struct compiler *compiler, uint32_t position, struct slice name,
                       struct service_child *out)
{
    const struct http_service *service = compiler->model->services[position];
    uint32_t child = name_find(compiler, &compiler->services, name, service->element.provider);

    if (child == NUMBER_NONE || compiler->service_numbers[child] == NUMBER_NONE ||
        compiler->service_orders[child] >= compiler->service_orders[position]) {
        return false;
    }
    *out = (struct service_child){
        .name = name,
        .service = compiler->service_numbers[child],
        .weight = 1,
        .watched = service_tells_health(&compiler->model->services[child]->config),
    };
    return true;
}

void compile_weighted(struct compiler *compiler, uint32_t position, struct service *row)
{
    struct http_service *service = compiler->model->services[position];
    const struct weighted *parent = service_children(service);
    const struct list *list = &parent->services;
    const struct weighted_service *configs = list->items;
    struct service_child *children = pool_alloc(compiler->pool, (list->count + 1) * sizeof(*children));
    uint32_t *weights = pool_alloc(compiler->pool, (list->count + 1) * sizeof(*weights));
    struct slice *names = pool_zalloc(compiler->pool, (list->count + 1) * sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; i < list->count && count < POSITIONS_MOST; i++) {
        if (!child_fill(compiler, position, configs[i].name, &children[count])) {
            continue;
        }
        children[count].weight = weights[count] = compile_weight(configs[i].weight);
        children[count].watched = children[count].watched && parent->health_check;
        names[count] = weights[count] > 0 ? configs[i].name : SLICE("");
        count++;
    }
    row->children = (struct list){children, count};
    if (parent != service->config.weighted) {
        row->strategy = STRATEGY_HRW;
        return;
    }
    compile_sequence(compiler, service->element.name, weights, count, row);
    compile_sticky(compiler, parent->sticky, names, count, row);
}

/* Both are there, or it would not be served. */
void compile_failover(struct compiler *compiler, uint32_t position, struct service *row)
{
    const struct failover *failover = compiler->model->services[position]->config.failover;
    struct service_child *children = pool_zalloc(compiler->pool, 2 * sizeof(*children));
    struct slice bad;

    (void)child_fill(compiler, position, failover->service, &children[0]);
    (void)child_fill(compiler, position, failover->fallback, &children[1]);
    children[1].watched = children[1].watched && failover->health_check;
    row->children = (struct list){children, 2};
    row->body_most = -1;
    if (failover->errors) {
        const struct opt_int *most = &failover->errors->max_request_body_bytes;

        row->body_most = most->set && most->value >= 0 ? most->value : -1;
        (void)status_ranges_make(compiler->pool, &failover->errors->status, &row->statuses, &bad);
    }
}

/* Every request draws a ticket, which says what part of the requests each mirror has had. */
void compile_mirroring(struct compiler *compiler, uint32_t position, struct service *row)
{
    const struct http_service *service = compiler->model->services[position];
    const struct mirroring *mirroring = service->config.mirroring;
    const struct mirror_service *mirrors = mirroring->mirrors.items;
    struct service_child *children =
        pool_zalloc(compiler->pool, (mirroring->mirrors.count + 1) * sizeof(*children));
    size_t count = 1;

    (void)child_fill(compiler, position, mirroring->service, &children[0]);
    for (size_t i = 0; i < mirroring->mirrors.count; i++) {
        if (child_fill(compiler, position, mirrors[i].name, &children[count])) {
            children[count++].weight = (uint32_t)mirrors[i].percent;
        }
    }
    row->children = (struct list){children, count};
    row->mirror_body = mirroring->mirror_body.set ? mirroring->mirror_body.value : true;
    row->body_most = mirroring->max_body_size.set && mirroring->max_body_size.value >= 0
                         ? mirroring->max_body_size.value
                         : -1;
    row->ticket = compile_word(compiler, compile_ticket_identity(service));
}
