/*
 * tls_conflicts.c - HTTP routers whose TLS options cannot be had: one host with several options, options without a host.
 *
 * Which options a handshake gets depends on the name that the client asks for, so within an entry point a host has one set of
 * options. As in Traefik, routers that disagree about a host get the default ones there, all of them, and so does one that
 * names options and no host; such a router is called ENTRYPOINT-conflicted-NAME@PROVIDER on that entry point.
 *
 * Runs before routers are sorted and judged; rules are parsed for their hosts only when somebody names options at all.
 */
#include <stdlib.h>

#include "common/rule/rule.h"
#include "master/resolve/resolver.h"

#define DEFAULT SLICE("default")

struct claim { /* a router wants these options for a host on an entry point */
    struct slice point, host, options;
    size_t router, place; /* place: of the entry point in the router's list */
};

struct conflicts {
    struct resolver *resolver;
    struct pool *pool; /* dies with the search */
    struct claim *claims;
    size_t count, capacity;
    bool **marks; /* by router, then by place; NULL: none */
};

bool tls_rule_has_host(const struct rule *rule)
{
    if (rule->op == RULE_PREDICATE) {
        return rule->predicate == RULE_HOST || rule->predicate == RULE_HOST_SUFFIX ||
               rule->predicate == RULE_ANY;
    }
    return tls_rule_has_host(rule->left) || (rule->right && tls_rule_has_host(rule->right));
}

static void mark(struct conflicts *conflicts, size_t router, size_t place)
{
    const struct http_router *at = conflicts->resolver->model->routers[router];

    if (conflicts->marks[router] == NULL) {
        conflicts->marks[router] = pool_zalloc(conflicts->pool, at->config.entry_points.count);
    }
    conflicts->marks[router][place] = true;
}

static void claim_host(struct conflicts *conflicts, size_t router, const struct rule *predicate)
{
    const struct http_router *at = conflicts->resolver->model->routers[router];
    const struct slice *points = at->config.entry_points.items;
    struct slice host = pool_copy(conflicts->pool, predicate->value);

    if (predicate->predicate != RULE_HOST) {
        host = pool_printf(conflicts->pool, "*%.*s", SLICE_ARG(predicate->value));
    }
    for (size_t i = 0; i < at->config.entry_points.count; i++) {
        conflicts->claims = pool_grow(conflicts->pool, conflicts->claims, conflicts->count,
                                      &conflicts->capacity, sizeof(*conflicts->claims));
        conflicts->claims[conflicts->count++] = (struct claim){
            .point = points[i], .host = host, .options = at->tls_options, .router = router, .place = i};
    }
}

static void claim_hosts(struct conflicts *conflicts, size_t router, const struct rule *rule)
{
    if (rule->op == RULE_PREDICATE) {
        if (tls_rule_has_host(rule)) {
            claim_host(conflicts, router, rule);
        }
        return;
    }
    claim_hosts(conflicts, router, rule->left);
    if (rule->right) {
        claim_hosts(conflicts, router, rule->right);
    }
}

static void read_router(struct conflicts *conflicts, size_t number)
{
    struct resolver *resolver = conflicts->resolver;
    const struct http_router *router = resolver->model->routers[number];
    bool v2 = slice_eq(router->config.rule_syntax, SLICE("v2"));
    struct rule *rule = NULL;
    struct error why;

    if (rule_parse(resolver->scratch, router->config.rule, v2 ? RULE_V2 : RULE_V3, &rule, &why) == 0) {
        if (tls_rule_has_host(rule)) {
            claim_hosts(conflicts, number, rule);
        } else if (!slice_eq(router->tls_options, DEFAULT)) {
            for (size_t i = 0; i < router->config.entry_points.count; i++) {
                mark(conflicts, number, i);
            }
        }
        rule_free(rule);
    } /* else: it is told when routers are judged */
    pool_reset(resolver->scratch);
}

