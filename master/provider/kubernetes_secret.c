/*
 * kubernetes_secret.c - what Secrets and ConfigMaps hold.
 *
 * Contents of Secrets go into the model's pool and nowhere else: messages name the Secret and the key in it, never the value.
 */
#include "common/base/base64_stream.h"
#include "master/provider/kubernetes.h"

#include <errno.h>

/* Standard alphabet with padding; line breaks are passed over, as the API server does. */
static bool base64_decode(struct pool *pool, struct slice text, struct slice *out)
{
    struct base64_stream stream = {0};
    char *bytes = pool_alloc(pool, BASE64_DECODED_ROOM(text.len) + 1);
    ptrdiff_t pad = slice_find(text, '='), len;

    for (size_t i = pad < 0 ? text.len : (size_t)pad; i < text.len; i++) {
        if (text.ptr[i] != '=' && text.ptr[i] != '\r' && text.ptr[i] != '\n') {
            return false; /* a stream may go on behind its padding */
        }
    }
    len = base64_decode_more(&stream, text, true, bytes);
    if (len < 0) {
        return false;
    }
    *out = slice_of(bytes, (size_t)len);
    return true;
}

/* stringData counts before data, as the API server merges them. */
int k8s_value(struct k8s *k8s, const struct kube_object *object, const char *key, struct slice *out,
              struct error *why)
{
    const struct doc *data = doc_path(object->doc, "data", key, NULL);
    const struct doc *plain = doc_path(object->doc, "stringData", key, NULL);

    if (plain || (data && slice_eq(object->kind, SLICE("ConfigMap")))) {
        *out = pool_copy(k8s->model->pool, doc_text(plain ? plain : data, SLICE("")));
        return 1;
    }
    if (data == NULL) {
        return 0;
    }
    if (!base64_decode(k8s->model->pool, doc_text(data, SLICE("")), out)) {
        return error_set(why, -EINVAL, "%.*s (%.*s:%u): data.%s is no base64",
                         SLICE_ARG(object->origin.object), SLICE_ARG(object->origin.file), data->line, key);
    }
    return 1;
}

int k8s_only_value(struct k8s *k8s, const struct kube_object *object, struct slice *out, struct error *why)
{
    const struct doc *maps[] = {doc_get(object->doc, "data"), doc_get(object->doc, "stringData")};
    size_t count = 0;
    char key[256];

    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        bool is_map = maps[i] && maps[i]->kind == DOC_MAP;

        count += is_map ? maps[i]->map.count : 0;
        if (is_map && maps[i]->map.count && !slice_to_cstr(maps[i]->map.entries[0].key, key, sizeof(key))) {
            return 0; /* no Secret has so long a key */
        }
    }
    return count == 1 ? k8s_value(k8s, object, key, out, why) : 0;
}

const struct kube_object *k8s_find(struct k8s *k8s, const char *kind, struct slice namespace,
                                   struct slice name, struct error *why)
{
    const struct kube_object *object = kube_get(k8s->store, "", kind, namespace, name);

    k8s_need(k8s, kind, namespace, name);
    k8s_note_needed(k8s, slice_cstr(kind), namespace, name);
    if (object == NULL) {
        error_set(why, -ENOENT, "the %s %.*s/%.*s does not exist", kind, SLICE_ARG(namespace),
                  SLICE_ARG(name));
    }
    return object;
}

bool k8s_certificate_secret(struct k8s *k8s, struct slice namespace, struct slice name,
                            struct slice *certificate, struct slice *key, struct error *why)
{
    static const char *const keys[] = {"tls.crt", "tls.key"};
    const struct kube_object *secret = k8s_find(k8s, "Secret", namespace, name, why);
    struct slice values[2] = {{0}};

    if (secret == NULL) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        int rc = k8s_value(k8s, secret, keys[i], &values[i], why);

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
