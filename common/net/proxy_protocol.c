/*
 * proxy_protocol.c - see proxy_protocol.h.
 */
#include "common/net/proxy_protocol.h"

#include <arpa/inet.h>

#define LINE_MOST 107 /* version 1, with its CR LF */
#define FIXED_SIZE 16 /* version 2, before the addresses */
#define PAYLOAD_MOST (PROXY_HEADER_MOST - FIXED_SIZE)
#define PORT_DIGITS 5

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_NONE, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX };

static const struct slice word = SLICE_INIT("PROXY");
static const struct slice signature = SLICE_INIT("\r\n\r\n\0\r\nQUIT\n");
static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static enum proxy_result bad(const char **why, const char *text)
{
    *why = text;
    return PROXY_BAD;
}

/* ---- version 1 ---- */

static bool port_read(struct slice text, uint16_t *port)
{
    uint64_t number;

    if (text.len > PORT_DIGITS || (text.len > 1 && text.ptr[0] == '0') || !slice_to_u64(text, &number) ||
        number > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)number;
    return true;
}

static bool address_read(struct slice text, bool v6, struct address *address)
{
    return (v6 || slice_find(text, ':') < 0) && address_parse(text, address);
}

/* "TCP4 SOURCE DESTINATION PORT PORT" */
static enum proxy_result words_read(struct slice rest, struct proxy_header *header, const char **why)
{
    struct slice words[5] = {{NULL, 0}};
    size_t count = 0;
    bool v6;

    while (rest.ptr) {
        if (count == ARRAY_LEN(words)) {
            return bad(why, "there are too many words in the line");
        }
        words[count++] = slice_split(&rest, ' ');
    }
    v6 = slice_eq(words[0], SLICE("TCP6"));
    if (!v6 && !slice_eq(words[0], SLICE("TCP4"))) {
        return bad(why, "the protocol is none of TCP4, TCP6 and UNKNOWN");
    }
    if (count < ARRAY_LEN(words)) {
        return bad(why, "there are words missing in the line");
    }
    if (!address_read(words[1], v6, &header->source) || !address_read(words[2], v6, &header->destination)) {
        return bad(why, "there is no address of that family in the line");
    }
    if (!port_read(words[3], &header->source.port) || !port_read(words[4], &header->destination.port)) {
        return bad(why, "there is no port in the line");
    }
    return PROXY_DONE;
}

static enum proxy_result line_read(struct slice bytes, struct proxy_header *header, const char **why)
{
    struct slice line = slice_head(bytes, LINE_MOST);
    ptrdiff_t end = slice_find(line, '\n');

    if (line.len > word.len && line.ptr[word.len] != ' ') {
        return bad(why, "there is no space behind PROXY");
    }
    if (end < 0) {
        return line.len == LINE_MOST ? bad(why, "the line is too long") : PROXY_MORE;
    }
    header->size = (size_t)end + 1;
    line = slice_head(line, (size_t)end);
    if (!slice_has_suffix(line, SLICE("\r"))) {
        return bad(why, "the line does not end with CR LF");
    }
    line = slice_head(line, line.len - 1);
    if (slice_find(line, '\r') >= 0 || slice_find(line, '\0') >= 0) {
        return bad(why, "there is a control character in the line");
    }
    line = slice_from(line, word.len + 1);
    if (slice_eq(line, SLICE("UNKNOWN")) || slice_has_prefix(line, SLICE("UNKNOWN "))) {
        header->local = true; /* what follows is to be ignored */
        return PROXY_DONE;
    }
    return words_read(line, header, why);
}

/* ---- version 2 ---- */

