/*
 * rule.h - Traefik's rule language: parsing (v3 and v2 syntax) into a tree, and the plain evaluator.
 *
 * The tree is what the index builder (shm/routes) takes apart. rule_matches() is the naive truth that the
 * index must agree with; `weir explain` uses it too. v2 matchers are translated to the same predicates
 * (templates become anchored regexes), so nothing behind the parser knows of versions. Negations stand only
 * above predicates: the parser moves them down, as Traefik does.
 */
#ifndef WEIR_COMMON_RULE_RULE_H
#define WEIR_COMMON_RULE_RULE_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/slice.h"
#include "common/net/addr.h"

#define RULE_MAX_TEXT (128 * 1024) /* bytes of one rule */
#define RULE_MAX_NESTING 100       /* parentheses and negations inside each other */

enum rule_op { RULE_AND, RULE_OR, RULE_NOT, RULE_PREDICATE };

enum rule_predicate {
    RULE_ANY,         /* always true: Host(`*`) */
    RULE_HOST,        /* value: lower-case host, no port, no trailing dot */
    RULE_HOST_SUFFIX, /* value ".example.com": exactly one label more; empty value: one label alone */
    RULE_HOST_REGEXP, /* sees the host with a trailing dot, if it has one */
    RULE_PATH,
    RULE_PATH_PREFIX,
    RULE_PATH_REGEXP,
    RULE_METHOD,
    RULE_HEADER,
    RULE_HEADER_REGEXP, /* name, value: one of the header's values */
    RULE_QUERY,
    RULE_QUERY_REGEXP,       /* name, value: one of the parameter's values */
    RULE_QUERY_FIRST,        /* v2: name, value: the parameter's first value */
    RULE_QUERY_FIRST_REGEXP, /* v2: the regexp sees "name=first value", or nothing when it is absent */
    RULE_CLIENT_IP,          /* network */
    RULE_ALPN,               /* TCP: value: a protocol that the client offers; no HTTP request has it */
    RULE_PREDICATES
};

struct rule {
    enum rule_op op;
    struct rule *left, *right; /* AND, OR: both; NOT: left, which is a predicate */
    enum rule_predicate predicate;
    struct slice name, value; /* of the predicate; a regexp is kept in Go's syntax (see regex.h) */
    struct cidr network;
    struct regex *regex; /* compiled; lives in the pool's model as long as the rule; NULL for the others */
    uint32_t column;     /* from 1, in the rule text */
};

enum rule_syntax { RULE_V3, RULE_V2, RULE_TCP_V3, RULE_TCP_V2 };

/* *why: "column 12: unsupported function: Hst, did you mean Host?". The tree lives in the pool; its compiled
 * regexes must be given back by rule_free() before the pool goes. */
int rule_parse(struct pool *pool, struct slice text, enum rule_syntax syntax, struct rule **out,
               struct error *why);
void rule_free(struct rule *rule); /* NULL is fine */

/* All lower-case hosts named positively by Host(...) (for TLS domains later), "*.example.com" for
 * wildcards; list of struct slice. */
struct list;
void rule_hosts(struct pool *pool, const struct rule *rule, struct list *out);
/* Of a rule of a TCP router: the predicate of the first value of the first HostSNI(...), negated or not; NULL when there is
 * none. RULE_ANY stands for HostSNI(`*`). */
const struct rule *rule_first_sni(const struct rule *rule);

/* What a request looks like to a rule. Built by workers from an exchange, by `explain` from its arguments. */
struct rule_request {
    struct slice method;
    struct slice
        host; /* lower case, without port, IPv6 without brackets; a trailing dot does not matter to Host() */
    struct slice path;  /* as routed: see common/http/path.h */
    struct slice query; /* raw, without '?' */
    struct slice
        alpn; /* of a TLS connection, for TCP routers: as on the wire: length, name, length, name ... */
    struct address client;
    /* Calls visit for each value of the header (name in any case) until it returns true; returns what the
     * last visit returned, false when there is none. */
    bool (*header)(const struct rule_request *request, struct slice name, bool (*visit)(void *, struct slice),
                   void *);
    void *context;
    struct pool *scratch;        /* for long encoded query values; reset by the caller between lookups */
    struct regex_effort *effort; /* of all its expressions together; NULL: of each by itself */
};

/* False also when a regexp that decides the answer went past its limit: fails closed, under a negation too.
 * */
bool rule_matches(const struct rule *rule, const struct rule_request *request);

/* One predicate, by its parts: shared by rule_matches() and the arena's evaluator. */
enum rule_answer { RULE_NO, RULE_YES, RULE_UNKNOWN /* a regexp went past its limit */ };
struct regex;
enum rule_answer rule_predicate_test(enum rule_predicate predicate, struct slice name, struct slice value,
                                     const struct cidr *network, const struct regex *regex,
                                     const struct rule_request *request);

/* Parts of that, for the index: the host without one trailing dot, and what a wildcard compares (from the
 * first dot). */
struct slice rule_host_key(struct slice host);
struct slice rule_host_wildcard(struct slice host_key);
/* Calls visit for each decoded value of a query parameter, as Go's url.Query() would list them, until it
 * returns true. A value is good during its visit only. False when the scratch memory did not suffice. */
bool rule_query_values(const struct rule_request *request, struct slice name,
                       bool (*visit)(void *, struct slice), void *context);
/* Headers that Go takes out of the header map before routing: Header() never matches them. */
bool rule_header_hidden(struct slice name);

#endif
