/*
 * routes_group.c - cuts up a long list of candidates, so that a request looks at few of them.
 *
 * What a candidate must have tells it apart: a header, query parameter or method that must be equal to a
 * value, or a literal that its regexp needs in the path, the host, a header or a query parameter. Each
 * candidate goes under the one of its marks that the fewest others share; those without a mark stay in the
 * list that is walked.
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/rule/regex.h"
#include "shm/routes_builder.h"

#define NEEDS_MAX 32 /* checks of one program that are looked at */
#define NO_GROUP UINT32_MAX
#define GROUP_MIN 4 /* candidates: fewer are not worth a visit */
#define ALTERNATIVES_MAX 8

struct group_key { /* of the list at hand */
    enum route_group_kind kind;
    struct slice name;
    uint32_t gram;
    uint32_t chosen; /* candidates that would go here */
    uint32_t number; /* of the group that was made, or NO_GROUP */
    uint32_t first;  /* smallest router in it */
};

struct mark { /* (group, value) */
    uint32_t group;
    struct slice value;
    uint32_t users; /* candidates that have it */
    uint32_t last;  /* the last one that was counted, + 1 */
};

struct option { /* a candidate has a mark */
    uint32_t candidate, mark;
    struct slice literal;
    uint32_t at;
};

struct member { /* where a candidate went */
    uint32_t node;
    uint32_t candidate;
    struct slice literal;
    uint32_t at;
};

struct cutter {
    struct route_build *build;
    struct route_array keys;  /* struct group_key */
    struct route_array marks; /* struct mark */
    struct route_map mark_map;
    struct route_array options; /* struct option, by candidate ascending */
    struct route_array members; /* struct member */
    uint32_t candidate;
};

static uint32_t key_number(struct cutter *c, enum route_group_kind kind, struct slice name, uint32_t gram)
{
    struct group_key *keys = c->keys.items;

    for (size_t i = 0; i < c->keys.count; i++) {
        if (keys[i].kind == kind && keys[i].gram == gram && slice_eq_nocase(keys[i].name, name) &&
            (kind != GROUP_QUERY && kind != GROUP_QUERY_GRAM ? true : slice_eq(keys[i].name, name))) {
            return (uint32_t)i;
        }
    }
    if (c->keys.count >= 256) { /* a list whose candidates name ever new headers: not worth it */
        return NO_GROUP;
    }
    struct group_key *key = route_array_add(&c->keys, sizeof(*key));

    *key =
        (struct group_key){.kind = kind, .name = name, .gram = gram, .number = NO_GROUP, .first = UINT32_MAX};
    return (uint32_t)c->keys.count - 1;
}

struct same_mark {
    const struct cutter *cutter;
    uint32_t group;
    struct slice value;
};

static bool mark_is_same(const void *context, uint32_t number)
{
    const struct same_mark *wanted = context;
    const struct mark *mark = (const struct mark *)wanted->cutter->marks.items + number;

    return mark->group == wanted->group && slice_eq(mark->value, wanted->value);
}

static void add_option(struct cutter *c, uint32_t group, struct slice value, struct slice literal,
                       uint32_t at)
{
    struct same_mark wanted = {c, group, value};
    bool fresh;

    if (group == NO_GROUP) {
        return;
    }
    uint32_t number = route_map_put(&c->mark_map, hash_slice(group, value), mark_is_same, &wanted, &fresh);

    if (fresh) {
        struct mark *made = route_array_add(&c->marks, sizeof(*made));

        *made = (struct mark){.group = group, .value = value};
    }
    struct mark *mark = (struct mark *)c->marks.items + number;

    if (mark->last == c->candidate + 1) {
        return;
    }
    mark->last = c->candidate + 1;
    mark->users++;

    struct option *option = route_array_add(&c->options, sizeof(*option));

    *option = (struct option){.candidate = c->candidate, .mark = number, .literal = literal, .at = at};
}

