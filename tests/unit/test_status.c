/* test_status.c - `weir status` of a fabricated board: what is read, how it is printed, and that nothing makes it stumble. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "common/base/memory.h"
#include "common/http/reason.h"
#include "master/tools/status.h"
#include "shm/control.h"

#define SECOND UINT64_C(1000000000)
#define NOW (100000 * SECOND)

static const struct status_clock the_clock = {
    .now_ns = (int64_t)NOW, .unix_ns = 1000000000 * (int64_t)SECOND}; /* 2001-09-09 01:46:40 */

struct fixture {
    struct board *board;
    struct status *status;
    struct text out;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    struct error why;
    int fd;

    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &fixture->board, &why), 0);
    close(fd);
    fixture->status = xcalloc(1, sizeof(*fixture->status));
    text_init(&fixture->out);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    board_unmap(fixture->board);
    free(fixture->status);
    text_free(&fixture->out);
    free(fixture);
    return 0;
}

/* ---- fabricating ---- */
static uint64_t ago(double seconds)
{
    return NOW - (uint64_t)(seconds * (double)SECOND);
}

static void add_worker(struct board *board, unsigned slot, uint64_t pid, double beat, uint64_t state)
{
    struct board_slot *shown = &board_guard(board)->slot[slot];
    struct board_slab *slab = board_slab(board, slot);

    atomic_store(&shown->pid, pid);
    atomic_store(&shown->since_ns, ago(7300));
    atomic_store(&shown->starts, 1);
    atomic_store(&slab->pid, pid);
    atomic_store(&slab->heartbeat_ns, ago(beat));
    atomic_store(&slab->state, state);
    atomic_store(&slab->state_ns, ago(7299));
    atomic_store(&slab->generation, 12);
    atomic_store(&slab->acknowledged_ns, ago(65));
    atomic_store(&slab->gauges[GAUGE_CONNECTIONS], 10 + slot);
    atomic_store(&slab->gauges[GAUGE_UPSTREAM_IDLE], 3);
    slab_count(slab, COUNT_REQUESTS, 100);
}

static void add_generation(struct board *board, uint64_t number, double published, uint64_t routers)
{
    struct board_publication *shown = &board_master(board)->publication[number % BOARD_PUBLICATIONS];

    atomic_store(&shown->number, number);
    atomic_store(&shown->published_ns, ago(published));
    atomic_store(&shown->routers, routers);
}

static void add_master(struct board *board)
{
    struct board_master *master = board_master(board);

    atomic_store(&master->ready_ns, ago(7000));
    atomic_store(&master->settings_ns, ago(200000 * 0.25));
    atomic_store(&master->reload_ns, ago(65));
    atomic_store(&master->reload_took_ns, 2500000);
    atomic_store(&master->reload_result, RELOAD_PUBLISHED);
    board_text_set(&master->reload_changes, SLICE("routers: 1 added (\"a\"@file)"));
    board_text_set(&master->provider[0].name, SLICE("file"));
    board_text_set(&master->provider[0].error, SLICE("gone"));
    atomic_store(&master->provider[0].enabled, 1);
    atomic_store(&master->provider[0].loaded_ns, ago(65));
    board_text_set(&master->provider[1].name, SLICE("kubernetescrd"));
    atomic_store(&master->provider[1].enabled, 1);
    atomic_store(&master->provider[1].loaded_ns, ago(65));
    atomic_store(&master->provider[1].stale_s, 1000000000 - 7265);
    board_text_set(&master->provider[2].name, SLICE("kubernetesingress"));
    atomic_store(&master->provider[2].enabled, 1);
    atomic_store(&master->provider[2].loaded_ns, ago(65));
    atomic_store(&master->provider[2].stale_s, UINT64_MAX); /* the clock was set back since */
    atomic_store(&master->providers, 3);
    atomic_store(&board_tree(board)->generation, 12);
    add_generation(board, 12, 65, 5);
    add_generation(board, 11, 4000, 4);
    atomic_store(&master->publication[11 % BOARD_PUBLICATIONS].withdrawn_ns, ago(3000));
    add_generation(board, 2, 9000, 3); /* where 10 would be: overwritten, or written just now */
}

