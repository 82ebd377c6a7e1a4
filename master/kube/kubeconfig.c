/*
 * kubeconfig.c - the current context of a kubeconfig file becomes an access (access.h).
 *
 * Paths in it are relative to the file's folder. What would run a program or speak through a proxy is refused with words:
 * a router that silently did without would fail later, and less clearly.
 */
#include <errno.h>
#include <openssl/base64.h>

#include "common/base/memory.h"
#include "common/doc/doc.h"
#include "master/kube/access.h"
#include "master/source/tree.h"

struct reader {
    struct kube_access *access;
    struct slice path, folder; /* folder ends with a slash, or is empty */
    struct error *why;
};

static int refuse(const struct reader *reader, const struct doc *at, const char *what, const char *words)
{
    if (at && at->line) {
        return error_set(reader->why, -EINVAL, "%.*s:%u: %s: %s", SLICE_ARG(reader->path), at->line, what,
                         words);
    }
    return error_set(reader->why, -EINVAL, "%.*s: %s: %s", SLICE_ARG(reader->path), what, words);
}

static struct slice string_of(const struct doc *map, const char *key)
{
    return doc_text(doc_get(map, key), SLICE(""));
}

/* The element of `list` with that name, its part `part` in *out. */
static int find_named(const struct reader *reader, const struct doc *root, const char *list, const char *part,
                      struct slice name, const struct doc **out)
{
    const struct doc *all = doc_get(root, list);

    for (size_t i = 0; all && all->kind == DOC_LIST && i < all->list.count; i++) {
        const struct doc *found = doc_get(all->list.items[i], part);

        if (found && found->kind == DOC_MAP && slice_eq(string_of(all->list.items[i], "name"), name)) {
            *out = found;
            return 0;
        }
    }
    return error_set(reader->why, -EINVAL, "%.*s: %s: there is none named \"%.*s\"", SLICE_ARG(reader->path),
                     list, SLICE_ARG(name));
}

static struct slice path_of(const struct reader *reader, struct slice path)
{
    if (path.len == 0 || path.ptr[0] == '/') {
        return pool_copy(reader->access->pool, path);
    }
    return pool_printf(reader->access->pool, "%.*s%.*s", SLICE_ARG(reader->folder), SLICE_ARG(path));
}

static int decode_base64(const struct reader *reader, const struct doc *node, const char *key,
                         struct slice *out)
{
    struct slice text = doc_text(node, SLICE(""));
    char *clean = pool_alloc(reader->access->pool, text.len + 1);
    uint8_t *bytes = pool_alloc(reader->access->pool, text.len + 1);
    size_t count = 0, len;

    for (size_t i = 0; i < text.len; i++) {
        if (strchr(" \t\r\n", text.ptr[i]) == NULL) {
            clean[count++] = text.ptr[i];
        }
    }
    if (EVP_DecodeBase64(bytes, &len, text.len + 1, (const uint8_t *)clean, count) != 1) {
        return refuse(reader, node, key, "is no base64");
    }
    explicit_bzero(clean, count);
    *out = slice_of((const char *)bytes, len);
    return 0;
}

/* "KEY" names a file, "KEY-data" holds the content and wins. */
static int read_credential(const struct reader *reader, const struct doc *map, const char *key,
                           const char *data_key, struct kube_credential *out)
{
    const struct doc *data = doc_get(map, data_key);

    out->file = path_of(reader, string_of(map, key));
    return data && doc_text(data, SLICE("")).len ? decode_base64(reader, data, data_key, &out->data) : 0;
}

