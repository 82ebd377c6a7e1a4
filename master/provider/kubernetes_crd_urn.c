/*
 * kubernetes_crd_urn.c - texts of a Middleware that may name a Secret of its namespace: urn:k8s:secret:NAME:KEY.
 */
#include "master/provider/kubernetes_crd.h"

#include <errno.h>

#define URN SLICE("urn:k8s:secret:")

static int value_of(struct k8s *crd, struct slice namespace, struct slice urn, struct slice *out,
                    struct error *why)
{
    struct slice key = slice_from(urn, URN.len), name = slice_split(&key, ':');
    const struct kube_object *secret;
    int rc;

    if (name.len == 0 || key.len == 0) {
        return error_set(why, -EINVAL, "a Secret is named urn:k8s:secret:NAME:KEY");
    }
    secret = k8s_find(crd, "Secret", namespace, name, why);
    if (secret == NULL) {
        return -ENOENT;
    }
    key = pool_copy(crd->scratch, key);
    rc = k8s_value(crd, secret, key.ptr, out, why);
    return rc == 0 ? error_set(why, -ENOENT, "Secret %.*s/%.*s has no key %.*s", SLICE_ARG(namespace),
                               SLICE_ARG(name), SLICE_ARG(key))
                   : rc;
}

static void resolve(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware,
                    const char *option, struct slice *text)
{
    struct slice found;
    struct error why;

    if (!slice_has_prefix(*text, URN)) {
        return;
    }
    if (value_of(crd, place->object->namespace, *text, &found, &why) < 0) {
        struct k8s_place at = k8s_step(crd, place, NULL, "%s", option);

        k8s_error(crd, &at, &middleware->element, true, "%s", why.text);
        return;
    }
    *text = pool_copy(crd->model->pool, slice_trim(found));
}

void crd_load_named_secrets(struct k8s *crd, const struct k8s_place *place,
                            struct http_middleware *middleware)
{
    struct api_key *api_key = middleware->config.api_key;
    struct jwt *jwt = middleware->config.jwt;

    for (size_t i = 0; api_key && i < api_key->secret_values.count; i++) {
        resolve(crd, place, middleware, "apiKey.secretValues",
                (struct slice *)api_key->secret_values.items + i);
    }
    if (jwt && jwt->client_config && jwt->client_config->tls) {
        struct client_tls *tls = jwt->client_config->tls;

        resolve(crd, place, middleware, "jwt.clientConfig.tls.ca", &tls->ca);
        resolve(crd, place, middleware, "jwt.clientConfig.tls.cert", &tls->cert);
        resolve(crd, place, middleware, "jwt.clientConfig.tls.key", &tls->key);
    }
    if (jwt) {
        resolve(crd, place, middleware, "jwt.signingSecret", &jwt->signing_secret);
        resolve(crd, place, middleware, "jwt.publicKey", &jwt->public_key);
        resolve(crd, place, middleware, "jwt.jwksFile", &jwt->jwks_file);
    }
}
