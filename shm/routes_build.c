/*
 * routes_build.c - from routers to the routes page: order of precedence, the index, the layout.
 *
 * life     sort -> take each rule apart into places -> one list for each (host, path) -> cut up long lists -> write
 * Everything is kept in flat arrays that are thrown away at the end; the page gets each table in one piece.
 *
 * Not here: taking a rule apart (routes_cover.c), long lists (routes_group.c), reading (routes_match.c).
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "shm/routes_builder.h"

#define WORDS_MAX_OF_ONE (256 * 1024) /* a rule that needs more program words goes under any host and path as a whole */

struct span {
    uint32_t first, count;
};

/* A list of numbers stored once: entry points, middlewares. */
struct number_lists {
    struct route_array numbers; /* uint32_t */
    struct route_array spans;   /* struct span */
    struct route_map map;
};

struct layout {
    struct route_build *build;
    const struct route_input *routers;
    const uint32_t *order;
    size_t count;
    uint64_t texts;          /* offset of all names and rules, one after the other */
    uint64_t *text_of;       /* by position in the order: where its rule lies */
    struct number_lists sets, chains;
    struct route_map text_map;        /* texts of keys, so that equal ones lie in one place */
    struct route_array texts_of_keys; /* struct key */
    uint32_t *set_of, *chain_of; /* by position in the order */
};

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
    const struct number_lists *lists;
    const uint32_t *numbers;
    size_t count;
};

static bool numbers_are_same(const void *context, uint32_t number)
{
    const struct same_numbers *wanted = context;
    const struct span *span = (const struct span *)wanted->lists->spans.items + number;

    return span->count == wanted->count &&
           (span->count == 0 || memcmp((const uint32_t *)wanted->lists->numbers.items + span->first, wanted->numbers,
                                       wanted->count * sizeof(uint32_t)) == 0);
}

static uint32_t number_list(struct number_lists *lists, const uint32_t *numbers, size_t count)
{
    struct same_numbers wanted = {lists, numbers, count};
    bool fresh;
    uint32_t number = route_map_put(&lists->map, hash_bytes(count, numbers, count * sizeof(uint32_t)), numbers_are_same,
                                    &wanted, &fresh);

    if (fresh) {
        struct span *span = route_array_add(&lists->spans, sizeof(*span));

        *span = (struct span){(uint32_t)lists->numbers.count, (uint32_t)count};
        if (count) {
            memcpy(route_array_add_many(&lists->numbers, sizeof(uint32_t), count), numbers, count * sizeof(uint32_t));
        }
    }
    return number;
}

static void number_lists_free(struct number_lists *lists)
{
    free(lists->numbers.items);
    free(lists->spans.items);
    route_map_free(&lists->map);
}

/* ---- hosts and nodes ---- */

struct same_host {
    const struct route_build *build;
    enum route_host_kind kind;
    struct slice text;
};

static bool host_is_same(const void *context, uint32_t number)
{
    const struct same_host *wanted = context;
    const struct route_build_host *host = (const struct route_build_host *)wanted->build->hosts.items + number;

    return host->kind == wanted->kind && slice_eq(host->text, wanted->text);
}

