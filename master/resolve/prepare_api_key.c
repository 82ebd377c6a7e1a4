/*
 * prepare_api_key.c - apiKey: where the key stands, and hashes that can be checked.
 */
#include "common/http/headers.h"
#include "common/http/password.h"
#include "master/resolve/prepare.h"

static bool check_hashes(struct preparation *at, const struct list *values)
{
    const struct slice *hashes = values->items;

    for (size_t i = 0; i < values->count; i++) {
        struct error why;

        if (password_hash_check(hashes[i], &why) < 0) {
            prepare_wrong(at, "apiKey.secretValues[%zu]: %s", i, why.text);
            return false;
        }
    }
    return true;
}

const void *prepare_api_key(struct preparation *at, const struct api_key *options)
{
    struct prepared_api_key *made = pool_zalloc(at->pool, sizeof(*made));
    const struct key_source *source = &options->source;

    if (!source->header.len && !source->query.len && !source->cookie.len) {
        return prepare_wrong(at, "apiKey.keySource is missing: name a header, a query parameter or a cookie");
    }
    if (source->header.len && !prepare_header_name(at, "apiKey.keySource.header", source->header)) {
        return NULL;
    }
    if (source->cookie.len && !prepare_header_name(at, "apiKey.keySource.cookie", source->cookie)) {
        return NULL;
    }
    if (source->scheme.len && !source->header.len) {
        return prepare_wrong(at, "apiKey.keySource.headerAuthScheme needs keySource.header");
    }
    if (options->secret_values.count == 0) {
        return prepare_wrong(at, "apiKey.secretValues is empty: nobody would pass");
    }
    if (!check_hashes(at, &options->secret_values)) {
        return NULL;
    }
    *made = (struct prepared_api_key){
        .header = source->header,
        .scheme = source->scheme,
        .query = source->query,
        .cookie = source->cookie,
        .plain = options->plain,
        .hashes = options->secret_values,
    };
    return made;
}
