/* cgroup_tree.h - a folder that stands for the root of the file system: /proc/self/... and control groups below it. */
#ifndef WEIR_TESTS_CGROUP_TREE_H
#define WEIR_TESTS_CGROUP_TREE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int tree_make(void **state)
{
    char *root = strdup("/tmp/weir-cgroups-XXXXXX");

    *state = root;
    return mkdtemp(root) ? 0 : -1;
}

static inline int tree_drop(void **state)
{
    (void)nftw(*state, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

/* Writes a file, making the folders above it. */
static inline void tree_put(const char *root, const char *name, const char *text)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *out = fopen(path, "we");

    assert_non_null(out);
    (void)fputs(text, out);
    (void)fclose(out);
}

static inline void tree_self(const char *root, const char *groups, const char *mounts)
{
    tree_put(root, "/proc/self/cgroup", groups);
    tree_put(root, "/proc/self/mountinfo", mounts);
}

#endif
