/*
 * forward_auth_headers.c - the headers of forwardAuth, there and back. See forward_auth.h.
 */
#include "common/rule/regex.h"
#include "worker/forwarded.h"
#include "worker/middleware/forward_auth.h"

/* ---- there ---- */

static bool listed(const struct exchange *ex, const struct list *names, struct slice name)
{
    const struct slice *items = exchange_items(ex, *names);

    for (size_t i = 0; i < names->count; i++) {
        if (slice_eq_nocase(exchange_text(ex, items[i]), name)) {
            return true;
        }
    }
    return false;
}

static bool goes_there(const struct exchange *ex, const struct prepared_forward_auth *p,
                       const struct header *item)
{
    if ((item->flags & HEADER_REMOVED) || item->id == HEADER_CONTENT_LENGTH || item->id == HEADER_HOST ||
        (item->id == HEADER_USER_AGENT && item->value.len == 0) ||
        ((item->flags & HEADER_HOP_BY_HOP) && item->id != HEADER_PROXY_AUTHORIZATION)) {
        return false;
    }
    if (forwarded_managed(item) && p->trust != AUTH_TRUST_UNSET) {
        return p->trust == AUTH_TRUST_ALL;
    }
    return p->request_headers.count == 0 || listed(ex, &p->request_headers, item->name);
}

static struct slice request_uri(struct exchange *ex)
{
    const struct exchange_request *request = &ex->request;

    return pool_printf(ex->pool, "%.*s%s%.*s",
                       SLICE_ARG(request->raw_path.len ? request->raw_path : SLICE("/")),
                       request->has_query ? "?" : "", SLICE_ARG(request->query));
}

static void say(const struct prepared_forward_auth *p, struct headers *to, enum header_id id,
                struct slice value)
{
    if (p->trust == AUTH_TRUST_UNSET || headers_get(to, id) == NULL) {
        headers_set_id(to, id, value);
    }
}

static void say_client(struct exchange *ex, const struct prepared_forward_auth *p, struct headers *to)
{
    struct slice client = forwarded_client(ex), joined = SLICE("");

    for (size_t i = 0; i < to->count && p->trust == AUTH_TRUST_ALL; i++) {
        if (to->items[i].id == HEADER_X_FORWARDED_FOR && !(to->items[i].flags & HEADER_REMOVED)) {
            joined = pool_printf(ex->pool, "%.*s%.*s, ", SLICE_ARG(joined), SLICE_ARG(to->items[i].value));
        }
    }
    headers_set_id(to, HEADER_X_FORWARDED_FOR,
                   pool_printf(ex->pool, "%.*s%.*s", SLICE_ARG(joined), SLICE_ARG(client)));
}

void auth_request_headers(struct exchange *ex, const struct prepared_forward_auth *p, struct headers *to)
{
    const struct headers *from = &ex->request.headers;

    for (size_t i = 0; i < from->count; i++) {
        const struct header *item = &from->items[i];

        if (goes_there(ex, p, item)) {
            headers_add(to, item->name, item->value)->flags &= (uint8_t)~HEADER_HOP_BY_HOP;
        }
    }
    say_client(ex, p, to);
    say(p, to, HEADER_X_FORWARDED_METHOD, ex->request.method);
    say(p, to, HEADER_X_FORWARDED_PROTO, exchange_scheme(ex));
    if (p->trust != AUTH_TRUST_UNSET) {
        const struct header *proto = headers_get(to, HEADER_X_FORWARDED_PROTO);

        say(p, to, HEADER_X_FORWARDED_PORT, forwarded_port(ex, proto ? proto->value : SLICE("")));
    }
    say(p, to, HEADER_X_FORWARDED_HOST, ex->request.host);
    say(p, to, HEADER_X_FORWARDED_URI, request_uri(ex));
}

/* ---- and back ---- */

/* Where a message ends, and between whom it goes, is not for its server to say. */
static bool frames(const struct header *item)
{
    return (item->flags & (HEADER_REMOVED | HEADER_HOP_BY_HOP)) || item->id == HEADER_CONTENT_LENGTH ||
           item->id == HEADER_HOST;
}

