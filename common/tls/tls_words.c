/*
 * tls_words.c - see tls_words.h.
 */
#include "common/tls/tls_words.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

const char *tls_error_words(void)
{
    uint32_t code = ERR_peek_last_error();
    const char *words = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return words ? words : "unknown error";
}

BIO *tls_memory(struct slice text)
{
    return text.len <= INT_MAX ? BIO_new_mem_buf(text.ptr, (int)text.len) : NULL;
}

int tls_no_passphrase(char *buf, int size, int writing, void *context)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

bool tls_at_end_of_pem(void)
{
    uint32_t code = ERR_peek_last_error();
    bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

    if (end) {
        ERR_clear_error();
    }
    return end;
}
