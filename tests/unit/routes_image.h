/*
 * routes_image.h - for tests: the bytes of a routes page with every kind of table in it, and requests that
 * visit them.
 */
#ifndef WEIR_TESTS_UNIT_ROUTES_IMAGE_H
#define WEIR_TESTS_UNIT_ROUTES_IMAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rule/rule.h"
#include "shm/page_inner.h"
#include "shm/routes.h"

#define IMAGE_ROUTERS 100

/* Owned by the caller. */
static inline char *image_make(size_t *size)
{
    static const uint32_t entry_points[] = {0, 70}, chain[] = {1, 2, 3};
    static const char *const rules[] = {
        "Host(`a.test`)",
        "Host(`*.a.test`) && Path(`/x`)",
        "PathPrefix(`/api`)",
        "PathPrefix(`/api/v1`) && !Method(`PUT`)",
        "(Method(`GET`) || Header(`X-A`, `1`) && Query(`q`, `2`)) && ClientIP(`10.0.0.0/8`)",
        "HostRegexp(`^b\\.test$`)",
    };
    static const char *const many[] = {
        "Host(`a.test`) && Header(`X-A`, `value%u`)",
        "Host(`a.test`) && PathRegexp(`/[a-z]+/item%u/`)",
        "HostRegexp(`[a-z]\\.tenant%u\\.test`)",
        "Host(`a.test`) && Query(`q`, `value%u`)",
        "Host(`a.test`) && Method(`M%u`)",
        "Host(`a.test`) && HeaderRegexp(`X-A`, `abc%uabc`)",
        "Host(`a.test`) && QueryRegexp(`q`, `abc%uabc`)",
        "Host(`a.test`) && PathRegexp(`z%u$`)",
    };
    struct pool *pool = pool_new(4096, 0);
    struct route_input inputs[IMAGE_ROUTERS] = {
        {{0}, NULL, {0}, false, 0, 0, NULL, 0, false, 0, NULL, 0, 0, 0, 0, 0}};
    struct rule *parsed[IMAGE_ROUTERS] = {NULL};
    struct page_builder *builder = builder_new(PAGE_ROUTES);
    struct stat st;
    struct error why;
    char text[128], *image;
    int fd;

    for (unsigned i = 0; i < IMAGE_ROUTERS; i++) {
        if (i < ARRAY_LEN(rules)) {
            (void)snprintf(text, sizeof(text), "%s", rules[i]);
        } else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)snprintf(text, sizeof(text), many[i % ARRAY_LEN(many)], i);
#pragma GCC diagnostic pop
        }
        inputs[i] = (struct route_input){.name = pool_printf(pool, "r%u", i),
                                         .rule_text = pool_copy(pool, slice_cstr(text)),
                                         .priority = i,
                                         .entry_points = entry_points,
                                         .entry_point_count = 1 + i % 2,
                                         .middlewares = chain,
                                         .middleware_count = i % 4,
                                         .layer = i % 8 == 7,
                                         .children = i == 3};
        if (rule_parse(pool, inputs[i].rule_text, RULE_V3, &parsed[i], &why) < 0) {
            abort();
        }
        inputs[i].rule = parsed[i];
    }
    routes_build(builder, inputs, IMAGE_ROUTERS);
    if (page_seal(builder, 1, &fd, &why) < 0 || fstat(fd, &st) < 0 || !(image = malloc((size_t)st.st_size)) ||
        pread(fd, image, (size_t)st.st_size, 0) != st.st_size) {
        abort();
    }
    close(fd);
    for (unsigned i = 0; i < IMAGE_ROUTERS; i++) {
        rule_free(parsed[i]);
    }
    builder_free(builder);
    pool_free(pool);
    *size = (size_t)st.st_size;
    return image;
}

/* Makes the header fit whatever the page says, so that only routes_check() stands between it and the
 * reader. */
static inline void image_fix(char *image, size_t size)
{
    struct page_header header;

    memcpy(&header, image, sizeof(header));
    header.magic = PAGE_MAGIC;
    header.layout = PAGE_LAYOUT_VERSION;
    header.kind = PAGE_ROUTES;
    header.build_id = build_id();
    header.size = size;
    memcpy(image, &header, sizeof(header));
    header.checksum = page_checksum(image, size);
    memcpy(image, &header, sizeof(header));
}

static inline bool image_header(const struct rule_request *request, struct slice name,
                                bool (*visit)(void *, struct slice), void *context)
{
    return request->context && slice_eq_nocase(name, SLICE("x-a"))
               ? visit(context, *(const struct slice *)request->context)
               : false;
}

/* Every reader of the page, with requests that reach all sorts of lists. */
static inline void image_visit(const struct page *page)
{
    static const struct {
        const char *host, *path, *query, *method, *header;
    } requests[] = {
        {"a.test", "/", "", "GET", "value8"},
        {"x.a.test", "/x", "", "GET", "1"},
        {"a.test", "/abc/item9/", "", "PUT", "none"},
        {"x.tenant10.test", "/api/v1/x", "q=2", "GET", "1"},
        {"a.test", "/", "q=value11&q=a%41", "M12", "abc13abc"},
        {"a.test", "/z15", "q=abc14abc", "GET", ""},
        {"b.test", "", "", "", "2"},
        {"", "*", "%", "GET", "abcabcabc"},
    };
    struct pool *scratch = pool_new(512, 65536);

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct slice header = slice_cstr(requests[i].header);
        struct rule_request request = {.method = slice_cstr(requests[i].method),
                                       .host = slice_cstr(requests[i].host),
                                       .path = slice_cstr(requests[i].path),
                                       .query = slice_cstr(requests[i].query),
                                       .header = image_header,
                                       .context = &header,
                                       .scratch = scratch};

        address_parse(SLICE("10.1.2.3"), &request.client);
        (void)routes_match(page, 0, false, &request);
        (void)routes_match(page, 70, false, &request);
        (void)routes_match_layer(page, 1, &request);
        (void)routes_match(page, 1u << 31, true, &request);
        (void)routes_try(page, (uint32_t)i, 0, false, &request);
        pool_reset(scratch);
    }
    for (uint32_t i = 0; i < routes_count(page) && i < 200; i++) {
        const struct route *route = routes_at(page, i);
        const uint32_t *chain = page_at(page, route->middlewares.items);
        volatile uint64_t sum = 0;

        for (size_t j = 0; j < route->middlewares.count; j++) {
            sum += chain[j];
        }
        for (size_t j = 0; j < route->name.len; j++) {
            sum += (unsigned char)page_text(page, route->name).ptr[j];
        }
    }
    pool_free(scratch);
}

#endif
