/*
 * static_extras.c - the options of certificates resolvers, OCSP and Traefik's experiments.
 */
#include "common/model/rows.h"
#include "common/model/static.h"

/* ---- certificates ---- */

static const struct schema_field eab_fields[] = {
    U_TEXT("kid", NULL, "Key identifier that the authority gave."),
    U_SECRET("hmacEncoded", "Key that the authority gave, in base64."),
};
static const struct schema eab_schema = SCHEMA(struct unserved, "eab", eab_fields);

static const struct schema_field propagation_fields[] = {
    U_FLAG("disableChecks", "Do not look whether the record is visible."),
    U_FLAG("disableANSChecks", "Do not look at the authoritative servers."),
    U_FLAG("requireAllRNS", "All recursive servers must show the record."),
    U_TIME("delayBeforeChecks", NULL, "Time before the first look."),
};
static const struct schema propagation_schema = SCHEMA(struct unserved, "propagation", propagation_fields);

static const struct schema_field dns_fields[] = {
    U_TEXT("provider", NULL, "DNS provider that holds the zone."),
    U_LIST("resolvers", "DNS servers to look with."),
    U_SUB("propagation", propagation_schema, "How the record is looked for."),
    U_ROW("delayBeforeCheck", DURATION, number, .flags = SCHEMA_DEPRECATED,
          .text = "Write propagation.delayBeforeChecks."),
    U_ROW("disablePropagationCheck", BOOL, flag, .flags = SCHEMA_DEPRECATED,
          .text = "Write propagation.disableChecks."),
};
static const struct schema dns_schema = SCHEMA(struct unserved, "dnsChallenge", dns_fields);

static const struct schema_field http_challenge_fields[] = {
    U_TEXT("entryPoint", NULL, "Entry point that answers the challenge."),
    U_TIME("delay", NULL, "Time before the authority is told."),
};
static const struct schema http_challenge_schema =
    SCHEMA(struct unserved, "httpChallenge", http_challenge_fields);

static const struct schema_field tls_challenge_fields[] = {
    U_TIME("delay", NULL, "Time before the authority is told.")};
static const struct schema tls_challenge_schema =
    SCHEMA(struct unserved, "tlsChallenge", tls_challenge_fields);

struct acme {
    struct unserved unserved; /* of the rows U_*, so it comes first */
    struct unserved *tls_challenge;
};

static const struct schema_field acme_fields[] = {
    U_TEXT("email", NULL, "Mail address of the account."),
    U_TEXT("caServer", "https://acme-v02.api.letsencrypt.org/directory", "Directory of the authority."),
    U_TEXT("preferredChain", NULL, "Chain that is preferred, by its issuer."),
    U_TEXT("profile", NULL, "Certificate profile."),
    U_LIST("emailAddresses", "Mail addresses in the certificate."),
    U_FLAG("disableCommonName", "No common name in the request."),
    U_TEXT("storage", "acme.json", "File that keeps account and certificates."),
    U_TEXT("keyType", "RSA4096", "EC256, EC384, RSA2048, RSA4096 or RSA8192."),
    U_SUB("eab", eab_schema, "External account."),
    U_NUMBER("certificatesDuration", "2160", "Hours that a certificate lives."),
    U_TIME("clientTimeout", "120s", "How long a request to the authority may take."),
    U_TIME("clientResponseHeaderTimeout", "30s", "How long its answer may take to begin."),
    U_TIME("certificateTimeout", "30s", "How long a certificate may take."),
    U_LIST("caCertificates", "Authorities of the directory's own certificate."),
    U_FLAG("caSystemCertPool", "Those of the system too."),
    U_TEXT("caServerName", NULL, "Name in the directory's certificate."),
    U_SUB("dnsChallenge", dns_schema, "Prove control by a DNS record."),
    U_SUB("httpChallenge", http_challenge_schema, "Prove control by an HTTP answer."),
    ROW("tlsChallenge", OPTIONAL, struct acme, tls_challenge, .flags = SCHEMA_ALLOW_EMPTY,
        .sub = &tls_challenge_schema, .text = "Prove control in a TLS handshake."),
};
static const struct schema acme_schema = SCHEMA(struct acme, "acme", acme_fields);

struct certificates_resolver {
    struct unserved unserved; /* first, as above */
    struct acme *acme;
};

static const struct schema_field resolver_fields[] = {
    ROW("acme", OPTIONAL, struct certificates_resolver, acme, .flags = SCHEMA_ALLOW_EMPTY,
        .sub = &acme_schema, .text = "An ACME authority, such as Let's Encrypt."),
    U_DOC("tailscale", "Tailscale."),
};
const struct schema certificates_resolver_schema =
    SCHEMA(struct certificates_resolver, "certificatesResolver", resolver_fields);

