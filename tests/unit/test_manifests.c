/* test_manifests.c - directories of Kubernetes YAML: what is read, in which order, and what a broken file costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "common/base/log.h"
#include "master/source/source.h"
#include "tests/unit/provider_helper.h"

#define SERVICE(name) "apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\n"
#define ROUTE(name) "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: " name "}\n"

static struct kube_store *load(const char *directory, struct kube_store *previous)
{
    struct kube_store *store = NULL;
    struct error why = {""};

    if (manifests_load(slice_cstr(directory), previous, &store, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return store;
}

static bool has(const struct kube_store *store, const char *kind, const char *namespace, const char *name)
{
    const struct kube_object **list;
    size_t count = kube_list(store, kind, &list);

    for (size_t i = 0; i < count; i++) {
        if (slice_eq(list[i]->name, slice_cstr(name)) &&
            slice_eq(list[i]->namespace, slice_cstr(namespace))) {
            return true;
        }
    }
    return false;
}

static bool noticed(const struct kube_store *store, const char *part)
{
    const struct notice *notices;
    size_t count = kube_notices(store, &notices);

    for (size_t i = 0; i < count; i++) {
        char line[1024];

        snprintf(line, sizeof(line), "%.*s:%u %.*s: %.*s", SLICE_ARG(notices[i].origin.file),
                 notices[i].origin.line, SLICE_ARG(notices[i].origin.object), SLICE_ARG(notices[i].text));
        if (strstr(line, part)) {
            return true;
        }
    }
    return false;
}

static size_t notice_count(const struct kube_store *store)
{
    const struct notice *notices;

    return kube_notices(store, &notices);
}

static void whole_trees_are_read(void **state)
{
    char *dir = directory_new(), link[4096], target[4096];
    const struct kube_object **list;

    (void)state;
    directory_write(dir, "b.yaml", SERVICE("one") "---\n" SERVICE("two") "---\n---\n# nothing\n");
    directory_write(dir, "a/deep/c.yml", ROUTE("r"));
    directory_write(dir, "d.json",
                    "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":"
                    "\"Service\",\"metadata\":{\"name\":\"three\",\"namespace\":\"other\"}}]}");
    directory_write(dir, "e.yaml",
                    "apiVersion: traefik.io/v1alpha1\nkind: IngressRouteList\nitems:\n- apiVersion: "
                    "traefik.io/v1alpha1\n  kind: IngressRoute\n  metadata: {name: listed}\n");
    directory_write(dir, "f.txt", "not read");
    directory_write(dir, ".hidden.yaml", SERVICE("hidden"));
    directory_write(dir, "..2024_01/g.yaml", SERVICE("mounted"));
    snprintf(target, sizeof(target), "%s/..data", dir);
    assert_int_equal(symlink("..2024_01", target), 0);
    snprintf(link, sizeof(link), "%s/g.yaml", dir);
    assert_int_equal(symlink("..data/g.yaml", link), 0);
    snprintf(link, sizeof(link), "%s/loop", dir);
    assert_int_equal(symlink(".", link), 0);

    struct kube_store *store = load(dir, NULL);

    assert_true(has(store, "Service", "default", "one"));
    assert_true(has(store, "Service", "default", "two"));
    assert_true(has(store, "Service", "other", "three"));
    assert_true(has(store, "Service", "default", "mounted"));
    assert_false(has(store, "Service", "default", "hidden"));
    assert_true(has(store, "IngressRoute", "default", "r"));
    assert_true(has(store, "IngressRoute", "default", "listed"));
    assert_int_equal(kube_list(store, "Service", &list), 4);
    assert_int_equal(notice_count(store), 0);
    assert_non_null(kube_get(store, "", "Service", SLICE("other"), SLICE("three")));
    assert_null(kube_get(store, "", "Service", SLICE("default"), SLICE("three")));
    assert_null(kube_get(store, "traefik.io", "Service", SLICE("other"), SLICE("three")));
    kube_store_free(store);
    directory_remove(dir);
}

static void in_directory(char *out, size_t size, const char *dir, const char *name)
{
    (void)snprintf(out, size, "%s/%s", dir, name);
}

static void links_and_pipes_lead_nowhere(void **state)
{
    char *dir = directory_new(), *other = directory_new(), path[4096], target[4096];

    (void)state;
    directory_write(dir, "a/one.yaml", SERVICE("one"));
    directory_write(other, "sub/two.yaml", SERVICE("two"));
    in_directory(path, sizeof(path), dir, "processes");
    assert_int_equal(symlink("/proc", path), 0);
    in_directory(path, sizeof(path), dir, "all");
    assert_int_equal(symlink("/", path), 0);
    in_directory(path, sizeof(path), dir, "inside");
    assert_int_equal(symlink("a", path), 0);
    in_directory(path, sizeof(path), dir, "directory");
    in_directory(target, sizeof(target), other, "sub");
    assert_int_equal(symlink(target, path), 0);
    in_directory(path, sizeof(path), dir, "file.yaml");
    in_directory(target, sizeof(target), other, "sub/two.yaml");
    assert_int_equal(symlink(target, path), 0);
    in_directory(path, sizeof(path), dir, "pipe.yaml");
    assert_int_equal(mkfifo(path, 0600), 0);
    in_directory(path, sizeof(path), dir, "null.yaml");
    assert_int_equal(symlink("/dev/null", path), 0);

    struct kube_store *store = load(dir, NULL);
    const struct kube_object **list;

    assert_int_equal(kube_list(store, "Service", &list), 2); /* a linked file may lie anywhere */
    assert_true(has(store, "Service", "default", "one") && has(store, "Service", "default", "two"));
    assert_true(
        noticed(store, "processes:0 : is a link to /proc, outside of the directory, and not followed"));
    assert_true(noticed(store, "all:0 : is a link to /, outside"));
    assert_true(noticed(store, "directory:0 : is a link to "));
    assert_true(noticed(store, "pipe.yaml:0 : is no regular file"));
    assert_true(noticed(store, "null.yaml:0 : is no regular file"));
    assert_int_equal(notice_count(store), 5);
    kube_store_free(store);
    directory_remove(dir);
    directory_remove(other);
}

