/*
 * prepare_digest_auth.c - digestAuth: users of name and realm with their hashes, and the table of the nonces that are given out.
 */
#include <errno.h>

#include "common/http/digest.h"
#include "common/http/headers.h"
#include "master/resolve/prepare.h"

#define LAYOUT_NONCES 2 /* beside those of prepare_limits.c */

static bool take_hash(struct pool *pool, struct slice digits, struct slice *out)
{
    char *text = pool_alloc(pool, DIGEST_HASH_LEN);

    if (digits.len != DIGEST_HASH_LEN) {
        return false;
    }
    for (size_t i = 0; i < DIGEST_HASH_LEN; i++) {
        text[i] = (char)ascii_lower((unsigned char)digits.ptr[i]);
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'))) {
            return false;
        }
    }
    *out = slice_of(text, DIGEST_HASH_LEN);
    return true;
}

static int parse_user(struct pool *pool, struct slice line, struct string_pair *out, struct error *why)
{
    ptrdiff_t last = slice_rfind(line, ':');
    ptrdiff_t first = slice_find(line, ':');

    if (first == last || slice_find(slice_from(line, (size_t)first + 1), ':') != last - first - 1) {
        return error_set(why, -EINVAL, "a user is written name:realm:hash, as htdigest does");
    }
    out->key = slice_head(line, (size_t)last);
    if (first == 0) {
        return error_set(why, -EINVAL, "a user without a name");
    }
    if (!header_value_valid(out->key)) {
        return error_set(why, -EINVAL, "the name of a user or its realm holds control characters");
    }
    if (!take_hash(pool, slice_from(line, (size_t)last + 1), &out->value)) {
        return error_set(why, -EINVAL, "user \"%.*s\": the hash is not 32 hexadecimal digits",
                         SLICE_ARG(slice_head(line, (size_t)first)));
    }
    return 0;
}

static struct slice challenge_of(struct pool *pool, struct slice realm)
{
    char *quoted = pool_alloc(pool, 2 * realm.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < realm.len; i++) {
        if (realm.ptr[i] == '"' || realm.ptr[i] == '\\') {
            quoted[len++] = '\\';
        }
        quoted[len++] = realm.ptr[i];
    }
    return pool_printf(pool, "Digest realm=\"%.*s\", nonce=\"", (int)len, quoted);
}

const void *prepare_digest_auth(struct preparation *at, const struct digest_auth *options)
{
    struct prepared_digest_auth *made = pool_zalloc(at->pool, sizeof(*made));

    made->realm = options->realm.len ? options->realm : SLICE("traefik");
    made->header_field = options->header_field;
    made->remove_header = options->remove_header;
    if (!prepare_users(at, &options->users, options->users_file, parse_user, &made->users)) {
        return NULL;
    }
    if (!header_value_valid(made->realm)) {
        return prepare_wrong(at, "realm holds control characters");
    }
    if (made->header_field.len && !prepare_header_name(at, "headerField", made->header_field)) {
        return NULL;
    }
    made->challenge = challenge_of(at->pool, made->realm);
    prepare_table(at, LAYOUT_NONCES, false);
    return made;
}
