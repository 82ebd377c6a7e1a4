/* test_pick.c - which server: the order of tickets, weighted services, servers that are down, walking on after a failure.
 * By client and by load: test_pick_clients.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/pick_helper.h"

static void tickets_give_the_sequence(void **state)
{
    struct server servers[] = {server_named("a"), server_named("b"), server_named("c")};
    uint16_t sequence[] = {0, 0, 1, 0, 2};
    struct service service = {.name = SLICE("s"),
                              .servers = {servers, 3},
                              .sequence = {sequence, 5},
                              .ticket = board_word(worker.board, 77, 1)};
    struct whole *whole = whole_of(&service, 1);

    (void)state;
    assert_string_equal(picks(whole, 0, 10), "aabacaabac");

    /* another worker, or the next generation, goes on where this one stood */
    struct whole *next = whole_of(&service, 1);

    assert_string_equal(picks(next, 0, 2), "aa");
    assert_string_equal(picks(whole, 0, 3), "bac");
    whole_free(whole);
    whole_free(next);
}

static void weighted_services_in_each_other(void **state)
{
    struct server a = server_named("a"), b = server_named("b"), c = server_named("c");
    uint16_t one[] = {0}, three_to_one[] = {0, 0, 1, 0}, turns[] = {0, 1};
    struct service_child outer[] = {{.name = SLICE("a"), .service = 1, .weight = 3},
                                    {.name = SLICE("i"), .service = 2, .weight = 1}},
                         inner[] = {{.name = SLICE("b"), .service = 3, .weight = 1},
                                    {.name = SLICE("c"), .service = 4, .weight = 1}};
    struct service services[] = {
        {.name = SLICE("outer"),
         .kind = SERVICE_WEIGHTED,
         .children = {outer, 2},
         .sequence = {three_to_one, 4},
         .ticket = board_word(worker.board, 1, 1)},
        {.name = SLICE("a"),
         .servers = {&a, 1},
         .sequence = {one, 1},
         .ticket = board_word(worker.board, 2, 1)},
        {.name = SLICE("inner"),
         .kind = SERVICE_WEIGHTED,
         .children = {inner, 2},
         .sequence = {turns, 2},
         .ticket = board_word(worker.board, 3, 1)},
        {.name = SLICE("b"),
         .servers = {&b, 1},
         .sequence = {one, 1},
         .ticket = board_word(worker.board, 4, 1)},
        {.name = SLICE("c"),
         .servers = {&c, 1},
         .sequence = {one, 1},
         .ticket = board_word(worker.board, 5, 1)},
    };
    struct whole *whole = whole_of(services, 5);

    (void)state;
    assert_string_equal(picks(whole, 0, 12), "aabaaacaaaba");
    whole_free(whole);
}

static void servers_that_are_down_are_passed_over(void **state)
{
    struct server servers[] = {server_named("a"), server_named("b"), server_named("c")};
    uint16_t sequence[] = {0, 1, 2};
    struct service service;
    struct whole *whole;

    (void)state;
    servers[1].health = board_word(worker.board, 501, 1);
    servers[2].addresses.count = 0; /* its name has no address yet */
    service = (struct service){.name = SLICE("s"),
                               .servers = {servers, 3},
                               .sequence = {sequence, 3},
                               .ticket = board_word(worker.board, 500, 1)};
    whole = whole_of(&service, 1);
    assert_string_equal(picks(whole, 0, 6), "abaaba"); /* the place of c falls to the one behind it */
    atomic_store(board_at(worker.board, servers[1].health), 1);
    assert_string_equal(picks(whole, 0, 3), "aaa");
    atomic_store(board_at(worker.board, servers[1].health), 0);
    assert_string_equal(picks(whole, 0, 3), "aba");
    whole_free(whole);
}

static size_t turns_of(const struct whole *whole, uint32_t service, char name, size_t count)
{
    size_t got = 0;

    for (size_t i = 0; i < count; i++) {
        got += picks(whole, service, 1)[0] == name;
    }
    return got;
}

