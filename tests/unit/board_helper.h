/*
 * board_helper.h - a board of its own for each test of a group, which gets it as its state.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "shm/board.h"

static int board_fd;

static int board_set_up(void **state)
{
    struct error why = {""};
    struct board *board;

    assert_int_equal(board_create(&board_fd, &why), 0);
    assert_int_equal(board_map(board_fd, &board, &why), 0);
    *state = board;
    return 0;
}

static int board_tear_down(void **state)
{
    board_unmap(*state);
    close(board_fd);
    return 0;
}

/* Memory that the board uses. */
static inline long board_bytes(void)
{
    struct stat st;

    assert_int_equal(fstat(board_fd, &st), 0);
    return (long)st.st_blocks * 512;
}
