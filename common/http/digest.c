/*
 * digest.c - see digest.h.
 */
#include "common/http/digest.h"

#include <openssl/md5.h>

#include "common/http/headers.h"

static void skip_blanks(struct slice *rest)
{
    while (rest->len && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
        *rest = slice_from(*rest, 1);
    }
}

static struct slice take_token(struct slice *rest)
{
    size_t len = 0;

    while (len < rest->len && header_name_valid(slice_of(rest->ptr + len, 1))) {
        len++;
    }

    struct slice token = slice_head(*rest, len);

    *rest = slice_from(*rest, len);
    return token;
}

/* Behind the opening quote. */
static bool take_quoted(struct pool *pool, struct slice *rest, struct slice *out)
{
    size_t end = 0, len = 0;
    bool escaped = false;
    char *text;

    while (end < rest->len && rest->ptr[end] != '"') {
        bool escape = rest->ptr[end] == '\\';

        escaped |= escape;
        end += escape ? 2 : 1;
    }
    if (end >= rest->len) {
        return false;
    }
    *out = slice_head(*rest, end);
    *rest = slice_from(*rest, end + 1);
    if (!escaped) {
        return true;
    }
    text = pool_alloc(pool, end);
    for (size_t i = 0; i < end; i++) {
        i += out->ptr[i] == '\\';
        text[len++] = out->ptr[i];
    }
    *out = slice_of(text, len);
    return true;
}

static struct slice *place_of(struct digest_login *login, struct slice name)
{
    const struct {
        struct slice name, *place;
    } places[] = {
        {SLICE("username"), &login->username},
        {SLICE("nonce"), &login->nonce},
        {SLICE("uri"), &login->uri},
        {SLICE("cnonce"), &login->cnonce},
        {SLICE("opaque"), &login->opaque},
        {SLICE("qop"), &login->qop},
        {SLICE("algorithm"), &login->algorithm},
        {SLICE("nc"), &login->nc},
        {SLICE("response"), &login->response},
    };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (slice_eq_nocase(name, places[i].name)) {
            return places[i].place;
        }
    }
    return NULL;
}

/* name=value, name="value". */
static bool take_parameter(struct pool *pool, struct slice *rest, struct digest_login *login)
{
    struct slice name = take_token(rest), value, *place;

    skip_blanks(rest);
    if (name.len == 0 || rest->len == 0 || rest->ptr[0] != '=') {
        return false;
    }
    *rest = slice_from(*rest, 1);
    skip_blanks(rest);
    if (rest->len && rest->ptr[0] == '"') {
        *rest = slice_from(*rest, 1);
        if (!take_quoted(pool, rest, &value)) {
            return false;
        }
    } else {
        value = take_token(rest);
        if (value.len == 0) {
            return false;
        }
    }
    place = place_of(login, name);
    if (place == NULL) {
        return true; /* realm, userhash and what is to come */
    }
    if (place->ptr != NULL) {
        return false;
    }
    *place = value;
    return true;
}

/* nc: hexadecimal digits, 8 of them as the RFC has it; fewer are taken too. */
static bool read_count(struct slice digits, uint32_t *out)
{
    *out = 0;
    if (digits.len == 0 || digits.len > 8) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        unsigned char c = ascii_lower((unsigned char)digits.ptr[i]);

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        *out = *out << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return *out != 0;
}

bool digest_parse(struct pool *pool, struct slice value, struct digest_login *out)
{
    struct slice rest = slice_from(value, 7);

    *out = (struct digest_login){0};
    if (value.len > DIGEST_MOST || !slice_eq_nocase(slice_head(value, 7), SLICE("Digest "))) {
        return false;
    }
    for (;;) {
        skip_blanks(&rest);
        if (!take_parameter(pool, &rest, out)) {
            return false;
        }
        skip_blanks(&rest);
        if (rest.len == 0) {
            break;
        }
        if (rest.ptr[0] != ',') {
            return false;
        }
        rest = slice_from(rest, 1);
    }
    return out->username.len && out->nonce.len && out->uri.len && out->cnonce.ptr && out->opaque.len &&
           (out->algorithm.ptr == NULL || slice_eq_nocase(out->algorithm, SLICE("MD5"))) &&
           slice_eq_nocase(out->qop, SLICE("auth")) && out->response.len == DIGEST_HASH_LEN &&
           read_count(out->nc, &out->count);
}

/* Digits of the hash of the parts with colons between them. */
static void hash_of(const struct slice *parts, size_t count, char out[DIGEST_HASH_LEN])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[MD5_DIGEST_LENGTH];
    MD5_CTX md5;

    MD5_Init(&md5);
    for (size_t i = 0; i < count; i++) {
        if (i) {
            MD5_Update(&md5, ":", 1);
        }
        MD5_Update(&md5, parts[i].len ? parts[i].ptr : "", parts[i].len);
    }
    MD5_Final(digest, &md5);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
}

void digest_response(struct slice ha1, struct slice method, const struct digest_login *login,
                     char out[DIGEST_HASH_LEN])
{
    char ha2[DIGEST_HASH_LEN];
    const struct slice asked[] = {method, login->uri};

    hash_of(asked, ARRAY_LEN(asked), ha2);

    const struct slice parts[] = {ha1,           login->nonce, login->nc,
                                  login->cnonce, login->qop,   slice_of(ha2, sizeof(ha2))};

    hash_of(parts, ARRAY_LEN(parts), out);
}
