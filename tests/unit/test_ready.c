/* test_ready.c - what makes a tree ready, and the words for what is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/ready.h"

struct provided {
    const char *name; /* NULL: there is none */
    bool enabled, loaded;
};

static const struct {
    const char *what;
    struct provided providers[2];
    uint64_t synced, workers, acknowledged[3];
    bool ready_before, was_ready, stopping;
    const char *missing; /* empty: ready */
} cases[] = {
    {"nothing has been said yet",
     {{0}},
     0,
     0,
     {0},
     false,
     false,
     false,
     "waiting for the first configuration"},
    {"one provider has not synced",
     {{"file", true, true}, {"kubernetescrd", true, false}},
     0,
     1,
     {1},
     false,
     false,
     false,
     "waiting for provider kubernetescrd"},
    {"one that is off is not waited for",
     {{"file", false, false}, {"kubernetescrd", true, true}},
     0,
     1,
     {1},
     false,
     false,
     false,
     "waiting for the first configuration"},
    {"no worker",
     {{"file", true, true}},
     3,
     2,
     {0, 0},
     false,
     false,
     false,
     "worker 0 has not acknowledged generation 3"},
    {"one has only an earlier one",
     {{"file", true, true}},
     3,
     2,
     {3, 2},
     false,
     false,
     false,
     "worker 1 has not acknowledged generation 3"},
    {"a slot that nobody has used",
     {{"file", true, true}},
     3,
     4,
     {3, 3, 3},
     false,
     false,
     false,
     "worker 3 has not acknowledged generation 3"},
    {"a later one will do", {{"file", true, true}}, 3, 2, {3, 9}, false, false, false, ""},
    {"who is not wanted does not count", {{"file", true, true}}, 3, 1, {3, 0, 0}, false, false, false, ""},
    {"once ready, ready", {{"file", true, false}}, 3, 2, {0, 0}, true, false, false, ""},
    {"ready by inheritance", {{"file", true, false}}, 0, 2, {0, 0}, false, true, false, ""},
    {"but not while it stops", {{"file", true, true}}, 3, 1, {3}, true, true, true, "stopping"},
};

static void every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct board *board;
        struct error why;
        char missing[READY_TEXT];
        int fd;

        assert_int_equal(board_create(&fd, &why), 0);
        assert_int_equal(board_map(fd, &board, &why), 0);
        struct board_master *master = board_master(board);

        for (size_t k = 0; k < 2 && cases[i].providers[k].name; k++) {
            board_text_set(&master->provider[k].name, slice_cstr(cases[i].providers[k].name));
            atomic_store(&master->provider[k].enabled, cases[i].providers[k].enabled);
            atomic_store(&master->provider[k].loaded_ns, cases[i].providers[k].loaded ? 5 : 0);
            atomic_store(&master->providers, k + 1);
        }
        for (unsigned k = 0; k < 3; k++) {
            atomic_store(&board_slab(board, k)->generation, cases[i].acknowledged[k]);
        }
        atomic_store(&master->synced_generation, cases[i].synced);
        atomic_store(&master->ready_ns, cases[i].ready_before ? 5 : 0);
        atomic_store(&board_guard(board)->was_ready, cases[i].was_ready);
        atomic_store(&board_tree(board)->workers, cases[i].workers);
        atomic_store(&board_tree(board)->stopping, cases[i].stopping);
        bool ready = board_ready(board, missing);

        if (ready != (cases[i].missing[0] == '\0') || strcmp(missing, cases[i].missing) != 0) {
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].what, missing, cases[i].missing);
        }
        board_unmap(board);
        close(fd);
    }
}

static void stale_is_what_an_enabled_provider_says(void **state)
{
    struct board *board;
    struct error why;
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &board, &why), 0);

    struct board_master *master = board_master(board);

    atomic_store(&master->providers, 2);
    atomic_store(&master->provider[0].enabled, 1);
    assert_false(board_stale(board));
    atomic_store(&master->provider[1].stale_s, 1);
    assert_false(board_stale(board));
    atomic_store(&master->provider[1].enabled, 1);
    assert_true(board_stale(board));
    atomic_store(&master->providers, UINT64_MAX); /* a damaged count */
    assert_true(board_stale(board));
    board_unmap(board);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case),
                                       cmocka_unit_test(stale_is_what_an_enabled_provider_says)};

    return cmocka_run_group_tests_name("ready", tests, NULL, NULL);
}
