/* test_hold.c - for how long the first generation of a master waits for a cluster: 10 s where nothing is served yet, else for
 * as long as that takes, also when it is an earlier build that serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "master/master/master.h"

static struct master *master;
static int board_fd;

static int set_up(void **state)
{
    struct error why;

    (void)state;
    master = xcalloc(1, sizeof(*master));
    assert_int_equal(board_create(&board_fd, &why), 0);
    assert_int_equal(board_map(board_fd, &master->board, &why), 0);
    master->tree = board_tree(master->board);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    board_unmap(master->board);
    close(board_fd);
    free(master);
    return 0;
}

/* After the first 10 s. */
static bool waits_on(void)
{
    assert_true(hold_begin(master).cluster);
    master->hold.cluster_until = 1;
    return hold_begin(master).cluster;
}

static void nothing_is_served_yet(void **state)
{
    (void)state;
    assert_false(waits_on());
}

static void an_earlier_master_had_published(void **state)
{
    (void)state;
    atomic_store(&master->tree->generation, 3);
    assert_true(waits_on());
    master->current.number = 4; /* this one has too */
    assert_false(hold_begin(master).cluster);
}

static void workers_of_an_earlier_build_serve(void **state)
{
    (void)state;
    life_set(&board_guard(master->board)->was_ready, 1);
    assert_true(waits_on());
    assert_true(hold_begin(master).earlier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_served_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_earlier_master_had_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(workers_of_an_earlier_build_serve, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
