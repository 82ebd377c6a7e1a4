/*
 * routes_program.c - writes what is left to check as words, and keeps equal programs and equal checks once.
 *
 * A million routers that all say Method(`GET`) share one check and one program of one word.
 */
#include "shm/routes_builder.h"

#include <stdlib.h>

#include "common/base/memory.h"

struct route_program_span {
    uint32_t first, count;
};

void *route_array_add_many(struct route_array *array, size_t item_size, size_t count)
{
    array->size = item_size;
    if (array->capacity == 0 || array->capacity - array->count < count) {
        size_t capacity = array->capacity ? array->capacity * 2 : 64;

        while (capacity - array->count < count) {
            capacity *= 2;
        }
        if (capacity > SIZE_MAX / item_size) {
            abort();
        }
        array->items = xrealloc(array->items, capacity * item_size);
        array->capacity = capacity;
    }
    void *item = (char *)array->items + array->count * item_size;

    memset(item, 0, item_size * count);
    array->count += count;
    return item;
}

void *route_array_add(struct route_array *array, size_t item_size)
{
    return route_array_add_many(array, item_size, 1);
}

static void map_grow(struct route_map *map)
{
    size_t slot_count = map->slot_count ? map->slot_count * 2 : 256;

    free(map->slots);
    map->slots = xcalloc(slot_count, sizeof(*map->slots));
    map->slot_count = slot_count;
    for (size_t i = 0; i < map->count; i++) {
        size_t at = map->hashes[i] & (slot_count - 1);

        while (map->slots[at]) {
            at = (at + 1) & (slot_count - 1);
        }
        map->slots[at] = (uint32_t)i + 1;
    }
}

uint32_t route_map_put(struct route_map *map, uint64_t hash,
                       bool (*same)(const void *context, uint32_t number), const void *context, bool *fresh)
{
    if (map->count * 2 >= map->slot_count) {
        map_grow(map);
    }
    size_t at = hash & (map->slot_count - 1);

    for (; map->slots[at]; at = (at + 1) & (map->slot_count - 1)) {
        uint32_t number = map->slots[at] - 1;

        if (map->hashes[number] == hash && same(context, number)) {
            *fresh = false;
            return number;
        }
    }
    if (map->count == map->capacity) {
        map->capacity = map->capacity ? map->capacity * 2 : 256;
        map->hashes = xrealloc(map->hashes, map->capacity * sizeof(*map->hashes));
    }
    map->hashes[map->count] = hash;
    map->slots[at] = (uint32_t)++map->count;
    *fresh = true;
    return (uint32_t)map->count - 1;
}

void route_map_free(struct route_map *map)
{
    free(map->slots);
    free(map->hashes);
}

/* ---- checks ---- */

struct same_check {
    const struct route_programs *programs;
    const struct rule *rule;
};

static bool check_is_same(const void *context, uint32_t number)
{
    const struct same_check *wanted = context;
    const struct route_build_check *check =
        (const struct route_build_check *)wanted->programs->checks.items + number;
    const struct rule *rule = wanted->rule;

    return check->predicate == rule->predicate && slice_eq(check->name, rule->name) &&
           slice_eq(check->value, rule->value) &&
           (rule->predicate != RULE_CLIENT_IP ||
            memcmp(&check->network, &rule->network, sizeof(rule->network)) == 0);
}

static uint32_t check_number(struct route_programs *programs, const struct rule *rule)
{
    struct same_check wanted = {programs, rule};
    uint64_t hash = hash_slice(hash_slice((uint64_t)rule->predicate, rule->name), rule->value);
    bool fresh;
    uint32_t number = route_map_put(&programs->check_map, hash, check_is_same, &wanted, &fresh);

    if (fresh) {
        struct route_build_check *check = route_array_add(&programs->checks, sizeof(*check));

        *check = (struct route_build_check){
            .predicate = rule->predicate, .name = rule->name, .value = rule->value, .network = rule->network};
    }
    return number;
}

/* ---- words ---- */

