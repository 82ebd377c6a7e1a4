/* test_pick.c - which server: the order of tickets, weighted services, servers that are down, walking on after a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <math.h>

#include <cmocka.h>

#include "common/net/addr.h"
#include "tests/unit/sealed_page.h"
#include "worker/exchange.h"
#include "worker/pick.h"
#include "worker/sticky.h"
#include "worker/worker.h"

static struct worker worker;
static struct exchange exchange;
static struct server_address somewhere;

static int setup(void **state)
{
    struct error why;
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &worker.board, &why), 0);
    close(fd);
    exchange = (struct exchange){.worker = &worker, .pool = pool_new(1024, 0)};
    headers_init(&exchange.request.headers, exchange.pool);
    headers_init(&exchange.response.headers, exchange.pool);
    return address_parse_host_port(SLICE("10.0.0.1:80"), &somewhere.address, &why);
}

static int teardown(void **state)
{
    (void)state;
    board_unmap(worker.board);
    pool_free(exchange.pool);
    return 0;
}

static struct server server_named(const char *name)
{
    return (struct server){.url = slice_cstr(name), .addresses = {&somewhere, 1}};
}

/* Services on pages of two each, so that some refer to others on another page. */
struct whole {
    struct services services;
    struct page *pages[4];
};

static struct whole *whole_of(const struct service *services, size_t count)
{
    struct whole *whole = calloc(1, sizeof(*whole));
    size_t pages = (count + 1) / 2;
    struct error why;

    for (size_t i = 0; i < pages; i++) {
        struct page_builder *builder = builder_new(PAGE_SERVICES);

        services_build(builder, (uint32_t)(2 * i), 1, (uint32_t)pages, services + 2 * i,
                       count - 2 * i < 2 ? count - 2 * i : 2);
        whole->pages[i] = sealed_page(builder, PAGE_SERVICES);
        assert_int_equal(services_check(whole->pages[i], &why), 0);
    }
    assert_int_equal(services_link(whole->pages, pages, 1, NULL, &whole->services, &why), 0);
    return whole;
}

static void whole_free(struct whole *whole)
{
    for (size_t i = 0; i < ARRAY_LEN(whole->pages); i++) {
        page_unref(whole->pages[i]);
    }
    free(whole);
}

/* First letters of the servers that `count` picks give. */
static const char *picks(const struct whole *whole, uint32_t service, size_t count)
{
    static char names[64];

    for (size_t i = 0; i < count; i++) {
        struct pick pick;

        names[i] = pick_server(&exchange, &whole->services, service, true, &pick) == PICK_SERVER
                       ? page_text(pick.page, pick.server->url).ptr[0]
                       : '-';
    }
    names[count] = '\0';
    return names;
}

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
        cmocka_unit_test_setup_teardown(parents_learn_of_health, setup, teardown),
        cmocka_unit_test_setup_teardown(parents_that_do_not_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_is_out_for_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mirroring_service_is_a_step, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failover_service_by_status_is_a_step, setup, teardown),
        cmocka_unit_test_setup_teardown(tickets_give_the_sequence, setup, teardown),
        cmocka_unit_test_setup_teardown(weighted_services_in_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(servers_that_are_down_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_pick, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_server_is_not_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_stick_to_their_server, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_stick_to_service_and_server, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_are_spread_by_their_address, setup, teardown),
        cmocka_unit_test_setup_teardown(services_are_chosen_by_address, setup, teardown),
        cmocka_unit_test_setup_teardown(the_less_busy_of_two_is_picked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_fewest_requests_by_weight, setup, teardown),
        cmocka_unit_test_setup_teardown(the_quickest_is_preferred, setup, teardown),
        cmocka_unit_test_setup_teardown(servers_start_slowly, setup, teardown),
        cmocka_unit_test_setup_teardown(internal_services, setup, teardown),
    };

    return cmocka_run_group_tests_name("pick", tests, NULL, NULL);
}