static uint32_t host_number(struct route_build *build, enum route_host_kind kind, struct slice text, uint32_t router)
{
    struct same_host wanted = {build, kind, text};
    bool fresh;
    uint32_t number = route_map_put(&build->host_map, route_host_hash(kind, text), host_is_same, &wanted, &fresh);

    if (fresh) {
        struct route_build_host *host = route_array_add(&build->hosts, sizeof(*host));

        *host = (struct route_build_host){.kind = kind, .text = text, .router = router};
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
    const struct route_build_node *node = (const struct route_build_node *)wanted->build->nodes.items + number;

    return node->owner == wanted->owner && slice_eq(node->text, wanted->text);
}

uint32_t route_build_node(struct route_build *build, uint32_t owner, enum route_node_kind kind, struct slice text,
                          uint64_t state, uint32_t router)
{
    struct same_node wanted = {build, owner << 3 | kind, text};
    bool fresh;
    uint32_t number = route_map_put(&build->node_map, route_node_hash(state, wanted.owner), node_is_same, &wanted, &fresh);

    if (fresh) {
        struct route_build_node *node = route_array_add(&build->nodes, sizeof(*node));

        *node = (struct route_build_node){.owner = wanted.owner, .text = text, .router = router, .gram = kind == NODE_GRAM};
    }
    return number;
}

uint32_t route_group_owner(const struct route_build *build, uint32_t group)
{
    return (uint32_t)build->hosts.count + group;
}

/* ---- entries ---- */

static void add_entry(struct route_build *build, const struct route_place *place, uint32_t router, uint32_t guard)
{
    static const enum route_node_kind kinds[] = {
        [PATH_KEY_ALL] = NODE_ALL, [PATH_KEY_PREFIX] = NODE_PREFIX, [PATH_KEY_EXACT] = NODE_EXACT};
    uint32_t host = host_number(build, place->host_kind, place->host, router);
    uint32_t node = route_build_node(build, host, kinds[place->path_kind], place->path, route_path_hash(place->path), router);
    uint32_t program = route_program(&build->programs, place->left);
    struct route_entry *entry = route_array_add(&build->entries, sizeof(*entry));

    entry->node = node;
    entry->candidate = (struct route_candidate){.router = router, .program = program, .guard = guard};
}

/* Texts of the places point at the rule, which outlives the build, or into build->pool; terms die with `scratch`. */
static void add_router(struct route_build *build, struct pool *scratch, const struct route_input *input, uint32_t router,
                       uint32_t guard)
{
    size_t entries = build->entries.count, words = build->programs.words.count;
    struct route_cover cover;

    route_cover(scratch, input->rule, &cover);
    for (size_t i = 0; i < cover.count; i++) {
        struct route_place *place = &cover.places[i];

        if (input->rule && place->left->op != TERM_TRUE) { /* keys from a regexp's literal live in the scratch pool */
            place->host = place->host.len ? pool_copy(build->pool, place->host) : place->host;
            place->path = place->path.len ? pool_copy(build->pool, place->path) : place->path;
        }
        add_entry(build, place, router, guard);
        if (build->programs.words.count - words > WORDS_MAX_OF_ONE) {
            build->entries.count = entries;
            route_cover_whole(scratch, input->rule, &cover);
            add_entry(build, &cover.places[0], router, guard);
            break;
        }
    }
    build->programs.last = NULL;
}

static void add_routers(struct layout *l)
{
    struct pool *scratch = pool_new(64 * 1024, 0);

    l->set_of = xcalloc(l->count + 1, sizeof(uint32_t));
    l->chain_of = xcalloc(l->count + 1, sizeof(uint32_t));
    host_number(l->build, HOST_ANY, slice_of(NULL, 0), 0);
    for (size_t i = 0; i < l->count; i++) {
        const struct route_input *input = &l->routers[l->order[i]];

        l->set_of[i] = number_list(&l->sets, input->entry_points, input->entry_point_count);
        l->chain_of[i] = number_list(&l->chains, input->middlewares, input->middleware_count);
        add_router(l->build, scratch, input, (uint32_t)i, l->set_of[i] << 1 | input->tls);
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
    for (size_t i = 0; i < build->entries.count; i++) { /* entries come in the order of routers: so does each list */
        sorted[first[entries[i].node]++] = entries[i].candidate;
    }
    for (size_t i = 0; i < node_count; i++) { /* groups add nodes behind these */
        uint32_t count = ((struct route_build_node *)build->nodes.items)[i].count;

        route_build_list(build, (uint32_t)i, sorted + first[i] - count, count);
    }
    free(sorted);
    free(first);
}

/* ---- layout ---- */

static uint64_t write_table(struct layout *l, struct list *list, size_t size, size_t count)
{
    uint64_t offset = count ? builder_alloc(l->build->page, size * count, 8) : 0;

    list->items = (void *)(uintptr_t)offset;
    list->count = count;
    return offset;
}

static void write_copy(struct layout *l, struct list *list, const struct route_array *array, size_t size)
{
    uint64_t offset = write_table(l, list, size, array->count);

    if (array->count) {
        memcpy(builder_at(l->build->page, offset), array->items, size * array->count);
    }
}

static void write_texts(struct layout *l)
{
    size_t total = 0, at;

    for (size_t i = 0; i < l->count; i++) {
        total += l->routers[i].name.len + l->routers[i].rule_text.len;
    }
    l->texts = builder_alloc(l->build->page, total + 1, 1);
    l->text_of = xcalloc(l->count + 1, sizeof(uint64_t));
    at = l->texts;
    for (size_t i = 0; i < l->count; i++) {
        const struct route_input *input = &l->routers[l->order[i]];
        char *to = builder_at(l->build->page, at);

        if (input->name.len) {
            memcpy(to, input->name.ptr, input->name.len);
        }
        if (input->rule_text.len) {
            memcpy(to + input->name.len, input->rule_text.ptr, input->rule_text.len);
        }
        l->text_of[i] = at + input->name.len;
        at += input->name.len + input->rule_text.len;
    }
}

struct key {
    struct slice text;
    uint64_t offset;
};

struct same_key {
    const struct layout *layout;
    struct slice text;
};

static bool key_is_same(const void *context, uint32_t number)
{
    const struct same_key *wanted = context;

    return slice_eq(((const struct key *)wanted->layout->texts_of_keys.items)[number].text, wanted->text);
}

/* A text that came from a rule: usually it stands there as it is. Equal texts lie in one place, which keeps those that
 * many routers share in the processor's cache. */
static uint64_t key_text(struct layout *l, struct slice text, uint32_t router)
{
    struct same_key wanted = {l, text};
    bool fresh;

    if (text.len == 0) {
        return 0;
    }
    uint32_t number = route_map_put(&l->text_map, hash_slice(0, text), key_is_same, &wanted, &fresh);

    if (!fresh) {
        return ((const struct key *)l->texts_of_keys.items)[number].offset;
    }
    ptrdiff_t found = slice_find_slice(l->routers[l->order[router]].rule_text, text);
    uint64_t offset =
        found >= 0 ? l->text_of[router] + (uint64_t)found : (uint64_t)(uintptr_t)builder_text(l->build->page, text).ptr;

    *(struct key *)route_array_add(&l->texts_of_keys, sizeof(struct key)) = (struct key){text, offset};
    return offset;
}

static void write_slots(struct layout *l, struct list *list, const uint64_t *hashes, size_t count,
                        const struct route_build_node *nodes)
{
    size_t slot_count = 1, used = 0;

    for (size_t i = 0; i < count; i++) {
        used += !nodes || (nodes[i].owner & 7) != NODE_ALL;
    }
    while (slot_count < used * 2) {
        slot_count *= 2;
    }
    uint64_t offset = write_table(l, list, sizeof(struct route_slot), slot_count);
    struct route_slot *slots = builder_at(l->build->page, offset);

    for (size_t i = 0; i < count; i++) {
        size_t at = hashes[i] & (slot_count - 1);

        if (nodes && (nodes[i].owner & 7) == NODE_ALL) {
            continue; /* found through the host */
        }
        while (slots[at].number) {
            at = (at + 1) & (slot_count - 1);
        }
        slots[at] = (struct route_slot){(uint32_t)(hashes[i] >> 32), (uint32_t)i + 1};
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Host by host, the distinct lengths of its prefixes. Many hosts have the same short list: single lengths are shared. */
static void write_lengths(struct layout *l, struct route_host *hosts, struct list *list)
{
    const struct route_build_node *nodes = l->build->nodes.items;
    uint64_t *pairs = xcalloc(l->build->nodes.count + 1, sizeof(*pairs));
    uint32_t *lengths = xcalloc(l->build->nodes.count + 1, sizeof(*lengths)), single[256] = {0};
    size_t count = 0, written = 0;

    for (size_t i = 0; i < l->build->nodes.count; i++) {
        if ((nodes[i].owner & 7) == NODE_PREFIX) {
            pairs[count++] = (uint64_t)(nodes[i].owner >> 3) << 32 | (uint32_t)nodes[i].text.len;
        }
    }
    qsort(pairs, count, sizeof(*pairs), by_value);
    for (size_t i = 0; i < count;) {
        struct route_host *host = &hosts[pairs[i] >> 32];
        size_t start = written;

        for (uint64_t owner = pairs[i] >> 32; i < count && pairs[i] >> 32 == owner; i++) {
            if (written == start || lengths[written - 1] != (uint32_t)pairs[i]) {
                lengths[written++] = (uint32_t)pairs[i];
            }
        }
        host->lengths_first = (uint32_t)start;
        host->lengths_count = (uint32_t)(written - start);
        if (written - start == 1 && lengths[start] < ARRAY_LEN(single)) {
            uint32_t *shared = &single[lengths[start]];

            if (*shared) {
                host->lengths_first = *shared - 1;
                written = start;
            } else {
                *shared = (uint32_t)start + 1;
            }
        }
    }
    uint64_t offset = write_table(l, list, sizeof(uint32_t), written);

    if (written) {
        memcpy(builder_at(l->build->page, offset), lengths, written * sizeof(*lengths));
    }
    free(pairs);
    free(lengths);
}

static void write_hosts(struct layout *l, struct routes_root *root)
{
    const struct route_build_host *hosts = l->build->hosts.items;
    const struct route_build_node *nodes = l->build->nodes.items;
    size_t count = l->build->hosts.count;
    struct route_host *stored = xcalloc(count, sizeof(*stored));

    for (size_t i = 0; i < count; i++) {
        stored[i] = (struct route_host){
            .text = key_text(l, hosts[i].text, hosts[i].router), .len = (uint32_t)hosts[i].text.len, .kind = hosts[i].kind};
    }
    for (size_t i = 0; i < l->build->nodes.count; i++) {
        uint32_t owner = nodes[i].owner >> 3, kind = nodes[i].owner & 7;

        if (kind == NODE_ALL) {
            stored[owner].all = (uint32_t)i + 1;
        } else if (kind == NODE_EXACT) {
            stored[owner].has_exact = 1;
        }
    }
    write_lengths(l, stored, &root->lengths);

    uint64_t offset = write_table(l, &root->hosts, sizeof(*stored), count);

    memcpy(builder_at(l->build->page, offset), stored, count * sizeof(*stored));
    write_slots(l, &root->host_slots, l->build->host_map.hashes, count, NULL);
    free(stored);
}

static void write_nodes(struct layout *l, struct routes_root *root)
{
    const struct route_build_node *nodes = l->build->nodes.items;
    uint64_t offset = write_table(l, &root->nodes, sizeof(struct route_node), l->build->nodes.count);

    for (size_t i = 0; i < l->build->nodes.count; i++) {
        uint64_t text = key_text(l, nodes[i].text, nodes[i].router);
        struct route_node *node = (struct route_node *)builder_at(l->build->page, offset) + i;

        node->text = text;
        node->len = (uint32_t)nodes[i].text.len;
        node->owner = nodes[i].owner;
        node->count = nodes[i].count;
        if (nodes[i].single) {
            node->one = nodes[i].one;
            continue;
        }
        node->count |= NODE_LIST;
        node->list.first = nodes[i].first;
        node->list.groups_first = nodes[i].groups_first;
        node->list.groups_count = nodes[i].groups_count;
    }
    write_slots(l, &root->node_slots, l->build->node_map.hashes, l->build->nodes.count, nodes);
}

static void write_groups(struct layout *l, struct routes_root *root)
{
    const struct route_build_group *groups = l->build->groups.items;
    const struct route_build_gram *grams = l->build->grams.items;
    uint64_t offset = write_table(l, &root->groups, sizeof(struct route_group), l->build->groups.count);

    for (size_t i = 0; i < l->build->groups.count; i++) {
        struct slice name = builder_text(l->build->page, groups[i].name);

        ((struct route_group *)builder_at(l->build->page, offset))[i] = (struct route_group){
            .name = name, .kind = groups[i].kind, .owner = route_group_owner(l->build, (uint32_t)i), .gram = groups[i].gram,
            .first = groups[i].first};
    }
    offset = write_table(l, &root->grams, sizeof(struct route_gram), l->build->grams.count);
    for (size_t i = 0; i < l->build->grams.count; i++) {
        uint64_t literal = key_text(l, grams[i].literal, grams[i].candidate.router);

        ((struct route_gram *)builder_at(l->build->page, offset))[i] = (struct route_gram){
            .candidate = grams[i].candidate, .len = (uint16_t)grams[i].literal.len, .at = (uint16_t)grams[i].at,
            .literal = literal};
    }
}

static bool is_regexp(enum rule_predicate predicate)
{
    return predicate == RULE_HOST_REGEXP || predicate == RULE_PATH_REGEXP || predicate == RULE_HEADER_REGEXP ||
           predicate == RULE_QUERY_REGEXP || predicate == RULE_QUERY_FIRST_REGEXP;
}

static void write_checks(struct layout *l, struct routes_root *root)
{
    const struct route_build_check *checks = l->build->programs.checks.items;
    size_t count = l->build->programs.checks.count;
    uint64_t offset = write_table(l, &root->checks, sizeof(struct route_check), count);

    for (size_t i = 0; i < count; i++) {
        struct slice name = builder_text(l->build->page, checks[i].name);
        struct slice value = builder_text(l->build->page, checks[i].value);
        struct route_check check;

        memset(&check, 0, sizeof(check)); /* padding too: equal content gives an equal page */
        check.name = name;
        check.network = checks[i].network;
        check.predicate = (uint8_t)checks[i].predicate;
        if (is_regexp(checks[i].predicate)) {
            check.regex.pattern = value;
            check.regex.slot = builder_regex(l->build->page);
        } else {
            check.value = value;
        }
        memcpy((struct route_check *)builder_at(l->build->page, offset) + i, &check, sizeof(check));
    }
}

static void write_sets(struct layout *l, struct routes_root *root)
{
    const struct span *spans = l->sets.spans.items;
    const uint32_t *numbers = l->sets.numbers.items;
    uint32_t highest = 0;

    for (size_t i = 0; i < l->sets.numbers.count; i++) {
        highest = numbers[i] > highest ? numbers[i] : highest;
    }
    root->set_words = highest / 64 + 1;

    uint64_t offset = write_table(l, &root->sets, sizeof(uint64_t), l->sets.spans.count * root->set_words);
    uint64_t *words = l->sets.spans.count ? builder_at(l->build->page, offset) : NULL;

    for (size_t i = 0; i < l->sets.spans.count; i++) {
        for (uint32_t j = 0; j < spans[i].count; j++) {
            uint32_t number = numbers[spans[i].first + j];

            words[i * root->set_words + number / 64] |= 1ULL << number % 64;
        }
    }
}

static void write_routes(struct layout *l, struct routes_root *root)
{
    const struct span *chains = l->chains.spans.items;
    size_t numbers = l->chains.numbers.count;
    uint64_t middlewares = numbers ? builder_alloc(l->build->page, numbers * sizeof(uint32_t), 8) : 0;

    if (numbers) {
        memcpy(builder_at(l->build->page, middlewares), l->chains.numbers.items, numbers * sizeof(uint32_t));
    }
    uint64_t offset = write_table(l, &root->routes, sizeof(struct route), l->count);
    struct route *routes = l->count ? builder_at(l->build->page, offset) : NULL;

    for (size_t i = 0; i < l->count; i++) {
        const struct route_input *input = &l->routers[l->order[i]];
        struct span chain = chains[l->chain_of[i]];
        struct route *route = &routes[i];

        route->name = slice_of((void *)(uintptr_t)(l->text_of[i] - input->name.len), input->name.len);
        route->rule = slice_of((void *)(uintptr_t)l->text_of[i], input->rule_text.len);
        route->priority = input->priority;
        route->middlewares.count = chain.count;
        if (chain.count) {
            route->middlewares.items = (void *)(uintptr_t)(middlewares + chain.first * sizeof(uint32_t));
        }
        route->service = input->service;
        route->flags = input->flags | (input->v2 ? ROUTE_V2 : 0) | (input->rule ? 0 : ROUTE_ALWAYS);
        route->entry_point_set = l->set_of[i];
        route->tls = input->tls;
    }
}

static void write_page(struct layout *l)
{
    struct routes_root root;
    uint64_t offset = builder_alloc(l->build->page, sizeof(root), 8);

    memset(&root, 0, sizeof(root));
    write_texts(l);
    write_routes(l, &root);
    write_sets(l, &root);
    write_hosts(l, &root);
    write_nodes(l, &root);
    write_copy(l, &root.candidates, &l->build->candidates, sizeof(struct route_candidate));
    write_groups(l, &root);
    write_copy(l, &root.programs, &l->build->programs.words, sizeof(uint32_t));
    write_checks(l, &root);
    memcpy(builder_at(l->build->page, offset), &root, sizeof(root));
    builder_set_root(l->build->page, offset);
}

void routes_build(struct page_builder *builder, const struct route_input *routers, size_t count)
{
    struct route_build build = {.page = builder, .pool = pool_new(64 * 1024, 0)};
    uint32_t *order = sort_routers(routers, count);
    struct layout l = {.build = &build, .routers = routers, .order = order, .count = count};

    route_programs_init(&build.programs);
    add_routers(&l);
    build_lists(&build);
    write_page(&l);

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