static void add_word(struct route_programs *programs, uint32_t word)
{
    *(uint32_t *)route_array_add(&programs->scratch, sizeof(uint32_t)) = word;
}

/* An operator is written before its operands; how much belongs to it is known when it is closed. */
static size_t open_word(struct route_programs *programs)
{
    add_word(programs, 0);
    return programs->scratch.count - 1;
}

static void close_word(struct route_programs *programs, size_t at, uint32_t op)
{
    uint32_t *words = programs->scratch.items;

    words[at] = PROGRAM_WORD(op, programs->scratch.count - at - 1);
}

static void write_rule(struct route_programs *programs, const struct rule *rule);

/* Neighbours joined by the same operator become one flat list. */
static void write_rule_chain(struct route_programs *programs, const struct rule *rule, enum rule_op op)
{
    if (rule->op == op) {
        write_rule_chain(programs, rule->left, op);
        write_rule_chain(programs, rule->right, op);
    } else {
        write_rule(programs, rule);
    }
}

static void write_rule(struct route_programs *programs, const struct rule *rule)
{
    const struct rule *leaf = rule->op == RULE_NOT ? rule->left : rule;
    size_t at;

    if (rule->op == RULE_AND || rule->op == RULE_OR) {
        at = open_word(programs);
        write_rule_chain(programs, rule, rule->op);
        close_word(programs, at, rule->op == RULE_AND ? PROGRAM_AND : PROGRAM_OR);
    } else if (leaf->predicate == RULE_ANY) { /* nothing to do is true, no alternative is false */
        add_word(programs, PROGRAM_WORD(rule->op == RULE_NOT ? PROGRAM_OR : PROGRAM_AND, 0));
    } else {
        add_word(programs, PROGRAM_WORD(rule->op == RULE_NOT ? PROGRAM_NOT : PROGRAM_CHECK,
                                        check_number(programs, leaf)));
    }
}

static void write_term(struct route_programs *programs, const struct route_term *term);

static void write_term_chain(struct route_programs *programs, const struct route_term *term,
                             enum route_term_op op)
{
    if (term->op == op) {
        write_term_chain(programs, term->left, op);
        write_term_chain(programs, term->right, op);
    } else if (term->op == TERM_RULE && term->rule->op == (op == TERM_AND ? RULE_AND : RULE_OR)) {
        write_rule_chain(programs, term->rule, term->rule->op);
    } else {
        write_term(programs, term);
    }
}

static void write_term(struct route_programs *programs, const struct route_term *term)
{
    size_t at;

    switch (term->op) {
    case TERM_TRUE:
        add_word(programs, PROGRAM_WORD(PROGRAM_AND, 0));
        break;
    case TERM_RULE:
        write_rule(programs, term->rule);
        break;
    case TERM_AND:
    case TERM_OR:
        at = open_word(programs);
        write_term_chain(programs, term, term->op);
        close_word(programs, at, term->op == TERM_AND ? PROGRAM_AND : PROGRAM_OR);
        break;
    }
}

static bool program_is_same(const void *context, uint32_t number)
{
    const struct route_programs *programs = context;
    const struct route_program_span *span =
        (const struct route_program_span *)programs->starts.items + number;

    return span->count == programs->scratch.count &&
           memcmp((const uint32_t *)programs->words.items + span->first, programs->scratch.items,
                  span->count * sizeof(uint32_t)) == 0;
}

/* Position of the program that was written to scratch. */
static uint32_t keep_scratch(struct route_programs *programs)
{
    size_t count = programs->scratch.count;
    uint64_t hash = hash_bytes(0, programs->scratch.items, count * sizeof(uint32_t));
    bool fresh;
    uint32_t number = route_map_put(&programs->program_map, hash, program_is_same, programs, &fresh);

    if (fresh) {
        struct route_program_span *span = route_array_add(&programs->starts, sizeof(*span));

        span->first = (uint32_t)programs->words.count;
        span->count = (uint32_t)count;
        memcpy(route_array_add_many(&programs->words, sizeof(uint32_t), count), programs->scratch.items,
               count * sizeof(uint32_t));
    }
    return ((const struct route_program_span *)programs->starts.items)[number].first;
}

