/*
 * test_kube_object.c - what of an API server's objects is kept, what counts as a change, and the table that holds them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/text.h"
#include "common/doc/doc.h"
#include "master/kube/object.h"
#include "master/kube/table.h"
#include "master/kube/unread.h"

static const struct kube_resource route = {
    .group = "traefik.io", .version = "v1alpha1", .kind = "IngressRoute", .status = KUBE_STATUS_CONDITIONS};
static const struct kube_resource service = {.group = "", .version = "v1", .kind = "Service"};
static const struct kube_resource slice = {
    .group = "discovery.k8s.io", .version = "v1", .kind = "EndpointSlice"};
static const struct kube_resource node = {
    .group = "", .version = "v1", .kind = "Node", .cluster_scoped = true};

static struct kube_batch *read_object(const struct kube_resource *resource, const char *text)
{
    struct kube_batch *batch = NULL;
    char version[64];
    struct error why;

    if (kube_object_read(resource, slice_cstr(text), &batch, version, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return batch;
}

static void unread_parts_are_cut_off(void **state)
{
    static const struct {
        const struct kube_resource *resource;
        const char *text, *want;
    } cases[] = {
        {&route,
         "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\",\"resourceVersion\":\"5\",\"generation\":2,"
         "\"uid\":\"u\",\"selfLink\":\"x\","
         "\"managedFields\":[{}],\"annotations\":{\"kubectl.kubernetes.io/"
         "last-applied-configuration\":\"{}\",\"kubernetes.io/ingress.class\":\"v\",\"k\":\"v\","
         "\"traefik.frontend.priority\":\"1\",\"x.ingress.kubernetes.io/y\":\"\",\"weir.dev/z\":\"\"}},"
         "\"spec\":{\"n\":1},\"status\":{\"s\":1}}",
         "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\",\"uid\":\"u\",\"annotations\":{\"kubernetes.io/"
         "ingress.class\":\"v\",\"traefik.frontend.priority\":\"1\","
         "\"x.ingress.kubernetes.io/y\":\"\",\"weir.dev/z\":\"\"}},"
         "\"spec\":{\"n\":1},"
         "\"kind\":\"IngressRoute\",\"apiVersion\":\"traefik.io/v1alpha1\"}"},
        {&service,
         "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\"},\"status\":{"
         "\"loadBalancer\":{}}}",
         "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\"},\"status\":{"
         "\"loadBalancer\":{}}}"},
        {&slice,
         "{\"metadata\":{\"name\":\"a\",\"annotations\":{\"t\":\"now\"},\"labels\":{\"l\":\"1\"}},\"ports\":["
         "]}",
         "{\"metadata\":{\"name\":\"a\",\"labels\":{\"l\":\"1\"}},\"ports\":[],\"kind\":\"EndpointSlice\","
         "\"apiVersion\":\"discovery.k8s.io/v1\"}"},
        {&node,
         "{\"metadata\":{\"name\":\"a\",\"annotations\":{}},\"status\":{\"conditions\":[1],\"addresses\":[2],"
         "\"images\":[3]}}",
         "{\"metadata\":{\"name\":\"a\"},\"status\":{\"addresses\":[2]},\"kind\":\"Node\",\"apiVersion\":"
         "\"v1\"}"},
        {&node, "{\"metadata\":{\"name\":\"a\"},\"status\":{\"conditions\":[1]}}",
         "{\"metadata\":{\"name\":\"a\"},\"status\":{},\"kind\":\"Node\",\"apiVersion\":\"v1\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kube_batch *batch = read_object(cases[i].resource, cases[i].text);
        struct text json;

        print_message("case %zu\n", i);
        text_init(&json);
        doc_to_json(batch->objects[0].doc, &json);
        assert_string_equal(json.ptr, cases[i].want);
        assert_int_equal(batch->objects[0].origin.line, 0);
        assert_int_equal(batch->objects[0].origin.file.len, 0);
        text_free(&json);
        batch_unref(batch);
    }
}

static void events_are_taken_apart(void **state)
{
    static const struct {
        const char *text;
        enum watch_type type;
        const char *version;
        int64_t code;
    } good[] = {
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}}",
         WATCH_ADDED, "7", 0},
        {"{\"object\":{\"metadata\":{\"name\":\"a\"}},\"type\":\"DELETED\"}", WATCH_DELETED, "", 0},
        {"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}", WATCH_BOOKMARK, "9",
         0},
        {"{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"old\"}}", WATCH_ERROR, "", 410},
    };
    static const char *const bad[] = {
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":7}}}",
        "{\"type\":\"added\",\"object\":{\"metadata\":{\"name\":\"a\"}}}",
        "{\"object\":{\"metadata\":{\"name\":\"a\"}}}",
        "[]",
        "{\"type\":",
    };
    struct watch_event event;
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(kube_event_read(&route, slice_cstr(good[i].text), &event, &why), 0);
        assert_int_equal(event.type, good[i].type);
        assert_string_equal(event.version, good[i].version);
        assert_int_equal(event.code, good[i].code);
        assert_int_equal(event.batch != NULL, good[i].type <= WATCH_DELETED);
        batch_unref(event.batch);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        print_message("bad case %zu\n", i);
        why.text[0] = '\0';
        assert_true(kube_event_read(&route, slice_cstr(bad[i]), &event, &why) < 0);
        assert_string_not_equal(why.text, "");
        assert_null(event.batch);
    }
}

#define NAMED(name, spec) "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\"},\"spec\":\"" spec "\"}"

/* "KIND/NAME ..." in the order of the store */
static void expect_store(struct kube_table *table, const char *want)
{
    struct kube_store *store = kube_table_store(table);
    const struct kube_object **objects;
    struct text text;

    text_init(&text);
    text_add_cstr(&text, "");
    for (size_t i = 0, count = kube_objects(store, &objects); i < count; i++) {
        text_printf(&text, "%.*s/%.*s ", SLICE_ARG(objects[i]->kind), SLICE_ARG(objects[i]->name));
        assert_ptr_equal(kube_get(store, route.group, "IngressRoute", SLICE("n"), objects[i]->name),
                         slice_eq(objects[i]->kind, SLICE("IngressRoute")) ? objects[i] : NULL);
    }
    assert_string_equal(text.ptr, want);
    text_free(&text);
    kube_store_free(store);
}

