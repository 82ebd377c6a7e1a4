/*
 * kubernetes_legacy_rule.c - the rule of a frontend of Traefik 1, and how its path is rewritten on the way.
 *
 * rule-type says how the path is compared (Path, PathPrefix) and whether it is cut off (PathStrip, PathPrefixStrip).
 * request-modifier, rewrite-target and the old rule-type ReplacePath rewrite it. Paths may hold templates
 * ({name}, {id:[0-9]+}): these are the syntax v2 of today's rules.
 *
 * The default priority is what it was: the length of the rules as Traefik 1 wrote them.
 */
#include "common/base/text.h"
#include "master/provider/kubernetes_legacy.h"

#define SUBDOMAIN "{subdomain:[A-Za-z0-9-_]+}"

struct rule_type {
    const char *name, *matcher; /* matcher NULL: any path */
    bool strips;
};

static const struct rule_type types[] = {
    {"PathPrefix", "PathPrefix", false},
    {"PathPrefixStrip", "PathPrefix", true},
    {"Path", "Path", false},
    {"PathStrip", "Path", true},
    {"ReplacePath", NULL, false},
};

static const struct doc *annotations_of(const struct legacy_frontend *frontend)
{
    return frontend->parts[0]->ingress->annotations;
}

/* When nothing is written the pathType counts, which Traefik 1 did not know; NULL with an error. */
static const struct rule_type *type_of(struct k8s *k8s, struct legacy_frontend *frontend)
{
    const struct k8s_place *place = &frontend->parts[0]->ingress->place;
    struct slice written = legacy_text(annotations_of(frontend), "rule-type");

    if (written.len == 0) {
        written =
            slice_eq(frontend->parts[0]->path_type, SLICE("Exact")) ? SLICE("Path") : SLICE("PathPrefix");
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (slice_eq(written, slice_cstr(types[i].name))) {
            return &types[i];
        }
    }
    struct k8s_place at = legacy_place(k8s, place, annotations_of(frontend), "rule-type");

    k8s_error(
        k8s, &at, &frontend->errors, true,
        "\"%.*s\" is none of PathPrefix, PathPrefixStrip, Path, PathStrip, ReplacePath (what rewrites a "
        "path is written in request-modifier)",
        SLICE_ARG(written));
    return NULL;
}

static bool templated(struct slice path)
{
    return slice_find(path, '{') >= 0;
}

static struct slice regexp_quoted(struct pool *pool, struct slice text)
{
    char *out = pool_alloc(pool, 2 * text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] && strchr("\\.+*?()|[]{}^$", text.ptr[i])) {
            out[len++] = '\\';
        }
        out[len++] = text.ptr[i];
    }
    return slice_of(out, len);
}

/* ---- the rule ---- */

/* What Traefik 1 would have written, for its length. */
static int64_t old_length(struct k8s *k8s, const struct legacy_frontend *frontend,
                          const struct rule_type *type)
{
    const struct doc *annotations = annotations_of(frontend);
    struct slice host = frontend->host, target = legacy_text(annotations, "rewrite-target");
    struct slice modifier = legacy_text(annotations, "request-modifier");
    struct slice path = frontend->path, rule = SLICE("");
    size_t length = 0;

    if (host.len) {
        length = slice_find(host, '*') < 0 ? host.len + sizeof("Host:") - 1
                                           : host.len + sizeof("HostRegexp:" SUBDOMAIN) - 2;
    }
    if (path.len) {
        rule = pool_printf(k8s->scratch, "%s:%.*s", type->name, SLICE_ARG(path));
    }
    if (path.len && target.len) {
        rule = pool_printf(k8s->scratch, "%.*s;ReplacePathRegex: ^%.*s(.*) %.*s$1", SLICE_ARG(rule),
                           SLICE_ARG(path), SLICE_ARG(target));
    }
    if (path.len && modifier.len) {
        rule = pool_printf(k8s->scratch, "%.*s;%.*s", SLICE_ARG(rule), SLICE_ARG(modifier));
    }
    return (int64_t)(length + rule.len);
}

