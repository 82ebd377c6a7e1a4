/*
 * prepare_basic_auth.c - basicAuth: users with hashes that can be checked, the challenge, the seed of the worker's choice for
 * users that do not exist.
 */
#include <errno.h>
#include <openssl/sha.h>

#include "common/http/headers.h"
#include "common/http/password.h"
#include "master/resolve/prepare.h"

static int parse_user(struct pool *pool, struct slice line, struct string_pair *out, struct error *why)
{
    ptrdiff_t colon = slice_find(line, ':');

    (void)pool;
    if (colon < 0) {
        return error_set(why, -EINVAL, "a user is written name:hash, as htpasswd does");
    }
    out->key = slice_head(line, (size_t)colon);
    out->value = slice_from(line, (size_t)colon + 1);
    if (!header_value_valid(out->key)) {
        return error_set(why, -EINVAL, "the name of a user holds control characters");
    }
    if (password_hash_check(out->value, why) < 0) {
        error_prefix(why, "user \"%.*s\"", SLICE_ARG(out->key));
        return -EINVAL;
    }
    return 0;
}

/* Whoever knows all hashes may know it. */
static struct slice seed_of(struct pool *pool, const struct string_map *users)
{
    uint8_t *seed = pool_alloc(pool, SHA256_DIGEST_LENGTH);
    SHA256_CTX sha;

    SHA256_Init(&sha);
    for (size_t i = 0; i < users->count; i++) {
        SHA256_Update(&sha, users->items[i].value.ptr, users->items[i].value.len);
    }
    SHA256_Final(seed, &sha);
    return slice_of((const char *)seed, SHA256_DIGEST_LENGTH);
}

const void *prepare_basic_auth(struct preparation *at, const struct basic_auth *options)
{
    struct prepared_basic_auth *made = pool_zalloc(at->pool, sizeof(*made));
    struct slice realm = options->realm.len ? options->realm : SLICE("traefik");

    if (!prepare_users(at, &options->users, options->users_file, parse_user, &made->users)) {
        return NULL;
    }
    if (made->users.count == 0) {
        return prepare_wrong(at, "no users found in %.*s", SLICE_ARG(options->users_file));
    }
    if (!header_value_valid(realm)) {
        return prepare_wrong(at, "realm holds control characters");
    }
    if (options->header_field.len && !prepare_header_name(at, "headerField", options->header_field)) {
        return NULL;
    }
    made->seed = seed_of(at->pool, &made->users);
    made->challenge = pool_printf(at->pool, "Basic realm=\"%.*s\"", SLICE_ARG(realm));
    made->header_field = options->header_field;
    made->remove_header = options->remove_header;
    return made;
}
