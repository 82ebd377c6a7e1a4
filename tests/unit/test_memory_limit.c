/* test_memory_limit.c - the smallest memory limit above us: both versions, nested, absent, garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cgroup_tree.h"
#include "common/base/slice.h"
#include "master/master/memory.h"

#define V2 "31 30 0:27 / /cg rw,nosuid - cgroup2 cgroup rw\n"
#define V1 "32 30 0:28 / /mem rw,nosuid - cgroup cgroup rw,memory\n"

struct file {
    const char *name, *text;
};

static void limits(void **state)
{
    static const struct {
        const char *groups, *mounts;
        struct file files[4];
        uint64_t expected;
        const char *folder;
    } cases[] = {
        {"0::/a/b\n", V2, {{"/cg/a/b/memory.max", "104857600\n"}}, 104857600, "/cg/a/b"},
        {"0::/a/b\n", V2, {{"/cg/a/b/memory.max", "200\n"}, {"/cg/a/memory.max", "100\n"}}, 100, "/cg/a"},
        {"0::/a/b\n", V2, {{"/cg/a/b/memory.max", "max\n"}, {"/cg/a/memory.max", "100\n"}}, 100, "/cg/a"},
        {"0::/a/b\n", V2, {{"/cg/a/b/memory.max", "max\n"}, {"/cg/a/memory.max", "max\n"}}, 0, ""},
        {"0::/a\n", V2, {{"/cg/memory.max", "55"}}, 55, "/cg"},
        {"0::/a\n", V2, {{"/cg/other/memory.max", "55\n"}}, 0, ""},
        {"4:memory:/p/q\n", V1, {{"/mem/p/q/memory.limit_in_bytes", "1000\n"}}, 1000, "/mem/p/q"},
        {"4:memory:/p/q\n",
         V1,
         {{"/mem/p/q/memory.limit_in_bytes", "9223372036854771712\n"},
          {"/mem/p/memory.limit_in_bytes", "77\n"}},
         77,
         "/mem/p"},
        {"4:memory:/p\n", V1, {{"/mem/p/memory.limit_in_bytes", "9223372036854771712\n"}}, 0, ""},
        {"4:memory:/p\n", V1, {{"/mem/p/memory.max", "100\n"}}, 0, ""},
        {"4:cpu:/p\n", V1, {{"/mem/p/memory.limit_in_bytes", "100\n"}}, 0, ""},
        {"0::/u\n4:memory:/p\n",
         V2 V1,
         {{"/cg/u/memory.max", "300"}, {"/mem/p/memory.limit_in_bytes", "200"}},
         200,
         "/mem/p"},
        {"0::/a\n", V2, {{"/cg/a/memory.max", ""}}, 0, ""},
        {"0::/a\n", V2, {{"/cg/a/memory.max", "0\n"}}, 0, ""},
        {"0::/a\n", V2, {{"/cg/a/memory.max", "-5\n"}}, 0, ""},
        {"0::/a\n", V2, {{"/cg/a/memory.max", "12 MiB\n"}}, 0, ""},
        {"0::/a\n", V2, {{"/cg/a/memory.max", "99999999999999999999\n"}}, 0, ""},
    };
    const char *root = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct memory_limit limit;

        print_message("case %zu\n", i);
        void *own;

        assert_int_equal(tree_make(&own), 0);
        tree_self(own, cases[i].groups, cases[i].mounts);
        for (const struct file *file = cases[i].files; file->name; file++) {
            tree_put(own, file->name, file->text);
        }
        memory_find(own, &limit);
        assert_int_equal(limit.bytes, cases[i].expected);
        assert_string_equal(limit.folder + (limit.bytes ? strlen(own) : 0), cases[i].folder);
        (void)tree_drop(&own);
    }
    struct memory_limit limit;

    memory_find(root, &limit); /* no file at all */
    assert_int_equal(limit.bytes, 0);
}

static void three_quarters(void **state)
{
    (void)state;
    assert_int_equal(memory_budget(UINT64_C(100) << 20), UINT64_C(75) << 20);
    assert_int_equal(memory_budget(0), 0);
    assert_int_equal(memory_budget(1), 1);
    assert_true(memory_budget(UINT64_MAX) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(limits, tree_make, tree_drop),
        cmocka_unit_test(three_quarters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
