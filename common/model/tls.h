/*
 * tls.h - what stands under `tls:` in a dynamic configuration: certificates, options of handshakes, stores.
 */
#ifndef WEIR_COMMON_MODEL_TLS_H
#define WEIR_COMMON_MODEL_TLS_H

#include "common/schema/schema.h"

struct tls_certificate {              /* with the stores it belongs to */
    struct slice cert_file, key_file; /* path or PEM; key_file is secret */
    struct list stores;               /* struct slice; default when empty */
};

struct tls_client_auth {
    struct list ca_files; /* struct slice: path or PEM */
    struct slice type;    /* one of tls_client_auth_types */
};

extern const char *const tls_client_auth_types[]; /* NoClientCert, ...; NULL behind them */

struct tls_options_config {
    struct slice min_version, max_version; /* VersionTLS12 */
    struct list cipher_suites;             /* struct slice: Go's names */
    struct list curve_preferences;         /* struct slice: Go's names */
    struct tls_client_auth client_auth;
    bool sni_strict;
    struct list alpn_protocols; /* struct slice */
    bool disable_session_tickets;
    struct opt_bool prefer_server_cipher_suites; /* deprecated upstream */
};

struct tls_generated_certificate {
    struct slice resolver;
    struct tls_domain *domain; /* dynamic.h */
};

struct tls_store_config {
    struct tls_certificate_file *default_certificate; /* dynamic.h */
    struct tls_generated_certificate *default_generated_cert;
};

/* What a user writes under `tls:` in a dynamic file. */
struct tls_section {
    struct list certificates; /* struct tls_certificate */
    struct map options;       /* struct tls_options_config */
    struct map stores;        /* struct tls_store_config */
};

extern const struct schema tls_certificate_schema, tls_options_schema, tls_store_schema, tls_section_schema;
extern const struct schema tls_generated_certificate_schema, tls_client_auth_schema;

#endif
