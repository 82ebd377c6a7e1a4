/*
 * kubernetes_crd_transport.c - ServersTransport objects, and the certificates in Secrets and ConfigMaps.
 *
 * Contents of Secrets go into the model's pool and nowhere else: messages name the Secret and the key in it, never the value.
 */
#include "master/provider/kubernetes_crd.h"

#include <errno.h>

static int base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Standard alphabet with padding; line breaks are passed over, as the API server does. */
static bool base64_decode(struct pool *pool, struct slice text, struct slice *out)
{
    char *bytes = pool_alloc(pool, text.len / 4 * 3 + 4);
    size_t len = 0, digits = 0, padding = 0;
    uint32_t bits = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        int value = base64_value(c);

        if (c == '\n' || c == '\r') {
            continue;
        }
        if (c == '=') {
            padding++;
            continue;
        }
        if (value < 0 || padding) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        if (++digits % 4 == 0) {
            bytes[len++] = (char)(bits >> 16);
            bytes[len++] = (char)(bits >> 8);
            bytes[len++] = (char)bits;
        }
    }
    if ((digits + padding) % 4 || padding > 2 || digits % 4 == 1) {
        return false;
    }
    if (digits % 4 >= 2) {
        bits <<= 6 * (4 - digits % 4);
        bytes[len++] = (char)(bits >> 16);
        if (digits % 4 == 3) {
            bytes[len++] = (char)(bits >> 8);
        }
    }
    *out = slice_of(bytes, len);
    return true;
}

/* A value of a Secret (stringData before data, as the API server merges them) or ConfigMap. 1: there, 0: not, -EINVAL. */
static int value_of(struct crd *crd, const struct kube_object *object, const char *key, struct slice *out,
                    struct error *why)
{
    const struct doc *data = doc_path(object->doc, "data", key, NULL);
    const struct doc *plain = doc_path(object->doc, "stringData", key, NULL);

    if (plain || (data && slice_eq(object->kind, SLICE("ConfigMap")))) {
        *out = doc_text(plain ? plain : data, SLICE(""));
        return 1;
    }
    if (data == NULL) {
        return 0;
    }
    if (!base64_decode(crd->model->pool, doc_text(data, SLICE("")), out)) {
        return error_set(why, -EINVAL, "%.*s%.*s: data.%s is no base64", SLICE_ARG(object->origin.object),
                         SLICE_ARG(crd_written_at(crd, &object->origin, data->line)), key);
    }
    return 1;
}

static const struct kube_object *find_object(struct crd *crd, const char *kind, struct slice namespace,
                                             struct slice name, struct error *why)
{
    const struct kube_object *object = kube_get(crd->store, "", kind, namespace, name);

    kubernetes_need(&crd->needs, kind, namespace, name);
    if (object == NULL) {
        error_set(why, -ENOENT, "the %s %.*s/%.*s does not exist", kind, SLICE_ARG(namespace),
                  SLICE_ARG(name));
    }
    return object;
}

bool crd_certificate_secret(struct crd *crd, struct slice namespace, struct slice name,
                            struct slice *certificate, struct slice *key, struct error *why)
{
    static const char *const keys[] = {"tls.crt", "tls.key"};
    const struct kube_object *secret = find_object(crd, "Secret", namespace, name, why);
    struct slice values[2] = {{0}};

    if (secret == NULL) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        int rc = value_of(crd, secret, keys[i], &values[i], why);

        if (rc < 0) {
            return false;
        }
        if (values[i].len == 0) {
            error_set(why, -EINVAL, "the Secret %.*s/%.*s has no %s", SLICE_ARG(namespace), SLICE_ARG(name),
                      keys[i]);
            return false;
        }
    }
    *certificate = values[0];
    *key = values[1];
    return true;
}

static bool authority(struct crd *crd, const char *kind, struct slice namespace, struct slice name,
                      struct slice *out, struct error *why)
{
    const struct kube_object *object = find_object(crd, kind, namespace, name, why);

    if (object == NULL) {
        return false;
    }
    int rc = value_of(crd, object, "tls.ca", out, why);

    if (rc == 0) {
        rc = value_of(crd, object, "ca.crt", out, why);
    }
    if (rc == 0) {
        error_set(why, -ENOENT, "the %s %.*s/%.*s has neither tls.ca nor ca.crt", kind, SLICE_ARG(namespace),
                  SLICE_ARG(name));
    }
    return rc > 0;
}

