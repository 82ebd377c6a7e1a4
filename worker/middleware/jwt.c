/*
 * jwt.c - lets pass who bears a token that one of the keys signed and whose claims hold (jwt).
 *
 * The token stands in Authorization, or in a parameter of the query. Test: tests/integration/test_middleware_jwt.py
 */
#include <math.h>
#include <time.h>

#include "common/base/text.h"
#include "common/model/prepared.h"
#include "common/rule/claims_expression.h"
#include "worker/middleware.h"
#include "worker/middleware/bearer.h"
#include "worker/tokens.h"
#include "worker/worker.h"

static enum mw_verdict refuse(struct exchange *ex, bool had_one)
{
    headers_set(&ex->response.headers, SLICE("Www-Authenticate"),
                had_one ? SLICE("Bearer error=\"invalid_token\"") : SLICE("Bearer"));
    return (enum mw_verdict)exchange_answer(ex, 401, REASON_unauthenticated);
}

/* Keys that a token may be tried with: so many as a callback of the loop has the time for (I4). */
static unsigned tries_of(enum jwt_algorithm algorithm)
{
    return algorithm == JWT_ES512 ? 1 : algorithm == JWT_ES384 ? 2 : 4;
}

/* The master is to look for other keys. */
static void miss(const struct exchange *ex)
{
    _Atomic uint64_t *word = exchange_word(ex, 0);

    if (word && atomic_load_explicit(word, memory_order_relaxed) == 0) {
        atomic_store_explicit(word, 1, memory_order_relaxed);
    }
}

static bool signed_by_one(const struct exchange *ex, const struct prepared_jwt *p,
                          const struct jwt_token *token)
{
    const struct string_pair *keys = exchange_items(ex, (struct list){p->keys.items, p->keys.count});
    unsigned left = tries_of(token->algorithm);

    for (size_t i = 0; i < p->keys.count && left > 0; i++) {
        struct slice kid = exchange_text(ex, keys[i].key);
        struct jwk_packed key;

        if (!jwk_unpack(exchange_text(ex, keys[i].value), &key) ||
            (!key.any_kid && !(token->has_kid ? slice_eq(kid, token->kid) : kid.len == 0)) ||
            !((1u << token->algorithm) & key.algorithms)) {
            continue;
        }
        left--;
        if (tokens_verify(ex->worker, &key, token)) {
            return true;
        }
    }
    if (p->fetched && (!token->has_kid || left == tries_of(token->algorithm))) {
        miss(ex);
    }
    return false;
}

/* A time of RFC 7519. False: it is there, and is none. *there: it is. */
static bool numeric_date(const struct doc *claims, const char *name, double *out, bool *there)
{
    const struct doc *claim = doc_get(claims, name);

    *there = claim != NULL;
    *out = 0;
    if (claim && claim->kind == DOC_INT) {
        *out = (double)claim->integer;
    } else if (claim && claim->kind == DOC_FLOAT) {
        *out = claim->number;
    }
    return claim == NULL || ((claim->kind == DOC_INT || claim->kind == DOC_FLOAT) && isfinite(*out));
}

static bool in_time(const struct prepared_jwt *p, const struct doc *claims)
{
    double leeway = (double)p->leeway / 1e9, until, from, made, now;
    bool has_until, has_from, was_made;
    struct timespec clock;

    (void)clock_gettime(CLOCK_REALTIME, &clock);
    now = (double)clock.tv_sec;
    return numeric_date(claims, "exp", &until, &has_until) && numeric_date(claims, "nbf", &from, &has_from) &&
           numeric_date(claims, "iat", &made, &was_made) && (!has_until || now < until + leeway) &&
           (!has_from || now + leeway >= from) && (!was_made || now + leeway >= made);
}

static bool listed(const struct exchange *ex, struct list stored, const struct doc *claim)
{
    const struct slice *items = exchange_items(ex, stored);

    for (size_t i = 0; claim && claim->kind == DOC_STRING && i < stored.count; i++) {
        if (slice_eq(exchange_text(ex, items[i]), claim->text)) {
            return true;
        }
    }
    return false;
}

