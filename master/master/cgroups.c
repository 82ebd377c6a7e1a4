/*
 * cgroups.c - see cgroups.h.
 */
#include "master/master/cgroups.h"

#include <stdio.h>
#include <string.h>

struct walk {
    const char *root, *controller;
    cgroups_visit visit;
    void *context;
};

static size_t read_small(const char *path, char *buf, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(buf, 1, size - 1, file) : 0;

    if (file) {
        (void)fclose(file);
    }
    buf[len] = '\0';
    return len;
}

bool cgroups_read(const char *folder, const char *name, char *buf, size_t size)
{
    char path[CGROUP_PATH + 128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return read_small(path, buf, size) > 0;
}

/* From the group itself up to the mount point. */
static void walk_up(const struct walk *walk, const char *mount, const char *relative, bool v2)
{
    char folder[CGROUP_PATH];
    size_t top = strlen(walk->root) + strlen(mount);
    int len = snprintf(folder, sizeof(folder), "%s%s%s", walk->root, mount,
                       strcmp(relative, "/") == 0 ? "" : relative);

    if (len < 0 || (size_t)len >= sizeof(folder)) {
        return; /* a part of the path would be another group */
    }
    for (;;) {
        walk->visit(walk->context, folder, v2);
        char *slash = strrchr(folder, '/');

        if (slash == NULL || (size_t)(slash - folder) < top) {
            return;
        }
        *slash = '\0';
    }
}

static bool has_name(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len) {
        if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0' || at[len] == '\n')) {
            return true;
        }
    }
    return false;
}

/* Our group in the hierarchy: version 2 ("0::/path") or the version 1 line that has the controller. */
static bool own_group(const struct walk *walk, bool v2, char *group, size_t size)
{
    char path[CGROUP_PATH], line[CGROUP_PATH];
    bool found = false;

    (void)snprintf(path, sizeof(path), "%s/proc/self/cgroup", walk->root);
    FILE *file = fopen(path, "re");

    while (file && !found && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *name = controllers ? strchr(controllers + 1, ':') : NULL;

        if (name == NULL) {
            continue;
        }
        *name++ = '\0';
        controllers++;
        found = *name == '/' && (v2 ? *controllers == '\0' : has_name(controllers, walk->controller));
        if (found) {
            (void)snprintf(group, size, "%s", name);
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return found;
}

/* mountinfo writes blanks and backslashes of paths as three octal digits. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at;) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' &&
            at[3] <= '7') {
            *to++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            at += 4;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
}

/* What of our group's path lies below the root of a mount. In a container the mount shows only our part of the tree, and
 * what lies above its root is out of sight; a namespace of groups has both names from its own root. */
static const char *below(const char *group, const char *root)
{
    size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(group, root, len) != 0 || (group[len] != '/' && group[len] != '\0') || group[len] == '\0') {
        return "/";
    }
    return group + len;
}

/* One line of mountinfo: "36 35 98:0 /root /mount/point options - type source super-options". */
static void try_mount(const struct walk *walk, char *line, const char *group, bool v2)
{
    char root[512], mount[512], type[64], super[512];
    char *dash = strstr(line, " - ");

    if (dash == NULL || sscanf(line, "%*s %*s %*s %511s %511s", root, mount) != 2 ||
        sscanf(dash, " - %63s %*s %511s", type, super) != 2) {
        return;
    }
    if (v2 ? strcmp(type, "cgroup2") != 0
           : (strcmp(type, "cgroup") != 0 || !has_name(super, walk->controller))) {
        return;
    }
    unescape(root);
    unescape(mount);
    walk_up(walk, mount, below(group, root), v2);
}

static void walk_version(const struct walk *walk, bool v2)
{
    char group[512], path[CGROUP_PATH], line[4096];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/proc/self/mountinfo", walk->root);
    if (!own_group(walk, v2, group, sizeof(group)) || (file = fopen(path, "re")) == NULL) {
        return;
    }
    while (fgets(line, sizeof(line), file)) {
        try_mount(walk, line, group, v2);
    }
    (void)fclose(file);
}

void cgroups_walk(const char *root, const char *controller, cgroups_visit visit, void *context)
{
    struct walk walk = {.root = root, .controller = controller, .visit = visit, .context = context};

    walk_version(&walk, true);
    walk_version(&walk, false);
}
