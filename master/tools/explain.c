/*
 * explain.c - `weir explain [flags] METHOD URL [-H 'Name: value']... [--from IP] [--entry-point NAME]`.
 *
 * Says what would happen to a request: the entry point, the router that wins, why each router that is asked before it
 * does not match, its middlewares in order, the service and its servers. The answer comes from the compiled pages through
 * routes_match() and routes_try(), the very code that workers route with; the words come from explain_why.c.
 *
 * Not here: sending anything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/face.h"
#include "common/http/path.h"
#include "master/tools/common.h"
#include "master/tools/explain_why.h"
#include "shm/middlewares.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/static_page.h"
#include "shm/tcp_routes.h"

#define HEADERS_MAX 64
#define NEAR_MISSES 10
#define NAMES_MS 2000
#define DEPTH_MAX 16

struct question {
    struct slice method, scheme, authority, target, entry_point;
    struct slice names[HEADERS_MAX], values[HEADERS_MAX];
    size_t header_count;
    struct slice host; /* of -H Host, else the URL's authority */
    struct address client;
    bool tls;
    int argc; /* what is left: flags of the configuration */
    char **argv;
};

struct answer {
    struct tool tool;
    struct pool *pool;
    struct question question;
    struct rule_request request;
    struct request_path path;
    uint32_t entry_point;
    uint32_t layer; /* whose routers are looked at; 0: those of the entry point */
};

static int usage(const char *problem)
{
    fprintf(stderr,
            "error: %s\nusage: weir explain [DIR] [flags] METHOD URL [-H 'Name: value']... [--from IP] "
            "[--entry-point NAME]\n",
            problem);
    return 1;
}

/* ---- the arguments ---- */

static bool is_method(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!((text.ptr[i] >= 'A' && text.ptr[i] <= 'Z') || text.ptr[i] == '-')) {
            return false;
        }
    }
    return text.len > 0 && text.ptr[0] != '-';
}

static bool take_url(struct question *question, struct slice url)
{
    ptrdiff_t after = slice_find_slice(url, SLICE("://"));
    struct slice rest;
    size_t end = 0;

    if (after <= 0) {
        return false;
    }
    question->scheme = slice_of(url.ptr, (size_t)after);
    question->tls = slice_eq_nocase(question->scheme, SLICE("https"));
    if (!question->tls && !slice_eq_nocase(question->scheme, SLICE("http"))) {
        return false;
    }
    rest = slice_of(url.ptr + after + 3, url.len - (size_t)after - 3);
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#') {
        end++;
    }
    question->authority = slice_of(rest.ptr, end);
    question->target = slice_of(rest.ptr + end, rest.len - end);
    ptrdiff_t fragment = slice_find(question->target, '#');

    if (fragment >= 0) { /* browsers and curl keep it to themselves */
        question->target.len = (size_t)fragment;
    }
    return question->authority.len > 0;
}

static bool take_header(struct question *question, struct slice text)
{
    ptrdiff_t colon = slice_find(text, ':');
    struct slice name, value;

    if (colon <= 0 || question->header_count == HEADERS_MAX) {
        return false;
    }
    name = slice_of(text.ptr, (size_t)colon);
    value = slice_trim(slice_of(text.ptr + colon + 1, text.len - (size_t)colon - 1));
    if (slice_eq_nocase(name, SLICE("Host"))) {
        question->host = value;
        return true;
    }
    question->names[question->header_count] = name;
    question->values[question->header_count++] = value;
    return true;
}

/* METHOD and URL are found as a pair, wherever they stand: flags may have values of their own behind them. */
static int take_arguments(struct answer *answer, int argc, char **argv)
{
    struct question *question = &answer->question;
    bool found = false;

    question->argv = pool_alloc(answer->pool, (size_t)(argc + 1) * sizeof(*question->argv));
    address_parse(SLICE("127.0.0.1"), &question->client);
    for (int i = 0; i < argc; i++) {
        struct slice arg = slice_cstr(argv[i]), next = slice_cstr(i + 1 < argc ? argv[i + 1] : "");
        bool more = i + 1 < argc;

        if (!found && more && is_method(arg) && take_url(question, next)) {
            question->method = arg;
            found = true;
            i++;
        } else if (slice_eq(arg, SLICE("-H"))) {
            if (!more || !take_header(question, next)) {
                return usage("-H needs 'Name: value'");
            }
            i++;
        } else if (slice_eq(arg, SLICE("--from"))) {
            if (!more || !address_parse(next, &question->client)) {
                return usage("--from needs an IP address");
            }
            i++;
        } else if (slice_eq(arg, SLICE("--entry-point"))) {
            if (!more) {
                return usage("--entry-point needs a name");
            }
            question->entry_point = next;
            i++;
        } else {
            question->argv[question->argc++] = argv[i];
        }
    }
    question->argv[question->argc] = NULL;
    if (!found) {
        return usage("METHOD and URL are missing: GET http://example.com/path");
    }
    if (question->host.len == 0) {
        question->host = question->authority;
    }
    return 0;
}

