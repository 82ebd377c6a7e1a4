/* test_password.c - hashes as htpasswd and openssl passwd write them: which are taken, and whose password fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <crypt.h>

#include "common/http/password.h"

/* htpasswd -nb[m|B|s|2|5] user 'pass word' */
static const char *const fitting[] = {
    "$apr1$F.MFzUVj$uzZ//1y78r2VEpyD.v/tv.",
    "$2y$05$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG",
    "{SHA}2oguq15ANCGsJCWKX31fllwpyEk=",
    "$5$SWTEUmdRRSFfYdaN$eD.FgsVSIlTxBB62qv0iotph77AxvpJju1VoQ9Vkcr7",
    "$6$eWyJUhrXhSm.xPRe$CkS3mwHjnA4XMjpeq3osVnqczeK0f53A2QYZhsQ4zCjlcm7DQS."
    "9xbgUZaWByGe8Pv1qgso74FFneOuFaKCSR.",
};

static struct crypt_data scratch;

static void test_fits(void **state)
{
    static const char *const others[] = {"pass wore", "pass wor", "pass word ", "", "PASS WORD"};
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fitting); i++) {
        struct slice hash = slice_cstr(fitting[i]);

        assert_int_equal(password_hash_check(hash, &why), 0);
        assert_int_equal(password_hash_slow(hash), fitting[i][0] == '$');
        assert_true(password_fits(hash, SLICE("pass word"), &scratch));
        for (size_t k = 0; k < ARRAY_LEN(others); k++) {
            assert_false(password_fits(hash, slice_cstr(others[k]), &scratch));
        }
        assert_false(password_fits(hash, SLICE("pass word\0x"), &scratch));
    }
}

/* openssl passwd -1, -apr1: lengths around those of the digest's blocks; a hash of SHA-crypt with rounds of its own. */
static void test_others(void **state)
{
    struct error why;

    (void)state;
    assert_true(password_fits(SLICE("$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"), SLICE("secret"), &scratch));
    assert_true(
        password_fits(SLICE("$5$rounds=1000$M4BK/c1wmLRLl56Q$WShfBxIOOlmPY4RfHprPLa4tqtGoE0zXFixC70cHwk1"),
                      SLICE("x"), &scratch));
    assert_int_equal(
        password_hash_check(
            SLICE("$5$rounds=1000$M4BK/c1wmLRLl56Q$WShfBxIOOlmPY4RfHprPLa4tqtGoE0zXFixC70cHwk1"), &why),
        0);
    assert_true(password_fits(SLICE("$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie."), SLICE(""), &scratch));
    assert_true(password_fits(SLICE("$apr1$abcdefgh$u/oXx4xjfNeitG4lNe59p1"),
                              SLICE("0123456789abcdef0123456789abcdefXYZ"), &scratch));
}

static void test_long(void **state)
{
    char text[PASSWORD_MOST + 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(fitting); i++) {
        assert_false(password_fits(slice_cstr(fitting[i]), slice_of(text, PASSWORD_MOST), &scratch));
        assert_false(password_fits(slice_cstr(fitting[i]), slice_of(text, PASSWORD_MOST + 1), &scratch));
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *hash, *why;
    } cases[] = {
        {"", "none of"},
        {"$$2y$$05$$abc", "write $ for $$"},
        {"secret", "none of"},
        {"rqXexS6ZhobKA", "none of"}, /* DES */
        {"{SHA}2oguq15ANCGsJCWKX31fllwpyE=", "none of"},
        {"{SHA}2oguq15ANCGsJCWKX31fllwpyEk", "none of"},
        {"$apr1$F.MFzUVjX$uzZ//1y78r2VEpyD.v/tv.", "none of"},
        {"$apr1$F.MFzUVj$uzZ//1y78r2VEpyD.v/tv", "none of"},
        {"$apr1$F.MFzUVj", "none of"},
        {"$y$j9T$abc$def", "none of"},
        {"$2y$05$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4Pn", "malformed"},
        {"$2y$5$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnGG", "malformed"},
        {"$2y$03$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG", "malformed"},
        {"$2y$17$Fw7JwJId54WpLKFbddDOJOgjYbf.GatQqSFve55HkHntgbheM4PnG", "too long"},
        {"$5$SWTEUmdRRSFfYdaN$eD.FgsVSIlTxBB62qv0iotph77AxvpJju1VoQ9Vkcr", "malformed"},
        {"$5$rounds=999$M4BK/c1wmLRLl56Q$WShfBxIOOlmPY4RfHprPLa4tqtGoE0zXFixC70cHwk1", "rounds"},
        {"$5$rounds=1000001$M4BK/c1wmLRLl56Q$WShfBxIOOlmPY4RfHprPLa4tqtGoE0zXFixC70cHwk1", "rounds"},
        {"$5$rounds=0$M4BK/c1wmLRLl56Q$WShfBxIOOlmPY4RfHprPLa4tqtGoE0zXFixC70cHwk1", "malformed"},
        {"$6$$", "malformed"},
    };
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(password_hash_check(slice_cstr(cases[i].hash), &why) < 0);
        assert_non_null(strstr(why.text, cases[i].why));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
