/* test_addr.c - addresses and ranges: what is one, what is none, how it prints, what lies inside. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/net/addr.h"

static void addresses_are_read_and_printed(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        /* NULL: refused */
        {"10.0.0.1", "10.0.0.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"1.20.103.9", "1.20.103.9"},
        {"256.0.0.1", NULL},
        {"010.0.0.1", NULL},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"1.2.3.4 ", NULL},
        {" 1.2.3.4", NULL},
        {"0x7f.0.0.1", NULL},
        {"1.2.3.-4", NULL},
        {"", NULL},
        {"localhost", NULL},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:DB8::0001", "2001:db8::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"0:0:1::", "0:0:1::"},
        {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
        {"::102:304", "::102:304"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"::FFFF:0102:0304", "1.2.3.4"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"fe80::1%eth0", NULL},
        {"[::1]", NULL},
        {"1::2::3", NULL},
        {"12345::", NULL},
        {"1:2:3:4:5:6:7", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {":::", NULL},
    };
    char buf[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address address;

        print_message("case %zu: %s\n", i, cases[i].text);
        if (!cases[i].want) {
            assert_false(address_parse(slice_cstr(cases[i].text), &address));
            continue;
        }
        assert_true(address_parse(slice_cstr(cases[i].text), &address));
        assert_int_equal(address_format(&address, buf), strlen(cases[i].want));
        assert_string_equal(buf, cases[i].want);
    }
    assert_false(address_parse(slice_of("1.2.3.4\0", 8), &(struct address){0}));
}

static void host_and_port(void **state)
{
    static const struct {
        const char *text;
        int family;
        const char *host;
        int port;
    } cases[] = {
        /* -1: refused */
        {"1.2.3.4:80", 4, "1.2.3.4", 80},
        {"[::1]:443", 6, "::1", 443},
        {"[::ffff:1.2.3.4]:1", 4, "1.2.3.4", 1},
        {":80", 0, "", 80},
        {":0", 0, "", 0},
        {"1.2.3.4:65535", 4, "1.2.3.4", 65535},
        {"1.2.3.4:65536", -1, NULL, 0},
        {"1.2.3.4:-1", -1, NULL, 0},
        {"1.2.3.4:", -1, NULL, 0},
        {"1.2.3.4", -1, NULL, 0},
        {"::1:80", -1, NULL, 0},
        {"[::1]", -1, NULL, 0},
        {"[]:80", -1, NULL, 0},
        {"[1.2.3.4]:80", -1, NULL, 0},
        {"[::1:80", -1, NULL, 0},
        {"::1]:80", -1, NULL, 0},
        {"localhost:80", -1, NULL, 0},
        {"1.2.3.4:http", -1, NULL, 0},
        {"1.2.3.4:80 ", -1, NULL, 0},
        {"", -1, NULL, 0},
    };
    char buf[ADDRESS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address address;
        struct error why = {""};
        int rc = address_parse_host_port(slice_cstr(cases[i].text), &address, &why);

        print_message("case %zu: %s %s\n", i, cases[i].text, why.text);
        if (cases[i].family < 0) {
            assert_int_equal(rc, -EINVAL);
            assert_true(why.text[0] != '\0');
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(address.family, cases[i].family);
        assert_int_equal(address.port, cases[i].port);
        (void)address_format(&address, buf);
        assert_string_equal(buf, cases[i].host);
    }
}

static void ranges(void **state)
{
    static const struct {
        const char *range, *address;
        bool inside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.1.2.3/8", "10.9.9.9", true}, /* bits behind the prefix do not count */
        {"192.168.1.7", "192.168.1.7", true},
        {"192.168.1.7", "192.168.1.8", false},
        {"192.168.1.4/30", "192.168.1.7", true},
        {"192.168.1.4/30", "192.168.1.8", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "::1", true},
        {"::/0", "1.2.3.4", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},
        {"::ffff:10.0.0.0/104", "11.9.9.9", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
        {"::1", "::1", true},
        {"::1/128", "::2", false},
        {"127.0.0.1/32", "127.0.0.1", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address address;
        struct cidr range;
        struct error why;

        print_message("case %zu: %s %s\n", i, cases[i].range, cases[i].address);
        assert_true(cidr_parse(slice_cstr(cases[i].range), &range, &why));
        assert_true(address_parse(slice_cstr(cases[i].address), &address));
        assert_int_equal(cidr_contains(&range, &address), cases[i].inside);
    }
    struct cidr all;

    assert_true(cidr_parse(SLICE("0.0.0.0/0"), &all, NULL));
    assert_false(cidr_contains(&all, &(struct address){.family = 0}));
}

static void bad_ranges(void **state)
{
    static const char *const cases[] = {"",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/",
                                        "10.0.0.0/8/8",
                                        "/8",
                                        "::/129",
                                        "10.0.0/8",
                                        "a/8",
                                        "10.0.0.0/8 ",
                                        "10.0.0.0 /8",
                                        "10.0.0.0/x",
                                        "10.0.0.0/99999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cidr range;
        struct error why = {""};

        print_message("case %zu: %s\n", i, cases[i]);
        assert_false(cidr_parse(slice_cstr(cases[i]), &range, &why));
        assert_true(why.text[0] != '\0');
    }
}

static void socket_addresses(void **state)
{
    static const char *const texts[] = {"1.2.3.4:80", "[2001:db8::7]:443"};
    struct sockaddr_storage storage;
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct address address, back;
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(address_parse_host_port(slice_cstr(texts[i]), &address, &why), 0);
        assert_int_equal(address_to_sockaddr(&address, &storage),
                         i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        address_from_sockaddr((struct sockaddr *)&storage, &back);
        assert_true(address_equal(&address, &back));
        assert_memory_equal(&address, &back, sizeof(address));
        back.port++;
        assert_false(address_equal(&address, &back));
    }
    assert_int_equal(inet_pton(AF_INET6, "::ffff:9.8.7.6", &mapped.sin6_addr), 1);
    address_from_sockaddr((struct sockaddr *)&mapped, &back);
    assert_int_equal(back.family, 4);
    assert_int_equal(back.port, 9);
    assert_int_equal(back.bytes[0], 9);
    storage.ss_family = AF_UNIX;
    address_from_sockaddr((struct sockaddr *)&storage, &back);
    assert_int_equal(back.family, 0);
    assert_int_equal(address_to_sockaddr(&(struct address){.port = 80}, &storage),
                     sizeof(struct sockaddr_in6));
    assert_int_equal(storage.ss_family, AF_INET6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_printed),
        cmocka_unit_test(host_and_port),
        cmocka_unit_test(ranges),
        cmocka_unit_test(bad_ranges),
        cmocka_unit_test(socket_addresses),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
