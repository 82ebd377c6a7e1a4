/*
 * redis_map.c - the map of a Redis Cluster, made of the answer to CLUSTER SLOTS. See redis_cluster.h.
 *
 * The answer is an array of ranges, each an array: first slot, last slot, the node that has them, its replicas. A node is an
 * array: host, port, and more that is passed over. Replicas are nodes of the map too: one of them may have the slots
 * tomorrow.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/net/addr.h"
#include "common/net/redis_cluster.h"
#include "common/net/resp.h"

#define HOST_MOST 255
#define NODE_MOST (HOST_MOST + 9) /* with brackets, colon, port */

/* ---- whether all of it is there ---- */

/* An array's head at bytes: its length in bytes, 0 or -EBADMSG as resp_read() has it. A null array has none within. */
static ssize_t read_head(struct slice bytes, size_t *count)
{
    struct slice line = slice_head(bytes, 16);
    ptrdiff_t end = slice_find(line, '\n');
    uint64_t number;

    if (end < 0) {
        return line.len < 16 ? 0 : -EBADMSG;
    }
    if (end < 3 || line.ptr[end - 1] != '\r') {
        return -EBADMSG;
    }

    struct slice digits = slice_of(line.ptr + 1, (size_t)end - 2);

    *count = 0;
    if (slice_eq(digits, SLICE("-1"))) {
        return end + 1;
    }
    if (!slice_to_u64(digits, &number) || number > REDIS_MAP_ANSWER_MOST) {
        return -EBADMSG;
    }
    *count = (size_t)number;
    return end + 1;
}

ssize_t redis_answer_scan(struct redis_scan *scan, struct slice bytes)
{
    if (!scan->begun) {
        *scan = (struct redis_scan){.begun = true, .left = 1};
    }
    while (scan->left) {
        struct slice rest = slice_from(bytes, scan->at);
        struct resp_answer answer;
        size_t within = 0;
        ssize_t n = rest.len && rest.ptr[0] == '*' ? read_head(rest, &within) : resp_read(rest, &answer);

        if (n < 0 || bytes.len > REDIS_MAP_ANSWER_MOST) {
            return -EBADMSG;
        }
        if (n == 0) {
            return 0;
        }
        scan->at += (size_t)n;
        scan->left += within - 1;
        if (scan->left > REDIS_MAP_ANSWER_MOST) {
            return -EBADMSG;
        }
    }
    return (ssize_t)scan->at;
}

/* ---- what it says ---- */

struct node {
    char text[NODE_MOST + 1]; /* HOST:PORT */
};

struct owned { /* a range, and its node in the order of the answer */
    unsigned first, last;
    size_t node;
};

struct reading {
    struct slice rest;
    struct slice asked;
    struct node *nodes; /* of the answer: one may be there often */
    size_t node_count, node_room;
    struct owned *ranges;
    size_t range_count, range_room;
};

static bool take_head(struct reading *at, size_t *count)
{
    ssize_t n = at->rest.len && at->rest.ptr[0] == '*' ? read_head(at->rest, count) : -EBADMSG;

    at->rest = n > 0 ? slice_from(at->rest, (size_t)n) : at->rest;
    return n > 0;
}

static bool take(struct reading *at, struct resp_answer *out)
{
    ssize_t n = resp_read(at->rest, out);

    at->rest = n > 0 ? slice_from(at->rest, (size_t)n) : at->rest;
    return n > 0;
}

static bool take_number(struct reading *at, unsigned most, unsigned *out)
{
    struct resp_answer answer;

    if (!take(at, &answer) || answer.kind != RESP_NUMBER || answer.number < 0 || answer.number > most) {
        return false;
    }
    *out = (unsigned)answer.number;
    return true;
}

static bool pass_over(struct reading *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct redis_scan scan = {.at = 0};
        ssize_t n = redis_answer_scan(&scan, at->rest);

        if (n <= 0) {
            return false;
        }
        at->rest = slice_from(at->rest, (size_t)n);
    }
    return true;
}

/* Names and addresses, nothing that could be another part of a URL. */
static bool is_host(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z', digit = c >= '0' && c <= '9';

        if (!letter && !digit && c != '.' && c != '-' && c != '_' && c != ':') {
            return false;
        }
    }
    return host.len > 0 && host.len <= HOST_MOST;
}

static bool is_loopback(const struct address *address)
{
    static const uint8_t six[16] = {[15] = 1};

    return address->family == 4 ? address->bytes[0] == 127
                                : address->family == 6 && memcmp(address->bytes, six, sizeof(six)) == 0;
}

/* What is called so by who was asked, for us. Nodes may not know their own address, or only one that is no use elsewhere. */
static struct slice host_for_us(const struct reading *at, const struct resp_answer *said)
{
    struct address here, there;

    if (said->kind == RESP_NULL || said->text.len == 0) {
        return at->asked;
    }
    if (address_parse(said->text, &there) && is_loopback(&there) && address_parse(at->asked, &here) &&
        !is_loopback(&here)) {
        return at->asked;
    }
    return said->text;
}

static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return items;
    }
    *room = *room ? 2 * *room : 64;
    return xrealloc(items, *room * size);
}

