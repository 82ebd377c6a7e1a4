/*
 * password.c - see password.h. MD5-crypt is done here, because libcrypt does not know the name that Apache gives it; bcrypt
 * and SHA-crypt are libcrypt's.
 */
#include "common/http/password.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/base64.h>
#include <openssl/md5.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <string.h>

static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define MD5_SALT_MOST 8
#define MD5_TEXT 22
#define SHA_SALT_MOST 16
#define SHA_TEXT 28
#define BCRYPT_TEXT 53
#define ROUNDS_LEAST 1000

/* ---- the forms ---- */

static bool written(struct slice text, size_t len)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0' || strchr(alphabet, text.ptr[i]) == NULL) {
            return false;
        }
    }
    return text.len == len;
}

static bool take(struct slice *text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (text->len < len || memcmp(text->ptr, prefix, len) != 0) {
        return false;
    }
    *text = slice_from(*text, len);
    return true;
}

/* A salt with the '$' behind it. */
static bool take_salt(struct slice *text, size_t most, struct slice *salt)
{
    ptrdiff_t end = slice_find(*text, '$');

    if (end < 0 || (size_t)end > most) {
        return false;
    }
    *salt = slice_head(*text, (size_t)end);
    *text = slice_from(*text, (size_t)end + 1);
    return written(*salt, salt->len);
}

static bool md5_parse(struct slice hash, struct slice *magic, struct slice *salt, struct slice *text)
{
    *text = hash;
    if (!take(text, "$apr1$") && !take(text, "$1$")) {
        return false;
    }
    *magic = slice_head(hash, hash.len - text->len);
    return take_salt(text, MD5_SALT_MOST, salt) && written(*text, MD5_TEXT);
}

static bool sha1_parse(struct slice hash, uint8_t digest[SHA_DIGEST_LENGTH])
{
    uint8_t bytes[SHA_TEXT];
    size_t len = 0;

    if (!take(&hash, "{SHA}") || hash.len != SHA_TEXT ||
        !EVP_DecodeBase64(bytes, &len, sizeof(bytes), (const uint8_t *)hash.ptr, hash.len) ||
        len != SHA_DIGEST_LENGTH) {
        return false;
    }
    memcpy(digest, bytes, SHA_DIGEST_LENGTH);
    return true;
}

static int bcrypt_check(struct slice text, struct error *why)
{
    uint64_t cost;

    if (text.len != 3 + BCRYPT_TEXT || text.ptr[2] != '$' || !slice_to_u64(slice_head(text, 2), &cost) ||
        cost < 4 || !written(slice_from(text, 3), BCRYPT_TEXT)) {
        return error_set(why, -EINVAL, "the bcrypt hash is malformed");
    }
    if (cost > PASSWORD_COST_MOST) {
        return error_set(why, -EINVAL, "a bcrypt cost of %u takes too long: at most %d", (unsigned)cost,
                         PASSWORD_COST_MOST);
    }
    return 0;
}

static int sha_crypt_check(struct slice text, size_t len, struct error *why)
{
    struct slice rounds, salt;
    uint64_t count = ROUNDS_LEAST;

    if ((take(&text, "rounds=") && (!take_salt(&text, SHA_SALT_MOST, &rounds) || rounds.len == 0 ||
                                    rounds.ptr[0] == '0' || !slice_to_u64(rounds, &count))) ||
        !take_salt(&text, SHA_SALT_MOST, &salt) || !written(text, len)) {
        return error_set(why, -EINVAL, "the SHA-crypt hash is malformed");
    }
    if (count < ROUNDS_LEAST || count > PASSWORD_ROUNDS_MOST) {
        return error_set(why, -EINVAL, "the rounds of a SHA-crypt hash must be %d to %d", ROUNDS_LEAST,
                         PASSWORD_ROUNDS_MOST);
    }
    return 0;
}

int password_hash_check(struct slice hash, struct error *why)
{
    struct slice text = hash, magic, salt;
    uint8_t digest[SHA_DIGEST_LENGTH];

    if (hash.len > PASSWORD_HASH_MOST) {
        return error_set(why, -EINVAL, "the hash is longer than %d bytes", PASSWORD_HASH_MOST);
    }
    if (take(&text, "$2a$") || take(&text, "$2b$") || take(&text, "$2x$") || take(&text, "$2y$")) {
        return bcrypt_check(text, why);
    }
    if (take(&text, "$5$")) {
        return sha_crypt_check(text, 43, why);
    }
    if (take(&text, "$6$")) {
        return sha_crypt_check(text, 86, why);
    }
    if (sha1_parse(hash, digest) || md5_parse(hash, &magic, &salt, &text)) {
        return 0;
    }
    if (slice_has_prefix(hash, SLICE("$$"))) {
        return error_set(why, -EINVAL,
                         "the hash begins with $$: only Docker Compose doubles them, write $ for $$");
    }
    return error_set(
        why, -EINVAL,
        "the hash is none of bcrypt ($2y$), MD5 ($apr1$), SHA-1 ({SHA}) and SHA-crypt ($5$, $6$): "
        "write the line with htpasswd -B");
}

