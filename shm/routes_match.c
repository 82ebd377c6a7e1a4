/*
 * routes_match.c - finds the router of a request: a few probes, whatever the number of routers.
 *
 * The host is looked up as it is, as a wildcard from its first dot, and as "any". The path is hashed once;
 * at each length at which one of the three hosts has prefixes, that prefix is probed. Every list found is
 * walked until its routers can no longer beat the best one so far. Nothing is allocated but scratch for
 * encoded query values, and for what did not hold once a group of literals is walked: a literal may stand in a
 * subject many times, its router is judged once.
 *
 * Trust: routes_check() has seen the page, nothing is checked again.
 */
#include "common/base/log.h"
#include "common/rule/regex.h"
#include "shm/routes_inner.h"

struct lookup {
    const struct page *page;
    const char *base;
    const struct routes_root *root;
    const struct rule_request *request;
    uint32_t layer; /* 0: by entry point */
    uint32_t entry_point;
    bool tls;
    uint32_t best;       /* router so far */
    uint32_t undecided;  /* the first whose rule could not tell: a regexp ran into its limit */
    bool grouped;        /* candidates may be met more than once */
    struct denied {      /* programs that did not hold: a hash table */
        uint32_t *slots; /* twice the program, and 1 where it could not tell; 0: free */
        uint32_t size, count;
    } denied;
};

struct cursor { /* a host whose prefixes are being tried */
    const struct route_host *host;
    const uint32_t *lengths;
    uint32_t at;
};

static const void *table(const struct lookup *l, const struct list *list)
{
    return l->base + (uintptr_t)list->items;
}

static struct slice text_at(const struct lookup *l, uint64_t offset, size_t len)
{
    return slice_of(l->base + offset, len);
}

static struct slice stored_text(const struct lookup *l, struct slice stored)
{
    return slice_of(l->base + (uintptr_t)stored.ptr, stored.len);
}

/* ---- what is left to check ---- */

static enum rule_answer check_answer(const struct lookup *l, uint32_t number)
{
    const struct route_check *check = (const struct route_check *)table(l, &l->root->checks) + number;
    const struct regex *regex = check->regex.pattern.len ? page_regex(l->page, &check->regex) : NULL;

    return rule_predicate_test(check->predicate, stored_text(l, check->name), stored_text(l, check->value),
                               &check->network, regex, l->request);
}

static enum rule_answer program_answer(const struct lookup *l, const uint32_t *words)
{
    uint32_t word = words[0];
    enum rule_answer answer, wanted;

    switch (PROGRAM_OP(word)) {
    case PROGRAM_CHECK:
        return check_answer(l, PROGRAM_REST(word));
    case PROGRAM_NOT:
        answer = check_answer(l, PROGRAM_REST(word));
        return answer == RULE_UNKNOWN ? answer : answer == RULE_NO ? RULE_YES : RULE_NO;
    default:
        break;
    }
    /* AND goes on while it is true, OR while it is false; what is not known stays so unless the rest
     * decides */
    wanted = PROGRAM_OP(word) == PROGRAM_AND ? RULE_YES : RULE_NO;
    answer = wanted;
    for (const uint32_t *at = words + 1, *end = at + PROGRAM_REST(word); at < end;) {
        enum rule_answer one = program_answer(l, at);

        if (one == RULE_UNKNOWN) {
            answer = one;
        } else if (one != wanted) {
            return one;
        }
        at += 1 + (PROGRAM_OP(*at) >= PROGRAM_AND ? PROGRAM_REST(*at) : 0);
    }
    return answer;
}

/* ---- candidates ---- */

static bool is_served(const struct lookup *l, uint32_t guard)
{
    if (guard == GUARD_NONE) {
        return true;
    }

    const uint64_t *words =
        (const uint64_t *)table(l, &l->root->sets) + (size_t)(guard >> 1) * l->root->set_words;

    return (guard & 1) == l->tls && l->entry_point / 64 < l->root->set_words &&
           (words[l->entry_point / 64] >> l->entry_point % 64 & 1);
}

/* Nobody behind one that is not decided is chosen. */
static bool may_win(const struct lookup *l, uint32_t router)
{
    return router < l->best && router <= l->undecided;
}

/* Where it is, or belongs. */
static uint32_t *denied_slot(const struct denied *denied, uint32_t program)
{
    uint32_t at = (uint32_t)(program * UINT64_C(0x9e3779b97f4a7c15) >> 32);

    while (denied->slots[at & (denied->size - 1)] != 0 &&
           denied->slots[at & (denied->size - 1)] / 2 != program) {
        at++;
    }
    return &denied->slots[at & (denied->size - 1)];
}

