/*
 * h1_framing.c - what the fields of a head mean for its body and connection, or why it is refused.
 *
 * The rules against request smuggling: exactly one Host, one length or one "chunked", never both, nothing
 * that another parser could read differently. Fields are noted while they pass (h1_field_seen), decided upon
 * once at the end.
 */
#include "common/http/h1_parser.h"

#include "common/http/path.h"

#define NAMED_MAX 32

static enum h1_result bad(struct h1_parser *parser, struct h1_error *error, const char *text)
{
    return h1_parser_refuse(parser, error, 400, REASON_bad_request, text);
}

static enum h1_result length_seen(struct h1_parser *parser, struct header *item, struct h1_error *error)
{
    struct h1_message *message = parser->message;
    uint64_t length;

    if (parser->seen.length != 0) {
        /* the same length twice is one length, as Go has it; only the first goes on */
        if (!slice_eq(message->headers.items[parser->seen.length - 1].value, item->value)) {
            return bad(parser, error, "two different Content-Length");
        }
        item->flags |= HEADER_REMOVED;
        return H1_MORE;
    }
    while (item->value.len > 1 && item->value.ptr[0] == '0') {
        item->value = slice_from(item->value, 1); /* nobody downstream shall read an octal number */
    }
    if (item->line_len != item->name.len + item->value.len + 4 || item->name.ptr[item->name.len + 1] != ' ') {
        item->flags &=
            (uint8_t)~HEADER_RAW_LINE; /* blanks or zeros that others may read differently: built anew */
    }
    if (!slice_to_u64(item->value, &length) || length > INT64_MAX) {
        return bad(parser, error, "malformed Content-Length");
    }
    message->content_length = length;
    parser->seen.length = (uint32_t)message->headers.count;
    return H1_MORE;
}

/* False past the bound on fields named: marking them costs fields times names. */
static bool connection_seen(struct h1_seen *seen, struct slice value)
{
    struct slice item;

    while (header_list_next(&value, &item)) {
        if (slice_eq_nocase(item, SLICE("keep-alive"))) {
            seen->keep_alive = true;
        } else if (slice_eq_nocase(item, SLICE("close"))) {
            seen->close = true;
        } else if (slice_eq_nocase(item, SLICE("upgrade"))) {
            seen->upgrade_token = true;
        } else if (++seen->named > NAMED_MAX) {
            return false;
        }
    }
    return true;
}

/* A trailer that were one of these would change what was decided by the head. */
static bool frames_in_trailer(struct slice names)
{
    struct slice item;

    while (header_list_next(&names, &item)) {
        enum header_id id = header_id(item);

        if (id == HEADER_CONTENT_LENGTH || id == HEADER_TRANSFER_ENCODING || id == HEADER_TRAILER) {
            return true;
        }
    }
    return false;
}

/* A protocol that carries requests itself: rules and middlewares would see none of them. */
static bool upgrades_to_http(struct slice value)
{
    static const struct slice names[] = {SLICE_INIT("h2c"), SLICE_INIT("h2"), SLICE_INIT("HTTP"),
                                         SLICE_INIT("TLS")};
    struct slice item;

    while (header_list_next(&value, &item)) {
        struct slice name = slice_trim(slice_split(&item, '/'));

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            if (slice_eq_nocase(name, names[i])) {
                return true;
            }
        }
    }
    return false;
}

enum h1_result h1_field_seen(struct h1_parser *parser, struct header *item, struct h1_error *error)
{
    struct h1_seen *seen = &parser->seen;
    uint32_t number = (uint32_t)parser->message->headers.count;

    switch ((enum header_id)item->id) {
    case HEADER_HOST:
        if (seen->host != 0 && parser->side == H1_REQUEST) {
            return bad(parser, error, "more than one Host");
        }
        seen->host = number;
        return H1_MORE;
    case HEADER_CONTENT_LENGTH:
        return length_seen(parser, item, error);
    case HEADER_TRANSFER_ENCODING:
        seen->encoding = number;
        seen->encodings += seen->encodings < 2;
        return H1_MORE;
    case HEADER_CONNECTION:
        return connection_seen(seen, item->value) ? H1_MORE
                                                  : bad(parser, error, "Connection names too many fields");
    case HEADER_UPGRADE:
        seen->upgrade_field |= item->value.len > 0;
        seen->upgrade_http |= upgrades_to_http(item->value);
        return H1_MORE;
    case HEADER_EXPECT:
        if (item->value.len > 0) {
            seen->expect = number;
            seen->other_expect |= !slice_eq_nocase(item->value, SLICE("100-continue"));
        }
        return H1_MORE;
    case HEADER_TRAILER:
        seen->bad_trailer |= frames_in_trailer(item->value);
        return H1_MORE;
    default:
        return H1_MORE;
    }
}

/* Marks the fields that Connection names. Those that frame the message or say where it goes stay what they
 * are: a peer must not be able to take them away. */
