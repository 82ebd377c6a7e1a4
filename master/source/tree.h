/*
 * tree.h - the files below a path, in a fixed order: what manifests, the file provider and the watch all walk.
 *
 * Order: byte order of names within each directory, directories in their place among the files. Names that begin with
 * a dot are passed over (editors' files, and the ..data directories of Kubernetes volumes, whose files are reached by the
 * links beside them, so nothing is read twice). A directory is entered once, however many links lead to it, and never through
 * a link to somewhere outside of the root. What is no regular file is never opened.
 */
#ifndef WEIR_MASTER_SOURCE_TREE_H
#define WEIR_MASTER_SOURCE_TREE_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "common/schema/schema.h"

enum tree_flags {
    TREE_DOT_FILES =
        1 << 0, /* files named ".x.yml" too (Traefik's file provider reads them); never "..x" and ".#x" */
    TREE_LINKED_DIRS = 1 << 1, /* enter directories through symbolic links */
};

struct tree_problem {
    struct slice path;
    struct slice text;
    bool unread; /* of a directory that is there: nobody knows what is below it now */
};

struct tree {
    struct list files; /* struct slice, each followed by a NUL byte; links are not resolved */
    struct list dirs;  /* struct slice, the root first; empty when the root is a file */
    struct list
        problems; /* struct tree_problem: directories that cannot be read, nesting too deep, links to directories
                             outside, pipes and devices */
};

/* root: a file (taken whatever its name) or a directory. endings: ".yaml"..., ended by NULL, any letter case. Fails only
 * when the root itself cannot be read, or holds too much (100,000 entries, 10,000 directories): -E2BIG, with what to do.
 * Everything lives in the pool. */
int tree_list(struct pool *pool, struct slice root, const char *const *endings, unsigned flags,
              struct tree *out, struct error *why);

/* The whole of a regular file, appended. Refuses what is over 64 MiB or no regular file (never blocks on a pipe). `why` does not
 * name the file: that is the caller's (error_prefix()). */
int tree_read(struct slice path, struct text *out, struct error *why);
/* Whether what a function here gave may pass by itself, with no change of the tree: descriptors or memory that ran short, a
 * disk or a server of files that did not answer, rights. */
bool tree_may_pass(int rc);
/* Whether a path is below that directory. */
bool tree_is_below(struct slice path, struct slice directory);

bool tree_has_ending(struct slice name, const char *const *endings);

#endif
