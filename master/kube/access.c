/*
 * access.c - finds the API server and reads credentials; contract in access.h.
 *
 * Not here: kubeconfig files (kubeconfig.c).
 */
#include "master/kube/access.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/memory.h"
#include "common/http/headers.h"
#include "master/compile/url.h"
#include "master/source/tree.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define TOKEN_MAX 65536

struct kube_places kube_places_system(void)
{
    return (struct kube_places){
        .service_host = getenv("KUBERNETES_SERVICE_HOST"),
        .service_port = getenv("KUBERNETES_SERVICE_PORT"),
        .kubeconfig = getenv("KUBECONFIG"),
        .account = ACCOUNT,
    };
}

int kube_access_server(struct kube_access *access, struct slice url, const char *what, struct error *why)
{
    struct server_url parsed;
    bool tls = slice_has_prefix(url, SLICE("https://"));

    if (!tls && !slice_has_prefix(url, SLICE("http://"))) {
        return error_set(why, -EINVAL,
                         "%s: \"%.*s\" is no URL of an API server: https://HOST:PORT is expected", what,
                         SLICE_ARG(slice_head(url, 200)));
    }
    if (server_url_parse(url, &parsed, why) < 0 || parsed.has_user || parsed.has_query ||
        parsed.host.len == 0) {
        return error_set(why, -EINVAL, "%s: no URL of an API server: https://HOST:PORT is expected", what);
    }
    access->tls = tls;
    access->host = pool_copy(access->pool, parsed.host);
    access->port = parsed.port;
    while (parsed.path.len > 0 && parsed.path.ptr[parsed.path.len - 1] == '/') {
        parsed.path.len--;
    }
    access->prefix = pool_copy(access->pool, server_url_sent_path(access->pool, parsed.path));
    return 0;
}

static bool is_set(const char *text)
{
    return text && text[0] != '\0';
}

static int find_in_cluster(struct kube_access *access, const struct kube_options *options,
                           const struct kube_places *places, struct error *why)
{
    bool v6 = strchr(places->service_host, ':') != NULL;
    struct slice url = pool_printf(access->pool, "https://%s%s%s:%s", v6 ? "[" : "", places->service_host,
                                   v6 ? "]" : "", places->service_port);

    access->origin = SLICE("in-cluster");
    access->token_file = pool_printf(access->pool, "%s/token", places->account);
    access->ca.file = pool_printf(access->pool, "%s/ca.crt", places->account);
    if (options->endpoint.len) {
        return kube_access_server(access, options->endpoint, "endpoint", why);
    }
    return kube_access_server(access, url, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT", why);
}

/* As Traefik: what is written is the token, unless a file of that name is there. */
static void find_token(struct kube_access *access, struct slice token)
{
    struct stat st;
    struct slice text = pool_copy(access->pool, token);

    if (text.len > 0 && strlen(text.ptr) == text.len && stat(text.ptr, &st) == 0 && S_ISREG(st.st_mode)) {
        access->token_file = text;
    } else {
        access->token = text;
    }
}

static int find_by_options(struct kube_access *access, const struct kube_options *options, struct error *why)
{
    if (options->endpoint.len == 0) {
        return error_set(
            why, -ENOENT,
            "there is no API server to ask: this is no pod (KUBERNETES_SERVICE_HOST is not set); set "
            "KUBECONFIG or endpoint, or manifests=DIR to read manifests instead");
    }
    access->origin = SLICE("option endpoint");
    find_token(access, options->token);
    access->ca.file = pool_copy(access->pool, options->ca_file);
    return kube_access_server(access, options->endpoint, "endpoint", why);
}

int kube_access_find(const struct kube_options *options, const struct kube_places *places,
                     struct kube_access **out, struct error *why)
{
    struct kube_access *access = xcalloc(1, sizeof(*access));
    int rc;

    access->pool = pool_new(2048, 0);
    if (is_set(places->service_host) && is_set(places->service_port)) {
        rc = find_in_cluster(access, options, places, why);
    } else if (is_set(places->kubeconfig)) {
        rc = kubeconfig_read(access, places->kubeconfig, why);
    } else {
        rc = find_by_options(access, options, why);
    }
    if (rc < 0) {
        kube_access_free(access);
        return rc;
    }
    *out = access;
    return 0;
}

static void wipe(struct slice secret)
{
    if (secret.len) {
        explicit_bzero((char *)(uintptr_t)secret.ptr, secret.len); /* our own copy in the pool */
    }
}

void kube_access_free(struct kube_access *access)
{
    if (access) {
        wipe(access->token);
        wipe(access->key.data);
        pool_free(access->pool);
        free(access);
    }
}

/* What is given wins over the file. */
static int credential_read(const struct kube_credential *credential, const char *what, struct text *out,
                           struct error *why)
{
    int rc = 0;

    if (credential->data.len) {
        text_add(out, credential->data);
    } else if (credential->file.len) {
        rc = tree_read(credential->file, out, why);
        if (rc < 0) {
            error_prefix(why, "%s %.*s", what, SLICE_ARG(credential->file));
        } else if (out->len == 0) {
            rc = error_set(why, -EINVAL, "%s %.*s: is empty", what, SLICE_ARG(credential->file));
        }
    }
    return rc;
}

int kube_access_tls(const struct kube_access *access, struct tls_context **out, struct error *why)
{
    struct text ca, certificate, key;
    int rc;

    *out = NULL;
    if (!access->tls) {
        return 0;
    }
    text_init(&ca);
    text_init(&certificate);
    text_init(&key);
    if ((rc = credential_read(&access->ca, "certificate authority", &ca, why)) == 0 &&
        (rc = credential_read(&access->certificate, "client certificate", &certificate, why)) == 0 &&
        (rc = credential_read(&access->key, "client key", &key, why)) == 0) {
        const struct tls_client_options options = {.ca = text_slice(&ca),
                                                   .certificate = text_slice(&certificate),
                                                   .key = text_slice(&key),
                                                   .insecure = access->insecure};

        rc = tls_context_client(&options, out, why);
    }
    if (key.ptr) {
        explicit_bzero(key.ptr, key.len);
    }
    text_free(&key);
    text_free(&certificate);
    text_free(&ca);
    return rc;
}

static int add_bearer(struct text *out, struct slice token, const char *where, struct error *why)
{
    token = slice_trim(token);
    if (token.len == 0 || token.len > TOKEN_MAX || !header_value_valid(token)) {
        return error_set(why, -EINVAL, "%s: is no bearer token", where);
    }
    text_add_cstr(out, "Authorization: Bearer ");
    text_add(out, token);
    text_add_cstr(out, "\r\n");
    return 0;
}

int kube_access_fields(const struct kube_access *access, struct text *out, struct error *why)
{
    struct text token;
    int rc;

    if (access->token_file.len == 0) {
        return access->token.len ? add_bearer(out, access->token, "token", why) : 0;
    }
    text_init(&token);
    rc = tree_read(access->token_file, &token, why);
    if (rc < 0) {
        error_prefix(why, "token %.*s", SLICE_ARG(access->token_file));
    } else {
        rc = add_bearer(out, text_slice(&token), access->token_file.ptr, why);
    }
    if (token.ptr) {
        explicit_bzero(token.ptr, token.len);
    }
    text_free(&token);
    return rc;
}