static void load_authorities(struct crd *crd, const struct crd_place *place, struct element *element,
                             const struct crd_servers_transport *spec,
                             struct servers_transport_config *config)
{
    const struct crd_root_ca *from = spec->root_cas.items;
    const struct slice *secrets = spec->root_cas_secrets.items;
    struct slice namespace = place->object->namespace;
    size_t count = 0, total = spec->root_cas.count + spec->root_cas_secrets.count;
    struct slice *out = pool_zalloc(crd->model->pool, (total + 1) * sizeof(*out));
    struct error why;

    for (size_t i = 0; i < spec->root_cas_secrets.count; i++) {
        struct crd_place at =
            crd_step(crd, place, doc_get(place->node, "rootCAsSecrets"), "rootCAsSecrets[%zu]", i);

        if (authority(crd, "Secret", namespace, secrets[i], &out[count], &why)) {
            count++;
        } else {
            crd_error(crd, &at, element, true, "%s", why.text);
        }
    }
    for (size_t i = 0; i < spec->root_cas.count; i++) {
        struct crd_place at = crd_step(crd, place, doc_get(place->node, "rootCAs"), "rootCAs[%zu]", i);
        bool secret = from[i].secret.len > 0;

        if (secret == (from[i].config_map.len > 0)) {
            crd_error(crd, &at, element, true, "exactly one of secret and configMap is expected");
        } else if (authority(crd, secret ? "Secret" : "ConfigMap", namespace,
                             secret ? from[i].secret : from[i].config_map, &out[count], &why)) {
            count++;
        } else {
            crd_error(crd, &at, element, true, "%s", why.text);
        }
    }
    config->root_cas = (struct list){out, count};
}

static void load_certificates(struct crd *crd, const struct crd_place *place, struct element *element,
                              const struct crd_servers_transport *spec,
                              struct servers_transport_config *config)
{
    const struct slice *secrets = spec->certificates_secrets.items;
    size_t count = 0;
    struct tls_certificate_file *out =
        pool_zalloc(crd->model->pool, (spec->certificates_secrets.count + 1) * sizeof(*out));
    struct error why;

    for (size_t i = 0; i < spec->certificates_secrets.count; i++) {
        struct crd_place at =
            crd_step(crd, place, doc_get(place->node, "certificatesSecrets"), "certificatesSecrets[%zu]", i);

        if (crd_certificate_secret(crd, place->object->namespace, secrets[i], &out[count].cert_file,
                                   &out[count].key_file, &why)) {
            count++;
        } else {
            crd_error(crd, &at, element, true, "%s", why.text);
        }
    }
    config->certificates = (struct list){out, count};
}

static void load_transport(struct crd *crd, const struct kube_object *object)
{
    struct servers_transport *transport = model_add_transport(
        crd->model, crd_object_name(crd->scratch, object->namespace, object->name), SLICE(CRD_PROVIDER));
    struct crd_place root = {.object = object};
    const struct doc *doc = doc_get(object->doc, "spec");
    struct crd_place place = crd_step(crd, &root, doc, "spec");
    struct crd_servers_transport spec;

    transport->element.origin = object->origin;
    place.node = doc; /* NULL: all defaults */
    schema_defaults(&servers_transport_schema, crd->model->pool, &transport->config);
    if (!crd_decode(crd, &place, &crd_servers_transport_schema, &spec, &transport->element)) {
        return;
    }
    transport->config.server_name = spec.server_name;
    transport->config.insecure_skip_verify = spec.insecure_skip_verify;
    transport->config.cipher_suites = spec.cipher_suites;
    transport->config.min_version = spec.min_version;
    transport->config.max_version = spec.max_version;
    transport->config.disable_http2 = spec.disable_http2;
    transport->config.max_idle_conns_per_host = spec.max_idle_conns_per_host;
    transport->config.forwarding_timeouts = spec.forwarding_timeouts;
    transport->config.peer_cert_uri = spec.peer_cert_uri;
    transport->config.peer_cert_sans = spec.peer_cert_sans;
    transport->config.spiffe = spec.spiffe;
    load_authorities(crd, &place, &transport->element, &spec, &transport->config);
    load_certificates(crd, &place, &transport->element, &spec, &transport->config);
}

void crd_load_transports(struct crd *crd)
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, "ServersTransport", &objects);

    for (size_t i = 0; i < count; i++) {
        load_transport(crd, objects[i]);
    }
}
