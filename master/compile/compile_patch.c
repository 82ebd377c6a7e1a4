/*
 * compile_patch.c - compiles a model after a few of its objects have changed (master/resolve/patch.c): routes anew, of services
 * and middlewares only the pages that they stand on.
 *
 * The plan is made whole, so what gets in and its numbers are those of a whole compile. Where a number of something else
 * has become another, or the pages of TLS, TCP or secrets may be others, it is -EAGAIN; where something cannot be served -ESTALE.
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

/* Marks the pages of services that are others. False: one that did not change has another number. */
static bool find_pages(const struct compiler *before, const struct compiler *now,
                       const struct compile_change *change, bool *pages)
{
    if (now->service_count != before->service_count ||
        now->http_service_count != before->http_service_count) {
        return false;
    }
    for (uint32_t i = 0; i < now->service_count; i++) {
        if (now->service_elements[i] == before->service_elements[i]) {
            continue;
        }
        if (!is_fresh(change, now->service_elements[i])) {
            return false;
        }
        pages[i >> now->service_shift] = true;
    }
    for (size_t i = 0; i < change->server_count; i++) {
        uint32_t number = now->service_numbers[change->servers[i].position];

        if (number != NUMBER_NONE) {
            pages[number >> now->service_shift] = true;
        }
    }
    return true;
}

static bool transports_are_same(const struct compiler *before, const struct compiler *now)
{
    return now->transport_count == before->transport_count &&
           memcmp(now->transport_numbers, before->transport_numbers,
                  now->model->transport_count * sizeof(*now->transport_numbers)) == 0;
}

/* Rows of services have numbers of middlewares, rows of middlewares with keys have to do with who fetches those. */
static bool middlewares_may_differ(const struct compiler *compiler)
{
    for (size_t i = 0; i < compiler->model->service_count; i++) {
        if (compiler->service_chains[i].count) {
            return false;
        }
    }
    for (uint32_t i = 0; i < compiler->middleware_count; i++) {
        if (compiler->model->middlewares[compiler->middleware_rows[i].middleware]->key_set.len) {
            return false;
        }
    }
    return true;
}

static int compile_pages(struct compiler *compiler, const struct compiler *before,
                         const struct compile_change *change, const bool *pages, struct compiled *made,
                         struct error *why)
{
    int rc = 0;

    if (compiler->middleware_sum != before->middleware_sum) {
        made->pages[PAGE_MIDDLEWARES] = builder_new(PAGE_MIDDLEWARES);
        rc = change->middlewares_only || middlewares_may_differ(compiler)
                 ? compile_middlewares(compiler, made->pages[PAGE_MIDDLEWARES], why)
                 : -EAGAIN;
    }
    for (size_t i = 0; i < made->count - PAGE_SERVICES && rc == 0; i++) {
        if (pages[i]) {
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
    bool pages[PAGE_SERVICES_MOST] = {false};
    struct compiled made = {
        .compiler = compiler_new(before->config, before->model, before->board, generation, before->names)};
    struct compiler *compiler = made.compiler;
    int rc = before->doubts ? -EAGAIN : 0;

    compiler->changes = change->server_count ? change->servers : &nothing;
    compiler->change_count = change->server_count;
    compiler->transport_rows = before->transport_rows;
    plan_all(compiler);
    made.count = PAGE_SERVICES + services_pages(compiler->service_count, compiler->service_shift);
    rc = rc == 0 && (compiler->doubts || compiler->noted) ? -ESTALE : rc;
    if (rc == 0 && (!find_pages(before, compiler, change, pages) || !transports_are_same(before, compiler) ||
                    compile_tls_only_sum(compiler) != before->tls_only_sum)) {
        rc = -EAGAIN;
    }
    rc = rc == 0 ? compile_pages(compiler, before, change, pages, &made, why) : rc;
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
