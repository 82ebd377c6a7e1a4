/*
 * kubernetes_crd_transport.c - ServersTransport objects, and the certificates that transports of HTTP and TCP name. Not here:
 * what Secrets hold (kubernetes_secret.c).
 */
#include "master/provider/kubernetes_crd.h"

#include <errno.h>

bool crd_authority(struct k8s *crd, const char *kind, bool alone, struct slice namespace, struct slice name,
                   struct slice *out, struct error *why)
{
    const struct kube_object *object = k8s_find(crd, kind, namespace, name, why);

    if (object == NULL) {
        return false;
    }
    int rc = k8s_value(crd, object, "tls.ca", out, why);

    if (rc == 0) {
        rc = k8s_value(crd, object, "ca.crt", out, why);
    }
    if (rc == 0 && alone) {
        rc = k8s_only_value(crd, object, out, why);
    }
    if (rc == 0) {
        error_set(why, -ENOENT, "the %s %.*s/%.*s has neither tls.ca nor ca.crt", kind, SLICE_ARG(namespace),
                  SLICE_ARG(name));
    }
    return rc > 0;
}

struct list crd_authorities(struct k8s *crd, const struct k8s_place *place, struct element *element,
                            const struct list *secrets, const struct list *root_cas)
{
    const struct crd_root_ca *from = root_cas->items;
    const struct slice *names = secrets->items;
    struct slice namespace = place->object->namespace;
    size_t count = 0;
    struct slice *out = pool_zalloc(crd->model->pool, (root_cas->count + secrets->count + 1) * sizeof(*out));
    struct error why;

    for (size_t i = 0; i < secrets->count; i++) {
        struct k8s_place at =
            k8s_step(crd, place, doc_get(place->node, "rootCAsSecrets"), "rootCAsSecrets[%zu]", i);

        if (crd_authority(crd, "Secret", true, namespace, names[i], &out[count], &why)) {
            count++;
        } else {
            k8s_error(crd, &at, element, false, "%s", why.text);
        }
    }
    for (size_t i = 0; i < root_cas->count; i++) {
        struct k8s_place at = k8s_step(crd, place, doc_get(place->node, "rootCAs"), "rootCAs[%zu]", i);
        bool secret = from[i].secret.len > 0;

        if (secret == (from[i].config_map.len > 0)) {
            k8s_error(crd, &at, element, false, "exactly one of secret and configMap is expected");
        } else if (crd_authority(crd, secret ? "Secret" : "ConfigMap", secret, namespace,
                                 secret ? from[i].secret : from[i].config_map, &out[count], &why)) {
            count++;
        } else {
            k8s_error(crd, &at, element, false, "%s", why.text);
        }
    }
    if (count == 0 && secrets->count + root_cas->count > 0) {
        k8s_error(crd, place, element, true,
                  "none of the authorities can be read: without them anybody's certificate would do");
    }
    return (struct list){out, count};
}

struct list crd_client_certificates(struct k8s *crd, const struct k8s_place *place, struct element *element,
                                    const struct list *secrets)
{
    const struct slice *names = secrets->items;
    struct tls_certificate_file *out = pool_zalloc(crd->model->pool, (secrets->count + 1) * sizeof(*out));
    size_t count = 0;
    struct error why;

    for (size_t i = 0; i < secrets->count; i++) {
        struct k8s_place at =
            k8s_step(crd, place, doc_get(place->node, "certificatesSecrets"), "certificatesSecrets[%zu]", i);

        if (k8s_certificate_secret(crd, place->object->namespace, names[i], &out[count].cert_file,
                                   &out[count].key_file, &why)) {
            count++;
        } else { /* a server that wants one refuses by itself */
            k8s_error(crd, &at, element, false, "%s", why.text);
        }
    }
    return (struct list){out, count};
}

static void load_transport(struct k8s *crd, const struct kube_object *object)
{
    struct slice name = k8s_object_name(crd->scratch, object->namespace, object->name);
    struct servers_transport *transport;
    struct k8s_place root = {.object = object};
    const struct doc *doc = doc_get(object->doc, "spec");
    struct k8s_place place = k8s_step(crd, &root, doc, "spec");
    struct crd_servers_transport spec;

    if (!crd_owns(crd, CRD_TRANSPORT, object, name)) {
        return;
    }
    transport = model_add_transport(crd->model, name, SLICE(CRD_PROVIDER));
    transport->element.origin = object->origin;
    place.node = doc; /* NULL: all defaults */
    schema_defaults(&servers_transport_schema, crd->model->pool, &transport->config);
    if (!k8s_decode(crd, &place, &crd_servers_transport_schema, 0, &spec, &transport->element)) {
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
    transport->config.root_cas =
        crd_authorities(crd, &place, &transport->element, &spec.root_cas_secrets, &spec.root_cas);
    transport->config.certificates =
        crd_client_certificates(crd, &place, &transport->element, &spec.certificates_secrets);
}

void crd_load_transports(struct k8s *crd)
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, "ServersTransport", &objects);

    for (size_t i = 0; i < count; i++) {
        load_transport(crd, objects[i]);
    }
}
