/*
 * kubernetes_legacy_middleware.c - the middlewares that annotations of Traefik 1 ask for, in the order of a request.
 *
 * Each is written as a file would write it and decoded by the table of its kind: what is wrong with it is said as for any
 * other, and a kind that this build does not serve is refused by master/resolve as everywhere. Who may come in is in
 * kubernetes_legacy_guard.c, what rewrites paths in kubernetes_legacy_rule.c.
 */
#include "master/provider/kubernetes_legacy.h"
#include "master/static/load.h"

#include "common/net/addr.h"

/* ---- documents ---- */

void legacy_doc_set(struct k8s *k8s, struct doc *map, const char *key, struct doc *value)
{
    if (value) {
        doc_map_set(k8s->model->pool, map, slice_cstr(key), value);
    }
}

void legacy_doc_text(struct k8s *k8s, struct doc *map, const char *key, struct slice value)
{
    if (value.len) {
        legacy_doc_set(k8s, map, key, doc_new_string(k8s->model->pool, value));
    }
}

void legacy_doc_bool(struct k8s *k8s, struct doc *map, const char *key, bool value)
{
    struct doc *node = doc_new(k8s->model->pool, DOC_BOOL);

    node->boolean = value;
    node->text = value ? SLICE("true") : SLICE("false");
    legacy_doc_set(k8s, map, key, node);
}

void legacy_doc_int(struct k8s *k8s, struct doc *map, const char *key, int64_t value)
{
    struct doc *node = doc_new(k8s->model->pool, DOC_INT);

    node->integer = value;
    node->text = pool_printf(k8s->model->pool, "%lld", (long long)value);
    legacy_doc_set(k8s, map, key, node);
}

void legacy_chain_add(struct legacy_chain *chain, const char *suffix, const char *kind, struct doc *options,
                      const char *name)
{
    struct k8s *k8s = chain->k8s;
    struct doc *whole = doc_new(k8s->model->pool, DOC_MAP);
    struct k8s_place at = legacy_place(k8s, &chain->place, chain->annotations, name);
    struct http_middleware *middleware = model_add_middleware(
        k8s->model, pool_printf(k8s->scratch, "%.*s-%s", SLICE_ARG(chain->frontend->name), suffix),
        slice_cstr(k8s->provider));

    middleware->element.origin = chain->place.object->origin;
    if (at.node && at.node->line) {
        middleware->element.origin.line = at.node->line;
    }
    legacy_doc_set(k8s, whole, kind, options);
    at.node = whole;
    k8s_decode(k8s, &at, &middleware_schema, 0, &middleware->config, &middleware->element);
    chain->names =
        pool_grow(k8s->model->pool, chain->names, chain->count, &chain->capacity, sizeof(*chain->names));
    chain->names[chain->count++] = middleware->element.name;
}

static struct doc *new_map(struct legacy_chain *chain)
{
    return doc_new(chain->k8s->model->pool, DOC_MAP);
}

static bool flag(struct legacy_chain *chain, const char *name)
{
    return legacy_bool(chain->k8s, &chain->place, chain->annotations, name, false, &chain->frontend->errors);
}

/* ---- redirects ---- */

static void redirect_scheme(struct legacy_chain *chain, struct slice scheme, struct slice port,
                            bool permanent, const char *suffix, const char *name)
{
    struct doc *options = new_map(chain);

    legacy_doc_text(chain->k8s, options, "scheme", scheme);
    legacy_doc_text(chain->k8s, options, "port", port);
    legacy_doc_bool(chain->k8s, options, "permanent", permanent);
    legacy_chain_add(chain, suffix, "redirectScheme", options, name);
}

static void redirect_entry_point(struct legacy_chain *chain, struct slice wanted, bool permanent)
{
    const struct map *map = &chain->k8s->config->entry_points;
    const struct entry_point *points = map->values;
    struct k8s_place at = legacy_place(chain->k8s, &chain->place, chain->annotations, "redirect-entry-point");

    for (size_t i = 0; i < map->count; i++) {
        struct address address;
        struct error why;
        bool udp;

        if (!slice_eq(map->keys[i], wanted)) {
            continue;
        }
        if (entry_point_address(&points[i], &address, &udp, &why) == 0) {
            redirect_scheme(chain, points[i].http.tls ? SLICE("https") : SLICE("http"),
                            pool_printf(chain->k8s->model->pool, "%u", (unsigned)address.port), permanent,
                            "redirect", "redirect-entry-point");
        }
        return;
    }
    k8s_error(chain->k8s, &at, &chain->frontend->errors, true, "there is no entry point \"%.*s\"",
              SLICE_ARG(wanted));
}

static void redirect_regex(struct legacy_chain *chain, struct slice regex, struct slice replacement,
                           bool permanent, const char *name)
{
    struct doc *options = new_map(chain);

    legacy_doc_text(chain->k8s, options, "regex", regex);
    legacy_doc_text(chain->k8s, options, "replacement", replacement);
    legacy_doc_bool(chain->k8s, options, "permanent", permanent);
    legacy_chain_add(chain, "redirect", "redirectRegex", options, name);
}

