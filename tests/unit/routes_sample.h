/*
 * routes_sample.h - for tests of rules and routes: requests written as text, and pages built from rules.
 */
#ifndef WEIR_TESTS_UNIT_ROUTES_SAMPLE_H
#define WEIR_TESTS_UNIT_ROUTES_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/rule/regex.h"
#include "common/rule/rule.h"
#include "shm/routes.h"

#define SAMPLE_HEADERS 8

struct sample_request {
    struct rule_request request; /* first: the header callback finds the rest */
    struct slice names[SAMPLE_HEADERS], values[SAMPLE_HEADERS];
    size_t headers;
};

static inline bool sample_header(const struct rule_request *request, struct slice name,
                                 bool (*visit)(void *, struct slice), void *context)
{
    const struct sample_request *sample = (const struct sample_request *)request->context;
    bool last = false;

    for (size_t i = 0; i < sample->headers && !last; i++) {
        if (slice_eq_nocase(sample->names[i], name)) {
            last = visit(context, sample->values[i]);
        }
    }
    return last;
}

/* "GET a.test/path?query" or "GET /path". */
static inline void sample_init(struct sample_request *sample, struct pool *scratch, const char *line)
{
    struct slice rest = slice_cstr(line);

    *sample = (struct sample_request){0};
    sample->request.method = slice_split(&rest, ' ');
    ptrdiff_t slash = slice_find(rest, '/');

    if (slash < 0) {
        slash = (ptrdiff_t)rest.len;
    }
    sample->request.host = slice_head(rest, (size_t)slash);
    rest = slice_from(rest, (size_t)slash);
    ptrdiff_t question = slice_find(rest, '?');

    sample->request.path = question < 0 ? rest : slice_head(rest, (size_t)question);
    sample->request.query = question < 0 ? slice_of("", 0) : slice_from(rest, (size_t)question + 1);
    sample->request.header = sample_header;
    sample->request.context = sample;
    sample->request.scratch = scratch;
    address_parse(SLICE("10.1.2.3"), &sample->request.client);
}

static inline void sample_add_header(struct sample_request *sample, struct slice name, struct slice value)
{
    assert_true(sample->headers < SAMPLE_HEADERS);
    sample->names[sample->headers] = name;
    sample->values[sample->headers++] = value;
}

/* The page of these routers, checked. */
static inline struct page *sample_page(const struct route_input *routers, size_t count)
{
    struct page_builder *builder = builder_new(PAGE_ROUTES);
    struct page *page = NULL;
    struct error why = {{0}};
    int fd = -1;

    routes_build(builder, routers, count);
    assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
    assert_int_equal(page_adopt(fd, PAGE_ROUTES, &page, &why), 0);
    close(fd);
    builder_free(builder);
    if (routes_check(page, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return page;
}

#endif