/* Every gram of every literal is a mark. */
static void add_grams(struct cutter *c, enum route_group_kind kind, struct slice name,
                      const struct regex_literals *literals)
{
    uint32_t size = 3;

    for (size_t i = 0; i < literals->count; i++) {
        size = literals->items[i].len >= 4 ? 4 : size;
    }
    for (size_t i = 0; i < literals->count; i++) {
        struct slice literal = slice_head(literals->items[i], ROUTES_MAX_LITERAL);

        for (uint32_t at = 0; at + size <= literal.len; at++) {
            add_option(c, key_number(c, kind, name, size), slice_head(slice_from(literal, at), size), literal,
                       at);
        }
    }
}

static void add_regexp(struct cutter *c, const struct route_build_check *check, enum route_group_kind grams,
                       enum route_group_kind values)
{
    struct regex_literals literals;

    regex_literals(c->build->pool, check->value, grams == GROUP_HOST_GRAM, &literals);
    if (literals.exact && values != grams) {
        add_option(c, key_number(c, values, check->name, 0), literals.prefix, slice_of(NULL, 0), 0);
    } else {
        add_grams(c, grams, check->name, &literals);
    }
}

static void add_check(struct cutter *c, const struct route_build_check *check)
{
    switch (check->predicate) {
    case RULE_METHOD:
        add_option(c, key_number(c, GROUP_METHOD, slice_of(NULL, 0), 0), check->value, slice_of(NULL, 0), 0);
        break;
    case RULE_HEADER:
        add_option(c, key_number(c, GROUP_HEADER, check->name, 0), check->value, slice_of(NULL, 0), 0);
        break;
    case RULE_QUERY:
    case RULE_QUERY_FIRST:
        add_option(c, key_number(c, GROUP_QUERY, check->name, 0), check->value, slice_of(NULL, 0), 0);
        break;
    case RULE_PATH_REGEXP:
        add_regexp(c, check, GROUP_PATH_GRAM, GROUP_PATH_GRAM);
        break;
    case RULE_HOST_REGEXP:
        add_regexp(c, check, GROUP_HOST_GRAM, GROUP_HOST_GRAM);
        break;
    case RULE_HEADER_REGEXP:
        add_regexp(c, check, GROUP_HEADER_GRAM, GROUP_HEADER);
        break;
    case RULE_QUERY_REGEXP:
        add_regexp(c, check, GROUP_QUERY_GRAM, GROUP_QUERY);
        break;
    default:
        break;
    }
}

static void find_options(struct cutter *c, const struct route_candidate *candidates, size_t count)
{
    const struct route_build_check *checks = c->build->programs.checks.items;

    for (size_t i = 0; i < count; i++) {
        uint32_t needs[NEEDS_MAX];
        size_t n = route_program_needs(&c->build->programs, candidates[i].program, needs, NEEDS_MAX);

        c->candidate = (uint32_t)i;
        for (size_t j = 0; j < n; j++) {
            add_check(c, &checks[needs[j]]);
        }
    }
}

/* The option of a candidate whose mark the fewest share; only groups that were made when made_only. Options
 * of one candidate stand together; *at moves behind them. */
static const struct option *best_option(const struct cutter *c, size_t *at, bool made_only)
{
    const struct option *options = c->options.items, *best = NULL;
    const struct mark *marks = c->marks.items;
    const struct group_key *keys = c->keys.items;
    uint32_t candidate = options[*at].candidate;

    for (; *at < c->options.count && options[*at].candidate == candidate; (*at)++) {
        const struct mark *mark = &marks[options[*at].mark];

        if ((!made_only || keys[mark->group].number != NO_GROUP) &&
            (!best || mark->users < marks[best->mark].users)) {
            best = &options[*at];
        }
    }
    return best;
}

static int by_chosen(const void *a, const void *b, void *context)
{
    const struct group_key *keys = context;
    uint32_t x = keys[*(const uint32_t *)a].chosen, y = keys[*(const uint32_t *)b].chosen;

    return x > y ? -1 : x < y;
}

