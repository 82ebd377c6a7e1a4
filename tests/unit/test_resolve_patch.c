/* test_resolve_patch.c - a model brought up to date by a patch is, whatever changed, the one that resolving everything
 * gives, and its pages are those that compiling everything gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "master/compile/compile.h"
#include "resolve_helper.h"

#define OBJECTS 25
#define VARIANTS 4 /* 0: it is not there */
#define ROUNDS 1500
#define OTHERS                                                                                               \
    124 /* services that stay, beside the nine and those inside: sometimes on one page, sometimes on two */

static struct static_loaded loaded;
static uint32_t seed = 1;

static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Router i leads to service i % 6; 6 to 8 are made of others; m2 and m4 are chains, m3 asks a service. 3 and 4 have TLS, and 3
 * one host and path in all variants. */
static void router_add(struct text *out, unsigned i, unsigned variant)
{
    static const char *const more[] = {"", "", ", middlewares: [m0, m2]", ", middlewares: [m4, m3]"};

    text_printf(out, "  r%u: {rule: \"Host(`h%u`) && PathPrefix(`/%u`)\", service: s%u%s%s%s}\n", i, i % 3,
                i == 3 ? 0 : variant, variant == 3 ? i % 9 : i % 6, i == 3 || i == 4 ? ", tls: {}" : "",
                i == 0 && variant == 3 ? ", middlewares: [a0]" : more[(i + variant) % 4],
                i % 5 == 4 ? ", entryPoints: [web, extra]" : "");
}

static void service_add(struct text *out, unsigned i, unsigned variant)
{
    if (i < 6) {
        text_printf(out, "  s%u: {loadBalancer: {servers: [{url: \"http://10.0.%u.1\"}]%s}}\n", i, variant,
                    variant == 3 ? ", sticky: {cookie: {}}" : "");
    } else if (i < 8) {
        text_printf(out, "  s%u: {weighted: {services: [{name: s%u, weight: %u}, {name: s%u}]}}\n", i, i - 6,
                    variant, i - 4);
    } else {
        text_printf(out, "  s8: {failover: {service: s%u, fallback: s5}}\n", variant);
    }
}

static void middleware_add(struct text *out, unsigned i, unsigned variant)
{
    static const char *const chains[] = {"", "m0", "m0, m1", "m1"};

    if (i == 1 && variant > 1) {
        text_printf(out,
                    "  m1: {basicAuth: {realm: r%u, users: [\"bob:{SHA}2oguq15ANCGsJCWKX31fllwpyEk=\"]}}\n",
                    variant);
    } else if (i < 2) {
        text_printf(out, "  m%u: {addPrefix: {prefix: \"/p%u\"}}\n", i, variant);
    } else if (i == 2) {
        text_printf(out, "  m2: {chain: {middlewares: [%s]}}\n", chains[variant]);
    } else if (i == 4) {
        text_printf(out, "  m4: {chain: {middlewares: [%s]}}\n",
                    variant == 1   ? "m2, m1"
                    : variant == 2 ? "m1"
                                   : "m2");
    } else {
        text_printf(out, "  m3: {errors: {service: %s, status: [\"500\"], query: /}}\n",
                    variant == 1   ? "s1"
                    : variant == 2 ? "s5"
                                   : "u");
    }
}

static void others_add(struct text *out, unsigned part, bool any, bool none)
{
    static const char *const parts[] = {"routers:\n", "services:\n", "middlewares:\n"};

    if (none) {
        return;
    }
    text_add_cstr(out, any ? "" : parts[part]);
    if (part == 2) {
        text_add_cstr(out, "  a0: {addPrefix: {prefix: /a}}\n  asks: {errors: {service: t5, status: "
                           "[\"500\"], query: /}}\n");
        return;
    }
    for (unsigned i = 0; i < OTHERS; i++) {
        if (part == 0) {
            text_printf(out, "  t%u: {rule: \"Host(`t%u`)\", service: t%u%s}\n", i, i, i,
                        i == 3 ? ", middlewares: [asks]" : "");
        } else {
            text_printf(out, "  t%u: {loadBalancer: {servers: [{url: \"http://10.1.0.%u\"}]}%s}\n", i, i,
                        i == 7 ? ", middlewares: [m1]" : "");
        }
    }
    text_add_cstr(out, part == 1 ? "  u: {loadBalancer: {servers: [{url: \"http://10.2.0.1\"}]}}\n" : "");
    for (unsigned i = 0; i < 3; i++) {
        if (part == 0) {
            text_printf(out, "  all%u: {rule: \"Host(`all%u`)\", service: all%u}\n", i, i, i);
        } else {
            text_printf(out, "  all%u: {weighted: {services: [{name: t%u}, {name: t7}, {name: t%u}]}}\n", i,
                        i, i + 90);
        }
    }
}

