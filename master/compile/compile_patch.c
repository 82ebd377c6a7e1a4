/*
 * compile_patch.c - compiles a model after a few of its objects have changed (master/resolve/patch.c): routes anew, of services
 * and middlewares only the pages that they stand on.
 *
 * The plan is made whole, so what gets in and its numbers are those of a whole compile. Services that moved on their page
 * take along the rows that name them. Where services are dealt out in another way, one that did not change comes into use, or
 * the pages of TLS, TCP or secrets may be others, it is -EAGAIN; where something cannot be served -ESTALE.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "master/compile/compiler.h"

static bool is_fresh(const struct compile_change *change, const struct element *element)
{
    size_t low = 0, high = change->fresh_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uintptr_t)change->fresh[middle] < (uintptr_t)element) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < change->fresh_count && change->fresh[low] == element;
}

struct pages {                       /* of services, by place */
    bool others[PAGE_SERVICES_MOST]; /* are to be made anew */
    bool moved[PAGE_SERVICES_MOST];  /* who stays there has another number */
};

static bool same_cut(const struct compiler *before, const struct compiler *now)
{
    return now->service_shift == before->service_shift && now->service_pages == before->service_pages &&
           now->http_service_pages == before->http_service_pages &&
           now->tcp_service_count == before->tcp_service_count;
}

static bool asked_for_health(const struct compiler *compiler, const struct element *service)
{
    for (size_t i = 0; i < compiler->health_count; i++) {
        if (slice_eq(compiler->health[i].service, service->name)) {
            return true;
        }
    }
    return false;
}

/* Both are in order of names. False: one came that did not change, or one went whose servers are asked for their health. */
static bool page_compare(const struct compiler *before, const struct compiler *now, uint32_t page,
                         const struct compile_change *change, struct pages *pages)
{
    uint32_t old = before->service_firsts[page], old_end = before->service_firsts[page + 1];
    uint32_t fresh = now->service_firsts[page], fresh_end = now->service_firsts[page + 1];
    const struct element **left = before->service_elements, **right = now->service_elements;

    while (old < old_end || fresh < fresh_end) {
        int order = old == old_end       ? 1
                    : fresh == fresh_end ? -1
                                         : slice_cmp(left[old]->name, right[fresh]->name);

        pages->others[page] = pages->others[page] || order != 0 || left[old] != right[fresh];
        pages->moved[page] = pages->moved[page] || order != 0;
        if ((order < 0 && asked_for_health(before, left[old])) ||
            (order > 0 && !is_fresh(change, right[fresh])) ||
            (order == 0 && left[old] != right[fresh] && !is_fresh(change, right[fresh]))) {
            return false;
        }
        old += order <= 0;
        fresh += order >= 0;
    }
    return true;
}

static bool page_is_same(const struct compiler *before, const struct compiler *now, uint32_t page)
{
    uint32_t count = now->service_firsts[page + 1] - now->service_firsts[page];

    return count == before->service_firsts[page + 1] - before->service_firsts[page] &&
           memcmp(&before->service_elements[before->service_firsts[page]],
                  &now->service_elements[now->service_firsts[page]],
                  count * sizeof(*now->service_elements)) == 0;
}

static bool names_moved(const struct compiler *compiler, const struct pages *pages, struct slice name,
                        struct slice provider)
{
    uint32_t position = name_find(compiler, &compiler->services, name, provider);
    uint32_t number = position == NUMBER_NONE ? NUMBER_NONE : compiler->service_numbers[position];

    return number != NUMBER_NONE && pages->moved[number >> compiler->service_shift];
}

/* A service of others, whose rows name those by number. */
static bool parent_names_moved(const struct compiler *compiler, const struct pages *pages,
                               const struct http_service *service)
{
    const struct service_config *config = &service->config;
    const struct weighted *weighted = service_children(service);
    const struct weighted_service *children = weighted ? weighted->services.items : NULL;
    const struct mirror_service *mirrors = config->mirroring ? config->mirroring->mirrors.items : NULL;
    struct slice provider = service->element.provider;
    bool moved = false;

    for (size_t i = 0; weighted && i < weighted->services.count && !moved; i++) {
        moved = names_moved(compiler, pages, children[i].name, provider);
    }
    if (config->failover) {
        moved = moved || names_moved(compiler, pages, config->failover->service, provider) ||
                names_moved(compiler, pages, config->failover->fallback, provider);
    }
    if (config->mirroring) {
        moved = moved || names_moved(compiler, pages, config->mirroring->service, provider);
    }
    for (size_t i = 0; config->mirroring && i < config->mirroring->mirrors.count && !moved; i++) {
        moved = names_moved(compiler, pages, mirrors[i].name, provider);
    }
    return moved;
}

static void find_parents(const struct compiler *compiler, struct pages *pages)
{
    for (size_t i = 0; i < compiler->model->service_count; i++) {
        const struct http_service *service = compiler->model->services[i];
        uint32_t number = compiler->service_numbers[i];

        if (number != NUMBER_NONE && service->config.load_balancer == NULL &&
            parent_names_moved(compiler, pages, service)) {
            pages->others[number >> compiler->service_shift] = true;
        }
    }
}

