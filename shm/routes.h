/*
 * routes.h - a routes page: every HTTP router, and the index that finds the one a request belongs to. Another page of the
 * same form has the TCP routers: there a request is a connection, its host the name that TLS asks for (tcp_page.h).
 *
 * Routers are stored in order of precedence (priority, then Traefik's tie-break): a smaller number wins.
 * The index maps a request to the few lists of candidates that can match: host (exact, one-label wildcard,
 * any) x path (exact, each prefix), and inside long lists by an equal header, query value or method, or by
 * a literal that a regex needs. Each candidate carries what is left to check. The first that matches, over
 * all lists, is the smallest number: the answer is that of "highest priority first, first match wins" (I6),
 * at a cost that does not grow with the routers.
 *
 * Routing in layers: a router with children goes to no service; behind its middlewares the request, as they left it, is
 * matched once more, among its children alone. They are found by the number of their layer instead of an entry point;
 * a child's middlewares begin with those of its parent, so that one list is the way of the whole request.
 *
 * Builder and reader live together: `weir explain` and `weir check` run the code that workers run.
 */
#ifndef WEIR_SHM_ROUTES_H
#define WEIR_SHM_ROUTES_H

#include "common/rule/rule.h"
#include "shm/page.h"

#define ROUTE_NONE UINT32_MAX

/* ---- building ---- */
struct route_input {
    struct slice name;       /* "whoami@file" */
    const struct rule *rule; /* NULL: matches everything */
    struct slice rule_text;
    bool v2;                      /* rule_text is in the v2 syntax (routes_try reads it again) */
    int64_t priority;             /* effective: greater wins */
    int32_t precedence;           /* of its provider, at equal priority: greater wins; then the name */
    const uint32_t *entry_points; /* numbers of the static page, ascending */
    size_t entry_point_count;
    bool tls; /* serves TLS connections only; otherwise plain ones only */
    uint64_t
        tls_options; /* with TLS: tls_options_id() of those that a connection must have got; of a TCP router the
                             number of those that it is to get, or TLS_OPTIONS_BROKEN */
    const uint32_t *middlewares; /* numbers in the middlewares page, in order of the request */
    size_t middleware_count;
    uint32_t
        service; /* number in the services page; ROUTE_NONE with children only (broken routers are left out) */
    uint32_t flags; /* enum route_flags */
    uint32_t layer; /* 0: found by entry point; else that of its siblings (entry points, TLS: nothing then) */
    uint32_t children; /* 0: none; else their layer: a greater number than its own */
};
enum route_flags {
    ROUTE_INTERNAL = 1 << 0,
    ROUTE_V2 = 1 << 1,          /* set by the builder */
    ROUTE_ALWAYS = 1 << 2,      /* has no rule; set by the builder */
    ROUTE_TCP = 1 << 3,         /* of connections: its rule is one of a TCP router */
    ROUTE_PASSTHROUGH = 1 << 4, /* the same: TLS is the server's */
    ROUTE_CATCH_ALL = 1 << 5,   /* the same: its rule is HostSNI(`*`) and nothing else */
    ROUTE_DENY_ENCODED_SHIFT =
        8, /* 7 bits: encoded characters that this route refuses (struct encoded_characters order) */
};

/* Fills the builder (kind PAGE_ROUTES) from routers in any order. Where Traefik leaves the order of equal
 * priorities and precedences to chance, the name decides. Nothing of the input is kept. */
void routes_build(struct page_builder *builder, const struct route_input *routers, size_t count);

/* ---- reading ---- */
struct route { /* as stored: read text with page_text() */
    struct slice name;
    struct slice rule;
    int64_t priority;
    struct list middlewares; /* uint32_t */
    uint32_t service, flags;
    uint32_t layer, children;
    uint32_t entry_point_set;
    bool tls;
    uint64_t tls_options;
};

/* Checks every table and offset of the page; call once after page_adopt(). */
int routes_check(const struct page *page, struct error *why);
uint32_t routes_count(const struct page *page);
const struct route *routes_at(const struct page *page, uint32_t number);

/* The router for a request that came in on an entry point, or ROUTE_NONE: also when a router before it cannot tell, because a
 * regexp of its rule ran into its limit. No allocation except request->scratch. */
uint32_t routes_match(const struct page *page, uint32_t entry_point, bool tls,
                      const struct rule_request *request);

/* The same among the routers of a layer (1 or more: `children` of the router that matched before). */
uint32_t routes_match_layer(const struct page *page, uint32_t layer, const struct rule_request *request);

/* For explain: does router `number` match (all of its rule; entry point and TLS unless it is in a layer)? Reads the
 * rule's text anew: for tools. */
bool routes_try(const struct page *page, uint32_t number, uint32_t entry_point, bool tls,
                const struct rule_request *request);

#endif