static bool denied_grow(struct denied *denied, struct pool *scratch)
{
    struct denied larger = {.size = denied->size ? 2 * denied->size : 64, .count = denied->count};

    larger.slots = scratch ? pool_try_alloc(scratch, larger.size * sizeof(*larger.slots)) : NULL;
    if (larger.slots == NULL) {
        return false;
    }
    memset(larger.slots, 0, larger.size * sizeof(*larger.slots));
    for (uint32_t i = 0; i < denied->size; i++) {
        if (denied->slots[i]) {
            *denied_slot(&larger, denied->slots[i] / 2) = denied->slots[i];
        }
    }
    *denied = larger;
    return true;
}

/* Without memory it is judged again. */
static void deny(struct lookup *l, uint32_t program, bool unknown)
{
    struct denied *denied = &l->denied;

    if (2 * denied->count < denied->size || denied_grow(denied, l->request->scratch)) {
        *denied_slot(denied, program) = 2 * program + unknown;
        denied->count++;
    }
}

static enum rule_answer judge(struct lookup *l, uint32_t program)
{
    const uint32_t *programs = table(l, &l->root->programs);
    enum rule_answer answer;

    if (l->denied.count) {
        uint32_t known = *denied_slot(&l->denied, program);

        if (known) {
            return known & 1 ? RULE_UNKNOWN : RULE_NO;
        }
    }
    answer = program_answer(l, programs + program);
    if (answer != RULE_YES && l->grouped) {
        deny(l, program, answer == RULE_UNKNOWN);
    }
    return answer;
}

static bool holds(struct lookup *l, const struct route_candidate *candidate)
{
    if (!is_served(l, candidate->guard)) {
        return false;
    }
    if (candidate->program == 0) {
        return true;
    }

    enum rule_answer answer = judge(l, candidate->program);

    if (answer == RULE_UNKNOWN && candidate->router < l->undecided) {
        l->undecided = candidate->router;
    }
    return answer == RULE_YES;
}

static void walk(struct lookup *l, const struct route_candidate *candidates, uint32_t count)
{
    for (uint32_t i = 0; i < count && may_win(l, candidates[i].router); i++) {
        if (holds(l, &candidates[i])) {
            l->best = candidates[i].router;
            return;
        }
    }
}

/* ---- nodes ---- */

static const struct route_node *find_node(const struct lookup *l, uint32_t owner, uint64_t state,
                                          struct slice text)
{
    const struct route_slot *slots = table(l, &l->root->node_slots);
    const struct route_node *nodes = table(l, &l->root->nodes);
    size_t mask = l->root->node_slots.count - 1;
    uint64_t hash = route_node_hash(state, owner);
    uint32_t tag = (uint32_t)(hash >> 32);

    for (size_t at = hash & mask; slots[at].number; at = (at + 1) & mask) {
        if (slots[at].tag == tag) {
            const struct route_node *node = &nodes[slots[at].number - 1];

            if (node->owner == owner && slice_eq(text_at(l, node->text, node->len), text)) {
                return node;
            }
        }
    }
    return NULL;
}

static void walk_groups(struct lookup *l, const struct route_node *node);

static void walk_node(struct lookup *l, const struct route_node *node)
{
    if (!(node->count & NODE_LIST)) {
        walk(l, &node->one, node->count);
        return;
    }
    walk(l, (const struct route_candidate *)table(l, &l->root->candidates) + node->list.first,
         node->count & ~NODE_LIST);
    if (node->list.groups_count) {
        walk_groups(l, node);
    }
}

static void probe(struct lookup *l, uint32_t owner, uint64_t state, struct slice text)
{
    const struct route_node *node = find_node(l, owner, state, text);

    if (node) {
        walk_node(l, node);
    }
}

/* ---- groups of long lists ---- */

struct group_visit {
    struct lookup *lookup;
    const struct route_group *group;
};

static bool visit_value(void *context, struct slice value)
{
    struct group_visit *visit = context;

    probe(visit->lookup, visit->group->owner << 3 | NODE_VALUE, route_path_hash(value), value);
    return false;
}

