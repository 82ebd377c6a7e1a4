/* test_pick.c - which server: the order of tickets, weighted services, servers that are down, walking on after a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/net/addr.h"
#include "worker/pick.h"
#include "worker/worker.h"

static struct worker worker;
static struct server_address somewhere;

static int setup(void **state)
{
    struct error why;
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &worker.board, &why), 0);
    close(fd);
    return address_parse_host_port(SLICE("10.0.0.1:80"), &somewhere.address, &why);
}

static int teardown(void **state)
{
    (void)state;
    board_unmap(worker.board);
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
    struct error why;

    for (size_t i = 0; i < services_pages(count, 1); i++) {
        struct page_builder *builder = builder_new(PAGE_SERVICES);
        int fd;

        services_build(builder, (uint32_t)(2 * i), 1, services + 2 * i,
                       count - 2 * i < 2 ? count - 2 * i : 2);
        assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
        builder_free(builder);
        assert_int_equal(page_adopt(fd, PAGE_SERVICES, &whole->pages[i], &why), 0);
        close(fd);
        assert_int_equal(services_check(whole->pages[i], &why), 0);
    }
    assert_int_equal(services_link(whole->pages, services_pages(count, 1), 1, NULL, &whole->services, &why),
                     0);
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

        names[i] = pick_server(&worker, &whole->services, service, &pick) == PICK_SERVER
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
    struct service_child outer[] = {{1, 3}, {2, 1}}, inner[] = {{3, 1}, {4, 1}};
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
    assert_int_equal(pick_server(&worker, &whole->services, 0, &pick), PICK_NONE);
    assert_int_equal(pick_server(&worker, &whole->services, 1, &pick), PICK_NONE);
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
    assert_int_equal(pick_server(&worker, &whole->services, 0, &pick), PICK_SERVER);
    assert_int_equal(page_text(pick.page, pick.server->url).ptr[0], 'a');
    assert_true(pick_next(&worker, &pick));
    assert_int_equal(page_text(pick.page, pick.server->url).ptr[0], 'b');
    assert_true(pick_next(&worker, &pick));
    assert_int_equal(page_text(pick.page, pick.server->url).ptr[0], 'c');
    assert_false(pick_next(&worker, &pick));
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
    assert_int_equal(pick_server(&worker, &whole->services, 0, &pick), PICK_INTERNAL);
    assert_int_equal(pick.service->internal, INTERNAL_PING);
    whole_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tickets_give_the_sequence, setup, teardown),
        cmocka_unit_test_setup_teardown(weighted_services_in_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(servers_that_are_down_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_pick, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_server_is_not_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(internal_services, setup, teardown),
    };

    return cmocka_run_group_tests_name("pick", tests, NULL, NULL);
}