/* Of 2000 turns b has 1000 by its weight, and of these the part of its time that has passed. */
static void servers_start_slowly(void **state)
{
    static const struct {
        int64_t now;
        double part;
        size_t least, most;
    } cases[] = {
        {900, 0.01, 1, 40},    {1000, 0.01, 1, 40},   {1100, 0.1, 60, 140},           {1500, 0.5, 440, 560},
        {1900, 0.9, 860, 940}, {2000, 1, 1000, 1000}, {INT64_MAX / 2, 1, 1000, 1000},
    };
    struct server servers[] = {server_named("a"), server_named("b")};
    uint16_t sequence[] = {0, 1};
    struct service services[2];
    struct whole *whole;
    struct pick pick;

    (void)state;
    servers[0].since = board_word(worker.board, 801, 1);
    servers[1].since = board_word(worker.board, 802, 1);
    servers[1].health = board_word(worker.board, 803, 1);
    atomic_store(board_at(worker.board, servers[0].since), SINCE_EVER);
    atomic_store(board_at(worker.board, servers[1].since), 1000);
    services[0] = (struct service){.name = SLICE("s"),
                                   .servers = {servers, 2},
                                   .sequence = {sequence, 2},
                                   .slow_start = 1000,
                                   .ticket = board_word(worker.board, 800, 1)};
    services[1] = (struct service){
        .name = SLICE("alone"), .servers = {servers + 1, 1}, .sequence = {sequence, 1}, .slow_start = 1000};
    whole = whole_of(services, 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t got;

        worker.now_ns = cases[i].now;
        assert_true(fabs(services_server_part(worker.board, &servers[1], 1000, worker.now_ns) -
                         cases[i].part) < 1e-9);
        got = turns_of(whole, 0, 'b', 2000);
        print_message("at %lld: %zu\n", (long long)cases[i].now, got);
        assert_in_range(got, cases[i].least, cases[i].most);
    }
    worker.now_ns = 1000; /* who is alone takes all, and who is left too */
    assert_string_equal(picks(whole, 1, 5), "bbbbb");
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_SERVER);
        assert_true(pick_next(&exchange, &pick));
        assert_false(pick_next(&exchange, &pick));
    }
    worker.now_ns = 10000; /* out until a moment ago */
    atomic_store(board_at(worker.board, servers[1].health), 9900);
    assert_in_range(turns_of(whole, 0, 'b', 2000), 60, 140);
    worker.now_ns = 0;
    whole_free(whole);
}

static void nothing_to_pick(void **state)
{
    struct server down = server_named("a");
    uint16_t sequence[] = {0};
    struct service services[2] = {{.name = SLICE("empty")}, {.name = SLICE("down")}};
    struct whole *whole;
    struct pick pick;

    (void)state;
    down.health = board_word(worker.board, 601, 1);
    services[1].servers = (struct list){&down, 1};
    services[1].sequence = (struct list){sequence, 1};
    whole = whole_of(services, 2);
    atomic_store(board_at(worker.board, down.health), 1);
    assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_NONE);
    assert_int_equal(pick_server(&exchange, &whole->services, 1, true, &pick), PICK_NONE);
    whole_free(whole);
}

static void a_failed_server_is_not_tried_again(void **state)
{
    struct server servers[] = {server_named("a"), server_named("b"), server_named("c")};
    uint16_t sequence[] = {0, 0, 1, 0, 2, 0};
    struct service service = {.name = SLICE("s"),
                              .servers = {servers, 3},
                              .sequence = {sequence, 6},
                              .ticket = board_word(worker.board, 700, 1)};
    struct whole *whole = whole_of(&service, 1);
    struct pick pick;

    (void)state;
    assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_SERVER);
    assert_int_equal(page_text(pick.page, pick.server->url).ptr[0], 'a');
    assert_true(pick_next(&exchange, &pick));
    assert_int_equal(page_text(pick.page, pick.server->url).ptr[0], 'b');
    assert_true(pick_next(&exchange, &pick));
    assert_int_equal(page_text(pick.page, pick.server->url).ptr[0], 'c');
    assert_false(pick_next(&exchange, &pick));
    /* the walk drew no ticket */
    assert_int_equal(atomic_load(board_at(worker.board, service.ticket)), 1);
    whole_free(whole);
}

static void internal_services(void **state)
{
    struct service service = {
        .name = SLICE("ping@internal"), .kind = SERVICE_INTERNAL, .internal = INTERNAL_PING};
    struct whole *whole = whole_of(&service, 1);
    struct pick pick;

    (void)state;
    assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_INTERNAL);
    assert_int_equal(pick.service->internal, INTERNAL_PING);
    whole_free(whole);
}

/* A service w of one server each, a and b, that look after health; f: a failover service in a weighted one. */
struct health {
    struct server servers[3];
    struct service_child children[2], failover[2], only[1];
    struct service services[6];
    struct whole *whole;
};

static uint16_t first_of_one[] = {0}, both_in_turn[] = {0, 1};

static struct health *health_new(bool watched, bool fallback_watched)
{
    struct health *health = calloc(1, sizeof(*health));

    for (unsigned i = 0; i < 3; i++) {
        health->servers[i] = server_named(i == 0 ? "a" : i == 1 ? "b" : "c");
        health->servers[i].health = board_word(worker.board, 1300 + i, 1);
        health->services[i] = (struct service){.name = health->servers[i].url,
                                               .servers = {&health->servers[i], 1},
                                               .sequence = {first_of_one, 1}};
    }
    for (uint32_t i = 0; i < 2; i++) {
        health->children[i] = (struct service_child){
            .name = health->servers[i].url, .service = i, .weight = 1, .watched = watched};
    }
    health->failover[0] =
        (struct service_child){.name = SLICE("w"), .service = 3, .weight = 1, .watched = watched};
    health->failover[1] =
        (struct service_child){.name = SLICE("c"), .service = 2, .weight = 1, .watched = fallback_watched};
    health->only[0] =
        (struct service_child){.name = SLICE("f"), .service = 4, .weight = 1, .watched = fallback_watched};
    health->services[3] = (struct service){.name = SLICE("w"),
                                           .kind = SERVICE_WEIGHTED,
                                           .children = {health->children, 2},
                                           .sequence = {both_in_turn, 2},
                                           .ticket = board_word(worker.board, 1310, 1)};
    health->services[4] =
        (struct service){.name = SLICE("f"), .kind = SERVICE_FAILOVER, .children = {health->failover, 2}};
    health->services[5] = (struct service){.name = SLICE("o"),
                                           .kind = SERVICE_WEIGHTED,
                                           .children = {health->only, 1},
                                           .sequence = {first_of_one, 1}};
    health->whole = whole_of(health->services, 6);
    return health;
}

