/*
 * plan_inner.h - between plan.c and plan_uses.c only.
 */
#ifndef WEIR_MASTER_COMPILE_PLAN_INNER_H
#define WEIR_MASTER_COMPILE_PLAN_INNER_H

#include "master/compile/compiler.h"

#define PLAN_DEPTH_MAX 64 /* of weighted services in each other, of chains in chains, of layers of routers */

struct plan_steps {
    uint32_t *items, *owners; /* in the pool */
    size_t count, capacity, owner_capacity;
    uint32_t owner; /* the router whose middlewares are added */
};

void plan_add_step(struct compiler *compiler, struct plan_steps *chain, uint32_t middleware, uint32_t owner);
/* Marks a service and all below it as used; false when it cannot be served. as_child: it is part of another one, or asked by a
 * middleware, so that its middlewares are its own. depth: 0 from outside. */
bool plan_use_service(struct compiler *compiler, uint32_t position, bool as_child, unsigned depth);
/* Adds the middlewares of a router, then those of its service; service: NULL with children. False, with an error on the router,
 * when one of them cannot be had. */
bool plan_use_middlewares(struct compiler *compiler, struct http_router *router,
                          const struct http_service *service, struct plan_steps *chain);

#endif
