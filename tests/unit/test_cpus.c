/* test_cpus.c - the number of workers: CPU quotas of control groups, both versions, every level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "master/master/cpus.c"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_root(void **state)
{
    char *root = strdup("/tmp/weir-cpus-XXXXXX");

    *state = root;
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    (void)nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

static void put(const char *root, const char *folder, const char *file, const char *text)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s%s", root, folder);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%s%s/%s", root, folder, file);
    FILE *out = fopen(path, "we");

    assert_non_null(out);
    (void)fputs(text, out);
    (void)fclose(out);
}

static void smallest_quota_of_all_levels_counts(void **state)
{
    struct quota quota = {0};
    const char *root = *state;

    put(root, "", "cpu.max", "max 100000\n");
    put(root, "/a", "cpu.max", "150000 100000\n");
    put(root, "/a/b", "cpu.max", "800000 100000\n");
    walk_up(&quota, root, "/a/b", true);
    assert_true(quota.processors == 1.5);
    assert_non_null(strstr(quota.where, "/a"));
    assert_null(strstr(quota.where, "/a/b"));
}

static void version_1_is_read_too(void **state)
{
    struct quota quota = {0};
    const char *root = *state;

    put(root, "", "cpu.cfs_quota_us", "-1\n");
    put(root, "", "cpu.cfs_period_us", "100000\n");
    put(root, "/pod", "cpu.cfs_quota_us", "250000\n");
    put(root, "/pod", "cpu.cfs_period_us", "100000\n");
    walk_up(&quota, root, "/pod", false);
    assert_true(quota.processors == 2.5);
}

static void what_makes_no_sense_is_no_quota(void **state)
{
    static const char *const texts[] = {"max 100000", "",         "abc",       "100000",
                                        "0 100000",   "100000 0", "-5 100000", "9223372036854775807 1"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct quota quota = {0};

        print_message("case %zu\n", i);
        put(*state, "", "cpu.max", texts[i]);
        walk_up(&quota, *state, "/", true);
        assert_true(quota.processors == 0);
    }
}

/* In a container the mount shows a part of the tree: its root is left out of our path. */
static void root_of_the_mount_is_taken_off(void **state)
{
    struct quota quota = {0};
    char line[1024];
    const char *root = *state;

    put(root, "", "cpu.max", "400000 100000");
    put(root, "/mine", "cpu.max", "300000 100000");
    (void)snprintf(line, sizeof(line), "31 30 0:27 /docker/x %s rw,nosuid - cgroup2 cgroup rw", root);
    try_mount(&quota, line, "/docker/x/mine", true);
    assert_true(quota.processors == 3);
    (void)snprintf(line, sizeof(line), "31 30 0:27 / %s rw,nosuid - cgroup cgroup rw,cpuacct", root);
    quota = (struct quota){0};
    try_mount(&quota, line, "/mine", false); /* another controller */
    assert_true(quota.processors == 0);
}

static void quotas_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(round_up(0.2), 1);
    assert_int_equal(round_up(1), 1);
    assert_int_equal(round_up(1.01), 2);
}

static void configured_number_wins(void **state)
{
    struct static_config config = {.workers = 7};
    char reason[256];

    (void)state;
    assert_int_equal(cpus_workers(&config, reason, sizeof(reason)), 7);
    config.workers = 0;
    assert_true(cpus_workers(&config, reason, sizeof(reason)) >= 1);
    assert_true(reason[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(smallest_quota_of_all_levels_counts, make_root, drop_root),
        cmocka_unit_test_setup_teardown(version_1_is_read_too, make_root, drop_root),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_no_quota, make_root, drop_root),
        cmocka_unit_test_setup_teardown(root_of_the_mount_is_taken_off, make_root, drop_root),
        cmocka_unit_test(quotas_are_rounded_up),
        cmocka_unit_test(configured_number_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
