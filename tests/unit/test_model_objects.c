/*
 * test_model_objects.c - the objects of a model: adding, sorting, finding, errors, notices, giving back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/model/dynamic.h"

static void found_after_sorting(void **state)
{
    static const char *const names[] = {"m@file", "a@file", "z@file", "b@kubernetescrd",
                                        "b@file", "",       "aa@file"};
    struct model *model = model_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        model_add_router(model, slice_cstr(names[i]), SLICE("file"));
        model_add_service(model, slice_cstr(names[i]), SLICE("file"));
        model_add_middleware(model, slice_cstr(names[i]), SLICE("file"));
        model_add_transport(model, slice_cstr(names[i]), SLICE("file"));
    }
    model_sort(model);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct slice name = slice_cstr(names[i]);
        assert_true(slice_eq(model_find_router(model, name)->element.name, name));
        assert_true(slice_eq(model_find_service(model, name)->element.name, name));
        assert_true(slice_eq(model_find_middleware(model, name)->element.name, name));
        assert_true(slice_eq(model_find_transport(model, name)->element.name, name));
    }
    assert_null(model_find_router(model, SLICE("b")));
    assert_null(model_find_router(model, SLICE("zz@file")));
    for (size_t i = 1; i < model->router_count; i++) {
        assert_true(slice_cmp(model->routers[i - 1]->element.name, model->routers[i]->element.name) < 0);
    }
    model_free(model);
}

/* Many of the same name, in every order of merging: the first stays the first. */
static void equal_names_keep_their_order(void **state)
{
    (void)state;
    for (size_t count = 0; count < 70; count++) {
        struct model *model = model_new();

        for (size_t i = 0; i < count; i++) {
            char name[16];
            snprintf(name, sizeof(name), "n%zu", i % 3 == 0 ? 9 - i % 7 : i % 5);
            struct http_router *router = model_add_router(model, slice_cstr(name), SLICE("file"));
            router->element.origin.line = (uint32_t)i;
        }
        model_sort(model);
        assert_int_equal(model->router_count, count);
        for (size_t i = 1; i < count; i++) {
            const struct element *a = &model->routers[i - 1]->element, *b = &model->routers[i]->element;
            int order = slice_cmp(a->name, b->name);
            assert_true(order < 0 || (order == 0 && a->origin.line < b->origin.line));
        }
        model_free(model);
    }
}

static void errors_lift_the_status(void **state)
{
    struct model *model = model_new();
    struct element *element = &model_add_router(model, SLICE("r"), SLICE("file"))->element;
    const struct slice *errors;

    (void)state;
    assert_int_equal(element->status, ELEMENT_ENABLED);
    element_error(model, element, false, "%s %d", "small", 1);
    assert_int_equal(element->status, ELEMENT_WARNING);
    element_error(model, element, true, "big");
    assert_int_equal(element->status, ELEMENT_DISABLED);
    element_error(model, element, false, "small again");
    assert_int_equal(element->status, ELEMENT_DISABLED);
    element_error(model, element, true, "big");
    assert_int_equal(element->errors.count, 3);
    errors = element->errors.items;
    assert_true(slice_eq(errors[0], SLICE("small 1")));
    assert_true(slice_eq(errors[1], SLICE("big")));
    assert_true(slice_eq(errors[2], SLICE("small again")));
    model_free(model);
}

static void long_texts_stay_whole(void **state)
{
    struct model *model = model_new();
    struct origin origin = {.file = SLICE("a.yml"), .line = 7, .object = SLICE("Kind ns/name")};
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    model_notice(model, true, &origin, "%s!", text);
    model_notice(model, false, NULL, "second");
    assert_int_equal(model->notice_count, 2);
    assert_int_equal(model->notices[0].text.len, sizeof(text));
    assert_int_equal(model->notices[0].origin.line, 7);
    assert_true(slice_eq(model->notices[0].origin.object, origin.object));
    assert_false(model->notices[1].is_error);
    model_free(model);
}

static void released(void *context)
{
    ++*(int *)context;
}

static void freeing_calls_release_once(void **state)
{
    struct model *model = model_new();
    int calls = 0;

    (void)state;
    model->release = released;
    model->release_context = &calls;
    model_free(model);
    assert_int_equal(calls, 1);
    model_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_after_sorting),        cmocka_unit_test(equal_names_keep_their_order),
        cmocka_unit_test(errors_lift_the_status),     cmocka_unit_test(long_texts_stay_whole),
        cmocka_unit_test(freeing_calls_release_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
