/* test_vault_watch.c - whatever happens to the files of certificates is told by their folders, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/tls/vault_inner.h"

static char folder[] = "/tmp/weir-vault-watch-XXXXXX";

static const char *at(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct vault_files *files_of(const char *const *names, size_t count)
{
    struct vault_files *files = files_new();

    for (size_t i = 0; i < count; i++) {
        struct file_state state;

        files_state(at(names[i]), &state);
        files_add(files, at(names[i]), &state, true);
    }
    return files;
}

static void whatever_happens_is_told_once(void **state)
{
    static const char *const names[] = {"one/a.crt", "one/a.key", "two/b.crt", "mounted/tls.crt"};
    struct vault_files *files;
    int fd;

    (void)state;
    files = files_of(names, ARRAY_LEN(names));
    assert_int_equal(vault_files_count(files), ARRAY_LEN(names));
    fd = vault_files_watch(files);
    assert_int_not_equal(fd, -1);
    assert_false(vault_watch_told(fd));
    assert_int_equal(access(at("one/a.crt"), R_OK), 0); /* who reads tells nothing */
    assert_false(vault_watch_told(fd));
    put("one/a.crt", "in place");
    assert_true(vault_watch_told(fd));
    assert_false(vault_watch_told(fd));
    put("two/new", "b");
    assert_true(vault_watch_told(fd));
    assert_int_equal(rename(at("two/new"), at("two/b.crt")), 0);
    assert_true(vault_watch_told(fd));
    assert_int_equal(symlink("data-2", at("mounted/..data_tmp")), 0);
    assert_int_equal(rename(at("mounted/..data_tmp"), at("mounted/..data")), 0); /* as Kubernetes does */
    assert_true(vault_watch_told(fd));
    assert_true(vault_files_changed(files));
    assert_int_equal(unlink(at("one/a.key")), 0);
    assert_true(vault_watch_told(fd));
    assert_false(vault_watch_told(fd));
    close(fd);
    vault_files_unref(files);
}

static void what_cannot_be_watched_is_looked_at(void **state)
{
    static const char *const names[] = {"one/a.crt", "missing/a.crt"};
    struct vault_files *files = files_of(names, ARRAY_LEN(names));

    (void)state;
    assert_int_equal(vault_files_watch(files), -1);
    vault_files_unref(files);
}

static void too_many_folders_are_looked_at(void **state)
{
    struct vault_files *files = files_new();
    struct file_state nothing = {.exists = false};

    (void)state;
    assert_int_equal(mkdir(at("many"), 0700), 0);
    for (unsigned i = 0; i <= 1000; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "many/%u", i);
        assert_int_equal(mkdir(at(name), 0700), 0);
        (void)snprintf(name, sizeof(name), "many/%u/tls.crt", i);
        files_add(files, at(name), &nothing, true);
    }
    assert_int_equal(vault_files_watch(files), -1);
    vault_files_unref(files);
}

static int setup(void **state)
{
    static const char *const folders[] = {"one", "two", "mounted", "mounted/data-1", "mounted/data-2"};

    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        if (mkdir(at(folders[i]), 0700) == -1) {
            return -1;
        }
    }
    put("one/a.crt", "a");
    put("one/a.key", "a");
    put("two/b.crt", "b");
    put("mounted/data-1/tls.crt", "1");
    put("mounted/data-2/tls.crt", "22");
    return symlink("data-1", at("mounted/..data")) + symlink("..data/tls.crt", at("mounted/tls.crt"));
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_happens_is_told_once),
                                       cmocka_unit_test(what_cannot_be_watched_is_looked_at),
                                       cmocka_unit_test(too_many_folders_are_looked_at)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
