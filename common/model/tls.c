/*
 * tls.c - the options of tls.h: one row each, names and defaults as in Traefik.
 */
#include "common/model/tls.h"

#include "common/model/dynamic.h"
#include "common/model/rows.h"

static const struct schema_field certificate_fields[] = {
    ROW("certFile", STRING, struct tls_certificate, cert_file, .flags = OMIT,
        .text = "Certificate and what leads to its authority: path or PEM."),
    ROW("keyFile", STRING, struct tls_certificate, key_file, .flags = OMIT | SCHEMA_SECRET,
        .text = "Its private key: path or PEM."),
    ROW("stores", STRINGS, struct tls_certificate, stores, .flags = OMIT,
        .text = "Stores it belongs to; only the one called default counts."),
};
const struct schema tls_certificate_schema =
    SCHEMA(struct tls_certificate, "tlsCertificate", certificate_fields);

const char *const tls_client_auth_types[] = {"NoClientCert",
                                             "RequestClientCert",
                                             "RequireAnyClientCert",
                                             "VerifyClientCertIfGiven",
                                             "RequireAndVerifyClientCert",
                                             "",
                                             NULL};

static const struct schema_field client_auth_fields[] = {
    ROW("caFiles", STRINGS, struct tls_client_auth, ca_files, .flags = OMIT,
        .text = "Authorities of clients' certificates: path or PEM."),
    ROW("clientAuthType", ENUM, struct tls_client_auth, type, .flags = OMIT, .choices = tls_client_auth_types,
        .text = "Whether clients show a certificate, and whether it is checked."),
};
const struct schema tls_client_auth_schema =
    SCHEMA(struct tls_client_auth, "tlsClientAuth", client_auth_fields);

static const struct schema_field options_fields[] = {
    ROW("minVersion", STRING, struct tls_options_config, min_version, .flags = OMIT,
        .text = "Lowest TLS version: VersionTLS12, VersionTLS13."),
    ROW("maxVersion", STRING, struct tls_options_config, max_version, .flags = OMIT,
        .text = "Highest TLS version."),
    ROW("cipherSuites", STRINGS, struct tls_options_config, cipher_suites, .flags = OMIT,
        .text = "Cipher suites of TLS 1.2, by Go's names; the safe ones when empty."),
    ROW("curvePreferences", STRINGS, struct tls_options_config, curve_preferences, .flags = OMIT,
        .text = "Curves in order of preference, by Go's names."),
    ROW("clientAuth", STRUCT, struct tls_options_config, client_auth, .sub = &tls_client_auth_schema,
        .text = "Certificates of clients."),
    ROW("sniStrict", BOOL, struct tls_options_config, sni_strict, .flags = OMIT,
        .text = "Refuse clients that ask for a name there is no certificate for."),
    ROW("alpnProtocols", STRINGS, struct tls_options_config, alpn_protocols, .flags = OMIT,
        .fallback = "h2,http/1.1,acme-tls/1", .text = "Protocols offered, in order of preference."),
    ROW("disableSessionTickets", BOOL, struct tls_options_config, disable_session_tickets, .flags = OMIT,
        .text = "Every connection does a full handshake."),
    ROW("preferServerCipherSuites", OPT_BOOL, struct tls_options_config, prefer_server_cipher_suites,
        .flags = OMIT | SCHEMA_DEPRECATED, .text = "without effect; remove it"),
};
const struct schema tls_options_schema = SCHEMA(struct tls_options_config, "tlsOptions", options_fields);

static const struct schema_field generated_fields[] = {
    ROW("resolver", STRING, struct tls_generated_certificate, resolver, .flags = OMIT,
        .text = "Certificates resolver that gets it."),
    ROW("domain", OPTIONAL, struct tls_generated_certificate, domain, .flags = OMIT,
        .sub = &tls_domain_schema, .text = "What it is for."),
};
const struct schema tls_generated_certificate_schema =
    SCHEMA(struct tls_generated_certificate, "tlsGeneratedCertificate", generated_fields);

static const struct schema_field store_fields[] = {
    ROW("defaultCertificate", OPTIONAL, struct tls_store_config, default_certificate, .flags = OMIT,
        .sub = &tls_certificate_file_schema, .text = "Certificate for names that there is no other for."),
    ROW("defaultGeneratedCert", OPTIONAL, struct tls_store_config, default_generated_cert, .flags = OMIT,
        .sub = &tls_generated_certificate_schema, .text = "The same from a certificates resolver."),
};
const struct schema tls_store_schema = SCHEMA(struct tls_store_config, "tlsStore", store_fields);

static const struct schema_field tls_fields[] = {
    ROW("certificates", LIST, struct tls_section, certificates, .flags = OMIT, .sub = &tls_certificate_schema,
        .text = "Certificates; which one a client gets depends on the name it asks for."),
    ROW("options", MAP, struct tls_section, options, .flags = OMIT, .sub = &tls_options_schema,
        .text = "Options of handshakes by name; the one called default is for all that name none."),
    ROW("stores", MAP, struct tls_section, stores, .flags = OMIT, .sub = &tls_store_schema,
        .text = "Stores by name; only the one called default counts."),
};
const struct schema tls_section_schema = SCHEMA(struct tls_section, "tls", tls_fields);
