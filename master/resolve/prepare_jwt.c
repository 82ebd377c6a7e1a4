/*
 * prepare_jwt.c - jwt: keys that are read once, with the algorithms that each is for; expressions and names of claims compiled.
 */
#include <errno.h>
#include <openssl/base64.h>

#include "common/http/headers.h"
#include "common/http/jwk.h"
#include "common/rule/claims_expression.h"
#include "master/compile/url.h"
#include "master/resolve/prepare.h"
#include "master/tls/learned.h"
#include "master/tls/vault.h"

struct key_set {
    struct pool *pool;
    struct jwk *keys;
    size_t count;
};

/* ---- keys ---- */
static bool secret_key(struct preparation *at, const struct jwt *options, struct key_set *set)
{
    struct slice secret = options->signing_secret;

    if (options->signing_secret_base64) {
        size_t room = 0, len = 0;
        uint8_t *bytes = EVP_DecodedLength(&room, secret.len) ? pool_alloc(at->pool, room + 1) : NULL;

        if (bytes == NULL || !EVP_DecodeBase64(bytes, &len, room, (const uint8_t *)secret.ptr, secret.len) ||
            len == 0) {
            prepare_wrong(at, "jwt.signingSecret is no base64, as signingSecretBase64Encoded says");
            return false;
        }
        secret = slice_of((const char *)bytes, len);
    }
    set->keys = pool_alloc(at->pool, sizeof(*set->keys));
    set->keys[0] = (struct jwk){.any_kid = true, .algorithms = JWT_HS, .material = secret};
    set->count = 1;
    return true;
}

static bool public_key(struct preparation *at, const struct jwt *options, struct key_set *set)
{
    struct slice pem;
    struct error why;

    set->keys = pool_alloc(at->pool, sizeof(*set->keys));
    set->count = 1;
    if (vault_text(at->resolver->vault, options->public_key, at->pool, &pem, &why) < 0 ||
        jwk_read_pem(at->pool, pem, set->keys, &why) < 0) {
        prepare_wrong(at, "jwt.publicKey: %s", why.text);
        return false;
    }
    return true;
}

/* A vault_accept. */
static int take_set(void *context, struct slice text, struct error *why)
{
    struct key_set *set = context;

    return jwk_read_set(set->pool, SLICE("jwksFile"), text, &set->keys, &set->count, why);
}

static bool file_keys(struct preparation *at, const struct jwt *options, struct key_set *set)
{
    struct slice text = slice_trim(options->jwks_file);
    struct error why;
    int rc = text.len && text.ptr[0] == '{'
                 ? take_set(set, text, &why)
                 : vault_accepted(at->resolver->vault, text, at->pool, take_set, set, &why);

    if (rc < 0) {
        prepare_wrong(at, "jwt.jwksFile: %s", why.text);
    } else if (rc > 0) {
        element_error(at->resolver->model, &at->middleware->element, false,
                      "jwt.jwksFile %.*s: %s; the keys that it held before stay in force", SLICE_ARG(text),
                      why.text);
    }
    return rc >= 0;
}

/* *key: learned_for(). */
static bool way_of(struct preparation *at, const struct jwt *options, struct slice *key,
                   struct learned_way *way)
{
    const struct jwt_client *client = options->client_config;
    const struct client_tls *tls = client ? client->tls : NULL;

    *way = (struct learned_way){.kind = &learned_keys,
                                .timeout_ns = (client ? client->timeout_seconds : JWT_CLIENT_TIMEOUT_S) *
                                              INT64_C(1000000000),
                                .retries = (unsigned)(client ? client->max_retries : JWT_CLIENT_RETRIES)};
    *key = options->jwks_url;
    if (tls == NULL) {
        return true;
    }
    *key = prepare_way_key(at, options->jwks_url, tls, SLICE(""), SLICE(""));
    return prepare_client_tls(at, "jwt.clientConfig.tls", tls, &way->tls);
}

