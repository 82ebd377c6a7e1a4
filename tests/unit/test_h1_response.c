/*
 * test_h1_response.c - which response heads are taken, how their body is framed, and which are refused (502).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/h1_feed.h"

#define OK "HTTP/1.1 200 OK\r\n"

struct head_case {
    const char *method; /* of the request */
    struct slice bytes;
    const char *want; /* "status framing keep|close [tunnel]", or "!part of the reason", or "more" */
};
#define CASE(method, bytes, want)                                                                            \
    {                                                                                                        \
        method, SLICE_INIT(bytes), want                                                                      \
    }

static const struct head_case cases[] = {
    /* status line */
    CASE("GET", OK "Content-Length: 5\r\n\r\nhello", "200 length=5 keep"),
    CASE("GET", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", "200 length=5 keep"),
    CASE("GET", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", "200 length=5 keep"),
    CASE("GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "200 length=5 close"),
    CASE("GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\n",
         "200 length=5 keep"),
    CASE("GET", "HTTP/1.1 999 Odd\r\nContent-Length: 5\r\n\r\n", "999 length=5 keep"),
    CASE("GET", "HTTP/1.1 404 Not \xc3\xa9 Found\tx\r\nContent-Length: 0\r\n\r\n", "404 none keep"),
    CASE("GET", "\r\n" OK "\r\n", "!version"),
    CASE("GET", "HTTP/1.1 99 x\r\n\r\n", "!status code"),
    CASE("GET", "HTTP/1.1 099 x\r\n\r\n", "!below 100"),
    CASE("GET", "HTTP/1.1 000 x\r\n\r\n", "!below 100"),
    CASE("GET", "HTTP/1.1 2000 x\r\n\r\n", "!status code"),
    CASE("GET", "HTTP/1.1 20 x\r\n\r\n", "!status code"),
    CASE("GET", "HTTP/1.1 +20 x\r\n\r\n", "!status code"),
    CASE("GET", "HTTP/1.1 2a0 x\r\n\r\n", "!status code"),
    CASE("GET", "HTTP/1.1  200 OK\r\n\r\n", "!status code"),
    CASE("GET", "HTTP/1.1\t200 OK\r\n\r\n", "!version"),
    CASE("GET", "HTTP/1.1\r\n\r\n", "!version"),
    CASE("GET", "HTTP/1.2 200 OK\r\n\r\n", "!neither"),
    CASE("GET", "HTTP/2.0 200 OK\r\n\r\n", "!neither"),
    CASE("GET", "HTTP/2 200 OK\r\n\r\n", "!version"),
    CASE("GET", "http/1.1 200 OK\r\n\r\n", "!version"),
    CASE("GET", "ICY 200 OK\r\n\r\n", "!version"),
    CASE("GET", "RTSP/1.0 200 OK\r\n\r\n", "!version"),
    CASE("GET", "<html>hello</html>", "!version"),
    CASE("GET", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "!bare LF"),
    CASE("GET", "HTTP/1.1 200\nContent-Length: 0\n\n", "!bare LF"),
    CASE("GET", "HTTP/1.1 200 O\rK\r\n\r\n", "!bare CR"),
    CASE("GET", "HTTP/1.1 200 O\0K\r\n\r\n", "!control byte"),
    CASE("GET", "HTTP/1.1 200 O\x1bK\r\n\r\n", "!control byte"),

    /* header lines: the same walk as for requests */
    CASE("GET", OK "A : b\r\n\r\n", "!blank"),
    CASE("GET", OK ": b\r\n\r\n", "!empty header name"),
    CASE("GET", OK "A\r\n\r\n", "!without a colon"),
    CASE("GET", OK "A: b\r\n c\r\n\r\n", "!folded"),
    CASE("GET", OK " A: b\r\n\r\n", "!before the first"),
    CASE("GET", OK "A: b\nB: c\r\n\r\n", "!bare LF"),
    CASE("GET", OK "A: b\rB: c\r\n\r\n", "!bare CR"),
    CASE("GET", OK "A: b\0\r\n\r\n", "!control byte"),
    CASE("GET", OK "Set-Cookie: a=\x07\r\n\r\n", "!control byte"),
    CASE("GET", OK "A(b): c\r\n\r\n", "!not allowed in a header name"),
    CASE("GET", OK "A: b\r\n\n", "!bare LF"),

    /* framing */
    CASE("GET", OK "\r\n", "200 until-close close"),
    CASE("GET", OK "Connection: keep-alive\r\n\r\n", "200 until-close close"),
    CASE("GET", OK "Content-Length: 0\r\n\r\n", "200 none keep"),
    CASE("GET", OK "Content-Length: 0\r\nConnection: close\r\n\r\n", "200 none close"),
    CASE("GET", OK "Transfer-Encoding: chunked\r\n\r\n", "200 chunked keep"),
    CASE("GET", OK "Transfer-Encoding: Chunked\r\nConnection: close\r\n\r\n", "200 chunked close"),
    CASE("GET", OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "!and Transfer-Encoding"),
    CASE("GET", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "!and Transfer-Encoding"),
    CASE("GET", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "!two different"),
    CASE("GET", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "200 length=5 keep"),
    CASE("GET", OK "Content-Length: 5, 5\r\n\r\n", "!malformed Content-Length"),
    CASE("GET", OK "Content-Length: -5\r\n\r\n", "!malformed Content-Length"),
    CASE("GET", OK "Content-Length: 5x\r\n\r\n", "!malformed Content-Length"),
    CASE("GET", OK "Content-Length: \r\n\r\n", "!malformed Content-Length"),
    CASE("GET", OK "Content-Length: 99999999999999999999\r\n\r\n", "!malformed Content-Length"),
    CASE("GET", OK "Transfer-Encoding: gzip\r\n\r\n", "!not chunked"),
    CASE("GET", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "!not chunked"),
    CASE("GET", OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "!more than one"),
    CASE("GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "!in HTTP/1.0"),

    /* no body */
    CASE("HEAD", OK "Content-Length: 5\r\n\r\n", "200 none keep"),
    CASE("HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", "200 none keep"),
    CASE("HEAD", OK "\r\n", "200 none keep"),
    CASE("HEAD", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "!two different"),
    CASE("GET", "HTTP/1.1 204 No Content\r\n\r\n", "204 none keep"),
    CASE("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 none keep"),
    CASE("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 none close"),
    CASE("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "204 none close"),
    CASE("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 none keep"),
    CASE("GET", "HTTP/1.1 100 Continue\r\n\r\n", "100 none keep"),
    CASE("GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "103 none keep"),
    CASE("GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
         "101 none keep tunnel"),
    CASE("GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "!101 without Upgrade"),
    CASE("GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade:\r\n\r\n",
         "!101 without Upgrade"),
    CASE("CONNECT", "HTTP/1.1 200 Connected\r\n\r\n", "200 none keep tunnel"),
    CASE("CONNECT", "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\n", "407 length=2 keep"),

    CASE("GET", "", "more"),
    CASE("GET", "HTTP/1.1 2", "more"),
    CASE("GET", OK "Content-Length: 5\r\n\r", "more"),
};

static void check(const struct head_case *c, size_t first, size_t step)
{
    static const char *const framing[] = {"none", "length", "chunked", "until-close"};
    struct fed fed;
    char said[80] = "more", number[32] = "";

    feed(&fed, H1_RESPONSE, c->method, c->bytes, first, step);
    if (fed.result == H1_BAD) {
        assert_int_equal(c->want[0], '!');
        assert_non_null(strstr(fed.error.text, c->want + 1));
        assert_int_equal(fed.error.status, 502);
        assert_int_equal(fed.error.reason, REASON_bad_response);
    } else {
        if (fed.result == H1_HEAD_DONE) {
            if (fed.message.framing == H1_LENGTH) {
                snprintf(number, sizeof(number), "=%llu", (unsigned long long)fed.message.content_length);
            }
            snprintf(said, sizeof(said), "%u %s%s %s%s", fed.message.status, framing[fed.message.framing],
                     number, fed.message.keep_alive ? "keep" : "close", fed.message.upgrade ? " tunnel" : "");
        }
        assert_string_equal(said, c->want);
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

static void phrase_is_kept(void **state)
{
    struct slice bytes = SLICE("HTTP/1.1 200 Very  well\r\nContent-Length: 1\r\n\r\n");
    struct fed fed;

    (void)state;
    feed(&fed, H1_RESPONSE, "GET", bytes, 0, 1);
    assert_true(slice_eq(fed.message.phrase, SLICE("Very  well")));
    fed_free(&fed);
}

static void lines_and_dates(void **state)
{
    static const struct {
        int64_t second;
        const char *text;
    } dates[] = {
        {784111777, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"},
        {951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n"},
        {1709251199, "Date: Thu, 29 Feb 2024 23:59:59 GMT\r\n"},
        {4107542400, "Date: Mon, 01 Mar 2100 00:00:00 GMT\r\n"},
        {1767225599, "Date: Wed, 31 Dec 2025 23:59:59 GMT\r\n"},
        {-1, "Date: Wed, 31 Dec 2025 23:59:59 GMT\r\n"}, /* a broken clock: the last good one */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        print_message("case %zu\n", i);
        http_date_update(dates[i].second);
        assert_true(slice_eq(http_date(), slice_cstr(dates[i].text)));
    }
    assert_true(slice_eq(h1_status_line(404), SLICE("HTTP/1.1 404 Not Found\r\n")));
    assert_true(slice_eq(h1_status_line(200), SLICE("HTTP/1.1 200 OK\r\n")));
    assert_int_equal(h1_status_line(299).len, 0);
    assert_int_equal(h1_status_line(9999).len, 0);
    assert_string_equal(http_status_text(413), "Request Entity Too Large");
    assert_string_equal(http_status_text(299), "");
    assert_string_equal(http_status_text(60000), "");
    for (unsigned code = 0; code < 1000; code++) { /* both tables have the same codes */
        assert_int_equal(h1_status_line((uint16_t)code).len > 0, http_status_text((uint16_t)code)[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_of_every_cut),
        cmocka_unit_test(phrase_is_kept),
        cmocka_unit_test(lines_and_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