static void add_host(struct text *out, struct slice host, bool v2)
{
    ptrdiff_t star = slice_find(host, '*');
    struct text regexp;

    if (star < 0 || (!v2 && star == 0 && slice_has_prefix(host, SLICE("*.")) &&
                     slice_find(slice_from(host, 1), '*') < 0)) {
        ingress_add_matcher(out, "Host", host);
        return;
    }
    text_init(&regexp);
    text_printf(&regexp, "%.*s" SUBDOMAIN "%.*s", (int)star, host.ptr,
                SLICE_ARG(slice_from(host, (size_t)star + 1)));
    ingress_add_matcher(out, "HostRegexp", text_slice(&regexp));
    text_free(&regexp);
}

void legacy_rule(struct k8s *k8s, struct legacy_frontend *frontend)
{
    const struct k8s_place *place = &frontend->parts[0]->ingress->place;
    const struct rule_type *type = type_of(k8s, frontend);
    struct slice host = frontend->host, path = frontend->path;
    struct text text;
    bool v2;

    if (type == NULL) {
        type = &types[0]; /* for the rule of a router that is disabled */
    }
    if (type->strips && templated(path)) {
        struct k8s_place at = legacy_place(k8s, place, annotations_of(frontend), "rule-type");

        k8s_error(
            k8s, &at, &frontend->errors, true,
            "%s cannot cut off \"%.*s\", which holds an expression: write PathPrefix, and request-modifier: "
            "\"ReplacePathRegex: EXPRESSION REPLACEMENT\"",
            type->name, SLICE_ARG(path));
    }
    v2 = templated(path) || (slice_find(host, '*') >= 0 && !slice_has_prefix(host, SLICE("*."))) ||
         slice_find(slice_from(host, 1), '*') >= 0;
    text_init(&text);
    text_add_cstr(&text, "");
    if (host.len) {
        add_host(&text, host, v2);
    }
    if (path.len && type->matcher) {
        text_add_cstr(&text, text.len ? " && " : "");
        ingress_add_matcher(&text, type->matcher, path);
    }
    if (text.len == 0) {
        ingress_add_matcher(&text, "PathPrefix", SLICE("/"));
    }
    frontend->config.rule = pool_copy(k8s->model->pool, text_slice(&text));
    frontend->config.rule_syntax = v2 ? SLICE("v2") : SLICE("");
    text_free(&text);
    int64_t priority = legacy_int(k8s, place, annotations_of(frontend), "priority", 0, &frontend->errors);

    if (priority < 0) {
        struct k8s_place at = legacy_place(k8s, place, annotations_of(frontend), "priority");

        k8s_error(k8s, &at, &frontend->errors, false, "has no effect below 1: the default counts");
    }
    frontend->config.priority = priority > 0 ? priority : old_length(k8s, frontend, type);
}

/* ---- rewriting ---- */

static void replace_regex(struct legacy_chain *chain, const char *suffix, struct slice regex,
                          struct slice replacement, const char *name)
{
    struct doc *options = doc_new(chain->k8s->model->pool, DOC_MAP);

    legacy_doc_text(chain->k8s, options, "regex", regex);
    legacy_doc_text(chain->k8s, options, "replacement", replacement);
    legacy_chain_add(chain, suffix, "replacePathRegex", options, name);
}

static void replace_path(struct legacy_chain *chain, struct slice path, const char *name)
{
    struct doc *options = doc_new(chain->k8s->model->pool, DOC_MAP);

    legacy_doc_text(chain->k8s, options, "path", path);
    legacy_chain_add(chain, "replace", "replacePath", options, name);
}

static void strip(struct legacy_chain *chain, struct slice path)
{
    struct pool *pool = chain->k8s->model->pool;
    struct doc *options = doc_new(pool, DOC_MAP), *prefixes = doc_new(pool, DOC_LIST);

    doc_list_add(pool, prefixes, doc_new_string(pool, path));
    legacy_doc_set(chain->k8s, options, "prefixes", prefixes);
    legacy_chain_add(chain, "strip", "stripPrefix", options, "rule-type");
}