/* ---- the request ---- */

static bool visit_headers(const struct rule_request *request, struct slice name,
                          bool (*visit)(void *, struct slice), void *context)
{
    const struct question *question = request->context;

    for (size_t i = 0; i < question->header_count; i++) {
        if (slice_eq_nocase(question->names[i], name) && visit(context, question->values[i])) {
            return true;
        }
    }
    return false;
}

static const struct page *page_of(const struct answer *answer, enum page_kind kind)
{
    return answer->tool.generation->pages[kind];
}

static struct slice entry_point_name(const struct answer *answer, uint32_t number)
{
    const struct page *page = page_of(answer, PAGE_STATIC);

    return page_text(page, entry_points_at(page, number)->name);
}

static uint32_t only_entry_point(const struct answer *answer)
{
    const struct page *page = page_of(answer, PAGE_STATIC);
    uint32_t found = ROUTE_NONE;

    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        if (entry_points_at(page, i)->internal) {
            continue;
        }
        if (found != ROUTE_NONE) {
            return ROUTE_NONE;
        }
        found = i;
    }
    return found;
}

/* By --entry-point, by the URL's port, by the scheme's usual name (web, websecure), or the only one there is. */
static uint32_t find_entry_point(const struct answer *answer)
{
    const struct page *page = page_of(answer, PAGE_STATIC);
    const struct question *question = &answer->question;
    struct slice host, port_text = SLICE("");
    uint64_t port = question->tls ? 443 : 80;
    struct slice usual = question->tls ? SLICE("websecure") : SLICE("web");
    bool given = host_split(question->authority, &host, &port_text) && port_text.len > 0;

    if (given && !slice_to_u64(port_text, &port)) {
        return ROUTE_NONE;
    }
    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        if (question->entry_point.len ? slice_eq_nocase(entry_point_name(answer, i), question->entry_point)
                                      : entry_points_at(page, i)->port == port) {
            return i;
        }
    }
    if (question->entry_point.len || given) {
        return ROUTE_NONE;
    }
    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        if (slice_eq(entry_point_name(answer, i), usual)) {
            return i;
        }
    }
    return only_entry_point(answer);
}

static int no_entry_point(const struct answer *answer)
{
    const struct page *page = page_of(answer, PAGE_STATIC);

    fprintf(stderr, "error: no entry point listens where this URL goes; name one with --entry-point:");
    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        struct slice name = entry_point_name(answer, i);

        fprintf(stderr, "%s %.*s (port %u)", i ? "," : "", SLICE_ARG(name), entry_points_at(page, i)->port);
    }
    fputc('\n', stderr);
    return 1;
}

/* 0, or the exit status: the request gets an answer before any router is asked. */
static bool prepare(struct answer *answer)
{
    const struct entry_point_row *row = entry_points_at(page_of(answer, PAGE_STATIC), answer->entry_point);
    struct question *question = &answer->question;
    struct slice target = question->target;
    struct slice host;

    if (target.len == 0 || target.ptr[0] != '/') {
        target = pool_printf(answer->pool, "/%.*s", SLICE_ARG(target));
    }
    if (path_prepare(answer->pool, question->method, target, row->config.http.sanitize_path, 0,
                     &answer->path) != PATH_OK) {
        puts("answer         400, no router is asked: the path cannot be read (reason bad_request)");
        return false;
    }
    if (!host_canonical(answer->pool, question->host, &host)) {
        puts("answer         400, no router is asked: the host is none (reason bad_request)");
        return false;
    }
    answer->request = (struct rule_request){
        .method = question->method,
        .host = host,
        .path = answer->path.path,
        .query = answer->path.query,
        .client = question->client,
        .header = visit_headers,
        .context = question,
        .scratch = pool_new(4096, 0),
    };
    return true;
}

/* ---- the answer ---- */

