/*
 * test_kube_state.c - objects of a cluster kept in a file: they come back as they were, Secrets never get there, and what
 * is damaged, foreign or open to others is refused whole, by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/doc/doc.h"
#include "master/kube/object.h"
#include "master/kube/state.h"
#include "master/kube/table.h"
#include "tests/unit/provider_helper.h"

#define WHEN 1234567890
#define FILE_NAME "kubernetes/kubernetescrd.jsonl"

static const struct kube_resource route = {
    .group = "traefik.io", .version = "v1alpha1", .kind = "IngressRoute"};
static const struct kube_resource secret = {.group = "", .version = "v1", .kind = "Secret"};
static const struct kube_resource config_map = {.group = "", .version = "v1", .kind = "ConfigMap"};

static int set_up(void **state)
{
    *state = directory_new();
    return 0;
}

static int tear_down(void **state)
{
    directory_remove(*state);
    return 0;
}

static struct kube_state_place place_of(const char *directory)
{
    return (struct kube_state_place){
        .dir = slice_cstr(directory), .provider = "kubernetescrd", .source = SLICE("10.0.0.1:6443")};
}

static void put(struct kube_table *table, const struct kube_resource *resource, const char *text)
{
    struct kube_batch *batch;
    char version[64];

    assert_int_equal(kube_object_read(resource, slice_cstr(text), &batch, version, NULL), 0);
    assert_true(kube_table_put(table, batch, 1, 1));
}

static struct kube_store *sample(void)
{
    struct kube_table *table = kube_table_new();
    struct kube_store *store;

    put(table, &route,
        "{\"metadata\":{\"name\":\"b\",\"namespace\":\"n\"},\"spec\":{\"text\":\"\\u00fc\\n\\\"\","
        "\"numbers\":[1,2.5,null,"
        "true]}}");
    put(table, &route, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"},\"spec\":{}}");
    put(table, &secret, "{\"metadata\":{\"name\":\"s\",\"namespace\":\"n\"},\"data\":{\"k\":\"Y2FuYXJ5\"}}");
    put(table, &config_map,
        "{\"metadata\":{\"name\":\"ca\",\"namespace\":\"n\"},\"data\":{\"ca.crt\":\"PEM\"}}");
    store = kube_table_store(table);
    kube_table_free(table);
    return store;
}

static void write_sample(const char *directory)
{
    const struct kube_state_place place = place_of(directory);
    struct kube_store *store = sample();
    struct error why;

    if (kube_state_write(&place, store, WHEN, &why) < 0) {
        fail_msg("%s", why.text);
    }
    kube_store_free(store);
}

static char *kept_text(const char *directory)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/" FILE_NAME, directory);
    return file_text(path);
}

/* The error of reading, which must name the file. */
static int refused(const char *directory, const char *words)
{
    const struct kube_state_place place = place_of(directory);
    struct kube_store *store = NULL;
    struct error why = {""};
    int64_t when;
    int rc = kube_state_read(&place, &store, &when, &why);

    assert_null(store);
    if (strstr(why.text, FILE_NAME) == NULL || strstr(why.text, words) == NULL) {
        fail_msg("\"%s\" says nothing of \"%s\"", why.text, words);
    }
    return rc;
}

static void objects_come_back_without_secrets(void **state)
{
    const struct kube_state_place place = place_of(*state);
    struct kube_store *store = sample(), *read = NULL;
    const struct kube_object **before, **after;
    int64_t when = 0;

    write_sample(*state);
    assert_int_equal(kube_state_read(&place, &read, &when, NULL), 0);
    assert_int_equal(when, WHEN);
    assert_int_equal(kube_objects(store, &before), 4);
    assert_int_equal(kube_objects(read, &after), 3);
    for (size_t i = 0; i < 3; i++) { /* "Secret" is the last kind of the four */
        assert_int_equal(store_order(before[i], after[i]), 0);
        assert_true(doc_equal(before[i]->doc, after[i]->doc));
        assert_int_equal(after[i]->origin.line, 0);
        assert_int_equal(after[i]->origin.file.len, 0);
    }
    kube_store_free(store);
    kube_store_free(read);

    char *text = kept_text(*state);

    assert_null(strstr(text, "Y2FuYXJ5"));
    assert_null(strstr(text, "Secret"));
    free(text);
}

