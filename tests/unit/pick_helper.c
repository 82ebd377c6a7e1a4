/*
 * pick_helper.c - see pick_helper.h.
 */
#include "tests/unit/pick_helper.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/sealed_page.h"

struct worker worker;
struct exchange exchange;
struct server_address somewhere;

int pick_setup(void **state)
{
    struct error why;
    int fd;

    (void)state;
    assert_int_equal(board_create(&fd, &why), 0);
    assert_int_equal(board_map(fd, &worker.board, &why), 0);
    close(fd);
    (void)board_slab(worker.board, 0);
    exchange = (struct exchange){.worker = &worker, .pool = pool_new(1024, 0)};
    headers_init(&exchange.request.headers, exchange.pool);
    headers_init(&exchange.response.headers, exchange.pool);
    return address_parse_host_port(SLICE("10.0.0.1:80"), &somewhere.address, &why);
}

int pick_teardown(void **state)
{
    (void)state;
    board_unmap(worker.board);
    pool_free(exchange.pool);
    return 0;
}

struct server server_named(const char *name)
{
    return (struct server){.url = slice_cstr(name), .addresses = {&somewhere, 1}};
}

struct whole *whole_of(const struct service *services, size_t count)
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

void whole_free(struct whole *whole)
{
    for (size_t i = 0; i < ARRAY_LEN(whole->pages); i++) {
        page_unref(whole->pages[i]);
    }
    free(whole);
}

const char *picks(const struct whole *whole, uint32_t service, size_t count)
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
