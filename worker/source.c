/*
 * source.c - see source.h. X-Forwarded-For is that of a trusted peer, or absent; of several fields the first counts, as for
 * Traefik.
 */
#include "worker/source.h"

#include <stddef.h>

#include "common/net/ranges.h"

/* Items of the list from the right; the rest of the list stays in *list. */
static bool last_item(struct slice *list, struct slice *item)
{
    if (list->ptr == NULL) {
        return false;
    }

    size_t at = list->len;

    while (at > 0 && list->ptr[at - 1] != ',') {
        at--;
    }
    *item = slice_trim(slice_from(*list, at));
    *list = at > 0 ? slice_head(*list, at - 1) : (struct slice){NULL, 0};
    return true;
}

static struct slice at_depth(struct slice list, int64_t depth)
{
    struct slice item = SLICE("");

    while (depth-- > 0) {
        if (!last_item(&list, &item)) {
            return SLICE("");
        }
    }
    return item;
}

/* What is no address, or has a port, is in no set, so it is the one. */
static struct slice first_outside(struct slice list, struct slice excluded)
{
    struct slice item;

    while (last_item(&list, &item)) {
        struct address address;

        if (item.len && (!address_parse(item, &address) || !ranges_hold(excluded, &address))) {
            return item;
        }
    }
    return SLICE("");
}

/* Some proxies write the port of their client as well: "10.0.0.1:99", "[2001:db8::1]:99"; it is taken off. Family 0: no address,
 * and the entry stays as it is. */
static struct address entry_address(struct slice *entry)
{
    struct address address = {.family = 0};
    struct slice host = *entry;
    ptrdiff_t colon;

    if (address_parse(host, &address)) {
        return address;
    }
    if ((colon = slice_rfind(host, ':')) <= 0) {
        return (struct address){.family = 0};
    }
    host = slice_head(host, (size_t)colon);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = slice_of(host.ptr + 1, host.len - 2);
    } else if (slice_find(host, ':') >= 0) {
        return (struct address){.family = 0};
    }
    if (!address_parse(host, &address)) {
        return (struct address){.family = 0};
    }
    *entry = host;
    return address;
}

static void cut(struct address *address, int64_t bits)
{
    for (int64_t bit = bits; address->family == 6 && bit < 128; bit++) {
        address->bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    }
}

void source_address(const struct exchange *ex, const struct prepared_client *strategy,
                    struct address *address, struct slice *text)
{
    if (strategy->depth > 0 || strategy->excluded.len) {
        const struct header *field = headers_get(&ex->request.headers, HEADER_X_FORWARDED_FOR);
        struct slice list = field ? field->value : SLICE("");

        *text = strategy->depth > 0 ? at_depth(list, strategy->depth)
                                    : first_outside(list, exchange_text(ex, strategy->excluded));
        *address = entry_address(text);
    } else {
        *address = ex->client;
        *text = ex->client_text;
    }
    address->port = 0;
    if (strategy->ipv6_bits > 0) {
        cut(address, strategy->ipv6_bits);
    }
}

struct slice source_bytes(const struct exchange *ex, const struct prepared_source *source)
{
    struct address *address;
    struct header *field;
    struct slice text;

    switch ((enum source_kind)source->kind) {
    case SOURCE_HEADER:
        field = headers_find(&ex->request.headers, exchange_text(ex, source->header));
        return field ? field->value : SLICE("");
    case SOURCE_HOST:
        return ex->request.host;
    case SOURCE_ADDRESS:
        break;
    }
    address = pool_zalloc(ex->pool, sizeof(*address));
    source_address(ex, &source->client, address, &text);
    return address->family ? slice_of((const char *)address, offsetof(struct address, unused)) : text;
}

struct slice source_words(struct exchange *ex, const struct prepared_source *source)
{
    const struct prepared_client *strategy = &source->client;
    struct address *address;
    struct slice text;
    char *words;

    if (source->kind != SOURCE_ADDRESS) {
        return source_bytes(ex, source);
    }
    address = pool_zalloc(ex->pool, sizeof(*address));
    source_address(ex, strategy, address, &text);
    if (address->family == 0 || (text.len && (strategy->ipv6_bits <= 0 || address->family == 4))) {
        return text;
    }
    words = pool_alloc(ex->pool, ADDRESS_TEXT_SIZE);
    return slice_of(words, address_format(address, words));
}
