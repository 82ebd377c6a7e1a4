/* test_kube_table.c - what a table says changed since somebody looked, and when it only says "look again". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/text.h"
#include "master/kube/object.h"
#include "master/kube/table.h"

#define OWNER 1u

static const struct kube_resource slice = {
    .group = "discovery.k8s.io", .version = "v1", .plural = "endpointslices", .kind = "EndpointSlice"};
static const struct kube_resource endpoints = {
    .group = "", .version = "v1", .plural = "endpoints", .kind = "Endpoints"};
static const struct kube_resource service = {
    .group = "", .version = "v1", .plural = "services", .kind = "Service"};

static struct kube_batch *object(const struct kube_resource *resource, const char *name, int value)
{
    struct kube_batch *batch = NULL;
    char text[128], version[64];
    struct error why;

    (void)snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%s\"},\"v\":%d}", name, value);
    assert_int_equal(kube_object_read(resource, slice_cstr(text), &batch, version, &why), 0);
    return batch;
}

static bool put(struct kube_table *table, const struct kube_resource *resource, const char *name, int value)
{
    return kube_table_put(table, object(resource, name, value), OWNER, 1);
}

static void look(struct kube_table *table)
{
    kube_store_free(kube_table_look(table));
}

static int64_t value_of(const struct kube_batch *batch)
{
    int64_t value = 0;

    if (batch) {
        doc_int(doc_get(batch->objects[0].doc, "v"), &value);
    }
    return value;
}

/* "a:1>2 b:0>1", or "?" when only a look tells; "(3)" behind it: that a store of so many came along. */
static void changed(struct kube_table *table, const char *want)
{
    const struct kube_object **objects;
    struct kube_change *changes;
    struct kube_store *now;
    struct text got;
    size_t count;

    text_init(&got);
    text_add_cstr(&got, "");
    if (!kube_table_changes(table, &changes, &count, &now)) {
        text_add_cstr(&got, "?");
    }
    for (size_t i = 0; i < count; i++) {
        const struct kube_batch *any = changes[i].now ? changes[i].now : changes[i].before;

        text_printf(&got, "%s%.*s:%lld>%lld", i ? " " : "", SLICE_ARG(any->objects[0].name),
                    (long long)value_of(changes[i].before), (long long)value_of(changes[i].now));
    }
    if (now) {
        text_printf(&got, " (%zu)", kube_objects(now, &objects));
        kube_store_free(now);
    }
    assert_string_equal(got.ptr, want);
    kube_changes_free(changes, count);
    text_free(&got);
}

static void slices_are_told_in_order_once(void **state)
{
    struct kube_table *table = kube_table_new();
    struct kube_batch *gone;

    (void)state;
    changed(table, "?"); /* nobody has looked */
    assert_true(put(table, &slice, "a", 1));
    look(table);
    changed(table, "");
    assert_true(put(table, &slice, "a", 2));
    assert_false(put(table, &slice, "a", 2));
    assert_true(put(table, &endpoints, "b", 1));
    changed(table, "a:1>2 b:0>1");
    changed(table, "");
    gone = object(&slice, "a", 0);
    assert_true(kube_table_remove(table, &gone->objects[0]));
    batch_unref(gone);
    assert_true(kube_table_sweep(table, OWNER, 2));
    changed(table, "a:2>0 b:1>0");
    kube_table_free(table);
}

static void anything_else_comes_with_a_store(void **state)
{
    struct kube_table *table = kube_table_new();

    (void)state;
    look(table);
    assert_true(put(table, &slice, "a", 1));
    assert_true(put(table, &service, "s", 1));
    assert_true(put(table, &slice, "a", 2));
    changed(table, "a:0>1 s:0>1 a:1>2 (2)");
    assert_false(put(table, &service, "s", 1));
    assert_true(put(table, &slice, "a", 3));
    changed(table, "a:2>3");
    kube_table_doubt(table);
    changed(table, "?");
    changed(table, "?"); /* until somebody looks */
    look(table);
    for (int i = 0; i < 5000; i++) { /* whom nobody asks for keeps no more than so many */
        assert_true(put(table, &slice, "a", 10 + i));
    }
    changed(table, "?");
    assert_true(put(table, &slice, "a", 1)); /* the rest is given back with the table */
    look(table);
    assert_true(put(table, &slice, "a", 2));
    kube_table_free(table);
}

static void another_table_is_given_what_one_owner_has(void **state)
{
    struct kube_table *from = kube_table_new(), *to = kube_table_new();

    (void)state;
    assert_true(put(from, &slice, "a", 1));
    assert_true(put(from, &slice, "b", 2));
    assert_true(kube_table_put(from, object(&slice, "other", 3), OWNER + 1, 1));
    look(to);
    assert_true(kube_table_copy(from, OWNER, to, 7));
    changed(to, "a:0>1 b:0>2");
    assert_false(kube_table_copy(from, OWNER, to, 7));
    assert_false(kube_table_sweep(to, 7, 1)); /* marks came along */
    kube_table_free(from);
    assert_true(kube_table_sweep(to, 7, 2));
    changed(to, "a:1>0 b:2>0");
    kube_table_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_told_in_order_once),
        cmocka_unit_test(anything_else_comes_with_a_store),
        cmocka_unit_test(another_table_is_given_what_one_owner_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