static void print_origin(const struct element *element)
{
    if (element->origin.object.len || element->origin.file.len) {
        printf("               from %.*s%s%.*s", SLICE_ARG(element->origin.object),
               element->origin.object.len ? ", " : "", SLICE_ARG(element->origin.file));
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

static void print_service(const struct answer *answer, uint32_t number, int depth, uint32_t weight)
{
    const struct page *page;
    const struct service *service = services_at(&answer->tool.generation->services, number, &page);
    static const char *const internals[] = {"internal", "ping", "ready", "none (a middleware answers)"};

    static const char *const strategies[] = {"", ", hrw: by the client's address",
                                             ", p2c: the less busy of two at random",
                                             ", leasttime: the quickest, by requests under way and weight",
                                             ", leastconn: the fewest requests under way, by weight"};

    if (service == NULL || depth > DEPTH_MAX) {
        return;
    }
    struct slice name = page_text(page, service->name);

    printf("%s%*s%.*s", depth ? "               " : "service        ", 2 * depth, "", SLICE_ARG(name));
    if (depth) {
        printf(" (weight %u)", weight);
    }
    if (service->kind == SERVICE_INTERNAL) {
        printf(": %s\n",
               service->internal < ARRAY_LEN(internals) ? internals[service->internal] : "internal");
        return;
    }
    if (service->kind == SERVICE_MIRRORING) {
        const struct service_child *children = page_at(page, service->children.items);

        puts(": mirroring: the first answers, the others get copies of so many percent");
        for (size_t i = 0; i < service->children.count; i++) {
            print_service(answer, children[i].service, depth + 1, i ? children[i].weight : 100);
        }
        return;
    }
    if (service->kind == SERVICE_FAILOVER) {
        const struct service_child *children = page_at(page, service->children.items);

        puts(service->statuses.len ? ": failover, also by status: the first, else the second"
                                   : ": failover: the first while it is up, else the second");
        print_service(answer, children[0].service, depth + 1, 1);
        print_service(answer, children[1].service, depth + 1, 1);
        return;
    }
    if (service->kind == SERVICE_WEIGHTED) {
        const struct service_child *children = page_at(page, service->children.items);

        fputs(service->strategy == STRATEGY_HRW ? ": by the client's address (highest random weight)"
                                                : ": weighted",
              stdout);
        print_cookie(page, service);
        for (size_t i = 0; i < service->children.count; i++) {
            print_service(answer, children[i].service, depth + 1, children[i].weight);
        }
        return;
    }
    const struct server *servers = page_at(page, service->servers.items);

    fputs(service->servers.count ? ": load balancer"
                                 : ": load balancer without servers: 503 (reason no_server)",
          stdout);
    fputs(strategies[service->strategy], stdout);
    print_cookie(page, service);
    for (size_t i = 0; i < service->servers.count; i++) {
        struct slice url = page_text(page, servers[i].url);
        const struct server_address *addresses = page_at(page, servers[i].addresses.items);

        printf("               %*s%.*s", 2 * depth + 2, "", SLICE_ARG(url));
        for (size_t j = 0; j < servers[i].addresses.count; j++) {
            char text[ADDRESS_TEXT_SIZE];

            address_format(&addresses[j].address, text);
            if (slice_find_slice(url, slice_cstr(text)) < 0) {
                printf("%s%s", j ? ", " : " -> ", text);
            }
        }
        puts(servers[i].addresses.count ? "" : " (the name does not resolve)");
    }
}

static void print_middlewares(const struct answer *answer, const struct route *route)
{
    const struct page *page = page_of(answer, PAGE_MIDDLEWARES);
    const uint32_t *chain = page_at(page_of(answer, PAGE_ROUTES), route->middlewares.items);

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

static void print_router(const struct answer *answer, const struct route *route)
{
    const struct page *page = page_of(answer, PAGE_ROUTES);
    struct slice name = page_text(page, route->name), rule = page_text(page, route->rule);
    const struct http_router *router = model_find_router(answer->tool.model, name);

    printf("%s%.*s\n               rule %.*s\n               priority %lld\n",
           route->layer ? "child router   " : "router         ", SLICE_ARG(name), SLICE_ARG(rule),
           (long long)route->priority);
    if (router) {
        print_origin(&router->element);
    }
}

static void print_goal(const struct answer *answer, const struct route *route)
{
    print_middlewares(answer, route);
    print_service(answer, route->service, 0, 0);
}

struct miss {
    struct slice name, rule;
    int64_t priority;
    struct text why;
    size_t distance;
    uint32_t number;
};

static bool on_entry_point(const struct http_router *router, struct slice entry_point)
{
    const struct slice *names = router->entry_points.items;

    for (size_t i = 0; i < router->entry_points.count; i++) {
        if (slice_eq(names[i], entry_point)) {
            return true;
        }
    }
    return false;
}

/* Why a router of this entry point did not take the request; false when it is of another entry point. */
static bool miss_of(const struct answer *answer, uint32_t number, struct miss *out)
{
    const struct page *page = page_of(answer, PAGE_ROUTES);
    const struct route *route = routes_at(page, number);
    struct slice name = page_text(page, route->name);
    const struct http_router *router = model_find_router(answer->tool.model, name);

    if (router == NULL || route->layer != answer->layer ||
        (answer->layer == 0 && !on_entry_point(router, entry_point_name(answer, answer->entry_point)))) {
        return false;
    }
    *out = (struct miss){
        .name = name, .rule = page_text(page, route->rule), .priority = route->priority, .number = number};
    text_init(&out->why);
    if (answer->layer == 0 && route->tls != answer->question.tls) {
        text_add_cstr(&out->why,
                      route->tls ? "serves TLS connections only" : "serves connections without TLS only");
        out->distance = 1;
    }
    if (router->rule && !rule_matches(router->rule, &answer->request)) {
        text_add_cstr(&out->why, out->why.len ? "; " : "");
        out->distance += explain_why(router->rule, router->config.rule, &answer->request, &out->why);
    }
    return true;
}

static void print_miss(const struct miss *miss)
{
    printf("  %.*s (priority %lld): %.*s\n", SLICE_ARG(miss->name), (long long)miss->priority,
           SLICE_ARG(text_slice(&miss->why)));
}

/* Each router that is asked before the winner. */
static void print_passed_over(const struct answer *answer, uint32_t winner)
{
    bool any = false;

    for (uint32_t i = 0; i < winner; i++) {
        struct miss miss;

        if (!miss_of(answer, i, &miss)) {
            continue;
        }
        if (!any) {
            puts("\nasked before it, without a match:");
            any = true;
        }
        print_miss(&miss);
        text_free(&miss.why);
    }
}

static int nearer(const void *a, const void *b)
{
    const struct miss *left = a, *right = b;

    if (left->distance != right->distance) {
        return left->distance < right->distance ? -1 : 1;
    }
    return (left->number > right->number) - (left->number < right->number);
}

static void print_near_misses(const struct answer *answer)
{
    uint32_t total = routes_count(page_of(answer, PAGE_ROUTES));
    struct miss *misses = calloc(total ? total : 1, sizeof(*misses));
    size_t count = 0;

    printf("%snone: 404 page not found (reason no_route)\n",
           answer->layer ? "child router   " : "router         ");
    for (uint32_t i = 0; misses && i < total; i++) {
        count += miss_of(answer, i, &misses[count]);
    }
    if (count == 0) {
        puts("\nno router serves this entry point");
    } else {
        qsort(misses, count, sizeof(*misses), nearer);
        printf("\nnearest routers of %s, and why they do not match:\n",
               answer->layer ? "this layer" : "this entry point");
    }
    for (size_t i = 0; i < count; i++) {
        if (i < NEAR_MISSES) {
            print_miss(&misses[i]);
        }
        text_free(&misses[i].why);
    }
    if (count > NEAR_MISSES) {
        printf("  and %zu more\n", count - NEAR_MISSES);
    }
    free(misses);
}

/* Routers that are broken and would have been asked: what an operator looks for first. */
static void print_disabled(const struct answer *answer)
{
    const struct model *model = answer->tool.model;
    bool any = false;

    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];
        const struct slice *errors = router->element.errors.items;

        if (router->element.status != ELEMENT_DISABLED ||
            (router->rule && !rule_matches(router->rule, &answer->request))) {
            continue;
        }
        if (!any) {
            puts("\ndisabled, would match or cannot be read:");
            any = true;
        }
        printf("  %.*s:", SLICE_ARG(router->element.name));
        for (size_t j = 0; j < router->element.errors.count; j++) {
            printf("%s %.*s", j ? ";" : "", SLICE_ARG(errors[j]));
        }
        putchar('\n');
    }
}

/* The children of a router, and theirs. Middlewares are not run here: they are asked with the request as it came. */
static void print_layers(struct answer *answer, const struct route *route)
{
    const struct page *page = page_of(answer, PAGE_ROUTES);

    while (route->children) {
        uint32_t winner;

        answer->layer = route->children;
        winner = routes_match_layer(page, answer->layer, &answer->request);
        printf("\nits children are asked behind its middlewares%s:\n",
               route->middlewares.count ? " (here with the request as it came in)" : "");
        if (winner == ROUTE_NONE) {
            print_middlewares(answer, route);
            print_near_misses(answer);
            return;
        }
        route = routes_at(page, winner);
        print_router(answer, route);
        if (route->children == 0) {
            print_goal(answer, route);
        }
        print_passed_over(answer, winner);
    }
}

static void print_way(struct answer *answer, uint32_t winner)
{
    const struct route *route = routes_at(page_of(answer, PAGE_ROUTES), winner);
    bool refused = path_encoded_refused(answer->path.raw, route->flags >> ROUTE_DENY_ENCODED_SHIFT & 0x7f);

    print_router(answer, route);
    if (refused) {
        puts("answer         400: the path holds an encoded character that the entry point refuses "
             "(encodedCharacters)");
    } else if (route->children == 0) {
        print_goal(answer, route);
    }
    print_passed_over(answer, winner);
    if (!refused) {
        print_layers(answer, route);
    }
}

/* What comes before HTTP: true when a TCP router takes the connection. */
static bool print_tcp(struct answer *answer)
{
    static const struct slice offered = SLICE_INIT("\2h2\x08http/1.1"); /* as browsers do */
    const struct page *routes = page_of(answer, PAGE_TCP_ROUTES);
    bool tls = answer->question.tls;
    const struct rule_request connection = {.host = tls ? answer->request.host : SLICE(""),
                                            .alpn = tls ? offered : SLICE(""),
                                            .client = answer->question.client};
    uint32_t number =
        tcp_routes_choose(answer->tool.generation, answer->entry_point, tls, false, &connection);
    const struct route *route = number == ROUTE_NONE ? NULL : routes_at(routes, number);
    const struct page *on;

    if (route == NULL) {
        return false;
    }
    printf("TCP router     %.*s takes the connection: it is not HTTP's\n",
           SLICE_ARG(page_text(routes, route->name)));
    printf("rule           %.*s (priority %lld)\n", SLICE_ARG(page_text(routes, route->rule)),
           (long long)route->priority);
    if (tls) {
        printf("TLS            %s\n",
               route->flags & ROUTE_PASSTHROUGH ? "is the server's (passthrough)" : "ends here");
    }
    const struct service *service = services_at(&answer->tool.generation->services, route->service, &on);

    printf("TCP service    %.*s\n", SLICE_ARG(page_text(on, service->name)));
    return true;
}

static int explain(struct answer *answer)
{
    struct question *question = &answer->question;
    const struct page *routes = page_of(answer, PAGE_ROUTES);
    const struct entry_point *config;
    uint32_t winner;

    answer->entry_point = find_entry_point(answer);
    if (answer->entry_point == ROUTE_NONE) {
        return no_entry_point(answer);
    }
    struct slice name = entry_point_name(answer, answer->entry_point);

    config = (const struct entry_point *)answer->tool.loaded.config.entry_points.values + answer->entry_point;
    printf("request        %.*s %.*s://%.*s%.*s\n", SLICE_ARG(question->method), SLICE_ARG(question->scheme),
           SLICE_ARG(question->host), SLICE_ARG(question->target));
    printf("entry point    %.*s (%.*s)\n", SLICE_ARG(name), SLICE_ARG(config->address));
    if (!prepare(answer)) {
        return 0;
    }
    if (print_tcp(answer)) {
        pool_free(answer->request.scratch);
        return 0;
    }
    if (!slice_eq(answer->path.raw, question->target)) {
        printf("path           %.*s\n", SLICE_ARG(answer->path.path));
    }
    winner = routes_match(routes, answer->entry_point, question->tls, &answer->request);
    if (winner == ROUTE_NONE) {
        print_near_misses(answer);
    } else {
        print_way(answer, winner);
    }
    print_disabled(answer);
    pool_free(answer->request.scratch);
    return 0;
}

int face_explain(int argc, char **argv)
{
    struct answer answer = {.pool = pool_new(4096, 0)};
    struct error why;
    int status = take_arguments(&answer, argc, argv);

    if (status == 0) {
        if (tool_load(&answer.tool, answer.question.argc, answer.question.argv) < 0) {
            status = 1;
        } else if (tool_compile(&answer.tool, NAMES_MS, &why) < 0) {
            fprintf(stderr, "error: %s\n", why.text);
            status = 1;
        } else {
            status = explain(&answer);
            status = answer.tool.failures ? 1 : status;
        }
        tool_free(&answer.tool);
    }
    pool_free(answer.pool);
    return status;
}