static struct slice dollars_doubled(struct pool *pool, struct slice text)
{
    char *out = pool_alloc(pool, 2 * text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '$') {
            out[len++] = '$';
        }
        out[len++] = text.ptr[i];
    }
    return slice_of(out, len);
}

/* One of them, in the order in which Traefik 1 looked. */
static void redirects(struct legacy_chain *chain)
{
    const struct doc *annotations = chain->annotations;
    struct slice root = legacy_text(annotations, "app-root"), path = chain->frontend->path;
    struct slice point = legacy_text(annotations, "redirect-entry-point");
    struct slice regex = legacy_text(annotations, "redirect-regex");
    struct slice replacement = legacy_text(annotations, "redirect-replacement");
    bool permanent = flag(chain, "redirect-permanent"), temporary = flag(chain, "ssl-temporary-redirect");

    if (flag(chain, "ssl-redirect")) {
        redirect_scheme(chain, SLICE("https"), SLICE(""), !temporary, "ssl-redirect", "ssl-redirect");
    }
    if (root.len && (path.len == 0 || slice_eq(path, SLICE("/")))) {
        while (slice_has_prefix(root, SLICE("/"))) {
            root = slice_from(root, 1);
        }
        redirect_regex(chain, SLICE("^(https?://[^/]+)/$"),
                       pool_printf(chain->k8s->model->pool, "${1}/%.*s",
                                   SLICE_ARG(dollars_doubled(chain->k8s->scratch, root))),
                       permanent, "app-root");
    } else if (point.len) {
        redirect_entry_point(chain, point, permanent);
    } else if (regex.len && replacement.len) {
        redirect_regex(chain, regex, replacement, permanent, "redirect-regex");
    } else if (regex.len || replacement.len) {
        struct k8s_place at = legacy_place(chain->k8s, &chain->place, annotations,
                                           regex.len ? "redirect-regex" : "redirect-replacement");

        k8s_error(chain->k8s, &at, &chain->frontend->errors, false,
                  "has no effect: redirect-regex and redirect-replacement belong together");
    }
}

/* ---- headers ---- */

enum value { FLAG, TEXT, NUMBER, ITEMS, PAIRS };

static const struct {
    const char *name, *option;
    enum value value;
} headers[] = {
    {"custom-request-headers", "customRequestHeaders", PAIRS},
    {"custom-response-headers", "customResponseHeaders", PAIRS},
    {"allowed-hosts", "allowedHosts", ITEMS},
    {"proxy-headers", "hostsProxyHeaders", ITEMS},
    {"ssl-proxy-headers", "sslProxyHeaders", PAIRS},
    {"hsts-max-age", "stsSeconds", NUMBER},
    {"hsts-include-subdomains", "stsIncludeSubdomains", FLAG},
    {"hsts-preload", "stsPreload", FLAG},
    {"force-hsts", "forceSTSHeader", FLAG},
    {"frame-deny", "frameDeny", FLAG},
    {"custom-frame-options-value", "customFrameOptionsValue", TEXT},
    {"content-type-nosniff", "contentTypeNosniff", FLAG},
    {"browser-xss-filter", "browserXssFilter", FLAG},
    {"custom-browser-xss-value", "customBrowserXSSValue", TEXT},
    {"content-security-policy", "contentSecurityPolicy", TEXT},
    {"public-key", "publicKey", TEXT},
    {"referrer-policy", "referrerPolicy", TEXT},
    {"is-development", "isDevelopment", FLAG},
};

/* False and 0 say nothing: they are left out, as a headers middleware that says nothing is an error. */
static void add_header(struct legacy_chain *chain, struct doc *options, const char *name, const char *option,
                       enum value value)
{
    struct k8s *k8s = chain->k8s;
    struct element *element = &chain->frontend->errors;

    switch (value) {
    case FLAG:
        if (flag(chain, name)) {
            legacy_doc_bool(k8s, options, option, true);
        }
        break;
    case TEXT:
        legacy_doc_text(k8s, options, option, legacy_text(chain->annotations, name));
        break;
    case NUMBER: {
        int64_t number = legacy_int(k8s, &chain->place, chain->annotations, name, 0, element);

        if (number) {
            legacy_doc_int(k8s, options, option, number);
        }
        break;
    }
    case ITEMS:
        legacy_doc_set(k8s, options, option, legacy_items(k8s, chain->annotations, name));
        break;
    case PAIRS:
        legacy_doc_set(k8s, options, option,
                       legacy_pairs(k8s, &chain->place, chain->annotations, name, element));
        break;
    }
}

static void add_headers(struct legacy_chain *chain)
{
    struct doc *options = new_map(chain);
    const char *name = NULL;

    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        add_header(chain, options, headers[i].name, headers[i].option, headers[i].value);
        if (name == NULL && options->map.count) {
            name = headers[i].name;
        }
    }
    if (name) {
        legacy_chain_add(chain, "headers", "headers", options, name);
    }
}

