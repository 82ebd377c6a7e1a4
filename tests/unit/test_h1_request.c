/*
 * test_h1_request.c - which request heads are taken and which are refused, with what status; whole, byte by
 * byte and cut in two at every place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/h1_feed.h"

#define H "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\n" H

struct head_case {
    struct slice bytes;
    unsigned status;  /* 0: accepted, 1: not complete */
    const char *text; /* part of the reason for a refusal, or what summary() says of an accepted one */
};
#define CASE(bytes, status, text)                                                                            \
    {                                                                                                        \
        SLICE_INIT(bytes), status, text                                                                      \
    }

static const struct head_case cases[] = {
    /* request line */
    CASE("GET / HTTP/1.1\r\n" H "\r\n", 0, "GET / 1.1 none keep"),
    CASE("GET / HTTP/1.0\r\n\r\n", 0, "GET / 1.0 none close"),
    CASE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, "GET / 1.0 none keep"),
    CASE("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", 0, "GET / 1.0 none close"),
    CASE("GET / HTTP/1.1\r\n" H "Connection: foo,Close\r\n\r\n", 0, "GET / 1.1 none close"),
    CASE("\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, "GET / 1.1 none keep"),
    CASE("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400, "request line"),
    CASE("\nGET / HTTP/1.1\r\n" H "\r\n", 400, "request line"),
    CASE("\rGET / HTTP/1.1\r\n" H "\r\n", 400, "bare CR"),
    CASE(" GET / HTTP/1.1\r\n" H "\r\n", 400, "request line"),
    CASE("GET\t/ HTTP/1.1\r\n" H "\r\n", 400, "request line"),
    CASE("GET  / HTTP/1.1\r\n" H "\r\n", 400, "empty request target"),
    CASE("GET /  HTTP/1.1\r\n" H "\r\n", 400, "version"),
    CASE("GET / HTTP/1.1 \r\n" H "\r\n", 400, "version"),
    CASE("GET /a b HTTP/1.1\r\n" H "\r\n", 400, "version"),
    CASE("GET /\t HTTP/1.1\r\n" H "\r\n", 400, "target"),
    CASE("GET /\x01 HTTP/1.1\r\n" H "\r\n", 400, "target"),
    CASE("GET /\x7f HTTP/1.1\r\n" H "\r\n", 400, "target"),
    CASE("GET /a\0b HTTP/1.1\r\n" H "\r\n", 400, "target"),
    CASE("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", 0, "GET /\xc3\xa9 1.1 none keep"),
    CASE("GET /\r\n", 400, "without a version"),
    CASE("GET /\n", 400, "without a version"),
    CASE("GET\r\n\r\n", 400, "request line"),
    CASE("GET / HTTP/1.1\n" H "\r\n", 400, "bare LF"),
    CASE("GET / HTTP/1.1\r" H "\r\n", 400, "bare CR"),
    CASE("GET / http/1.1\r\n" H "\r\n", 400, "version"),
    CASE("GET / HTTP/1.\r\n" H "\r\n", 400, "version"),
    CASE("GET / HTTP/1.10\r\n" H "\r\n", 400, "version"),
    CASE("GET / HTTP/11\r\n" H "\r\n", 400, "version"),
    CASE("GET / HTTP/+1.1\r\n" H "\r\n", 400, "version"),
    CASE("GET / RTSP/1.0\r\n" H "\r\n", 400, "version"),
    CASE("GET / ICY/1.0\r\n" H "\r\n", 400, "version"),
    CASE("GET / HTTPS/1.1\r\n" H "\r\n", 400, "version"),
    CASE("GET / HTTP/0.9\r\n" H "\r\n", 505, "neither"),
    CASE("GET / HTTP/1.2\r\n" H "\r\n", 505, "neither"),
    CASE("GET / HTTP/2.0\r\n" H "\r\n", 505, "neither"),
    CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "neither"),
    CASE("GET / HTTP/3.1\r\n" H "\r\n", 505, "neither"),
    CASE("B(D / HTTP/1.1\r\n" H "\r\n", 400, "request line"),
    CASE("GE\x80T / HTTP/1.1\r\n" H "\r\n", 400, "request line"),
    CASE("PURGE-it!x / HTTP/1.1\r\n" H "\r\n", 0, "PURGE-it!x / 1.1 none keep"),
    CASE("get / HTTP/1.1\r\n" H "\r\n", 0, "get / 1.1 none keep"),
    CASE("OPTIONS * HTTP/1.1\r\n" H "\r\n", 0, "OPTIONS * 1.1 none keep"),
    CASE("CONNECT a:443 HTTP/1.1\r\n" H "\r\n", 0, "CONNECT a:443 1.1 none keep upgrade"),
    CASE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "request line"),

    /* header lines */
    CASE("GET / HTTP/1.1\r\n" H "A:b\r\nC:\r\nD: \t e f\t \r\n\r\n", 0, "GET / 1.1 none keep A=b C= D=e f"),
    CASE("GET / HTTP/1.1\r\n" H "A: \xe2\x82\xac\r\n\r\n", 0, "GET / 1.1 none keep A=\xe2\x82\xac"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\tc\r\n\r\n", 0, "GET / 1.1 none keep A=b\tc"),
    CASE("GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", 400, "blank in or after"),
    CASE("GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n", 400, "not allowed in a header name"),
    CASE("GET / HTTP/1.1\r\n" H "A B: c\r\n\r\n", 400, "blank in or after"),
    CASE("GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 400, "empty header name"),
    CASE("GET / HTTP/1.1\r\n" H ":\r\n\r\n", 400, "empty header name"),
    CASE("GET / HTTP/1.1\r\n" H "A\r\n\r\n", 400, "without a colon"),
    CASE("GET / HTTP/1.1\r\n" H "A\n\r\n", 400, "bare LF"),
    CASE("GET / HTTP/1.1\r\n" H "A(: b\r\n\r\n", 400, "not allowed in a header name"),
    CASE("GET / HTTP/1.1\r\n" H "A\x00: b\r\n\r\n", 400, "not allowed in a header name"),
    CASE("GET / HTTP/1.1\r\n" H "\xc3\xa9: b\r\n\r\n", 400, "begins with a byte"),
    CASE("GET / HTTP/1.1\r\n" H "A\x80: b\r\n\r\n", 400, "not allowed in a header name"),
    CASE("GET / HTTP/1.1\r\n" H "Transfer-Encoding\x0b: chunked\r\n\r\n", 400,
         "not allowed in a header name"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", 400, "folded"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n", 400, "folded"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\r\n \r\n\r\n", 400, "folded"),
    CASE("GET / HTTP/1.1\r\n A: b\r\n" H "\r\n", 400, "before the first header"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\n\r\n", 400, "bare LF"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\rC: d\r\n\r\n", 400, "bare CR"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\r\r\n\r\n", 400, "bare CR"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\r\n\rX", 400, "bare CR"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\r\n\n", 400, "bare LF"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n", 400, "control byte"),
    CASE("GET / HTTP/1.1\r\n" H "A: b\x01\r\n\r\n", 400, "control byte"),
    CASE("GET / HTTP/1.1\r\n" H "A: a value of more than sixteen bytes \x7f\r\n\r\n", 400, "control byte"),
    CASE("GET / HTTP/1.1\r\n" H "A: \x1b[0m\r\n\r\n", 400, "control byte"),

    /* Host */
    CASE("GET / HTTP/1.1\r\n\r\n", 400, "no Host"),
    CASE("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "blank"),
    CASE("GET / HTTP/1.1\r\n" H H "\r\n", 400, "more than one Host"),
    CASE("GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", 400, "more than one Host"),
    CASE("GET / HTTP/1.0\r\n" H H "\r\n", 400, "more than one Host"),
    CASE("GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, "GET / 1.1 none keep"),
    CASE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "malformed Host"),
    CASE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "malformed Host"),
    CASE("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, "malformed Host"),
    CASE("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", 400, "malformed Host"),
    CASE("GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400, "malformed Host"),
    CASE("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0, "GET / 1.1 none keep"),
    CASE("GET / HTTP/1.1\r\nHost: a?\r\n\r\n", 400, "malformed Host"),
    CASE("GET http://b/ HTTP/1.1\r\n\r\n", 400, "no Host"),

    /* framing */
    CASE(POST "Content-Length: 5\r\n\r\nhello", 0, "POST / 1.1 length=5 keep"),
    CASE(POST "Content-Length: 0\r\n\r\n", 0, "POST / 1.1 none keep"),
    CASE(POST "Content-Length: 005\r\n\r\n", 0, "POST / 1.1 length=5 keep"),
    CASE(POST "Content-Length: 9223372036854775807\r\n\r\n", 0, "POST / 1.1 length=9223372036854775807 keep"),
    CASE(POST "Content-Length: 9223372036854775808\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: 18446744073709551621\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, "POST / 1.1 length=5 keep"),
    CASE(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "two different"),
    CASE(POST "Content-Length: 5\r\ncontent-length: 05\r\n\r\n", 400, "two different"),
    CASE(POST "Content-Length: 5, 5\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: 5,6\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length:\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: +5\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: -1\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: 0x5\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: 5 \t\r\n\r\n", 0, "POST / 1.1 length=5 keep"),
    CASE(POST "Content-Length: 5 5\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: \"5\"\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Content-Length: 5a\r\n\r\n", 400, "malformed Content-Length"),
    CASE(POST "Transfer-Encoding: chunked\r\n\r\n", 0, "POST / 1.1 chunked keep"),
    CASE(POST "transfer-encoding: CHUNKED\r\n\r\n", 0, "POST / 1.1 chunked keep"),
    CASE(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400, "and Transfer-Encoding"),
    CASE(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "and Transfer-Encoding"),
    CASE(POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "and Transfer-Encoding"),
    CASE(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501, "more than one"),
    CASE(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 501, "more than one"),
    CASE(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "not chunked"),
    CASE(POST "Transfer-Encoding: chunked, identity\r\n\r\n", 501, "not chunked"),
    CASE(POST "Transfer-Encoding: xchunked\r\n\r\n", 501, "not chunked"),
    CASE(POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 501, "not chunked"),
    CASE(POST "Transfer-Encoding: chunked;q=1\r\n\r\n", 501, "not chunked"),
    CASE(POST "Transfer-Encoding: identity\r\n\r\n", 501, "not chunked"),
    CASE(POST "Transfer-Encoding:\r\n\r\n", 501, "not chunked"),
    CASE(POST "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n",
         400, "control byte"),
    CASE(POST "Transfer-Encoding : chunked\r\n\r\n", 400, "blank"),
    CASE(POST "Transfer-Encoding: chunked\r\n \r\n\r\n", 400, "folded"),
    CASE(POST "Transfer_Encoding: chunked\r\n\r\n", 0, "POST / 1.1 none keep Transfer_Encoding=chunked"),
    CASE("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400, "in HTTP/1.0"),
    CASE("GET / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 0, "GET / 1.1 length=3 keep"),

    /* Expect, Upgrade, Connection */
    CASE(POST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", 0, "POST / 1.1 length=5 keep expect"),
    CASE(POST "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n", 0, "POST / 1.1 length=5 keep expect"),
    CASE("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n", 0, "GET / 1.1 none keep"),
    CASE("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", 0,
         "POST / 1.0 length=5 close"),
    CASE(POST "Expect: 200-ok\r\n\r\n", 417, "Expect"),
    CASE(POST "Expect: 100-continue\r\nExpect: x\r\n\r\n", 417, "Expect"),
    CASE("GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0,
         "GET / 1.1 none keep upgrade"),
    CASE("GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n", 0, "GET / 1.1 none keep"),
    CASE("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\n\r\n", 0, "GET / 1.1 none keep"),
    CASE("GET / HTTP/1.0\r\n" H "Connection: upgrade\r\nUpgrade: x\r\n\r\n", 0, "GET / 1.0 none close"),
    CASE("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: H2c\r\n\r\n", 0, "GET / 1.1 none keep"),
    CASE("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: x, TLS/1.0\r\n\r\n", 0,
         "GET / 1.1 none keep"),
    CASE("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: x\r\nUpgrade: http/2.0\r\n\r\n", 0,
         "GET / 1.1 none keep"),

    /* not complete yet */
    CASE("", 1, ""),
    CASE("\r\n", 1, ""),
    CASE("GET / HTTP/1.1\r\n" H, 1, ""),
    CASE("GET / HTTP/1.1\r\n" H "\r", 1, ""),
    CASE("GET / HTTP/1.1\r\nA: b\r\nHo", 1, ""),
};

/* "METHOD target 1.x framing keep|close [expect] [upgrade] [Name=value of unknown fields]..." */
static void summary(const struct h1_message *m, char *out, size_t size)
{
    char framing[40] = "none";

    if (m->framing == H1_LENGTH) {
        snprintf(framing, sizeof(framing), "length=%llu", (unsigned long long)m->content_length);
    } else if (m->framing == H1_CHUNKED) {
        snprintf(framing, sizeof(framing), "chunked");
    }
    int len = snprintf(out, size, "%.*s %.*s 1.%u %s %s%s%s", SLICE_ARG(m->method), SLICE_ARG(m->target),
                       m->minor, framing, m->keep_alive ? "keep" : "close",
                       m->expect_continue ? " expect" : "", m->upgrade ? " upgrade" : "");

    for (size_t i = 0; i < m->headers.count; i++) {
        if (m->headers.items[i].id == HEADER_OTHER) {
            len += snprintf(out + len, size - (size_t)len, " %.*s=%.*s", SLICE_ARG(m->headers.items[i].name),
                            SLICE_ARG(m->headers.items[i].value));
        }
    }
}

static void check(const struct head_case *c, size_t first, size_t step)
{
    struct fed fed;
    char said[512] = "";

    feed(&fed, H1_REQUEST, "", c->bytes, first, step);
    switch (fed.result) {
    case H1_MORE:
        assert_int_equal(c->status, 1);
        break;
    case H1_HEAD_DONE:
        summary(&fed.message, said, sizeof(said));
        assert_int_equal(c->status, 0);
        assert_string_equal(said, c->text);
        break;
    case H1_BAD:
        assert_int_equal(c->status, fed.error.status);
        assert_non_null(strstr(fed.error.text, c->text));
        assert_int_not_equal(fed.error.reason, REASON_none);
        break;
    }
    fed_free(&fed);
}

static void verdict_of_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        check(&cases[i], cases[i].bytes.len, 1);
        check(&cases[i], 0, 1);
        for (size_t cut = 1; cut < cases[i].bytes.len; cut++) {
            check(&cases[i], cut, cases[i].bytes.len);
        }
    }
}

/* prefix + count times fill + suffix */
static struct slice built(struct pool *pool, const char *prefix, const char *fill, size_t count,
                          const char *suffix)
{
    size_t size = strlen(prefix) + count * strlen(fill) + strlen(suffix);
    char *text = pool_alloc(pool, size), *p = text;

    p = mempcpy(p, prefix, strlen(prefix));
    for (size_t i = 0; i < count; i++) {
        p = mempcpy(p, fill, strlen(fill));
    }
    memcpy(p, suffix, strlen(suffix));
    return slice_of(text, size);
}

static void bounds(void **state)
{
    static const struct {
        const char *prefix, *fill;
        size_t count;
        const char *suffix;
        unsigned status;
    } bound_cases[] = {
        {"GET /", "a", 255, " HTTP/1.1\r\n" H "\r\n", 0},
        {"GET /", "a", 256, " HTTP/1.1\r\n" H "\r\n", 414},
        {"GET /", "a", 256, "", 414},
        {"GET /", "a", 5000, "", 414},
        {"GET /", "a", 256, "\x01 HTTP/1.1\r\n", 414}, /* the bound comes before what is wrong behind it */
        {"GET / HTTP/1.1\r\n" H, "A: b\r\n", 15, "\r\n", 0},
        {"GET / HTTP/1.1\r\n" H, "A: b\r\n", 16, "\r\n", 431},
        {"GET / HTTP/1.1\r\n" H "Connection: close", ",a", 32, "\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\n" H "Connection: close", ",a", 33, "\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H, "Connection: a, b, c\r\n", 11, "\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "Connection: close", ",close", 250, "\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\n" H "A: ", "x", 2048 - 32, "\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\n" H "A: ", "x", 2048 - 31, "\r\n\r\n", 431},
        {"GET / HTTP/1.1\r\n" H "A: ", "x", 9000, "", 431},
        {"GET / HTTP/1.1\r\n" H, "x", 9000, "", 431},
        {"", "x", 9000, "", 431},
    };
    struct pool *pool = pool_new(65536, 0);
    struct fed fed;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bound_cases); i++) {
        struct slice bytes = built(pool, bound_cases[i].prefix, bound_cases[i].fill, bound_cases[i].count,
                                   bound_cases[i].suffix);
        print_message("case %zu\n", i);
        for (size_t step = 1; step <= bytes.len; step = step * 7 + (step == 1 ? bytes.len : 0)) {
            feed(&fed, H1_REQUEST, "", bytes, step == 1 ? 0 : step, step);
            assert_int_equal(fed.result, bound_cases[i].status ? H1_BAD : H1_HEAD_DONE);
            assert_int_equal(fed.error.status, bound_cases[i].status);
            fed_free(&fed);
        }
        feed(&fed, H1_REQUEST, "", bytes, bytes.len, 1);
        assert_int_equal(fed.error.status, bound_cases[i].status);
        fed_free(&fed);
    }
    pool_free(pool);
}

/* What is left behind the head belongs to the body or to the next request. */
static void head_len_and_raw_lines(void **state)
{
    struct slice bytes = SLICE("GET /a?b HTTP/1.1\r\nhost:  a \r\nX-Y: z\r\n\r\nGET /next");
    struct fed fed;

    (void)state;
    feed(&fed, H1_REQUEST, "", bytes, 0, 1);
    assert_int_equal(fed.result, H1_HEAD_DONE);
    assert_int_equal(fed.message.head_len, bytes.len - strlen("GET /next"));
    const struct header *host = &fed.message.headers.items[0], *other = &fed.message.headers.items[1];

    assert_int_equal(host->id, HEADER_HOST);
    assert_true(slice_eq(host->value, SLICE("a")));
    assert_true(host->flags & HEADER_RAW_LINE);
    assert_true(slice_eq(slice_of(host->name.ptr, host->line_len), SLICE("host:  a \r\n")));
    assert_true(slice_eq(slice_of(other->name.ptr, other->line_len), SLICE("X-Y: z\r\n")));
    fed_free(&fed);
}

static void connection_names_hop_by_hop(void **state)
{
    struct slice bytes =
        SLICE("GET / HTTP/1.1\r\nX-Secret: 1\r\nHost: a\r\nConnection: x-secret, host, X-REAL-IP\r\n"
              "Keep-Alive: 5\r\nX-Real-Ip: 1.2.3.4\r\nAccept: b\r\n\r\n");
    static const bool hop[] = {true, false, true, true, true, false};
    struct fed fed;

    (void)state;
    feed(&fed, H1_REQUEST, "", bytes, bytes.len, 1);
    assert_int_equal(fed.message.headers.count, ARRAY_LEN(hop));
    for (size_t i = 0; i < ARRAY_LEN(hop); i++) {
        print_message("field %zu\n", i);
        assert_int_equal((fed.message.headers.items[i].flags & HEADER_HOP_BY_HOP) != 0, hop[i]);
    }
    fed_free(&fed);
}

/* What the client reads is what Go's server says. */
static void refusals_read_as_go_has_them(void **state)
{
    static const struct {
        struct slice bytes;
        const char *phrase, *body;
    } refusals[] = {
        {SLICE_INIT("GET / HTTP/1.1\r\n\r\n"), "Bad Request: missing required Host header",
         "400 Bad Request: missing required Host header"},
        {SLICE_INIT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "Bad Request: malformed Host header",
         "400 Bad Request: malformed Host header"},
        {SLICE_INIT("GET / HTTP/1.1\r\n" H "A : b\r\n\r\n"), "Bad Request: invalid header name",
         "400 Bad Request: invalid header name"},
        {SLICE_INIT("GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n"), "Bad Request", "400 Bad Request"},
        {SLICE_INIT("GET / HTTP/1.1\r\n" H H "\r\n"), "Bad Request", "400 Bad Request"},
        {SLICE_INIT("GET / HTTP/3.0\r\n" H "\r\n"),
         "HTTP Version Not Supported: unsupported protocol version",
         "505 HTTP Version Not Supported: unsupported protocol version"},
        {SLICE_INIT(POST "Transfer-Encoding: x\r\n\r\n"), "Not Implemented", "Unsupported transfer encoding"},
        {SLICE_INIT(POST "Expect: x\r\n\r\n"), "Expectation Failed", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct fed fed;

        print_message("case %zu\n", i);
        feed(&fed, H1_REQUEST, "", refusals[i].bytes, refusals[i].bytes.len, 1);
        assert_int_equal(fed.result, H1_BAD);
        assert_true(slice_eq(fed.error.phrase, slice_cstr(refusals[i].phrase)));
        assert_true(slice_eq(fed.error.body, slice_cstr(refusals[i].body)));
        fed_free(&fed);
    }
}

/* Only "Content-Length: 7" as everyone writes it goes on as it came; any other spelling is built anew. */
static void odd_lengths_are_built_anew(void **state)
{
    static const struct {
        struct slice bytes;
        bool raw;
    } lines[] = {
        {SLICE_INIT(POST "content-length: 7\r\n\r\n"), true},
        {SLICE_INIT(POST "Content-Length:7\r\n\r\n"), false},
        {SLICE_INIT(POST "Content-Length: 7\t\r\n\r\n"), false},
        {SLICE_INIT(POST "Content-Length:\t7\r\n\r\n"), false},
        {SLICE_INIT(POST "Content-Length: 07\r\n\r\n"), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct fed fed;

        print_message("case %zu\n", i);
        feed(&fed, H1_REQUEST, "", lines[i].bytes, lines[i].bytes.len, 1);
        assert_int_equal(fed.result, H1_HEAD_DONE);
        assert_true(slice_eq(fed.message.headers.items[1].value, SLICE("7")));
        assert_int_equal((fed.message.headers.items[1].flags & HEADER_RAW_LINE) != 0, lines[i].raw);
        fed_free(&fed);
    }
}

static void second_equal_length_is_dropped(void **state)
{
    struct slice bytes = SLICE(POST "Content-Length: 7\r\nContent-Length: 7\r\n\r\n");
    struct fed fed;

    (void)state;
    feed(&fed, H1_REQUEST, "", bytes, bytes.len, 1);
    assert_int_equal(fed.result, H1_HEAD_DONE);
    assert_false(fed.message.headers.items[1].flags & HEADER_REMOVED);
    assert_true(fed.message.headers.items[2].flags & HEADER_REMOVED);
    fed_free(&fed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_of_every_cut),           cmocka_unit_test(bounds),
        cmocka_unit_test(head_len_and_raw_lines),         cmocka_unit_test(connection_names_hop_by_hop),
        cmocka_unit_test(refusals_read_as_go_has_them),   cmocka_unit_test(odd_lengths_are_built_anew),
        cmocka_unit_test(second_equal_length_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
