/*
 * kubernetes_crd_auth.c - parts of a Middleware that name Secrets: users, certificates, the password of a Redis.
 *
 * Contents of Secrets go into the model's pool and nowhere else; messages name the Secret and the key in it.
 */
#include "master/provider/kubernetes_crd.h"

#include <errno.h>
#include <openssl/base64.h>
#include <openssl/sha.h>

/* ---- users ---- */

/* Of type kubernetes.io/basic-auth: one user, whose password is hashed as htpasswd -s does. */
static int single_user(struct k8s *crd, const struct kube_object *secret, struct list *users,
                       struct error *why)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    char hash[(SHA_DIGEST_LENGTH + 2) / 3 * 4 + 1];
    struct slice name = {0}, password = {0}, *line = pool_alloc(crd->model->pool, sizeof(*line));
    int rc = k8s_value(crd, secret, "username", &name, why), found = rc;

    if (rc >= 0) {
        rc = k8s_value(crd, secret, "password", &password, why);
    }
    if (rc < 0) {
        return rc;
    }
    if (!(found && rc)) {
        return error_set(why, -EINVAL, "%.*s must hold both username and password",
                         SLICE_ARG(secret->origin.object));
    }
    SHA1((const unsigned char *)(password.ptr ? password.ptr : ""), password.len, digest);
    (void)EVP_EncodeBlock((uint8_t *)hash, digest, sizeof(digest));
    *line = pool_printf(crd->model->pool, "%.*s:{SHA}%s", SLICE_ARG(name), hash);
    *users = (struct list){line, 1};
    return 0;
}

static int user_lines(struct k8s *crd, const struct kube_object *secret, struct list *users,
                      struct error *why)
{
    struct slice text = {0}, *lines = NULL;
    size_t count = 0, capacity = 0;
    int rc = k8s_only_value(crd, secret, &text, why);

    if (rc == 0) {
        rc = error_set(why, -EINVAL, "%.*s must hold exactly one key with the users",
                       SLICE_ARG(secret->origin.object));
    }
    while (rc >= 0 && text.ptr) {
        struct slice line = slice_split(&text, '\n');

        if (line.len && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        if (line.len) {
            lines = pool_grow(crd->model->pool, lines, count, &capacity, sizeof(*lines));
            lines[count++] = line;
        }
    }
    if (rc >= 0 && count == 0) {
        rc = error_set(why, -EINVAL, "%.*s holds no users", SLICE_ARG(secret->origin.object));
    }
    *users = (struct list){lines, count};
    return rc;
}

static bool load_auth(struct k8s *crd, const struct k8s_place *place, struct element *element, bool basic,
                      struct crd_auth *spec, struct list *users)
{
    const struct kube_object *secret;
    struct error why;
    int rc;

    *users = (struct list){0};
    if (!k8s_decode(crd, place, &crd_auth_schema, 0, spec, element)) {
        return false;
    }
    if (spec->secret.len == 0) { /* not the CRD's to refuse: Traefik's has no required fields here */
        struct k8s_place at = k8s_step(crd, place, place->node, "secret");

        k8s_error(crd, &at, element, true, "is required");
        return false;
    }
    secret = k8s_find(crd, "Secret", place->object->namespace, spec->secret, &why);
    if (secret == NULL) {
        rc = -ENOENT;
    } else if (basic && slice_eq(doc_text(doc_get(secret->doc, "type"), SLICE("")),
                                 SLICE("kubernetes.io/basic-auth"))) {
        rc = single_user(crd, secret, users, &why);
    } else {
        rc = user_lines(crd, secret, users, &why);
    }
    if (rc < 0) {
        struct k8s_place at = k8s_step(crd, place, doc_get(place->node, "secret"), "secret");

        k8s_error(crd, &at, element, true, "%s", why.text);
    }
    return rc >= 0;
}

void crd_load_basic_auth(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware)
{
    struct basic_auth *auth = pool_zalloc(crd->model->pool, sizeof(*auth));
    struct crd_auth spec;

    middleware->config.basic_auth = auth;
    if (load_auth(crd, place, &middleware->element, true, &spec, &auth->users)) {
        auth->realm = spec.realm;
        auth->remove_header = spec.remove_header;
        auth->header_field = spec.header_field;
    }
}

void crd_load_digest_auth(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware)
{
    struct digest_auth *auth = pool_zalloc(crd->model->pool, sizeof(*auth));
    struct crd_auth spec;

    middleware->config.digest_auth = auth;
    if (load_auth(crd, place, &middleware->element, false, &spec, &auth->users)) {
        auth->realm = spec.realm;
        auth->remove_header = spec.remove_header;
        auth->header_field = spec.header_field;
    }
}

/* ---- certificates ---- */

static struct client_tls *client_tls(struct k8s *crd, const struct k8s_place *place, struct element *element,
                                     const struct crd_client_tls *from)
{
    struct client_tls *tls = pool_zalloc(crd->model->pool, sizeof(*tls));
    struct slice namespace = place->object->namespace;
    struct error why;

    tls->insecure_skip_verify = from->insecure_skip_verify;
    tls->ca_optional = from->ca_optional;
    if (from->ca_secret.len &&
        !crd_authority(crd, "Secret", true, namespace, from->ca_secret, &tls->ca, &why)) {
        k8s_error(crd, place, element, true, "caSecret: %s", why.text);
    }
    if (from->cert_secret.len &&
        !k8s_certificate_secret(crd, namespace, from->cert_secret, &tls->cert, &tls->key, &why)) {
        k8s_error(crd, place, element, true, "certSecret: %s", why.text);
    }
    return tls;
}

void crd_load_forward_auth_tls(struct k8s *crd, const struct k8s_place *place,
                               struct http_middleware *middleware)
{
    struct crd_client_tls spec;

    if (k8s_decode(crd, place, &crd_client_tls_schema, 0, &spec, &middleware->element) &&
        middleware->config.forward_auth) {
        middleware->config.forward_auth->tls = client_tls(crd, place, &middleware->element, &spec);
    }
}

/* ---- Redis ---- */

static void redis_credentials(struct k8s *crd, const struct k8s_place *place, struct element *element,
                              struct slice name, struct redis *redis)
{
    struct error why;
    const struct kube_object *secret = k8s_find(crd, "Secret", place->object->namespace, name, &why);

    if (secret == NULL || k8s_value(crd, secret, "username", &redis->username, &why) < 0 ||
        k8s_value(crd, secret, "password", &redis->password, &why) < 0) {
        k8s_error(crd, place, element, true, "secret: %s", why.text);
    }
}

void crd_load_redis(struct k8s *crd, const struct k8s_place *place, struct http_middleware *middleware)
{
    struct redis *redis = pool_zalloc(crd->model->pool, sizeof(*redis));
    struct element *element = &middleware->element;
    struct crd_redis spec;

    if (!k8s_decode(crd, place, &crd_redis_schema, 0, &spec, element) ||
        middleware->config.rate_limit == NULL) {
        return;
    }
    *redis = (struct redis){
        .endpoints = spec.endpoints,
        .db = spec.db,
        .pool_size = spec.pool_size,
        .min_idle_conns = spec.min_idle_conns,
        .max_active_conns = spec.max_active_conns,
        .read_timeout = spec.read_timeout,
        .write_timeout = spec.write_timeout,
        .dial_timeout = spec.dial_timeout,
    };
    if (spec.tls) {
        redis->tls = client_tls(crd, place, element, spec.tls);
    }
    if (spec.secret.len) {
        redis_credentials(crd, place, element, spec.secret, redis);
    }
    middleware->config.rate_limit->redis = redis;
}
