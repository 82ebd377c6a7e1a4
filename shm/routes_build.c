/*
 * routes_build.c - from routers to the routes page: order of precedence and the index.
 *
 * life     sort -> take each rule apart into places -> one list for each (host, path) -> cut up long lists
 * -> write Everything is kept in flat arrays that are thrown away at the end; the page gets each table in
 * one piece.
 *
 * Not here: taking a rule apart (routes_cover.c), long lists (routes_group.c), the tables (routes_layout.c).
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "shm/routes_builder.h"

#define WORDS_MAX_OF_ONE                                                                                     \
    (256 * 1024) /* a rule that needs more program words goes under any host and path as a whole */

/* ---- order ---- */

static int by_precedence(const void *a, const void *b, void *context)
{
    const struct route_input *routers = context;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct route_input *one = &routers[i], *other = &routers[j];

    if (one->priority != other->priority) {
        return one->priority > other->priority ? -1 : 1;
    }
    if (one->precedence != other->precedence) {
        return one->precedence > other->precedence ? -1 : 1;
    }
    int names = slice_cmp(one->name, other->name);

    return names ? names : i < j ? -1 : i > j;
}

static uint32_t *sort_routers(const struct route_input *routers, size_t count)
{
    uint32_t *order = xcalloc(count + 1, sizeof(*order));

    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    qsort_r(order, count, sizeof(*order), by_precedence, (void *)(uintptr_t)routers);
    return order;
}

/* ---- lists of numbers ---- */

struct same_numbers {
    const struct route_number_lists *lists;
    const uint32_t *numbers;
    size_t count;
};

static bool numbers_are_same(const void *context, uint32_t number)
{
    const struct same_numbers *wanted = context;
    const struct route_span *span = (const struct route_span *)wanted->lists->spans.items + number;

    return span->count == wanted->count &&
           (span->count == 0 || memcmp((const uint32_t *)wanted->lists->numbers.items + span->first,
                                       wanted->numbers, wanted->count * sizeof(uint32_t)) == 0);
}

static uint32_t number_list(struct route_number_lists *lists, const uint32_t *numbers, size_t count)
{
    struct same_numbers wanted = {lists, numbers, count};
    bool fresh;
    uint32_t number = route_map_put(&lists->map, hash_bytes(count, numbers, count * sizeof(uint32_t)),
                                    numbers_are_same, &wanted, &fresh);

    if (fresh) {
        struct route_span *span = route_array_add(&lists->spans, sizeof(*span));

        *span = (struct route_span){(uint32_t)lists->numbers.count, (uint32_t)count};
        if (count) {
            memcpy(route_array_add_many(&lists->numbers, sizeof(uint32_t), count), numbers,
                   count * sizeof(uint32_t));
        }
    }
    return number;
}

static void number_lists_free(struct route_number_lists *lists)
{
    free(lists->numbers.items);
    free(lists->spans.items);
    route_map_free(&lists->map);
}

/* ---- hosts and nodes ---- */

struct same_host {
    const struct route_build *build;
    uint32_t layer;
    enum route_host_kind kind;
    struct slice text;
};

static bool host_is_same(const void *context, uint32_t number)
{
    const struct same_host *wanted = context;
    const struct route_build_host *host =
        (const struct route_build_host *)wanted->build->hosts.items + number;

    return host->layer == wanted->layer && host->kind == wanted->kind && slice_eq(host->text, wanted->text);
}

static uint32_t host_number(struct route_build *build, uint32_t layer, enum route_host_kind kind,
                            struct slice text, uint32_t router)
{
    struct same_host wanted = {build, layer, kind, text};
    bool fresh;
    uint32_t number =
        route_map_put(&build->host_map, route_host_hash(layer, kind, text), host_is_same, &wanted, &fresh);

    if (fresh) {
        struct route_build_host *host = route_array_add(&build->hosts, sizeof(*host));

        *host = (struct route_build_host){.layer = layer, .kind = kind, .text = text, .router = router};
    }
    return number;
}

struct same_node {
    const struct route_build *build;
    uint32_t owner;
    struct slice text;
};

static bool node_is_same(const void *context, uint32_t number)
{
    const struct same_node *wanted = context;
    const struct route_build_node *node =
        (const struct route_build_node *)wanted->build->nodes.items + number;

    return node->owner == wanted->owner && slice_eq(node->text, wanted->text);
}

uint32_t route_build_node(struct route_build *build, uint32_t owner, enum route_node_kind kind,
                          struct slice text, uint64_t state, uint32_t router)
{
    struct same_node wanted = {build, owner << 3 | kind, text};
    bool fresh;
    uint32_t number =
        route_map_put(&build->node_map, route_node_hash(state, wanted.owner), node_is_same, &wanted, &fresh);

    if (fresh) {
        struct route_build_node *node = route_array_add(&build->nodes, sizeof(*node));

        *node = (struct route_build_node){
            .owner = wanted.owner, .text = text, .router = router, .gram = kind == NODE_GRAM};
    }
    return number;
}

uint32_t route_group_owner(const struct route_build *build, uint32_t group)
{
    return (uint32_t)build->hosts.count + group;
}

