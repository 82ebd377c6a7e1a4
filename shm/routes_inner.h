/*
 * routes_inner.h - the routes page as it is stored: shared by builder, checker and reader, by nobody else.
 *
 *   hosts        every host named by a rule: exact, wildcard (compared from the host's first dot), and "any"; those of
 *                a layer apart from those of entry points and of other layers
 *   nodes        (owner, kind, bytes) -> list of candidates. Owner is a host or a group; kinds:
 *                  PREFIX, EXACT   a path below a host        ALL     every path of a host (no bytes)
 *                  VALUE           a value in a group         GRAM    3 or 4 bytes of a literal in a group
 *   candidates   router, what is left to check, where it is served; ascending, a list ends the walk early
 *   groups       the sub-index of a long list: candidates told apart by a header, query or method value, or
 *                by a literal that their regexp needs
 *   programs     what is left to check: words of an operator and a count, prefix order; leaves are checks
 *
 * Slots are open addressing with linear probing, at most half full; a slot holds the upper half of the hash
 * and a number + 1, so a foreign entry is read only on a true collision.
 */
#ifndef WEIR_SHM_ROUTES_INNER_H
#define WEIR_SHM_ROUTES_INNER_H

#include "common/base/hash.h"
#include "shm/routes.h"

#define ROUTES_MAX_DEPTH 256   /* operators inside each other in a program */
#define ROUTES_LONG_LIST 16    /* candidates with something left to check: more get groups */
#define ROUTES_MAX_GROUPS 16   /* of one list */
#define ROUTES_MAX_LITERAL 255 /* bytes of a literal that are compared */
#define ROUTES_PATH_SEED 0xcbf29ce484222325ULL

enum route_host_kind { HOST_EXACT, HOST_SUFFIX, HOST_ANY };
enum route_node_kind { NODE_ALL, NODE_PREFIX, NODE_EXACT, NODE_VALUE, NODE_GRAM };
enum route_group_kind {
    GROUP_METHOD,
    GROUP_HEADER,
    GROUP_QUERY,
    GROUP_PATH_GRAM,
    GROUP_HOST_GRAM,
    GROUP_HEADER_GRAM,
    GROUP_QUERY_GRAM
};

struct route_slot {
    uint32_t tag;    /* upper half of the hash */
    uint32_t number; /* + 1; 0: free */
};

struct route_host {
    uint64_t text;
    uint32_t len;
    uint32_t kind;
    uint32_t lengths_first, lengths_count; /* distinct lengths of its path prefixes, ascending */
    uint32_t all;                          /* node for every path, + 1 */
    uint32_t has_exact;                    /* 1: some exact path is indexed */
    uint32_t layer;                        /* 0: of entry points */
    uint32_t unused;
};

struct route_candidate {
    uint32_t router;
    uint32_t program; /* position in programs */
    uint32_t guard;   /* set of entry points << 1 | tls; GUARD_NONE: in a layer, which is guard enough */
};

struct route_gram {
    struct route_candidate candidate;
    uint16_t len; /* of the literal */
    uint16_t at;  /* of the gram in it */
    uint64_t literal;
};

#define GUARD_NONE UINT32_MAX

#define NODE_LIST 0x80000000u /* in count: `list` is meant, not `one` */

struct route_node {
    uint64_t text;
    uint32_t len;
    uint32_t owner; /* number << 3 | enum route_node_kind */
    uint32_t count; /* candidates (grams for NODE_GRAM), perhaps with NODE_LIST */
    union {
        struct route_candidate one; /* the usual case needs no further step */
        struct {
            uint32_t first;
            uint32_t groups_first, groups_count;
        } list;
    };
};

struct route_group {
    struct slice name; /* of a header or query parameter */
    uint32_t kind;
    uint32_t owner; /* of its nodes */
    uint32_t gram;  /* 3 or 4; 0 for values */
    uint32_t first; /* smallest router in it */
};

struct route_check {
    struct slice name, value;
    struct regex_text regex; /* pattern empty when the predicate needs none */
    struct cidr network;
    uint8_t predicate;
};

/* Words of a program: operator in the upper two bits. */
#define PROGRAM_CHECK 0u /* number of a check */
#define PROGRAM_NOT 1u   /* number of a check, negated */
#define PROGRAM_AND 2u   /* how many words follow that belong to it */
#define PROGRAM_OR 3u
#define PROGRAM_WORD(op, rest) ((uint32_t)(op) << 30 | (uint32_t)(rest))
#define PROGRAM_OP(word) ((word) >> 30)
#define PROGRAM_REST(word) ((word)&0x3fffffffu)

struct routes_root {
    struct list routes;     /* struct route */
    struct list sets;       /* uint64_t: bit maps of entry points, set_words each */
    struct list hosts;      /* struct route_host; number 0 is "any" */
    struct list host_slots; /* struct route_slot, a power of two */
    struct list lengths;    /* uint32_t */
    struct list nodes;      /* struct route_node */
    struct list node_slots; /* struct route_slot, a power of two */
    struct list candidates; /* struct route_candidate */
    struct list groups;     /* struct route_group */
    struct list grams;      /* struct route_gram */
    struct list programs;   /* uint32_t; position 0 is always true */
    struct list checks;     /* struct route_check */
    uint32_t set_words;
    uint32_t suffix_hosts; /* how many of the hosts are of HOST_SUFFIX */
};

static inline uint64_t route_host_hash(uint32_t layer, enum route_host_kind kind, struct slice text)
{
    return hash_slice((uint64_t)layer << 8 | ((uint64_t)kind + 1), text);
}

static inline uint64_t route_path_hash(struct slice path)
{
    uint64_t state = ROUTES_PATH_SEED;

    for (size_t i = 0; i < path.len; i++) {
        state = hash_step(state, (unsigned char)path.ptr[i]);
    }
    return state;
}

/* state: route_path_hash() of the bytes. */
static inline uint64_t route_node_hash(uint64_t state, uint32_t owner)
{
    return hash_finish(state + owner * 0x9e3779b97f4a7c15ULL);
}

static inline uint64_t route_gram_state(const char *at, uint32_t size)
{
    uint32_t word = 0;

    memcpy(&word, at, size == 4 ? 4 : 3);
    return ROUTES_PATH_SEED ^ ((uint64_t)word * 0x100000001b3ULL);
}

#endif
