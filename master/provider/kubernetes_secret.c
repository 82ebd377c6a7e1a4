/*
 * kubernetes_secret.c - what Secrets and ConfigMaps hold.
 *
 * Contents of Secrets go into the model's pool and nowhere else: messages name the Secret and the key in it, never the value.
 */
#include "master/provider/kubernetes.h"

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
