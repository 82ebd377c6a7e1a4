/*
 * compile_health.c - which servers the master asks for their health, and by which transport; what workers count failures in.
 */
#include "common/base/hash.h"
#include "common/model/layer4.h"
#include "master/compile/compiler.h"
#include "master/tls/vault.h"

#define SEED_TCP 0x7463706865616cULL /* and 1 more by TLS */
#define SEED_FAILURES 0x6661696c757265ULL

static const struct servers_transport_config *transport_of(const struct compiler *compiler,
                                                           const struct http_service *service)
{
    struct slice name = service->config.load_balancer->servers_transport;
    uint32_t position =
        name.len ? name_find(compiler, &compiler->transports, name, service->element.provider) : NUMBER_NONE;

    return position == NUMBER_NONE ? &compiler->config->servers_transport
                                   : &compiler->model->transports[position]->config;
}

/* Texts or files; those that cannot be read are left out, with a word on the service. */
static struct slice authorities(struct compiler *compiler, struct element *service, const struct list *list)
{
    const struct slice *items = list->items;
    struct slice all = SLICE("");

    for (size_t i = 0; i < list->count && compiler->vault; i++) {
        struct error why = {""};
        struct slice text;

        if (vault_text(compiler->vault, items[i], compiler->pool, &text, &why) < 0) {
            compile_note(compiler, service, false, "rootCAs for health checks: %s", why.text);
        } else {
            all = pool_printf(compiler->lasting, "%.*s%.*s\n", SLICE_ARG(all), SLICE_ARG(text));
        }
    }
    return all;
}

/* gRPC on a port of its own is spoken in plain text unless the scheme says otherwise, as upstream. */
static bool by_tls(const struct health_check *options, struct slice url)
{
    if (slice_eq(options->mode, SLICE("grpc")) && options->port && options->scheme.len == 0) {
        return false;
    }
    return options->scheme.len ? slice_eq_nocase(options->scheme, SLICE("https"))
                               : slice_has_prefix(url, SLICE("https:"));
}

static struct health_target *target_add(struct compiler *compiler)
{
    compiler->health = pool_grow(compiler->lasting, compiler->health, compiler->health_count,
                                 &compiler->health_capacity, sizeof(*compiler->health));
    return &compiler->health[compiler->health_count++];
}

void compile_health(struct compiler *compiler, struct http_service *service,
                    const struct server_config *server, const struct server *row)
{
    const struct servers_transport_config *transport = transport_of(compiler, service);
    struct health_target *target;

    const struct health_check *options = service->config.load_balancer->health_check;

    if (compiler->board == NULL || compiler->changes || row->health.slot == 0) {
        return;
    }
    target = target_add(compiler);
    *target = (struct health_target){
        .service = service->element.name,
        .url = server->url,
        .options = options,
        .word = row->health,
        .since = row->since,
    };
    target->by_tls = by_tls(options, server->url);
    if (target->by_tls) {
        target->ca = authorities(compiler, &service->element, &transport->root_cas);
        target->server_name = transport->server_name;
        target->insecure = transport->insecure_skip_verify;
    }
}

struct board_ref compile_tcp_health(struct compiler *compiler, struct tcp_service *service,
                                    const struct tcp_server *server)
{
    const struct tcp_load_balancer *balancer = service->config.load_balancer;
    struct board_ref word = compile_word(
        compiler, hash_slice(hash_slice(SEED_TCP + server->tls, service->element.name), server->address));
    const struct tcp_transport *transport =
        balancer->servers_transport.len
            ? layer4_find(compiler->model, TCP_TRANSPORT, balancer->servers_transport)
            : NULL;
    const struct tcp_transport_config *usual = compiler->config->tcp_servers_transport;
    const struct tcp_client_tls *tls = transport ? transport->config.tls : usual ? usual->tls : NULL;
    struct health_target *target;

    if (compiler->board == NULL || compiler->changes || word.slot == 0) {
        return word;
    }
    target = target_add(compiler);
    *target = (struct health_target){
        .service = service->element.name,
        .url = server->address,
        .tcp = balancer->health_check,
        .by_tls = server->tls,
        .word = word,
    };
    if (server->tls && tls) {
        target->ca = authorities(compiler, &service->element, &tls->root_cas);
        target->server_name = tls->server_name;
        target->insecure = tls->insecure_skip_verify;
    }
    return word;
}

struct list compile_failures(struct compiler *compiler, const struct http_service *service, struct slice url)
{
    int64_t most = service->config.load_balancer->passive_health_check->max_failed_attempts;
    size_t count = 1 + (size_t)(most < 1 ? 1 : most > FAILURES_MOST ? FAILURES_MOST : most);
    struct board_ref *words = pool_alloc(compiler->pool, count * sizeof(*words));
    uint64_t identity = hash_slice(hash_slice(SEED_FAILURES, service->element.name), url);

    for (size_t i = 0; i < count; i++) {
        words[i] = compile_word(compiler, hash_bytes(identity, &i, sizeof(i)));
    }
    return (struct list){words, count};
}
