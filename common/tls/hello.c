/*
 * hello.c - see hello.h.
 *
 * Every length is taken from what is left, so nothing is read behind the bytes that were given.
 */
#include "common/tls/hello.h"

#define RECORD_HANDSHAKE 22
#define RECORD_HEAD 5
#define RECORD_MOST 16384
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_HEAD 4
#define RANDOM_SIZE 32

enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_GROUPS = 10,
    EXTENSION_SIGNATURES = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_VERSIONS = 43
};

/* ---- taking things off the front; false when there is not enough ---- */
static bool take_number(struct slice *rest, unsigned bytes, size_t *out)
{
    if (rest->len < bytes) {
        return false;
    }
    *out = 0;
    for (unsigned i = 0; i < bytes; i++) {
        *out = *out << 8 | (unsigned char)rest->ptr[i];
    }
    *rest = slice_from(*rest, bytes);
    return true;
}

static bool take_bytes(struct slice *rest, size_t len, struct slice *out)
{
    if (rest->len < len) {
        return false;
    }
    *out = slice_head(*rest, len);
    *rest = slice_from(*rest, len);
    return true;
}

/* A vector: its length in so many bytes, then itself. */
static bool take_vector(struct slice *rest, unsigned bytes, struct slice *out)
{
    size_t len;

    return take_number(rest, bytes, &len) && take_bytes(rest, len, out);
}

bool tls_hello_next(struct slice *list, uint16_t *number)
{
    size_t value;

    if (!take_number(list, 2, &value)) {
        return false;
    }
    *number = (uint16_t)value;
    return true;
}

bool tls_hello_lists(struct slice list, uint16_t number)
{
    uint16_t at;

    while (tls_hello_next(&list, &at)) {
        if (at == number) {
            return true;
        }
    }
    return false;
}

bool tls_hello_offers(const struct tls_hello *hello, struct slice protocol)
{
    struct slice rest = hello->alpn, name;

    while (take_vector(&rest, 1, &name)) {
        if (slice_eq(name, protocol)) {
            return true;
        }
    }
    return false;
}

/* ---- extensions ---- */
/* The first host name of the list; a second one is not allowed. */
static bool read_server_name(struct slice body, struct tls_hello *hello)
{
    struct slice list, name;
    size_t type;

    if (!take_vector(&body, 2, &list) || body.len || !take_number(&list, 1, &type) || type != 0 ||
        !take_vector(&list, 2, &name) || list.len || name.len == 0 ||
        memchr(name.ptr, '\0', name.len) != NULL) {
        return false;
    }
    hello->server_name = name;
    return true;
}

static bool read_alpn(struct slice body, struct tls_hello *hello)
{
    struct slice list, rest, name;

    if (!take_vector(&body, 2, &list) || body.len || list.len == 0) {
        return false;
    }
    for (rest = list; rest.len;) {
        if (!take_vector(&rest, 1, &name) || name.len == 0) {
            return false;
        }
    }
    hello->alpn = list;
    return true;
}

static bool read_numbers(struct slice body, unsigned bytes, struct slice *out)
{
    return take_vector(&body, bytes, out) && body.len == 0 && out->len % 2 == 0;
}

static bool read_extension(size_t type, struct slice body, struct tls_hello *hello)
{
    switch (type) {
    case EXTENSION_SERVER_NAME:
        return read_server_name(body, hello);
    case EXTENSION_ALPN:
        return read_alpn(body, hello);
    case EXTENSION_GROUPS:
        return read_numbers(body, 2, &hello->curves);
    case EXTENSION_SIGNATURES:
        return read_numbers(body, 2, &hello->signatures);
    case EXTENSION_VERSIONS:
        return read_numbers(body, 1, &hello->versions);
    default:
        return true;
    }
}

/* ---- the message ---- */
static bool read_message(struct slice message, struct tls_hello *hello)
{
    struct slice ignored, extensions, body;
    size_t number;

    memset(hello, 0, sizeof(*hello));
    if (!take_number(&message, 2, &number) || !take_bytes(&message, RANDOM_SIZE, &ignored) ||
        !take_vector(&message, 1, &ignored) || !take_vector(&message, 2, &hello->ciphers) ||
        hello->ciphers.len % 2 || !take_vector(&message, 1, &ignored)) {
        return false;
    }
    if (message.len == 0) {
        return true; /* from before there were extensions */
    }
    if (!take_vector(&message, 2, &extensions) || message.len) {
        return false;
    }
    while (extensions.len) {
        if (!take_number(&extensions, 2, &number) || !take_vector(&extensions, 2, &body) ||
            !read_extension(number, body, hello)) {
            return false;
        }
    }
    return true;
}

/* ---- records ---- */
/* The next record's payload, or what is there of it. */
static enum tls_hello_result take_record(struct slice *bytes, struct slice *payload)
{
    struct slice head = *bytes;
    size_t type, major, length;

    if (head.len >= 1 && (unsigned char)head.ptr[0] != RECORD_HANDSHAKE) {
        return TLS_HELLO_BAD;
    }
    if (head.len >= 2 && (unsigned char)head.ptr[1] != 3) {
        return TLS_HELLO_BAD;
    }
    if (!take_number(&head, 1, &type) || !take_number(&head, 2, &major) || !take_number(&head, 2, &length)) {
        return TLS_HELLO_MORE;
    }
    if (length == 0 || length > RECORD_MOST) {
        return TLS_HELLO_BAD;
    }
    *payload = slice_head(head, length);
    *bytes = slice_from(head, length);
    return payload->len < length ? TLS_HELLO_MORE : TLS_HELLO_DONE;
}

/* How long the message is, once its head is there. */
static enum tls_hello_result message_length(struct slice start, size_t *length)
{
    size_t type;

    if (start.len >= 1 && start.ptr[0] != MESSAGE_CLIENT_HELLO) {
        return TLS_HELLO_BAD;
    }
    if (!take_number(&start, 1, &type) || !take_number(&start, 3, length)) {
        return TLS_HELLO_MORE;
    }
    return *length > TLS_HELLO_MOST - MESSAGE_HEAD ? TLS_HELLO_BAD : TLS_HELLO_DONE;
}

enum tls_hello_result tls_hello_read(struct slice bytes, char *scratch, struct tls_hello *hello)
{
    struct slice whole = {NULL, 0}, payload;
    size_t length;

    if (bytes.len && (unsigned char)bytes.ptr[0] != RECORD_HANDSHAKE) {
        return TLS_HELLO_PLAIN;
    }
    for (;;) {
        enum tls_hello_result result = bytes.len ? take_record(&bytes, &payload) : TLS_HELLO_MORE;

        if (result != TLS_HELLO_DONE) {
            return result;
        }
        if (whole.len == 0) {
            whole = payload;
        } else { /* one more piece: from now on they lie in the scratch */
            if (whole.len + payload.len > TLS_HELLO_MOST) {
                return TLS_HELLO_BAD;
            }
            if (whole.ptr != scratch) {
                memcpy(scratch, whole.ptr, whole.len);
            }
            memcpy(scratch + whole.len, payload.ptr, payload.len);
            whole = slice_of(scratch, whole.len + payload.len);
        }
        result = message_length(whole, &length);
        if (result == TLS_HELLO_BAD) {
            return TLS_HELLO_BAD;
        }
        if (result == TLS_HELLO_DONE && whole.len >= MESSAGE_HEAD + length) {
            return read_message(slice_head(slice_from(whole, MESSAGE_HEAD), length), hello) ? TLS_HELLO_DONE
                                                                                            : TLS_HELLO_BAD;
        }
    }
}