static void mark_named(struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct slice rest = headers->items[i].value, item;

        if (headers->items[i].id != HEADER_CONNECTION) {
            continue;
        }
        while (header_list_next(&rest, &item)) {
            enum header_id id = header_id(item);

            if (id == HEADER_HOST || id == HEADER_CONTENT_LENGTH || id == HEADER_TRANSFER_ENCODING) {
                continue;
            }
            for (size_t k = 0; k < headers->count; k++) {
                struct header *other = &headers->items[k];

                if (other->id == id && (id != HEADER_OTHER || slice_eq_nocase(other->name, item))) {
                    other->flags |= HEADER_HOP_BY_HOP;
                }
            }
        }
    }
}

/* Transfer-Encoding as it stands: 0 for exactly one "chunked", else what is wrong with it. */
static const char *encoding_error(const struct h1_parser *parser, bool *unsupported)
{
    const struct h1_message *message = parser->message;

    *unsupported = false;
    if (message->minor == 0) {
        return "Transfer-Encoding in HTTP/1.0";
    }
    if (parser->seen.encodings > 1) {
        *unsupported = true;
        return "more than one Transfer-Encoding";
    }
    if (!slice_eq_nocase(message->headers.items[parser->seen.encoding - 1].value, SLICE("chunked"))) {
        *unsupported = true;
        return "Transfer-Encoding is not chunked";
    }
    if (parser->seen.bad_trailer) {
        return "Trailer names a field that frames the message";
    }
    return parser->seen.length != 0 ? "Content-Length and Transfer-Encoding" : NULL;
}

static enum h1_result encoding_check(struct h1_parser *parser, struct h1_error *error)
{
    bool unsupported;
    const char *text = encoding_error(parser, &unsupported);

    if (text == NULL) {
        return H1_HEAD_DONE;
    }
    return unsupported ? h1_parser_refuse(parser, error, 501, REASON_unsupported, text)
                       : bad(parser, error, text);
}

static void connection_settle(struct h1_parser *parser)
{
    const struct h1_seen *seen = &parser->seen;
    struct h1_message *message = parser->message;

    message->keep_alive = !seen->close && (message->minor == 1 || seen->keep_alive);
    if (seen->named > 0) {
        mark_named(&message->headers);
    }
}

enum h1_result h1_request_framing(struct h1_parser *parser, struct h1_error *error)
{
    const struct h1_seen *seen = &parser->seen;
    struct h1_message *message = parser->message;

    if (seen->host == 0) {
        if (message->minor == 1) {
            return bad(parser, error, "no Host");
        }
    } else if (!host_valid(message->headers.items[seen->host - 1].value)) {
        return bad(parser, error, "malformed Host");
    }
    if (seen->encodings > 0) {
        if (encoding_check(parser, error) != H1_HEAD_DONE) {
            return H1_BAD;
        }
        message->framing = H1_CHUNKED;
    } else {
        message->framing = message->content_length > 0 ? H1_LENGTH : H1_NO_BODY;
    }
    if (seen->other_expect) {
        return h1_parser_refuse(parser, error, 417, REASON_unsupported, "Expect is not 100-continue");
    }
    connection_settle(parser);
    message->expect_continue = seen->expect != 0 && message->minor == 1 && message->framing != H1_NO_BODY;
    message->upgrade =
        (message->minor == 1 && seen->upgrade_token && seen->upgrade_field && !seen->upgrade_http) ||
        slice_eq(message->method, SLICE("CONNECT"));
    return H1_HEAD_DONE;
}

enum h1_result h1_response_framing(struct h1_parser *parser, struct h1_error *error)
{
    const struct h1_seen *seen = &parser->seen;
    struct h1_message *message = parser->message;
    bool tunnel = message->status == 101 ||
                  (parser->answers_connect && message->status >= 200 && message->status < 300);

    if (seen->encodings > 0 && encoding_check(parser, error) != H1_HEAD_DONE) {
        return H1_BAD;
    }
    if (message->status == 101 && !(seen->upgrade_token && seen->upgrade_field)) {
        return bad(parser, error, "101 without Upgrade");
    }
    connection_settle(parser);
    message->upgrade = tunnel;
    if (tunnel || parser->answers_head || message->status < 200 || message->status == 204 ||
        message->status == 304) {
        message->framing = H1_NO_BODY;
        if (message->status == 204 && (seen->encodings > 0 || message->content_length > 0)) {
            message->keep_alive =
                false; /* it announces a body that must not come: do not read on behind it */
        }
    } else if (seen->encodings > 0) {
        message->framing = H1_CHUNKED;
    } else if (seen->length != 0) {
        message->framing = message->content_length > 0 ? H1_LENGTH : H1_NO_BODY;
    } else {
        message->framing = H1_UNTIL_CLOSE;
        message->keep_alive = false;
    }
    return H1_HEAD_DONE;
}