static void add_guard(struct board *board)
{
    struct board_guard *guard = board_guard(board);

    atomic_store(&guard->pid, 100);
    atomic_store(&guard->since_ns, ago(90000));
    atomic_store(&guard->upgrades, 1);
    atomic_store(&guard->upgraded_ns, ago(7300));
    atomic_store(&guard->master_starts, 2);
    atomic_store(&guard->master_start_ns, NOW + 2 * SECOND);
    atomic_store(&board_tree(board)->master_heartbeat_ns, ago(12.3));
    atomic_store(&guard->slots, 4);
    atomic_store(&board_tree(board)->workers, 3);
    add_worker(board, 0, 102, 0.05, WORKER_SERVING);
    add_worker(board, 1, 103, 12.34, WORKER_SERVING);
    atomic_store(&guard->slot[1].lent_to, 1);
    atomic_store(&guard->slot[1].lent_ns, ago(12));
    atomic_store(&guard->slot[2].start_ns, NOW + SECOND / 2);
    atomic_store(&guard->slot[2].starts, 7);
    add_worker(board, 3, 105, 0.1, WORKER_SERVING);
    atomic_store(&guard->slot[3].retire_ns, ago(2));
    atomic_store(&guard->points, 2);
    board_text_set(&guard->point[0].name, SLICE("web"));
    board_text_set(&guard->point[0].address, SLICE("[::]:80"));
    atomic_store(&guard->point[0].sockets, 3);
    board_text_set(&guard->point[1].name, SLICE("web"));
    board_text_set(&guard->point[1].address, SLICE("0.0.0.0:81"));
    atomic_store(&guard->point[1].sockets, 1);
    atomic_store(&guard->point[1].leaving_ns, ago(1));
    atomic_store(&guard->old_count, 66);
    atomic_store(&guard->old[0].pid, 99);
    atomic_store(&guard->old[0].since_ns, ago(7300));
}

static char stopped_103(pid_t pid)
{
    return pid == 103 ? 'T' : 'S';
}

static void print(struct fixture *fixture, void (*how)(const struct status *, struct text *))
{
    status_read(fixture->board, the_clock, stopped_103, fixture->status);
    how(fixture->status, &fixture->out);
}

/* ---- what comes of it ---- */
static void the_text(void **state)
{
    static const char *const lines[] = {
        ": ready (stale)\n",
        "\nguard      pid 100, since 2001-09-08 00:46:40Z (1 d 1 h ago); 1 upgrade to another build, the "
        "last SIGUSR2 "
        "2001-09-08 23:45:00Z (2 h 1 min ago)\n",
        "\nmaster     none: the next one starts in 2.0 s; last heard of 12.3 s ago\n",
        "\nsettings   read 2001-09-08 11:53:20Z (13 h 53 min ago)\n",
        "\nreload     2001-09-09 01:45:35Z (1 min 5 s ago) in 2.5 ms, published: routers: 1 added "
        "(\"a\"@file)\n",
        "\nprovider   file: read 2001-09-09 01:45:35Z (1 min 5 s ago); cannot be read now: gone\n",
        "\nprovider   kubernetescrd: stale, of 2001-09-08 23:45:35Z (2 h 1 min ago)\n",
        "\nprovider   kubernetesingress: stale, of 2001-09-09 01:46:40Z (0.0 s ago)\n",
        "\n        12  2001-09-09 01:45:35Z (1 min 5 s ago)        5         0            0  3 of 3\n",
        "\n        11  2001-09-09 00:40:00Z (1 h 6 min ago)        4         0            0  0 of 3  "
        "withdrawn "
        "2001-09-09 00:56:40Z (50 min 0 s ago)\n",
        "\n   0      102  serving   2 h 1 min     0.0 s           12  1 min 5 s              10          0   "
        "       "
        "    3+0            0\n",
        "\n   1      103  stopped   ",
        "  silent for 12.3 s  lent to worker 0 for 12.0 s\n",
        "\n   2        0  empty     -  ",
        "  next worker in 0.5 s  7 starts\n",
        "\n   3      105  retiring  ",
        "  retired for 2.0 s\n",
        "\n old       99  finishes what an earlier build had open, for 2 h 1 min\n",
        "\n old  and 2 more\n",
        "\nentry point  web on [::]:80, 3 sockets\n",
        "\nentry point  web on 0.0.0.0:81, 1 socket, moved away 1.0 s ago: what waits there is served\n",
        "\nrequests     300 over 0 connections; 0 bytes in, 0 out\n",
        "\nanswered     4 no_route: no router matched\n",
    };
    struct fixture *fixture = *state;

    add_guard(fixture->board);
    add_master(fixture->board);
    slab_count(board_slab(fixture->board, 0), COUNT_REASONS + REASON_no_route, 4);
    print(fixture, status_text);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        if (strstr(fixture->out.ptr, lines[i]) == NULL) {
            fail_msg("not there: %s\nin:\n%s", lines[i], fixture->out.ptr);
        }
    }
    assert_null(strstr(fixture->out.ptr, "\n         2  ")); /* of an older generation */
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!cJSON_IsNumber(item)) {
        fail_msg("%s is no number", name);
    }
    return item->valuedouble;
}