static bool for_us(const struct exchange *ex, const struct prepared_jwt *p, const struct doc *claims)
{
    const struct doc *audience = doc_get(claims, "aud");
    bool fits = p->audiences.count == 0 || listed(ex, p->audiences, audience);

    for (size_t i = 0; audience && audience->kind == DOC_LIST && !fits && i < audience->list.count; i++) {
        fits = listed(ex, p->audiences, audience->list.items[i]);
    }
    return fits && (p->issuers.count == 0 || listed(ex, p->issuers, doc_get(claims, "iss")));
}

/* As a header has it: texts and numbers as they are, lists with commas, objects as JSON. Empty when it may stand in none. */
static struct slice claim_text(struct exchange *ex, const struct doc *claim)
{
    struct slice shown = SLICE("");
    struct text text;
    bool plain = true;

    if (claim == NULL || claim->kind == DOC_NULL) {
        return shown;
    }
    text_init(&text);
    for (size_t i = 0; claim->kind == DOC_LIST && i < claim->list.count; i++) {
        const struct doc *item = claim->list.items[i];

        plain = plain && item->kind != DOC_LIST && item->kind != DOC_MAP && item->kind != DOC_NULL;
        text_add(&text, i ? SLICE(",") : SLICE(""));
        text_add(&text, plain ? item->text : SLICE(""));
    }
    if (claim->kind == DOC_MAP || !plain) {
        text_clear(&text);
        doc_to_json(claim, &text);
    } else if (claim->kind != DOC_LIST) {
        text_add(&text, claim->text);
    }
    if (header_value_valid(text_slice(&text))) {
        (void)pool_join(ex->pool, text_slice(&text), SLICE(""), &shown);
    }
    text_free(&text);
    return shown;
}

static void forward(struct exchange *ex, const struct prepared_jwt *p, const struct doc *claims)
{
    const struct string_pair *pairs =
        exchange_items(ex, (struct list){p->forward_headers.items, p->forward_headers.count});

    for (size_t i = 0; i < p->forward_headers.count; i++) {
        struct slice name = exchange_text(ex, pairs[i].key);

        headers_remove_spellings(&ex->request.headers, name);
        headers_set(&ex->request.headers, name,
                    claim_text(ex, claims_find(claims, exchange_text(ex, pairs[i].value))));
    }
}

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_jwt *p = params;
    struct slice text, program = exchange_text(ex, p->claims);
    struct jwt_token token;
    const struct doc *claims;

    if (!bearer_of_header(ex, SLICE("Authorization"), SLICE("Bearer"), &text) &&
        !bearer_of_query(ex, exchange_text(ex, p->token_key), &text)) {
        return refuse(ex, false);
    }
    if (p->fetched && p->keys.count == 0) { /* no answer came yet: nobody can be judged */
        return (enum mw_verdict)exchange_answer(ex, 503, REASON_auth_failed);
    }
    if (!jwt_read(ex->pool, text, &token) || !signed_by_one(ex, p, &token)) {
        return refuse(ex, true);
    }
    claims = jwt_claims(ex->pool, &token);
    if (claims == NULL || !in_time(p, claims) || !for_us(ex, p, claims)) {
        return refuse(ex, true);
    }
    if (program.len && !claims_expression_holds(program, claims)) {
        return (enum mw_verdict)exchange_answer(ex, 403, REASON_unauthenticated);
    }
    if (p->user.len) {
        exchange_set_user(ex, claim_text(ex, claims_find(claims, exchange_text(ex, p->user))));
    }
    headers_keep_first(&ex->request.headers, HEADER_AUTHORIZATION);
    forward(ex, p, claims);
    if (!p->forward_authorization) {
        headers_remove_id(&ex->request.headers, HEADER_AUTHORIZATION);
    }
    return MW_PASS;
}

const struct middleware_type mw_jwt = {.name = "jwt", .on_request = on_request};
