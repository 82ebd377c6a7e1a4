/*
 * kubernetes_crd_tls.c - TLSOption and TLSStore objects; what `tls` of routes refers to.
 *
 * One called "default" is for all, in whichever namespace; two of them are none (master/resolve says so).
 */
#include "master/provider/kubernetes_crd_layer4.h"

/* NULL: another one is called so. */
static void *add(struct k8s *crd, const struct k8s_place *place, enum layer4_kind kind, enum crd_named named)
{
    const struct kube_object *object = place->object;
    struct slice name = k8s_object_name(crd->scratch, object->namespace, object->name);

    if (crd_is_default(named, object)) { /* a second one must be seen */
        struct element *element = layer4_add(crd->model, kind, object->name, SLICE(CRD_PROVIDER));

        element->origin = object->origin;
        schema_defaults(layer4_types[kind].schema, crd->model->pool, layer4_config(kind, element));
        return element;
    }
    return crd_owns(crd, named, object, name) ? k8s_add_layer4(crd, place, kind, name) : NULL;
}

static void load_option(struct k8s *crd, const struct kube_object *object)
{
    struct k8s_place root = {.object = object};
    const struct doc *doc = doc_get(object->doc, "spec");
    struct k8s_place place = k8s_step(crd, &root, doc, "spec");
    struct tls_options *options = add(crd, &root, TLS_OPTIONS, CRD_TLS_OPTION);
    struct crd_tls_option spec = {0};

    if (options == NULL) {
        return;
    }
    place.node = doc; /* NULL: all defaults */
    if (!k8s_decode(crd, &place, &crd_tls_option_schema, 0, &spec, &options->element)) {
        return;
    }
    const struct slice *names = spec.client_auth.secret_names.items;
    size_t total = spec.client_auth.secret_names.count, count = 0;
    struct slice *authorities = pool_zalloc(crd->model->pool, (total + 1) * sizeof(*authorities));

    for (size_t i = 0; i < total; i++) {
        struct k8s_place at = k8s_step(crd, &place, doc_path(doc, "clientAuth", "secretNames", NULL),
                                       "clientAuth.secretNames[%zu]", i);
        struct error why;

        if (crd_authority(crd, "Secret", false, object->namespace, names[i], &authorities[count], &why)) {
            count++;
        } else {
            k8s_error(crd, &at, &options->element, false, "%s", why.text);
        }
    }
    if (total && count == 0) { /* no authority at all must not become "nobody is asked for a certificate" */
        k8s_error(crd, &place, &options->element, true, "clientAuth: none of its Secrets can be used");
    }
    options->config = spec.options;
    options->config.client_auth =
        (struct tls_client_auth){.ca_files = {authorities, count}, .type = spec.client_auth.type};
}

static void load_store(struct k8s *crd, const struct kube_object *object)
{
    struct k8s_place root = {.object = object};
    const struct doc *doc = doc_get(object->doc, "spec");
    struct k8s_place place = k8s_step(crd, &root, doc, "spec");
    struct tls_store *store = add(crd, &root, TLS_STORE, CRD_TLS_STORE);
    struct crd_tls_store spec;
    struct error why;

    if (store == NULL) {
        return;
    }
    place.node = doc; /* NULL: an empty store */
    if (!k8s_decode(crd, &place, &crd_tls_store_schema, 0, &spec, &store->element)) {
        return;
    }
    if (spec.default_certificate) {
        struct tls_certificate_file *pair = pool_zalloc(crd->model->pool, sizeof(*pair));
        struct k8s_place at =
            k8s_step(crd, &place, doc_get(doc, "defaultCertificate"), "defaultCertificate.secretName");

        if (k8s_certificate_secret(crd, object->namespace, spec.default_certificate->secret_name,
                                   &pair->cert_file, &pair->key_file, &why)) {
            store->config.default_certificate = pair;
        } else {
            k8s_error(crd, &at, &store->element, true, "%s", why.text);
        }
    }
    store->config.default_generated_cert = spec.default_generated_cert;

    const struct crd_certificate *certificates = spec.certificates.items;

    for (size_t i = 0; i < spec.certificates.count; i++) {
        struct k8s_place at =
            k8s_step(crd, &place, doc_get(doc, "certificates"), "certificates[%zu].secretName", i);

        k8s_add_certificate(crd, &at, &store->element, certificates[i].secret_name, store->element.name);
    }
}

void crd_load_tls_references(struct k8s *crd, const struct k8s_place *spec, struct element *element,
                             const struct crd_reference *options, struct slice secret, struct slice *name)
{
    const struct doc *node = doc_get(spec->node, "tls");
    struct k8s_place place = k8s_step(crd, spec, node, "tls");

    if (options && options->name.len) {
        struct k8s_place at = k8s_step(crd, &place, doc_get(node, "options"), "options");

        crd_reference_name(crd, &at, element, CRD_TLS_OPTION, at.object->namespace, options->namespace,
                           options->name, name);
    }
    if (secret.len) {
        struct k8s_place at = k8s_step(crd, &place, doc_get(node, "secretName"), "secretName");

        k8s_add_certificate(crd, &at, element, secret, SLICE(""));
    }
}

void crd_load_tls(struct k8s *crd)
{
    const struct kube_object **objects;
    size_t count = crd_objects(crd, "TLSStore", &objects);

    for (size_t i = 0; i < count; i++) {
        load_store(crd, objects[i]);
    }
    count = crd_objects(crd, "TLSOption", &objects);
    for (size_t i = 0; i < count; i++) {
        load_option(crd, objects[i]);
    }
}
