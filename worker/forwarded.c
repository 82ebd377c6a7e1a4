/*
 * forwarded.c - see forwarded.h. The order of steps and the values are Traefik's.
 *
 * A name that we set or trust is compared with case and signs folded (I11): some servers take X_Forwarded_For and
 * X-Forwarded-For for the same variable.
 */
#include "worker/forwarded.h"

#include "worker/listener.h"
#include "worker/recycle.h"
#include "worker/worker.h"

static const uint64_t managed_ids =
    HEADER_BIT(HEADER_X_FORWARDED_FOR) | HEADER_BIT(HEADER_X_FORWARDED_HOST) |
    HEADER_BIT(HEADER_X_FORWARDED_PORT) | HEADER_BIT(HEADER_X_FORWARDED_PROTO) |
    HEADER_BIT(HEADER_X_FORWARDED_SERVER) | HEADER_BIT(HEADER_X_FORWARDED_URI) |
    HEADER_BIT(HEADER_X_FORWARDED_METHOD) | HEADER_BIT(HEADER_X_FORWARDED_PREFIX) |
    HEADER_BIT(HEADER_X_FORWARDED_TLS_CLIENT_CERT) | HEADER_BIT(HEADER_X_FORWARDED_TLS_CLIENT_CERT_INFO) |
    HEADER_BIT(HEADER_X_REAL_IP) | HEADER_BIT(HEADER_X_FORWARDED_SCHEME) | HEADER_BIT(HEADER_X_SCHEME);

/* Another spelling of one of the managed names. */
static bool managed_alias(struct slice name)
{
    if (name.len < 8 || (name.ptr[0] | 0x20) != 'x' || !header_name_odd(name)) {
        return false;
    }
    for (unsigned id = 1; id < HEADER_IDS; id++) {
        if ((managed_ids & HEADER_BIT(id)) && header_name_alias(name, header_name(id))) {
            return true;
        }
    }
    return false;
}

bool forwarded_managed(const struct header *item)
{
    return item->id == HEADER_OTHER ? managed_alias(item->name) : (managed_ids & HEADER_BIT(item->id)) != 0;
}

static bool peer_trusted(const struct exchange *ex)
{
    const struct entry_options *options = ex->entry;

    if (options->trust_all) {
        return true;
    }
    for (size_t i = 0; i < options->trusted_count; i++) {
        if (cidr_contains(&options->trusted[i], &ex->client)) {
            return true;
        }
    }
    return false;
}

static struct slice value_of(const struct headers *headers, enum header_id id)
{
    const struct header *item = headers_get(headers, id);

    return item ? item->value : SLICE("");
}

struct slice forwarded_client(struct exchange *ex)
{
    if (ex->client_text.len == 0) {
        char *text = pool_alloc(ex->pool, ADDRESS_TEXT_SIZE);

        ex->client_text = slice_of(text, address_format(&ex->client, text));
    }
    return ex->client_text;
}

static bool asks_for_websocket(const struct exchange *ex)
{
    return ex->request.upgrade &&
           header_list_has(value_of(&ex->request.headers, HEADER_CONNECTION), SLICE("upgrade")) &&
           header_list_has(value_of(&ex->request.headers, HEADER_UPGRADE), SLICE("websocket"));
}

/* The port of a Host header; else by the scheme. */
struct slice forwarded_port(const struct exchange *ex, struct slice proto)
{
    struct slice host = ex->request.host;
    ptrdiff_t colon = slice_rfind(host, ':');

    if (colon >= 0 && (size_t)colon + 1 < host.len &&
        (slice_find(host, ':') == colon || (host.ptr[0] == '[' && host.ptr[colon - 1] == ']'))) {
        return slice_from(host, (size_t)colon + 1);
    }
    return ex->request.tls || slice_eq(proto, SLICE("https")) || slice_eq(proto, SLICE("wss")) ? SLICE("443")
                                                                                               : SLICE("80");
}

static bool is_forwarded_for(const struct header *item)
{
    return item->id == HEADER_X_FORWARDED_FOR && !(item->flags & HEADER_REMOVED);
}

/* Several X-Forwarded-For become one, in their order. */
static void join_forwarded_for(struct exchange *ex)
{
    struct headers *headers = &ex->request.headers;
    size_t found = 0, len = 0;
    char *joined, *at;

    for (size_t i = 0; i < headers->count; i++) {
        if (is_forwarded_for(&headers->items[i])) {
            found++;
            len += headers->items[i].value.len + 2;
        }
    }
    if (found < 2 || (joined = pool_try_alloc(ex->pool, len)) == NULL) {
        return; /* several lines mean the same as one */
    }
    at = joined;
    for (size_t i = 0; i < headers->count; i++) {
        struct slice value = headers->items[i].value;

        if (is_forwarded_for(&headers->items[i])) {
            at = value.len ? mempcpy(at, value.ptr, value.len) : at;
            at = mempcpy(at, ", ", 2);
        }
    }
    headers_set_id(headers, HEADER_X_FORWARDED_FOR, slice_of(joined, len - 2));
}

static void set_if_empty(struct headers *headers, enum header_id id, struct slice value)
{
    if (value_of(headers, id).len == 0) {
        headers_set_id(headers, id, value);
    }
}