static int by_host(const void *a, const void *b)
{
    const struct claim *left = a, *right = b;
    int order = slice_cmp(left->point, right->point);

    if (order == 0) {
        order = slice_cmp(left->host, right->host);
    }
    return order ? order : slice_cmp(left->options, right->options);
}

/* Claims of one host lie side by side, sorted by options: they agree when the first and the last do. */
static void mark_disagreeing(struct conflicts *conflicts)
{
    const struct claim *claims = conflicts->claims;
    size_t end;

    if (conflicts->count == 0) {
        return;
    }
    qsort(conflicts->claims, conflicts->count, sizeof(*claims), by_host);
    for (size_t start = 0; start < conflicts->count; start = end) {
        for (end = start + 1; end < conflicts->count && slice_eq(claims[end].point, claims[start].point) &&
                              slice_eq(claims[end].host, claims[start].host);
             end++) {
        }
        for (size_t i = start; i < end && !slice_eq(claims[start].options, claims[end - 1].options); i++) {
            mark(conflicts, claims[i].router, claims[i].place);
        }
    }
}

/* A copy for each entry point with a conflict; the router itself keeps the others. False: it has none left. */
static bool split(struct conflicts *conflicts, size_t number)
{
    struct model *model = conflicts->resolver->model;
    struct http_router *router = model->routers[number];
    const struct slice *points = router->config.entry_points.items;
    size_t count = router->config.entry_points.count, capacity = 0;
    struct list kept = {NULL, 0};

    for (size_t i = 0; i < count; i++) {
        if (!conflicts->marks[number][i]) {
            list_add_slice(model->pool, &kept, &capacity, points[i]);
            continue;
        }
        struct slice name = pool_printf(model->pool, "%.*s-conflicted-%.*s", SLICE_ARG(points[i]),
                                        SLICE_ARG(router->element.name));
        struct http_router *copy = model_adopt_router(model, name, router->element.provider);
        struct slice *only = pool_alloc(model->pool, sizeof(*only));

        *only = points[i];
        *copy = *router;
        copy->element.name = name;
        copy->config.entry_points = (struct list){only, 1};
        copy->tls_options = DEFAULT;
    }
    router->config.entry_points = kept;
    return kept.count > 0;
}

static bool names_options(struct resolver *resolver)
{
    struct model *model = resolver->model;
    bool any = false;

    for (size_t i = 0; i < model->router_count; i++) {
        struct http_router *router = model->routers[i];
        const struct router_tls *tls = router->config.tls;

        if (tls == NULL) {
            continue;
        }
        router->tls_options = tls_options_name(model->pool, tls->options, router->element.provider);
        any = any || !slice_eq(router->tls_options, DEFAULT);
    }
    return any;
}

void tls_conflicts_resolve(struct resolver *resolver)
{
    struct model *model = resolver->model;
    struct conflicts conflicts = {.resolver = resolver};
    size_t count = model->router_count, left = 0;

    model->names_options = names_options(resolver);
    if (!model->names_options) {
        return;
    }
    conflicts.pool = pool_new(16384, 0);
    conflicts.marks = pool_zalloc(conflicts.pool, count * sizeof(*conflicts.marks));
    for (size_t i = 0; i < count; i++) {
        /* one that its provider could not read serves no host, and takes none away from others */
        if (model->routers[i]->config.tls && model->routers[i]->element.status != ELEMENT_DISABLED) {
            read_router(&conflicts, i);
        }
    }
    mark_disagreeing(&conflicts);
    for (size_t i = 0; i < count; i++) {
        if (conflicts.marks[i] && !split(&conflicts, i)) {
            model->routers[i] = NULL;
        }
    }
    for (size_t i = 0; i < model->router_count; i++) {
        if (model->routers[i]) {
            model->routers[left++] = model->routers[i];
        }
    }
    model->router_count = left;
    pool_free(conflicts.pool);
}
