/*
 * explain.c - `weir explain [flags] METHOD URL [-H 'Name: value']... [--from IP] [--entry-point NAME]`.
 *
 * Says what would happen to a request: the entry point, the router that wins, why each router that is asked before it
 * does not match, its middlewares in order, the service and its servers. The answer comes from the compiled pages through
 * routes_match(), the very code that workers route with. Its other files: explain.h.
 *
 * Not here: sending anything.
 */
#include <stdio.h>

#include "common/face.h"
#include "master/tools/explain.h"
#include "shm/services.h"
#include "shm/static_page.h"
#include "shm/tcp_routes.h"

#define NAMES_MS 2000

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

const struct page *explain_page(const struct answer *answer, enum page_kind kind)
{
    return answer->tool.generation->pages[kind];
}

struct slice explain_entry_point(const struct answer *answer, uint32_t number)
{
    const struct page *page = explain_page(answer, PAGE_STATIC);

    return page_text(page, entry_points_at(page, number)->name);
}

static uint32_t only_entry_point(const struct answer *answer)
{
    const struct page *page = explain_page(answer, PAGE_STATIC);
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
    const struct page *page = explain_page(answer, PAGE_STATIC);
    const struct question *question = &answer->question;
    struct slice host, port_text = SLICE("");
    uint64_t port = question->tls ? 443 : 80;
    struct slice usual = question->tls ? SLICE("websecure") : SLICE("web");
    bool given = host_split(question->authority, &host, &port_text) && port_text.len > 0;

    if (given && !slice_to_u64(port_text, &port)) {
        return ROUTE_NONE;
    }
    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        if (question->entry_point.len ? slice_eq_nocase(explain_entry_point(answer, i), question->entry_point)
                                      : entry_points_at(page, i)->port == port) {
            return i;
        }
    }
    if (question->entry_point.len || given) {
        return ROUTE_NONE;
    }
    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        if (slice_eq(explain_entry_point(answer, i), usual)) {
            return i;
        }
    }
    return only_entry_point(answer);
}

static int no_entry_point(const struct answer *answer)
{
    const struct page *page = explain_page(answer, PAGE_STATIC);

    fprintf(stderr, "error: no entry point listens where this URL goes; name one with --entry-point:");
    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        struct slice name = explain_entry_point(answer, i);

        fprintf(stderr, "%s %.*s (port %u)", i ? "," : "", SLICE_ARG(name), entry_points_at(page, i)->port);
    }
    fputc('\n', stderr);
    return 1;
}

/* False: the request gets an answer before any router is asked, and that was said. */
static bool prepare(struct answer *answer)
{
    const struct entry_point_row *row =
        entry_points_at(explain_page(answer, PAGE_STATIC), answer->entry_point);
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

/* The children of a router, and theirs. Middlewares are not run here: they are asked with the request as it came. */
static void print_layers(struct answer *answer, const struct route *route)
{
    const struct page *page = explain_page(answer, PAGE_ROUTES);

    while (route->children) {
        uint32_t winner;

        answer->layer = route->children;
        winner = routes_match_layer(page, answer->layer, &answer->request);
        printf("\nits children are asked behind its middlewares%s:\n",
               route->middlewares.count ? " (here with the request as it came in)" : "");
        if (winner == ROUTE_NONE) {
            explain_middlewares(answer, route);
            explain_near_misses(answer);
            return;
        }
        route = routes_at(page, winner);
        explain_router(answer, route);
        if (route->children == 0) {
            explain_goal(answer, route);
        }
        explain_passed_over(answer, winner);
    }
}

static void print_way(struct answer *answer, uint32_t winner)
{
    const struct route *route = routes_at(explain_page(answer, PAGE_ROUTES), winner);
    bool refused = path_encoded_refused(answer->path.raw, route->flags >> ROUTE_DENY_ENCODED_SHIFT & 0x7f);

    explain_router(answer, route);
    if (refused) {
        puts("answer         400: the path holds an encoded character that the entry point refuses "
             "(encodedCharacters)");
    } else if (route->children == 0) {
        explain_goal(answer, route);
    }
    explain_passed_over(answer, winner);
    if (!refused) {
        print_layers(answer, route);
    }
}

/* What comes before HTTP: true when a TCP router takes the connection. */
static bool print_tcp(struct answer *answer)
{
    static const struct slice offered = SLICE_INIT("\2h2\x08http/1.1"); /* as browsers do */
    const struct page *routes = explain_page(answer, PAGE_TCP_ROUTES);
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
    const struct page *routes = explain_page(answer, PAGE_ROUTES);
    const struct entry_point *config;
    uint32_t winner;

    answer->entry_point = find_entry_point(answer);
    if (answer->entry_point == ROUTE_NONE) {
        return no_entry_point(answer);
    }
    struct slice name = explain_entry_point(answer, answer->entry_point);

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
        explain_near_misses(answer);
    } else {
        print_way(answer, winner);
    }
    explain_disabled(answer);
    pool_free(answer->request.scratch);
    return 0;
}

static int load_and_explain(struct answer *answer)
{
    struct error why;

    if (tool_load(&answer->tool, answer->question.argc, answer->question.argv) < 0) {
        return 1;
    }
    tool_warn_of_choice(&answer->tool);
    if (tool_compile(&answer->tool, NAMES_MS, &why) < 0) {
        fprintf(stderr, "error: %s\n", why.text);
        return 1;
    }
    int status = explain(answer);

    return answer->tool.failures ? 1 : status;
}

int face_explain(int argc, char **argv)
{
    struct answer answer = {.pool = pool_new(4096, 0)};
    int status = explain_question(&answer.question, answer.pool, argc, argv);

    if (status == 0) {
        status = load_and_explain(&answer);
        tool_free(&answer.tool);
    }
    pool_free(answer.pool);
    return status;
}
