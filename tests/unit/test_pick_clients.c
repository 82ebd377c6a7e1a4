/* test_pick_clients.c - which server, when the client or what servers do decides: cookies, addresses, load. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/pick_helper.h"
#include "worker/sticky.h"

/* a, b and c, each with a cookie that is its letter, and A, B, C of former times. */
static void sticky_fill(struct service *service, struct sticky_value *values, struct slice *cookies)
{
    static const char *const letters[] = {"a", "A", "b", "B", "c", "C"};

    for (uint32_t i = 0; i < 6; i++) { /* sorted by hash */
        struct sticky_value value = {sticky_hash(slice_cstr(letters[i])), i / 2, i % 2};
        size_t at = i;

        for (; at > 0 && values[at - 1].hash > value.hash; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
        cookies[i / 2] = slice_cstr(letters[i / 2 * 2]);
    }
    service->cookie = SLICE("c");
    service->cookies = (struct list){cookies, 3};
    service->sticky_values = (struct list){values, 6};
}

/* "s>C": the server, and the cookies that are set. */
static const char *stick(const struct whole *whole, const char *cookie, struct pick *pick)
{
    static char out[16];
    size_t at = 0;

    headers_init(&exchange.request.headers, exchange.pool);
    if (cookie) {
        headers_add_id(&exchange.request.headers, HEADER_COOKIE, slice_cstr(cookie));
    }
    out[at++] = pick_server(&exchange, &whole->services, 0, true, pick) == PICK_SERVER
                    ? page_text(pick->page, pick->server->url).ptr[0]
                    : '-';
    out[at++] = '>';
    for (const struct set_cookie *set = exchange.set_cookies; set; set = set->next) {
        out[at++] = set->value.ptr[0];
    }
    out[at] = '\0';
    return out;
}

static void clients_stick_to_their_server(void **state)
{
    struct server servers[] = {server_named("a"), server_named("b"), server_named("c")};
    uint16_t sequence[] = {0, 1}; /* c is fenced */
    struct sticky_value values[6];
    struct slice cookies[3];
    struct service service;
    struct whole *whole;
    struct pick pick;

    (void)state;
    servers[1].health = board_word(worker.board, 801, 1);
    service = (struct service){.name = SLICE("s"),
                               .servers = {servers, 3},
                               .sequence = {sequence, 2},
                               .ticket = board_word(worker.board, 800, 1)};
    sticky_fill(&service, values, cookies);
    whole = whole_of(&service, 1);
    assert_string_equal(stick(whole, NULL, &pick), "a>a");
    assert_string_equal(stick(whole, "c=b", &pick), "b>");
    assert_string_equal(stick(whole, "c=b", &pick), "b>");
    assert_string_equal(stick(whole, "c=c", &pick), "c>"); /* fenced: it keeps what it has */
    assert_string_equal(stick(whole, "c=B", &pick), "b>b");
    assert_int_equal(atomic_load(board_at(worker.board, service.ticket)), 1); /* one was drawn so far */
    assert_string_equal(stick(whole, "c=x", &pick), "b>b");
    atomic_store(board_at(worker.board, servers[1].health), 1);
    assert_string_equal(stick(whole, "c=b", &pick),
                        "a>a"); /* its server is down: another, and a new cookie */

    /* its server does not take the connection: the same */
    assert_string_equal(stick(whole, "c=c", &pick), "c>");
    assert_true(pick_next(&exchange, &pick));
    assert_int_equal(page_text(pick.page, pick.server->url).ptr[0], 'a');
    assert_int_equal(exchange.set_cookies->value.ptr[0], 'a');
    assert_null(exchange.set_cookies->next);
    assert_false(pick_next(&exchange, &pick));
    sticky_send(&exchange);
    assert_true(slice_eq(headers_get(&exchange.response.headers, HEADER_SET_COOKIE)->value, SLICE("a")));
    assert_null(exchange.set_cookies);
    whole_free(whole);
}

static void clients_stick_to_service_and_server(void **state)
{
    struct server servers[] = {server_named("a"), server_named("b"), server_named("c")};
    uint16_t three[] = {0, 1, 2}, one[] = {0};
    struct sticky_value outer_values[6], values[6];
    struct slice outer_cookies[3], cookies[3];
    struct service_child children[] = {{.name = SLICE("s"), .service = 1, .weight = 1},
                                       {.name = SLICE("t"), .service = 2, .weight = 1},
                                       {.name = SLICE("t"), .service = 2, .weight = 1}};
    struct service services[] = {
        {.name = SLICE("w"), .kind = SERVICE_WEIGHTED, .children = {children, 3}, .sequence = {three, 3}},
        {.name = SLICE("s"), .servers = {servers, 3}, .sequence = {three, 3}},
        {.name = SLICE("t"), .servers = {servers, 1}, .sequence = {one, 1}},
    };
    struct whole *whole;
    struct pick pick;

    (void)state;
    services[0].ticket = board_word(worker.board, 900, 1);
    services[1].ticket = board_word(worker.board, 901, 1);
    sticky_fill(&services[0], outer_values, outer_cookies);
    sticky_fill(&services[1], values, cookies);
    services[1].cookie = SLICE("d");
    whole = whole_of(services, 3);
    assert_string_equal(stick(whole, NULL, &pick), "a>aa");
    assert_string_equal(stick(whole, "c=a; d=c", &pick), "c>");
    assert_string_equal(stick(whole, "c=a", &pick), "b>b");
    assert_string_equal(stick(whole, "c=A; d=C", &pick), "c>ac");
    assert_string_equal(stick(whole, "c=b; d=c", &pick), "a>"); /* the other service does not look at it */
    assert_string_equal(stick(whole, "d=c", &pick), "a>b");
    whole_free(whole);
}

/* The first letter of whom the client gets. */
static char picked_by(const struct whole *whole, uint32_t service, unsigned client)
{
    char text[32];
    struct pick pick;

    (void)snprintf(text, sizeof(text), "10.%u.%u.%u", client >> 16, client >> 8 & 255, client & 255);
    exchange.client_text = slice_cstr(text);
    return pick_server(&exchange, &whole->services, service, true, &pick) == PICK_SERVER
               ? page_text(pick.page, pick.server->url).ptr[0]
               : '-';
}

#define CLIENTS 20000u

static void clients_are_spread_by_their_address(void **state)
{
    struct server servers[] = {server_named("a.test:80"), server_named("b.test:80"),
                               server_named("c.test:80"), server_named("d.test:80")};
    struct service service = {.name = SLICE("s"), .strategy = STRATEGY_HRW, .servers = {servers, 4}};
    unsigned counts[4] = {0};
    struct whole *whole;
    struct pick pick;
    char *before = malloc(CLIENTS);

    (void)state;
    assert_non_null(before);
    servers[0].weight = 1;
    servers[1].weight = 3;
    servers[2].weight = 1;
    servers[1].health = board_word(worker.board, 1001, 1);
    whole = whole_of(&service, 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        before[i] = picked_by(whole, 0, i);
        counts[before[i] - 'a']++;
    }
    assert_int_equal(counts[3], 0); /* without a weight: nobody */
    assert_in_range(counts[0], CLIENTS / 5 * 9 / 10, CLIENTS / 5 * 11 / 10);
    assert_in_range(counts[1], CLIENTS * 3 / 5 * 9 / 10, CLIENTS * 3 / 5 * 11 / 10);

    /* who had the one that is down gets another, nobody else moves; and all come back */
    atomic_store(board_at(worker.board, servers[1].health), 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char now = picked_by(whole, 0, i);

        assert_true(before[i] == 'b' ? now == 'a' || now == 'c' : now == before[i]);
    }
    atomic_store(board_at(worker.board, servers[1].health), 0);
    for (unsigned i = 0; i < CLIENTS; i += 100) {
        assert_int_equal(picked_by(whole, 0, i), before[i]);
    }
    whole_free(whole);

    servers[3].weight = 1; /* a new one takes clients from all, and moves no others */
    whole = whole_of(&service, 1);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char now = picked_by(whole, 0, i);

        assert_true(now == before[i] || now == 'd');
    }
    assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_SERVER);
    for (unsigned tried = 0; tried < 3; tried++) {
        uint16_t position = pick.position;

        assert_true(pick_next(&exchange, &pick));
        assert_int_not_equal(pick.position, position);
    }
    assert_false(pick_next(&exchange, &pick));
    whole_free(whole);
    free(before);
}

