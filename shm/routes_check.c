/*
 * routes_check.c - sees that a routes page holds together, once, before anybody routes by it.
 *
 * Every offset and number that routes_match.c and the chain follow is looked at. The page's checksum tells
 * damage; this tells a builder's mistake or malice: after it no lookup leaves the page, whatever the page
 * says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "shm/routes_inner.h"

struct checker {
    const struct page *page;
    const char *base;
    const struct routes_root *root;
    struct error *why;
};

static int bad(const struct checker *c, const char *what, size_t number)
{
    return error_set(c->why, -EBADMSG, "routes page is damaged: %s %zu", what, number);
}

static bool text_fits(const struct checker *c, struct slice stored)
{
    return page_holds(c->page, (uintptr_t)stored.ptr, stored.len, 1, 1);
}

static const void *table(const struct checker *c, const struct list *list)
{
    return c->base + (uintptr_t)list->items;
}

static bool power_of_two(size_t n)
{
    return n && (n & (n - 1)) == 0;
}

static int check_tables(const struct checker *c)
{
    const struct routes_root *root = c->root;
    const struct {
        const struct list *list;
        size_t size;
    } tables[] = {
        {&root->routes, sizeof(struct route)},
        {&root->sets, sizeof(uint64_t)},
        {&root->hosts, sizeof(struct route_host)},
        {&root->host_slots, sizeof(struct route_slot)},
        {&root->lengths, sizeof(uint32_t)},
        {&root->nodes, sizeof(struct route_node)},
        {&root->node_slots, sizeof(struct route_slot)},
        {&root->candidates, sizeof(struct route_candidate)},
        {&root->groups, sizeof(struct route_group)},
        {&root->grams, sizeof(struct route_gram)},
        {&root->programs, sizeof(uint32_t)},
        {&root->checks, sizeof(struct route_check)},
    };

    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (tables[i].list->count > UINT32_MAX || !page_holds(c->page, (uintptr_t)tables[i].list->items,
                                                              tables[i].list->count, tables[i].size, 8)) {
            return bad(c, "table", i);
        }
    }
    if (root->hosts.count == 0 || root->programs.count == 0 || root->set_words == 0 ||
        root->sets.count % root->set_words != 0 || !power_of_two(root->host_slots.count) ||
        !power_of_two(root->node_slots.count)) {
        return bad(c, "root", 0);
    }
    return 0;
}

static bool set_fits(const struct checker *c, uint32_t set)
{
    return set < c->root->sets.count / c->root->set_words;
}

static int check_routes(const struct checker *c)
{
    const struct route *routes = table(c, &c->root->routes);

    for (size_t i = 0; i < c->root->routes.count; i++) {
        const struct route *route = &routes[i];
        unsigned char tls;

        memcpy(&tls, &route->tls, 1);
        if (!text_fits(c, route->name) || !text_fits(c, route->rule) ||
            !set_fits(c, route->entry_point_set) || tls > 1 ||
            (route->children && route->children <= route->layer) || /* from layer to layer there is an end */
            !page_holds(c->page, (uintptr_t)route->middlewares.items, route->middlewares.count,
                        sizeof(uint32_t), 4)) {
            return bad(c, "route", i);
        }
    }
    return 0;
}

/* Behind a parent's middlewares the way goes on in the list of a child: it is at least as long. */
static int check_layers(const struct checker *c)
{
    const struct route *routes = table(c, &c->root->routes);
    size_t count = c->root->routes.count, *least = NULL, wrong = SIZE_MAX;

    for (size_t i = 0; i < count; i++) {
        if (routes[i].children == 0) {
            continue;
        }
        if (routes[i].children > count) {
            wrong = i;
            break;
        }
        if (least == NULL) {
            least = xcalloc(count + 1, sizeof(*least));
        }
        least[routes[i].children] = routes[i].middlewares.count;
    }
    for (size_t i = 0; i < count && least && wrong == SIZE_MAX; i++) {
        if (routes[i].layer > count || routes[i].middlewares.count < least[routes[i].layer]) {
            wrong = i;
        }
    }
    free(least);
    return wrong == SIZE_MAX ? 0 : bad(c, "layer of route", wrong);
}

/* Every probe must end: at least one slot is free. */
static int check_slots(const struct checker *c, const struct list *list, size_t numbers)
{
    const struct route_slot *slots = table(c, list);
    size_t used = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (slots[i].number > numbers) {
            return bad(c, "slot", i);
        }
        used += slots[i].number != 0;
    }
    return used < list->count ? 0 : bad(c, "slots", used);
}

static int check_hosts(const struct checker *c)
{
    const struct route_host *hosts = table(c, &c->root->hosts);
    const struct route_node *nodes = table(c, &c->root->nodes);

    for (size_t i = 0; i < c->root->hosts.count; i++) {
        const struct route_host *host = &hosts[i];
        uint64_t end = (uint64_t)host->lengths_first + host->lengths_count;

        if (host->kind > HOST_ANY || !page_holds(c->page, host->text, host->len, 1, 1) ||
            end > c->root->lengths.count || host->all > c->root->nodes.count ||
            (host->all && (nodes[host->all - 1].owner & 7) != NODE_ALL)) {
            return bad(c, "host", i);
        }
        const uint32_t *lengths = table(c, &c->root->lengths);

        for (uint64_t j = (uint64_t)host->lengths_first + 1; j < end; j++) {
            if (lengths[j] <= lengths[j - 1]) {
                return bad(c, "prefix lengths of host", i);
            }
        }
    }
    return 0;
}