static void health_free(struct health *health)
{
    whole_free(health->whole);
    free(health);
}

static void health_set(const struct health *health, unsigned server, uint64_t word)
{
    atomic_store(board_at(worker.board, health->servers[server].health), word);
}

static enum pick_result result(const struct whole *whole, uint32_t service)
{
    struct pick pick;

    return pick_server(&exchange, &whole->services, service, true, &pick);
}

static void parents_learn_of_health(void **state)
{
    struct health *health = health_new(true, true);

    (void)state;
    assert_string_equal(picks(health->whole, 3, 4), "abab");
    assert_string_equal(picks(health->whole, 4, 4), "abab");
    health_set(health, 0, HEALTH_DOWN);
    assert_string_equal(picks(health->whole, 3, 4), "bbbb");
    assert_string_equal(picks(health->whole, 4, 2), "bb");
    health_set(health, 1, HEALTH_DOWN);
    assert_int_equal(result(health->whole, 3), PICK_NONE);
    assert_string_equal(picks(health->whole, 4, 2), "cc");
    assert_string_equal(picks(health->whole, 5, 2), "cc");
    health_set(health, 2, HEALTH_DOWN);
    assert_int_equal(result(health->whole, 4), PICK_DOWN);
    assert_int_equal(result(health->whole, 5), PICK_NONE); /* a weighted one around it has nobody */
    health_set(health, 1, HEALTH_UP);
    assert_string_equal(picks(health->whole, 5, 2), "bb");
    health_free(health);
}

static void parents_that_do_not_ask(void **state)
{
    struct health *health = health_new(false, false);

    (void)state;
    health_set(health, 0, HEALTH_DOWN);
    assert_string_equal(picks(health->whole, 3, 4), "-b-b");
    health_set(health, 2, HEALTH_DOWN);
    assert_string_equal(picks(health->whole, 4, 4), "-b-b");
    health_free(health);
}

static void a_server_is_out_for_a_time(void **state)
{
    struct health *health = health_new(true, true);

    (void)state;
    worker.now_ns = 5000;
    health_set(health, 0, 6000);
    assert_string_equal(picks(health->whole, 3, 2), "bb");
    worker.now_ns = 6000;
    assert_string_equal(picks(health->whole, 3, 2), "ab");
    worker.now_ns = 0;
    health_free(health);
}

/* It is as well as the service that answers, whatever its mirrors are. */
static void a_mirroring_service_is_a_step(void **state)
{
    struct health *health = health_new(true, true);
    struct pick pick;

    (void)state;
    health->services[3].kind = SERVICE_MIRRORING; /* a answers, b gets copies */
    health->services[3].sequence = (struct list){NULL, 0};
    whole_free(health->whole);
    health->whole = whole_of(health->services, 6);
    assert_int_equal(pick_server(&exchange, &health->whole->services, 4, true, &pick), PICK_STEP);
    assert_int_equal(pick.service->kind, SERVICE_MIRRORING);
    health_set(health, 1, HEALTH_DOWN);
    assert_int_equal(pick_server(&exchange, &health->whole->services, 4, true, &pick), PICK_STEP);
    health_set(health, 0, HEALTH_DOWN);
    assert_string_equal(picks(health->whole, 4, 1), "c");
    health_free(health);
}

static void a_failover_service_by_status_is_a_step(void **state)
{
    struct health *health = health_new(true, true);
    struct pick pick;

    (void)state;
    health->services[4].statuses = SLICE("\x01\xf4\x02\x57");
    whole_free(health->whole);
    health->whole = whole_of(health->services, 6);
    assert_int_equal(pick_server(&exchange, &health->whole->services, 5, true, &pick), PICK_STEP);
    assert_true(slice_eq(page_text(pick.page, pick.service->name), SLICE("f")));
    health_set(health, 0, HEALTH_DOWN);
    health_set(health, 1, HEALTH_DOWN);
    assert_string_equal(picks(health->whole, 5, 1), "c"); /* nobody to fail over from */
    health_free(health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parents_learn_of_health, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(parents_that_do_not_ask, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(a_server_is_out_for_a_time, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(a_mirroring_service_is_a_step, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(a_failover_service_by_status_is_a_step, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(tickets_give_the_sequence, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(weighted_services_in_each_other, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(servers_that_are_down_are_passed_over, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(nothing_to_pick, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(a_failed_server_is_not_tried_again, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(servers_start_slowly, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(internal_services, pick_setup, pick_teardown),
    };

    return cmocka_run_group_tests_name("pick", tests, NULL, NULL);
}
