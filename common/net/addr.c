/*
 * addr.c - reading, printing and comparing network addresses and ranges.
 *
 * Strict as Go's parsers: no leading zeros in IPv4, no zones, no names. An IPv4 address in IPv6 clothes
 * (::ffff:1.2.3.4) is the IPv4 address everywhere, so that nobody slips past a range by spelling it otherwise.
 */
#include "common/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void from_v6(struct address *out, const uint8_t bytes[16])
{
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        out->family = 4;
        memcpy(out->bytes, bytes + 12, 4);
    } else {
        out->family = 6;
        memcpy(out->bytes, bytes, 16);
    }
}

/* Sixteen bytes as written, v4 mapped; false when it is no address. */
static bool parse_bytes(struct slice text, uint8_t bytes[16])
{
    char buf[INET6_ADDRSTRLEN];
    bool v6 = slice_find(text, ':') >= 0;

    if (!slice_to_cstr(text, buf, sizeof(buf))) {
        return false;
    }
    if (v6) {
        return inet_pton(AF_INET6, buf, bytes) == 1;
    }
    memcpy(bytes, mapped_prefix, sizeof(mapped_prefix));
    return inet_pton(AF_INET, buf, bytes + 12) == 1;
}

bool address_parse(struct slice text, struct address *out)
{
    struct address address = {0};
    uint8_t bytes[16];

    if (!parse_bytes(text, bytes)) {
        return false;
    }
    from_v6(&address, bytes);
    *out = address;
    return true;
}

/* Splits at the last colon; brackets only, and always, around an address that has colons itself. */
static int split_host_port(struct slice text, struct slice *host, struct slice *port, struct error *why)
{
    ptrdiff_t colon = slice_rfind(text, ':');

    if (colon < 0) {
        return error_set(why, -EINVAL, "\"%.*s\" has no port", SLICE_ARG(text));
    }
    *host = slice_head(text, (size_t)colon);
    *port = slice_from(text, (size_t)colon + 1);
    if (host->len > 0 && host->ptr[0] == '[') {
        if (host->len < 3 || host->ptr[host->len - 1] != ']') {
            return error_set(why, -EINVAL, "\"%.*s\" has no address and port around \"]:\"", SLICE_ARG(text));
        }
        *host = slice_of(host->ptr + 1, host->len - 2);
        if (slice_find(*host, ':') < 0) {
            return error_set(why, -EINVAL, "\"%.*s\" has brackets around what is no IPv6 address",
                             SLICE_ARG(text));
        }
        return 0;
    }
    if (slice_find(*host, ':') >= 0) {
        return error_set(why, -EINVAL, "\"%.*s\" has too many colons: write [address]:port", SLICE_ARG(text));
    }
    return 0;
}

int address_parse_host_port(struct slice text, struct address *out, struct error *why)
{
    struct address address = {0};
    struct slice host, port;
    uint64_t number;
    int rc = split_host_port(text, &host, &port, why);

    if (rc < 0) {
        return rc;
    }
    if (!slice_to_u64(port, &number) || number > 65535) {
        return error_set(why, -EINVAL, "\"%.*s\" is no port from 0 to 65535", SLICE_ARG(port));
    }
    if (host.len > 0 && !address_parse(host, &address)) {
        return error_set(why, -EINVAL, "\"%.*s\" is no IP address", SLICE_ARG(host));
    }
    address.port = (uint16_t)number;
    *out = address;
    return 0;
}

void address_from_sockaddr(const struct sockaddr *from, struct address *out)
{
    struct address address = {0};

    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;

        address.family = 4;
        address.port = ntohs(v4->sin_port);
        memcpy(address.bytes, &v4->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;

        from_v6(&address, v6->sin6_addr.s6_addr);
        address.port = ntohs(v6->sin6_port);
    }
    *out = address;
}

