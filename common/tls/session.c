/*
 * session.c - one TLS session over two memory BIOs; contract in tls.h.
 */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/net/addr.h"
#include "common/tls/tls_inner.h"

#define NAME_SIZE 256

struct tls_session {
    struct tls_context *context;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    char name[NAME_SIZE];
};

static bool expect_name(struct tls_session *session)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(session->ssl);
    struct slice name = slice_cstr(session->name);
    struct address address;

    if (address_parse(name, &address)) {
        return !session->context->verify || X509_VERIFY_PARAM_set1_ip_asc(param, session->name) == 1;
    }
    if (SSL_set_tlsext_host_name(session->ssl, session->name) != 1) {
        return false;
    }
    return !session->context->verify || X509_VERIFY_PARAM_set1_host(param, name.ptr, name.len) == 1;
}

int tls_session_client(struct tls_context *context, struct slice server_name, struct tls_session **out,
                       struct error *why)
{
    struct tls_session *session = xcalloc(1, sizeof(*session));

    session->context = tls_context_ref(context);
    session->ssl = SSL_new(context->ssl);
    session->in = BIO_new(BIO_s_mem());
    session->out = BIO_new(BIO_s_mem());
    if (session->ssl == NULL || session->in == NULL || session->out == NULL) {
        BIO_free(session->in);
        BIO_free(session->out);
        tls_session_free(session);
        return error_set(why, -ENOMEM, "cannot make a TLS session: %s", tls_error_words());
    }
    BIO_set_mem_eof_return(session->in, -1); /* empty means "not yet", not the end */
    BIO_set_mem_eof_return(session->out, -1);
    SSL_set_bio(session->ssl, session->in, session->out);
    SSL_set_connect_state(session->ssl);
    if (server_name.len == 0 || !slice_to_cstr(server_name, session->name, sizeof(session->name)) ||
        !expect_name(session)) {
        tls_session_free(session);
        ERR_clear_error();
        return error_set(why, -EINVAL, "\"%.*s\" is no name or address of a server", SLICE_ARG(server_name));
    }
    *out = session;
    return 0;
}

void tls_session_free(struct tls_session *session)
{
    if (session) {
        SSL_free(session->ssl);
        tls_context_unref(session->context);
        free(session);
    }
}

void tls_session_feed(struct tls_session *session, struct slice bytes)
{
    while (bytes.len > 0) { /* a memory BIO takes all it is given */
        int len = bytes.len > INT_MAX ? INT_MAX : (int)bytes.len;

        (void)BIO_write(session->in, bytes.ptr, len);
        bytes = slice_from(bytes, (size_t)len);
    }
}

int tls_session_handshake(struct tls_session *session, struct error *why)
{
    ERR_clear_error();

    int rc = SSL_do_handshake(session->ssl), reason = SSL_get_error(session->ssl, rc);
    uint32_t code = ERR_peek_last_error();

    if (rc == 1) {
        return 1;
    }
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
        return 0;
    }
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        ERR_clear_error();
        return error_set(why, -EKEYREJECTED, "the certificate of %s is refused: %s", session->name,
                         X509_verify_cert_error_string(SSL_get_verify_result(session->ssl)));
    }
    return error_set(why, -EPROTO, "TLS with %s fails: %s", session->name, tls_error_words());
}

enum tls_read tls_session_read(struct tls_session *session, char *buf, size_t size, size_t *length,
                               struct error *why)
{
    ERR_clear_error();

    int rc = SSL_read(session->ssl, buf, size > INT_MAX ? INT_MAX : (int)size);

    if (rc > 0) {
        *length = (size_t)rc;
        return TLS_READ_DATA;
    }
    switch (SSL_get_error(session->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_READ_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_READ_CLOSE;
    default:
        (void)error_set(why, -EPROTO, "TLS with %s fails: %s", session->name, tls_error_words());
        return TLS_READ_ERROR;
    }
}

int tls_session_write(struct tls_session *session, struct slice plain, struct error *why)
{
    while (plain.len > 0) {
        ERR_clear_error();

        int rc = SSL_write(session->ssl, plain.ptr, plain.len > INT_MAX ? INT_MAX : (int)plain.len);

        if (rc <= 0) {
            return error_set(why, -EPROTO, "TLS with %s fails: %s", session->name, tls_error_words());
        }
        plain = slice_from(plain, (size_t)rc);
    }
    return 0;
}

struct slice tls_session_output(struct tls_session *session)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;

    if (BIO_mem_contents(session->out, &bytes, &len) != 1) {
        len = 0;
    }
    return slice_of((const char *)bytes, len);
}

void tls_session_output_sent(struct tls_session *session)
{
    (void)BIO_reset(session->out);
}
