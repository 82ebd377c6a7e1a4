/*
 * prepare_pass_tls_client_cert.c - passTLSClientCert: the fields that are asked for as bits (common/tls/peer_info.h).
 */
#include "common/tls/peer_info.h"
#include "master/resolve/prepare.h"

static uint32_t subject_parts(const struct certificate_subject *of)
{
    return of == NULL
               ? 0
               : (of->domain_component ? PEER_DOMAIN_COMPONENT : 0u) | (of->country ? PEER_COUNTRY : 0u) |
                     (of->province ? PEER_PROVINCE : 0u) | (of->locality ? PEER_LOCALITY : 0u) |
                     (of->organization ? PEER_ORGANIZATION : 0u) |
                     (of->organizational_unit ? PEER_ORGANIZATIONAL_UNIT : 0u) |
                     (of->serial_number ? PEER_SERIAL : 0u) | (of->common_name ? PEER_COMMON_NAME : 0u);
}

static uint32_t issuer_parts(const struct certificate_issuer *of)
{
    return of == NULL
               ? 0
               : (of->domain_component ? PEER_DOMAIN_COMPONENT : 0u) | (of->country ? PEER_COUNTRY : 0u) |
                     (of->province ? PEER_PROVINCE : 0u) | (of->locality ? PEER_LOCALITY : 0u) |
                     (of->organization ? PEER_ORGANIZATION : 0u) | (of->serial_number ? PEER_SERIAL : 0u) |
                     (of->common_name ? PEER_COMMON_NAME : 0u);
}

const void *prepare_pass_tls_client_cert(struct preparation *at, const struct pass_tls_client_cert *options)
{
    struct prepared_pass_tls_client_cert *made = pool_zalloc(at->pool, sizeof(*made));
    const struct certificate_info *info = options->info;

    made->pem = options->pem;
    made->info = info != NULL;
    if (info) {
        made->wanted = PEER_SUBJECT(subject_parts(info->subject)) | PEER_ISSUER(issuer_parts(info->issuer)) |
                       (info->serial_number ? PEER_NUMBER : 0) | (info->not_before ? PEER_NOT_BEFORE : 0) |
                       (info->not_after ? PEER_NOT_AFTER : 0) | (info->sans ? PEER_SANS : 0);
    }
    return made;
}
