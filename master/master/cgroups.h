/*
 * cgroups.h - the control groups that hold us, of both versions: our own one and every one above it.
 *
 * Knows where the folders are and reads their small files; what stands in them is the caller's matter (cpus.c, memory.c).
 */
#ifndef WEIR_MASTER_MASTER_CGROUPS_H
#define WEIR_MASTER_MASTER_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>

#define CGROUP_PATH 1024

/* folder: of one group, without a slash behind it. */
typedef void (*cgroups_visit)(void *context, const char *folder, bool v2);

/* Calls visit for our group and each one above that can be seen, innermost first, in the hierarchies of version 1 that
 * have the controller ("cpu", "memory") and in that of version 2. root: put before every path, "" but in tests. */
void cgroups_walk(const char *root, const char *controller, cgroups_visit visit, void *context);

/* The text of a small file of a group, NUL-terminated, cut off at size; false when it is not there or empty. */
bool cgroups_read(const char *folder, const char *file, char *buf, size_t size);

#endif
