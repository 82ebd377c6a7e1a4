/*
 * middlewares_access.c - the options of the middlewares that decide who may pass: addresses, passwords, certificates.
 *
 * Names and defaults as in Traefik. Not here: the list of all kinds (middlewares.c).
 */
#include "common/model/middlewares.h"
#include "common/model/rows.h"

static const struct schema_field ip_strategy_fields[] = {
    ROW("depth", INT, struct ip_strategy, depth, .flags = OMIT, .min = 0, .max = INT32_MAX,
        .text = "Take the address at this place of X-Forwarded-For, counted from the right."),
    ROW("excludedIPs", STRINGS, struct ip_strategy, excluded_ips, .flags = OMIT,
        .text = "Take the first address of X-Forwarded-For, from the right, outside of these ranges."),
    ROW("ipv6Subnet", OPT_INT, struct ip_strategy, ipv6_subnet, .flags = OMIT, .min = 1, .max = 128,
        .text = "Treat IPv6 addresses with this many equal leading bits as one."),
};
const struct schema ip_strategy_schema = SCHEMA(struct ip_strategy, "ipStrategy", ip_strategy_fields);

static const struct schema_field source_criterion_fields[] = {
    ROW("ipStrategy", OPTIONAL, struct source_criterion, ip_strategy, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &ip_strategy_schema, .text = "By address, and by which one."),
    ROW("requestHeaderName", STRING, struct source_criterion, request_header_name, .flags = OMIT,
        .text = "By the value of this header."),
    ROW("requestHost", BOOL, struct source_criterion, request_host, .flags = OMIT,
        .text = "By the host that is asked for."),
};
const struct schema source_criterion_schema =
    SCHEMA(struct source_criterion, "sourceCriterion", source_criterion_fields);

static const struct schema_field ip_white_list_fields[] = {
    ROW("sourceRange", STRINGS, struct ip_white_list, source_range, .flags = OMIT,
        .text = "Addresses and ranges that may pass."),
    ROW("ipStrategy", OPTIONAL, struct ip_white_list, ip_strategy, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &ip_strategy_schema, .text = "Whose address counts."),
};
const struct schema ip_white_list_schema = SCHEMA(struct ip_white_list, "ipWhiteList", ip_white_list_fields);

static const struct schema_field ip_allow_list_fields[] = {
    ROW("sourceRange", STRINGS, struct ip_allow_list, source_range, .flags = OMIT,
        .text = "Addresses and ranges that may pass."),
    ROW("ipStrategy", OPTIONAL, struct ip_allow_list, ip_strategy, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &ip_strategy_schema, .text = "Whose address counts."),
    ROW("rejectStatusCode", INT, struct ip_allow_list, reject_status_code, .flags = OMIT, .min = 0,
        .max = 599, .text = "Status for all others; 403 when 0."),
};
const struct schema ip_allow_list_schema = SCHEMA(struct ip_allow_list, "ipAllowList", ip_allow_list_fields);

static const struct schema_field basic_auth_fields[] = {
    ROW("users", STRINGS, struct basic_auth, users, .flags = OMIT | SCHEMA_SECRET,
        .text = "Users with hashed passwords, name:hash as htpasswd writes them."),
    ROW("usersFile", STRING, struct basic_auth, users_file, .flags = OMIT, .text = "File with such lines."),
    ROW("realm", STRING, struct basic_auth, realm, .flags = OMIT,
        .text = "What the dialog of a browser shows; traefik when empty."),
    ROW("removeHeader", BOOL, struct basic_auth, remove_header, .flags = OMIT,
        .text = "Do not pass Authorization on."),
    ROW("headerField", STRING, struct basic_auth, header_field, .flags = OMIT,
        .text = "Header that tells the server the name of the user."),
};
const struct schema basic_auth_schema = SCHEMA(struct basic_auth, "basicAuth", basic_auth_fields);