/* 0 to 10: routers, 11 to 19: services, from 20 on: middlewares. only: those that `of` has in another variant. */
static struct model *make(const unsigned *variants, const unsigned *of)
{
    struct text out;
    struct model *model;

    text_init(&out);
    for (unsigned part = 0; part < 3; part++) {
        static const unsigned first[] = {0, 11, 20, OBJECTS};
        bool any = false;

        for (unsigned i = first[part]; i < first[part + 1]; i++) {
            if (variants[i] == 0 || (of && of[i] == variants[i])) {
                continue;
            }
            if (!any) {
                text_add_cstr(&out, part == 0 ? "routers:\n" : part == 1 ? "services:\n" : "middlewares:\n");
            }
            any = true;
            (part == 0   ? router_add
             : part == 1 ? service_add
                         : middleware_add)(&out, i - first[part], variants[i]);
        }
        others_add(&out, part, any, of != NULL);
    }
    text_add_char(&out, '\0');
    model = resolve_model(out.ptr && out.ptr[0] ? out.ptr : "{}");
    text_free(&out);
    return model;
}

static void gone_add(struct model_patch *patch, enum model_part part, struct element *element)
{
    if (element) {
        patch->gone[patch->gone_count++] = (struct model_gone){part, element};
    }
}

static struct element *named(void *objects, size_t count, char letter, unsigned number)
{
    struct element **items = objects;
    char name[8];

    (void)snprintf(name, sizeof(name), "%c%u", letter, number);
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(items[i]->name, slice_cstr(name))) {
            return items[i];
        }
    }
    return NULL;
}

static struct model_patch patch_of(const struct model *base, const unsigned *before, const unsigned *now)
{
    struct model_patch patch = {.more = make(now, before)};

    patch.gone = calloc(OBJECTS, sizeof(*patch.gone));
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (before[i] == now[i] || before[i] == 0) {
            continue;
        }
        if (i < 11) {
            gone_add(&patch, PART_ROUTER, named(base->routers, base->router_count, 'r', i));
        } else if (i < 20) {
            gone_add(&patch, PART_SERVICE, named(base->services, base->service_count, 's', i - 11));
        } else {
            gone_add(&patch, PART_MIDDLEWARE, named(base->middlewares, base->middleware_count, 'm', i - 20));
        }
    }
    return patch;
}

static void assert_same(const struct model *patched, const struct model *whole, size_t round)
{
    struct text a, b;

    text_init(&a);
    text_init(&b);
    model_to_json(patched, &a);
    model_to_json(whole, &b);
    text_add_char(&a, '\0');
    text_add_char(&b, '\0');
    if (strcmp(a.ptr, b.ptr) != 0) {
        print_error("round %zu\npatched %s\nwhole   %s\n", round, a.ptr, b.ptr);
    }
    assert_string_equal(a.ptr, b.ptr);
    text_free(&a);
    text_free(&b);
}

static struct model *resolved(struct model *model)
{
    return resolve(&loaded.config, (struct model *const[]){model}, 1);
}

/* ---- pages ---- */
struct pages { /* of a model, as they were made last */
    struct compiler *compiler;
    size_t count;
    uint64_t hashes[PAGE_PLACES];
};

static void pages_take(struct pages *pages, struct compiled *compiled)
{
    compiler_free(pages->compiler);
    pages->compiler = compiled->compiler;
    compiled->compiler = NULL;
    pages->count = compiled->count;
    for (size_t i = 0; i < compiled->count; i++) {
        pages->hashes[i] = compiled->pages[i] ? builder_hash(compiled->pages[i]) : pages->hashes[i];
    }
    compiled_free(compiled);
}

