/*
 * fuzz_page.c - any bytes as a page of any kind: what the check lets through can be read to the last byte.
 *
 * The first byte chooses the kind, the others are the page. What ties a page to its build (magic, layout, size, checksum)
 * is put right first, so that the fuzzer gets behind it; root and number of regexes stay as they come.
 */
#include <stdlib.h>

#include "common/model/prepared.h"
#include "common/rule/rule.h"
#include "common/net/ranges.h"
#include "shm/middlewares.h"
#include "shm/page_inner.h"
#include "shm/secrets.h"
#include "shm/tcp_page.h"
#include "shm/tls_options.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/static_page.h"
#include "shm/transports.h"
#include "shm/udp_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; /* reading must not be optimised away */

static void read_bytes(const void *at, size_t size)
{
    const unsigned char *bytes = at;

    for (size_t i = 0; i < size; i++) {
        sink += bytes[i];
    }
}

static void read_text(const struct page *page, struct slice stored)
{
    struct slice text = page_text(page, stored);

    read_bytes(text.ptr, text.len);
}

static void read_struct(const struct page *page, const struct schema *schema, const char *at);

static void read_structs(const struct page *page, const struct schema *schema, const void *stored,
                         size_t count)
{
    const char *items = page_at(page, stored);

    for (size_t i = 0; i < count; i++) {
        read_struct(page, schema, items + i * schema->size);
    }
}

static void read_regex(const struct page *page, const struct regex_text *stored)
{
    read_text(page, stored->pattern);
    if (stored->pattern.len < 64) { /* compiling is not what is tried here, finding the slot is */
        sink += page_regex(page, stored) != NULL;
    }
}

static void read_field(const struct page *page, const struct schema_field *field, const char *at)
{
    const struct list *list = (const void *)at;
    const struct map *map = (const void *)at;
    const struct string_pair *pairs;

    switch (field->kind) {
    case SCHEMA_BOOL:
        sink += *(const bool *)at;
        break;
    case SCHEMA_OPT_BOOL:
        sink += ((const struct opt_bool *)(const void *)at)->set +
                ((const struct opt_bool *)(const void *)at)->value;
        break;
    case SCHEMA_OPT_INT:
        sink += ((const struct opt_int *)(const void *)at)->set;
        break;
    case SCHEMA_INT:
    case SCHEMA_DURATION:
    case SCHEMA_DOUBLE:
        read_bytes(at, 8);
        break;
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
        read_text(page, *(const struct slice *)(const void *)at);
        break;
    case SCHEMA_STRINGS:
        for (size_t i = 0; i < list->count; i++) {
            read_text(page, ((const struct slice *)page_at(page, list->items))[i]);
        }
        break;
    case SCHEMA_STRING_MAP:
        pairs = page_at(page, list->items);
        for (size_t i = 0; i < list->count; i++) {
            read_text(page, pairs[i].key);
            read_text(page, pairs[i].value);
        }
        break;
    case SCHEMA_REGEX:
        read_regex(page, (const void *)at);
        break;
    case SCHEMA_REGEXES:
        for (size_t i = 0; i < list->count; i++) {
            read_regex(page, (const struct regex_text *)page_at(page, list->items) + i);
        }
        break;
    case SCHEMA_STRUCT:
        read_struct(page, field->sub, at);
        break;
    case SCHEMA_OPTIONAL:
        read_structs(page, field->sub, *(void *const *)(const void *)at,
                     *(void *const *)(const void *)at != NULL);
        break;
    case SCHEMA_LIST:
        read_structs(page, field->sub, list->items, list->count);
        break;
    case SCHEMA_MAP:
        for (size_t i = 0; i < map->count; i++) {
            read_text(page, ((const struct slice *)page_at(page, map->keys))[i]);
        }
        read_structs(page, field->sub, map->values, map->count);
        break;
    case SCHEMA_DOC:
        break;
    }
}

static void read_struct(const struct page *page, const struct schema *schema, const char *at)
{
    for (size_t i = 0; i < schema->count; i++) {
        read_field(page, &schema->fields[i], at + schema->fields[i].offset);
    }
}

static void read_static(const struct page *page)
{
    for (uint32_t i = 0; i < entry_points_count(page); i++) {
        const struct entry_point_row *row = entry_points_at(page, i);
        const struct cidr *trusted = page_at(page, row->trusted.items);
        struct address address = {.family = 6};

        read_text(page, row->name);
        read_struct(page, &entry_point_schema, (const char *)&row->config);
        for (size_t k = 0; k < row->trusted.count; k++) {
            sink += cidr_contains(&trusted[k], &address);
        }
        sink += row->internal + row->acme_taken;
    }
}

