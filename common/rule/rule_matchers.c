/*
 * rule_matchers.c - from Name(`value`, ...) to predicates: the table of v3 matchers and what both syntaxes
 * share.
 *
 * A new matcher is one function and one line of a table. Not here: the v2 matchers (rule_v2.c), those of
 * TCP (rule_tcp.c), Cookie (rule_cookie.c), the meaning of a predicate at request time (rule_match.c).
 */
#include "common/rule/rule_inner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int rule_error(const struct rule_call *call, struct error *why, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(why, -EINVAL, "column %u: %.*s: %s", call->column, SLICE_ARG(call->name), text);
}

struct rule *rule_new(const struct rule_call *call, enum rule_predicate predicate, struct slice name,
                      struct slice value)
{
    struct rule *rule = pool_zalloc(call->pool, sizeof(*rule));

    rule->op = RULE_PREDICATE;
    rule->predicate = predicate;
    rule->name = name;
    rule->value = value;
    rule->column = call->column;
    return rule;
}

int rule_new_regex(const struct rule_call *call, enum rule_predicate predicate, struct slice name,
                   struct slice pattern, struct rule **out, struct error *why)
{
    struct regex *regex = NULL;
    struct error inner = {{0}};

    if (regex_compile(pattern, false, &regex, &inner) < 0) {
        return rule_error(call, why, "%s", inner.text);
    }
    *out = rule_new(call, predicate, name, pool_copy(call->pool, pattern));
    (*out)->regex = regex;
    return 0;
}

bool rule_is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

struct slice rule_lower(struct pool *pool, struct slice s)
{
    char *copy = pool_alloc(pool, s.len + 1);

    for (size_t i = 0; i < s.len; i++) {
        copy[i] = (char)ascii_lower((unsigned char)s.ptr[i]);
    }
    return slice_of(copy, s.len);
}

struct slice rule_upper(struct pool *pool, struct slice s)
{
    char *copy = pool_alloc(pool, s.len + 1);

    for (size_t i = 0; i < s.len; i++) {
        copy[i] = s.ptr[i] >= 'a' && s.ptr[i] <= 'z' ? (char)(s.ptr[i] & ~0x20) : s.ptr[i];
    }
    return slice_of(copy, s.len);
}

int rule_build_client_ip(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct rule **rules = pool_alloc(call->pool, call->count * sizeof(struct rule *));

    for (size_t i = 0; i < call->count; i++) {
        struct error inner = {{0}};

        rules[i] = rule_new(call, RULE_CLIENT_IP, slice_of(NULL, 0), call->values[i]);
        if (!cidr_parse(call->values[i], &rules[i]->network, &inner)) {
            return rule_error(call, why, "%s", inner.text[0] ? inner.text : "not an address or CIDR range");
        }
    }
    *out = rule_join(call->pool, RULE_OR, rules, call->count);
    return 0;
}

static int build_method(const struct rule_call *call, struct rule **out, struct error *why)
{
    (void)why;
    *out = rule_new(call, RULE_METHOD, slice_of(NULL, 0), rule_upper(call->pool, call->values[0]));
    return 0;
}

static int build_host(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct slice host = call->values[0];

    if (slice_eq(host, SLICE("*"))) {
        *out = rule_new(call, RULE_ANY, slice_of(NULL, 0), slice_of(NULL, 0));
        return 0;
    }
    if (!rule_is_ascii(host)) {
        return rule_error(call, why,
                          "invalid value \"%.*s\", non-ASCII characters are not allowed: write the name in "
                          "punycode (xn--...)",
                          SLICE_ARG(slice_head(host, 100)));
    }
    host = rule_host_key(rule_lower(call->pool, host));
    if (host.len == 0 || host.ptr[0] != '*') {
        *out = rule_new(call, RULE_HOST, slice_of(NULL, 0), host);
    } else if (host.len == 1 || host.ptr[1] == '.') {
        *out = rule_new(call, RULE_HOST_SUFFIX, slice_of(NULL, 0), slice_from(host, 1));
    } else {
        /* "*foo": upstream compares whole labels only, so this one matches nothing */
        *out = rule_invert(call->pool, rule_new(call, RULE_ANY, slice_of(NULL, 0), slice_of(NULL, 0)));
    }
    return 0;
}

