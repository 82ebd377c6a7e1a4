/*
 * smooth.c - the smooth weighted order, compiled: which of the servers each ticket goes to.
 *
 * nginx's method, step by step: every server gains its weight, the one with the most wins (the first of equals) and
 * loses the sum of all weights. After as many steps as the sum everything is as in the beginning, so the order of one
 * round is all there is. Servers of one weight take turns in their order; so only one of each weight has to be compared,
 * and there are never more than a few hundred different weights in a round of 65,536.
 */
#include <stdlib.h>

#include "common/base/gcd.h"
#include "common/base/memory.h"
#include "shm/services.h"

#define ROUND_MAX 65536u

struct group { /* servers of one weight */
    uint64_t weight;
    uint32_t *members;  /* in order */
    size_t count, next; /* whose turn it is */
    int64_t current;    /* what nginx calls the current weight, of the next member */
};

/* Weights of a round no longer than ROUND_MAX, none that was positive gone. Returns their sum. */
static uint64_t weights_reduce(const uint32_t *weights, size_t count, uint64_t *reduced)
{
    uint64_t sum = 0, divisor = 0, positive = 0;

    for (size_t i = 0; i < count; i++) {
        reduced[i] =
            positive < ROUND_MAX ? weights[i] : 0; /* more servers than a round has entries: the first ones */
        positive += reduced[i] > 0;
        sum += reduced[i];
        divisor = gcd(divisor, reduced[i]);
    }
    if (sum == 0) {
        return 0;
    }
    if (sum / divisor > ROUND_MAX) {
        uint64_t shared = ROUND_MAX - positive, whole = sum;

        sum = 0;
        divisor = 0;
        for (size_t i = 0; i < count; i++) {
            uint64_t scaled = (uint64_t)((__uint128_t)reduced[i] * shared / whole);

            reduced[i] = reduced[i] > 0 && scaled == 0 ? 1 : scaled;
            sum += reduced[i];
            divisor = gcd(divisor, reduced[i]);
        }
    }
    divisor = divisor ? divisor : 1; /* it is never 0: something was positive */
    for (size_t i = 0; i < count; i++) {
        reduced[i] /= divisor;
    }
    return sum / divisor;
}

struct by_weight {
    uint64_t weight;
    uint32_t position;
};

static int by_weight_order(const void *a, const void *b)
{
    const struct by_weight *x = a, *y = b;

    if (x->weight != y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    return x->position < y->position ? -1 : x->position > y->position;
}

/* *groups and *members are the caller's to free. */
static size_t groups_make(const uint64_t *weights, size_t count, struct group **out, uint32_t **members)
{
    struct by_weight *sorted = xcalloc(count, sizeof(*sorted));
    struct group *groups = xcalloc(count, sizeof(*groups));
    size_t used = 0, made = 0;

    *members = xcalloc(count, sizeof(**members));
    for (size_t i = 0; i < count; i++) {
        if (weights[i] > 0) {
            sorted[used++] = (struct by_weight){weights[i], (uint32_t)i};
        }
    }
    qsort(sorted, used, sizeof(*sorted), by_weight_order);
    for (size_t i = 0; i < used; i++) {
        if (made == 0 || groups[made - 1].weight != sorted[i].weight) {
            groups[made++] = (struct group){.weight = sorted[i].weight, .members = *members + i};
        }
        (*members)[i] = sorted[i].position;
        groups[made - 1].count++;
    }
    free(sorted);
    *out = groups;
    return made;
}

static uint32_t group_head(const struct group *group)
{
    return group->members[group->next];
}

static void group_pick(struct group *group, size_t sum)
{
    if (++group->next == group->count) { /* all of them have had this turn */
        group->next = 0;
        group->current -= (int64_t)sum;
    }
}

size_t smooth_sequence(struct pool *pool, const uint32_t *weights, size_t count, uint16_t **out)
{
    uint64_t *reduced = xcalloc(count, sizeof(*reduced));
    struct group *groups = NULL;
    uint32_t *members = NULL;
    size_t length, made;

    count = count < ROUND_MAX ? count : ROUND_MAX; /* positions have 16 bits */
    length = weights_reduce(weights, count, reduced);
    *out = pool_alloc(pool, (length ? length : 1) * sizeof(**out));
    made = groups_make(reduced, count, &groups, &members);
    for (size_t step = 0; step < length; step++) {
        struct group *best = groups;

        for (size_t i = 0; i < made; i++) {
            struct group *group = &groups[i];

            group->current += (int64_t)group->weight;
            if (group->current > best->current ||
                (group->current == best->current && group_head(group) < group_head(best))) {
                best = group;
            }
        }
        (*out)[step] = (uint16_t)group_head(best);
        group_pick(best, length);
    }
    free(members);
    free(groups);
    free(reduced);
    return length;
}