static void a_table_tells_changes_and_keeps_order(void **state)
{
    struct kube_table *table = kube_table_new();
    struct kube_batch *gone = read_object(&route, NAMED("b", "x"));
    struct kube_store *before;

    (void)state;
    assert_true(kube_table_put(table, read_object(&service, NAMED("s", "1")), 2, 1));
    assert_true(kube_table_put(table, read_object(&route, NAMED("c", "1")), 1, 1));
    assert_true(kube_table_put(table, read_object(&route, NAMED("a", "1")), 1, 1));
    assert_true(kube_table_put(table, read_object(&route, NAMED("b", "1")), 1, 1));
    assert_false(kube_table_put(table, read_object(&route, NAMED("b", "1")), 1, 1)); /* the same */
    assert_true(kube_table_put(table, read_object(&route, NAMED("b", "2")), 1, 1));
    expect_store(table, "IngressRoute/a IngressRoute/b IngressRoute/c Service/s ");
    before = kube_table_store(table);
    assert_true(kube_table_remove(table, &gone->objects[0])); /* by key, whatever it says */
    assert_false(kube_table_remove(table, &gone->objects[0]));
    expect_store(table, "IngressRoute/a IngressRoute/c Service/s ");
    assert_false(kube_table_put(table, read_object(&route, NAMED("c", "1")), 1, 2)); /* seen again */
    assert_true(kube_table_sweep(table, 1, 2));
    assert_false(kube_table_sweep(table, 1, 2));
    expect_store(table, "IngressRoute/c Service/s "); /* those of others stay */
    kube_table_free(table);
    assert_non_null(
        kube_get(before, "traefik.io", "IngressRoute", SLICE("n"), SLICE("b"))); /* stores keep theirs */
    kube_store_free(before);
    batch_unref(gone);
}

#define CONDITION                                                                                            \
    "\"status\":{\"conditions\":[{\"type\":\"Other\"},{\"type\":\"Accepted\",\"status\":\"False\","          \
    "\"reason\":\"R\","                                                                                      \
    "\"message\":\"m\",\"observedGeneration\":4,\"lastTransitionTime\":\"2025-11-21T09:40:00Z\"}]}"
#define CARRYING(uid, generation, spec, status)                                                              \
    "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\",\"uid\":\"" uid "\",\"generation\":" generation "},"  \
    "\"spec\":" spec "," status "}"