static int build_host_regexp(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct slice pattern = call->values[0];

    if (!rule_is_ascii(pattern)) {
        return rule_error(call, why, "invalid value \"%.*s\", non-ASCII characters are not allowed",
                          SLICE_ARG(slice_head(pattern, 100)));
    }
    int rc = rule_new_regex(call, RULE_HOST_REGEXP, slice_of(NULL, 0), pattern, out, why);

    if (rc == 0 && regex_match((*out)->regex, slice_of("", 0))) {
        /* upstream also tries the flattened name, which is empty: such a regexp matches every request */
        rule_free(*out);
        *out = rule_new(call, RULE_ANY, slice_of(NULL, 0), slice_of(NULL, 0));
    }
    return rc;
}

static int build_path_like(const struct rule_call *call, enum rule_predicate predicate, struct rule **out,
                           struct error *why)
{
    if (call->values[0].ptr[0] != '/') {
        return rule_error(call, why, "path \"%.*s\" does not start with a '/'",
                          SLICE_ARG(slice_head(call->values[0], 100)));
    }
    *out = rule_new(call, predicate, slice_of(NULL, 0), call->values[0]);
    return 0;
}

static int build_path(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_path_like(call, RULE_PATH, out, why);
}

static int build_path_prefix(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_path_like(call, RULE_PATH_PREFIX, out, why);
}

static int build_path_regexp(const struct rule_call *call, struct rule **out, struct error *why)
{
    return rule_new_regex(call, RULE_PATH_REGEXP, slice_of(NULL, 0), call->values[0], out, why);
}

static int build_header(const struct rule_call *call, struct rule **out, struct error *why)
{
    (void)why;
    *out = rule_new(call, RULE_HEADER, call->values[0], call->values[1]);
    return 0;
}

static int build_header_regexp(const struct rule_call *call, struct rule **out, struct error *why)
{
    return rule_new_regex(call, RULE_HEADER_REGEXP, call->values[0], call->values[1], out, why);
}

static int build_query(const struct rule_call *call, struct rule **out, struct error *why)
{
    (void)why;
    *out = rule_new(call, RULE_QUERY, call->values[0], call->count == 2 ? call->values[1] : slice_of("", 0));
    return 0;
}

static int build_query_regexp(const struct rule_call *call, struct rule **out, struct error *why)
{
    if (call->count == 1) {
        return build_query(call, out, why);
    }
    return rule_new_regex(call, RULE_QUERY_REGEXP, call->values[0], call->values[1], out, why);
}

static const struct rule_matcher matchers_v3[] = {
    {"ClientIP", RULE_V3, 1, 1, rule_build_client_ip},
    {"Method", RULE_V3, 1, 1, build_method},
    {"Host", RULE_V3, 1, 1, build_host},
    {"HostRegexp", RULE_V3, 1, 1, build_host_regexp},
    {"Path", RULE_V3, 1, 1, build_path},
    {"PathRegexp", RULE_V3, 1, 1, build_path_regexp},
    {"PathPrefix", RULE_V3, 1, 1, build_path_prefix},
    {"Header", RULE_V3, 2, 2, build_header},
    {"HeaderRegexp", RULE_V3, 2, 2, build_header_regexp},
    {"Cookie", RULE_V3, 2, 2, rule_build_cookie},
    {"Query", RULE_V3, 1, 2, build_query},
    {"QueryRegexp", RULE_V3, 1, 2, build_query_regexp},
};

/* Host, host, HOST or Host in title case: the spellings that upstream registers. */
static bool name_fits(const char *name, struct slice written)
{
    struct slice s = slice_cstr(name);

    if (!slice_eq_nocase(s, written)) {
        return false;
    }
    bool lower = true, upper = true, title = true, exact = slice_eq(s, written);

    for (size_t i = 0; i < written.len; i++) {
        bool is_lower = written.ptr[i] >= 'a';

        lower = lower && is_lower;
        upper = upper && !is_lower;
        title = title && is_lower == (i > 0);
    }
    return exact || lower || upper || title;
}

