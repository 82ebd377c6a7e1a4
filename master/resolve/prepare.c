/*
 * prepare.c - which middlewares are made ready for workers, and what those functions share. See prepare.h.
 */
#include "master/resolve/prepare.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/http/headers.h"
#include "common/net/ranges.h"

void *prepare_wrong(struct preparation *at, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    at->wrong = pool_copy(at->pool, slice_cstr(text));
    return NULL;
}

void prepare_service(struct preparation *at, struct slice name)
{
    struct http_middleware *middleware = at->middleware;

    list_add_slice(at->pool, &middleware->services, &middleware->service_capacity,
                   qualified(at->pool, name, middleware->element.provider));
}

/* A transport of its own, by the name of the service. */
static void add_transport(struct preparation *at, struct slice name, const struct client_tls *tls)
{
    struct servers_transport *transport = model_add_transport(at->resolver->model, name, SLICE("middleware"));
    struct slice *authority = pool_zalloc(at->pool, sizeof(*authority));
    struct tls_certificate_file *pair = pool_zalloc(at->pool, sizeof(*pair));

    transport->element.origin = at->middleware->element.origin;
    schema_defaults(&servers_transport_schema, at->pool, &transport->config);
    if (tls == NULL) {
        return;
    }
    *authority = tls->ca;
    *pair = (struct tls_certificate_file){tls->cert, tls->key};
    transport->config.insecure_skip_verify = tls->insecure_skip_verify;
    transport->config.root_cas = (struct list){authority, tls->ca.len > 0};
    transport->config.certificates = (struct list){pair, tls->cert.len > 0};
}

/* transport: name of that of all; empty: none. */
static void add_server(struct preparation *at, struct slice name, struct slice url, struct slice transport)
{
    struct model *model = at->resolver->model;
    struct server_config *server = pool_zalloc(at->pool, sizeof(*server));
    struct load_balancer *balancer = pool_zalloc(at->pool, sizeof(*balancer));
    struct http_service *service = model_add_service(model, name, SLICE("middleware"));

    server->url = url;
    balancer->servers = (struct list){server, 1};
    service->config.load_balancer = balancer;
    service->hidden = true;
    balancer->servers_transport = transport;
    prepare_service(at, name);
}

void prepare_servers(struct preparation *at, const struct list *urls, const struct client_tls *tls)
{
    const struct slice *items = urls->items;
    struct slice first = pool_printf(at->pool, "%.*s@middleware", SLICE_ARG(at->middleware->element.name));
    bool secure = urls->count && slice_eq_nocase(slice_head(items[0], 6), SLICE("https:"));

    if (secure) {
        add_transport(at, first, tls);
    }
    for (size_t i = 0; i < urls->count; i++) {
        struct slice name =
            i == 0 ? first
                   : pool_printf(at->pool, "%.*s@%zu@middleware", SLICE_ARG(at->middleware->element.name), i);

        add_server(at, name, items[i], secure ? first : SLICE(""));
    }
}

void prepare_server(struct preparation *at, struct slice url, const struct client_tls *tls)
{
    prepare_servers(at, &(struct list){&url, 1}, tls);
}

void prepare_words(struct preparation *at, uint32_t count, bool by_router)
{
    at->middleware->word_count = count;
    at->middleware->words_by_router = by_router;
}

void prepare_table(struct preparation *at, uint64_t layout, bool by_router)
{
    at->middleware->table = layout;
    at->middleware->words_by_router = by_router;
}

bool prepare_ranges(struct preparation *at, const struct list *texts, struct slice *out)
{
    const struct slice *items = texts->items;
    struct cidr *cidrs = pool_alloc(at->pool, (texts->count + 1) * sizeof(*cidrs));

    for (size_t i = 0; i < texts->count; i++) {
        struct error why;

        if (!cidr_parse(items[i], &cidrs[i], &why)) {
            prepare_wrong(at, "%s", why.text);
            return false;
        }
    }
    *out = ranges_make(at->pool, cidrs, texts->count);
    return true;
}

bool prepare_status(struct preparation *at, struct slice text, struct status_range *out)
{
    if (status_range_read(text, out)) {
        return true;
    }
    prepare_wrong(at, "\"%.*s\" is no status and no range of them: write 404 or 500-599", SLICE_ARG(text));
    return false;
}

bool prepare_statuses(struct preparation *at, const struct list *texts, struct slice *out)
{
    struct slice bad;

    return status_ranges_make(at->pool, texts, out, &bad) ||
           prepare_status(at, bad, &(struct status_range){{0}, {0}});
}

bool prepare_header_name(struct preparation *at, const char *option, struct slice name)
{
    if (header_name_valid(name)) {
        return true;
    }
    prepare_wrong(at, "%s \"%.*s\" is no name of a header", option, SLICE_ARG(name));
    return false;
}

bool prepare_client(struct preparation *at, const struct ip_strategy *strategy, struct prepared_client *out)
{
    *out = (struct prepared_client){.depth = 0};
    if (strategy == NULL) {
        return true;
    }
    out->ipv6_bits = strategy->ipv6_subnet.set ? strategy->ipv6_subnet.value : 0;
    out->depth = strategy->depth;
    return strategy->depth > 0 || prepare_ranges(at, &strategy->excluded_ips, &out->excluded);
}

bool prepare_middleware(struct resolver *resolver, struct http_middleware *middleware,
                        enum middleware_kind kind, const void *options, struct slice *wrong)
{
    struct preparation at = {.resolver = resolver, .middleware = middleware, .pool = resolver->model->pool};

    if (middleware_prepared_schema(kind) == NULL) {
        return true;
    }
    switch ((int)kind) {
#define PREPARED(identifier)                                                                                 \
    case MIDDLEWARE_##identifier:                                                                            \
        middleware->prepared = prepare_##identifier(&at, options);                                           \
        break;
        PREPARED(set_headers)
        PREPARED(ip_white_list)
        PREPARED(ip_allow_list)
        PREPARED(basic_auth)
        PREPARED(digest_auth)
        PREPARED(pass_tls_client_cert)
        PREPARED(api_key)
        PREPARED(jwt)
        PREPARED(forward_auth)
        PREPARED(errors)
        PREPARED(rate_limit)
        PREPARED(compress)
        PREPARED(buffering)
        PREPARED(in_flight_req)
        PREPARED(retry)
        PREPARED(plugin)
        PREPARED(circuit_breaker)
#undef PREPARED
    default:
        break;
    }
    if (middleware->prepared == NULL) {
        *wrong = at.wrong.len ? at.wrong : SLICE("it cannot be prepared by this build");
    }
    return middleware->prepared != NULL;
}
