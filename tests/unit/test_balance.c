/*
 * test_balance.c - what strategies promise, for weights and servers by chance: shares over any window, who moves when servers
 * come and go, who gets more while some are slow. Seeds are fixed, time is counted in picks.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/pick_helper.h"
#include "tests/unit/sealed_page.h"

#define SERVERS 8
#define SUM_MOST 400

static struct server servers[SERVERS];
static struct service service;
static struct services services;
static struct page *page;
static uint64_t seed;

static uint64_t chance(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static int setup(void **state)
{
    seed = 88172645463325252ULL;
    return pick_setup(state);
}

/* A service of so many servers with these weights. */
static void serve(enum service_strategy strategy, const uint32_t *weights, size_t count)
{
    static const char *const names[SERVERS] = {"http://a", "http://b", "http://c", "http://d",
                                               "http://e", "http://f", "http://g", "http://h"};
    struct pool *pool = pool_new(4096, 0);
    struct page_builder *builder = builder_new(PAGE_SERVICES);
    struct error why = {""};
    uint16_t *order;

    for (size_t i = 0; i < count; i++) {
        servers[i] = (struct server){.url = slice_cstr(names[i]),
                                     .weight = weights[i],
                                     .addresses = {&somewhere, 1},
                                     .load = board_word(worker.board, 100 + i, 1)};
    }
    service = (struct service){.name = SLICE("s"),
                               .strategy = strategy,
                               .servers = {servers, count},
                               .ticket = board_word(worker.board, 1, 1)};
    service.sequence.count = smooth_sequence(pool, weights, count, &order);
    service.sequence.items = order;
    services_build(builder, 0, services_shift(1, 0), 1, &service, 1);
    page_unref(page);
    page = sealed_page(builder, PAGE_SERVICES);
    assert_int_equal(services_check(page, &why), 0);
    assert_int_equal(services_link(&page, 1, 1, NULL, &services, &why), 0);
    pool_free(pool);
}

static uint16_t picked(struct pick *pick)
{
    assert_int_equal(pick_server(&exchange, &services, 0, true, pick), PICK_SERVER);
    return pick->position;
}

static void shares_are_exact_over_any_window(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        uint32_t weights[SERVERS], sum = 0;
        size_t count = 1 + chance(SERVERS);
        unsigned counts[SERVERS] = {0};
        uint16_t last[SUM_MOST];

        for (size_t i = 0; i < count; i++) {
            weights[i] = (uint32_t)chance(i == 0 ? 49 : 50) + (i == 0);
            sum += weights[i];
        }
        serve(STRATEGY_WRR, weights, count);
        for (uint32_t i = 0; i < 3 * sum; i++) {
            struct pick pick;
            uint16_t position = picked(&pick);

            if (i >= sum) {
                counts[last[i % sum]]--;
            }
            last[i % sum] = position;
            counts[position]++;
            for (size_t k = 0; i + 1 >= sum && k < count; k++) {
                assert_int_equal(counts[k], weights[k]);
            }
        }
    }
}

static void set_client(unsigned number)
{
    struct error why;
    char text[32];

    (void)snprintf(text, sizeof(text), "10.%u.%u.%u:1", number >> 16 & 255, number >> 8 & 255, number & 255);
    assert_int_equal(address_parse_host_port(slice_cstr(text), &exchange.client, &why), 0);
    exchange.client_text = SLICE("");
}

/* Who had another server than the one whose weight changed moves to that one, or not at all. */
static void only_those_move_that_must(void **state)
{
    enum { CLIENTS = 500 };

    (void)state;
    for (int round = 0; round < 30; round++) {
        uint32_t weights[SERVERS];
        size_t count = 2 + chance(SERVERS - 1), changed = chance(count);
        uint16_t before[CLIENTS];
        struct pick pick;
        bool more = chance(2) == 0;

        for (size_t i = 0; i < count; i++) {
            weights[i] = 1 + (uint32_t)chance(5);
        }
        weights[changed] = more ? 0 : 3;
        serve(STRATEGY_HRW, weights, count);
        for (unsigned i = 0; i < CLIENTS; i++) {
            set_client(i);
            before[i] = picked(&pick);
        }
        weights[changed] = more ? 3 : 0;
        serve(STRATEGY_HRW, weights, count);
        for (unsigned i = 0; i < CLIENTS; i++) {
            uint16_t now;

            set_client(i);
            now = picked(&pick);
            assert_true(now == before[i] || (more ? now : before[i]) == changed);
        }
    }
}

/* With every pick time goes on by one; a request is under way on its server for as long as that one takes. */
static void simulate(const unsigned *takes, size_t count, unsigned got[SERVERS])
{
    enum { PICKS = 3000, LONGEST = 64 };
    struct {
        struct pick pick;
        uint64_t due;
        bool busy;
    } under_way[LONGEST] = {{.busy = false}};

    memset(got, 0, SERVERS * sizeof(*got));
    for (uint64_t now = 0; now < PICKS; now++) {
        size_t place = 0;

        for (size_t i = 0; i < LONGEST; i++) {
            if (under_way[i].busy && under_way[i].due <= now) {
                pick_answered(&worker, &under_way[i].pick,
                              takes[under_way[i].pick.position] * INT64_C(1000000));
                pick_leave(&under_way[i].pick.load);
                under_way[i].busy = false;
            }
            place = under_way[i].busy ? place : i;
        }
        assert_false(under_way[place].busy);
        got[picked(&under_way[place].pick)]++;
        under_way[place].due = now + takes[under_way[place].pick.position];
        under_way[place].busy = true;
    }
    for (size_t i = 0; i < LONGEST; i++) {
        if (under_way[i].busy) {
            pick_leave(&under_way[i].pick.load);
        }
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(board_load_sum(worker.board, servers[i].load), 0);
    }
}

static void the_faster_server_gets_more(void **state)
{
    static const enum service_strategy strategies[] = {STRATEGY_P2C, STRATEGY_LEASTTIME, STRATEGY_LEASTCONN};
    const uint32_t weights[SERVERS] = {1, 1, 1, 1, 1, 1, 1, 1};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(strategies); k++) {
        for (int round = 0; round < 10; round++) {
            size_t count = 2 + chance(SERVERS - 1), slow = chance(count);
            unsigned takes[SERVERS], got[SERVERS], others = 0;

            for (size_t i = 0; i < count; i++) {
                takes[i] = i == slow ? 40 : 2 + (unsigned)chance(3);
            }
            serve(strategies[k], weights, count);
            simulate(takes, count, got);
            for (size_t i = 0; i < count; i++) {
                others += i == slow ? 0 : got[i];
            }
            print_message("strategy %u: the slow one of %zu got %u of %u\n", strategies[k], count, got[slow],
                          others + got[slow]);
            assert_true(got[slow] * 2 * (count - 1) < others); /* less than half of what the others have */
        }
    }
}

static int group_teardown(void **state)
{
    (void)state;
    page_unref(page);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shares_are_exact_over_any_window, setup, pick_teardown),
        cmocka_unit_test_setup_teardown(only_those_move_that_must, setup, pick_teardown),
        cmocka_unit_test_setup_teardown(the_faster_server_gets_more, setup, pick_teardown),
    };

    return cmocka_run_group_tests_name("balance", tests, NULL, group_teardown);
}
