/*
 * basic_auth.c - lets users with a password pass (basicAuth, RFC 7617).
 *
 * A name that there is not costs what the hash of one of the users costs, always the same one for the same name: the time tells
 * nobody who exists. Test: tests/integration/test_middleware_basic_auth.py
 */
#include <openssl/base64.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

#include "common/model/prepared.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/middleware/users.h"
#include "worker/passwords.h"

struct login { /* of a request whose password is being looked at */
    const struct prepared_basic_auth *params;
    struct slice user;
};

/* User and password in the exchange's pool; false: there are none that can be read. */
static bool credentials(struct exchange *ex, struct slice *user, struct slice *password)
{
    const struct header *header = headers_get(&ex->request.headers, HEADER_AUTHORIZATION);
    size_t room, len;
    uint8_t *text;
    ptrdiff_t colon;

    if (header == NULL || !slice_eq_nocase(slice_head(header->value, 6), SLICE("Basic "))) {
        return false;
    }

    struct slice coded = slice_from(header->value, 6);

    if (!EVP_DecodedLength(&room, coded.len)) {
        return false;
    }
    text = pool_alloc(ex->pool, room + 1);
    if (!EVP_DecodeBase64(text, &len, room, (const uint8_t *)coded.ptr, coded.len)) {
        return false;
    }
    *user = slice_of((const char *)text, len);
    colon = slice_find(*user, ':');
    if (colon < 0) {
        return false;
    }
    *password = slice_from(*user, (size_t)colon + 1);
    *user = slice_head(*user, (size_t)colon);
    return true;
}

static bool find_hash(const struct exchange *ex, const struct prepared_basic_auth *p, struct slice user,
                      struct slice *hash)
{
    const struct string_pair *users = exchange_items(ex, (struct list){p->users.items, p->users.count});

    if (users_find(ex, &p->users, user, hash)) {
        return true;
    }

    struct slice seed = exchange_text(ex, p->seed);
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint32_t chosen;
    SHA256_CTX sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, seed.ptr, seed.len);
    SHA256_Update(&sha, user.ptr, user.len);
    SHA256_Final(digest, &sha);
    memcpy(&chosen, digest, sizeof(chosen));
    *hash = exchange_text(ex, users[chosen % p->users.count].value);
    return false;
}

static enum mw_verdict refuse(struct exchange *ex, const struct prepared_basic_auth *p)
{
    return (enum mw_verdict)users_refuse(ex, exchange_text(ex, p->challenge));
}

static enum mw_verdict admit(struct exchange *ex, const struct login *login)
{
    users_admit(ex, login->params->header_field, login->params->remove_header, login->user);
    return MW_PASS;
}

static void decided(struct exchange *ex, void *context, bool right)
{
    const struct login *login = context;

    (void)(right ? admit(ex, login) : refuse(ex, login->params));
    exchange_resume(ex);
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_basic_auth *p = params;
    struct slice user, password, hash;

    if (!credentials(ex, &user, &password)) {
        return refuse(ex, p);
    }

    struct login *login = pool_alloc(ex->pool, sizeof(*login));
    bool exists = find_hash(ex, p, user, &hash);

    *login = (struct login){.params = p, .user = user};

    enum password_answer answer = passwords_ask(ex, hash, password, exists, decided, login);

    OPENSSL_cleanse((void *)(uintptr_t)password.ptr, password.len);
    switch (answer) {
    case PASSWORD_RIGHT:
        return admit(ex, login);
    case PASSWORD_LATER:
        return MW_SUSPENDED;
    case PASSWORD_BUSY:
        headers_set(&ex->response.headers, SLICE("Retry-After"), SLICE("1"));
        return (enum mw_verdict)exchange_answer(ex, 503, REASON_limit);
    case PASSWORD_WRONG:
        break;
    }
    return refuse(ex, p);
}

const struct middleware_type mw_basic_auth = {.name = "basicAuth", .on_request = on_request};
