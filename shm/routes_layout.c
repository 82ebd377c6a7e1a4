/*
 * routes_layout.c - writes a finished build of routes as tables of the page (routes_inner.h).
 *
 * Names and rules lie one after the other; keys of the index usually point into the rule they come from.
 * All padding is zero, so equal content gives an equal page.
 */
#include <stdlib.h>

#include "common/base/memory.h"
#include "shm/routes_builder.h"

static uint64_t write_table(struct route_layout *l, struct list *list, size_t size, size_t count)
{
    uint64_t offset = count ? builder_alloc(l->build->page, size * count, 8) : 0;

    list->items = (void *)(uintptr_t)offset;
    list->count = count;
    return offset;
}

static void write_copy(struct route_layout *l, struct list *list, const struct route_array *array,
                       size_t size)
{
    uint64_t offset = write_table(l, list, size, array->count);

    if (array->count) {
        memcpy(builder_at(l->build->page, offset), array->items, size * array->count);
    }
}

static void write_texts(struct route_layout *l)
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
    const struct route_layout *layout;
    struct slice text;
};

static bool key_is_same(const void *context, uint32_t number)
{
    const struct same_key *wanted = context;

    return slice_eq(((const struct key *)wanted->layout->texts_of_keys.items)[number].text, wanted->text);
}

/* A text that came from a rule: usually it stands there as it is. Equal texts lie in one place, which keeps
 * those that many routers share in the processor's cache. */
static uint64_t key_text(struct route_layout *l, struct slice text, uint32_t router)
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
    uint64_t offset = found >= 0 ? l->text_of[router] + (uint64_t)found
                                 : (uint64_t)(uintptr_t)builder_text(l->build->page, text).ptr;

    *(struct key *)route_array_add(&l->texts_of_keys, sizeof(struct key)) = (struct key){text, offset};
    return offset;
}

static void write_slots(struct route_layout *l, struct list *list, const uint64_t *hashes, size_t count,
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

/* Host by host, the distinct lengths of its prefixes. Many hosts have the same short list: single lengths
 * are shared. */
static void write_lengths(struct route_layout *l, struct route_host *hosts, struct list *list)
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

static void write_hosts(struct route_layout *l, struct routes_root *root)
{
    const struct route_build_host *hosts = l->build->hosts.items;
    const struct route_build_node *nodes = l->build->nodes.items;
    size_t count = l->build->hosts.count;
    struct route_host *stored = xcalloc(count, sizeof(*stored));

    for (size_t i = 0; i < count; i++) {
        stored[i] = (struct route_host){.text = key_text(l, hosts[i].text, hosts[i].router),
                                        .len = (uint32_t)hosts[i].text.len,
                                        .kind = hosts[i].kind,
                                        .layer = hosts[i].layer};
        root->suffix_hosts += hosts[i].kind == HOST_SUFFIX;
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

static void write_nodes(struct route_layout *l, struct routes_root *root)
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

static void write_groups(struct route_layout *l, struct routes_root *root)
{
    const struct route_build_group *groups = l->build->groups.items;
    const struct route_build_gram *grams = l->build->grams.items;
    uint64_t offset = write_table(l, &root->groups, sizeof(struct route_group), l->build->groups.count);

    for (size_t i = 0; i < l->build->groups.count; i++) {
        struct slice name = builder_text(l->build->page, groups[i].name);

        ((struct route_group *)builder_at(l->build->page, offset))[i] =
            (struct route_group){.name = name,
                                 .kind = groups[i].kind,
                                 .owner = route_group_owner(l->build, (uint32_t)i),
                                 .gram = groups[i].gram,
                                 .first = groups[i].first};
    }
    offset = write_table(l, &root->grams, sizeof(struct route_gram), l->build->grams.count);
    for (size_t i = 0; i < l->build->grams.count; i++) {
        uint64_t literal = key_text(l, grams[i].literal, grams[i].candidate.router);

        ((struct route_gram *)builder_at(l->build->page, offset))[i] =
            (struct route_gram){.candidate = grams[i].candidate,
                                .len = (uint16_t)grams[i].literal.len,
                                .at = (uint16_t)grams[i].at,
                                .literal = literal};
    }
}

static bool is_regexp(enum rule_predicate predicate)
{
    return predicate == RULE_HOST_REGEXP || predicate == RULE_PATH_REGEXP ||
           predicate == RULE_HEADER_REGEXP || predicate == RULE_QUERY_REGEXP ||
           predicate == RULE_QUERY_FIRST_REGEXP;
}

static void write_checks(struct route_layout *l, struct routes_root *root)
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

static void write_sets(struct route_layout *l, struct routes_root *root)
{
    const struct route_span *spans = l->sets.spans.items;
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

static void write_routes(struct route_layout *l, struct routes_root *root)
{
    const struct route_span *chains = l->chains.spans.items;
    size_t numbers = l->chains.numbers.count;
    uint64_t middlewares = numbers ? builder_alloc(l->build->page, numbers * sizeof(uint32_t), 8) : 0;

    if (numbers) {
        memcpy(builder_at(l->build->page, middlewares), l->chains.numbers.items, numbers * sizeof(uint32_t));
    }
    uint64_t offset = write_table(l, &root->routes, sizeof(struct route), l->count);
    struct route *routes = l->count ? builder_at(l->build->page, offset) : NULL;

    for (size_t i = 0; i < l->count; i++) {
        const struct route_input *input = &l->routers[l->order[i]];
        struct route_span chain = chains[l->chain_of[i]];
        struct route *route = &routes[i];

        route->name = slice_of((void *)(uintptr_t)(l->text_of[i] - input->name.len), input->name.len);
        route->rule = slice_of((void *)(uintptr_t)l->text_of[i], input->rule_text.len);
        route->priority = input->priority;
        route->middlewares.count = chain.count;
        if (chain.count) {
            route->middlewares.items = (void *)(uintptr_t)(middlewares + chain.first * sizeof(uint32_t));
        }
        route->service = input->service;
        route->layer = input->layer;
        route->children = input->children;
        route->flags = input->flags | (input->v2 ? ROUTE_V2 : 0) | (input->rule ? 0 : ROUTE_ALWAYS);
        route->entry_point_set = l->set_of[i];
        route->tls = input->tls;
        route->tls_options = input->tls_options;
    }
}

void route_layout_write(struct route_layout *l)
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
