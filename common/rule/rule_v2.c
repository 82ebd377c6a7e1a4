/*
 * rule_v2.c - the matchers of the v2 rule syntax: several values (any of them for hosts, paths, methods;
 * all of them for headers and queries) and {name:regexp} templates as gorilla/mux reads them.
 *
 * A template becomes an anchored regexp; a text without braces becomes the plain predicate it is equal to.
 */
#include "common/rule/rule_inner.h"

#include <errno.h>

enum template_kind { TEMPLATE_PATH, TEMPLATE_PREFIX, TEMPLATE_HOST, TEMPLATE_QUERY };

struct template
{
    struct slice pattern; /* Go syntax, anchored */
    struct slice *names;  /* of the variables */
    size_t count, capacity;
};

struct writer { /* a pattern being written into memory of the pool */
    char *ptr;
    size_t len, size;
    struct pool *pool;
};

static void write_text(struct writer *w, struct slice s)
{
    if (w->size - w->len < s.len) {
        size_t size = (w->size + s.len) * 2 + 64;
        char *grown = pool_alloc(w->pool, size);

        if (w->len) {
            memcpy(grown, w->ptr, w->len);
        }
        w->ptr = grown;
        w->size = size;
    }
    if (s.len) {
        memcpy(w->ptr + w->len, s.ptr, s.len);
        w->len += s.len;
    }
}

static void write_quoted(struct writer *w, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] && strchr("\\.+*?()|[]{}^$", s.ptr[i])) {
            write_text(w, SLICE("\\"));
        }
        write_text(w, slice_of(s.ptr + i, 1));
    }
}

/* The end (behind the brace) of the variable that starts at `from`; 0 when braces are not balanced. */
static size_t variable_end(struct slice text, size_t from)
{
    unsigned level = 0;

    for (size_t i = from; i < text.len; i++) {
        if (text.ptr[i] == '{') {
            level++;
        } else if (text.ptr[i] == '}' && --level == 0) {
            return i + 1;
        }
    }
    return 0;
}

static int add_variable(const struct rule_call *call, enum template_kind kind, struct slice inside,
                        struct template *t, struct writer *w, struct error *why)
{
    struct slice pattern = inside, name = slice_split(&pattern, ':');
    struct regex *regex = NULL;
    struct error inner = {{0}};
    struct writer alone = {.pool = call->pool};

    if (!pattern.ptr) {
        pattern = kind == TEMPLATE_QUERY  ? SLICE(".*")
                  : kind == TEMPLATE_HOST ? SLICE("[^.]+")
                                          : SLICE("[^/]+");
    }
    if (name.len == 0 || pattern.len == 0) {
        return rule_error(call, why, "missing name or pattern in {%.*s}", SLICE_ARG(slice_head(inside, 100)));
    }
    /* by itself it must be a regexp too: "{a:x)(y}" is none */
    write_text(&alone, SLICE("^"));
    write_text(&alone, pattern);
    write_text(&alone, SLICE("$"));
    if (regex_compile(slice_of(alone.ptr, alone.len), false, &regex, &inner) < 0) {
        return rule_error(call, why, "in {%.*s}: %s", SLICE_ARG(slice_head(inside, 100)), inner.text);
    }
    regex_free(regex);
    write_text(w, SLICE("("));
    write_text(w, pattern);
    write_text(w, SLICE(")"));
    t->names = pool_grow(call->pool, t->names, t->count, &t->capacity, sizeof(struct slice));
    t->names[t->count++] = name;
    return 0;
}

static int template_build(const struct rule_call *call, enum template_kind kind, struct slice text,
                          struct template *t, struct error *why)
{
    struct writer w = {.pool = call->pool};
    size_t from = 0;

    *t = (struct template){0};
    write_text(&w, kind == TEMPLATE_HOST ? SLICE("(?i)^") : SLICE("^"));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '}') {
            return rule_error(call, why, "unbalanced braces in \"%.*s\"", SLICE_ARG(slice_head(text, 100)));
        }
        if (text.ptr[i] != '{') {
            continue;
        }
        size_t end = variable_end(text, i);

        if (end == 0) {
            return rule_error(call, why, "unbalanced braces in \"%.*s\"", SLICE_ARG(slice_head(text, 100)));
        }
        write_quoted(&w, slice_head(slice_from(text, from), i - from));

        int rc = add_variable(call, kind, slice_head(slice_from(text, i + 1), end - i - 2), t, &w, why);

        if (rc < 0) {
            return rc;
        }
        from = end;
        i = end - 1;
    }
    write_quoted(&w, slice_from(text, from));
    if (kind == TEMPLATE_QUERY && slice_find(text, '=') == (ptrdiff_t)text.len - 1) {
        write_text(&w, SLICE(".*"));
    }
    if (kind != TEMPLATE_PREFIX) {
        write_text(&w, SLICE("$"));
    }
    t->pattern = slice_of(w.ptr, w.len);
    return 0;
}