static bool take_node(struct reading *at)
{
    struct resp_answer said;
    unsigned port;
    size_t parts;

    if (!take_head(at, &parts) || parts < 2 || !take(at, &said) ||
        (said.kind != RESP_TEXT && said.kind != RESP_NULL) || !take_number(at, UINT16_MAX, &port) ||
        !pass_over(at, parts - 2)) {
        return false;
    }

    struct slice host = host_for_us(at, &said);
    bool six = slice_find(host, ':') >= 0;

    if (!is_host(host) || port == 0) {
        return false;
    }
    at->nodes = grown(at->nodes, at->node_count, &at->node_room, sizeof(*at->nodes));
    (void)snprintf(at->nodes[at->node_count++].text, sizeof(at->nodes->text), "%s%.*s%s:%u", six ? "[" : "",
                   SLICE_ARG(host), six ? "]" : "", port);
    return true;
}

/* A replica whose host nobody knows ("?") is no use and no harm; so is one at port 0. */
static bool take_replica(struct reading *at)
{
    struct reading before = *at;

    if (take_node(at)) {
        return true;
    }
    at->rest = before.rest;
    return pass_over(at, 1);
}

static bool take_range(struct reading *at)
{
    struct owned range;
    size_t parts;

    if (!take_head(at, &parts) || parts < 3 || !take_number(at, REDIS_SLOTS - 1, &range.first) ||
        !take_number(at, REDIS_SLOTS - 1, &range.last) || range.first > range.last) {
        return false;
    }
    range.node = at->node_count;
    if (!take_node(at)) {
        return false;
    }
    for (size_t i = 3; i < parts; i++) {
        if (!take_replica(at)) {
            return false;
        }
    }
    at->ranges = grown(at->ranges, at->range_count, &at->range_room, sizeof(*at->ranges));
    at->ranges[at->range_count++] = range;
    return true;
}

/* ---- the map ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct node *)a)->text, ((const struct node *)b)->text);
}

static int by_first(const void *a, const void *b)
{
    const struct owned *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* Each once, in order; returns how many. */
static size_t sort_nodes(struct node *sorted, size_t count)
{
    size_t kept = 0;

    qsort(sorted, count, sizeof(*sorted), by_text);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(sorted[kept - 1].text, sorted[i].text) != 0) {
            sorted[kept++] = sorted[i];
        }
    }
    return kept;
}

static void add_range(struct text *out, unsigned first, unsigned last, size_t node)
{
    const struct redis_range range = {{(uint8_t)(first >> 8), (uint8_t)first},
                                      {(uint8_t)(last >> 8), (uint8_t)last},
                                      {(uint8_t)(node >> 8), (uint8_t)node}};

    text_add(out, slice_of((const char *)&range, sizeof(range)));
}

/* Ranges of one node that touch become one; of those that overlap none is believed. */
static bool add_ranges(struct text *out, const struct reading *at, const struct node *sorted, size_t count)
{
    for (size_t i = 0; i < at->range_count;) {
        const struct owned *range = &at->ranges[i];
        const struct node *node = bsearch(&at->nodes[range->node], sorted, count, sizeof(*sorted), by_text);
        unsigned last = range->last;

        for (i++; i < at->range_count && at->ranges[i].first == last + 1 &&
                  by_text(&at->nodes[at->ranges[i].node], node) == 0;
             i++) {
            last = at->ranges[i].last;
        }
        if (i < at->range_count && at->ranges[i].first <= last) {
            return false;
        }
        add_range(out, range->first, last, (size_t)(node - sorted));
    }
    return true;
}

static int make(struct reading *at, struct text *out, struct error *why)
{
    struct node *sorted = xmalloc(at->node_count * sizeof(*sorted));
    size_t count, before = out->len;
    int rc = 0;

    memcpy(sorted, at->nodes, at->node_count * sizeof(*sorted));
    count = sort_nodes(sorted, at->node_count);
    qsort(at->ranges, at->range_count, sizeof(*at->ranges), by_first);
    for (size_t i = 0; i < count; i++) {
        text_printf(out, "%s\n", sorted[i].text);
    }
    text_add_char(out, '\n');
    if (count > REDIS_NODES_MOST) {
        rc = error_set(why, -EBADMSG, "it names %zu nodes, more than %u", count, REDIS_NODES_MOST);
    } else if (!add_ranges(out, at, sorted, count)) {
        rc = error_set(why, -EBADMSG, "it says twice who has a slot");
    }
    out->len = rc < 0 ? before : out->len;
    free(sorted);
    return rc;
}

int redis_map_read(struct slice answer, struct slice asked, struct text *out, struct error *why)
{
    struct reading at = {.rest = answer, .asked = asked};
    bool good = true;
    size_t count;
    int rc;

    if (!take_head(&at, &count)) {
        return error_set(why, -EBADMSG, "its answer to CLUSTER SLOTS is no array");
    }
    for (size_t i = 0; good && i < count; i++) {
        good = take_range(&at);
    }
    rc = !good        ? error_set(why, -EBADMSG, "its answer to CLUSTER SLOTS is malformed")
         : count == 0 ? error_set(why, -EBADMSG, "it knows of no node that has a slot")
                      : make(&at, out, why);
    free(at.nodes);
    free(at.ranges);
    return rc;
}

bool redis_map_parts(struct slice map, struct slice *nodes, struct slice *ranges)
{
    ptrdiff_t end = slice_find_slice(map, SLICE("\n\n"));

    if (end <= 0) {
        return false;
    }
    *nodes = slice_head(map, (size_t)end);
    *ranges = slice_from(map, (size_t)end + 2);
    return ranges->len % sizeof(struct redis_range) == 0;
}
