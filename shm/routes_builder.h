/*
 * routes_builder.h - what the files of the routes builder share; nobody else includes it.
 *
 *   routes_cover.c    a rule -> places in the index (host, path), each with what is left to check there
 *   routes_program.c  what is left to check -> words and checks, equal ones stored once
 *   routes_build.c    order of precedence, hosts, nodes, lists
 *   routes_group.c    long lists are cut up by values and literals
 *   routes_layout.c   all of it as tables of the page
 */
#ifndef WEIR_SHM_ROUTES_BUILDER_H
#define WEIR_SHM_ROUTES_BUILDER_H

#include "shm/routes_inner.h"

/* ---- a growing array and a set of numbered things, for building only ---- */
struct route_array {
    void *items;
    size_t count, capacity, size;
};
void *route_array_add(struct route_array *array, size_t item_size); /* a zeroed item at the end */
void *route_array_add_many(struct route_array *array, size_t item_size, size_t count);

struct route_map { /* hash -> number; the caller keeps the things themselves */
    uint32_t *slots;
    uint64_t *hashes; /* by number */
    size_t slot_count, count, capacity;
};
/* The number of the thing, an old one when same() says so, else the next (then *fresh is true). */
uint32_t route_map_put(struct route_map *map, uint64_t hash,
                       bool (*same)(const void *context, uint32_t number), const void *context, bool *fresh);
void route_map_free(struct route_map *map);

/* ---- cover ---- */
enum route_path_kind { PATH_KEY_ALL, PATH_KEY_PREFIX, PATH_KEY_EXACT };

enum route_term_op { TERM_TRUE, TERM_RULE, TERM_AND, TERM_OR };
struct route_term { /* what is left to check */
    enum route_term_op op;
    const struct rule *rule;
    const struct route_term *left, *right;
};

struct route_place {
    enum route_host_kind host_kind;
    enum route_path_kind path_kind;
    struct slice host, path;
    const struct route_term *left; /* to check */
};

#define COVER_MAX_PLACES 4096 /* of one rule: beyond that it goes under any host and path as a whole */
#define COVER_MAX_PRODUCT 256 /* places that an AND of two alternatives may give */

struct route_cover {
    struct route_place *places;
    size_t count;
};
/* The rule matches exactly when the request is at one of the places and what is left there matches. */
void route_cover(struct pool *pool, const struct rule *rule, struct route_cover *out);
/* The rule as a whole under any host and path. */
void route_cover_whole(struct pool *pool, const struct rule *rule, struct route_cover *out);

/* ---- programs ---- */
struct route_build_check { /* as stored later; texts still point at the rule */
    enum rule_predicate predicate;
    struct slice name, value;
    struct cidr network;
};

struct route_programs {
    struct route_array words;  /* uint32_t */
    struct route_array checks; /* struct route_build_check */
    struct route_map check_map, program_map;
    struct route_array starts; /* struct route_program_span, by number in program_map */
    struct route_array scratch;
    const struct route_term *last; /* and where it went */
    uint32_t last_position;
};
void route_programs_init(struct route_programs *programs);
void route_programs_free(struct route_programs *programs);
/* Position of the program; an equal one is stored once. `last` must be forgotten when terms die. */
uint32_t route_program(struct route_programs *programs, const struct route_term *term);
/* The checks that must hold for the program to hold (not negated): fills up to max numbers. */
size_t route_program_needs(const struct route_programs *programs, uint32_t position, uint32_t *checks,
                           size_t max);
/* Where a program holds when one of several others does: fills their positions, 2 to max; 0 when it has no
 * such form. */
size_t route_program_alternatives(struct route_programs *programs, uint32_t position, uint32_t *out,
                                  size_t max);

/* ---- the build ---- */
struct route_entry { /* one place of one router */
    uint32_t node;
    struct route_candidate candidate;
};

struct route_build_host {
    uint32_t layer;
    enum route_host_kind kind;
    struct slice text;
    uint32_t router; /* whose texts it is part of */
};

struct route_build_node {
    uint32_t owner; /* with the kind */
    struct slice text;
    uint32_t router;
    uint32_t first, count; /* in the entries sorted by node, or in grams */
    uint32_t groups_first, groups_count;
    struct route_candidate one; /* with single */
    bool gram, single;
};

struct route_build_group {
    enum route_group_kind kind;
    struct slice name;
    uint32_t gram, first;
};

struct route_build_gram {
    struct route_candidate candidate;
    struct slice literal;
    uint32_t at;
};

struct route_build {
    struct page_builder *page;
    struct pool *pool; /* lives for the whole build */
    struct route_programs programs;
    struct route_array hosts; /* struct route_build_host */
    struct route_map host_map;
    struct route_array nodes; /* struct route_build_node */
    struct route_map node_map;
    struct route_array entries;    /* struct route_entry, then sorted by node */
    struct route_array candidates; /* struct route_candidate, for the page */
    struct route_array groups;     /* struct route_build_group */
    struct route_array grams;      /* struct route_build_gram */
};
/* The node's number. state: route_path_hash() of the text, or route_gram_state(). */
uint32_t route_build_node(struct route_build *build, uint32_t owner, enum route_node_kind kind,
                          struct slice text, uint64_t state, uint32_t router);
/* Owner number of a group's nodes: behind the hosts. */
uint32_t route_group_owner(const struct route_build *build, uint32_t group);
/* Takes a node's ascending candidates; stores them as a list, or as groups and a shorter list. */
void route_build_list(struct route_build *build, uint32_t node, const struct route_candidate *candidates,
                      size_t count);

/* ---- the layout ---- */
struct route_span {
    uint32_t first, count;
};

/* A list of numbers stored once: entry points, middlewares. */
struct route_number_lists {
    struct route_array numbers; /* uint32_t */
    struct route_array spans;   /* struct route_span */
    struct route_map map;
};

struct route_layout {
    struct route_build *build;
    const struct route_input *routers;
    const uint32_t *order;
    size_t count;
    uint64_t texts;    /* offset of all names and rules, one after the other */
    uint64_t *text_of; /* by position in the order: where its rule lies */
    struct route_number_lists sets, chains;
    struct route_map text_map;        /* texts of keys, so that equal ones lie in one place */
    struct route_array texts_of_keys; /* struct key */
    uint32_t *set_of, *chain_of;      /* by position in the order */
};

/* Writes every table of a finished build into the page, which it gets as its root. */
void route_layout_write(struct route_layout *l);

#endif