static const struct schema_field digest_auth_fields[] = {
    ROW("users", STRINGS, struct digest_auth, users, .flags = OMIT | SCHEMA_SECRET,
        .text = "Users, name:realm:hash as htdigest writes them."),
    ROW("usersFile", STRING, struct digest_auth, users_file, .flags = OMIT, .text = "File with such lines."),
    ROW("removeHeader", BOOL, struct digest_auth, remove_header, .flags = OMIT,
        .text = "Do not pass Authorization on."),
    ROW("realm", STRING, struct digest_auth, realm, .flags = OMIT, .text = "The realm; traefik when empty."),
    ROW("headerField", STRING, struct digest_auth, header_field, .flags = OMIT,
        .text = "Header that tells the server the name of the user."),
};
const struct schema digest_auth_schema = SCHEMA(struct digest_auth, "digestAuth", digest_auth_fields);

static const struct schema_field client_tls_fields[] = {
    ROW("ca", STRING, struct client_tls, ca, .flags = OMIT, .text = "Authority of the server, path or PEM."),
    ROW("cert", STRING, struct client_tls, cert, .flags = OMIT,
        .text = "Certificate that is shown to it, path or PEM."),
    ROW("key", STRING, struct client_tls, key, .flags = OMIT | SCHEMA_SECRET,
        .text = "Its private key, path or PEM."),
    ROW("insecureSkipVerify", BOOL, struct client_tls, insecure_skip_verify, .flags = OMIT,
        .text = "Believe any certificate."),
    ROW("caOptional", OPT_BOOL, struct client_tls, ca_optional, .flags = OMIT | SCHEMA_DEPRECATED,
        .text = "Without effect; remove it."),
};
const struct schema client_tls_schema = SCHEMA(struct client_tls, "clientTLS", client_tls_fields);

static const struct schema_field forward_auth_fields[] = {
    ROW("address", STRING, struct forward_auth, address, .flags = OMIT,
        .text = "URL of the server that decides."),
    ROW("tls", OPTIONAL, struct forward_auth, tls, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &client_tls_schema, .text = "How it is spoken to over TLS."),
    ROW("trustForwardHeader", OPT_BOOL, struct forward_auth, trust_forward_header, .flags = OMIT,
        .text = "Pass the X-Forwarded headers of the client on to it."),
    ROW("authResponseHeaders", STRINGS, struct forward_auth, auth_response_headers, .flags = OMIT,
        .text = "Headers of its answer that the request gets."),
    ROW("authResponseHeadersRegex", REGEX, struct forward_auth, auth_response_headers_regex, .flags = OMIT,
        .text = "The same for headers whose names match."),
    ROW("authRequestHeaders", STRINGS, struct forward_auth, auth_request_headers, .flags = OMIT,
        .text = "Headers that it gets; all when empty."),
    ROW("maxResponseBodySize", OPT_INT, struct forward_auth, max_response_body_size, .flags = OMIT, .min = -1,
        .max = 9.3e18, .text = "Longest body of its answer in bytes; -1 for no bound."),
    ROW("addAuthCookiesToResponse", STRINGS, struct forward_auth, add_auth_cookies_to_response, .flags = OMIT,
        .text = "Cookies of its answer that the client gets."),
    ROW("headerField", STRING, struct forward_auth, header_field, .flags = OMIT,
        .text = "Header that tells the name of the user."),
    ROW("forwardBody", BOOL, struct forward_auth, forward_body, .flags = OMIT,
        .text = "Send the body of the request to it."),
    ROW("maxBodySize", OPT_INT, struct forward_auth, max_body_size, .flags = OMIT, .fallback = "-1",
        .min = -1, .max = 9.3e18, .text = "Longest body that is sent to it in bytes; -1 for no bound."),
    ROW("preserveLocationHeader", BOOL, struct forward_auth, preserve_location_header, .flags = OMIT,
        .text = "Leave Location of its answer as it is."),
    ROW("preserveRequestMethod", BOOL, struct forward_auth, preserve_request_method, .flags = OMIT,
        .text = "Ask it with the method of the request."),
    ROW("authSigninURL", STRING, struct forward_auth, auth_signin_url, .flags = OMIT,
        .text = "Where clients are sent that it answers with 401."),
};
const struct schema forward_auth_schema = SCHEMA(struct forward_auth, "forwardAuth", forward_auth_fields);