/* For a request that brings none of the fields, which is most: nothing to look for, nothing to replace. */
static void add_all(struct exchange *ex)
{
    bool websocket = ex->request.upgrade && asks_for_websocket(ex);
    struct slice proto = websocket ? (ex->request.tls ? SLICE("wss") : SLICE("ws")) : exchange_scheme(ex);
    struct known_field fields[7] = {{HEADER_X_REAL_IP, forwarded_client(ex)},
                                    {HEADER_X_FORWARDED_PROTO, proto},
                                    {HEADER_X_FORWARDED_PORT, forwarded_port(ex, proto)}};
    size_t count = 3;

    if (ex->entry->scheme_headers) {
        fields[count++] = (struct known_field){HEADER_X_FORWARDED_SCHEME, proto};
        fields[count++] = (struct known_field){HEADER_X_SCHEME, proto};
    }
    if (ex->request.host.len) {
        fields[count++] = (struct known_field){HEADER_X_FORWARDED_HOST, ex->request.host};
    }
    if (ex->entry->host_name.len) {
        fields[count++] = (struct known_field){HEADER_X_FORWARDED_SERVER, ex->entry->host_name};
    }
    headers_add_known(&ex->request.headers, fields, count);
}

/* A trusted peer's fields stay, what is missing is added. */
static void complete(struct exchange *ex)
{
    struct headers *headers = &ex->request.headers;
    bool websocket = asks_for_websocket(ex);

    set_if_empty(headers, HEADER_X_REAL_IP, forwarded_client(ex));
    set_if_empty(headers, HEADER_X_FORWARDED_PROTO,
                 websocket ? (ex->request.tls ? SLICE("wss") : SLICE("ws")) : exchange_scheme(ex));
    set_if_empty(headers, HEADER_X_FORWARDED_PORT,
                 forwarded_port(ex, value_of(headers, HEADER_X_FORWARDED_PROTO)));
    if (ex->entry->scheme_headers) {
        struct slice proto = value_of(headers, HEADER_X_FORWARDED_PROTO);

        headers_set_id(headers, HEADER_X_FORWARDED_SCHEME, proto);
        headers_set_id(headers, HEADER_X_SCHEME, proto);
    }
    if (ex->request.host.len) {
        set_if_empty(headers, HEADER_X_FORWARDED_HOST, ex->request.host);
    }
    join_forwarded_for(ex);
    if (ex->entry->host_name.len) {
        headers_set_id(headers, HEADER_X_FORWARDED_SERVER, ex->entry->host_name);
    }
}

/* ---- Connection ---- */

static bool kept_for_chain(const struct exchange *ex, struct slice name)
{
    const struct page *page = ex->generation->pages[PAGE_STATIC];

    for (size_t i = 0; i < ex->entry->connection_count; i++) {
        if (slice_eq_nocase(page_text(page, ex->entry->connection[i]), name)) {
            return true;
        }
    }
    return false;
}

/* What Connection names (the parser has marked it) goes, but for our own fields, which no peer may take away, and those
 * that the option forwardedHeaders.connection leaves to the middlewares. TE and Upgrade have their own treatment. */
static void drop_named(struct exchange *ex)
{
    struct headers *headers = &ex->request.headers;

    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (!(item->flags & HEADER_HOP_BY_HOP) || header_flags_of(item->id)) {
            continue;
        }
        if (forwarded_managed(item)) {
            item->flags &= (uint8_t)~HEADER_HOP_BY_HOP;
        } else if (!kept_for_chain(ex, item->name)) {
            item->flags |= HEADER_REMOVED;
        }
    }
}

void forwarded_apply(struct exchange *ex)
{
    struct headers *headers = &ex->request.headers;
    bool named = false;

    ex->request.trusted = peer_trusted(ex);
    ex->not_append_forwarded_for = ex->entry->not_append_forwarded_for;
    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (item->flags & HEADER_HOP_BY_HOP) {
            named = true;
        }
        if (forwarded_managed(item)) {
            if (ex->request.trusted) {
                ex->claims = true;
            } else {
                item->flags |= HEADER_REMOVED;
            }
        }
    }
    if (ex->claims) {
        complete(ex);
    } else {
        add_all(ex);
    }
    if (named) {
        drop_named(ex);
    }
}

void forwarded_append_client(struct exchange *ex)
{
    struct headers *headers = &ex->request.headers;
    struct slice joined;

    if (ex->not_append_forwarded_for) {
        return;
    }
    if ((!ex->claims && ex->chain_done == 0) || !(headers->ids & HEADER_BIT(HEADER_X_FORWARDED_FOR))) {
        headers_add_known(headers, &(struct known_field){HEADER_X_FORWARDED_FOR, forwarded_client(ex)},
                          1); /* nobody put one there */
        return;
    }
    if (headers_suppressed(headers, HEADER_X_FORWARDED_FOR)) {
        return;
    }
    join_forwarded_for(ex);

    struct slice before = value_of(headers, HEADER_X_FORWARDED_FOR);

    if (before.len == 0) {
        headers_set_id(headers, HEADER_X_FORWARDED_FOR, forwarded_client(ex));
    } else if (pool_join(ex->pool, before, SLICE(", "), &joined) &&
               pool_join(ex->pool, joined, forwarded_client(ex), &joined)) {
        headers_set_id(headers, HEADER_X_FORWARDED_FOR, joined);
    }
}

bool query_semicolons(struct exchange *ex)
{
    struct slice query = ex->request.query;
    size_t count = 0;

    for (size_t i = 0; i < query.len; i++) {
        count += query.ptr[i] == ';';
    }
    if (count == 0) {
        return true;
    }

    bool encode = ex->entry->encode_query_semicolons;
    char *out = pool_try_alloc(ex->pool, query.len + (encode ? 2 * count : 0));
    size_t at = 0;

    if (out == NULL) {
        return false;
    }
    for (size_t i = 0; i < query.len; i++) {
        if (query.ptr[i] != ';') {
            out[at++] = query.ptr[i];
        } else if (encode) {
            memcpy(out + at, "%3B", 3);
            at += 3;
        } else {
            out[at++] = '&';
        }
    }
    ex->request.query = slice_of(out, at);
    return true;
}
