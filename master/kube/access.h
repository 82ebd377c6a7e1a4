/*
 * access.h - which API server, and with what credentials: from inside a cluster, a kubeconfig, or the provider's options.
 *
 * Looked for in Traefik's order: the variables that every pod has (KUBERNETES_SERVICE_HOST and _PORT; `endpoint` then
 * replaces the address only), the file that KUBECONFIG names, the options endpoint, token and certAuthFilePath.
 *
 * Files are not read here but when they are needed (kube_access_tls, kube_access_fields), so what is rotated on disk is
 * seen. Secrets are in no error and no log line.
 * Not here: connections.
 */
#ifndef WEIR_MASTER_KUBE_ACCESS_H
#define WEIR_MASTER_KUBE_ACCESS_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "common/tls/tls.h"

struct kube_options { /* as the provider has them */
    struct slice endpoint, token, ca_file;
};

struct kube_places { /* where to look; kube_places_system() for the real ones. NULL: not set */
    const char *service_host, *service_port, *kubeconfig;
    const char *account; /* folder of the service account */
};

struct kube_credential { /* one PEM text: given, or in a file */
    struct slice data, file;
};

struct kube_access {
    struct pool *pool;
    struct slice origin; /* "in-cluster", "KUBECONFIG /x (context y)", "providers.kubernetesCRD.endpoint" */
    struct slice host;
    struct slice prefix; /* of all paths: "" or "/k8s/clusters/x" */
    uint16_t port;
    bool tls, insecure;
    struct slice tls_name; /* empty: host */
    struct kube_credential ca, certificate, key;
    struct slice token, token_file; /* the file counts when there is one */
};

struct kube_places kube_places_system(void);
int kube_access_find(const struct kube_options *options, const struct kube_places *places,
                     struct kube_access **out, struct error *why);
void kube_access_free(struct kube_access *access); /* wipes what is secret; NULL is fine */

/* The server's URL into an access under way; "what" begins the message. */
int kube_access_server(struct kube_access *access, struct slice url, const char *what, struct error *why);

/* kubeconfig.c: the current context of a file. access is filled as far as the file says. */
int kubeconfig_read(struct kube_access *access, const char *path, struct error *why);

/* Reads certificates and keys now. *out is NULL for a server without TLS. */
int kube_access_tls(const struct kube_access *access, struct tls_context **out, struct error *why);
/* Appends the Authorization line, CRLF included, with the token as it is now; nothing when there is none. */
int kube_access_fields(const struct kube_access *access, struct text *out, struct error *why);

#endif