/* Makes the groups that most candidates would go to. */
static size_t make_groups(struct cutter *c)
{
    struct group_key *keys = c->keys.items;
    uint32_t order[256];
    size_t made = 0;

    for (size_t at = 0; at < c->options.count;) {
        const struct option *option = best_option(c, &at, false);

        keys[((const struct mark *)c->marks.items)[option->mark].group].chosen++;
    }
    for (size_t i = 0; i < c->keys.count; i++) {
        order[i] = (uint32_t)i;
    }
    qsort_r(order, c->keys.count, sizeof(order[0]), by_chosen, keys);
    for (size_t i = 0; i < c->keys.count && made < ROUTES_MAX_GROUPS && keys[order[i]].chosen >= GROUP_MIN;
         i++, made++) {
        struct group_key *key = &keys[order[i]];
        struct route_build_group *group = route_array_add(&c->build->groups, sizeof(*group));

        key->number = (uint32_t)c->build->groups.count - 1;
        *group = (struct route_build_group){.kind = key->kind, .name = key->name, .gram = key->gram};
    }
    return made;
}

/* Sends a candidate to its group. */
static void add_member(struct cutter *c, const struct option *option, uint32_t router)
{
    const struct mark *mark = (const struct mark *)c->marks.items + option->mark;
    struct group_key *key = (struct group_key *)c->keys.items + mark->group;
    uint32_t owner = route_group_owner(c->build, key->number);
    uint64_t state = key->gram ? route_gram_state(mark->value.ptr, key->gram) : route_path_hash(mark->value);
    struct member *member = route_array_add(&c->members, sizeof(*member));

    member->node =
        route_build_node(c->build, owner, key->gram ? NODE_GRAM : NODE_VALUE, mark->value, state, router);
    member->candidate = option->candidate;
    member->literal = option->literal;
    member->at = option->at;
    key->first = router < key->first ? router : key->first;
}

/* Members by node (each node's in ascending order of routers), as candidates or grams of the page. */
static void store_members(struct cutter *c, uint32_t base, const struct route_candidate *candidates)
{
    struct route_build_node *nodes = c->build->nodes.items;
    const struct member *members = c->members.items;
    size_t node_count = c->build->nodes.count - base;
    uint32_t *next = xcalloc(node_count + 1, sizeof(*next));
    size_t grams = c->build->grams.count, values = c->build->candidates.count;

    for (size_t i = 0; i < c->members.count; i++) {
        nodes[members[i].node].count++;
    }
    for (size_t i = 0; i < node_count; i++) {
        struct route_build_node *node = &nodes[base + i];
        size_t *at = node->gram ? &grams : &values;

        node->single = !node->gram && node->count == 1;
        node->first = next[i] = (uint32_t)*at;
        *at += node->single ? 0 : node->count;
    }
    route_array_add_many(&c->build->grams, sizeof(struct route_build_gram), grams - c->build->grams.count);
    route_array_add_many(&c->build->candidates, sizeof(struct route_candidate),
                         values - c->build->candidates.count);
    for (size_t i = 0; i < c->members.count; i++) {
        const struct member *member = &members[i];
        uint32_t at = next[member->node - base]++;

        if (nodes[member->node].gram) {
            ((struct route_build_gram *)c->build->grams.items)[at] = (struct route_build_gram){
                .candidate = candidates[member->candidate], .literal = member->literal, .at = member->at};
        } else if (nodes[member->node].single) {
            nodes[member->node].one = candidates[member->candidate];
        } else {
            ((struct route_candidate *)c->build->candidates.items)[at] = candidates[member->candidate];
        }
    }
    free(next);
}

static void store_plain(struct route_build *build, uint32_t node, const struct route_candidate *candidates,
                        size_t count)
{
    struct route_build_node *target = (struct route_build_node *)build->nodes.items + node;

    target->first = (uint32_t)build->candidates.count;
    target->count = (uint32_t)count;
    if (count) {
        memcpy(route_array_add_many(&build->candidates, sizeof(*candidates), count), candidates,
               count * sizeof(*candidates));
    }
}