static void a_status_is_no_change_and_is_remembered(void **state)
{
    static const struct kube_words said = {.accepted = KUBE_ACCEPTED, .hash = 9, .observed = 4};
    struct kube_table *table = kube_table_new();
    struct kube_batch *first = read_object(&route, CARRYING("u", "4", "1", "\"status\":{}"));
    struct kube_batch *moved;
    struct kube_note note;

    (void)state;
    assert_true(kube_table_put(table, batch_ref(first), 1, 1));
    assert_true(kube_table_note(table, first->objects, &note));
    assert_int_equal(note.carried.generation, 4);
    assert_int_equal(note.carried.words.hash, 0);
    assert_int_equal(note.carried.words.accepted, KUBE_ACCEPTED_UNKNOWN);
    kube_table_written(table, first->objects, 7, &said);
    assert_false(kube_table_put(table, read_object(&route, CARRYING("u", "5", "1", CONDITION)), 1, 1));
    assert_true(kube_table_note(table, first->objects, &note)); /* still the same object */
    assert_int_equal(note.carried.generation, 5);
    assert_int_equal(note.carried.words.accepted, KUBE_REFUSED);
    assert_int_equal(note.carried.words.observed, 4);
    assert_int_equal(note.carried.since_s, 1763718000);
    assert_true(note.carried.words.hash == kube_words_hash(KUBE_REFUSED, SLICE("R"), SLICE("m")));
    assert_int_equal(note.term, 7);
    assert_int_equal(note.words.hash, 9);
    moved = read_object(&route, CARRYING("u", "6", "2", CONDITION));
    assert_true(kube_table_put(table, batch_ref(moved), 1, 1));
    assert_false(kube_table_note(table, first->objects, &note)); /* another one by now */
    assert_true(kube_table_note(table, moved->objects, &note));
    assert_int_equal(note.term, 7);
    batch_unref(moved);
    moved = read_object(&route, CARRYING("v", "1", "2", "\"status\":{}")); /* deleted and made anew */
    assert_true(kube_table_put(table, batch_ref(moved), 1, 1));
    kube_table_written(table, first->objects, 8, &said);
    assert_true(kube_table_note(table, moved->objects, &note));
    assert_int_equal(note.term, 0);
    batch_unref(moved);
    batch_unref(first);
    kube_table_free(table);
}

static void balancers_are_compared_without_order(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"[]", "[]", true},
        {"[{\"ip\":\"1.2.3.4\"},{\"hostname\":\"h\"}]", "[{\"hostname\":\"h\"},{\"ip\":\"1.2.3.4\"}]", true},
        {"[{\"ip\":\"1.2.3.4\"}]", "[{\"hostname\":\"1.2.3.4\"}]", false},
        {"[{\"ip\":\"1.2.3.4\"}]", "[{\"ip\":\"1.2.3.4\"},{\"ip\":\"1.2.3.4\"}]", false},
        {"[{\"ip\":\"1\",\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}]}]",
         "[{\"ip\":\"1\",\"ports\":[{\"port\":81,\"protocol\":\"TCP\"}]}]", false},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    assert_int_equal(kube_balancer_hash(NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct doc *a, *b;

        assert_int_equal(doc_read_json(pool, SLICE("a"), slice_cstr(cases[i].a), &a, NULL), 0);
        assert_int_equal(doc_read_json(pool, SLICE("b"), slice_cstr(cases[i].b), &b, NULL), 0);
        assert_int_equal(kube_balancer_hash(a) == kube_balancer_hash(b), cases[i].same);
    }
    pool_free(pool);
}

static void what_cannot_be_read_has_a_name(void **state)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"a\"},\"spec\":\"\\u0000\"}", " shop/a"},
        {"{\"spec\":[1,2,\"metadata\"],\"metadata\":{\"annotations\":{\"name\":\"x\"},\"name\":\"node\"}}",
         " node"},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\"},\"object\":{\"metadata\":{\"name\":"
         "\"c\"}}}}",
         " b"},
        {"{\"metadata\":{\"name\":7}}", ""},
        {"{\"metadata\":\"text\"}", ""},
        {"{\"metadata\":{\"name\":\"cut", ""},
        {"nonsense", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char buf[600];

        kube_unread_name(slice_cstr(cases[i].text), buf, sizeof(buf));
        assert_string_equal(buf, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unread_parts_are_cut_off),
        cmocka_unit_test(events_are_taken_apart),
        cmocka_unit_test(a_table_tells_changes_and_keeps_order),
        cmocka_unit_test(a_status_is_no_change_and_is_remembered),
        cmocka_unit_test(balancers_are_compared_without_order),
        cmocka_unit_test(what_cannot_be_read_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
