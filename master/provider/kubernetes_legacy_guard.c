/*
 * kubernetes_legacy_guard.c - annotations of Traefik 1 that say who may come in: addresses, users, another server's word, and
 * how many requests.
 *
 * Whatever cannot be read here closes the frontend: a mistake in an allow list never lets everybody in.
 */
#include "master/provider/kubernetes_legacy.h"

#include "common/net/addr.h"

/* ---- addresses ---- */

static bool ranges_good(struct legacy_chain *chain, const struct doc *ranges)
{
    bool good = true;

    for (size_t i = 0; i < ranges->list.count; i++) {
        struct cidr range;
        struct error why = {0};

        if (!cidr_parse(ranges->list.items[i]->text, &range, &why)) {
            struct k8s_place at =
                legacy_place(chain->k8s, &chain->place, chain->annotations, "whitelist-source-range");

            k8s_error(chain->k8s, &at, &chain->frontend->errors, true,
                      "\"%.*s\" is no address or range: %s (nobody is let in until this is mended)",
                      SLICE_ARG(ranges->list.items[i]->text), why.text);
            good = false;
        }
    }
    return good;
}

void legacy_guard_allow(struct legacy_chain *chain)
{
    struct k8s *k8s = chain->k8s;
    struct doc *ranges = legacy_items(k8s, chain->annotations, "whitelist-source-range"), *options;
    bool forwarded = legacy_bool(k8s, &chain->place, chain->annotations, "whitelist-x-forwarded-for", false,
                                 &chain->frontend->errors);

    if (ranges == NULL || !ranges_good(chain, ranges)) {
        return;
    }
    options = doc_new(k8s->model->pool, DOC_MAP);
    legacy_doc_set(k8s, options, "sourceRange", ranges);
    if (forwarded) {
        struct doc *strategy = doc_new(k8s->model->pool, DOC_MAP);
        struct k8s_place at =
            legacy_place(k8s, &chain->place, chain->annotations, "whitelist-x-forwarded-for");

        legacy_doc_int(k8s, strategy, "depth", 1);
        legacy_doc_set(k8s, options, "ipStrategy", strategy);
        k8s_error(k8s, &at, &chain->frontend->errors, false,
                  "the last entry of X-Forwarded-For is compared, and only if the sender is trusted "
                  "(entryPoints.NAME.forwardedHeaders.trustedIPs): anybody can write that header");
    }
    legacy_chain_add(chain, "allow", "ipAllowList", options, "whitelist-source-range");
}

/* ---- users ---- */

/* The only value of a Secret, one user a line. NULL with an error. */
static struct doc *secret_users(struct legacy_chain *chain)
{
    struct k8s *k8s = chain->k8s;
    struct slice name = legacy_text(chain->annotations, "auth-secret"), rest;
    struct slice namespace = chain->place.object->namespace;
    struct k8s_place at = legacy_place(k8s, &chain->place, chain->annotations, "auth-secret");
    struct doc *users = doc_new(k8s->model->pool, DOC_LIST);
    const struct kube_object *secret = NULL;
    const struct doc *data;
    struct error why = {"is missing: name a Secret with the users"};

    if (name.len) {
        secret = k8s_find(k8s, "Secret", namespace, name, &why);
    }
    if (secret == NULL) {
        k8s_error(k8s, &at, &chain->frontend->errors, true, "%s", why.text);
        return NULL;
    }
    data = doc_get(secret->doc, "stringData");
    data = data ? data : doc_get(secret->doc, "data");
    if (data == NULL || data->kind != DOC_MAP || data->map.count != 1) {
        k8s_error(k8s, &at, &chain->frontend->errors, true,
                  "the Secret %.*s/%.*s must hold exactly one entry, with the users", SLICE_ARG(namespace),
                  SLICE_ARG(name));
        return NULL;
    }
    struct slice key = pool_copy(k8s->scratch, data->map.entries[0].key);