static uint16_t number_at(const char *at)
{
    return (uint16_t)((unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

static void v4_at(const char *at, const char *port, struct address *out)
{
    *out = (struct address){.family = 4, .port = number_at(port)};
    memcpy(out->bytes, at, 4);
}

static void v6_at(const char *at, const char *port, struct address *out)
{
    struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_port = htons(number_at(port))};

    memcpy(&from.sin6_addr, at, 16);
    address_from_sockaddr((const struct sockaddr *)&from, out); /* an IPv4 one in IPv6 clothes is that */
}

static enum proxy_result binary_read(struct slice bytes, struct proxy_header *header, const char **why)
{
    static const size_t least[] = {
        [FAMILY_NONE] = 0, [FAMILY_INET] = 12, [FAMILY_INET6] = 36, [FAMILY_UNIX] = 216};
    const char *at = bytes.ptr;
    unsigned command, family, transport;
    size_t payload;

    if (bytes.len < FIXED_SIZE) {
        return PROXY_MORE;
    }
    command = (unsigned char)at[12];
    family = (unsigned char)at[13] >> 4;
    transport = (unsigned char)at[13] & 0x0f;
    payload = number_at(at + 14);
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY) {
        return bad(why, "neither is it version 2, or its command is neither LOCAL nor PROXY");
    }
    if (family > FAMILY_UNIX || transport > 2) {
        return bad(why, "the address family or the transport is unknown");
    }
    if (payload < least[family] || payload > PAYLOAD_MOST) {
        return bad(why, payload > PAYLOAD_MOST ? "it is too long" : "it is too short for its addresses");
    }
    if (command == COMMAND_PROXY && (family == FAMILY_NONE || transport == 0)) {
        return bad(why, "it names no address family or no transport");
    }
    if (bytes.len < FIXED_SIZE + payload) {
        return PROXY_MORE;
    }
    at += FIXED_SIZE;
    header->size = FIXED_SIZE + payload;
    header->local = command == COMMAND_LOCAL || family == FAMILY_UNIX;
    if (!header->local && family == FAMILY_INET) {
        v4_at(at, at + 8, &header->source);
        v4_at(at + 4, at + 10, &header->destination);
    } else if (!header->local) {
        v6_at(at, at + 32, &header->source);
        v6_at(at + 16, at + 34, &header->destination);
    }
    return PROXY_DONE;
}

enum proxy_result proxy_header_read(struct slice bytes, struct proxy_header *header, const char **why)
{
    *header = (struct proxy_header){.size = 0};
    *why = "";
    if (slice_has_prefix(bytes, word)) {
        return line_read(bytes, header, why);
    }
    if (slice_has_prefix(bytes, signature)) {
        return binary_read(bytes, header, why);
    }
    return slice_has_prefix(word, bytes) || slice_has_prefix(signature, bytes) ? PROXY_MORE : PROXY_NONE;
}

/* ---- writing ---- */

/* Sixteen bytes, an IPv4 address mapped. */
static void as_v6(const struct address *address, char out[16])
{
    if (address->family == 6) {
        memcpy(out, address->bytes, 16);
        return;
    }
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    memcpy(out + sizeof(mapped_prefix), address->bytes, 4);
}

static size_t put(char *out, struct slice text)
{
    memcpy(out, text.ptr, text.len);
    return text.len;
}

static size_t put_address(char *out, const struct address *address, bool v6)
{
    size_t at = v6 && address->family == 4 ? put(out, SLICE("::ffff:")) : 0;

    return at + address_format(address, out + at);
}

static size_t put_port(char *out, uint16_t port)
{
    char digits[PORT_DIGITS];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + port % 10);
        port /= 10;
    } while (port);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

static size_t line_write(const struct address *source, const struct address *destination, bool v6, char *out)
{
    size_t at = put(out, v6 ? SLICE("PROXY TCP6 ") : SLICE("PROXY TCP4 "));

    at += put_address(out + at, source, v6);
    out[at++] = ' ';
    at += put_address(out + at, destination, v6);
    out[at++] = ' ';
    at += put_port(out + at, source->port);
    out[at++] = ' ';
    at += put_port(out + at, destination->port);
    return at + put(out + at, SLICE("\r\n"));
}

static size_t binary_write(const struct address *source, const struct address *destination, bool v6,
                           char *out)
{
    size_t size = v6 ? 16 : 4, at = put(out, signature);
    const struct address *both[] = {source, destination};

    out[at++] = COMMAND_PROXY;
    out[at++] = (char)((v6 ? FAMILY_INET6 : FAMILY_INET) << 4 | 1);
    out[at++] = 0;
    out[at++] = (char)(2 * size + 4);
    for (size_t i = 0; i < 2; i++, at += size) {
        if (v6) {
            as_v6(both[i], out + at);
        } else {
            memcpy(out + at, both[i]->bytes, size);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        out[at++] = (char)(both[i]->port >> 8);
        out[at++] = (char)both[i]->port;
    }
    return at;
}

size_t proxy_header_write(int version, const struct address *source, const struct address *destination,
                          char *out)
{
    bool v6 = source->family == 6 || destination->family == 6;

    if (source->family == 0 || destination->family == 0) {
        size_t at;

        if (version == 1) {
            return put(out, SLICE("PROXY UNKNOWN\r\n"));
        }
        at = put(out, signature);
        return at + put(out + at, slice_of((const char[]){COMMAND_LOCAL, 0, 0, 0}, 4));
    }
    return version == 1 ? line_write(source, destination, v6, out)
                        : binary_write(source, destination, v6, out);
}
