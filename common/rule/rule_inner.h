/*
 * rule_inner.h - what the files of the rule parser share; nobody else includes it.
 *
 * rule_scan.c      text -> tokens, by the lexical rules of Go expressions
 * rule_parse.c     tokens -> tree: precedence, parentheses, negations moved down
 * rule_matchers.c  a matcher's name and arguments -> predicates (v3), and the choice of a table
 * rule_v2.c        the matchers of the v2 syntax with their {name:regexp} templates
 * rule_tcp.c       the matchers of TCP routers, of both syntaxes
 */
#ifndef WEIR_COMMON_RULE_RULE_INNER_H
#define WEIR_COMMON_RULE_RULE_INNER_H

#include "common/rule/regex.h"
#include "common/rule/rule.h"

enum rule_token_kind {
    TOKEN_END,
    TOKEN_BREAK, /* a line break where Go ends a statement */
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_OTHER, /* legal in Go, without meaning in a rule */
};

struct rule_token {
    enum rule_token_kind kind;
    uint32_t column;    /* from 1 */
    struct slice text;  /* as written */
    struct slice value; /* of a string: without quotes, escapes resolved */
};

struct rule_scanner {
    struct pool *pool;
    struct slice text;
    size_t at;
    bool statement_may_end; /* the last token was a name, a string or ')' */
};

/* The next token; -EINVAL with "column N: ..." for what is no token at all. */
int rule_scan(struct rule_scanner *scanner, struct rule_token *token, struct error *why);

struct rule_call { /* Name(`value`, ...) */
    struct pool *pool;
    struct slice name; /* as written */
    uint32_t column;
    struct slice *values;
    size_t count;
};

typedef int rule_matcher_build(const struct rule_call *call, struct rule **out, struct error *why);

struct rule_matcher {
    const char *name;
    enum rule_syntax syntax;
    uint8_t min, max; /* arguments; max 0: any number */
    rule_matcher_build *build;
};

/* Checks the arguments and builds the predicates. */
int rule_call_build(const struct rule_call *call, enum rule_syntax syntax, struct rule **out,
                    struct error *why);

struct rule *rule_new(const struct rule_call *call, enum rule_predicate predicate, struct slice name,
                      struct slice value);
/* A predicate with the regexp compiled into it. */
int rule_new_regex(const struct rule_call *call, enum rule_predicate predicate, struct slice name,
                   struct slice pattern, struct rule **out, struct error *why);
/* Joins count > 0 rules into a balanced tree; the order of evaluation stays. */
struct rule *rule_join(struct pool *pool, enum rule_op op, struct rule **rules, size_t count);
/* The opposite: negations moved down to the predicates. */
struct rule *rule_invert(struct pool *pool, struct rule *rule);
int rule_error(const struct rule_call *call, struct error *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool rule_is_ascii(struct slice s);
struct slice rule_lower(struct pool *pool, struct slice s);
struct slice rule_upper(struct pool *pool, struct slice s);
int rule_build_client_ip(const struct rule_call *call, struct rule **out, struct error *why);
int rule_build_cookie(const struct rule_call *call, struct rule **out, struct error *why);
/* v2: host names with {name:regexp} templates, any of them. */
int rule_build_host_template(const struct rule_call *call, struct rule **out, struct error *why);

extern const struct rule_matcher rule_matchers_v2[];
extern const size_t rule_matchers_v2_count;
extern const struct rule_matcher rule_matchers_tcp_v3[], rule_matchers_tcp_v2[];
extern const size_t rule_matchers_tcp_v3_count, rule_matchers_tcp_v2_count;

#endif
