/*
 * doc_cases.h - what the tests of document readers share: a text in, its JSON or its error out.
 */
#ifndef WEIR_TESTS_UNIT_DOC_CASES_H
#define WEIR_TESTS_UNIT_DOC_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/doc/doc.h"

typedef int doc_reader(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                       struct error *why);

struct doc_case {
    struct slice text;
    const char *json;  /* what must come out, or NULL */
    const char *error; /* else: part of the error */
};
#define GOOD(text, json)                                                                                     \
    {                                                                                                        \
        SLICE_INIT(text), json, NULL                                                                         \
    }
#define BAD(text, error)                                                                                     \
    {                                                                                                        \
        SLICE_INIT(text), NULL, error                                                                        \
    }

static inline void check_doc_case(doc_reader *reader, const struct doc_case *c)
{
    struct pool *pool = pool_new(1024, 0);
    struct doc untouched = {0}, *out = &untouched;
    struct error why = {0};
    struct text json;
    /* a heap copy of exactly the size, so that the sanitizer sees every byte read too many */
    char *copy = malloc(c->text.len ? c->text.len : 1);
    int rc;

    text_init(&json);
    memcpy(copy, c->text.ptr, c->text.len);
    rc = reader(pool, SLICE("f"), slice_of(copy, c->text.len), &out, &why);
    memset(copy, 'x', c->text.len); /* the tree must not need the input any more */
    free(copy);
    if (c->json) {
        if (rc != 0) {
            fail_msg("refused: %s", why.text);
        }
        doc_to_json(out, &json);
        assert_string_equal(json.ptr, c->json);
    } else {
        if (rc == 0) {
            doc_to_json(out, &json);
            fail_msg("accepted as %s, expected: %s", json.ptr, c->error);
        }
        assert_ptr_equal(out, &untouched);
        if (strstr(why.text, c->error) == NULL) {
            fail_msg("the error is \"%s\", expected in it: \"%s\"", why.text, c->error);
        }
    }
    text_free(&json);
    pool_free(pool);
}

static inline void check_doc_cases(doc_reader *reader, const struct doc_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_message("case %zu\n", i);
        check_doc_case(reader, &cases[i]);
    }
}

/* A text of `unit` repeated, between `before` and `after`. */
static inline void check_repeated(doc_reader *reader, const char *before, const char *unit, size_t times,
                                  const char *after, const char *error)
{
    struct text text;
    struct pool *pool = pool_new(1024, 0);
    struct doc *out = NULL;
    struct error why = {0};

    text_init(&text);
    text_add_cstr(&text, before);
    for (size_t i = 0; i < times; i++) {
        text_add_cstr(&text, unit);
    }
    text_add_cstr(&text, after);
    int rc = reader(pool, SLICE("f"), text_slice(&text), &out, &why);

    if (error == NULL) {
        if (rc != 0) {
            fail_msg("refused: %s", why.text);
        }
    } else {
        assert_true(rc < 0);
        if (strstr(why.text, error) == NULL) {
            fail_msg("the error is \"%s\", expected in it: \"%s\"", why.text, error);
        }
    }
    text_free(&text);
    pool_free(pool);
}

#endif
