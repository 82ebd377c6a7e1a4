/* test_budget.c - the memory budget: the kernel's files, levels with hysteresis, what follows for a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/process.h"
#include "worker/budget.h"
#include "worker/h1_client.h"
#include "worker/recycle.h"
#include "worker/shed.h"
#include "worker/upstream.h"
#include "worker/worker.h"

#define MIB (UINT64_C(1) << 20)
#define OTHER_WORKER ((int64_t)(20 * MIB))

static struct worker worker;
static struct board_tree *tree;
static int usage = -1, parts = -1;

static void put(int fd, const char *text)
{
    assert_return_code(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static int setup(void **state)
{
    struct error why;
    int fd;

    (void)state;
    worker = (struct worker){.now_ns = process_clock_ns()};
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &worker.board, &why), 0);
    close(fd);
    worker.slab = board_slab(worker.board, 0);
    tree = board_tree(worker.board);
    worker.timers = timers_new(worker.now_ns);
    recycler_start(&worker);
    budget_start(&worker);
    usage = memfd_create("usage", MFD_CLOEXEC);
    parts = memfd_create("parts", MFD_CLOEXEC);
    put(parts, "anon 5\nfile 7\n");
    budget_adopt(&worker, (int[]){usage, parts}, 2);
    slab_gauge(board_slab(worker.board, 1), GAUGE_MEMORY, OTHER_WORKER);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    budget_stop(&worker); /* closes both files */
    recycler_stop(&worker);
    timers_free(worker.timers);
    board_unmap(worker.board);
    return 0;
}

/* The next beat: nobody has sampled meanwhile. */
static void beat(void)
{
    atomic_store(&tree->memory_sampled_ns, 0);
    budget_tend(&worker);
}

static void use(uint64_t bytes)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)bytes);
    put(usage, text);
}

static void file_cache_of_both_versions(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"", 0},
        {"garbage", 0},
        {"inactive_file", 0},
        {"inactive_file x\nactive_file -3\n", 0},
        {"inactive_file 99999999999999999999\n", 0},
        {"anon 1\nfile 50\nshmem 20\ninactive_file 10\nactive_file 20\n", 30},
        {"active_file 20", 20},
        {"xinactive_file 10\ninactive_filex 11\n", 0},
        {"cache 1\ninactive_file 10\nactive_file 20\ntotal_cache 9\ntotal_inactive_file "
         "100\ntotal_active_file 200\n",
         300},
        {"inactive_file 10\ntotal_inactive_file 0\ntotal_active_file 0\n", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(budget_file_cache(slice_cstr(cases[i].text)), cases[i].bytes);
    }
}

static void levels_are_left_lower_than_entered(void **state)
{
    static const struct {
        uint64_t permille;
        enum budget_level level;
    } steps[] = {
        {0, BUDGET_CALM},   {499, BUDGET_CALM}, {500, BUDGET_TIGHT}, {450, BUDGET_TIGHT}, {449, BUDGET_CALM},
        {900, BUDGET_FULL}, {850, BUDGET_FULL}, {849, BUDGET_TIGHT}, {899, BUDGET_TIGHT}, {969, BUDGET_FULL},
        {970, BUDGET_OVER}, {920, BUDGET_OVER}, {919, BUDGET_FULL},  {5000, BUDGET_OVER}, {10, BUDGET_CALM},
    };
    enum budget_level level = BUDGET_CALM;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        print_message("case %zu\n", i);
        level = budget_next_level(level, steps[i].permille);
        assert_int_equal(level, steps[i].level);
    }
    /* what no worker of ours writes, but one that somebody took over may */
    assert_int_equal(budget_next_level((enum budget_level)UINT32_MAX, 100), BUDGET_CALM);
    assert_int_equal(budget_next_level((enum budget_level)1000000, 960), BUDGET_OVER);
}

static void without_a_budget_nothing_is_bounded(void **state)
{
    (void)state;
    use(1000 * MIB);
    beat();
    assert_int_equal(worker.budget.level, BUDGET_CALM);
    assert_int_equal(worker.budget.socket_buffer, 0);
    slab_gauge(worker.slab, GAUGE_EXCHANGES, 1000000);
    for (int i = 0; i < 100000; i++) {
        assert_true(budget_admits(&worker));
    }
    assert_true(budget_admits_exchange(&worker));
}

static void it_holds_before_the_first_beat(void **state)
{
    (void)state;
    assert_false(worker.budget.on);
    atomic_store(&tree->memory[MEMORY_GROUP].budget, 75 * MIB);
    budget_adopt(&worker, NULL, 0);
    assert_true(worker.budget.on);
    budget_stop(&worker);
    budget_start(&worker);
    assert_true(worker.budget.on);
}

