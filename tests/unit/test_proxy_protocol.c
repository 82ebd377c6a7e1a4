/* test_proxy_protocol.c - the header of the PROXY protocol: both versions, in pieces, what is refused, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/net/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x01\x02\x03\x04\x05\x06\x07\x08\x12\x34\x00\x50"
#define V6                                                                                                   \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                                             \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"                                                             \
    "\x12\x34\x01\xbb"
#define V6_MAPPED                                                                                            \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04"                                                           \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\x05\x06\x07\x08"                                                           \
    "\x12\x34\x00\x50"

static struct address address_of(const char *text, uint16_t port)
{
    struct address address = {0};

    if (text) {
        assert_true(address_parse(slice_cstr(text), &address));
    }
    address.port = port;
    return address;
}

static void reads_what_names_somebody(void **state)
{
    static const struct {
        struct slice bytes;
        const char *source, *destination;
        uint16_t source_port, destination_port;
    } cases[] = {
        {SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 4660 80\r\n"), "1.2.3.4", "5.6.7.8", 4660, 80},
        {SLICE_INIT("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"), "255.255.255.255", "0.0.0.0", 65535,
         0},
        {SLICE_INIT("PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n"), "2001:db8::1", "2001:db8::2", 4660,
         443},
        {SLICE_INIT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe "
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535},
        {SLICE_INIT("PROXY TCP6 ::ffff:1.2.3.4 5.6.7.8 4660 80\r\n"), "1.2.3.4", "5.6.7.8", 4660, 80},
        {SLICE_INIT(SIGNATURE "\x21\x11\x00\x0c" V4), "1.2.3.4", "5.6.7.8", 0x1234, 80},
        {SLICE_INIT(SIGNATURE "\x21\x12\x00\x0c" V4), "1.2.3.4", "5.6.7.8", 0x1234, 80},
        {SLICE_INIT(SIGNATURE "\x21\x21\x00\x24" V6), "2001:db8::1", "2001:db8::2", 0x1234, 443},
        {SLICE_INIT(SIGNATURE "\x21\x21\x00\x24" V6_MAPPED), "1.2.3.4", "5.6.7.8", 0x1234, 80},
        /* TLVs: one as it should be, and what is none */
        {SLICE_INIT(SIGNATURE "\x21\x11\x00\x11" V4 "\x04\x00\x02xy"), "1.2.3.4", "5.6.7.8", 0x1234, 80},
        {SLICE_INIT(SIGNATURE "\x21\x11\x00\x0d" V4 "\xff"), "1.2.3.4", "5.6.7.8", 0x1234, 80},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address source = address_of(cases[i].source, cases[i].source_port);
        struct address destination = address_of(cases[i].destination, cases[i].destination_port);
        struct proxy_header header;
        char bytes[512];
        const char *why;

        memcpy(bytes, cases[i].bytes.ptr, cases[i].bytes.len);
        memcpy(bytes + cases[i].bytes.len, "\r\n\r\n", 4); /* what follows is none of its business */
        for (size_t len = 0; len < cases[i].bytes.len; len++) {
            assert_int_equal(proxy_header_read(slice_of(bytes, len), &header, &why), PROXY_MORE);
        }
        for (size_t more = 0; more <= 4; more++) {
            assert_int_equal(proxy_header_read(slice_of(bytes, cases[i].bytes.len + more), &header, &why),
                             PROXY_DONE);
            assert_int_equal(header.size, cases[i].bytes.len);
            assert_false(header.local);
            assert_true(address_equal(&header.source, &source));
            assert_true(address_equal(&header.destination, &destination));
        }
    }
}

static void reads_what_names_nobody(void **state)
{
    static const struct slice cases[] = {
        SLICE_INIT("PROXY UNKNOWN\r\n"),
        SLICE_INIT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"),
        SLICE_INIT(SIGNATURE "\x20\x00\x00\x00"),
        SLICE_INIT(SIGNATURE "\x20\x00\x00\x03\x04\x00\x00"),
        SLICE_INIT(SIGNATURE "\x20\x11\x00\x0c" V4),
    };
    char local[16 + 216] = SIGNATURE "\x21\x31\x00\xd8/run/a.sock";
    struct proxy_header header;
    const char *why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t len = 0; len < cases[i].len; len++) {
            assert_int_equal(proxy_header_read(slice_head(cases[i], len), &header, &why), PROXY_MORE);
        }
        assert_int_equal(proxy_header_read(cases[i], &header, &why), PROXY_DONE);
        assert_true(header.local);
        assert_int_equal(header.size, cases[i].len);
    }
    assert_int_equal(proxy_header_read(slice_of(local, sizeof(local) - 1), &header, &why), PROXY_MORE);
    assert_int_equal(proxy_header_read(slice_of(local, sizeof(local)), &header, &why), PROXY_DONE);
    assert_true(header.local);
    assert_int_equal(header.size, sizeof(local));
}

static void takes_the_longest(void **state)
{
    static char bytes[PROXY_HEADER_MOST] = SIGNATURE "\x21\x11\x10\x00" V4;
    struct proxy_header header;
    const char *why;

    (void)state;
    assert_int_equal(proxy_header_read(slice_of(bytes, sizeof(bytes)), &header, &why), PROXY_DONE);
    assert_int_equal(header.size, sizeof(bytes));
    bytes[15] = 1; /* one byte more: refused before it is there */
    assert_int_equal(proxy_header_read(slice_of(bytes, 16), &header, &why), PROXY_BAD);
}

