/*
 * budget_measure.c - how much memory the tree uses: see budget.h.
 */
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/process.h"
#include "worker/budget.h"
#include "worker/worker.h"

#define MIB (UINT64_C(1) << 20)
#define OURS_SLACK (16 * MIB)
#define SOCKET_BYTES 4096 /* the kernel's part: socket, file, inode, place in epoll */

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

uint64_t budget_gauge(struct worker *worker, enum board_gauge which)
{
    int64_t sum = board_gauge_sum(worker->board, which);

    return sum > 0 ? (uint64_t)sum : 0;
}

/* ---- the kernel's figures ---- */

static uint64_t read_number(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    uint64_t number = 0;

    while (n > 0 && (text[n - 1] < '0' || text[n - 1] > '9')) {
        n--;
    }
    return n > 0 && slice_to_u64(slice_of(text, (size_t)n), &number) ? number : 0;
}

/* The value of one line "key value"; 0 when there is none. */
static uint64_t value_of(struct slice text, struct slice key, bool *found)
{
    uint64_t value = 0;

    while (text.len) {
        ptrdiff_t end = slice_find(text, '\n');
        struct slice line = end < 0 ? text : slice_head(text, (size_t)end);

        text = slice_from(text, line.len + (end < 0 ? 0 : 1));
        if (line.len > key.len && line.ptr[key.len] == ' ' && slice_eq(slice_head(line, key.len), key) &&
            slice_to_u64(slice_from(line, key.len + 1), &value)) {
            *found = true;
            return value;
        }
    }
    return 0;
}

/* Version 1 has the sums over groups below in lines of their own. What of the cache is shared memory lies among the
 * anonymous pages, so it is not in here. */
uint64_t budget_file_cache(struct slice text)
{
    bool total = false, own = false;
    uint64_t sums = value_of(text, SLICE("total_inactive_file"), &total) +
                    value_of(text, SLICE("total_active_file"), &total);
    uint64_t plain =
        value_of(text, SLICE("inactive_file"), &own) + value_of(text, SLICE("active_file"), &own);

    return total ? sums : plain;
}

static void read_cache(struct budget *budget)
{
    char text[8192];
    ssize_t n = pread(budget->parts, text, sizeof(text), 0);

    budget->cache = n > 0 ? budget_file_cache(slice_of(text, (size_t)n)) : 0;
}

static void ask_socket(int fd, uint32_t info[SK_MEMINFO_VARS])
{
    socklen_t length = SK_MEMINFO_VARS * sizeof(*info);

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0) {
        memset(info, 0, SK_MEMINFO_VARS * sizeof(*info));
    }
}

uint64_t budget_queued(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};

    ask_socket(fd, info);
    return (uint64_t)info[SK_MEMINFO_WMEM_QUEUED] + info[SK_MEMINFO_RMEM_ALLOC];
}

uint64_t budget_unsent(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};

    ask_socket(fd, info);
    return info[SK_MEMINFO_WMEM_QUEUED];
}

/* ---- the tree's figures ---- */

void budget_measure_ourselves(struct worker *worker)
{
    struct budget *budget = &worker->budget;
    _Atomic int64_t *gauges = worker->slab->gauges;
    int64_t sockets = atomic_load_explicit(&gauges[GAUGE_CONNECTIONS], memory_order_relaxed) +
                      atomic_load_explicit(&gauges[GAUGE_UDP_SESSIONS], memory_order_relaxed) +
                      atomic_load_explicit(&gauges[GAUGE_UPSTREAM_IDLE], memory_order_relaxed) +
                      atomic_load_explicit(&gauges[GAUGE_UPSTREAM_ACTIVE], memory_order_relaxed);

    atomic_store_explicit(&gauges[GAUGE_MEMORY],
                          (int64_t)(process_memory(budget->statm) + budget->charged) + sockets * SOCKET_BYTES,
                          memory_order_relaxed);
}

/* Others in the group may fill it too. What is beyond twice our own figure (it is an estimate) is theirs; refusing work for
 * it helps only when the group comes near its limit: at 95 % of that all of the budget counts as used. */
static uint64_t group_use(uint64_t used, uint64_t ours)
{
    uint64_t at_most = 2 * ours + OURS_SLACK;
    uint64_t near_limit = used / 19 * 15; /* the budget is 75 % of the limit */
    uint64_t by_us = used < at_most ? used : at_most;

    return by_us > near_limit ? by_us : near_limit;
}

void budget_measure(struct worker *worker, bool parts)
{
    struct budget *budget = &worker->budget;
    struct board_tree *tree = board_tree(worker->board);
    struct board_memory *memory = tree->memory;

    budget_measure_ourselves(worker);

    uint64_t ours = budget_gauge(worker, GAUGE_MEMORY) + load(&tree->master_memory);

    store(&memory[MEMORY_TREE].used, ours);
    if (load(&memory[MEMORY_GROUP].budget) && budget->usage != -1) {
        uint64_t usage = read_number(budget->usage);

        if (parts) {
            read_cache(budget);
        }
        store(&memory[MEMORY_GROUP].used, group_use(usage > budget->cache ? usage - budget->cache : 0, ours));
    }
}
