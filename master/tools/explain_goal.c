/*
 * explain_goal.c - where the request goes, as it stands on the pages: router, middlewares, service, servers. See explain.h.
 */
#include <stdio.h>

#include "common/base/text.h"
#include "master/tools/explain.h"
#include "shm/middlewares.h"
#include "shm/services.h"

#define DEPTH_MAX 16

static void print_origin(const struct element *element)
{
    if (element->origin.object.len || element->origin.file.len) {
        printf("               from %.*s%s%.*s", SLICE_ARG(element->origin.object),
               element->origin.object.len && element->origin.file.len ? ", " : "",
               SLICE_ARG(element->origin.file));
        if (element->origin.line) {
            printf(":%u", element->origin.line);
        }
        putchar('\n');
    }
}
static void print_cookie(const struct page *page, const struct service *service)
{
    if (service->cookie.len) {
        printf(", clients stick by the cookie %.*s", SLICE_ARG(page_text(page, service->cookie)));
    }
    putchar('\n');
}

static void print_internal(const struct service *service)
{
    static const char *const internals[] = {"internal", "ping", "ready", "none (a middleware answers)"};

    printf(": %s\n", service->internal < ARRAY_LEN(internals) ? internals[service->internal] : "internal");
}

static void print_server(const struct page *page, const struct server *server, int depth)
{
    const struct server_address *addresses = page_at(page, server->addresses.items);
    struct slice url = page_text(page, server->url);

    printf("               %*s%.*s", 2 * depth + 2, "", SLICE_ARG(url));
    for (size_t i = 0; i < server->addresses.count; i++) {
        char text[ADDRESS_TEXT_SIZE];

        address_format(&addresses[i].address, text);
        if (slice_find_slice(url, slice_cstr(text)) < 0) {
            printf("%s%s", i ? ", " : " -> ", text);
        }
    }
    if (server->weight != 1) {
        printf(server->weight ? " (weight %u)" : " (weight %u: only for clients that stick to it)",
               server->weight);
    }
    puts(server->addresses.count ? "" : " (the name does not resolve)");
}

static void print_load_balancer(const struct page *page, const struct service *service, int depth)
{
    const struct server *servers = page_at(page, service->servers.items);
    const struct strategy *strategy = &strategy_list[service->strategy];

    fputs(service->servers.count ? ": load balancer"
                                 : ": load balancer without servers: 503 (reason no_server)",
          stdout);
    if (service->strategy != STRATEGY_WRR) {
        printf(", %.*s: %s", SLICE_ARG(strategy->name), strategy->words);
    }
    print_cookie(page, service);
    for (size_t i = 0; i < service->servers.count; i++) {
        print_server(page, &servers[i], depth);
    }
}

/* How one with children chooses among them. */
static void print_choice(const struct page *page, const struct service *service)
{
    if (service->kind == SERVICE_MIRRORING) {
        puts(": mirroring");
    } else if (service->kind == SERVICE_FAILOVER) {
        puts(service->statuses.len ? ": failover, also by status: the first, else the second"
                                   : ": failover: the first while it is up, else the second");
    } else {
        fputs(service->strategy == STRATEGY_HRW ? ": by the client's address (highest random weight)"
                                                : ": weighted",
              stdout);
        print_cookie(page, service);
    }
}

/* What this child of the service is there for. */
static void share_of(const struct service *service, size_t i, const struct service_child *child, char *out,
                     size_t size)
{
    if (service->kind == SERVICE_MIRRORING) {
        snprintf(out, size, i ? " (copies of %u %%)" : " (answers)", child->weight);
    } else if (service->kind == SERVICE_FAILOVER) {
        snprintf(out, size, i ? " (the second)" : " (the first)");
    } else {
        snprintf(out, size, " (weight %u)", child->weight);
    }
}

/* `share`: what share_of() says, empty at the top. */
static void print_service(const struct answer *answer, uint32_t number, int depth, const char *share)
{
    const struct page *page;
    const struct service *service = services_at(&answer->tool.generation->services, number, &page);

    if (service == NULL || depth > DEPTH_MAX) {
        return;
    }
    struct slice name = page_text(page, service->name);

    printf("%s%*s%.*s%s", depth ? "               " : "service        ", 2 * depth, "", SLICE_ARG(name),
           share);
    if (service->kind == SERVICE_INTERNAL) {
        print_internal(service);
        return;
    }
    if (service->kind == SERVICE_LOAD_BALANCER) {
        print_load_balancer(page, service, depth);
        return;
    }
    const struct service_child *children = page_at(page, service->children.items);

    print_choice(page, service);
    for (size_t i = 0; i < service->children.count; i++) {
        char text[40];

        share_of(service, i, &children[i], text, sizeof(text));
        print_service(answer, children[i].service, depth + 1, text);
    }
}

void explain_middlewares(const struct answer *answer, const struct route *route)
{
    const struct page *page = explain_page(answer, PAGE_MIDDLEWARES);
    const uint32_t *chain = page_at(explain_page(answer, PAGE_ROUTES), route->middlewares.items);

    if (route->middlewares.count == 0) {
        puts("middlewares    none");
    }
    for (size_t i = 0; i < route->middlewares.count; i++) {
        const struct middleware_row *row = middlewares_at(page, chain[i]);
        struct slice name = page_text(page, row->name);
        const struct http_middleware *found = model_find_middleware(answer->tool.model, name);
        enum middleware_kind kind;
        const void *params;
        struct text options;

        text_init(&options);
        if (found && middleware_config_kind(&found->config, &kind, &params, NULL) &&
            middleware_kind_schema(kind)) {
            schema_encode(middleware_kind_schema(kind), params, &options);
        }
        printf("%s%zu. %.*s: %s %.*s\n", i ? "               " : "middlewares    ", i + 1, SLICE_ARG(name),
               middleware_kind_name(row->kind), SLICE_ARG(text_slice(&options)));
        text_free(&options);
    }
}

void explain_router(const struct answer *answer, const struct route *route)
{
    const struct page *page = explain_page(answer, PAGE_ROUTES);
    struct slice name = page_text(page, route->name), rule = page_text(page, route->rule);
    const struct http_router *router = model_find_router(answer->tool.model, name);

    printf("%s%.*s\n               rule %.*s\n               priority %lld\n",
           route->layer ? "child router   " : "router         ", SLICE_ARG(name), SLICE_ARG(rule),
           (long long)route->priority);
    if (router) {
        print_origin(&router->element);
    }
}

void explain_goal(const struct answer *answer, const struct route *route)
{
    explain_middlewares(answer, route);
    print_service(answer, route->service, 0, "");
}