/* ---- entries ---- */

static void add_entry(struct route_build *build, const struct route_place *place, uint32_t layer,
                      uint32_t router, uint32_t guard)
{
    static const enum route_node_kind kinds[] = {
        [PATH_KEY_ALL] = NODE_ALL, [PATH_KEY_PREFIX] = NODE_PREFIX, [PATH_KEY_EXACT] = NODE_EXACT};
    uint32_t host = host_number(build, layer, place->host_kind, place->host, router);
    uint32_t node = route_build_node(build, host, kinds[place->path_kind], place->path,
                                     route_path_hash(place->path), router);
    uint32_t program = route_program(&build->programs, place->left);
    struct route_entry *entry = route_array_add(&build->entries, sizeof(*entry));

    entry->node = node;
    entry->candidate = (struct route_candidate){.router = router, .program = program, .guard = guard};
}

/* Texts of the places point at the rule, which outlives the build, or into build->pool; terms die with
 * `scratch`. */
static void add_router(struct route_build *build, struct pool *scratch, const struct route_input *input,
                       uint32_t router, uint32_t guard)
{
    size_t entries = build->entries.count, words = build->programs.words.count;
    struct route_cover cover;

    route_cover(scratch, input->rule, &cover);
    for (size_t i = 0; i < cover.count; i++) {
        struct route_place *place = &cover.places[i];

        if (input->rule &&
            place->left->op != TERM_TRUE) { /* keys from a regexp's literal live in the scratch pool */
            place->host = place->host.len ? pool_copy(build->pool, place->host) : place->host;
            place->path = place->path.len ? pool_copy(build->pool, place->path) : place->path;
        }
        add_entry(build, place, input->layer, router, guard);
        if (build->programs.words.count - words > WORDS_MAX_OF_ONE) {
            build->entries.count = entries;
            route_cover_whole(scratch, input->rule, &cover);
            add_entry(build, &cover.places[0], input->layer, router, guard);
            break;
        }
    }
    build->programs.last = NULL;
}

static void add_routers(struct route_layout *l)
{
    struct pool *scratch = pool_new(64 * 1024, 0);

    l->set_of = xcalloc(l->count + 1, sizeof(uint32_t));
    l->chain_of = xcalloc(l->count + 1, sizeof(uint32_t));
    host_number(l->build, 0, HOST_ANY, slice_of(NULL, 0), 0);
    for (size_t i = 0; i < l->count; i++) {
        const struct route_input *input = &l->routers[l->order[i]];

        l->set_of[i] = number_list(&l->sets, input->entry_points, input->entry_point_count);
        l->chain_of[i] = number_list(&l->chains, input->middlewares, input->middleware_count);
        add_router(l->build, scratch, input, (uint32_t)i,
                   input->layer ? GUARD_NONE : l->set_of[i] << 1 | input->tls);
        pool_reset(scratch);
    }
    pool_free(scratch);
}

/* ---- lists ---- */

static void build_lists(struct route_build *build)
{
    struct route_build_node *nodes = build->nodes.items;
    const struct route_entry *entries = build->entries.items;
    size_t node_count = build->nodes.count, at = 0;
    struct route_candidate *sorted = xcalloc(build->entries.count + 1, sizeof(*sorted));
    uint32_t *first = xcalloc(node_count + 1, sizeof(*first));

    for (size_t i = 0; i < build->entries.count; i++) {
        nodes[entries[i].node].count++;
    }
    for (size_t i = 0; i < node_count; i++) {
        first[i] = (uint32_t)at;
        at += nodes[i].count;
    }
    for (size_t i = 0; i < build->entries.count;
         i++) { /* entries come in the order of routers: so does each list */
        sorted[first[entries[i].node]++] = entries[i].candidate;
    }
    for (size_t i = 0; i < node_count; i++) { /* groups add nodes behind these */
        uint32_t count = ((struct route_build_node *)build->nodes.items)[i].count;

        route_build_list(build, (uint32_t)i, sorted + first[i] - count, count);
    }
    free(sorted);
    free(first);
}

void routes_build(struct page_builder *builder, const struct route_input *routers, size_t count)
{
    struct route_build build = {.page = builder, .pool = pool_new(64 * 1024, 0)};
    uint32_t *order = sort_routers(routers, count);
    struct route_layout l = {.build = &build, .routers = routers, .order = order, .count = count};

    route_programs_init(&build.programs);
    add_routers(&l);
    build_lists(&build);
    route_layout_write(&l);

    free(order);
    free(l.text_of);
    free(l.set_of);
    free(l.chain_of);
    number_lists_free(&l.sets);
    number_lists_free(&l.chains);
    route_programs_free(&build.programs);
    route_map_free(&build.host_map);
    route_map_free(&build.node_map);
    route_map_free(&l.text_map);
    free(l.texts_of_keys.items);
    free(build.hosts.items);
    free(build.nodes.items);
    free(build.entries.items);
    free(build.candidates.items);
    free(build.groups.items);
    free(build.grams.items);
    pool_free(build.pool);
}
