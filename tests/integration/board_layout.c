/*
 * board_layout.c - says where on the board things lie, as JSON, for tests that read the board of a running weir.
 *
 * Measured on a board of its own, so that no test knows an offset. Not here: reading (board.py).
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/board.h"

static const char *const gauges[BOARD_GAUGES] = {
    [GAUGE_CONNECTIONS] = "connections",
    [GAUGE_EXCHANGES] = "exchanges",
    [GAUGE_UPSTREAM_IDLE] = "upstream_idle",
    [GAUGE_UPSTREAM_ACTIVE] = "upstream_active",
    [GAUGE_BUFFERS] = "buffers",
    [GAUGE_GENERATIONS] = "generations",
    [GAUGE_BACKED_UP] = "backed_up",
    [GAUGE_UDP_SESSIONS] = "udp_sessions",
    [GAUGE_SPOOLED] = "spooled",
    [GAUGE_MEMORY] = "memory",
};

/* Where this process has the board mapped. */
static const char *mapped_at(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long long start = 0;
    char line[512];

    while (maps && start == 0 && fgets(line, sizeof(line), maps)) {
        if (strstr(line, "weir-board")) {
            start = strtoull(line, NULL, 16);
        }
    }
    if (maps) {
        (void)fclose(maps);
    }
    return (const char *)(uintptr_t)start; /* NOLINT: an address is what the file has */
}

int main(void)
{
    struct board *board;
    struct error why;
    int fd;

    if (board_create(&fd, &why) < 0 || board_map(fd, &board, &why) < 0) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    const char *base = mapped_at(), *first = (const char *)board_slab(board, 0);

    (void)printf("{\"slabs\": %td, \"stride\": %td, \"workers\": %d, \"pid\": %zu, \"gauges\": {",
                 first - base, (const char *)board_slab(board, 1) - first, BOARD_WORKERS,
                 offsetof(struct board_slab, pid));
    for (size_t i = 0; i < BOARD_GAUGES; i++) {
        (void)printf("%s\"%s\": %zu", i ? ", " : "", gauges[i],
                     offsetof(struct board_slab, gauges) + i * sizeof(int64_t));
    }
    const char *tree = (const char *)board_tree(board);
    const char *word = (const char *)board_at(board, board_word(board, 1, 1));

    (void)printf("}, \"generation\": %zu, \"acknowledged_ns\": %zu", offsetof(struct board_slab, generation),
                 offsetof(struct board_slab, acknowledged_ns));
    (void)printf(", \"published\": %zu, \"tree\": %td, \"tree_bytes\": %zu, \"words\": %td}\n",
                 offsetof(struct board_tree, generation), tree - base, sizeof(struct board_tree),
                 (word - base) / 4096 * 4096);
    board_unmap(board);
    return base == NULL;
}