static void too_large_a_tree_is_refused(void **state)
{
    char *dir = directory_new(), path[4096], name[32];
    struct kube_store *store = NULL;
    struct error why = {""};

    (void)state;
    for (unsigned i = 0; i <= 10000; i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        in_directory(path, sizeof(path), dir, name);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    assert_int_equal(manifests_load(slice_cstr(dir), NULL, &store, &why), -E2BIG);
    assert_non_null(strstr(why.text, "more than 10000 directories, at "));
    assert_non_null(strstr(why.text, "give a directory that holds the configuration and nothing else"));
    directory_remove(dir);
}

static void lists_are_sorted(void **state)
{
    static const char *const want[] = {"a/x traefik.containo.us", "a/x traefik.io", "b/a traefik.io",
                                       "b/b traefik.io"};
    char *dir = directory_new();
    const struct kube_object **list;

    (void)state;
    directory_write(
        dir, "x.yaml",
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: b, namespace: b}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: a, namespace: b}}\n---\n"
        "{apiVersion: traefik.io/v1alpha1, kind: Middleware, metadata: {name: x, namespace: a}}\n---\n"
        "{apiVersion: traefik.containo.us/v1alpha1, kind: Middleware, metadata: {name: x, namespace: a}}\n");
    struct kube_store *store = load(dir, NULL);

    assert_int_equal(kube_list(store, "Middleware", &list), ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        char line[128];

        snprintf(line, sizeof(line), "%.*s/%.*s %.*s", SLICE_ARG(list[i]->namespace),
                 SLICE_ARG(list[i]->name), SLICE_ARG(list[i]->group));
        assert_string_equal(line, want[i]);
    }
    kube_store_free(store);
    directory_remove(dir);
}