    if (k8s_value(k8s, secret, key.ptr, &rest, &why) <= 0) {
        k8s_error(k8s, &at, &chain->frontend->errors, true, "%s", why.text);
        return NULL;
    }
    while (rest.ptr) {
        struct slice user = slice_trim(slice_split(&rest, '\n'));

        if (user.len && user.ptr[0] != '#') {
            doc_list_add(k8s->model->pool, users, doc_new_string(k8s->model->pool, user));
        }
    }
    return users;
}

static void auth_users(struct legacy_chain *chain, const char *kind)
{
    struct k8s *k8s = chain->k8s;
    struct doc *users = secret_users(chain), *options;

    if (users == NULL) {
        return;
    }
    options = doc_new(k8s->model->pool, DOC_MAP);
    legacy_doc_set(k8s, options, "users", users);
    legacy_doc_text(k8s, options, "realm", legacy_text(chain->annotations, "auth-realm"));
    legacy_doc_text(k8s, options, "headerField", legacy_text(chain->annotations, "auth-header-field"));
    if (legacy_bool(k8s, &chain->place, chain->annotations, "auth-remove-header", false,
                    &chain->frontend->errors)) {
        legacy_doc_bool(k8s, options, "removeHeader", true);
    }
    legacy_chain_add(chain, "auth", kind, options, "auth-secret");
}

static void auth_tls(struct legacy_chain *chain, struct doc *options)
{
    struct k8s *k8s = chain->k8s;
    struct slice name = legacy_text(chain->annotations, "auth-tls-secret"), certificate, key;
    struct doc *tls = doc_new(k8s->model->pool, DOC_MAP);
    struct error why;

    if (name.len &&
        !k8s_certificate_secret(k8s, chain->place.object->namespace, name, &certificate, &key, &why)) {
        struct k8s_place at = legacy_place(k8s, &chain->place, chain->annotations, "auth-tls-secret");

        k8s_error(k8s, &at, &chain->frontend->errors, true, "%s", why.text);
        return;
    }
    if (name.len) {
        legacy_doc_text(k8s, tls, "cert", certificate);
        legacy_doc_text(k8s, tls, "key", key);
    }
    if (legacy_bool(k8s, &chain->place, chain->annotations, "auth-tls-insecure", false,
                    &chain->frontend->errors)) {
        legacy_doc_bool(k8s, tls, "insecureSkipVerify", true);
    }
    legacy_doc_set(k8s, options, "tls", tls->map.count ? tls : NULL);
}

static void auth_forward(struct legacy_chain *chain)
{
    struct k8s *k8s = chain->k8s;
    struct slice url = legacy_text(chain->annotations, "auth-url");
    struct doc *options = doc_new(k8s->model->pool, DOC_MAP);

    if (url.len == 0) {
        struct k8s_place at = legacy_place(k8s, &chain->place, chain->annotations, "auth-url");

        k8s_error(k8s, &at, &chain->frontend->errors, true, "is missing: name the server that is asked");
        return;
    }
    legacy_doc_text(k8s, options, "address", url);
    if (legacy_bool(k8s, &chain->place, chain->annotations, "auth-trust-headers", false,
                    &chain->frontend->errors)) {
        legacy_doc_bool(k8s, options, "trustForwardHeader", true);
    }
    legacy_doc_set(k8s, options, "authResponseHeaders",
                   legacy_items(k8s, chain->annotations, "auth-response-headers"));
    auth_tls(chain, options);
    legacy_chain_add(chain, "auth", "forwardAuth", options, "auth-url");
}

