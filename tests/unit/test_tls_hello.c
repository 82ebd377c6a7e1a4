/* test_tls_hello.c - the ClientHello: found whole or in pieces, its names and lists, and nothing behind its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "common/tls/hello.h"

static char scratch[TLS_HELLO_MOST];

/* What BoringSSL's own client says. */
static size_t greeting(const char *name, const uint8_t *alpn, size_t alpn_len, uint8_t *out, size_t size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *wire = BIO_new(BIO_s_mem());

    if (name) {
        SSL_set_tlsext_host_name(ssl, name);
    }
    if (alpn) {
        SSL_set_alpn_protos(ssl, alpn, (unsigned)alpn_len);
    }
    SSL_set_bio(ssl, in, wire);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);

    int len = BIO_read(wire, out, (int)size);

    SSL_free(ssl);
    SSL_CTX_free(context);
    assert_true(len > 0);
    return (size_t)len;
}

static struct slice bytes_of(const uint8_t *bytes, size_t len)
{
    return slice_of((const char *)bytes, len);
}

static void finds_what_a_client_asks_for(void **state)
{
    static const uint8_t alpn[] = "\x02h2\x08http/1.1";
    uint8_t wire[4096];
    size_t len = greeting("a.example.com", alpn, sizeof(alpn) - 1, wire, sizeof(wire));
    struct tls_hello hello;

    (void)state;
    assert_int_equal(tls_hello_read(bytes_of(wire, len), scratch, &hello), TLS_HELLO_DONE);
    assert_true(slice_eq(hello.server_name, SLICE("a.example.com")));
    assert_true(tls_hello_offers(&hello, SLICE("h2")));
    assert_true(tls_hello_offers(&hello, SLICE("http/1.1")));
    assert_false(tls_hello_offers(&hello, SLICE("http/1.0")));
    assert_true(tls_hello_lists(hello.versions, 0x0304));
    assert_true(tls_hello_lists(hello.ciphers, 0xc02b));
    assert_true(tls_hello_lists(hello.signatures, 0x0403));
    assert_true(tls_hello_lists(hello.curves, 29));
    for (size_t part = 0; part < len; part++) {
        assert_int_equal(tls_hello_read(bytes_of(wire, part), scratch, &hello), TLS_HELLO_MORE);
    }
}

static void no_name_is_no_name(void **state)
{
    uint8_t wire[4096];
    size_t len = greeting(NULL, NULL, 0, wire, sizeof(wire));
    struct tls_hello hello;

    (void)state;
    assert_int_equal(tls_hello_read(bytes_of(wire, len), scratch, &hello), TLS_HELLO_DONE);
    assert_int_equal(hello.server_name.len, 0);
    assert_int_equal(hello.alpn.len, 0);
    assert_false(tls_hello_offers(&hello, SLICE("h2")));
}

/* The same message in records of `piece` bytes. */
static size_t cut(const uint8_t *wire, size_t len, size_t piece, uint8_t *out)
{
    size_t to = 0;

    for (size_t at = 5; at < len; at += piece) {
        size_t part = len - at < piece ? len - at : piece;

        memcpy(out + to, wire, 3);
        out[to + 3] = (uint8_t)(part >> 8);
        out[to + 4] = (uint8_t)part;
        memcpy(out + to + 5, wire + at, part);
        to += 5 + part;
    }
    return to;
}

static void records_may_be_small(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 4, 5, 100};
    uint8_t wire[4096], pieced[6 * sizeof(wire)];
    size_t len = greeting("pieces.test", NULL, 0, wire, sizeof(wire));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t total = cut(wire, len, pieces[i], pieced);
        struct tls_hello hello;

        print_message("pieces of %zu\n", pieces[i]);
        assert_int_equal(tls_hello_read(bytes_of(pieced, total), scratch, &hello), TLS_HELLO_DONE);
        assert_true(slice_eq(hello.server_name, SLICE("pieces.test")));
        assert_int_equal(tls_hello_read(bytes_of(pieced, total - 1), scratch, &hello), TLS_HELLO_MORE);
    }
}

static void what_is_none(void **state)
{
    static const struct {
        struct slice bytes;
        enum tls_hello_result result;
    } cases[] = {
        {SLICE_INIT(""), TLS_HELLO_MORE},
        {SLICE_INIT("GET / HTTP/1.1\r\n"), TLS_HELLO_PLAIN},
        {SLICE_INIT("\0\0\0\0"), TLS_HELLO_PLAIN},
        {SLICE_INIT("\x15\x03\x01\x00\x02"), TLS_HELLO_PLAIN},
        {SLICE_INIT("\x16"), TLS_HELLO_MORE},
        {SLICE_INIT("\x16\x04"), TLS_HELLO_BAD},
        {SLICE_INIT("\x16\x03\x01\x00\x00"), TLS_HELLO_BAD},                         /* an empty record */
        {SLICE_INIT("\x16\x03\x01\x40\x01"), TLS_HELLO_BAD},                         /* too long a one */
        {SLICE_INIT("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), TLS_HELLO_BAD},         /* a ServerHello */
        {SLICE_INIT("\x16\x03\x01\x00\x04\x01\x00\xff\xff"), TLS_HELLO_BAD},         /* 65,535 bytes */
        {SLICE_INIT("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), TLS_HELLO_BAD},         /* nothing in it */
        {SLICE_INIT("\x16\x03\x01\x00\x04\x01\x00\x01\x00\x17"), TLS_HELLO_BAD},     /* then no handshake */
        {SLICE_INIT("\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03"), TLS_HELLO_BAD}, /* only a version */
    };
    struct tls_hello hello;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(tls_hello_read(cases[i].bytes, scratch, &hello), cases[i].result);
    }
}

/* Every byte of a good one wrong, one at a time: no answer is certain, but it ends. */
static void damage_is_survived(void **state)
{
    uint8_t wire[4096], copy[4096];
    size_t len = greeting("a.example.com", NULL, 0, wire, sizeof(wire));
    struct tls_hello hello;

    (void)state;
    for (size_t i = 0; i < len; i++) {
        memcpy(copy, wire, len);
        copy[i] ^= 0xff;
        (void)tls_hello_read(bytes_of(copy, len), scratch, &hello);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_client_asks_for), cmocka_unit_test(no_name_is_no_name),
        cmocka_unit_test(records_may_be_small),         cmocka_unit_test(what_is_none),
        cmocka_unit_test(damage_is_survived),
    };

    return cmocka_run_group_tests_name("tls_hello", tests, NULL, NULL);
}
