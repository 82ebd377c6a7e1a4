/* test_compile_servers.c - servers in pages: what one that changes makes anew, what stays over generations, what is told. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/compile_helper.h"

static void one_endpoint_is_one_of_many_pages(void **state)
{
    struct compiled before, after;
    size_t changed = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct slice name = pool_printf(model->pool, "s%03d@file%c", i, 0), route;

        route = pool_printf(model->pool, "r%03d@file%c", i, 0);
        router(route.ptr, name.ptr, "");
        balancer(name.ptr, "http://10.0.0.1");
    }
    before = compile_with(NULL, 1);
    assert_int_equal(before.count, PAGE_SERVICES + 4);
    model_find_service(model, SLICE("s200@file"))->config.load_balancer->servers =
        balancer("other@file", "http://10.0.0.2")->config.load_balancer->servers;
    after = compile_with(NULL, 2);
    assert_int_equal(after.count, before.count);
    for (size_t i = 0; i < after.count; i++) {
        changed += builder_hash(before.pages[i]) != builder_hash(after.pages[i]);
    }
    assert_int_equal(changed, 1);
    compiled_free(&before);
    generation_unref(adopt(&after)); /* children and routes find what they name across pages */
}

static struct list servers_of(const char *urls)
{
    static unsigned made;
    struct slice name = pool_printf(model->pool, "made%u@file", made++);

    return balancer(name.ptr, urls)->config.load_balancer->servers;
}

/* New servers alone make the very pages that compiling the changed model makes, and no other. */
static void new_servers_make_the_same_pages(void **state)
{
    struct compiled before, part, whole;
    struct list more, none;
    uint32_t position;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct slice name = pool_printf(model->pool, "s%03d@file%c", i, 0);

        router(pool_printf(model->pool, "r%03d@file%c", i, 0).ptr, name.ptr, "");
        balancer(name.ptr, "http://10.0.0.1");
    }
    weighted("w@file", "s001@file s200@file");
    router("rw@file", "w@file", "");
    more = servers_of("http://10.0.0.1 http://10.0.0.2:81");
    none = servers_of("");
    before = compile_with(NULL, 1);
    for (position = 0; !slice_eq(model->services[position]->element.name, SLICE("s200@file"));) {
        position++;
    }
    for (int i = 0; i < 2; i++) {
        struct servers_change change = {.position = position, .servers = i ? none : more};
        size_t made = 0;

        assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), 0);
        model->services[position]->config.load_balancer->servers = change.servers;
        whole = compile_with(NULL, 2);
        assert_int_equal(part.count, whole.count);
        for (size_t k = 0; k < part.count; k++) {
            if (part.pages[k]) {
                made++;
                assert_int_equal(builder_hash(part.pages[k]), builder_hash(whole.pages[k]));
            } else {
                assert_int_equal(builder_hash(before.pages[k]), builder_hash(whole.pages[k]));
            }
        }
        assert_int_equal(made, 1);
        compiled_free(&part);
        compiled_free(&whole);
    }
    compiled_free(&before);
}

static void servers_that_are_wrong_need_the_whole(void **state)
{
    struct compiled before, part;
    struct servers_change change = {.position = 0};

    (void)state;
    router("r@file", "s@file", "");
    balancer("s@file", "http://10.0.0.1");
    change.servers = servers_of("ftp://10.0.0.1");
    before = compile_with(NULL, 1);
    while (!slice_eq(model->services[change.position]->element.name, SLICE("s@file"))) {
        change.position++;
    }
    assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), -EAGAIN);
    compiled_free(&before);
}

/* The system's authorities are on the page only while some server is of https. */
static void the_first_server_of_https_needs_the_whole(void **state)
{
    struct servers_change change = {.position = 0};
    struct compiled before, part;
    struct http_service *service;

    (void)state;
    router("r@file", "s@file", "");
    service = balancer("s@file", "http://10.0.0.1");
    change.servers = servers_of("https://10.0.0.2");
    before = compile_with(NULL, 1);
    while (model->services[change.position] != service) {
        change.position++;
    }
    assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), -EAGAIN);
    compiled_free(&before);
    service->config.load_balancer->servers = servers_of("https://10.0.0.1");
    before = compile_with(NULL, 1);
    assert_int_equal(compile_servers(before.compiler, &change, 1, 2, &part), 0);
    compiled_free(&part);
    compiled_free(&before);
}

static void servers_that_cannot_be_served_are_left_out_and_named_once(void **state)
{
    struct http_service *service;
    struct generation *generation;

    (void)state;
    router("r@file", "s@file", "");
    service = balancer(
        "s@file",
        "https://10.0.0.1 http://10.0.0.2 ftp://10.0.0.3 10.0.0.4 http://u:secret@10.0.0.5/x h2c://10.0.0.6 "
        "http://u:secret@[bad");
    generation = compile_now();
    generation_unref(generation);
    generation = compile_now();
    assert_int_equal(service_at(generation, "s@file")->servers.count, 4);
    assert_true(server_at(generation, "s@file", 3)->h2c && !server_at(generation, "s@file", 1)->h2c);
    assert_true(server_at(generation, "s@file", 0)->tls && !server_at(generation, "s@file", 1)->tls);
    assert_int_equal(service->element.status, ELEMENT_WARNING);
    assert_true(has_error(&service->element, "scheme ftp"));
    assert_true(has_error(&service->element, "10.0.0.4 is left out"));
    assert_true(has_error(&service->element, "user information in its URL has no effect"));
    assert_false(has_error(&service->element, "secret"));
    assert_int_equal(service->element.errors.count, 4);
    assert_true(
        slice_eq(page_text(generation->pages[PAGE_SERVICES], server_at(generation, "s@file", 2)->host),
                 SLICE("10.0.0.5")));
    generation_unref(generation);
}