static const struct rule_matcher *find(const struct rule_matcher *table, size_t count, struct slice written)
{
    for (size_t i = 0; i < count; i++) {
        if (name_fits(table[i].name, written)) {
            return &table[i];
        }
    }
    return NULL;
}

/* Edit distance, letter case ignored; names are short. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned row[64];

    if (a.len >= ARRAY_LEN(row) || b.len >= ARRAY_LEN(row)) {
        return 99;
    }
    for (unsigned j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            bool same = ascii_lower((unsigned char)a.ptr[i - 1]) == ascii_lower((unsigned char)b.ptr[j - 1]);
            unsigned best = diagonal + (same ? 0 : 1);

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b.len];
}

static const char *nearest(const struct rule_matcher *table, size_t count, struct slice written)
{
    const char *best = NULL;
    unsigned best_distance = 4;

    for (size_t i = 0; i < count; i++) {
        unsigned d = distance(slice_cstr(table[i].name), written);

        if (d < best_distance) {
            best_distance = d;
            best = table[i].name;
        }
    }
    return best;
}

struct table {
    const struct rule_matcher *matchers;
    size_t count;
};

static struct table table_of(enum rule_syntax syntax)
{
    switch (syntax) {
    case RULE_V3:
        return (struct table){matchers_v3, ARRAY_LEN(matchers_v3)};
    case RULE_V2:
        return (struct table){rule_matchers_v2, rule_matchers_v2_count};
    case RULE_TCP_V3:
        return (struct table){rule_matchers_tcp_v3, rule_matchers_tcp_v3_count};
    case RULE_TCP_V2:
        break;
    }
    return (struct table){rule_matchers_tcp_v2, rule_matchers_tcp_v2_count};
}

/* Where a matcher belongs that the syntax does not know. */
static const char *elsewhere(enum rule_syntax syntax, struct slice name)
{
    static const struct {
        enum rule_syntax syntax;
        const char *text;
    } places[] = {
        {RULE_V3, " (it belongs to the v3 rule syntax)"},
        {RULE_V2, " (it belongs to the v2 rule syntax)"},
        {RULE_TCP_V3, " (it is for TCP routers)"},
    };
    bool tcp = syntax == RULE_TCP_V3 || syntax == RULE_TCP_V2;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct table table = table_of(places[i].syntax);

        if (places[i].syntax != syntax && find(table.matchers, table.count, name)) {
            return tcp ? " (it is for HTTP routers)" : places[i].text;
        }
    }
    return "";
}

static int unknown(const struct rule_call *call, enum rule_syntax syntax, struct error *why)
{
    struct table table = table_of(syntax);
    const char *guess = nearest(table.matchers, table.count, call->name);

    return error_set(why, -EINVAL, "column %u: unsupported function: %.*s%s%s%s%s", call->column,
                     SLICE_ARG(slice_head(call->name, 60)), guess ? ", did you mean " : "",
                     guess ? guess : "", guess ? "?" : "", elsewhere(syntax, call->name));
}

int rule_call_build(const struct rule_call *call, enum rule_syntax syntax, struct rule **out,
                    struct error *why)
{
    struct table table = table_of(syntax);
    const struct rule_matcher *matcher = find(table.matchers, table.count, call->name);

    if (!matcher) {
        return unknown(call, syntax, why);
    }
    if (call->count == 0) {
        return rule_error(call, why, "no value given");
    }
    for (size_t i = 0; i < call->count; i++) {
        if (call->values[i].len == 0) {
            return rule_error(call, why, "value %zu is empty", i + 1);
        }
    }
    if (matcher->max && (call->count < matcher->min || call->count > matcher->max)) {
        bool host_like = matcher->max == 1;

        return rule_error(call, why, "unexpected number of parameters; got %zu, expected %s%s", call->count,
                          matcher->min == 2   ? "2"
                          : matcher->max == 2 ? "1 or 2"
                                              : "1",
                          host_like ? ": join several with ||, as in Name(`a`) || Name(`b`)" : "");
    }
    return matcher->build(call, out, why);
}
