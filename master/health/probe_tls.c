/*
 * probe_tls.c - TLS as the probes of connections of their own have it: by the servers transport of what is checked.
 */
#include "master/health/probe.h"

int probe_tls(const struct probe_options *options, struct slice host, struct tls_session **out,
              struct error *why)
{
    struct slice name = options->server_name.len ? options->server_name : host;
    struct tls_context *context = NULL;
    int rc = tls_context_client(&options->tls, &context, why);

    if (rc == 0) {
        rc = tls_session_client(context, name, out, why);
    }
    tls_context_unref(context);
    return rc;
}
