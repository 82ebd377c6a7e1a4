/*
 * regex_tree.h - a regular expression as a tree; between the files of the regex layer only.
 *
 * regex_parse.c     Go's syntax -> tree
 * regex_repeat.c    the part of it that repeats: *, +, ?, {2,5}
 * regex_class.c     the part of it between [ and ], and \p{...}
 * regex_utf8.c      characters
 * regex_write.c     tree -> PCRE2's syntax
 * regex_literals.c  tree -> texts that every match must contain
 * regex.c           compiling and matching; regex_replace.c replacing
 */
#ifndef WEIR_COMMON_RULE_REGEX_TREE_H
#define WEIR_COMMON_RULE_REGEX_TREE_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/slice.h"
#include "common/base/text.h"

#define REGEX_MAX_PATTERN (64 * 1024)
#define REGEX_MAX_NESTING 250
#define REGEX_MAX_CAPTURES 255 /* groups, the whole match not counted */

enum regex_op {
    REGEX_EMPTY,
    REGEX_LITERAL,    /* rune */
    REGEX_CLASS,      /* class */
    REGEX_ANY,        /* . with (?s) */
    REGEX_ANY_NOT_LF, /* . */
    REGEX_BEGIN_TEXT,
    REGEX_END_TEXT,
    REGEX_BEGIN_LINE,
    REGEX_END_LINE,
    REGEX_WORD_BOUNDARY,
    REGEX_NO_WORD_BOUNDARY,
    REGEX_CAPTURE,   /* one sub, number `capture` */
    REGEX_REPEAT,    /* one sub, min..max (-1: no end), lazy */
    REGEX_CONCAT,    /* subs */
    REGEX_ALTERNATE, /* subs */
};

enum regex_item_kind {
    ITEM_RANGE,   /* low..high */
    ITEM_PERL,    /* text "d", "D", "s", "S", "w", "W" */
    ITEM_POSIX,   /* text "[:alpha:]", "[:^alpha:]" */
    ITEM_UNICODE, /* text: PCRE2's name */
};

struct regex_item {
    enum regex_item_kind kind;
    bool negated;
    uint32_t low, high;
    struct slice text;
};

struct regex_class {
    bool negated;
    struct regex_item *items;
    size_t count, capacity;
};

struct regex_node {
    enum regex_op op;
    bool fold; /* (?i) in force: literals and classes */
    bool lazy;
    bool has_fold, has_exact; /* set by the writer: letters below that ignore case, that do not */
    uint32_t rune;
    int min, max;
    unsigned capture;
    struct regex_class *class;
    struct regex_node **subs;
    size_t count, capacity;
};

struct regex_tree {
    struct regex_node *root;
    struct slice *names; /* of the captures, by number from 0 (always empty); unnamed ones empty */
    size_t captures;     /* without the whole match */
};

enum regex_flags { FLAG_FOLD = 1, FLAG_LINES = 2, FLAG_DOT_LF = 4, FLAG_LAZY = 8 };

struct regex_parser {
    struct pool *pool;
    struct slice whole, rest;
    unsigned flags, depth;
    struct regex_tree *tree;
    size_t names_capacity;
    struct error *why;
};

/* Everything lives in the pool. -EINVAL with Go's words. */
int regex_parse(struct pool *pool, struct slice pattern, struct regex_tree *out, struct error *why);
/* The tree in PCRE2's syntax. Returns true when the whole is to be compiled caseless. */
bool regex_write(const struct regex_tree *tree, struct text *out);

/* ---- inside the parser ---- */
int regex_fail(struct regex_parser *p, const char *what, struct slice where);
/* Cuts one rune off p->rest. */
int regex_next_rune(struct regex_parser *p, uint32_t *rune);
/* A single-character escape at p->rest ("\." "\x{7f}"). */
int regex_parse_escape(struct regex_parser *p, uint32_t *rune);
/* [...] at p->rest. */
int regex_parse_class(struct regex_parser *p, struct regex_node **out);
/* \pL, \p{Greek}, \d and their like at p->rest: *found says whether there was one. */
int regex_parse_class_escape(struct regex_parser *p, struct regex_class *class, bool *found);
/* *, +, ? or {...} at p->rest, for the last of concat. *last: where the repetition directly before began; two in a row are
 * refused. *handled false: a brace that is a literal. */
int regex_parse_repeat(struct regex_parser *p, struct regex_node *concat, struct slice *last, bool *handled);
struct regex_node *regex_node(struct regex_parser *p, enum regex_op op);
void regex_add(struct regex_parser *p, struct regex_node *parent, struct regex_node *sub);
/* What has been read since `before`. */
struct slice regex_since(const struct regex_parser *p, struct slice before);

/* Length of the UTF-8 sequence at text and its rune; 0 when malformed or at the end. */
size_t regex_decode(struct slice text, uint32_t *rune);
/* UTF-8 of a rune; returns the length. */
size_t regex_encode(uint32_t rune, char out[4]);

#endif
