/*
 * compile_transports.c - the transports page: time-outs, idle connections and TLS of every transport that a service names.
 * What is wrong with the TLS of the others is said too.
 */
#include "master/compile/compiler.h"

#define DEFAULT SLICE("default@internal")
#define SEED_POOL 0x706f6f6cULL
#define SECOND 1000000000LL

/* What idle connections of this transport may be shared by. */
static uint64_t identity_of(const struct compiler *compiler, const struct transport *transport, uint64_t tls)
{
    const uint64_t numbers[] = {(uint64_t)transport->dial_timeout,
                                (uint64_t)transport->response_header_timeout,
                                (uint64_t)transport->idle_conn_timeout,
                                (uint64_t)transport->max_idle_conns_per_host,
                                (uint64_t)transport->read_idle_timeout,
                                (uint64_t)transport->ping_timeout,
                                (uint64_t)transport->send_timeout,
                                transport->http1_only,
                                tls};

    return board_hash(compiler->board, board_hash(compiler->board, SEED_POOL, transport->name),
                      slice_of((const char *)numbers, sizeof(numbers)));
}

static struct server_tls_wish wish_of(const struct servers_transport_config *config)
{
    return (struct server_tls_wish){
        .server_name = config->server_name,
        .min_version = config->min_version,
        .max_version = config->max_version,
        .peer_cert_uri = config->peer_cert_uri,
        .root_cas = config->root_cas,
        .cipher_suites = config->cipher_suites,
        .certificates = config->certificates,
        .sans = config->peer_cert_sans,
        .insecure = config->insecure_skip_verify,
        .spiffe = config->spiffe != NULL,
    };
}

static void fill(struct compiler *compiler, struct element *owner,
                 const struct servers_transport_config *config, struct slice name, struct transport *out)
{
    const struct forwarding_timeouts *timeouts = config->forwarding_timeouts;
    const struct server_tls_wish wish = wish_of(config);

    *out = (struct transport){
        .name = name,
        .dial_timeout = timeouts ? timeouts->dial_timeout : 30 * SECOND,
        .response_header_timeout = timeouts ? timeouts->response_header_timeout : 0,
        .idle_conn_timeout = timeouts ? timeouts->idle_conn_timeout : 90 * SECOND,
        .max_idle_conns_per_host = config->max_idle_conns_per_host ? config->max_idle_conns_per_host : 200,
        .read_idle_timeout = timeouts ? timeouts->read_idle_timeout : 0,
        .ping_timeout = timeouts && timeouts->ping_timeout > 0 ? timeouts->ping_timeout : 15 * SECOND,
        .send_timeout = timeouts ? timeouts->send_timeout : 60 * SECOND,
        .tls = compile_server_tls(compiler, owner, &wish),
        .http1_only = config->disable_http2,
    };
    out->identity = identity_of(compiler, out, compile_server_tls_identity(compiler, out->tls));
}

/* Whom it belongs to what is wrong with the default one. */
static struct element *default_owner(const struct compiler *compiler)
{
    struct servers_transport *found = model_find_transport(compiler->model, DEFAULT);
    struct element *nobody;

    if (found) {
        return &found->element;
    }
    nobody = pool_zalloc(compiler->pool, sizeof(*nobody));
    nobody->name = DEFAULT;
    return nobody;
}

void compile_transport_rows(struct compiler *compiler)
{
    const struct model *model = compiler->model;
    struct transport *rows = pool_zalloc(compiler->lasting, compiler->transport_count * sizeof(*rows));

    fill(compiler, default_owner(compiler), &compiler->config->servers_transport, DEFAULT, &rows[0]);
    for (size_t i = 0; i < model->transport_count; i++) {
        struct element *element = &model->transports[i]->element;
        const struct servers_transport_config *config = &model->transports[i]->config;

        if (compiler->transport_numbers[i] != NUMBER_NONE) {
            fill(compiler, element, config, element->name, &rows[compiler->transport_numbers[i]]);
        } else if (element->status != ELEMENT_DISABLED) {
            const struct server_tls_wish wish = wish_of(config);

            compile_server_tls_check(compiler, element, &wish);
        }
    }
    compiler->transport_rows = rows;
}

void compile_transports(struct compiler *compiler, struct page_builder *builder)
{
    struct server_tls_input tls = compile_server_tls_input(compiler, default_owner(compiler));

    transports_build(builder, compiler->transport_rows, compiler->transport_count, &tls);
}