static void refuses(void **state)
{
    static const struct slice cases[] = {
        SLICE_INIT("PROXYX"),
        SLICE_INIT("PROXY\r\n"),
        SLICE_INIT("PROXY \r\n"),
        SLICE_INIT("PROXY / HTTP/1.1\r\n"),
        SLICE_INIT("PROXY TCP4\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 80 80 \r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 80 80 80\r\n"),
        SLICE_INIT("PROXY  TCP4 1.2.3.4 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY TCP4  1.2.3.4 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 80 80\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8\r80 80\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 80 65536\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 080 80\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 +80 80\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.4 5.6.7.8 -1 80\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY TCP4 1.2.3.256 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY TCP4 01.2.3.4 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY TCP4 ::1 ::1 80 80\r\n"),
        SLICE_INIT("PROXY TCP4 ::ffff:1.2.3.4 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY TCP6 fe80::1%eth0 ::1 80 80\r\n"),
        SLICE_INIT("PROXY TCP6 [::1] ::1 80 80\r\n"),
        SLICE_INIT("PROXY tcp4 1.2.3.4 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY UNKNOWNX\r\n"),
        SLICE_INIT("PROXY UDP4 1.2.3.4 5.6.7.8 80 80\r\n"),
        SLICE_INIT("PROXY UNKNOWN "
                   "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
                   "901\r\n"),                       /* one byte too long */
        SLICE_INIT(SIGNATURE "\x11\x11\x00\x0c" V4), /* version 1 */
        SLICE_INIT(SIGNATURE "\x22\x11\x00\x0c" V4), /* no such command */
        SLICE_INIT(SIGNATURE "\x21\x41\x00\x0c" V4), /* no such family */
        SLICE_INIT(SIGNATURE "\x21\x13\x00\x0c" V4), /* no such transport */
        SLICE_INIT(SIGNATURE "\x21\x10\x00\x0c" V4), /* no transport */
        SLICE_INIT(SIGNATURE "\x21\x00\x00\x00"),    /* nobody, but not LOCAL */
        SLICE_INIT(SIGNATURE "\x21\x11\x00\x0b" V4), /* too short */
        SLICE_INIT(SIGNATURE "\x20\x11\x00\x0b" V4),
        SLICE_INIT(SIGNATURE "\x21\x21\x00\x23" V6),
        SLICE_INIT(SIGNATURE "\x21\x31\x00\xd7"),
        SLICE_INIT(SIGNATURE "\x21\x11\xff\xff"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxy_header header;
        const char *why;

        enum proxy_result result = proxy_header_read(cases[i], &header, &why);

        if (result != PROXY_BAD) {
            fail_msg("case %zu is not refused: %d", i, (int)result);
        }
        assert_true(why[0] != '\0');
    }
}

static void leaves_everything_else(void **state)
{
    static const struct slice cases[] = {
        SLICE_INIT("GET / HTTP/1.1\r\n"),
        SLICE_INIT("PRI * HTTP/2.0\r\n"),
        SLICE_INIT("PROPFIND / HTTP/1.1\r\n"),
        SLICE_INIT("\r\nGET / HTTP/1.1\r\n"),
        SLICE_INIT("\r\n\r\nGET"),
        SLICE_INIT("\x16\x03\x01"),
        SLICE_INIT("\0"),
        SLICE_INIT("proxy "),
        SLICE_INIT("\r\n\r\n\0\r\nQUIX"),
    };
    struct proxy_header header;
    const char *why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(proxy_header_read(cases[i], &header, &why), PROXY_NONE);
    }
}

static void writes_what_it_reads(void **state)
{
    static const struct {
        const char *source, *destination;
        const char *line; /* version 1 */
        size_t binary;    /* length of version 2 */
    } cases[] = {
        {"1.2.3.4", "5.6.7.8", "PROXY TCP4 1.2.3.4 5.6.7.8 65535 80\r\n", 28},
        {"2001:db8::1", "::1", "PROXY TCP6 2001:db8::1 ::1 65535 80\r\n", 52},
        {"1.2.3.4", "::1", "PROXY TCP6 ::ffff:1.2.3.4 ::1 65535 80\r\n", 52},
        {"::1", "1.2.3.4", "PROXY TCP6 ::1 ::ffff:1.2.3.4 65535 80\r\n", 52},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
         "80\r\n",
         52},
        {NULL, "1.2.3.4", "PROXY UNKNOWN\r\n", 16},
        {"1.2.3.4", NULL, "PROXY UNKNOWN\r\n", 16},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address source = address_of(cases[i].source, 65535);
        struct address destination = address_of(cases[i].destination, 80);

        for (int version = 1; version <= 2; version++) {
            char *out = malloc(PROXY_HEADER_WRITTEN); /* its end is watched */
            size_t len = proxy_header_write(version, &source, &destination, out);
            struct proxy_header header;
            const char *why;

            if (version == 1) {
                assert_true(slice_eq(slice_of(out, len), slice_cstr(cases[i].line)));
            } else {
                assert_int_equal(len, cases[i].binary);
            }
            assert_int_equal(proxy_header_read(slice_of(out, len), &header, &why), PROXY_DONE);
            assert_int_equal(header.size, len);
            if (cases[i].source == NULL || cases[i].destination == NULL) {
                assert_true(header.local);
            } else {
                assert_true(address_equal(&header.source, &source));
                assert_true(address_equal(&header.destination, &destination));
            }
            free(out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_names_somebody), cmocka_unit_test(reads_what_names_nobody),
        cmocka_unit_test(takes_the_longest),         cmocka_unit_test(refuses),
        cmocka_unit_test(leaves_everything_else),    cmocka_unit_test(writes_what_it_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
