/* test_cgroups.c - which folders are ours: both versions, every level, mounts that show a part of the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cgroup_tree.h"
#include "master/master/cgroups.h"

#include "common/base/slice.h"

struct seen {
    const char *root;
    char text[2048];
};

static void note(void *context, const char *folder, bool v2)
{
    struct seen *seen = context;
    size_t len = strlen(seen->text);

    (void)snprintf(seen->text + len, sizeof(seen->text) - len, "%d:%s ", v2 ? 2 : 1,
                   folder + strlen(seen->root));
}

static void folders(void **state)
{
    static const struct {
        const char *groups, *mounts, *expected;
    } cases[] = {
        {"0::/a/b\n", "31 30 0:27 / /cg rw - cgroup2 cgroup rw\n", "2:/cg/a/b 2:/cg/a 2:/cg "},
        {"0::/\n", "31 30 0:27 / /cg rw - cgroup2 cgroup rw\n", "2:/cg "},
        /* a container: the root of the mount is taken off, what lies above is out of sight */
        {"0::/docker/x/mine\n", "31 30 0:27 /docker/x /cg rw - cgroup2 cgroup rw\n", "2:/cg/mine 2:/cg "},
        {"0::/docker/x\n", "31 30 0:27 /docker/x /cg rw - cgroup2 cgroup rw\n", "2:/cg "},
        {"0::/docker/xy\n", "31 30 0:27 /docker/x /cg rw - cgroup2 cgroup rw\n", "2:/cg "},
        {"0::/elsewhere\n", "31 30 0:27 /docker/x /cg rw - cgroup2 cgroup rw\n", "2:/cg "},
        /* version 1: the hierarchy with the controller only, the name as a whole */
        {"4:memory:/p\n3:cpu:/q\n",
         "1 0 0:1 / /cpu rw - cgroup cgroup rw,cpu\n2 0 0:2 / /mem rw - cgroup cgroup rw,memory\n",
         "1:/mem/p 1:/mem "},
        {"4:memoryx:/p\n", "2 0 0:2 / /mem rw - cgroup cgroup rw,memory\n", ""},
        {"4:memory:/p\n", "2 0 0:2 / /mem rw - cgroup cgroup rw,xmemory\n", ""},
        /* both at once */
        {"4:memory:/p\n0::/u\n", "1 0 0:1 / /two rw - cgroup2 c rw\n2 0 0:2 / /mem rw - cgroup c rw,memory\n",
         "2:/two/u 2:/two 1:/mem/p 1:/mem "},
        {"0::/a\n", "31 30 0:27 / /with\\040blank rw - cgroup2 cgroup rw\n",
         "2:/with blank/a 2:/with blank "},
        /* garbage */
        {"", "31 30 0:27 / /cg rw - cgroup2 cgroup rw\n", ""},
        {"nonsense\n0\n:\n", "31 30 0:27 / /cg rw - cgroup2 cgroup rw\n", ""},
        {"0::relative\n", "31 30 0:27 / /cg rw - cgroup2 cgroup rw\n", ""},
        {"0::/a\n", "", ""},
        {"0::/a\n", "31 30\n - cgroup2\n31 30 0:27 / /cg rw cgroup2\n", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen = {.root = *state};

        print_message("case %zu\n", i);
        tree_self(*state, cases[i].groups, cases[i].mounts);
        cgroups_walk(*state, "memory", note, &seen);
        assert_string_equal(seen.text, cases[i].expected);
    }
}

static void nothing_is_there(void **state)
{
    struct seen seen = {.root = *state};
    char text[8];

    cgroups_walk(*state, "memory", note, &seen);
    assert_string_equal(seen.text, "");
    assert_false(cgroups_read(*state, "memory.max", text, sizeof(text)));
    tree_put(*state, "/memory.max", "");
    assert_false(cgroups_read(*state, "memory.max", text, sizeof(text)));
    tree_put(*state, "/memory.max", "12345678901");
    assert_true(cgroups_read(*state, "memory.max", text, sizeof(text)));
    assert_string_equal(text, "1234567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders, tree_make, tree_drop),
        cmocka_unit_test_setup_teardown(nothing_is_there, tree_make, tree_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