static void pages_make(struct pages *pages, struct model *model)
{
    struct compiled compiled;
    struct error why;

    assert_int_equal(compile_model(&loaded.config, model, NULL, 1, NULL, NULL, &compiled, &why), 0);
    pages_take(pages, &compiled);
}

/* Errors that only the compiler finds are on other objects when all is resolved anew: then there is no patch. */
static bool pages_patch(struct pages *pages, const struct resolve_patched *out)
{
    const struct compile_change change = {.fresh = out->fresh, .fresh_count = out->fresh_count};
    struct compiled compiled;
    struct error why;
    int rc = out->tls ? -EAGAIN : compile_patch(pages->compiler, &change, 1, &compiled, &why);

    if (rc == 0) {
        pages_take(pages, &compiled);
    } else {
        assert_true(rc == -EAGAIN || rc == -ESTALE);
    }
    return rc == 0;
}

static void assert_same_pages(const struct pages *patched, const struct pages *whole, size_t round)
{
    assert_int_equal(patched->count, whole->count);
    for (size_t i = PAGE_STATIC + 1; i < whole->count; i++) {
        if (patched->hashes[i] != whole->hashes[i]) {
            fail_msg("round %zu: page %zu is another one", round, i);
        }
    }
}

static void forget(struct pages *pages, struct model **model, struct model **base)
{
    compiler_free(pages->compiler);
    pages->compiler = NULL;
    model_free(*model);
    model_free(*base);
    *model = *base = NULL;
}

/* A chain of patches on one model, until one of them is refused. */
static void patches_come_to_what_resolving_all_does(void **state)
{
    unsigned now[OBJECTS], before[OBJECTS];
    struct model *base = NULL, *model = NULL;
    struct pages pages = {.compiler = NULL}, whole_pages = {.compiler = NULL};
    size_t patched = 0, compiled = 0, cut = 0;

    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct pool *pool = pool_new(4096, 0);
        struct resolve_patched out;
        bool stale = false;

        if (model == NULL) {
            for (unsigned i = 0; i < OBJECTS; i++) {
                now[i] = pick(12) ? 1 + pick(VARIANTS - 1) : 0;
            }
            base = make(now, NULL);
            model = resolved(base);
            pages_make(&pages, model);
        }
        if (compiler_doubts(
                pages.compiler)) { /* errors of the compiler are on the model: it is not patched */
            forget(&pages, &model, &base);
            pool_free(pool);
            continue;
        }
        memcpy(before, now, sizeof(before));
        for (unsigned changes = 1 + pick(3); changes > 0; changes--) {
            unsigned at = pick(3) ? pick(11) : pick(OBJECTS);

            now[at] = at < 20 || pick(4) == 0 ? pick(VARIANTS)
                                              : 1 + pick(VARIANTS - 1); /* a middleware goes seldom */
        }

        struct model_patch patch = patch_of(base, before, now);
        struct model *all = make(now, NULL), *whole = resolved(all);
        bool good = resolve_patch(&loaded.config, model, &patch, pool, &out) == 0;

        model_patch_own(base, &patch);
        if (good) {
            assert_same(model, whole, round);
            pages_make(&whole_pages, whole);
            cut += whole_pages.count != pages.count;
            if (pages_patch(&pages, &out)) {
                assert_same_pages(&pages, &whole_pages, round);
                compiled++;
            } else { /* what only a compile finds is noted on the model by now */
                stale = true;
            }
            model_patch_apply(base, &patch);
            model_patch_free(&patch);
            patched++;
        } else {
            model_patch_free(&patch);
        }
        if (!good || stale) {
            forget(&pages, &model, &base);
        }
        model_free(whole);
        model_free(all);
        pool_free(pool);
    }
    compiler_free(whole_pages.compiler);
    forget(&pages, &model, &base);
    print_message("%zu patched, %zu compiled, %zu cut anew\n", patched, compiled, cut);
    assert_in_range(patched, ROUNDS / 4, ROUNDS);
    assert_in_range(compiled, ROUNDS / 8, ROUNDS);
    assert_in_range(cut, 1, ROUNDS);
}

static int setup(void **state)
{
    (void)state;
    resolve_static(&loaded, "--entryPoints.web.address=:80 --entryPoints.extra.address=:81 "
                            "--entryPoints.extra.http.middlewares=m0@file");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pool_free(loaded.pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(patches_come_to_what_resolving_all_does)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
