/*
 * middlewares_tokens.c - the options of the middlewares that let bearers of a key or a token pass: apiKey, jwt.
 *
 * They are our own, with the names that Traefik Hub's have. Not here: the list of all kinds (middlewares.c).
 */
#include "common/model/middlewares.h"
#include "common/model/rows.h"

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