static int join_or_free(const struct rule_call *call, enum rule_op op, struct rule **rules, size_t count,
                        int rc, struct rule **out)
{
    if (rc < 0) {
        for (size_t i = 0; i < count; i++) {
            rule_free(rules[i]);
        }
        return rc;
    }
    *out = rule_join(call->pool, op, rules, count);
    return 0;
}

static struct rule **new_rules(const struct rule_call *call)
{
    return pool_zalloc(call->pool, call->count * sizeof(struct rule *));
}

/* One host regexp, path or path prefix. */
static int build_templated(const struct rule_call *call, enum template_kind kind, enum rule_predicate plain,
                           enum rule_predicate regexp, struct slice text, struct rule **out,
                           struct error *why)
{
    struct template t;
    int rc;

    if (kind != TEMPLATE_HOST && text.ptr[0] != '/') {
        return rule_error(call, why, "path must start with a slash, got \"%.*s\"",
                          SLICE_ARG(slice_head(text, 100)));
    }
    if (kind == TEMPLATE_HOST && !rule_is_ascii(text)) {
        return rule_error(call, why, "invalid value \"%.*s\", non-ASCII characters are not allowed",
                          SLICE_ARG(slice_head(text, 100)));
    }
    if ((rc = template_build(call, kind, text, &t, why)) < 0) {
        return rc;
    }
    if (t.count == 0 && kind != TEMPLATE_HOST) {
        *out = rule_new(call, plain, slice_of(NULL, 0), text);
        return 0;
    }
    return rule_new_regex(call, regexp, slice_of(NULL, 0), t.pattern, out, why);
}

static int build_any_templated(const struct rule_call *call, enum template_kind kind,
                               enum rule_predicate plain, enum rule_predicate regexp, struct rule **out,
                               struct error *why)
{
    struct rule **rules = new_rules(call);
    int rc = 0;

    for (size_t i = 0; i < call->count && rc == 0; i++) {
        rc = build_templated(call, kind, plain, regexp, call->values[i], &rules[i], why);
    }
    return join_or_free(call, RULE_OR, rules, call->count, rc, out);
}

static int build_host(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct rule **rules = new_rules(call);

    for (size_t i = 0; i < call->count; i++) {
        struct slice host = call->values[i];

        if (!rule_is_ascii(host)) {
            return rule_error(call, why,
                              "invalid value \"%.*s\", non-ASCII characters are not allowed: write the name "
                              "in punycode (xn--...)",
                              SLICE_ARG(slice_head(host, 100)));
        }
        rules[i] = rule_new(call, RULE_HOST, slice_of(NULL, 0), rule_host_key(rule_lower(call->pool, host)));
    }
    *out = rule_join(call->pool, RULE_OR, rules, call->count);
    return 0;
}

int rule_build_host_template(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_any_templated(call, TEMPLATE_HOST, RULE_HOST, RULE_HOST_REGEXP, out, why);
}

static int build_path(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_any_templated(call, TEMPLATE_PATH, RULE_PATH, RULE_PATH_REGEXP, out, why);
}

static int build_path_prefix(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_any_templated(call, TEMPLATE_PREFIX, RULE_PATH_PREFIX, RULE_PATH_REGEXP, out, why);
}

static int build_method(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct rule **rules = new_rules(call);

    (void)why;
    for (size_t i = 0; i < call->count; i++) {
        rules[i] = rule_new(call, RULE_METHOD, slice_of(NULL, 0), rule_upper(call->pool, call->values[i]));
    }
    *out = rule_join(call->pool, RULE_OR, rules, call->count);
    return 0;
}