static void read_middlewares(const struct page *page)
{
    for (uint32_t i = 0; i < middlewares_count(page); i++) {
        const struct middleware_row *row = middlewares_at(page, i);

        read_text(page, row->name);
        read_struct(page, middleware_stored_schema(row->kind), page_at(page, row->params));
    }
}

static void read_services(const struct page *page)
{
    struct page *const pages[] = {(struct page *)(uintptr_t)page};
    struct services services;
    struct error why;

    if (services_link(pages, 1, 2, NULL, &services, &why) < 0) {
        return;
    }
    for (uint32_t i = 0; i < services.count; i++) {
        const struct service *service = services_at(&services, i, &page);
        const struct server *servers = page_at(page, service->servers.items);
        const uint16_t *sequence = page_at(page, service->sequence.items);

        read_text(page, service->name);
        read_text(page, service->cookie);
        for (size_t k = 0; k < service->cookies.count; k++) {
            read_text(page, ((const struct slice *)page_at(page, service->cookies.items))[k]);
        }
        read_bytes(page_at(page, service->sticky_values.items),
                   service->sticky_values.count * sizeof(struct sticky_value));
        sink += service->pass_host_header + (service->kind == SERVICE_WEIGHTED);
        for (size_t k = 0; k < service->servers.count; k++) {
            read_text(page, servers[k].url);
            read_text(page, servers[k].scheme);
            read_text(page, servers[k].host);
            read_text(page, servers[k].path);
            read_bytes(page_at(page, servers[k].addresses.items),
                       servers[k].addresses.count * sizeof(struct server_address));
            sink += servers[k].preserve_path;
        }
        for (size_t k = 0; k < service->sequence.count; k++) {
            if (service->kind == SERVICE_WEIGHTED) {
                const struct service_child *children = page_at(page, service->children.items);

                read_text(page, children[sequence[k]].name);
                read_text(page, services_at(&services, children[sequence[k]].service, &page)->name);
            } else {
                read_bytes(&servers[sequence[k]], sizeof(servers[0]));
            }
        }
    }
}

static void read_transports(const struct page *page)
{
    for (uint32_t i = 0; i < transports_count(page); i++) {
        const struct transport *transport = transports_at(page, i);

        read_text(page, transport->name);
        sink += (unsigned)transport->dial_timeout;
    }
    for (uint32_t i = 0; i < server_tls_count(page); i++) {
        const struct server_tls *row = server_tls_at(page, i);
        const struct server_san *sans = page_at(page, row->sans.items);
        size_t count;

        read_text(page, row->server_name);
        read_text(page, row->ciphers);
        read_bytes(page_at(page, row->certificates.items), row->certificates.count * sizeof(uint32_t));
        for (size_t k = 0; k < row->sans.count; k++) {
            read_text(page, sans[k].value);
        }
        const struct authority *found = authorities_find(page, row->authorities, 0, &count);

        for (size_t k = 0; k < count; k++) {
            read_text(page, found[k].der);
        }
    }
}

static bool one_header(const struct rule_request *request, struct slice name,
                       bool (*visit)(void *, struct slice), void *context)
{
    (void)request, (void)name;
    return visit(context, SLICE("value"));
}

static void read_routes(const struct page *page)
{
    static const struct {
        struct slice method, host, path, query;
    } requests[] = {
        {SLICE_INIT("GET"), SLICE_INIT("a.test"), SLICE_INIT("/"), SLICE_INIT("")},
        {SLICE_INIT("POST"), SLICE_INIT("b.a.test"), SLICE_INIT("/api/v1/x"), SLICE_INIT("a=b&c=%64")},
        {SLICE_INIT("GET"), SLICE_INIT(""), SLICE_INIT("/static"), SLICE_INIT("q")},
    };
    struct pool *scratch = pool_new(4096, 1 << 20);

    for (uint32_t i = 0; i < routes_count(page); i++) {
        const struct route *route = routes_at(page, i);

        read_text(page, route->name);
        read_text(page, route->rule);
        read_bytes(page_at(page, route->middlewares.items), route->middlewares.count * sizeof(uint32_t));
        sink += route->tls;
    }
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct rule_request request = {.method = requests[i].method,
                                       .host = requests[i].host,
                                       .path = requests[i].path,
                                       .query = requests[i].query,
                                       .client = {.bytes = {10, 0, 0, 1}, .family = 4},
                                       .header = one_header,
                                       .scratch = scratch};

        for (uint32_t point = 0; point < 3; point++) {
            sink += routes_match(page, point, i == 2, &request);
            pool_reset(scratch);
        }
    }
    pool_free(scratch);
}

