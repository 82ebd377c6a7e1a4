/*
 * memory.c - the memory limits that hold for us: found, said, put on the board.
 *
 * What is used of them the workers measure themselves (worker/budget.c), so that it goes on without a master: they get
 * the group's files from us as open descriptors, because they may open none.
 */
#include "master/master/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "master/master/master.h"

#define NO_LIMIT (UINT64_C(1) << 60) /* version 1 writes the largest number of whole pages for "none" */
#define MIB (1024 * 1024)

const char *memory_limit_file(bool v2)
{
    return v2 ? "memory.max" : "memory.limit_in_bytes";
}

static void consider(void *context, const char *folder, bool v2)
{
    struct memory_limit *least = context;
    char text[64];
    uint64_t bytes;

    if (!cgroups_read(folder, memory_limit_file(v2), text, sizeof(text))) {
        return;
    }
    text[strcspn(text, "\n")] = '\0';
    if (!slice_to_u64(slice_cstr(text), &bytes) || bytes == 0 || bytes >= NO_LIMIT) { /* "max" is no number */
        return;
    }
    if (least->bytes == 0 || bytes < least->bytes) {
        least->bytes = bytes;
        least->v2 = v2;
        (void)snprintf(least->folder, sizeof(least->folder), "%s", folder);
    }
}

void memory_find(const char *root, struct memory_limit *out)
{
    *out = (struct memory_limit){0};
    cgroups_walk(root, "memory", consider, out);
}

/* ---- what workers measure with ---- */
static int open_file(const struct memory_limit *limit, const char *name)
{
    char path[CGROUP_PATH + 64];

    (void)snprintf(path, sizeof(path), "%s/%s", limit->folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) {
        log_warn("%s: %m: the use of memory is measured without it", path);
    }
    return fd;
}

static void close_files(struct master *master)
{
    for (size_t i = 0; i < MEMORY_FILES; i++) {
        if (master->memory_fds[i] != -1) {
            close(master->memory_fds[i]);
            master->memory_fds[i] = -1;
        }
    }
}

/* Both or none: a figure that counts the file cache as used would refuse work for nothing. */
static void open_files(struct master *master)
{
    const struct memory_limit *limit = &master->memory;

    close_files(master);
    if (limit->bytes == 0) {
        return;
    }
    master->memory_fds[0] = open_file(limit, limit->v2 ? "memory.current" : "memory.usage_in_bytes");
    master->memory_fds[1] = open_file(limit, "memory.stat");
    if (master->memory_fds[0] == -1 || master->memory_fds[1] == -1) {
        close_files(master);
    }
}

/* ---- in force ---- */
static void say(const struct memory_limit *found, uint64_t own)
{
    if (found->bytes) {
        log_info("Memory limit: %" PRIu64 " MiB (%s/%s); the budget is %" PRIu64 " MiB", found->bytes / MIB,
                 found->folder, memory_limit_file(found->v2), memory_budget(found->bytes) / MIB);
    }
    if (own) {
        log_info("Memory limit: %" PRIu64 " MiB (limits.memory); the budget is %" PRIu64 " MiB", own / MIB,
                 memory_budget(own) / MIB);
    }
    if (found->bytes == 0 && own == 0) {
        log_debug("No memory limit: no control group has one, and limits.memory is not set");
    }
}

static void tell(struct master *master, uint64_t own, uint64_t found)
{
    life_set(&master->tree->memory[MEMORY_TREE].budget, memory_budget(own));
    life_set(&master->tree->memory[MEMORY_GROUP].budget, memory_budget(found));
}

uint64_t memory_apply(struct master *master, const struct static_config *config)
{
    uint64_t own = (uint64_t)config->limits.memory;
    struct memory_limit found;

    memory_find("", &found);
    tell(master, own, found.bytes);
    if (!master->memory_said || found.bytes != master->memory.bytes || own != master->memory_own ||
        strcmp(found.folder, master->memory.folder) != 0) {
        say(&found, own);
        master->memory_said = true;
        master->memory = found;
        master->memory_own = own;
        open_files(master);
        publish_memory(master);
    }
    return memory_budget(own != 0 && (found.bytes == 0 || own < found.bytes) ? own : found.bytes);
}

void memory_tend(struct master *master)
{
    if (master->memory_said) {
        tell(master, master->memory_own, master->memory.bytes); /* whatever else stands there */
    }
    if (master->memory_own || master->memory.bytes) {
        atomic_store_explicit(&master->tree->master_memory, process_memory(master->statm),
                              memory_order_relaxed);
    }
}

void memory_start(struct master *master)
{
    master->statm = process_memory_open();
    for (size_t i = 0; i < MEMORY_FILES; i++) {
        master->memory_fds[i] = -1;
    }
}

void memory_stop(struct master *master)
{
    close_files(master);
    if (master->statm != -1) {
        close(master->statm);
    }
}