/* ---- certificates of clients ---- */

static void pass_certificate(struct legacy_chain *chain)
{
    struct k8s *k8s = chain->k8s;
    struct doc *options = new_map(chain);
    struct doc *written =
        legacy_yaml(k8s, &chain->place, chain->annotations, "pass-client-tls-cert", &chain->frontend->errors);
    bool whole = legacy_bool(k8s, &chain->place, chain->annotations, "pass-tls-cert",
                             k8s->options->legacy.enable_pass_tls_cert, &chain->frontend->errors);

    if (written) {
        struct doc *infos = doc_get(written, "infos"), *info = new_map(chain);
        static const char *const names[][2] = {
            {"notafter", "notAfter"}, {"notbefore", "notBefore"}, {"sans", "sans"}, {"subject", "subject"}};

        legacy_doc_set(k8s, options, "pem", doc_get(written, "pem"));
        for (size_t i = 0; infos && i < ARRAY_LEN(names); i++) {
            legacy_doc_set(k8s, info, names[i][1], doc_get(infos, names[i][0]));
        }
        legacy_doc_set(k8s, options, "info", info->map.count ? info : NULL);
        legacy_chain_add(chain, "client-cert", "passTLSClientCert", options, "pass-client-tls-cert");
    } else if (whole) {
        legacy_doc_bool(k8s, options, "pem", true);
        legacy_chain_add(chain, "client-cert", "passTLSClientCert", options, "pass-tls-cert");
    }
}

/* ---- error pages, and what the Service asks for ---- */

static void error_pages(struct legacy_chain *chain)
{
    struct k8s *k8s = chain->k8s;
    const struct doc *pages =
        legacy_yaml(k8s, &chain->place, chain->annotations, "error-pages", &chain->frontend->errors);

    for (size_t i = 0; pages && i < pages->map.count; i++) {
        const struct doc *page = pages->map.entries[i].value;
        struct slice name = k8s_normalize(k8s->scratch, pages->map.entries[i].key);
        struct slice backend = doc_text(doc_get(page, "backend"), SLICE(""));
        struct doc *options = new_map(chain);

        legacy_doc_set(k8s, options, "status", doc_get(page, "status"));
        legacy_doc_text(k8s, options, "service", k8s_normalize(k8s->scratch, backend));
        legacy_doc_text(k8s, options, "query", doc_text(doc_get(page, "query"), SLICE("")));
        legacy_chain_add(chain, pool_printf(k8s->scratch, "error-%.*s", SLICE_ARG(name)).ptr, "errors",
                         options, "error-pages");
    }
}

static void service_options(struct legacy_chain *chain)
{
    static const char *const names[][2] = {{"maxrequestbodybytes", "maxRequestBodyBytes"},
                                           {"memrequestbodybytes", "memRequestBodyBytes"},
                                           {"maxresponsebodybytes", "maxResponseBodyBytes"},
                                           {"memresponsebodybytes", "memResponseBodyBytes"},
                                           {"retryexpression", "retryExpression"}};
    struct k8s *k8s = chain->k8s;
    struct slice breaker = legacy_text(chain->annotations, "circuit-breaker-expression");
    const struct doc *buffering =
        legacy_yaml(k8s, &chain->place, chain->annotations, "buffering", &chain->frontend->errors);
    struct doc *options = new_map(chain);

    if (breaker.len) {
        legacy_doc_text(k8s, options, "expression", breaker);
        legacy_chain_add(chain, "circuit-breaker", "circuitBreaker", options, "circuit-breaker-expression");
    }
    if (buffering) {
        options = new_map(chain);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            legacy_doc_set(k8s, options, names[i][1], doc_get(buffering, names[i][0]));
        }
        legacy_chain_add(chain, "buffering", "buffering", options, "buffering");
    }
}

static void read_from(struct legacy_chain *chain, const struct kube_object *object)
{
    chain->place = (struct k8s_place){.object = object};
    chain->annotations = doc_path(object->doc, "metadata", "annotations", NULL);
}

void legacy_middlewares(struct k8s *k8s, struct legacy_frontend *frontend)
{
    const struct kube_object *ingress = frontend->parts[0]->ingress->place.object;
    struct legacy_chain chain = {.k8s = k8s, .frontend = frontend};

    read_from(&chain, ingress);
    legacy_guard_allow(&chain);
    redirects(&chain);
    pass_certificate(&chain);
    add_headers(&chain);
    error_pages(&chain);
    legacy_guard_rates(&chain);
    legacy_guard_auth(&chain);
    if (frontend->service) {
        read_from(&chain, frontend->service);
        legacy_guard_connections(&chain);
        service_options(&chain);
        read_from(&chain, ingress);
    }
    legacy_rewrites(&chain);
    frontend->config.middlewares = (struct list){chain.names, chain.count};
}