static void services_are_chosen_by_address(void **state)
{
    struct server a = server_named("a"), b = server_named("b");
    uint16_t one[] = {0};
    struct service_child children[] = {{.name = SLICE("a"), .service = 1, .weight = 1},
                                       {.name = SLICE("b"), .service = 2, .weight = 1},
                                       {.name = SLICE("no"), .service = 2, .weight = 0}},
                         none = {0};
    struct service services[] = {
        {.name = SLICE("h"), .kind = SERVICE_WEIGHTED, .strategy = STRATEGY_HRW, .children = {children, 3}},
        {.name = SLICE("a"), .servers = {&a, 1}, .sequence = {one, 1}},
        {.name = SLICE("b"), .servers = {&b, 1}, .sequence = {one, 1}},
        {.name = SLICE("n"), .kind = SERVICE_WEIGHTED, .strategy = STRATEGY_HRW, .children = {&none, 1}},
    };
    struct whole *whole;
    unsigned first = 0;

    (void)state;
    none = (struct service_child){.name = SLICE("a"), .service = 1, .weight = 0};
    whole = whole_of(services, 4);
    for (unsigned i = 0; i < 1000; i++) {
        char got = picked_by(whole, 0, i);

        assert_int_equal(picked_by(whole, 0, i), got);
        first += got == 'a';
    }
    assert_in_range(first, 400, 600);
    assert_int_equal(picked_by(whole, 3, 1), '-');
    whole_free(whole);
}