bool static_tls_challenge(const struct static_config *config)
{
    const struct certificates_resolver *resolvers = config->certificates_resolvers.values;

    for (size_t i = 0; i < config->certificates_resolvers.count; i++) {
        if (resolvers[i].acme && resolvers[i].acme->tls_challenge) {
            return true;
        }
    }
    return false;
}

static const struct schema_field ocsp_fields[] = {
    ROW("responderOverrides", STRING_MAP, struct ocsp_config, responder_overrides,
        .text = "Other responders, by the URL that certificates name.")};
const struct schema ocsp_schema = SCHEMA(struct ocsp_config, "ocsp", ocsp_fields);

/* ---- limits ---- */

static const struct schema_field limits_fields[] = {
    ROW("memory", INT, struct limits_config, memory, .min = 0, .max = 9.3e18,
        .text = "Own option: bytes of memory that all processes together are to stay within; three quarters "
                "of it are "
                "the budget. 0 for none besides the limits of the control groups."),
    ROW("spool", INT, struct limits_config, spool, .fallback = "8589934592", .min = 0, .max = 9.3e18,
        .text = "Own option: bytes of bodies that all workers together keep in files (spoolDir). 0: bodies "
                "stay in memory."),
};
const struct schema limits_schema = SCHEMA(struct limits_config, "limits", limits_fields);

/* ---- experiments ---- */

static const struct schema_field settings_fields[] = {
    U_LIST("envs", "Variables that the plugin may see."),
    U_LIST("mounts", "Folders that the plugin may see."),
    U_FLAG("useUnsafe", "Let the plugin use unsafe packages."),
};
static const struct schema settings_schema = SCHEMA(struct unserved, "settings", settings_fields);

#define P struct plugin_config
static const struct schema_field plugin_fields[] = {
    ROW("moduleName", STRING, P, module_name,
        .text = "Module of the plugin: one that weir has an equivalent of."),
    ROW("version", STRING, P, version, .flags = SCHEMA_INERT, .text = "Modules are part of the build."),
    ROW("hash", STRING, P, hash, .flags = SCHEMA_INERT, .text = "Modules are part of the build."),
    ROW("settings", OPTIONAL, P, settings, .flags = SCHEMA_INERT | SCHEMA_ALLOW_EMPTY,
        .sub = &settings_schema, .text = "It sees nothing of the system."),
};
static const struct schema plugin_schema = SCHEMA(P, "plugin", plugin_fields);

static const struct schema_field local_plugin_fields[] = {
    ROW("moduleName", STRING, P, module_name,
        .text = "Module of the plugin: one that weir has an equivalent of."),
    ROW("settings", OPTIONAL, P, settings, .flags = SCHEMA_INERT | SCHEMA_ALLOW_EMPTY,
        .sub = &settings_schema, .text = "It sees nothing of the system."),
};
static const struct schema local_plugin_schema = SCHEMA(P, "localPlugin", local_plugin_fields);
#undef P

static const struct schema_field fast_proxy_fields[] = {U_FLAG("debug", "Log what it does.")};
static const struct schema fast_proxy_schema = SCHEMA(struct unserved, "fastProxy", fast_proxy_fields);

#define LATER SCHEMA_NOT_SERVED
#define E struct experimental_config
static const struct schema_field experimental_fields[] = {
    ROW("plugins", MAP, E, plugins, .sub = &plugin_schema, .text = "Plugins by name."),
    ROW("localPlugins", MAP, E, local_plugins, .sub = &local_plugin_schema,
        .text = "The same; no files are read."),
    ROW("abortOnPluginFailure", BOOL, E, abort_on_plugin_failure, .flags = SCHEMA_INERT,
        .text = "Nothing is loaded that could fail."),
    ROW("fastProxy", OPTIONAL, E, fast_proxy, .flags = SCHEMA_INERT | SCHEMA_ALLOW_EMPTY,
        .sub = &fast_proxy_schema, .text = "There is one proxy, and it is fast."),
    ROW("otlplogs", BOOL, E, otlp_logs, .flags = LATER, .text = "Allow logs to be sent to a collector."),
    ROW("knative", BOOL, E, knative, .flags = LATER, .text = "Allow the Knative provider."),
    ROW("kubernetesIngressNGINX", BOOL, E, kubernetes_ingress_nginx, .flags = SCHEMA_DEPRECATED,
        .text = "No experiment any more; remove it, providers.kubernetesIngressNGINX is enough."),
    ROW("kubernetesGateway", BOOL, E, kubernetes_gateway, .flags = SCHEMA_DEPRECATED,
        .text = "No experiment any more; remove it, providers.kubernetesGateway is enough."),
    ROW("http3", BOOL, E, http3, .flags = SCHEMA_DEPRECATED,
        .text = "No experiment any more; remove it, entryPoints.NAME.http3 is enough."),
    ROW("hub", DOC, E, hub, .flags = SCHEMA_DEPRECATED,
        .text = "Gone since Traefik 3: without effect, remove it."),
};
const struct schema experimental_schema = SCHEMA(E, "experimental", experimental_fields);