static void walk_grams(struct lookup *l, const struct route_node *node, struct slice subject, size_t position)
{
    const struct route_gram *grams = (const struct route_gram *)table(l, &l->root->grams) + node->list.first;
    uint32_t count = node->count & ~NODE_LIST;

    for (uint32_t i = 0; i < count && may_win(l, grams[i].candidate.router); i++) {
        const struct route_gram *gram = &grams[i];

        if (position < gram->at || subject.len - (position - gram->at) < gram->len ||
            memcmp(subject.ptr + position - gram->at, l->base + gram->literal, gram->len) != 0) {
            continue;
        }
        if (holds(l, &gram->candidate)) {
            l->best = gram->candidate.router;
            return;
        }
    }
}

/* Slides over the subject: wherever a literal stands, its gram is met. */
static bool visit_grams(void *context, struct slice subject)
{
    struct group_visit *visit = context;
    struct lookup *l = visit->lookup;
    uint32_t size = visit->group->gram, owner = visit->group->owner << 3 | NODE_GRAM;

    for (size_t at = 0; at + size <= subject.len && may_win(l, visit->group->first); at++) {
        const struct route_node *node =
            find_node(l, owner, route_gram_state(subject.ptr + at, size), slice_of(subject.ptr + at, size));

        if (node) {
            walk_grams(l, node, subject, at);
        }
    }
    return false;
}

static void walk_group(struct lookup *l, const struct route_group *group)
{
    struct group_visit visit = {l, group};
    const struct rule_request *request = l->request;
    struct slice name = stored_text(l, group->name);

    l->grouped = true;
    switch ((enum route_group_kind)group->kind) {
    case GROUP_METHOD:
        visit_value(&visit, request->method);
        break;
    case GROUP_HEADER:
    case GROUP_HEADER_GRAM:
        if (request->header) {
            request->header(request, name, group->gram ? visit_grams : visit_value, &visit);
        }
        break;
    case GROUP_QUERY:
    case GROUP_QUERY_GRAM:
        rule_query_values(request, name, group->gram ? visit_grams : visit_value, &visit);
        break;
    case GROUP_PATH_GRAM:
        visit_grams(&visit, request->path);
        break;
    case GROUP_HOST_GRAM:
        visit_grams(&visit, request->host);
        break;
    }
}

static void walk_groups(struct lookup *l, const struct route_node *node)
{
    const struct route_group *groups =
        (const struct route_group *)table(l, &l->root->groups) + node->list.groups_first;

    for (uint32_t i = 0; i < node->list.groups_count; i++) {
        if (may_win(l, groups[i].first)) {
            walk_group(l, &groups[i]);
        }
    }
}

/* ---- hosts and paths ---- */

static const struct route_host *find_host(const struct lookup *l, enum route_host_kind kind,
                                          struct slice text)
{
    const struct route_slot *slots = table(l, &l->root->host_slots);
    const struct route_host *hosts = table(l, &l->root->hosts);
    size_t mask = l->root->host_slots.count - 1;
    uint64_t hash = route_host_hash(l->layer, kind, text);
    uint32_t tag = (uint32_t)(hash >> 32);

    for (size_t at = hash & mask; slots[at].number; at = (at + 1) & mask) {
        if (slots[at].tag == tag) {
            const struct route_host *host = &hosts[slots[at].number - 1];

            if (host->layer == l->layer && host->kind == kind &&
                slice_eq(text_at(l, host->text, host->len), text)) {
                return host;
            }
        }
    }
    return NULL;
}

static size_t find_hosts(struct lookup *l, struct cursor cursors[3])
{
    const struct route_host *hosts[3];
    size_t count = 0, found = 0;
    struct slice host = rule_host_key(l->request->host);

    if (l->request->host.len) {
        hosts[found++] = find_host(l, HOST_EXACT, host);
        if (l->root->suffix_hosts) {
            hosts[found++] = find_host(l, HOST_SUFFIX, rule_host_wildcard(host));
        }
    }
    hosts[found++] = l->layer ? find_host(l, HOST_ANY, slice_of(NULL, 0))
                              : table(l, &l->root->hosts); /* number 0 is any */
    for (size_t i = 0; i < found; i++) {
        if (hosts[i]) {
            cursors[count++] = (struct cursor){
                .host = hosts[i],
                .lengths = (const uint32_t *)table(l, &l->root->lengths) + hosts[i]->lengths_first,
            };
        }
    }
    return count;
}

static uint32_t owner_of(const struct lookup *l, const struct cursor *cursor, enum route_node_kind kind)
{
    return (uint32_t)(cursor->host - (const struct route_host *)table(l, &l->root->hosts)) << 3 | kind;
}