uint32_t route_program(struct route_programs *programs, const struct route_term *term)
{
    if (term->op == TERM_TRUE) {
        return 0;
    }
    if (term != programs->last) {
        programs->scratch.count = 0;
        write_term(programs, term);
        programs->last = term;
        programs->last_position = keep_scratch(programs);
    }
    return programs->last_position;
}

static uint32_t word_at(const struct route_programs *programs, uint32_t position)
{
    return ((const uint32_t *)programs->words.items)[position];
}

/* How many words the program at a position has. */
static uint32_t length_at(const struct route_programs *programs, uint32_t position)
{
    uint32_t word = word_at(programs, position);

    return 1 + (PROGRAM_OP(word) >= PROGRAM_AND ? PROGRAM_REST(word) : 0);
}

static void copy_words(struct route_programs *programs, uint32_t from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        add_word(programs, word_at(programs, from + i));
    }
}

size_t route_program_alternatives(struct route_programs *programs, uint32_t position, uint32_t *out,
                                  size_t max)
{
    uint32_t word = word_at(programs, position), end = position + length_at(programs, position),
             either = position;
    size_t count = 0;

    if (PROGRAM_OP(word) == PROGRAM_AND) { /* the first OR in it */
        for (either = position + 1; either < end && PROGRAM_OP(word_at(programs, either)) != PROGRAM_OR;) {
            either += length_at(programs, either);
        }
    }
    if (either >= end || PROGRAM_OP(word_at(programs, either)) != PROGRAM_OR) {
        return 0;
    }
    uint32_t either_end = either + length_at(programs, either);

    for (uint32_t at = either + 1; at < either_end; at += length_at(programs, at)) {
        count++;
    }
    if (count < 2 || count > max) {
        return 0;
    }
    count = 0;
    for (uint32_t at = either + 1; at < either_end; at += length_at(programs, at)) {
        programs->scratch.count = 0;
        if (either == position) {
            copy_words(programs, at, length_at(programs, at));
        } else {
            size_t open = open_word(programs);

            uint32_t flat = PROGRAM_OP(word_at(programs, at)) == PROGRAM_AND; /* joins the AND around */

            copy_words(programs, position + 1, either - position - 1);
            copy_words(programs, at + flat, length_at(programs, at) - flat);
            copy_words(programs, either_end, end - either_end);
            close_word(programs, open, PROGRAM_AND);
        }
        out[count++] = keep_scratch(programs);
    }
    return count;
}

size_t route_program_needs(const struct route_programs *programs, uint32_t position, uint32_t *checks,
                           size_t max)
{
    const uint32_t *words = programs->words.items;
    uint32_t word = words[position];
    size_t count = 0;

    if (PROGRAM_OP(word) == PROGRAM_CHECK) {
        checks[0] = PROGRAM_REST(word);
        return max ? 1 : 0;
    }
    if (PROGRAM_OP(word) != PROGRAM_AND) {
        return 0;
    }
    for (uint32_t at = 1; at <= PROGRAM_REST(word); at++) {
        uint32_t inner = words[position + at];

        if (PROGRAM_OP(inner) == PROGRAM_CHECK && count < max) {
            checks[count++] = PROGRAM_REST(inner);
        } else if (PROGRAM_OP(inner) >= PROGRAM_AND) {
            at += PROGRAM_REST(inner);
        }
    }
    return count;
}

void route_programs_init(struct route_programs *programs)
{
    *programs = (struct route_programs){0};
    /* position 0: always true */
    *(uint32_t *)route_array_add(&programs->words, sizeof(uint32_t)) = PROGRAM_WORD(PROGRAM_AND, 0);
}

void route_programs_free(struct route_programs *programs)
{
    free(programs->words.items);
    free(programs->checks.items);
    free(programs->starts.items);
    free(programs->scratch.items);
    route_map_free(&programs->check_map);
    route_map_free(&programs->program_map);
}