/* The pages of services that are others. False: more than what changed would have another number or another row. */
static bool find_pages(const struct compiler *before, const struct compiler *now,
                       const struct compile_change *change, struct pages *pages)
{
    bool any = false;

    if (!same_cut(before, now)) {
        return false;
    }
    for (uint32_t page = 0; page < now->service_pages; page++) {
        if (page_is_same(before, now, page)) {
            continue;
        }
        if (page >= now->http_service_pages || !page_compare(before, now, page, change, pages)) {
            return false;
        }
        any = any || pages->moved[page];
    }
    for (size_t i = 0; i < change->server_count; i++) {
        uint32_t number = now->service_numbers[change->servers[i].position];

        if (number != NUMBER_NONE) {
            pages->others[number >> now->service_shift] = true;
        }
    }
    if (any) {
        find_parents(now, pages);
    }
    return true;
}

static bool transports_are_same(const struct compiler *before, const struct compiler *now)
{
    return now->transport_count == before->transport_count &&
           memcmp(now->transport_numbers, before->transport_numbers,
                  now->model->transport_count * sizeof(*now->transport_numbers)) == 0;
}

/* Rows of services have numbers of their middlewares. */
static void find_chains(const struct compiler *compiler, struct pages *pages)
{
    for (size_t i = 0; i < compiler->model->service_count; i++) {
        if (compiler->model->services[i]->config.middlewares.count &&
            compiler->service_numbers[i] != NUMBER_NONE) {
            pages->others[compiler->service_numbers[i] >> compiler->service_shift] = true;
        }
    }
}

/* Who asks other servers is told of the words when rows of middlewares with such are made. */
static bool any_learns(const struct compiler *compiler)
{
    for (uint32_t i = 0; i < compiler->middleware_count; i++) {
        if (compiler->model->middlewares[compiler->middleware_rows[i].middleware]->learns.len) {
            return true;
        }
    }
    return false;
}

static int compile_pages(struct compiler *compiler, const struct compiler *before,
                         const struct compile_change *change, struct pages *pages, struct compiled *made,
                         struct error *why)
{
    int rc = 0;

    if (compiler->middleware_sum != before->middleware_sum) {
        made->pages[PAGE_MIDDLEWARES] = builder_new(PAGE_MIDDLEWARES);
        rc = change->middlewares_only || !any_learns(compiler)
                 ? compile_middlewares(compiler, made->pages[PAGE_MIDDLEWARES], why)
                 : -EAGAIN;
    }
    if (compiler->chains_sum != before->chains_sum) {
        find_chains(compiler, pages);
    }
    for (size_t i = 0; i < made->count - PAGE_SERVICES && rc == 0; i++) {
        if (pages->others[i]) {
            made->pages[PAGE_SERVICES + i] = compile_services_page(compiler, i);
        }
    }
    if (rc == 0 && !change->middlewares_only) {
        made->pages[PAGE_ROUTES] = builder_new(PAGE_ROUTES);
        compile_routes(compiler, made->pages[PAGE_ROUTES]);
    }
    return rc;
}

static bool any_error(const struct compiler *compiler, const struct compile_change *change)
{
    size_t errors = 0;

    for (size_t i = 0; i < change->fresh_count; i++) {
        errors += change->fresh[i]->errors.count;
    }
    for (size_t i = 0; i < change->server_count; i++) {
        errors += compiler->model->services[change->servers[i].position]->element.errors.count;
    }
    return errors > 0;
}

/* What both have of the same pool belongs to the newer one from now on. */
static void hand_on(struct compiler *before, struct compiler *compiler)
{
    struct pool *own = compiler->lasting;

    compiler->lasting = before->lasting;
    before->lasting = own;
    compiler->health = before->health;
    compiler->health_count = before->health_count;
    compiler->health_capacity = before->health_capacity;
    compiler->system_there = before->system_there;
    compiler->tls_only_sum = before->tls_only_sum;
    compiler->secrets = before->secrets;
}

int compile_patch(struct compiler *before, const struct compile_change *change, uint64_t generation,
                  struct compiled *out, struct error *why)
{
    static const struct servers_change nothing;
    struct pages pages = {0};
    struct compiled made = {
        .compiler = compiler_new(before->config, before->model, before->board, generation, before->names)};
    struct compiler *compiler = made.compiler;
    int rc = before->doubts ? -EAGAIN : 0;

    compiler->changes = change->server_count ? change->servers : &nothing;
    compiler->change_count = change->server_count;
    compiler->transport_rows = before->transport_rows;
    plan_all(compiler);
    made.count = PAGE_SERVICES + compiler->service_pages;
    rc = rc == 0 && (compiler->doubts || compiler->noted) ? -ESTALE : rc;
    if (rc == 0 && (!find_pages(before, compiler, change, &pages) || !transports_are_same(before, compiler) ||
                    compile_tls_only_sum(compiler) != before->tls_only_sum)) {
        rc = -EAGAIN;
    }
    rc = rc == 0 ? compile_pages(compiler, before, change, &pages, &made, why) : rc;
    if (rc == 0 && (compiler->doubts || compiler->noted || any_error(compiler, change))) {
        rc = -ESTALE;
    }
    if (rc == 0 && compiler->system_wanted && !before->system_there) {
        rc = -EAGAIN;
    }
    compiler->changes = NULL;
    compiler->change_count = 0;
    compiler_strip(compiler);
    if (rc < 0) {
        compiled_free(&made);
        return rc;
    }
    hand_on(before, compiler);
    *out = made;
    return 0;
}