socklen_t address_to_sockaddr(const struct address *from, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (from->family == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(from->port);
        memcpy(&v4->sin_addr, from->bytes, 4);
        return sizeof(*v4);
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;

    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(from->port);
    if (from->family == 6) {
        memcpy(&v6->sin6_addr, from->bytes, 16);
    }
    return sizeof(*v6);
}

bool address_equal(const struct address *a, const struct address *b)
{
    size_t len = a->family == 4 ? 4 : a->family == 6 ? 16 : 0;

    return a->family == b->family && a->port == b->port && memcmp(a->bytes, b->bytes, len) == 0;
}

static size_t format_v4(const uint8_t *bytes, char *out)
{
    size_t at = 0;

    for (int i = 0; i < 4; i++) {
        uint8_t b = bytes[i];

        if (i > 0) {
            out[at++] = '.';
        }
        if (b >= 100) {
            out[at++] = (char)('0' + b / 100);
        }
        if (b >= 10) {
            out[at++] = (char)('0' + b / 10 % 10);
        }
        out[at++] = (char)('0' + b % 10);
    }
    return at;
}

/* The longest run of zero groups, the first of equals, at least two long (RFC 5952); its length is 0 for none. */
static int longest_zeros(const uint8_t bytes[16], int *start)
{
    int best = 0;

    for (int i = 0; i < 8;) {
        int end = i;

        while (end < 8 && bytes[2 * end] == 0 && bytes[2 * end + 1] == 0) {
            end++;
        }
        if (end - i >= 2 && end - i > best) {
            best = end - i;
            *start = i;
        }
        i = end > i ? end : i + 1;
    }
    return best;
}

static size_t format_v6(const uint8_t bytes[16], char *out)
{
    static const char digits[] = "0123456789abcdef";
    int start = 8, zeros = longest_zeros(bytes, &start);
    size_t at = 0;

    for (int i = 0; i < 8; i++) {
        unsigned group = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
        bool begun = false;

        if (zeros > 0 && i == start) {
            out[at++] = ':';
            out[at++] = ':';
            i += zeros - 1;
            continue;
        }
        if (i > 0 && !(zeros > 0 && i == start + zeros)) {
            out[at++] = ':';
        }
        for (int shift = 12; shift >= 0; shift -= 4) {
            unsigned digit = group >> shift & 15;

            if (digit || begun || shift == 0) {
                out[at++] = digits[digit];
                begun = true;
            }
        }
    }
    return at;
}

size_t address_format(const struct address *from, char *buf)
{
    size_t len = 0;

    if (from->family == 4) {
        len = format_v4(from->bytes, buf);
    } else if (from->family == 6) {
        len = format_v6(from->bytes, buf);
    }
    buf[len] = '\0';
    return len;
}

/* Keeps the first `bits` bits. */
static void mask(uint8_t *bytes, size_t size, unsigned bits)
{
    for (size_t i = 0; i < size; i++) {
        unsigned keep = bits >= 8 ? 8 : bits;

        bytes[i] &= (uint8_t)(0xff00u >> keep);
        bits -= keep;
    }
}

bool cidr_parse(struct slice text, struct cidr *out, struct error *why)
{
    ptrdiff_t slash = slice_find(text, '/');
    struct slice host = slash < 0 ? text : slice_head(text, (size_t)slash);
    bool v6 = slice_find(host, ':') >= 0;
    uint64_t bits = 128, longest = v6 ? 128 : 32;
    struct cidr range = {0};
    uint8_t bytes[16];

    if (!parse_bytes(host, bytes)) {
        (void)error_set(why, -EINVAL, "\"%.*s\" is no IP address or range", SLICE_ARG(text));
        return false;
    }
    if (slash >= 0) {
        struct slice length = slice_from(text, (size_t)slash + 1);

        if (!slice_to_u64(length, &bits) || bits > longest) {
            (void)error_set(why, -EINVAL, "\"%.*s\": the length of the prefix must be from 0 to %u",
                            SLICE_ARG(text), (unsigned)longest);
            return false;
        }
        bits += 128 - longest;
    }
    mask(bytes, sizeof(bytes), (unsigned)bits);
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) { /* then bits is at least 96 */
        range.family = 4;
        range.bits = (uint8_t)(bits - 96);
        memcpy(range.bytes, bytes + 12, 4);
    } else {
        range.family = 6;
        range.bits = (uint8_t)bits;
        memcpy(range.bytes, bytes, sizeof(bytes));
    }
    *out = range;
    return true;
}

bool cidr_contains(const struct cidr *range, const struct address *address)
{
    unsigned whole = range->bits / 8, rest = range->bits % 8;

    if (range->family != address->family || (address->family != 4 && address->family != 6)) {
        return false;
    }
    if (memcmp(range->bytes, address->bytes, whole) != 0) {
        return false;
    }
    return rest == 0 || ((range->bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}
