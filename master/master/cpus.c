/*
 * cpus.c - how many workers: what the user says, else the least of the processors we may run on and the CPU quota of
 * every control group above us (versions 1 and 2).
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master/master.h"

struct quota {         /* the smallest found */
    double processors; /* 0: none found */
    char where[1024];
};

/* Reads a small file; false when it is not there or empty. */
static bool read_small(const char *path, char *buf, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(buf, 1, size - 1, file) : 0;

    if (file) {
        (void)fclose(file);
    }
    buf[len] = '\0';
    return len > 0;
}

static void consider(struct quota *quota, double limit, double period, const char *where)
{
    if (limit <= 0 || period <= 0 || limit / period > 1e6) {
        return;
    }
    double processors = limit / period;

    if (quota->processors == 0 || processors < quota->processors) {
        quota->processors = processors;
        (void)snprintf(quota->where, sizeof(quota->where), "%s", where);
    }
}

static void read_group(struct quota *quota, const char *folder, bool v2)
{
    char path[1200], text[128], period_text[64];
    long long limit, period;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!read_small(path, text, sizeof(text))) {
        return;
    }
    if (v2) {
        if (sscanf(text, "%lld %lld", &limit, &period) == 2) { /* "max 100000" has no number first */
            consider(quota, (double)limit, (double)period, folder);
        }
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
    if (read_small(path, period_text, sizeof(period_text)) && sscanf(text, "%lld", &limit) == 1 &&
        sscanf(period_text, "%lld", &period) == 1) {
        consider(quota, (double)limit, (double)period, folder);
    }
}

/* From the group itself up to the mount point: each level may have a quota of its own. */
static void walk_up(struct quota *quota, const char *mount, const char *relative, bool v2)
{
    char folder[1024];

    (void)snprintf(folder, sizeof(folder), "%s%s", mount, strcmp(relative, "/") == 0 ? "" : relative);
    size_t top = strlen(mount);

    for (;;) {
        read_group(quota, folder, v2);
        char *slash = strrchr(folder, '/');

        if (slash == NULL || (size_t)(slash - folder) < top) {
            return;
        }
        *slash = '\0';
    }
}

/* Our group in the hierarchy: version 2 ("0::/path") or the version 1 line that has the controller "cpu". */
static bool own_group(bool v2, char *group, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[1024];
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;

        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        if (v2) {
            found = *controllers == '\0';
        } else {
            for (char *save, *name = strtok_r(controllers, ",", &save); name;
                 name = strtok_r(NULL, ",", &save)) {
                found = found || strcmp(name, "cpu") == 0;
            }
        }
        if (found) {
            (void)snprintf(group, size, "%s", path);
        }
    }
    if (file) {
        (void)fclose(file);
    }
    return found;
}

static bool has_option(const char *options, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = options; (at = strstr(at, name)) != NULL; at += len) {
        if ((at == options || at[-1] == ',') && (at[len] == ',' || at[len] == '\0' || at[len] == '\n')) {
            return true;
        }
    }
    return false;
}

/* One line of mountinfo: "36 35 98:0 /root /mount/point options - type source super-options". */
static void try_mount(struct quota *quota, char *line, const char *group, bool v2)
{
    char root[512], mount[512], type[64], super[512];
    char *dash = strstr(line, " - ");

    if (dash == NULL || sscanf(line, "%*s %*s %*s %511s %511s", root, mount) != 2 ||
        sscanf(dash, " - %63s %*s %511s", type, super) != 2) {
        return;
    }
    if (v2 ? strcmp(type, "cgroup2") != 0 : (strcmp(type, "cgroup") != 0 || !has_option(super, "cpu"))) {
        return;
    }
    /* In a container the mount shows only our part of the tree: what lies above its root is out of sight. */
    size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);
    const char *relative = strncmp(group, root, len) == 0 ? group + len : "/";

    walk_up(quota, mount, *relative ? relative : "/", v2);
}

static void find_quota(struct quota *quota, bool v2)
{
    char group[512], line[4096];
    FILE *file;

    if (!own_group(v2, group, sizeof(group)) || (file = fopen("/proc/self/mountinfo", "re")) == NULL) {
        return;
    }
    while (fgets(line, sizeof(line), file)) {
        try_mount(quota, line, group, v2);
    }
    (void)fclose(file);
}

static unsigned round_up(double value)
{
    unsigned whole = (unsigned)value;

    return whole < value ? whole + 1 : whole;
}

static unsigned affinity(void)
{
    unsigned count = 0;

    for (int most = 1024; most <= 65536; most *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        size_t size = CPU_ALLOC_SIZE((size_t)most);

        if (set && sched_getaffinity(0, size, set) == 0) {
            count = (unsigned)CPU_COUNT_S(size, set);
        }
        CPU_FREE(set);
        if (count > 0) {
            break;
        }
    }
    return count > 0 ? count : 1;
}

unsigned cpus_workers(const struct static_config *config, char *reason, size_t size)
{
    struct quota quota = {0};
    unsigned processors = affinity();

    if (config->workers > 0) {
        (void)snprintf(reason, size, "as configured");
        return config->workers < BOARD_WORKERS ? (unsigned)config->workers : BOARD_WORKERS;
    }
    find_quota(&quota, true);
    find_quota(&quota, false);
    if (quota.processors > 0 && round_up(quota.processors) < processors) {
        (void)snprintf(reason, size, "CPU quota of %.2f processors in %.500s", quota.processors, quota.where);
        return round_up(quota.processors);
    }
    (void)snprintf(reason, size, "%u processor%s that this process may use", processors,
                   processors == 1 ? "" : "s");
    return processors < BOARD_WORKERS ? processors : BOARD_WORKERS;
}
