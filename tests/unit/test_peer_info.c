/* test_peer_info.c - what is written of a client's certificate; the whole of it: test_middleware_pass_tls_client_cert.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/base64.h>
#include <openssl/pool.h>

#include "common/tls/peer_info.h"

/* openssl req -x509 -newkey ed25519 -subj /C=FR/C=US/CN=first/CN=last/DC=x -set_serial -5 -days 1 */
#define CERTIFICATE                                                                                          \
    "MIIBmjCCAUygAwIBAgIB+zAFBgMrZXAwTDELMAkGA1UEBhMCRlIxCzAJBgNVBAYTAlVTMQ4wDAYDVQQDDAVmaXJzdDENMAsGA1UE"   \
    "AwwEbGFzdDERMA8GCgmSJomT8ixkARkWAXgwHhcNMjYxMTIxMTMzNDI5WhcNMjYxMTIyMTMzNDI5WjBMMQswCQYDVQQGEwJGUjEL"   \
    "MAkGA1UEBhMCVVMxDjAMBgNVBAMMBWZpcnN0MQ0wCwYDVQQDDARsYXN0MREwDwYKCZImiZPyLGQBGRYBeDAqMAUGAytlcAMhAKyF"   \
    "LA1tuSb1dH00kqewtTcA1+F09SDvxjt/T38Yd5Dko1MwUTAdBgNVHQ4EFgQU+jk94UoZ/4G6b3FhYPOxslD94qEwHwYDVR0jBBgw"   \
    "FoAU+jk94UoZ/4G6b3FhYPOxslD94qEwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBKtkZbER2GKlM7/U9IMcyJatj/vchpR6PD"   \
    "PlDd2p+lfnBoM1qIMj32R7+aQT8K/eQhHtVGbrhhbz/0XY61IcoA"

static const struct {
    uint32_t wanted;
    const char *text;
} cases[] = {
    {0, ""},
    {PEER_SANS, ""},
    {PEER_NUMBER, "SerialNumber=\"-5\""},
    {PEER_NOT_BEFORE, "NB=\"1795268069\""},
    {PEER_NOT_AFTER | PEER_NOT_BEFORE, "NB=\"1795268069\";NA=\"1795354469\""},
    {PEER_SUBJECT(PEER_ORGANIZATION | PEER_SERIAL), ""},
    {PEER_SUBJECT(0xff), "Subject=\"DC=x,C=FR,C=US,CN=last\""},
    {PEER_ISSUER(PEER_COMMON_NAME) | PEER_SUBJECT(PEER_DOMAIN_COMPONENT) | PEER_NUMBER,
     "Subject=\"DC=x\";Issuer=\"CN=last\";SerialNumber=\"-5\""},
};

/* The certificate, and what is none, if `broken`. */
static STACK_OF(CRYPTO_BUFFER) * chain_of(bool broken)
{
    static const char text[] = CERTIFICATE;
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    uint8_t der[1024];
    size_t len;

    assert_true(EVP_DecodeBase64(der, &len, sizeof(der), (const uint8_t *)text, sizeof(text) - 1));
    sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(der, len, NULL));
    if (broken) {
        sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(der, 4, NULL));
    }
    return chain;
}

static void what_is_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        STACK_OF(CRYPTO_BUFFER) *chain = chain_of(false);
        struct text text;

        text_init(&text);
        text_add_cstr(&text, "");
        peer_info(chain, cases[i].wanted, &text);
        assert_string_equal(text.ptr, cases[i].text);
        text_free(&text);
        sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    }
}

static void several(void **state)
{
    STACK_OF(CRYPTO_BUFFER) *chain = chain_of(true);
    struct text text;

    (void)state;
    text_init(&text);
    peer_info(chain, PEER_NUMBER, &text);
    assert_string_equal(text.ptr, "SerialNumber=\"-5\",");
    text_clear(&text);
    peer_pem(chain, &text);
    assert_string_equal(text.ptr, CERTIFICATE ",MIIBmg==");
    text_free(&text);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for),
        cmocka_unit_test(several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