/* Three servers under that strategy, each with a count. */
static struct whole *loaded(enum service_strategy strategy, struct server *servers)
{
    uint16_t sequence[] = {0, 1, 2};
    struct service service = {
        .name = SLICE("s"), .strategy = strategy, .servers = {servers, 3}, .sequence = {sequence, 3}};

    for (unsigned i = 0; i < 3; i++) {
        servers[i] = server_named(i == 0 ? "a" : i == 1 ? "b" : "c");
        servers[i].weight = 1;
        servers[i].load = board_word(worker.board, 1100 + i, 1);
    }
    service.ticket = board_word(worker.board, 1110, 1);
    return whole_of(&service, 1);
}

static void load_set(const struct server *server, unsigned of_worker, uint32_t load)
{
    (void)board_slab(worker.board, of_worker);
    atomic_store(board_load(worker.board, of_worker, server->load), load);
}

/* How many of 300 requests each gets, one after the other. */
static void spread(const struct whole *whole, unsigned counts[3])
{
    memset(counts, 0, 3 * sizeof(*counts));
    for (unsigned i = 0; i < 300; i++) {
        struct pick pick;

        assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_SERVER);
        counts[pick.position]++;
        pick_leave(&pick.load);
        pick_leave(&pick.load);
    }
}

static void the_less_busy_of_two_is_picked(void **state)
{
    struct server servers[3];
    struct whole *whole = loaded(STRATEGY_P2C, servers);
    unsigned counts[3];
    struct pick pick;

    (void)state;
    spread(whole, counts);
    assert_true(counts[0] > 50 && counts[1] > 50 && counts[2] > 50);
    load_set(&servers[1], 3, 7); /* another worker has it do something */
    spread(whole, counts);
    assert_int_equal(counts[1], 0); /* every other one is better */
    load_set(&servers[2], 4, 3);
    spread(whole, counts);
    assert_true(counts[0] > counts[2] && counts[2] > 50 && counts[1] == 0);
    board_fold(worker.board, 3); /* that worker has died */
    spread(whole, counts);
    assert_true(counts[1] > 50);
    assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_SERVER);
    assert_true(pick_next(&exchange, &pick) && pick_next(&exchange, &pick));
    assert_false(pick_next(&exchange, &pick));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(board_load_sum(worker.board, servers[i].load), i == 2 ? 3 : 0);
    }
    whole_free(whole);
}

static void the_fewest_requests_by_weight(void **state)
{
    struct server servers[3];
    struct whole *whole = loaded(STRATEGY_LEASTCONN, servers);
    struct pick held[30];
    unsigned counts[3];

    (void)state;
    spread(whole, counts); /* equals in turn */
    assert_true(counts[0] == 100 && counts[1] == 100 && counts[2] == 100);
    memset(counts, 0, sizeof(counts));
    load_set(&servers[0], 5, 10);
    for (unsigned i = 0; i < ARRAY_LEN(held); i++) { /* none of them ends: all come to the same */
        assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &held[i]), PICK_SERVER);
        counts[held[i].position]++;
    }
    assert_in_range(counts[0], 3, 4);
    assert_in_range(counts[1], 13, 14);
    assert_in_range(counts[2], 13, 14);
    for (unsigned i = 0; i < ARRAY_LEN(held); i++) {
        pick_leave(&held[i].load);
    }
    whole_free(whole);
}

static void the_quickest_is_preferred(void **state)
{
    struct server servers[3];
    struct whole *whole = loaded(STRATEGY_LEASTTIME, servers);
    static const int64_t took[] = {10000000, 1000000, 5000000};
    unsigned counts[3];
    struct pick pick;

    (void)state;
    for (unsigned i = 0; i < 3; i++) { /* who is not known yet is asked first */
        assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_SERVER);
        pick_answered(&worker, &pick, took[pick.position]);
        pick_leave(&pick.load);
        assert_true(atomic_load(board_at(worker.board, pick.server->load)) > 0);
    }
    spread(whole, counts);
    assert_int_equal(counts[1], 300);
    load_set(&servers[1], 6, 7); /* 1 ms for each of eight is worse than 5 ms for one */
    spread(whole, counts);
    assert_int_equal(counts[2], 300);
    load_set(&servers[1], 6, 0);
    for (unsigned i = 0; i < 100; i++) { /* it becomes slow */
        assert_int_equal(pick_server(&exchange, &whole->services, 0, true, &pick), PICK_SERVER);
        pick_answered(&worker, &pick, pick.position == 1 ? 50000000 : took[pick.position]);
        pick_leave(&pick.load);
    }
    spread(whole, counts);
    assert_int_equal(counts[2], 300);
    whole_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_stick_to_their_server, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(clients_stick_to_service_and_server, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(clients_are_spread_by_their_address, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(services_are_chosen_by_address, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(the_less_busy_of_two_is_picked, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(the_fewest_requests_by_weight, pick_setup, pick_teardown),
        cmocka_unit_test_setup_teardown(the_quickest_is_preferred, pick_setup, pick_teardown),
    };

    return cmocka_run_group_tests_name("pick_clients", tests, NULL, NULL);
}