bool password_hash_slow(struct slice hash)
{
    return !take(&hash, "{SHA}");
}

/* ---- MD5-crypt ---- */

static void put(char **to, unsigned value, unsigned count)
{
    while (count--) {
        *(*to)++ = alphabet[value & 63];
        value >>= 6;
    }
}

static void md5_write(const uint8_t *sum, char *to)
{
    static const uint8_t order[5][3] = {{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}};

    for (size_t i = 0; i < 5; i++) {
        put(&to, (unsigned)sum[order[i][0]] << 16 | (unsigned)sum[order[i][1]] << 8 | sum[order[i][2]], 4);
    }
    put(&to, sum[11], 2);
}

static void md5_first(struct slice password, struct slice magic, struct slice salt, uint8_t *sum)
{
    MD5_CTX md5;

    MD5_Init(&md5);
    MD5_Update(&md5, password.ptr, password.len);
    MD5_Update(&md5, salt.ptr, salt.len);
    MD5_Update(&md5, password.ptr, password.len);
    MD5_Final(sum, &md5);
    MD5_Init(&md5);
    MD5_Update(&md5, password.ptr, password.len);
    MD5_Update(&md5, magic.ptr, magic.len);
    MD5_Update(&md5, salt.ptr, salt.len);
    for (size_t left = password.len; left; left -= left < MD5_DIGEST_LENGTH ? left : MD5_DIGEST_LENGTH) {
        MD5_Update(&md5, sum, left < MD5_DIGEST_LENGTH ? left : MD5_DIGEST_LENGTH);
    }
    for (size_t i = password.len; i; i >>= 1) {
        MD5_Update(&md5, i & 1 ? "" : password.ptr, 1);
    }
    MD5_Final(sum, &md5);
}

/* 22 characters. */
static void md5_crypt(struct slice password, struct slice magic, struct slice salt, char *to)
{
    uint8_t sum[MD5_DIGEST_LENGTH];
    struct slice so_far = slice_of((const char *)sum, sizeof(sum));

    md5_first(password, magic, salt, sum);
    for (unsigned i = 0; i < 1000; i++) {
        struct slice first = i & 1 ? password : so_far, last = i & 1 ? so_far : password;
        MD5_CTX md5;

        MD5_Init(&md5);
        MD5_Update(&md5, first.ptr, first.len);
        if (i % 3) {
            MD5_Update(&md5, salt.ptr, salt.len);
        }
        if (i % 7) {
            MD5_Update(&md5, password.ptr, password.len);
        }
        MD5_Update(&md5, last.ptr, last.len);
        MD5_Final(sum, &md5);
    }
    md5_write(sum, to);
}

/* ---- whose password it is ---- */

static bool crypt_fits(struct slice hash, struct slice password, struct crypt_data *scratch)
{
    char setting[PASSWORD_HASH_MOST + 1], phrase[PASSWORD_MOST + 1];
    const char *made;
    bool fits;

    if (!slice_to_cstr(hash, setting, sizeof(setting)) || !slice_to_cstr(password, phrase, sizeof(phrase))) {
        return false;
    }
    made = crypt_r(phrase, setting, scratch);
    fits = made && strlen(made) == hash.len && CRYPTO_memcmp(made, hash.ptr, hash.len) == 0;
    OPENSSL_cleanse(phrase, sizeof(phrase));
    OPENSSL_cleanse(scratch, sizeof(*scratch));
    return fits;
}

bool password_fits(struct slice hash, struct slice password, struct crypt_data *scratch)
{
    uint8_t wanted[SHA_DIGEST_LENGTH], got[SHA_DIGEST_LENGTH];
    struct slice magic, salt, text;
    char made[MD5_TEXT];

    if (password.len > PASSWORD_MOST || slice_find(password, '\0') >= 0) {
        return false; /* libcrypt would look at the part before */
    }
    if (sha1_parse(hash, wanted)) {
        SHA1((const uint8_t *)(password.len ? password.ptr : ""), password.len, got);
        return CRYPTO_memcmp(wanted, got, sizeof(got)) == 0;
    }
    if (md5_parse(hash, &magic, &salt, &text)) {
        md5_crypt(password, magic, salt, made);
        return CRYPTO_memcmp(made, text.ptr, MD5_TEXT) == 0;
    }
    return crypt_fits(hash, password, scratch);
}