static void the_group_is_measured_without_its_file_cache(void **state)
{
    (void)state;
    slab_gauge(board_slab(worker.board, 1), GAUGE_MEMORY, 40 * MIB);
    atomic_store(&tree->memory[MEMORY_GROUP].budget, 75 * MIB);
    use(60 * MIB);
    put(parts, "inactive_file 20971520\nactive_file 10485760\n");
    beat();
    assert_int_equal(atomic_load(&tree->memory[MEMORY_GROUP].used), 30 * MIB);
    assert_int_equal(worker.budget.level, BUDGET_CALM);
    assert_true(budget_admits(&worker) && budget_admits_exchange(&worker));
    use(100 * MIB);
    beat();
    assert_int_equal(worker.budget.level, BUDGET_FULL); /* 70 of 75 MiB */
    assert_false(budget_admits(&worker));
    assert_false(budget_admits_exchange(&worker));
    use(96 * MIB);
    beat();
    assert_int_equal(worker.budget.level, BUDGET_FULL); /* 66: 88 % */
    use(80 * MIB);
    beat();
    assert_int_equal(worker.budget.level, BUDGET_TIGHT);
    assert_true(worker.budget.socket_buffer > 0);
    assert_true(budget_admits(&worker));
    put(usage, "nonsense\n");
    beat();
    assert_int_equal(worker.budget.level, BUDGET_CALM);
}

static void others_in_the_group_count_near_its_limit(void **state)
{
    static const struct {
        uint64_t mib;
        enum budget_level level;
    } cases[] = {
        /* the limit is 1000 MiB, the budget 750; we take about 30 */
        {700, BUDGET_TIGHT},
        {840, BUDGET_TIGHT},
        {870, BUDGET_FULL},
        {930, BUDGET_OVER},
    };

    (void)state;
    atomic_store(&tree->memory[MEMORY_GROUP].budget, 750 * MIB);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        use(cases[i].mib * MIB);
        beat();
        assert_int_equal(worker.budget.level, cases[i].level);
    }
    slab_gauge(board_slab(worker.board, 1), GAUGE_MEMORY, 400 * MIB); /* now it is we who take it */
    atomic_store(&tree->memory_level, BUDGET_CALM);
    use(700 * MIB);
    beat();
    assert_int_equal(worker.budget.level, BUDGET_FULL);
    slab_gauge(board_slab(worker.board, 1), GAUGE_MEMORY, -400 * (int64_t)MIB);
}

/* What is taken between two beats makes a look of its own; over the budget nobody gets a new buffer. */
static void growth_is_noticed_between_two_beats(void **state)
{
    struct buffer *held[4096];
    size_t count = 0;

    (void)state;
    slab_gauge(board_slab(worker.board, 1), GAUGE_MEMORY, 40 * MIB);
    atomic_store(&tree->memory[MEMORY_GROUP].budget, 75 * MIB);
    beat();
    use(74 * MIB);
    while (count < ARRAY_LEN(held) && (held[count] = buffer_take(&worker, BUFFER_LARGE / 2)) != NULL) {
        count++;
    }
    assert_true(count > 0 && count * BUFFER_LARGE <= 2 * MIB);
    assert_int_equal(worker.budget.level, BUDGET_OVER);
    while (count > 0) {
        buffer_give(&worker, held[--count]);
    }
}

/* Senders that do not exist keep no connection out. */
static void sessions_of_udp_have_a_part(void **state)
{
    int64_t sessions = 0, connections = 0;

    (void)state;
    assert_true(budget_admits_session(&worker)); /* there is no budget yet */
    atomic_store(&tree->memory[MEMORY_GROUP].budget, 75 * MIB);
    atomic_store(&tree->workers, 1);
    use(1 * MIB);
    beat();
    while (sessions < 20000 && budget_admits_session(&worker)) {
        slab_gauge(worker.slab, GAUGE_UDP_SESSIONS, 1);
        sessions++;
    }
    assert_in_range(sessions, 4500, 4900); /* half of them */
    beat();
    assert_int_equal(worker.budget.level, BUDGET_CALM);
    assert_false(budget_admits_session(&worker));
    while (connections < 20000 && budget_admits(&worker)) {
        slab_gauge(worker.slab, GAUGE_CONNECTIONS, 1);
        connections++;
    }
    assert_in_range(connections, 4500, 4900);
    slab_gauge(worker.slab, GAUGE_UDP_SESSIONS, -sessions);
    slab_gauge(worker.slab, GAUGE_CONNECTIONS, -connections);
    beat();
    assert_true(budget_admits_session(&worker));
}

