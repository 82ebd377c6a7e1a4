/*
 * digest_auth.c - lets users pass who prove that they know a password without saying it (digestAuth, RFC 7616 with MD5).
 *
 * Nonces are known to all workers and over generations (shm/nonces.h); each of their counts lets one request pass. A user
 * that there is not costs what the others do, and fails.
 */
#include <openssl/mem.h>
#include <openssl/rand.h>

#include "common/http/digest.h"
#include "common/http/url.h"
#include "common/model/prepared.h"
#include "shm/nonces.h"
#include "worker/middleware.h"
#include "worker/middleware/rewrite.h"
#include "worker/middleware/users.h"
#include "worker/worker.h"

static enum mw_verdict challenge(struct exchange *ex, const struct prepared_digest_auth *p, bool stale)
{
    struct board *board = ex->worker->board;
    struct table_ref table = exchange_table(ex);
    uint8_t random[NONCE_RANDOM];
    char nonce[NONCE_LEN], opaque[NONCE_MARK_LEN];
    struct slice begun = exchange_text(ex, p->challenge);

    if (!RAND_bytes(random, sizeof(random)) || !nonce_make(board, table, random, ex->worker->now_ns, nonce)) {
        return (enum mw_verdict)exchange_answer(ex, 503, REASON_limit);
    }
    nonce_mark(board, table, opaque);
    return (enum mw_verdict)users_refuse(
        ex, pool_printf(ex->pool, "%.*s%.*s\", opaque=\"%.*s\", %salgorithm=\"MD5\", qop=\"auth\"",
                        SLICE_ARG(begun), NONCE_LEN, nonce, NONCE_MARK_LEN, opaque,
                        stale ? "stale=\"true\", " : ""));
}

static bool opaque_fits(const struct exchange *ex, struct slice sent)
{
    char opaque[NONCE_MARK_LEN];

    nonce_mark(ex->worker->board, exchange_table(ex), opaque);
    return slice_eq(sent, slice_of(opaque, sizeof(opaque)));
}

/* What the client computed with is what it asks for: the same target, or, as Traefik has it, a path in front of that. */
static bool uri_fits(struct exchange *ex, struct slice uri)
{
    struct url_path asked, named;
    struct slice shown;

    if (slice_eq(uri, ex->request.target) || (rewrite_uri(ex, &shown) && slice_eq(uri, shown))) {
        return true;
    }
    return rewrite_load(ex, &asked) && url_path_of(ex->pool, uri, &named) == PATH_OK &&
           slice_has_prefix(asked.path, named.path);
}

/* The user knows the password. */
static bool proves(struct exchange *ex, const struct prepared_digest_auth *p,
                   const struct digest_login *login)
{
    static const char nobody[DIGEST_HASH_LEN + 1] = "00000000000000000000000000000000";
    struct slice realm = exchange_text(ex, p->realm), name, hash;
    char expected[DIGEST_HASH_LEN];

    if (slice_find(login->username, ':') >= 0) {
        return false;
    }
    name = pool_printf(ex->pool, "%.*s:%.*s", SLICE_ARG(login->username), SLICE_ARG(realm));

    bool exists = users_find(ex, &p->users, name, &hash) && hash.len == DIGEST_HASH_LEN;

    digest_response(exists ? hash : slice_of(nobody, DIGEST_HASH_LEN), ex->request.method, login, expected);
    return CRYPTO_memcmp(expected, login->response.ptr, DIGEST_HASH_LEN) == 0 && exists;
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_digest_auth *p = params;
    const struct header *header = headers_get(&ex->request.headers, HEADER_AUTHORIZATION);
    struct digest_login login;

    if (header == NULL || !digest_parse(ex->pool, header->value, &login) || !opaque_fits(ex, login.opaque) ||
        !uri_fits(ex, login.uri) || !proves(ex, p, &login)) {
        return challenge(ex, p, false);
    }

    enum nonce_verdict verdict =
        nonce_take(ex->worker->board, exchange_table(ex), login.nonce, login.count, ex->worker->now_ns);

    if (verdict != NONCE_TAKEN) {
        return challenge(ex, p, verdict == NONCE_STALE);
    }
    users_admit(ex, p->header_field, p->remove_header, login.username);
    return MW_PASS;
}

const struct middleware_type mw_digest_auth = {.name = "digestAuth", .on_request = on_request};
