/*
 * fuzz_ocsp.c - what an OCSP responder answers: any bytes are an answer or are refused with a reason. The input is the
 * answer; what is taken must be the one that the issuer signed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/tls/ocsp.h"
#include "tests/unit/ocsp_sample.h"

#define BYTES(array) slice_of((const char *)(array), sizeof(array))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ocsp_answer out;
    struct error why = {""};
    int rc = ocsp_answer_read(slice_of((const char *)data, size), BYTES(sample_certificate),
                              BYTES(sample_issuer), SAMPLE_PRODUCED, &out, &why);

    if ((rc == 0) != (why.text[0] == '\0') ||
        (rc == 0 &&
         (out.status != OCSP_GOOD || out.produced != SAMPLE_PRODUCED || out.until != SAMPLE_UNTIL))) {
        abort();
    }
    (void)sample_other;
    (void)sample_question;
    return 0;
}