static void connections_and_exchanges_are_promises(void **state)
{
    int64_t taken = 0;

    (void)state;
    atomic_store(&tree->memory[MEMORY_GROUP].budget, 75 * MIB);
    atomic_store(&tree->workers, 1);
    use(1 * MIB);
    beat();
    while (taken < 20000 && budget_admits(&worker)) {
        slab_gauge(worker.slab, GAUGE_CONNECTIONS, 1);
        taken++;
    }
    assert_in_range(taken, 9000, 9700); /* 8 KiB each */
    assert_int_equal(worker.budget.level, BUDGET_FULL);
    slab_gauge(worker.slab, GAUGE_CONNECTIONS, -taken);
    beat();
    assert_int_equal(worker.budget.level, BUDGET_CALM);
    for (taken = 0; taken < 20000 && budget_admits_exchange(&worker); taken++) {
        slab_gauge(worker.slab, GAUGE_EXCHANGES, 1);
    }
    assert_in_range(taken, 600, 750); /* 96 KiB each */
    assert_int_equal(worker.budget.level,
                     BUDGET_FULL); /* never more: nothing that runs is ended for a promise */
    slab_gauge(worker.slab, GAUGE_EXCHANGES, 10000);
    beat();
    assert_int_equal(worker.budget.level, BUDGET_FULL);
    slab_gauge(worker.slab, GAUGE_BACKED_UP, taken + 10000); /* what they take is known now */
    beat();
    assert_int_equal(worker.budget.level, BUDGET_CALM);
}

static void the_tree_is_measured_by_ourselves(void **state)
{
    (void)state;
    atomic_store(&tree->memory[MEMORY_TREE].budget, 75 * MIB);
    atomic_store(&tree->master_memory, 10 * MIB);
    beat();
    uint64_t rest = atomic_load(&tree->memory[MEMORY_TREE].used);

    assert_in_range(rest, 30 * MIB, 600 * MIB); /* a sanitizer takes some itself */
    slab_gauge(worker.slab, GAUGE_CONNECTIONS, 1000);
    beat();
    assert_in_range(atomic_load(&tree->memory[MEMORY_TREE].used), rest + 3 * MIB, rest + 6 * MIB);
    board_fold(worker.board, 1); /* it died */
    beat();
    assert_true(atomic_load(&tree->memory[MEMORY_TREE].used) < rest);
}

static void who_has_just_taken_its_answer_is_not_idle_for_long(void **state)
{
    const int64_t long_ago = worker.now_ns - INT64_C(60000000000);
    struct listener listener = {.worker = &worker};
    struct client client = {.state = CLIENT_IDLE,
                            .listener = &listener,
                            .opened_ns = long_ago,
                            .request_ns = long_ago, /* the answer took that minute */
                            .idle_ns = worker.now_ns};
    int ends[2];

    (void)state;
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    client.conn.worker = &worker;
    client.conn.io.fd = ends[0];
    slab_gauge(board_slab(worker.board, 1), GAUGE_MEMORY, 40 * MIB);
    atomic_store(&tree->memory[MEMORY_GROUP].budget, 75 * MIB);
    use(71 * MIB);
    upstream_start(&worker);
    worker.clients = &client;
    beat();
    assert_int_equal(worker.budget.level, BUDGET_FULL);
    assert_true(worker.budget.shedding);
    shed_step(&worker.budget.step);
    assert_int_equal(worker.budget.idle_least_ns,
                     INT64_C(2000000000)); /* a round is over: it was looked at */
    assert_int_equal(client.state, CLIENT_IDLE);
    worker.clients = NULL;
    upstream_stop(&worker);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_cache_of_both_versions),
        cmocka_unit_test(levels_are_left_lower_than_entered),
        cmocka_unit_test_setup_teardown(without_a_budget_nothing_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(it_holds_before_the_first_beat, setup, teardown),
        cmocka_unit_test_setup_teardown(the_group_is_measured_without_its_file_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(others_in_the_group_count_near_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(growth_is_noticed_between_two_beats, setup, teardown),
        cmocka_unit_test_setup_teardown(sessions_of_udp_have_a_part, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_and_exchanges_are_promises, setup, teardown),
        cmocka_unit_test_setup_teardown(the_tree_is_measured_by_ourselves, setup, teardown),
        cmocka_unit_test_setup_teardown(who_has_just_taken_its_answer_is_not_idle_for_long, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