static int read_cluster(const struct reader *reader, const struct doc *cluster)
{
    struct kube_access *access = reader->access;
    const struct doc *insecure = doc_get(cluster, "insecure-skip-tls-verify");
    int rc;

    if (string_of(cluster, "proxy-url").len) {
        return refuse(reader, doc_get(cluster, "proxy-url"), "proxy-url", "proxies are not spoken to");
    }
    if (insecure && insecure->kind != DOC_NULL && !doc_bool(insecure, &access->insecure)) {
        return refuse(reader, insecure, "insecure-skip-tls-verify", "true or false is expected");
    }
    access->tls_name = pool_copy(access->pool, string_of(cluster, "tls-server-name"));
    rc = read_credential(reader, cluster, "certificate-authority", "certificate-authority-data", &access->ca);
    if (rc == 0 && access->insecure && (access->ca.data.len || access->ca.file.len)) {
        rc = refuse(reader, insecure, "insecure-skip-tls-verify",
                    "contradicts certificate-authority: write one of them");
    }
    if (rc == 0) {
        rc = kube_access_server(access, string_of(cluster, "server"), "server", reader->why);
        if (rc < 0) {
            error_prefix(reader->why, "%.*s", SLICE_ARG(reader->path));
        }
    }
    return rc;
}

static int read_user(const struct reader *reader, const struct doc *user)
{
    static const struct {
        const char *key, *words;
    } refused[] = {
        {"exec",
         "programs are not run to get credentials: write a token, a tokenFile or a client certificate"},
        {"auth-provider", "is not supported: write a token, a tokenFile or a client certificate"},
        {"username", "API servers take no passwords: write a token, a tokenFile or a client certificate"},
        {"as", "acting as another user is not supported: write that user's own credentials"},
    };
    struct kube_access *access = reader->access;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const struct doc *node = doc_get(user, refused[i].key);

        if (node && node->kind != DOC_NULL) {
            return refuse(reader, node, refused[i].key, refused[i].words);
        }
    }
    access->token = pool_copy(access->pool, string_of(user, "token"));
    access->token_file = path_of(reader, string_of(user, "tokenFile"));
    rc = read_credential(reader, user, "client-certificate", "client-certificate-data", &access->certificate);
    return rc < 0 ? rc : read_credential(reader, user, "client-key", "client-key-data", &access->key);
}

static int read_context(struct reader *reader, const struct doc *root)
{
    const struct doc *context, *part;
    struct slice name = string_of(root, "current-context");
    int rc;

    if (name.len == 0) {
        return refuse(reader, NULL, "current-context",
                      "is missing: choose one by kubectl config use-context");
    }
    if ((rc = find_named(reader, root, "contexts", "context", name, &context)) < 0 ||
        (rc = find_named(reader, root, "clusters", "cluster", string_of(context, "cluster"), &part)) < 0 ||
        (rc = read_cluster(reader, part)) < 0) {
        return rc;
    }
    reader->access->origin = pool_printf(reader->access->pool, "KUBECONFIG %.*s (context %.*s)",
                                         SLICE_ARG(reader->path), SLICE_ARG(name));
    if (string_of(context, "user").len == 0) {
        return 0; /* as nobody */
    }
    if ((rc = find_named(reader, root, "users", "user", string_of(context, "user"), &part)) < 0) {
        return rc;
    }
    return read_user(reader, part);
}

int kubeconfig_read(struct kube_access *access, const char *path, struct error *why)
{
    struct reader reader = {.access = access, .path = slice_cstr(path), .why = why};
    struct pool *scratch = pool_new(4096, 0);
    ptrdiff_t slash = slice_rfind(reader.path, '/');
    struct doc *root = NULL;
    struct text content;
    int rc;

    reader.folder = slice_head(reader.path, (size_t)(slash + 1));
    text_init(&content);
    rc = tree_read(reader.path, &content, why);
    if (rc < 0) {
        error_prefix(why, "KUBECONFIG %s", path);
    } else if ((rc = doc_read_yaml(scratch, reader.path, text_slice(&content), &root, why)) == 0) {
        rc = root->kind == DOC_MAP ? read_context(&reader, root)
                                   : refuse(&reader, root, "kubeconfig", "a mapping is expected");
    }
    if (content.ptr) {
        explicit_bzero(content.ptr, content.len);
    }
    text_free(&content);
    pool_free(scratch);
    return rc;
}