/* Name and value in turn, all must match; of a name given twice the last value counts. */
static int build_header_pairs(const struct rule_call *call, bool regexp, struct rule **out, struct error *why)
{
    struct rule **rules = new_rules(call);
    size_t count = 0;
    int rc = 0;

    if (call->count % 2) {
        return rule_error(call, why, "number of parameters must be multiple of 2 (name, value, ...), got %zu",
                          call->count);
    }
    for (size_t i = 0; i < call->count && rc == 0; i += 2) {
        struct slice name = call->values[i], value = call->values[i + 1];
        bool again = false;

        for (size_t j = i + 2; j < call->count; j += 2) {
            again = again || slice_eq(call->values[j], name);
        }
        if (regexp) {
            rc = rule_new_regex(call, RULE_HEADER_REGEXP, name, value, &rules[count], why);
        } else {
            rules[count] = rule_new(call, RULE_HEADER, name, value);
        }
        if (rc == 0 && again) {
            rule_free(rules[count]);
        } else if (rc == 0) {
            count++;
        }
    }
    return join_or_free(call, RULE_AND, rules, count, rc, out);
}

static int build_headers(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_header_pairs(call, false, out, why);
}

static int build_headers_regexp(const struct rule_call *call, struct rule **out, struct error *why)
{
    return build_header_pairs(call, true, out, why);
}

static int build_query_pair(const struct rule_call *call, struct slice key, struct slice value,
                            struct template *t, struct rule **out, struct error *why)
{
    struct writer w = {.pool = call->pool};

    write_text(&w, key);
    write_text(&w, SLICE("="));
    write_text(&w, value);

    struct slice text = slice_of(w.ptr, w.len);
    int rc = template_build(call, TEMPLATE_QUERY, text, t, why);

    if (rc < 0) {
        return rc;
    }
    struct slice rest = text, name = slice_split(&rest, '=');

    if (t->count == 0 && rest.len > 0) {
        *out = rule_new(call, RULE_QUERY_FIRST, name, rest);
        return 0;
    }
    return rule_new_regex(call, RULE_QUERY_FIRST_REGEXP, name, t->pattern, out, why);
}

static int build_query(const struct rule_call *call, struct rule **out, struct error *why)
{
    size_t count = 0, made = 0;
    struct slice *parts = pool_alloc(call->pool, 2 * call->count * sizeof(*parts));
    struct rule **rules = new_rules(call);
    struct template *templates = pool_zalloc(call->pool, call->count * sizeof(*templates));
    int rc = 0;

    for (size_t i = 0; i < call->count; i++) { /* "a=b" gives two parts, "a" one */
        struct slice rest = call->values[i];

        parts[count++] = slice_split(&rest, '=');
        if (rest.ptr) {
            parts[count++] = rest;
        }
    }
    if (count % 2) {
        return rule_error(call, why, "a value must be name=value");
    }
    for (size_t i = 0; i < count && rc == 0; i += 2, made++) {
        rc = build_query_pair(call, parts[i], parts[i + 1], &templates[made], &rules[made], why);
        for (size_t j = 0; j < made && rc == 0; j++) {
            for (size_t a = 0; a < templates[made].count * templates[j].count && rc == 0; a++) {
                struct slice one = templates[made].names[a / templates[j].count];

                if (slice_eq(one, templates[j].names[a % templates[j].count])) {
                    rc = rule_error(call, why, "duplicated route variable \"%.*s\"",
                                    SLICE_ARG(slice_head(one, 100)));
                }
            }
        }
    }
    return join_or_free(call, RULE_AND, rules, made, rc, out);
}

const struct rule_matcher rule_matchers_v2[] = {
    {"Host", RULE_V2, 1, 0, build_host},
    {"HostHeader", RULE_V2, 1, 0, build_host},
    {"HostRegexp", RULE_V2, 1, 0, rule_build_host_template},
    {"ClientIP", RULE_V2, 1, 0, rule_build_client_ip},
    {"Path", RULE_V2, 1, 0, build_path},
    {"PathPrefix", RULE_V2, 1, 0, build_path_prefix},
    {"Method", RULE_V2, 1, 0, build_method},
    {"Headers", RULE_V2, 1, 0, build_headers},
    {"HeadersRegexp", RULE_V2, 1, 0, build_headers_regexp},
    {"Query", RULE_V2, 1, 0, build_query},
};
const size_t rule_matchers_v2_count = ARRAY_LEN(rule_matchers_v2);
