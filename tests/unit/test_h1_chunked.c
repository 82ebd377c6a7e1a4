/*
 * test_h1_chunked.c - chunked bodies: what is decoded, what is refused, in every cut; trailers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/http/h1.h"

struct body_case {
    struct slice bytes;
    const char *want; /* "payload|trailers|what is left", or "!part of the reason", or "more" */
};
#define CASE(bytes, want)                                                                                    \
    {                                                                                                        \
        SLICE_INIT(bytes), want                                                                              \
    }
#define EXT64 "0123456789012345678901234567890123456789012345678901234567890123"

static const struct body_case cases[] = {
    CASE("0\r\n\r\n", "||"),
    CASE("0\r\n\r\nGET /", "||GET /"),
    CASE("5\r\nhello\r\n0\r\n\r\n", "hello||"),
    CASE("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nX", "hello world||X"),
    CASE("A\r\n0123456789\r\n0\r\n\r\n", "0123456789||"),
    CASE("a\r\n0123456789\r\n0\r\n\r\n", "0123456789||"),
    CASE("0000000000000005\r\nhello\r\n000\r\n\r\n", "hello||"),
    CASE("5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello||"),
    CASE("5; a = \"b;c\"\r\nhello\r\n0\r\n\r\n", "hello||"),
    CASE("5\r\n\r\n\r\n\r\r\n0\r\n\r\n", "\r\n\r\n\r||"),
    CASE("0\r\nA: b\r\n\r\n", "|A: b\r\n|"),
    CASE("3\r\nabc\r\n0\r\nA: b\r\nC:\r\n\r\nrest", "abc|A: b\r\nC:\r\n|rest"),

    CASE("\r\n", "!without digits"),
    CASE("\n", "!without digits"),
    CASE(";a\r\n", "!without digits"),
    CASE(" 5\r\nhello\r\n0\r\n\r\n", "!without digits"),
    CASE("5 \r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("5\t\r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("5 ;a\r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("+5\r\nhello\r\n0\r\n\r\n", "!without digits"),
    CASE("-5\r\nhello\r\n0\r\n\r\n", "!without digits"),
    CASE("0x5\r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("5g\r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("5_0\r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("5\0\r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("5,\r\nhello\r\n0\r\n\r\n", "!not allowed"),
    CASE("00000000000000005\r\n", "!out of range"),
    CASE("8000000000000000\r\n", "!out of range"),
    CASE("ffffffffffffffff\r\n", "!out of range"),
    CASE("10000000000000000\r\n", "!out of range"),
    CASE("7fffffffffffffff\r\nx", "more"),
    CASE("5\nhello\r\n0\r\n\r\n", "!bare LF"),
    CASE("5\rhello\r\n0\r\n\r\n", "!bare CR"),
    CASE("5\r\rhello\r\n0\r\n\r\n", "!bare CR"),
    CASE("5;a\nhello\r\n0\r\n\r\n", "!bare LF"),
    CASE("5;a\rb\r\nhello\r\n0\r\n\r\n", "!bare CR"),
    CASE("5;\x01\r\nhello\r\n0\r\n\r\n", "!control byte"),
    CASE("5;" EXT64 EXT64 EXT64 EXT64 "\r\nhello\r\n0\r\n\r\n", "hello||"),
    CASE("5;" EXT64 EXT64 EXT64 EXT64 "x\r\nhello\r\n0\r\n\r\n", "!extension over"),
    CASE("5\r\nhelloX\r\n0\r\n\r\n", "!no CRLF"),
    CASE("5\r\nhello0\r\n\r\n", "!no CRLF"),
    CASE("5\r\nhello\n0\r\n\r\n", "!no CRLF"),
    CASE("5\r\nhello\r0\r\n\r\n", "!no CRLF"),
    CASE("5\r\nhello\r\n\r\n0\r\n\r\n", "!without digits"),
    CASE("0\r\n\n", "!malformed trailer"),
    CASE("0\r\n\rX", "!bytes behind"),
    CASE("0\r\n: b\r\n\r\n", "!malformed trailer"),
    CASE("0\r\n A: b\r\n\r\n", "!malformed trailer"),
    CASE("0\r\nA: b\r\n c\r\n\r\n", "!malformed trailer"),
    CASE("0\r\nA : b\r\n\r\n", "!malformed trailer"),
    CASE("0\r\nA\r\n\r\n", "!malformed trailer"),
    CASE("0\r\nA: b\nC: d\r\n\r\n", "!malformed trailer"),
    CASE("0\r\nA: b\rC: d\r\n\r\n", "!bare CR"),
    CASE("0\r\nA: \0\r\n\r\n", "!malformed trailer"),
    CASE("0\r\nGET / HTTP/1.1\r\n\r\n", "!malformed trailer"),

    CASE("", "more"),
    CASE("5\r\nhel", "more"),
    CASE("5\r\nhello\r\n", "more"),
    CASE("0\r\n", "more"),
    CASE("0\r\nA: b\r\n", "more"),
    CASE("0\r\n\r", "more"),
};

/* Gives the input in pieces, each in memory of its own size; puts the outcome into said. */
static void decode(struct slice bytes, size_t first, size_t step, char *said, size_t size)
{
    struct h1_chunked chunked;
    char payload[700] = "", trailers[300] = "";
    size_t payload_len = 0, trailers_len = 0, left = 0;
    enum h1_chunk result = H1_CHUNK_MORE;

    h1_chunked_init(&chunked);
    for (size_t at = 0, len = first; at < bytes.len && result == H1_CHUNK_MORE; at += len, len = step) {
        len = len < bytes.len - at ? len : bytes.len - at;
        char *piece = malloc(len > 0 ? len : 1);
        struct slice input = slice_of(memcpy(piece, bytes.ptr + at, len), len), data;

        do {
            result = h1_chunked_next(&chunked, &input, &data);
            if (result == H1_CHUNK_DATA) {
                assert_true(data.len > 0 && payload_len + data.len < sizeof(payload));
                memcpy(payload + payload_len, data.ptr, data.len);
                payload_len += data.len;
            } else if (result == H1_CHUNK_TRAILER) {
                assert_true(data.len > 0 && trailers_len + data.len < sizeof(trailers));
                memcpy(trailers + trailers_len, data.ptr, data.len);
                trailers_len += data.len;
            } else {
                assert_int_equal(data.len, 0);
            }
        } while (result == H1_CHUNK_DATA || result == H1_CHUNK_TRAILER);
        left = bytes.len - at - len + input.len;
        free(piece);
    }
    switch (result) {
    case H1_CHUNK_BAD:
        snprintf(said, size, "!%s", chunked.why);
        break;
    case H1_CHUNK_END:
        snprintf(said, size, "%s|%s|%.*s", payload, trailers, (int)left, bytes.ptr + bytes.len - left);
        break;
    default:
        snprintf(said, size, "more");
        break;
    }
}

static void check(const struct body_case *c, size_t first, size_t step)
{
    char said[1024];

    decode(c->bytes, first, step, said, sizeof(said));
    if (c->want[0] == '!') {
        assert_int_equal(said[0], '!');
        assert_non_null(strstr(said, c->want + 1));
    } else {
        assert_string_equal(said, c->want);
    }
}

static void outcome_of_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        for (size_t cut = 0; cut <= cases[i].bytes.len; cut++) {
            check(&cases[i], cut, cases[i].bytes.len);
        }
        check(&cases[i], 1, 1);
    }
}

/* One payload byte in each chunk is a slow stream; one byte wrapped in a long extension, again and again, is
 * an attack. */
static void much_framing_is_refused(void **state)
{
    static const struct {
        const char *chunk;
        size_t times;
        enum h1_chunk want;
    } streams[] = {
        {"1\r\nx\r\n", 100000, H1_CHUNK_MORE},
        {"1;0123456789012345678901234567890123456789\r\nx\r\n", 10, H1_CHUNK_MORE},
        {"1;0123456789012345678901234567890123456789\r\nx\r\n", 2000, H1_CHUNK_BAD},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct h1_chunked chunked;
        enum h1_chunk result = H1_CHUNK_MORE;
        struct slice data;

        print_message("case %zu\n", i);
        h1_chunked_init(&chunked);
        for (size_t k = 0; k < streams[i].times && result != H1_CHUNK_BAD; k++) {
            struct slice input = slice_cstr(streams[i].chunk);

            while ((result = h1_chunked_next(&chunked, &input, &data)) == H1_CHUNK_DATA) {
            }
        }
        assert_int_equal(result, streams[i].want);
    }
}

static void trailer_section_is_bounded(void **state)
{
    struct h1_chunked chunked;
    struct slice input = SLICE("0\r\nA: "), data, x = SLICE("xxxxxxxxxxxxxxxx");
    enum h1_chunk result;
    size_t total = 3;

    (void)state;
    h1_chunked_init(&chunked);
    while ((result = h1_chunked_next(&chunked, &input, &data)) != H1_CHUNK_MORE) {
        assert_int_equal(result, H1_CHUNK_TRAILER);
    }
    do {
        input = x;
        result = h1_chunked_next(&chunked, &input, &data);
        total += data.len;
    } while (result == H1_CHUNK_TRAILER && total < 100000);
    assert_int_equal(result, H1_CHUNK_BAD);
    assert_in_range(total, 8 * 1024 - 16, 8 * 1024);
}

static void trailers_are_parsed(void **state)
{
    static const struct {
        const char *section;
        const char *want; /* NULL: refused */
    } sections[] = {
        {"", ""},
        {"A: b\r\n", "A=b;"},
        {"Grpc-Status:0\r\ngrpc-message: \r\n", "Grpc-Status=0;grpc-message=;"},
        {"A: b\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost: a\r\nTrailer: x\r\nC: d\r\n",
         "A=b;C=d;"},
        {"X-Forwarded-For: 1\r\nx_forwarded_proto: 1\r\nAuthorization: x\r\nconnection: x\r\nX-Real-IP: "
         "x\r\n",
         ""},
        {"X_Real.IP: x\r\nx_scheme: y\r\nX!Forwarded_Proto: z\r\nA: b\r\n", "A=b;"},
        {"Set-Cookie: a\r\nCache-Control: b\r\nContent-Range: c\r\nETag: d\r\n", "ETag=d;"},
        {"A: b", NULL},
        {"A: b\n", NULL},
        {"A b\r\n", NULL},
        {": b\r\n", NULL},
        {"A: b\r\n c\r\n", NULL},
        {"A: \x01\r\n", NULL},
        {"\r\n", NULL},
    };
    struct pool *pool = pool_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        struct headers headers;
        char said[200] = "";
        size_t len = 0;

        print_message("case %zu\n", i);
        headers_init(&headers, pool);
        assert_int_equal(h1_trailers_parse(slice_cstr(sections[i].section), &headers),
                         sections[i].want != NULL);
        for (size_t k = 0; sections[i].want != NULL && k < headers.count; k++) {
            len += (size_t)snprintf(said + len, sizeof(said) - len, "%.*s=%.*s;",
                                    SLICE_ARG(headers.items[k].name), SLICE_ARG(headers.items[k].value));
        }
        if (sections[i].want != NULL) {
            assert_string_equal(said, sections[i].want);
        }
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcome_of_every_cut),
        cmocka_unit_test(much_framing_is_refused),
        cmocka_unit_test(trailer_section_is_bounded),
        cmocka_unit_test(trailers_are_parsed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