static void tickets_and_health_stay_over_generations(void **state)
{
    struct load_balancer *servers;
    struct board *board;
    struct compiled compiled;
    struct generation *before, *after;
    struct health_check check = {0};
    struct error why;
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &board, &why), 0);
    close(fd);
    router("r@file", "s@file", "");
    router("r1@file", "one@file", "");
    balancer("one@file", "http://10.0.0.9");
    servers = balancer("s@file", "http://10.0.0.1 http://10.0.0.2")->config.load_balancer;
    servers->health_check = &check;
    compiled = compile_with(board, 1);
    before = adopt(&compiled);
    struct board_ref ticket = service_at(before, "s@file")->ticket,
                     health = server_at(before, "s@file", 1)->health;

    assert_int_equal(service_at(before, "one@file")->ticket.slot,
                     0); /* nothing to choose, nothing to remember */
    assert_int_equal(server_at(before, "one@file", 0)->health.slot, 0);
    atomic_store(board_at(board, ticket), 12);
    atomic_store(board_at(board, health), 1);
    ((struct server_config *)servers->servers.items)[0].url = SLICE("http://10.0.0.7");
    router("a-new-one@file", "s@file", "");
    compiled = compile_with(board, 2);
    after = adopt(&compiled);
    board_sweep(board, 2);
    assert_memory_equal(&service_at(after, "s@file")->ticket, &ticket, sizeof(ticket));
    assert_memory_equal(&server_at(after, "s@file", 1)->health, &health, sizeof(health));
    assert_int_equal(atomic_load(board_at(board, ticket)), 12);
    assert_int_equal(atomic_load(board_at(board, health)), 1);
    assert_null(board_at(board, server_at(before, "s@file", 0)->health)); /* of the server that is gone */
    assert_int_equal(atomic_load(board_at(board, server_at(after, "s@file", 0)->health)), 0);
    generation_unref(before);
    generation_unref(after);
    board_unmap(board);
}

/* Who has the identity of a server gets the connections that are kept to it: no URL can be made for that of another's. */
static void identities_of_servers_are_the_trees_own(void **state)
{
    uint64_t seen[3];
    struct board *board = NULL;

    (void)state;
    router("r@file", "s@file", "");
    (void)balancer("s@file", "http://10.0.0.1 http://10.0.0.2");
    for (size_t i = 0; i < 3; i++) {
        struct compiled compiled;
        struct generation *made;
        struct error why;
        int fd;

        if (i != 1) { /* the second compile has the board of the first */
            assert_int_equal(board_create(&fd, &why), 0);
            assert_int_equal(board_map(fd, &board, &why), 0);
            close(fd);
        }
        compiled = compile_with(board, i + 1);
        made = adopt(&compiled);
        seen[i] = server_at(made, "s@file", 0)->identity;
        assert_int_not_equal(seen[i], server_at(made, "s@file", 1)->identity);
        generation_unref(made);
        if (i != 0) {
            board_unmap(board);
        }
    }
    assert_int_equal(seen[0], seen[1]);
    assert_int_not_equal(seen[0], seen[2]);
}

static void localhost_needs_no_name_server(void **state)
{
    struct compiled compiled;
    struct generation *generation;
    struct error why = {""};

    (void)state;
    router("r@file", "s@file", "");
    balancer("s@file", "http://LocalHost:8000");
    model_sort(model);
    assert_int_equal(compile_model_resolved(&config, model, 1000, &compiled, &why), 0);
    assert_int_equal(compile_static(&config, &compiled.pages[PAGE_STATIC], &why), 0);
    generation = adopt(&compiled);
    const struct server *server = server_at(generation, "s@file", 0);
    const struct server_address *addresses =
        page_at(generation->pages[PAGE_SERVICES], server->addresses.items);

    assert_int_equal(server->addresses.count, 2);
    assert_int_equal(addresses[0].address.bytes[0], 127);
    assert_int_equal(addresses[0].address.port, 8000);
    assert_int_equal(addresses[1].address.family, 6);
    generation_unref(generation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_endpoint_is_one_of_many_pages),
        TEST(new_servers_make_the_same_pages),
        TEST(servers_that_are_wrong_need_the_whole),
        TEST(the_first_server_of_https_needs_the_whole),
        TEST(servers_that_cannot_be_served_are_left_out_and_named_once),
        TEST(tickets_and_health_stay_over_generations),
        TEST(identities_of_servers_are_the_trees_own),
        TEST(localhost_needs_no_name_server),
    };

    return cmocka_run_group_tests_name("compile_servers", tests, NULL, NULL);
}