static void what_is_no_object_is_named(void **state)
{
    static const struct {
        const char *text, *notice;
    } cases[] = {
        {"a: 1\n", "x.yaml:1 : is no Kubernetes object: apiVersion is missing"},
        {"\n\napiVersion: v1\n", "x.yaml:3 : is no Kubernetes object: kind is missing"},
        {"[1]\n", "is no Kubernetes object: a mapping"},
        {"apiVersion: v1\nkind: Service\nmetadata: {}\n", "Service: metadata.name: is missing"},
        {"apiVersion: v1\nkind: Service\nmetadata: {name: 12}\n", "put it in quotes"},
        {"apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: 12}\n",
         "metadata.namespace: must be a string"},
        {"apiVersion: v1\nkind: List\nitems: 3\n", "items: must be a list"},
        {"apiVersion: v1\nkind: Service\nmetadata: {name: [\n", "x.yaml:4 : did not find expected"},
        {"apiVersion: v1\nkind: Service\nkind: Service\n", "x.yaml:3 : the key \"kind\" is there twice"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *dir = directory_new(), text[1024];

        snprintf(text, sizeof(text), "%s", cases[i].text);
        directory_write(dir, "x.yaml", text);
        directory_write(dir, "good.yaml", SERVICE("good"));
        struct kube_store *store = load(dir, NULL);

        print_message("case %zu\n", i);
        assert_true(noticed(store, cases[i].notice));
        assert_true(has(store, "Service", "default", "good"));
        kube_store_free(store);
        directory_remove(dir);
    }
}

static void bad_document_spares_the_others(void **state)
{
    char *dir = directory_new();

    (void)state;
    directory_write(dir, "x.yaml", SERVICE("one") "---\nmetadata: [\n---\n" SERVICE("two"));
    struct kube_store *store = load(dir, NULL);

    assert_true(has(store, "Service", "default", "one"));
    assert_true(has(store, "Service", "default", "two"));
    assert_int_equal(notice_count(store), 1);
    kube_store_free(store);
    directory_remove(dir);
}

static void half_written_file_keeps_its_objects(void **state)
{
    char *dir = directory_new();

    (void)state;
    directory_write(dir, "x.yaml", SERVICE("one") "---\n" SERVICE("two"));
    struct kube_store *first = load(dir, NULL);

    directory_write(dir, "x.yaml", SERVICE("one") "---\napiVersion: v1\nkind: Serv\nmetadata: {na");
    struct kube_store *second = load(dir, first);

    kube_store_free(first); /* what was kept does not live in the old store */
    assert_true(has(second, "Service", "default", "one"));
    assert_true(has(second, "Service", "default", "two"));
    assert_true(noticed(second, "stay in force until it is whole again"));

    directory_write(dir, "x.yaml", "");
    struct kube_store *third = load(dir, second);

    kube_store_free(second);
    assert_true(has(third, "Service", "default", "two"));
    assert_true(noticed(third, "is empty"));

    directory_write(dir, "x.yaml", SERVICE("two"));
    struct kube_store *fourth = load(dir, third);

    kube_store_free(third);
    assert_false(has(fourth, "Service", "default", "one"));
    assert_true(has(fourth, "Service", "default", "two"));
    assert_int_equal(notice_count(fourth), 0);

    directory_delete(dir, "x.yaml");
    struct kube_store *fifth = load(dir, fourth);

    kube_store_free(fourth);
    assert_false(has(fifth, "Service", "default", "two"));
    kube_store_free(fifth);
    directory_remove(dir);
}

/* Root reads everything, so it is nobody for that time. */
static void directory_that_cannot_be_read_keeps_its_objects(void **state)
{
    char *dir = directory_new(), below[256];
    bool root = geteuid() == 0;

    (void)state;
    directory_write(dir, "x.yaml", SERVICE("one"));
    directory_write(dir, "sub/y.yaml", SERVICE("two"));
    (void)snprintf(below, sizeof(below), "%s/sub", dir);
    assert_int_equal(chmod(dir, 0755), 0);
    struct kube_store *first = load(dir, NULL);

    assert_int_equal(chmod(below, 0), 0);
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    struct kube_store *second = load(dir, first);

    assert_int_equal(root ? seteuid(0) : 0, 0);
    kube_store_free(first);
    assert_true(has(second, "Service", "default", "one"));
    assert_true(has(second, "Service", "default", "two"));
    assert_true(noticed(second, "stays in force until it can be read again"));
    assert_true(kube_store_unread(second));
    assert_int_equal(chmod(below, 0755), 0);
    directory_delete(dir, "sub/y.yaml");
    struct kube_store *third = load(dir, second);

    assert_false(has(third, "Service", "default", "two"));
    assert_false(kube_store_unread(third));
    assert_int_equal(notice_count(third), 0);
    kube_store_free(second);
    kube_store_free(third);
    directory_remove(dir);
}

static void unchanged_files_are_not_read_again(void **state)
{
    char *dir = directory_new();
    const struct kube_object *before, *after;

    (void)state;
    directory_write(dir, "x.yaml", SERVICE("one"));
    directory_write(dir, "y.yaml", SERVICE("two"));
    struct kube_store *first = load(dir, NULL);

    before = kube_get(first, "", "Service", SLICE("default"), SLICE("one"));
    directory_write(dir, "y.yaml", SERVICE("three"));
    struct kube_store *second = load(dir, first);

    after = kube_get(second, "", "Service", SLICE("default"), SLICE("one"));
    assert_ptr_equal(before, after);
    kube_store_free(first);
    assert_true(slice_eq(after->name, SLICE("one"))); /* still there without the first store */
    kube_store_free(second);
    directory_remove(dir);
}

static void duplicates_are_named_and_the_first_wins(void **state)
{
    char *dir = directory_new();

    (void)state;
    directory_write(dir, "b.yaml", SERVICE("one") "spec: {type: late}\n");
    directory_write(dir, "a.yaml",
                    SERVICE("one") "spec: {type: early}\n---\n" SERVICE("one") "spec: {type: second}\n");
    struct kube_store *store = load(dir, NULL);
    const struct kube_object *object = kube_get(store, "", "Service", SLICE("default"), SLICE("one"));

    assert_true(slice_eq(doc_text(doc_path(object->doc, "spec", "type", NULL), SLICE("")), SLICE("early")));
    assert_true(noticed(store, "b.yaml:1 Service default/one: is written twice: the one at"));
    assert_true(noticed(store, "a.yaml:6 Service default/one: is written twice"));
    kube_store_free(store);
    directory_remove(dir);
}

static void root_that_is_gone_is_an_error(void **state)
{
    struct kube_store *store;
    struct error why;

    (void)state;
    assert_true(manifests_load(SLICE("/nowhere/at/all"), NULL, &store, &why) < 0);
    assert_non_null(strstr(why.text, "/nowhere/at/all"));
}

/* ---- watching ---- */

struct seen_changes {
    uv_loop_t loop;
    uv_timer_t limit;
    struct watch *watch;
    unsigned count;
    bool late;
};

static void on_changed(void *context)
{
    struct seen_changes *seen = context;

    seen->count++;
    uv_stop(&seen->loop);
}

static void on_limit(uv_timer_t *timer)
{
    struct seen_changes *seen = timer->data;

    seen->late = true;
    uv_stop(&seen->loop);
}

/* Runs until a change is told or the time is over; the time is a bound for failure, or for silence. */
static bool told(struct seen_changes *seen, unsigned ms)
{
    seen->late = false;
    uv_timer_start(&seen->limit, on_limit, ms, 0);
    uv_run(&seen->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&seen->limit);
    return !seen->late;
}

static void watch_open(struct seen_changes *seen, const char *path)
{
    struct error why;

    *seen = (struct seen_changes){0};
    uv_loop_init(&seen->loop);
    uv_timer_init(&seen->loop, &seen->limit);
    seen->limit.data = seen;
    assert_int_equal(watch_start(&seen->loop, slice_cstr(path), on_changed, seen, &seen->watch, &why), 0);
}

static void watch_close(struct seen_changes *seen)
{
    watch_stop(seen->watch);
    uv_close((uv_handle_t *)&seen->limit, NULL);
    uv_run(&seen->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&seen->loop), 0);
}