static void file_and_folder_are_for_us_alone(void **state)
{
    char path[512];
    struct stat st;

    write_sample(*state);
    write_sample(*state); /* replaced */
    (void)snprintf(path, sizeof(path), "%s/kubernetes", (char *)*state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof(path), "%s/" FILE_NAME, (char *)*state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    (void)snprintf(path, sizeof(path), "%s/kubernetes/.kubernetescrd.new", (char *)*state);
    assert_int_equal(stat(path, &st), -1);
}

static void nothing_kept_is_no_error_of_its_own(void **state)
{
    char path[512];

    assert_int_equal(refused(*state, "cannot open"), -ENOENT);
    (void)snprintf(path, sizeof(path), "%s/kubernetes", (char *)*state);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(refused(*state, "cannot open"), -ENOENT);
}

/* Every single byte counts: cut anywhere, or changed anywhere, nothing of it is taken. */
static void damage_anywhere_is_noticed(void **state)
{
    char *whole;
    size_t len;

    write_sample(*state);
    whole = kept_text(*state);
    len = strlen(whole);
    for (size_t cut = 0; cut < len; cut++) {
        char saved = whole[cut];

        whole[cut] = '\0';
        directory_write(*state, FILE_NAME, whole);
        assert_int_equal(refused(*state, ""), -EBADMSG);
        whole[cut] = saved == '1' ? '2' : '1';
        directory_write(*state, FILE_NAME, whole);
        assert_true(refused(*state, "") < 0);
        whole[cut] = saved;
    }
    directory_write(*state, FILE_NAME, whole);

    char twice[16384];

    (void)snprintf(twice, sizeof(twice), "%s%s", whole, whole);
    directory_write(*state, FILE_NAME, twice);
    assert_int_equal(refused(*state, "is not what weir writes there"), -EBADMSG);
    free(whole);
}

static void what_others_could_have_written_is_refused(void **state)
{
    char folder[512], path[512], other[512];

    write_sample(*state);
    (void)snprintf(folder, sizeof(folder), "%s/kubernetes", (char *)*state);
    (void)snprintf(path, sizeof(path), "%s/" FILE_NAME, (char *)*state);
    (void)snprintf(other, sizeof(other), "%s/other", (char *)*state);
    assert_int_equal(chmod(path, 0620), 0);
    assert_int_equal(refused(*state, "open to others (mode 0620)"), -EPERM);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(folder, 0750), 0);
    assert_int_equal(refused(*state, "open to others (mode 0750)"), -EPERM);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_true(refused(*state, "cannot open") < 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(refused(*state, "no regular file"), -EINVAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(other, path), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        assert_int_equal(refused(*state, "belongs to user 12345"), -EPERM);
    }
}

static void another_cluster_is_not_mixed_up(void **state)
{
    struct kube_state_place place = place_of(*state);
    struct kube_store *store = sample();

    place.source = SLICE("10.0.0.2:6443");
    assert_int_equal(kube_state_write(&place, store, WHEN, NULL), 0);
    assert_int_equal(refused(*state, "API server 10.0.0.2:6443, and 10.0.0.1:6443"), -ESTALE);
    kube_store_free(store);
}

static void two_writers_do_not_mix(void **state)
{
    const struct kube_state_place place = place_of(*state);
    struct kube_store *store = sample(), *read = NULL;
    char path[512];
    int64_t when;
    int fd;

    write_sample(*state);
    directory_write(*state, "kubernetes/.kubernetescrd.new", "half of somethi");
    (void)snprintf(path, sizeof(path), "%s/kubernetes/.kubernetescrd.new", (char *)*state);
    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(kube_state_write(&place, store, WHEN + 1, NULL), -EBUSY);
    assert_int_equal(close(fd), 0); /* it died: what it left is overwritten */
    assert_int_equal(kube_state_write(&place, store, WHEN + 2, NULL), 0);
    assert_int_equal(kube_state_read(&place, &read, &when, NULL), 0);
    assert_int_equal(when, WHEN + 2);
    kube_store_free(store);
    kube_store_free(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_come_back_without_secrets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(file_and_folder_are_for_us_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_kept_is_no_error_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_anywhere_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_could_have_written_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_cluster_is_not_mixed_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_writers_do_not_mix, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("kube_state", tests, NULL, NULL);
}