static const struct schema_field certificate_subject_fields[] = {
    ROW("country", BOOL, struct certificate_subject, country, .flags = OMIT, .text = "C."),
    ROW("province", BOOL, struct certificate_subject, province, .flags = OMIT, .text = "ST."),
    ROW("locality", BOOL, struct certificate_subject, locality, .flags = OMIT, .text = "L."),
    ROW("organization", BOOL, struct certificate_subject, organization, .flags = OMIT, .text = "O."),
    ROW("organizationalUnit", BOOL, struct certificate_subject, organizational_unit, .flags = OMIT,
        .text = "OU."),
    ROW("commonName", BOOL, struct certificate_subject, common_name, .flags = OMIT, .text = "CN."),
    ROW("serialNumber", BOOL, struct certificate_subject, serial_number, .flags = OMIT, .text = "SN."),
    ROW("domainComponent", BOOL, struct certificate_subject, domain_component, .flags = OMIT, .text = "DC."),
};
static const struct schema certificate_subject_schema =
    SCHEMA(struct certificate_subject, "subject", certificate_subject_fields);

static const struct schema_field certificate_issuer_fields[] = {
    ROW("country", BOOL, struct certificate_issuer, country, .flags = OMIT, .text = "C."),
    ROW("province", BOOL, struct certificate_issuer, province, .flags = OMIT, .text = "ST."),
    ROW("locality", BOOL, struct certificate_issuer, locality, .flags = OMIT, .text = "L."),
    ROW("organization", BOOL, struct certificate_issuer, organization, .flags = OMIT, .text = "O."),
    ROW("commonName", BOOL, struct certificate_issuer, common_name, .flags = OMIT, .text = "CN."),
    ROW("serialNumber", BOOL, struct certificate_issuer, serial_number, .flags = OMIT, .text = "SN."),
    ROW("domainComponent", BOOL, struct certificate_issuer, domain_component, .flags = OMIT, .text = "DC."),
};
static const struct schema certificate_issuer_schema =
    SCHEMA(struct certificate_issuer, "issuer", certificate_issuer_fields);

static const struct schema_field certificate_info_fields[] = {
    ROW("notAfter", BOOL, struct certificate_info, not_after, .flags = OMIT, .text = "Its last moment."),
    ROW("notBefore", BOOL, struct certificate_info, not_before, .flags = OMIT, .text = "Its first moment."),
    ROW("sans", BOOL, struct certificate_info, sans, .flags = OMIT, .text = "Its names."),
    ROW("serialNumber", BOOL, struct certificate_info, serial_number, .flags = OMIT, .text = "Its number."),
    ROW("subject", OPTIONAL, struct certificate_info, subject, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &certificate_subject_schema, .text = "Parts of the name of who it is for."),
    ROW("issuer", OPTIONAL, struct certificate_info, issuer, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &certificate_issuer_schema, .text = "Parts of the name of who made it."),
};
static const struct schema certificate_info_schema =
    SCHEMA(struct certificate_info, "certificateInfo", certificate_info_fields);

static const struct schema_field pass_tls_client_cert_fields[] = {
    ROW("pem", BOOL, struct pass_tls_client_cert, pem, .flags = OMIT,
        .text = "Pass the certificate of the client on in X-Forwarded-Tls-Client-Cert."),
    ROW("info", OPTIONAL, struct pass_tls_client_cert, info, .flags = OMIT | SCHEMA_ALLOW_EMPTY,
        .sub = &certificate_info_schema, .text = "What of it is told in X-Forwarded-Tls-Client-Cert-Info."),
};
const struct schema pass_tls_client_cert_schema =
    SCHEMA(struct pass_tls_client_cert, "passTLSClientCert", pass_tls_client_cert_fields);