static bool candidate_fits(const struct checker *c, const struct route_candidate *candidate)
{
    return candidate->router < c->root->routes.count && candidate->program < c->root->programs.count &&
           (candidate->guard == GUARD_NONE || set_fits(c, candidate->guard >> 1));
}

static int check_nodes(const struct checker *c)
{
    const struct route_node *nodes = table(c, &c->root->nodes);

    for (size_t i = 0; i < c->root->nodes.count; i++) {
        const struct route_node *node = &nodes[i];
        uint32_t count = node->count & ~NODE_LIST;
        bool listed = (node->count & NODE_LIST) != 0, grams = (node->owner & 7) == NODE_GRAM;
        bool fits = page_holds(c->page, node->text, node->len, 1, 1);

        if (!listed) {
            fits = fits && !grams && count <= 1 && (count == 0 || candidate_fits(c, &node->one));
        } else {
            const struct list *in = grams ? &c->root->grams : &c->root->candidates;

            fits = fits && (uint64_t)node->list.first + count <= in->count &&
                   (uint64_t)node->list.groups_first + node->list.groups_count <= c->root->groups.count;
            /* a group leads to nodes without groups: nothing goes round in circles */
            fits = fits && (node->list.groups_count == 0 || (node->owner & 7) < NODE_VALUE);
        }
        if (!fits) {
            return bad(c, "node", i);
        }
    }
    return 0;
}

static int check_candidates(const struct checker *c)
{
    const struct route_candidate *candidates = table(c, &c->root->candidates);
    const struct route_gram *grams = table(c, &c->root->grams);

    for (size_t i = 0; i < c->root->candidates.count; i++) {
        if (!candidate_fits(c, &candidates[i])) {
            return bad(c, "candidate", i);
        }
    }
    for (size_t i = 0; i < c->root->grams.count; i++) {
        if (!candidate_fits(c, &grams[i].candidate) ||
            !page_holds(c->page, grams[i].literal, grams[i].len, 1, 1)) {
            return bad(c, "literal", i);
        }
    }
    return 0;
}

static int check_groups(const struct checker *c)
{
    const struct route_group *groups = table(c, &c->root->groups);

    for (size_t i = 0; i < c->root->groups.count; i++) {
        const struct route_group *group = &groups[i];
        bool grams = group->kind >= GROUP_PATH_GRAM;

        if (!text_fits(c, group->name) || group->kind > GROUP_QUERY_GRAM || group->owner > UINT32_MAX >> 3 ||
            (grams ? group->gram != 3 && group->gram != 4 : group->gram != 0)) {
            return bad(c, "group", i);
        }
    }
    return 0;
}

/* One program from words[*at] on; *at moves behind it. */
static bool program_fits(const struct checker *c, const uint32_t *words, size_t *at, size_t end,
                         unsigned depth)
{
    if (*at >= end || depth > ROUTES_MAX_DEPTH) {
        return false;
    }
    uint32_t word = words[(*at)++];

    if (PROGRAM_OP(word) < PROGRAM_AND) {
        return PROGRAM_REST(word) < c->root->checks.count;
    }
    if (PROGRAM_REST(word) > end - *at) {
        return false;
    }
    for (size_t inner = *at + PROGRAM_REST(word); *at < inner;) {
        if (!program_fits(c, words, at, inner, depth + 1)) {
            return false;
        }
    }
    return true;
}

/* Programs lie one behind the other. A candidate may point into one: an inner word is a program as well,
 * and ends with the outer one at the latest. */
static int check_programs(const struct checker *c)
{
    const uint32_t *words = table(c, &c->root->programs);
    size_t count = c->root->programs.count;

    for (size_t at = 0; at < count;) {
        size_t start = at;

        if (!program_fits(c, words, &at, count, 0)) {
            return bad(c, "program", start);
        }
    }

    return words[0] == PROGRAM_WORD(PROGRAM_AND, 0) ? 0 : bad(c, "program", 0);
}

static int check_checks(const struct checker *c)
{
    const struct route_check *checks = table(c, &c->root->checks);
    uint64_t regexes = ((const struct page_header *)(const void *)c->base)->regexes;

    for (size_t i = 0; i < c->root->checks.count; i++) {
        const struct route_check *check = &checks[i];

        if (check->predicate >= RULE_PREDICATES || !text_fits(c, check->name) ||
            !text_fits(c, check->value) || !text_fits(c, check->regex.pattern) ||
            (check->regex.pattern.len && check->regex.slot >= regexes) ||
            check->network.bits > (check->network.family == 4 ? 32 : 128)) {
            return bad(c, "check", i);
        }
    }
    return 0;
}

int routes_check(const struct page *page, struct error *why)
{
    struct checker c = {
        .page = page, .base = ((const struct page_base *)page)->base, .root = page_root(page), .why = why};
    uint64_t root_offset = ((const struct page_header *)(const void *)c.base)->root;
    int rc;

    if (root_offset == 0 || !page_holds(page, root_offset, 1, sizeof(*c.root), 8)) {
        return error_set(why, -EBADMSG, "routes page is damaged: no root");
    }
    if ((rc = check_tables(&c)) < 0 || (rc = check_slots(&c, &c.root->host_slots, c.root->hosts.count)) < 0 ||
        (rc = check_slots(&c, &c.root->node_slots, c.root->nodes.count)) < 0 || (rc = check_routes(&c)) < 0 ||
        (rc = check_hosts(&c)) < 0 || (rc = check_nodes(&c)) < 0 || (rc = check_candidates(&c)) < 0 ||
        (rc = check_groups(&c)) < 0 || (rc = check_layers(&c)) < 0 || (rc = check_programs(&c)) < 0 ||
        (rc = check_checks(&c)) < 0) {
        return rc;
    }
    return 0;
}