void legacy_guard_auth(struct legacy_chain *chain)
{
    struct slice type = legacy_text(chain->annotations, "auth-type");

    if (slice_eq_nocase(type, SLICE("basic"))) {
        auth_users(chain, "basicAuth");
    } else if (slice_eq_nocase(type, SLICE("digest"))) {
        auth_users(chain, "digestAuth");
    } else if (slice_eq_nocase(type, SLICE("forward"))) {
        auth_forward(chain);
    } else if (legacy_get(chain->annotations, "auth-type")) {
        struct k8s_place at = legacy_place(chain->k8s, &chain->place, chain->annotations, "auth-type");

        k8s_error(chain->k8s, &at, &chain->frontend->errors, true,
                  "\"%.*s\" is none of basic, digest, forward (nobody is let in until this is mended)",
                  SLICE_ARG(type));
    }
}

/* ---- rates ---- */

/* "client.ip", "request.host", "request.header.NAME"; false with an error. */
static bool criterion(struct legacy_chain *chain, struct slice function, struct doc *options,
                      const char *name)
{
    struct k8s *k8s = chain->k8s;
    const struct slice header = SLICE("request.header.");
    struct doc *source = doc_new(k8s->model->pool, DOC_MAP);

    if (function.len == 0 || slice_eq(function, SLICE("client.ip"))) {
        return true;
    }
    if (slice_eq(function, SLICE("request.host"))) {
        legacy_doc_bool(k8s, source, "requestHost", true);
    } else if (slice_has_prefix(function, header) && function.len > header.len) {
        legacy_doc_text(k8s, source, "requestHeaderName", slice_from(function, header.len));
    } else {
        struct k8s_place at = legacy_place(k8s, &chain->place, chain->annotations, name);

        k8s_error(k8s, &at, &chain->frontend->errors, true,
                  "\"%.*s\" is none of client.ip, request.host, request.header.NAME", SLICE_ARG(function));
        return false;
    }
    legacy_doc_set(k8s, options, "sourceCriterion", source);
    return true;
}

void legacy_guard_connections(struct legacy_chain *chain)
{
    struct doc *options = doc_new(chain->k8s->model->pool, DOC_MAP);
    int64_t amount = legacy_int(chain->k8s, &chain->place, chain->annotations, "max-conn-amount", 0,
                                &chain->frontend->errors);
    struct slice function = legacy_text(chain->annotations, "max-conn-extractor-func");

    if (amount > 0) {
        legacy_doc_int(chain->k8s, options, "amount", amount);
        if (criterion(chain, function, options, "max-conn-extractor-func")) {
            legacy_chain_add(chain, "max-conn", "inFlightReq", options, "max-conn-amount");
        }
    }
}

void legacy_guard_rates(struct legacy_chain *chain)
{
    struct k8s *k8s = chain->k8s;
    const struct doc *written =
        legacy_yaml(k8s, &chain->place, chain->annotations, "rate-limit", &chain->frontend->errors);
    const struct doc *sets = doc_get(written, "rateset");
    struct slice function = slice_trim(doc_text(doc_get(written, "extractorfunc"), SLICE("")));

    for (size_t i = 0; sets && sets->kind == DOC_MAP && i < sets->map.count; i++) {
        const struct doc *set = sets->map.entries[i].value;
        struct slice name = k8s_normalize(k8s->scratch, sets->map.entries[i].key);
        struct doc *options = doc_new(k8s->model->pool, DOC_MAP);

        legacy_doc_set(k8s, options, "average", doc_get(set, "average"));
        legacy_doc_set(k8s, options, "period", doc_get(set, "period"));
        legacy_doc_set(k8s, options, "burst", doc_get(set, "burst"));
        if (criterion(chain, function, options, "rate-limit")) {
            legacy_chain_add(chain, pool_printf(k8s->scratch, "rate-%.*s", SLICE_ARG(name)).ptr, "rateLimit",
                             options, "rate-limit");
        }
    }
    if (written && (sets == NULL || sets->kind != DOC_MAP || sets->map.count == 0)) {
        struct k8s_place at = legacy_place(k8s, &chain->place, chain->annotations, "rate-limit");

        k8s_error(k8s, &at, &chain->frontend->errors, true, "names no rateset");
    }
}
