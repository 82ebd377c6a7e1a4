/*
 * tls_words.h - small things about BoringSSL that everyone who reads PEM needs: its errors in words, no questions asked.
 */
#ifndef WEIR_COMMON_TLS_TLS_WORDS_H
#define WEIR_COMMON_TLS_TLS_WORDS_H

#include <openssl/bio.h>

#include "common/base/slice.h"

/* The newest word of BoringSSL's error queue, which is emptied. A static text or one of the thread's. */
const char *tls_error_words(void);
/* NULL when it is out of bounds. The bytes stay the caller's. */
BIO *tls_memory(struct slice text);
/* A key with a pass phrase would make BoringSSL ask the terminal: pass it where a callback is asked for. */
int tls_no_passphrase(char *buf, int size, int writing, void *context);
/* After a reader found nothing more: was that the end, or something broken? The end is taken out of the queue. */
bool tls_at_end_of_pem(void);

#endif