static void take(struct exchange *ex, const struct header *item)
{
    headers_add(&ex->request.headers, pool_copy(ex->pool, item->name), pool_copy(ex->pool, item->value));
}

static void take_named(struct exchange *ex, struct slice name, const struct headers *answer)
{
    headers_remove_spellings(&ex->request.headers, name);
    headers_remove(&ex->request.headers, name);
    for (size_t i = 0; i < answer->count; i++) {
        if (!frames(&answer->items[i]) && slice_eq_nocase(answer->items[i].name, name)) {
            take(ex, &answer->items[i]);
        }
    }
}

static bool matches(struct exchange *ex, const struct regex *regex, const struct header *item)
{
    return !frames(item) && regex_match(regex, header_name_canonical(ex->pool, item->name));
}

/* For headers of the client, which go when it takes too long to say. */
static bool may_match(struct exchange *ex, const struct regex *regex, struct slice name,
                      struct regex_effort *effort)
{
    return regex_test_among(regex, header_name_canonical(ex->pool, name), effort) != REGEX_NO_MATCH;
}

/* A name that servers may take for one that matches (I11). */
static bool may_match_spelled_otherwise(struct exchange *ex, const struct regex *regex, struct slice name,
                                        struct regex_effort *effort)
{
    return header_name_odd(name) && may_match(ex, regex, header_name_dashed(ex->pool, name), effort);
}

static void take_matching(struct exchange *ex, const struct regex *regex, const struct headers *answer)
{
    struct headers *headers = &ex->request.headers;
    struct regex_effort effort = {0};

    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (!frames(item) && (may_match(ex, regex, item->name, &effort) ||
                              may_match_spelled_otherwise(ex, regex, item->name, &effort))) {
            item->flags |= HEADER_REMOVED;
        }
    }
    for (size_t i = 0; i < answer->count; i++) {
        if (matches(ex, regex, &answer->items[i])) {
            headers_remove_spellings(headers, answer->items[i].name);
        }
    }
    for (size_t i = 0; i < answer->count; i++) {
        if (matches(ex, regex, &answer->items[i])) {
            take(ex, &answer->items[i]);
        }
    }
}

void auth_take_headers(struct exchange *ex, const struct prepared_forward_auth *p,
                       const struct headers *answer)
{
    const struct slice *names = exchange_items(ex, p->response_headers);
    const struct regex_text *regexes = exchange_items(ex, p->response_regexes);

    for (size_t i = 0; i < p->response_headers.count; i++) {
        take_named(ex, exchange_text(ex, names[i]), answer);
    }
    for (size_t i = 0; i < p->response_regexes.count; i++) {
        take_matching(ex, exchange_regex(ex, &regexes[i]), answer);
    }
}

/* ---- cookies ---- */

static bool chosen_cookie(const struct exchange *ex, const struct prepared_forward_auth *p,
                          const struct header *item)
{
    ptrdiff_t equals = slice_find(item->value, '=');

    return item->id == HEADER_SET_COOKIE && !(item->flags & HEADER_REMOVED) && equals > 0 &&
           listed(ex, &p->cookies, slice_trim(slice_head(item->value, (size_t)equals)));
}

void auth_set_cookies(struct exchange *ex, const struct prepared_forward_auth *p,
                      const struct headers *answer)
{
    struct headers *headers = &ex->response.headers;
    bool any = false;

    for (size_t i = 0; i < answer->count && !any; i++) {
        any = answer->items[i].id == HEADER_SET_COOKIE;
    }
    for (size_t i = 0; i < headers->count && any; i++) {
        if (chosen_cookie(ex, p, &headers->items[i])) {
            headers->items[i].flags |= HEADER_REMOVED;
        }
    }
    for (size_t i = 0; i < answer->count; i++) {
        if (chosen_cookie(ex, p, &answer->items[i])) {
            headers_add_id(headers, HEADER_SET_COOKIE, answer->items[i].value);
        }
    }
}
