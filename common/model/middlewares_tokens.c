/*
 * middlewares_tokens.c - the options of the middlewares that let bearers of a key or a token pass: apiKey, jwt.
 *
 * They are our own, with the names that Traefik Hub's have. Not here: the list of all kinds (middlewares.c).
 */
#include "common/model/middlewares.h"
#include "common/model/rows.h"

const struct doc *middleware_unwrapped(struct pool *pool, const struct doc *spec, bool any_case)
{
    static const struct slice kinds[] = {SLICE_INIT("jwt"), SLICE_INIT("apiKey")};
    bool (*same)(struct slice, struct slice) = any_case ? slice_eq_nocase : slice_eq;
    const struct doc *options = spec && spec->kind == DOC_MAP && spec->map.count == 1 &&
                                        same(spec->map.entries[0].key, SLICE("plugin"))
                                    ? spec->map.entries[0].value
                                    : NULL;

    if (options == NULL || options->kind != DOC_MAP || options->map.count != 1) {
        return spec;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct doc_entry *entry = &options->map.entries[0];
        struct doc *plain;

        if (!same(entry->key, kinds[i])) {
            continue;
        }
        plain = doc_new(pool, DOC_MAP);
        plain->file = options->file;
        plain->line = options->line;
        plain->column = options->column;
        doc_map_set(pool, plain, kinds[i], entry->value);
        plain->map.entries[0].line = entry->line;
        return plain;
    }
    return spec;
}

static const struct schema_field key_source_fields[] = {
    ROW("header", STRING, struct key_source, header, .flags = OMIT,
        .text = "Own option: header that holds the key."),
    ROW("headerAuthScheme", STRING, struct key_source, scheme, .flags = OMIT,
        .text = "Own option: word in front of the key there, like Bearer."),
    ROW("query", STRING, struct key_source, query, .flags = OMIT,
        .text = "Own option: parameter of the query that holds the key."),
    ROW("cookie", STRING, struct key_source, cookie, .flags = OMIT,
        .text = "Own option: cookie that holds the key."),
};
static const struct schema key_source_schema = SCHEMA(struct key_source, "keySource", key_source_fields);

static const struct schema_field api_key_fields[] = {
    ROW("keySource", STRUCT, struct api_key, source, .sub = &key_source_schema,
        .text = "Own option: where clients put their key; the first place with one counts."),
    ROW("secretNonBase64Encoded", BOOL, struct api_key, plain, .flags = OMIT,
        .text = "Own option: the key is sent as it is, not in base64."),
    ROW("secretValues", STRINGS, struct api_key, secret_values, .flags = OMIT | SCHEMA_SECRET,
        .text = "Own option: hashes of the keys as htpasswd writes them; in Kubernetes also "
                "urn:k8s:secret:NAME:KEY."),
};
const struct schema api_key_schema = SCHEMA(struct api_key, "apiKey", api_key_fields);

static const struct schema_field jwt_client_fields[] = {
    ROW("tls", OPTIONAL, struct jwt_client, tls, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &client_tls_schema,
        .text = "Own option: how it is spoken to over TLS; in Kubernetes also urn:k8s:secret:NAME:KEY."),
    ROW("timeoutSeconds", INT, struct jwt_client, timeout_seconds, .flags = OMIT, .fallback = "5", .min = 1,
        .max = 300, .text = "Own option: time for one answer."),
    ROW("maxRetries", INT, struct jwt_client, max_retries, .flags = OMIT, .fallback = "3", .min = 0,
        .max = 100,
        .text = "Own option: how often a failure is asked again at once, before longer pauses begin."),
};
static const struct schema jwt_client_schema = SCHEMA(struct jwt_client, "clientConfig", jwt_client_fields);

static const struct schema_field jwt_fields[] = {
    ROW("signingSecret", STRING, struct jwt, signing_secret, .flags = OMIT | SCHEMA_SECRET,
        .text = "Own option: secret that tokens are signed with (HS256, HS384, HS512); in Kubernetes also "
                "urn:k8s:secret:NAME:KEY, here and in publicKey and jwksFile."),
    ROW("signingSecretBase64Encoded", BOOL, struct jwt, signing_secret_base64, .flags = OMIT,
        .text = "Own option: signingSecret is written in base64."),
    ROW("publicKey", STRING, struct jwt, public_key, .flags = OMIT,
        .text = "Own option: key that verifies tokens (RS, PS, ES, EdDSA), path or PEM."),
    ROW("jwksFile", STRING, struct jwt, jwks_file, .flags = OMIT | SCHEMA_SECRET,
        .text = "Own option: set of keys (JWK) that verify tokens, path or JSON."),
    ROW("jwksUrl", STRING, struct jwt, jwks_url, .flags = OMIT,
        .text = "Own option: URL, https or http, that such a set is fetched from, again and again."),
    ROW("forwardAuthorization", BOOL, struct jwt, forward_authorization, .flags = OMIT,
        .text = "Own option: leave Authorization for the server."),
    ROW("tokenKey", STRING, struct jwt, token_key, .flags = OMIT,
        .text = "Own option: parameter of the query that may hold the token too."),
    ROW("claims", STRING, struct jwt, claims, .flags = OMIT,
        .text =
            "Own option: what must be claimed, like Equals(`grp`, `admin`) && !Contains(`areas`, `home`)."),
    ROW("usernameClaim", STRING, struct jwt, username_claim, .flags = OMIT,
        .text = "Own option: claim with the name of the user, for logs."),
    ROW("forwardHeaders", STRING_MAP, struct jwt, forward_headers, .flags = OMIT,
        .text = "Own option: headers for the server, each with the claim that it gets."),
    ROW("issuers", STRINGS, struct jwt, issuers, .flags = OMIT,
        .text = "Own option: the token must be of one of these (iss)."),
    ROW("audiences", STRINGS, struct jwt, audiences, .flags = OMIT,
        .text = "Own option: the token must be for one of these (aud)."),
    ROW("leeway", DURATION, struct jwt, leeway, .flags = OMIT, .min = 0, .max = 3600e9,
        .text = "Own option: how far clocks may be apart when exp, nbf and iat are looked at."),
    ROW("clientConfig", OPTIONAL, struct jwt, client_config, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &jwt_client_schema, .text = "Own option: how jwksUrl is asked."),
};
const struct schema jwt_schema = SCHEMA(struct jwt, "jwt", jwt_fields);
