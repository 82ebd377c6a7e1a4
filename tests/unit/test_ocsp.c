/* test_ocsp.c - OCSP: the question is the one that openssl asks; answers count when they are whole, ours, signed and in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/tls/ocsp.h"
#include "ocsp_sample.h"

#define BYTES(array) slice_of((const char *)(array), sizeof(array))

static const char *wrong(struct slice answer, struct slice certificate, struct slice issuer, int64_t now)
{
    static struct error why;
    struct ocsp_answer out;
    int rc;

    why.text[0] = '\0';
    rc = ocsp_answer_read(answer, certificate, issuer, now, &out, &why);
    assert_true((rc == 0) == (why.text[0] == '\0'));
    return why.text;
}

static void asks_as_openssl_does(void **state)
{
    struct pool *pool = pool_new(256, 0);
    struct slice urls[OCSP_RESPONDERS_MOST], question;
    struct error why = {""};

    (void)state;
    assert_int_equal(ocsp_responders(BYTES(sample_certificate), pool, urls), 2);
    assert_true(slice_eq(urls[0], SLICE("http://one.test/")));
    assert_true(slice_eq(urls[1], SLICE("http://two.test/x")));
    assert_int_equal(ocsp_responders(BYTES(sample_issuer), pool, urls), 0);
    assert_int_equal(ocsp_responders(SLICE("nonsense"), pool, urls), 0);
    assert_int_equal(ocsp_request(BYTES(sample_certificate), BYTES(sample_issuer), pool, &question, &why), 0);
    assert_true(slice_eq(question, BYTES(sample_question)));
    assert_true(ocsp_request(SLICE(""), BYTES(sample_issuer), pool, &question, &why) < 0);
    pool_free(pool);
}

static void reads_an_answer(void **state)
{
    struct ocsp_answer out;
    struct error why = {""};

    (void)state;
    assert_int_equal(ocsp_answer_read(BYTES(sample_answer), BYTES(sample_certificate), BYTES(sample_issuer),
                                      SAMPLE_PRODUCED + 10, &out, &why),
                     0);
    assert_int_equal(out.status, OCSP_GOOD);
    assert_int_equal(out.produced, SAMPLE_PRODUCED);
    assert_int_equal(out.until, SAMPLE_UNTIL);
}

static void refuses_what_does_not_count(void **state)
{
    static const struct {
        struct slice answer;
        const char *words;
    } refusals[] = {
        {SLICE_INIT("\x30\x03\x0a\x01\x01"), "the question is malformed"},
        {SLICE_INIT("\x30\x03\x0a\x01\x03"), "it asks to try later"},
        {SLICE_INIT("\x30\x03\x0a\x01\x06"), "it does not answer us"},
        {SLICE_INIT("\x30\x03\x0a\x01\x63"), "it answers with a status that is none"},
        {SLICE_INIT("\x30\x03\x0a\x01\x00"), "it is malformed"},
        {SLICE_INIT(""), "it is malformed"},
        {SLICE_INIT("<html>"), "it is malformed"},
    };
    struct slice answer = BYTES(sample_answer), certificate = BYTES(sample_certificate),
                 issuer = BYTES(sample_issuer);

    (void)state;
    assert_string_equal(wrong(answer, certificate, issuer, SAMPLE_UNTIL - 1), "");
    assert_string_equal(wrong(answer, certificate, issuer, SAMPLE_UNTIL), "it is no longer in force");
    assert_string_equal(wrong(answer, certificate, issuer, SAMPLE_PRODUCED - 299), "");
    assert_string_equal(wrong(answer, certificate, issuer, SAMPLE_PRODUCED - 301), "it is from the future");
    assert_string_equal(wrong(answer, BYTES(sample_other), issuer, SAMPLE_PRODUCED),
                        "it is about another certificate");
    assert_string_equal(wrong(answer, certificate, certificate, SAMPLE_PRODUCED),
                        "it is signed by nobody whom the issuer lets answer");
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        assert_string_equal(wrong(refusals[i].answer, certificate, issuer, SAMPLE_PRODUCED),
                            refusals[i].words);
    }
}

/* Every bit of it matters, and none of its ends is passed. */
static void refuses_what_was_changed(void **state)
{
    struct slice certificate = BYTES(sample_certificate), issuer = BYTES(sample_issuer);

    (void)state;
    for (size_t i = 0; i < sizeof(sample_answer); i++) {
        char *bytes = malloc(sizeof(sample_answer));

        memcpy(bytes, sample_answer, sizeof(sample_answer));
        bytes[i] = (char)(bytes[i] ^ 0x10);
        assert_string_not_equal(
            wrong(slice_of(bytes, sizeof(sample_answer)), certificate, issuer, SAMPLE_PRODUCED), "");
        free(bytes);
        bytes = malloc(i + 1);
        memcpy(bytes, sample_answer, i);
        assert_string_not_equal(wrong(slice_of(bytes, i), certificate, issuer, SAMPLE_PRODUCED), "");
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_as_openssl_does),
        cmocka_unit_test(reads_an_answer),
        cmocka_unit_test(refuses_what_does_not_count),
        cmocka_unit_test(refuses_what_was_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