static void match_paths(struct lookup *l, struct cursor *cursors, size_t count)
{
    struct slice path = l->request->path;
    uint64_t state = ROUTES_PATH_SEED;
    size_t hashed = 0;

    for (;;) {
        size_t next = SIZE_MAX;

        for (size_t i = 0; i < count; i++) {
            const struct cursor *cursor = &cursors[i];

            if (cursor->at < cursor->host->lengths_count && cursor->lengths[cursor->at] < next) {
                next = cursor->lengths[cursor->at];
            }
        }
        if (next > path.len) {
            break;
        }
        for (; hashed < next; hashed++) {
            state = hash_step(state, (unsigned char)path.ptr[hashed]);
        }
        for (size_t i = 0; i < count; i++) {
            struct cursor *cursor = &cursors[i];

            if (cursor->at < cursor->host->lengths_count && cursor->lengths[cursor->at] == next) {
                cursor->at++;
                probe(l, owner_of(l, cursor, NODE_PREFIX), state, slice_head(path, next));
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!cursors[i].host->has_exact) {
            continue;
        }
        for (; hashed < path.len; hashed++) {
            state = hash_step(state, (unsigned char)path.ptr[hashed]);
        }
        probe(l, owner_of(l, &cursors[i], NODE_EXACT), state, path);
    }
}

/* Who could make a regexp give up would choose a router behind the one that is meant for the request, which may be the one
 * that asks for a password. */
static uint32_t refuse(const struct lookup *l)
{
    log_debug("the rule of router %.*s takes too long over this request: no other serves it",
              SLICE_ARG(page_text(l->page, routes_at(l->page, l->undecided)->name)));
    return ROUTE_NONE;
}

static uint32_t match(struct lookup *l)
{
    struct cursor cursors[3];
    size_t count = find_hosts(l, cursors);

    for (size_t i = 0; i < count; i++) {
        if (cursors[i].host->all) {
            walk_node(l, (const struct route_node *)table(l, &l->root->nodes) + cursors[i].host->all - 1);
        }
    }
    match_paths(l, cursors, count);
    if (l->undecided < l->best) {
        return refuse(l);
    }
    return l->best;
}

uint32_t routes_match(const struct page *page, uint32_t entry_point, bool tls,
                      const struct rule_request *request)
{
    struct lookup l = {
        .page = page,
        .base = ((const struct page_base *)page)->base,
        .root = page_root(page),
        .request = request,
        .entry_point = entry_point,
        .tls = tls,
        .best = ROUTE_NONE,
        .undecided = ROUTE_NONE,
    };

    return match(&l);
}

uint32_t routes_match_layer(const struct page *page, uint32_t layer, const struct rule_request *request)
{
    struct lookup l = {
        .page = page,
        .base = ((const struct page_base *)page)->base,
        .root = page_root(page),
        .request = request,
        .layer = layer,
        .best = ROUTE_NONE,
        .undecided = ROUTE_NONE,
    };

    return match(&l);
}

uint32_t routes_count(const struct page *page)
{
    return (uint32_t)((const struct routes_root *)page_root(page))->routes.count;
}

const struct route *routes_at(const struct page *page, uint32_t number)
{
    const struct routes_root *root = page_root(page);

    return number < root->routes.count ? (const struct route *)page_at(page, root->routes.items) + number
                                       : NULL;
}

bool routes_try(const struct page *page, uint32_t number, uint32_t entry_point, bool tls,
                const struct rule_request *request)
{
    struct lookup l = {.base = ((const struct page_base *)page)->base,
                       .root = page_root(page),
                       .entry_point = entry_point,
                       .tls = tls};
    const struct route *route = routes_at(page, number);
    struct rule *rule = NULL;
    bool matches;

    if (!route || (!route->layer && !is_served(&l, route->entry_point_set << 1 | route->tls))) {
        return false;
    }
    if (route->flags & ROUTE_ALWAYS) {
        return true;
    }
    struct pool *pool = pool_new(4096, 0);
    bool v2 = route->flags & ROUTE_V2, tcp = route->flags & ROUTE_TCP;
    enum rule_syntax syntax = tcp ? (v2 ? RULE_TCP_V2 : RULE_TCP_V3) : (v2 ? RULE_V2 : RULE_V3);

    matches = rule_parse(pool, page_text(page, route->rule), syntax, &rule, NULL) == 0 &&
              rule_matches(rule, request);
    rule_free(rule);
    pool_free(pool);
    return matches;
}
