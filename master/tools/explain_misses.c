/*
 * explain_misses.c - routers that did not get the request: asked in vain, nearest of all, or disabled. See explain.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "master/tools/explain.h"
#include "master/tools/explain_why.h"

#define NEAR_MISSES 10

struct miss {
    struct slice name, rule;
    int64_t priority;
    struct text why;
    size_t distance;
    uint32_t number;
};

static bool on_entry_point(const struct http_router *router, struct slice entry_point)
{
    const struct slice *names = router->entry_points.items;

    for (size_t i = 0; i < router->entry_points.count; i++) {
        if (slice_eq(names[i], entry_point)) {
            return true;
        }
    }
    return false;
}

/* Why a router of this entry point did not take the request; false when it is of another entry point. */
static bool miss_of(const struct answer *answer, uint32_t number, struct miss *out)
{
    const struct page *page = explain_page(answer, PAGE_ROUTES);
    const struct route *route = routes_at(page, number);
    struct slice name = page_text(page, route->name);
    const struct http_router *router = model_find_router(answer->tool.model, name);

    if (router == NULL || route->layer != answer->layer ||
        (answer->layer == 0 && !on_entry_point(router, explain_entry_point(answer, answer->entry_point)))) {
        return false;
    }
    *out = (struct miss){
        .name = name, .rule = page_text(page, route->rule), .priority = route->priority, .number = number};
    text_init(&out->why);
    if (answer->layer == 0 && route->tls != answer->question.tls) {
        text_add_cstr(&out->why,
                      route->tls ? "serves TLS connections only" : "serves connections without TLS only");
        out->distance = 1;
    }
    if (router->rule && !rule_matches(router->rule, &answer->request)) {
        text_add_cstr(&out->why, out->why.len ? "; " : "");
        out->distance += explain_why(router->rule, router->config.rule, &answer->request, &out->why);
    }
    return true;
}

static void print_miss(const struct miss *miss)
{
    printf("  %.*s (priority %lld): %.*s\n", SLICE_ARG(miss->name), (long long)miss->priority,
           SLICE_ARG(text_slice(&miss->why)));
}

void explain_passed_over(const struct answer *answer, uint32_t winner)
{
    bool any = false;

    for (uint32_t i = 0; i < winner; i++) {
        struct miss miss;

        if (!miss_of(answer, i, &miss)) {
            continue;
        }
        if (!any) {
            puts("\nasked before it, without a match:");
            any = true;
        }
        print_miss(&miss);
        text_free(&miss.why);
    }
}

static int nearer(const void *a, const void *b)
{
    const struct miss *left = a, *right = b;

    if (left->distance != right->distance) {
        return left->distance < right->distance ? -1 : 1;
    }
    return (left->number > right->number) - (left->number < right->number);
}

void explain_near_misses(const struct answer *answer)
{
    uint32_t total = routes_count(explain_page(answer, PAGE_ROUTES));
    struct miss *misses = calloc(total ? total : 1, sizeof(*misses));
    size_t count = 0;

    printf("%snone: 404 page not found (reason no_route)\n",
           answer->layer ? "child router   " : "router         ");
    for (uint32_t i = 0; misses && i < total; i++) {
        count += miss_of(answer, i, &misses[count]);
    }
    if (count == 0) {
        puts("\nno router serves this entry point");
    } else {
        qsort(misses, count, sizeof(*misses), nearer);
        printf("\nnearest routers of %s, and why they do not match:\n",
               answer->layer ? "this layer" : "this entry point");
    }
    for (size_t i = 0; i < count; i++) {
        if (i < NEAR_MISSES) {
            print_miss(&misses[i]);
        }
        text_free(&misses[i].why);
    }
    if (count > NEAR_MISSES) {
        printf("  and %zu more\n", count - NEAR_MISSES);
    }
    free(misses);
}

void explain_disabled(const struct answer *answer)
{
    const struct model *model = answer->tool.model;
    bool any = false;

    for (size_t i = 0; i < model->router_count; i++) {
        const struct http_router *router = model->routers[i];
        const struct slice *errors = router->element.errors.items;

        if (router->element.status != ELEMENT_DISABLED ||
            (router->rule && !rule_matches(router->rule, &answer->request))) {
            continue;
        }
        if (!any) {
            puts("\ndisabled, would match or cannot be read:");
            any = true;
        }
        printf("  %.*s:", SLICE_ARG(router->element.name));
        for (size_t j = 0; j < router->element.errors.count; j++) {
            printf("%s %.*s", j ? ";" : "", SLICE_ARG(errors[j]));
        }
        putchar('\n');
    }
}
