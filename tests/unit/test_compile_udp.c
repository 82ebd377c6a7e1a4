/* test_compile_udp.c - the UDP page: routes by entry point, services children first, servers with addresses; and what of it is
 * refused when it is damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <unistd.h>

#include "master/compile/compile.h"
#include "shm/udp_page.h"
#include "tests/unit/provider_helper.h"
#include "tests/unit/resolve_helper.h"

#define POINTS                                                                                               \
    "--entryPoints.a.address=:1/udp --entryPoints.b.address=:2/udp --entryPoints.c.address=:3/udp "          \
    "--entryPoints.t.address=:4"

struct fixture {
    struct static_loaded loaded;
    struct file_provider options;
    char *directory;
    struct provider_state *state;
    struct model *read, *model;
    struct compiled compiled;
    struct page *page;
};

static struct page *adopt(struct page_builder *builder)
{
    struct page *page = NULL;
    struct error why;
    int fd = -1;

    assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
    assert_int_equal(page_adopt(fd, PAGE_UDP, &page, &why), 0);
    close(fd);
    return page;
}

static void begin(struct fixture *f, const char *file)
{
    struct static_config config = {.providers.file = &f->options};
    struct error why;

    *f = (struct fixture){0};
    resolve_static(&f->loaded, POINTS);
    f->directory = directory_new();
    directory_write(f->directory, "a.yml", file);
    f->options.directory = slice_cstr(f->directory);
    f->read = provider_load(&provider_file, &config, &f->state);
    f->model = resolve(&f->loaded.config, &f->read, 1);
    assert_int_equal(compile_model(&f->loaded.config, f->model, NULL, 1, NULL, NULL, &f->compiled, &why), 0);
    f->page = adopt(f->compiled.pages[PAGE_UDP]);
    assert_int_equal(udp_page_check(f->page, &why), 0);
}

static void end(struct fixture *f)
{
    page_unref(f->page);
    compiled_free(&f->compiled);
    model_free(f->model);
    model_free(f->read);
    directory_remove(f->directory);
    provider_file.free_state(f->state);
    static_unload(&f->loaded);
}

static const struct service *at(const struct fixture *f, uint32_t number)
{
    const struct udp_root *root = page_root(f->page);

    assert_true(number < root->services.services.count);
    return (const struct service *)page_at(f->page, root->services.services.items) + number;
}

static void routes_and_services(void **state)
{
    struct fixture f;
    struct error why;

    (void)state;
    begin(&f, "udp:\n"
              "  routers:\n"
              "    one: {entryPoints: [a], service: w}\n"
              "    two: {entryPoints: [b], service: s}\n"
              "    wrong: {entryPoints: [c], service: nobody}\n"
              "  services:\n"
              "    w: {weighted: {services: [{name: s, weight: 3}, {name: v}]}}\n"
              "    s: {loadBalancer: {servers: [{address: '127.0.0.1:53'}, {address: '[::1]:54'}, {address: "
              "'127.0.0.1:http'}, {address: ':55'}]}}\n"
              "    v: {loadBalancer: {servers: []}}\n"
              "    unused: {loadBalancer: {servers: [{address: '127.0.0.1:56'}]}}\n");

    uint32_t one = udp_page_service(f.page, 0), two = udp_page_service(f.page, 1);
    const struct service *weighted = at(&f, one), *balancer = at(&f, two);
    const struct service_child *children = page_at(f.page, weighted->children.items);
    const struct server *servers = page_at(f.page, balancer->servers.items);

    assert_int_equal(udp_page_service(f.page, 2), UDP_NO_SERVICE); /* its router is disabled */
    assert_int_equal(udp_page_service(f.page, 3), UDP_NO_SERVICE); /* TCP */
    assert_int_equal(weighted->kind, SERVICE_WEIGHTED);
    assert_int_equal(weighted->sequence.count, 4);
    assert_int_equal(children[0].service, two);
    assert_true(children[0].service < one && children[1].service < one);
    assert_int_equal(balancer->servers.count, 3); /* a port that is no number is none */
    for (size_t i = 0; i < 3; i++) {
        const struct server_address *address = page_at(f.page, servers[i].addresses.items);

        assert_int_equal(servers[i].addresses.count, 1);
        assert_int_equal(address->address.port, 53 + i);
        assert_int_equal(address->address.family, i == 1 ? 6 : 4);
    }
    assert_int_equal(((const struct udp_root *)page_root(f.page))->services.services.count, 3);
    assert_int_equal(udp_page_fit(f.page, 2, &why), 0);
    assert_int_equal(udp_page_fit(f.page, 1, &why), -EBADMSG);
    assert_string_equal(why.text, "UDP page: a route names entry point 1 of 1");
    end(&f);
}

static void damaged_routes_are_refused(void **state)
{
    static const struct {
        struct udp_route routes[2];
        int expected;
    } cases[] = {
        {{{0, 0}, {3, 0}}, 0},
        {{{0, 1}, {3, 0}}, -EBADMSG}, /* there is one service */
        {{{3, 0}, {3, 0}}, -EBADMSG},
        {{{3, 0}, {0, 0}}, -EBADMSG},
    };
    struct service service = {.name = SLICE("s")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page_builder *builder = builder_new(PAGE_UDP);
        struct error why;

        udp_page_build(builder, &service, 1, cases[i].routes, 2);
        struct page *page = adopt(builder);

        assert_int_equal(udp_page_check(page, &why), cases[i].expected);
        page_unref(page);
        builder_free(builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_and_services),
        cmocka_unit_test(damaged_routes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