static void read_tls(const struct page *page)
{
    static const struct slice hosts[] = {SLICE_INIT(""), SLICE_INIT("a.example.com"),
                                         SLICE_INIT("localhost")};

    for (uint32_t i = 0; i < tls_options_count(page); i++) {
        const struct tls_options_row *row = tls_options_at(page, i);
        const struct slice *authorities = page_at(page, row->authorities.items);

        read_text(page, row->name);
        read_text(page, row->ciphers);
        read_text(page, row->curves);
        read_text(page, row->alpn);
        for (size_t k = 0; k < row->authorities.count; k++) {
            read_text(page, authorities[k]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        sink += tls_options_find(page, (uint32_t)i, hosts[i]) + tls_options_only(page, (uint32_t)i);
    }
}

static void read_certificate(const struct page *page, const struct certificate_row *row)
{
    const struct slice *chain = page_at(page, row->chain.items);

    read_text(page, row->key);
    read_text(page, row->staple);
    for (size_t i = 0; i < row->chain.count; i++) {
        read_text(page, chain[i]);
    }
}

static void read_choice(const struct certificate_choice *choice)
{
    for (size_t kind = 0; kind < CERTIFICATE_KINDS; kind++) {
        if (choice->rows[kind]) {
            read_certificate(choice->pages[kind], choice->rows[kind]);
        }
    }
}

/* As if all pages of certificates were this one. */
static void read_certificates(const struct page *page)
{
    static const struct slice names[] = {SLICE_INIT(""), SLICE_INIT("a.example.com"),
                                         SLICE_INIT("localhost")};
    struct page *pages[PAGE_SERVICES];
    struct certificate_choice choice;

    for (size_t i = 0; i < PAGE_SERVICES; i++) {
        pages[i] = (struct page *)(uintptr_t)page;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (certificates_find(pages, names[i], &choice)) {
            read_choice(&choice);
        }
    }
}

static void read_secrets(const struct page *page)
{
    const struct certificate_row *row;
    struct certificate_choice choice;
    size_t tickets;

    for (uint32_t i = 0; (row = secrets_certificate(page, i)) != NULL; i++) {
        read_certificate(page, row);
    }
    secrets_fallback(page, &choice);
    read_choice(&choice);

    const struct ticket_key *keys = tickets_at(page, &tickets);

    read_bytes(keys, tickets * sizeof(*keys));
}

static void read_udp(const struct page *page)
{
    read_services(page);
    for (uint32_t i = 0; i < 4; i++) {
        sink += udp_page_service(page, i);
    }
    sink += udp_page_fit(page, 4, NULL) == 0;
}

static void read_tcp(const struct page *page)
{
    struct address address = {.family = 4, .bytes = {10, 0, 0, 1}};

    for (uint32_t i = 0; i < tcp_middlewares_count(page); i++) {
        const struct tcp_middleware_row *row = tcp_middleware_at(page, i);

        read_text(page, row->name);
        sink += ranges_hold(page_text(page, row->allowed), &address);
    }
    for (uint32_t i = 0; i < 64; i++) {
        const struct tcp_way *way = tcp_way_of(page, i);

        sink += tcp_point_flags(page, i) + (way ? way->proxy_protocol : 0);
    }
}

/* The first byte of an input says which. */
static const struct {
    enum page_kind kind;
    int (*check)(const struct page *page, struct error *why);
    void (*read)(const struct page *page);
} kinds[] = {
    {PAGE_STATIC, static_page_check, read_static},
    {PAGE_ROUTES, routes_check, read_routes},
    {PAGE_MIDDLEWARES, middlewares_check, read_middlewares},
    {PAGE_TRANSPORTS, transports_check, read_transports},
    {PAGE_TLS, tls_options_check, read_tls},
    {PAGE_SECRETS, secrets_check, read_secrets},
    {PAGE_UDP, udp_page_check, read_udp},
    {PAGE_TCP_ROUTES, routes_check, read_routes},
    {PAGE_TCP, tcp_page_check, read_tcp},
    {PAGE_SERVICES, services_check, read_services},
    {PAGE_CERTIFICATES, certificates_check, read_certificates},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = size > sizeof(struct page_header) ? size - 1 : sizeof(struct page_header);
    size_t at = size ? data[0] % ARRAY_LEN(kinds) : 0;
    enum page_kind kind = kinds[at].kind;
    struct page_header *header = calloc(1, length);
    struct error why = {""};
    struct page *page;

    if (!header) {
        return 0;
    }
    if (size > 1) {
        memcpy(header, data + 1, size - 1);
    }
    header->magic = PAGE_MAGIC;
    header->layout = PAGE_LAYOUT_VERSION;
    header->kind = kind;
    header->build_id = build_id();
    header->size = length;
    header->checksum = page_checksum(header, length);
    if (page_adopt_memory(header, length, kind, &page, &why) == 0) {
        if (kinds[at].check(page, &why) == 0) {
            kinds[at].read(page);
        }
        page_unref(page);
    }
    free(header);
    return 0;
}
