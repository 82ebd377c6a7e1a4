/* test_cpus.c - the number of workers: CPU quotas of control groups, both versions, every level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cgroup_tree.h"
#include "master/master/cpus.c"

#define V2 "31 30 0:27 / /cg rw,nosuid - cgroup2 cgroup rw\n"
#define V1 "32 30 0:28 / /cpu rw,nosuid - cgroup cgroup rw,cpuacct,cpu\n"

static double quota_of(const char *root, const char *where)
{
    struct quota quota = {0};

    cgroups_walk(root, "cpu", read_group, &quota);
    if (where) {
        assert_string_equal(quota.where + strlen(root), where);
    }
    return quota.processors;
}

static void smallest_quota_of_all_levels_counts(void **state)
{
    tree_self(*state, "0::/a/b\n", V2);
    tree_put(*state, "/cg/cpu.max", "max 100000\n");
    tree_put(*state, "/cg/a/cpu.max", "150000 100000\n");
    tree_put(*state, "/cg/a/b/cpu.max", "800000 100000\n");
    assert_true(quota_of(*state, "/cg/a") == 1.5);
}

static void version_1_is_read_too(void **state)
{
    tree_self(*state, "3:cpuacct,cpu:/pod\n", V1);
    tree_put(*state, "/cpu/cpu.cfs_quota_us", "-1\n");
    tree_put(*state, "/cpu/cpu.cfs_period_us", "100000\n");
    tree_put(*state, "/cpu/pod/cpu.cfs_quota_us", "250000\n");
    tree_put(*state, "/cpu/pod/cpu.cfs_period_us", "100000\n");
    assert_true(quota_of(*state, "/cpu/pod") == 2.5);
}

static void what_makes_no_sense_is_no_quota(void **state)
{
    static const char *const texts[] = {"max 100000", "",         "abc",       "100000",
                                        "0 100000",   "100000 0", "-5 100000", "9223372036854775807 1"};

    tree_self(*state, "0::/\n", V2);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        print_message("case %zu\n", i);
        tree_put(*state, "/cg/cpu.max", texts[i]);
        assert_true(quota_of(*state, NULL) == 0);
    }
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
    assert_int_equal(cpus_workers(&config, 1, reason, sizeof(reason)), 7);
    config.workers = 0;
    assert_true(cpus_workers(&config, 0, reason, sizeof(reason)) >= 1);
    assert_true(reason[0] != '\0');
}

static void memory_bounds_the_number(void **state)
{
    static const struct {
        uint64_t mib;
        unsigned workers;
    } cases[] = {{1, 1}, {16, 1}, {24, 1}, {32, 2}, {75, 7}, {100000, BOARD_WORKERS}};
    struct static_config config = {0};
    char reason[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(memory_workers(cases[i].mib << 20), cases[i].workers);
    }
    assert_int_equal(cpus_workers(&config, UINT64_C(20) << 20, reason, sizeof(reason)), 1);
    assert_true(affinity() == 1 || strcmp(reason, "memory budget of 20 MiB") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(smallest_quota_of_all_levels_counts, tree_make, tree_drop),
        cmocka_unit_test_setup_teardown(version_1_is_read_too, tree_make, tree_drop),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_no_quota, tree_make, tree_drop),
        cmocka_unit_test(quotas_are_rounded_up),
        cmocka_unit_test(configured_number_wins),
        cmocka_unit_test(memory_bounds_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