static void changes_of_a_tree_are_told(void **state)
{
    char *dir = directory_new(), from[4096], to[4096];
    struct seen_changes seen;

    (void)state;
    directory_write(dir, "x.yaml", SERVICE("one"));
    watch_open(&seen, dir);
    directory_write(dir, "x.yaml", SERVICE("two"));
    assert_true(told(&seen, 5000));
    directory_write(dir, "new/deep/y.yaml", SERVICE("three"));
    assert_true(told(&seen, 5000));
    while (told(&seen, 100)) { /* the new directories may come in two bursts */
    }
    directory_write(dir, "new/deep/y.yaml", SERVICE("four"));
    assert_true(told(&seen, 5000));
    snprintf(from, sizeof(from), "%s/new/deep/y.yaml", dir);
    snprintf(to, sizeof(to), "%s/z.yaml", dir);
    assert_int_equal(rename(from, to), 0);
    assert_true(told(&seen, 5000));
    directory_delete(dir, "z.yaml");
    assert_true(told(&seen, 5000));
    directory_write(dir, ".x.yaml.swp", "an editor's");
    assert_false(told(&seen, 100));
    watch_close(&seen);
    directory_remove(dir);
}

static void swapped_links_are_told(void **state)
{
    char *dir = directory_new(), data[4096], next[4096], link[4096];
    struct seen_changes seen;

    (void)state;
    directory_write(dir, "..1/x.yaml", SERVICE("one"));
    directory_write(dir, "..2/x.yaml", SERVICE("two"));
    snprintf(data, sizeof(data), "%s/..data", dir);
    snprintf(next, sizeof(next), "%s/..data_tmp", dir);
    snprintf(link, sizeof(link), "%s/x.yaml", dir);
    assert_int_equal(symlink("..1", data), 0);
    assert_int_equal(symlink("..data/x.yaml", link), 0);
    watch_open(&seen, link);
    assert_int_equal(symlink("..2", next), 0);
    assert_int_equal(rename(next, data), 0);
    assert_true(told(&seen, 5000));
    watch_close(&seen);
    directory_remove(dir);
}