/* Does a check tell few candidates from many? Methods and networks do not. */
static bool is_telling(enum rule_predicate predicate)
{
    return predicate != RULE_METHOD && predicate != RULE_CLIENT_IP && predicate != RULE_QUERY_FIRST_REGEXP;
}

static bool has_telling_need(const struct route_build *build, uint32_t program)
{
    const struct route_build_check *checks = build->programs.checks.items;
    uint32_t needs[NEEDS_MAX];
    size_t count = route_program_needs(&build->programs, program, needs, NEEDS_MAX);

    for (size_t i = 0; i < count; i++) {
        if (is_telling(checks[needs[i]].predicate)) {
            return true;
        }
    }
    return false;
}

/* A candidate that needs one of several things stands in the list once for each of them. */
static struct route_candidate *spread(struct route_build *build, const struct route_candidate *candidates,
                                      size_t *count)
{
    struct route_array out = {0};

    for (size_t i = 0; i < *count; i++) {
        uint32_t programs[ALTERNATIVES_MAX] = {candidates[i].program};
        size_t n = 0;

        if (candidates[i].program && !has_telling_need(build, candidates[i].program)) {
            n = route_program_alternatives(&build->programs, candidates[i].program, programs,
                                           ALTERNATIVES_MAX);
        }
        for (size_t j = 0; j < (n ? n : 1); j++) {
            struct route_candidate *candidate = route_array_add(&out, sizeof(*candidate));

            *candidate = candidates[i];
            candidate->program = programs[j];
        }
    }
    *count = out.count;
    return out.items;
}

static void cut(struct cutter *c, uint32_t node, const struct route_candidate *candidates, size_t count)
{
    struct route_build *build = c->build;
    struct route_candidate *rest = xcalloc(count, sizeof(*rest));
    uint32_t groups_first = (uint32_t)build->groups.count, base = (uint32_t)build->nodes.count;
    size_t groups = 0, rest_count = 0, at = 0;
    const struct option *options;

    find_options(c, candidates, count);
    groups = make_groups(c);
    options = c->options.items;
    for (size_t i = 0; i < count; i++) {
        const struct option *option = NULL;

        if (at < c->options.count && options[at].candidate == i) {
            option = best_option(c, &at, true);
        }
        if (option) {
            add_member(c, option, candidates[i].router);
        } else {
            rest[rest_count++] = candidates[i];
        }
    }
    store_members(c, base, candidates);
    store_plain(build, node, rest, rest_count);
    for (size_t i = 0; i < c->keys.count; i++) {
        const struct group_key *key = (const struct group_key *)c->keys.items + i;

        if (key->number != NO_GROUP) {
            ((struct route_build_group *)build->groups.items)[key->number].first = key->first;
        }
    }
    struct route_build_node *target = (struct route_build_node *)build->nodes.items + node;

    target->groups_first = groups_first;
    target->groups_count = (uint32_t)groups;
    free(rest);
}

void route_build_list(struct route_build *build, uint32_t node, const struct route_candidate *candidates,
                      size_t count)
{
    size_t conditional = 0;

    for (size_t i = 0; i < count; i++) {
        conditional += candidates[i].program != 0;
    }
    if (count == 1) { /* by far the most: lies in the node itself */
        struct route_build_node *target = (struct route_build_node *)build->nodes.items + node;

        target->single = true;
        target->one = candidates[0];
        return;
    }
    if (conditional <= ROUTES_LONG_LIST) {
        store_plain(build, node, candidates, count);
        return;
    }
    struct cutter c = {.build = build};
    struct route_candidate *all = spread(build, candidates, &count);

    cut(&c, node, all, count);
    free(all);
    free(c.keys.items);
    free(c.marks.items);
    free(c.options.items);
    free(c.members.items);
    route_map_free(&c.mark_map);
}
