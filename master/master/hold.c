/*
 * hold.c - contract in hold.h.
 */
#include "common/base/log.h"
#include "common/base/process.h"
#include "master/master/master.h"

#define UNREAD_NS (INT64_C(60) * 1000000000)
#define CLUSTER_NS (INT64_C(10) * 1000000000)

/* Workers have it from an earlier master; or those of an earlier build, whose board is another, until ours have something.
 * What is served while one waits counts for nothing. */
static bool served_already(const struct master *master)
{
    uint64_t generation = atomic_load(&master->tree->generation);

    return (generation > 0 && generation != life_get(&board_master(master->board)->waiting_generation)) ||
           life_get(&board_guard(master->board)->was_ready) != 0;
}

struct hold_rule hold_begin(struct master *master)
{
    struct hold_rule rule = {.first = master->current.number == 0 || master->current.waiting,
                             .earlier = served_already(master)};
    int64_t now = process_clock_ns();

    if (rule.first && master->hold.cluster_until == 0) {
        master->hold.cluster_until = now + CLUSTER_NS;
    }
    rule.cluster = rule.first && (rule.earlier || now < master->hold.cluster_until);
    return rule;
}

void hold_changed(struct master *master)
{
    master->hold.changed = master->hold.unread_since != 0;
}

bool hold_for_cluster(const struct master *master, const struct hold_rule *rule, const bool *enabled)
{
    for (size_t i = 0; rule->cluster && i < master->input_count; i++) {
        if (enabled[i] && master->inputs[i].waiting && !master->inputs[i].loaded) {
            return true;
        }
    }
    return false;
}

/* The name of a provider that has not given all that it should. */
static const char *unread(struct master *master, const bool *enabled)
{
    const char *name = NULL;

    for (size_t i = 0; i < master->input_count; i++) {
        struct input *input = &master->inputs[i];

        input->gaps = enabled[i] && input->model && input->model->gaps;
        if (enabled[i] && (!input->loaded || input->gaps)) {
            name = input->provider->name;
        }
    }
    return name;
}

static bool back_for_unread(struct master *master, const bool *enabled)
{
    struct hold *hold = &master->hold;
    const char *name = unread(master, enabled);

    if (name && hold->changed && process_clock_ns() - hold->unread_since >= UNREAD_NS) {
        log_error("Provider %s still cannot be read, and there are changes: what it gave before goes", name);
        name = NULL;
    }
    if (name == NULL) {
        hold->unread_since = 0;
        hold->changed = false;
        return false;
    }
    if (hold->unread_since == 0) {
        hold->unread_since = process_clock_ns();
        log_warn("Provider %s could not be read yet: the configuration of the earlier master stays in force",
                 name);
    }
    return true;
}

bool hold_back(struct master *master, const struct hold_rule *rule, const bool *enabled, bool for_cluster)
{
    struct hold *hold = &master->hold;

    hold->why = HOLD_NONE;
    if (for_cluster) {
        hold->why = HOLD_CLUSTER;
    } else if (rule->first && rule->earlier && back_for_unread(master, enabled)) {
        hold->why = HOLD_UNREAD;
    }
    return hold->why != HOLD_NONE;
}

uint64_t hold_left_ms(const struct master *master, uint64_t most)
{
    int64_t left = (master->hold.cluster_until - process_clock_ns()) / 1000000 + 1;

    return master->hold.why == HOLD_CLUSTER && left > 0 && (uint64_t)left < most ? (uint64_t)left : most;
}