/* Until the first answer came there are none: workers say 503 then. */
static bool url_keys(struct preparation *at, const struct jwt *options, struct key_set *set)
{
    struct learned *sets = at->resolver->vault ? vault_learned(at->resolver->vault) : NULL;
    struct learned_way way;
    struct server_url url;
    struct slice json, key;
    struct error why;

    if (server_url_to_ask(options->jwks_url, &url, &why) < 0) {
        prepare_wrong(at, "jwt.jwksUrl: %s", why.text);
        return false;
    }
    if (!way_of(at, options, &key, &way)) {
        return false;
    }
    json = sets ? learned_for(sets, key, &way, at->pool) : SLICE("");
    if (json.len && jwk_read_set(at->pool, SLICE("jwksUrl"), json, &set->keys, &set->count, &why) < 0) {
        prepare_wrong(at, "jwt.jwksUrl: %s", why.text);
        return false;
    }
    at->middleware->learns = key;
    prepare_words(at, 1, false);
    return true;
}

static bool make_keys(struct preparation *at, const struct jwt *options, struct string_map *out)
{
    struct key_set set = {.pool = at->pool};
    int sources = (options->signing_secret.len > 0) + (options->public_key.len > 0) +
                  (options->jwks_file.len > 0) + (options->jwks_url.len > 0);

    if (sources != 1) {
        prepare_wrong(at, sources ? "jwt: signingSecret, publicKey, jwksFile and jwksUrl exclude each other"
                                  : "jwt: one of signingSecret, publicKey, jwksFile and jwksUrl must be set");
        return false;
    }
    if (!(options->signing_secret.len ? secret_key(at, options, &set)
          : options->public_key.len   ? public_key(at, options, &set)
          : options->jwks_file.len    ? file_keys(at, options, &set)
                                      : url_keys(at, options, &set))) {
        return false;
    }
    if (options->client_config && options->jwks_url.len == 0) {
        element_error(at->resolver->model, &at->middleware->element, false,
                      "jwt.clientConfig has no effect without jwksUrl");
    }
    out->items = pool_alloc(at->pool, (set.count + 1) * sizeof(*out->items));
    out->count = set.count;
    for (size_t i = 0; i < set.count; i++) {
        out->items[i] = (struct string_pair){set.keys[i].kid, jwk_pack(at->pool, &set.keys[i])};
    }
    return true;
}

/* ---- claims ---- */
static bool make_headers(struct preparation *at, const struct string_map *from, struct string_map *out)
{
    out->items = pool_alloc(at->pool, (from->count + 1) * sizeof(*out->items));
    out->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        struct error why;

        out->items[i].key = header_name_canonical(at->pool, from->items[i].key);
        if (!prepare_header_name(at, "jwt.forwardHeaders", from->items[i].key)) {
            return false;
        }
        if (!claims_path_compile(at->pool, from->items[i].value, &out->items[i].value, &why)) {
            prepare_wrong(at, "jwt.forwardHeaders.%.*s: %s", SLICE_ARG(from->items[i].key), why.text);
            return false;
        }
    }
    return true;
}

const void *prepare_jwt(struct preparation *at, const struct jwt *options)
{
    struct prepared_jwt *made = pool_zalloc(at->pool, sizeof(*made));
    struct error why;

    if (!make_keys(at, options, &made->keys) ||
        !make_headers(at, &options->forward_headers, &made->forward_headers)) {
        return NULL;
    }
    if (options->claims.len && !claims_expression_compile(at->pool, options->claims, &made->claims, &why)) {
        return prepare_wrong(at, "jwt.claims: %s", why.text);
    }
    if (options->username_claim.len &&
        !claims_path_compile(at->pool, options->username_claim, &made->user, &why)) {
        return prepare_wrong(at, "jwt.usernameClaim: %s", why.text);
    }
    made->fetched = options->jwks_url.len > 0;
    made->token_key = options->token_key;
    made->issuers = options->issuers;
    made->audiences = options->audiences;
    made->leeway = options->leeway;
    made->forward_authorization = options->forward_authorization;
    return made;
}