static void root_that_comes_back_is_told(void **state)
{
    char *dir = directory_new(), root[4096], old[4096];
    struct seen_changes seen;

    (void)state;
    directory_write(dir, "sub/m/x.yaml", SERVICE("one"));
    snprintf(root, sizeof(root), "%s/sub/m", dir);
    snprintf(old, sizeof(old), "%s/old", dir);
    watch_open(&seen, root);
    assert_int_equal(rename(root, old), 0);
    assert_true(told(&seen, 5000));
    directory_write(dir, "sub/m/x.yaml", SERVICE("two"));
    assert_true(told(&seen, 5000));
    watch_close(&seen);
    directory_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_trees_are_read),
        cmocka_unit_test(links_and_pipes_lead_nowhere),
        cmocka_unit_test(too_large_a_tree_is_refused),
        cmocka_unit_test(lists_are_sorted),
        cmocka_unit_test(what_is_no_object_is_named),
        cmocka_unit_test(bad_document_spares_the_others),
        cmocka_unit_test(half_written_file_keeps_its_objects),
        cmocka_unit_test(directory_that_cannot_be_read_keeps_its_objects),
        cmocka_unit_test(unchanged_files_are_not_read_again),
        cmocka_unit_test(duplicates_are_named_and_the_first_wins),
        cmocka_unit_test(root_that_is_gone_is_an_error),
        cmocka_unit_test(changes_of_a_tree_are_told),
        cmocka_unit_test(swapped_links_are_told),
        cmocka_unit_test(root_that_comes_back_is_told),
    };

    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
