/*
 * redis_cluster.c - see redis_cluster.h.
 *
 * Not here: the map that CLUSTER SLOTS says (redis_map.c).
 */
#include "common/net/redis_cluster.h"

/* CRC16 of XMODEM, four bits at a time. */
static uint16_t crc_add(uint16_t crc, unsigned bits)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
                                       0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};

    return (uint16_t)(crc << 4 ^ table[(crc >> 12 ^ bits) & 15]);
}

static struct slice hashed_part(struct slice key)
{
    ptrdiff_t open = slice_find(key, '{');
    struct slice tag = open < 0 ? SLICE("") : slice_from(key, (size_t)open + 1);
    ptrdiff_t close = slice_find(tag, '}');

    return close > 0 ? slice_head(tag, (size_t)close) : key;
}

unsigned redis_slot_of(struct slice key)
{
    struct slice part = hashed_part(key);
    uint16_t crc = 0;

    for (size_t i = 0; i < part.len; i++) {
        unsigned byte = (unsigned char)part.ptr[i];

        crc = crc_add(crc_add(crc, byte >> 4), byte & 15);
    }
    return crc % REDIS_SLOTS;
}

enum redis_redirect redis_redirect_read(struct slice error, struct slice *node)
{
    struct slice rest = error, word = slice_split(&rest, ' '), slot = slice_split(&rest, ' ');
    enum redis_redirect redirect = slice_eq(word, SLICE("MOVED")) ? REDIS_MOVED
                                   : slice_eq(word, SLICE("ASK")) ? REDIS_ASK
                                                                  : REDIS_STAYS;
    uint64_t number;

    if (redirect == REDIS_STAYS || !slice_to_u64(slot, &number) || number >= REDIS_SLOTS ||
        slice_rfind(rest, ':') < 0 || slice_find(rest, ' ') >= 0) {
        return REDIS_STAYS;
    }
    *node = rest;
    return redirect;
}

/* Cuts HOST:PORT in two; brackets are taken off. */
static void cut(struct slice node, struct slice *host, struct slice *port)
{
    ptrdiff_t colon = slice_rfind(node, ':');

    *host = colon < 0 ? node : slice_head(node, (size_t)colon);
    *port = colon < 0 ? SLICE("") : slice_from(node, (size_t)colon + 1);
    if (host->len >= 2 && host->ptr[0] == '[' && host->ptr[host->len - 1] == ']') {
        *host = slice_of(host->ptr + 1, host->len - 2);
    }
}

bool redis_node_is(struct slice node, struct slice known, struct slice sayer)
{
    struct slice host, port, known_host, known_port, sayer_host, sayer_port;

    cut(node, &host, &port);
    cut(known, &known_host, &known_port);
    cut(sayer, &sayer_host, &sayer_port);
    return slice_eq(port, known_port) && slice_eq_nocase(host.len ? host : sayer_host, known_host);
}

static unsigned number_of(const uint8_t bytes[2])
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

int redis_range_find(struct slice ranges, unsigned slot)
{
    const struct redis_range *items = (const void *)ranges.ptr;
    size_t low = 0, high = ranges.len / sizeof(*items);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slot < number_of(items[middle].first)) {
            high = middle;
        } else if (slot > number_of(items[middle].last)) {
            low = middle + 1;
        } else {
            return (int)number_of(items[middle].node);
        }
    }
    return -1;
}