/* "AddPrefix: /x", "ReplacePath: /x", "ReplacePathRegex: ^/a/(.*) /b/$1" */
static void modify(struct legacy_chain *chain, struct slice text, bool replaced)
{
    struct k8s *k8s = chain->k8s;
    struct k8s_place at = legacy_place(k8s, &chain->place, chain->annotations, "request-modifier");
    ptrdiff_t colon = slice_find(text, ':');
    struct slice kind = slice_trim(slice_head(text, colon < 0 ? text.len : (size_t)colon));
    struct slice value = colon < 0 ? SLICE("") : slice_trim(slice_from(text, (size_t)colon + 1));
    ptrdiff_t blank = slice_find(value, ' ');

    if (value.len == 0) {
        k8s_error(k8s, &at, &chain->frontend->errors, true, "has no value: write KIND: VALUE");
    } else if (slice_eq(kind, SLICE("AddPrefix"))) {
        struct doc *options = doc_new(k8s->model->pool, DOC_MAP);

        legacy_doc_text(k8s, options, "prefix", value);
        legacy_chain_add(chain, "prefix", "addPrefix", options, "request-modifier");
    } else if (slice_eq(kind, SLICE("ReplacePath")) && replaced) {
        k8s_error(k8s, &at, &chain->frontend->errors, true, "ReplacePath is written in rule-type already");
    } else if (slice_eq(kind, SLICE("ReplacePath"))) {
        replace_path(chain, value, "request-modifier");
    } else if (slice_eq(kind, SLICE("ReplacePathRegex")) && blank > 0) {
        replace_regex(chain, "rewrite", slice_head(value, (size_t)blank),
                      slice_trim(slice_from(value, (size_t)blank)), "request-modifier");
    } else if (slice_eq(kind, SLICE("ReplacePathRegex"))) {
        k8s_error(k8s, &at, &chain->frontend->errors, true,
                  "has no replacement: write ReplacePathRegex: EXPRESSION REPLACEMENT");
    } else {
        k8s_error(k8s, &at, &chain->frontend->errors, true,
                  "\"%.*s\" is none of AddPrefix, ReplacePath, ReplacePathRegex", SLICE_ARG(kind));
    }
}

/* The path of the Ingress is replaced by the target, what follows it stays. */
static void retarget(struct legacy_chain *chain, struct slice target)
{
    struct pool *pool = chain->k8s->model->pool;
    struct slice path = chain->frontend->path;

    while (slice_has_suffix(target, SLICE("/"))) {
        target.len--;
    }
    if (slice_eq(path, SLICE("/"))) {
        path = SLICE("");
    }
    replace_regex(chain, "rewrite",
                  pool_printf(pool, "^%.*s(.*)", SLICE_ARG(regexp_quoted(chain->k8s->scratch, path))),
                  pool_printf(pool, "%.*s${1}", SLICE_ARG(target)), "rewrite-target");
}

void legacy_rewrites(struct legacy_chain *chain)
{
    struct slice written = legacy_text(chain->annotations, "rule-type"), path = chain->frontend->path;
    struct slice target = legacy_text(chain->annotations, "rewrite-target");
    struct slice modifier = legacy_text(chain->annotations, "request-modifier");
    bool replaced = slice_eq(written, SLICE("ReplacePath"));

    if (path.len == 0) {
        return; /* as in Traefik 1: without a path nothing is rewritten */
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].strips && slice_eq(written, slice_cstr(types[i].name)) && !templated(path)) {
            strip(chain, path);
        }
    }
    if (replaced && target.len) {
        struct k8s_place at = legacy_place(chain->k8s, &chain->place, chain->annotations, "rewrite-target");

        k8s_error(chain->k8s, &at, &chain->frontend->errors, true,
                  "cannot be used together with rule-type ReplacePath");
    } else if (target.len) {
        retarget(chain, target);
    }
    if (replaced) {
        replace_path(chain, path, "rule-type");
    }
    if (modifier.len) {
        modify(chain, modifier, replaced);
    }
}