static void the_json(void **state)
{
    struct fixture *fixture = *state;

    add_guard(fixture->board);
    add_master(fixture->board);
    print(fixture, status_json);
    cJSON *tree = cJSON_Parse(fixture->out.ptr);

    assert_non_null(tree);
    const cJSON *master = cJSON_GetObjectItem(tree, "master"), *slots = cJSON_GetObjectItem(tree, "slots");
    const cJSON *hung = cJSON_GetArrayItem(slots, 1), *empty = cJSON_GetArrayItem(slots, 2);

    assert_string_equal(cJSON_GetObjectItem(tree, "now")->valuestring, "2001-09-09T01:46:40Z");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(tree, "ready")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(master, "pid")));
    assert_true(number(master, "startsIn") == 2 && number(master, "starts") == 2);
    assert_int_equal(cJSON_GetArraySize(slots), 4);
    assert_true(number(hung, "heartbeat") == 12.34 && number(hung, "lentTo") == 0 &&
                number(hung, "lent") == 12);
    assert_string_equal(cJSON_GetObjectItem(hung, "state")->valuestring, "stopped");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(hung, "retired")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(empty, "pid")) && number(empty, "startsIn") == 0.5);
    assert_true(number(cJSON_GetArrayItem(slots, 3), "connections") == 13);
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "reload"), "text")->valuestring,
                        "routers: 1 added (\"a\"@file)");
    assert_true(number(tree, "oldProcesses") == 66);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "old")), BOARD_OLD);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "generations")), 2);
    assert_true(number(cJSON_GetObjectItem(tree, "counters"), "requests") == 300);
    assert_int_equal(
        cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "counters"), "reasons")),
        REASON_KINDS - 1);
    cJSON_Delete(tree);
}

static void an_empty_board(void **state)
{
    struct fixture *fixture = *state;

    print(fixture, status_text);
    assert_non_null(strstr(fixture->out.ptr, ": not ready: waiting for the first configuration\n"));
    assert_non_null(strstr(fixture->out.ptr, "\nreload     none yet\n"));
    text_clear(&fixture->out);
    print(fixture, status_json);
    cJSON *tree = cJSON_Parse(fixture->out.ptr);

    assert_non_null(tree);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "master"), "heartbeat")));
    cJSON_Delete(tree);
}

/* Nothing is believed: every word of what guard and master wrote is 1s, then bytes by lot. */
static void a_damaged_board(void **state)
{
    struct fixture *fixture = *state;
    struct board_guard *guard = board_guard(fixture->board);
    struct board_master *master = board_master(fixture->board);

    srand(7);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof(*guard); i++) {
            ((unsigned char *)guard)[i] = round == 0 ? 0xff : (unsigned char)rand();
        }
        for (size_t i = 0; i < sizeof(*master); i++) {
            ((unsigned char *)master)[i] = round == 0 ? 0xff : (unsigned char)rand();
        }
        atomic_store(&board_tree(fixture->board)->generation, round % 2 ? UINT64_MAX : 3);
        atomic_store(&board_tree(fixture->board)->workers, round % 2 ? UINT64_MAX : 3);
        atomic_store(&board_tree(fixture->board)->master_heartbeat_ns, UINT64_MAX - (unsigned)round);
        text_clear(&fixture->out);
        print(fixture, status_text);
        text_clear(&fixture->out);
        print(fixture, status_json);
        cJSON *tree = cJSON_Parse(fixture->out.ptr);

        assert_non_null(tree);
        cJSON_Delete(tree);
    }
}

/* All that fit, and no half of one behind them. */
static void a_list_of_trees(void **state)
{
    static const struct {
        size_t count, size;
        const char *text;
    } cases[] = {{0, 16, ""},
                 {1, 16, "4194301"},
                 {2, 17, "4194301, 4194302"},
                 {2, 16, "4194301, ..."},
                 {3, 17, "4194301, ..."},
                 {3, 22, "4194301, 4194302, ..."},
                 {3, 25, "4194301, 4194302, ..."},
                 {3, 26, "4194301, 4194302, 4194303"}};
    static const pid_t pids[] = {4194301, 4194302, 4194303};
    char out[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memset(out, 'x', sizeof(out));
        status_list(pids, cases[i].count, out, cases[i].size);
        assert_string_equal(out, cases[i].text);
        assert_int_equal(out[cases[i].size], 'x');
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(the_text), TEST(the_json), TEST(an_empty_board),
                                       TEST(a_damaged_board), TEST(a_list_of_trees)};

    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
