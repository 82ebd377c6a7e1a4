/* test_udp_table.c - sessions by flow: found by every part of it, growing, emptied in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/slice.h"
#include "worker/udp_table.h"

#define MANY 5000u

static struct udp_flow flow_of(uint32_t client, uint16_t port, uint32_t local)
{
    struct udp_flow flow;

    memset(&flow, 0, sizeof(flow));
    flow.client.v4.sin_family = AF_INET;
    flow.client.v4.sin_addr.s_addr = htonl(client);
    flow.client.v4.sin_port = htons(port);
    local = htonl(local);
    memcpy(&flow.local, &local, sizeof(local));
    return flow;
}

static void every_part_of_a_flow_counts(void **state)
{
    struct udp_flow six;
    struct udp_table table = {.seed = 7};
    struct udp_flow flows[6];
    struct udp_entry entries[6] = {{0}};

    (void)state;
    memset(&six, 0, sizeof(six));
    six.client.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(1), .sin6_scope_id = 2};
    flows[0] = flow_of(1, 1, 1);
    flows[1] = flow_of(2, 1, 1);
    flows[2] = flow_of(1, 2, 1);
    flows[3] = flow_of(1, 1, 2);
    flows[4] = six;
    flows[5] = six;
    flows[5].interface = 3;
    assert_null(udp_table_find(&table, &flows[0]));
    for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
        assert_null(udp_table_find(&table, &flows[i]));
        entries[i].flow = flows[i];
        udp_table_put(&table, &entries[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
        assert_ptr_equal(udp_table_find(&table, &flows[i]), &entries[i]);
    }
    udp_table_take(&table, &entries[2]);
    assert_null(udp_table_find(&table, &flows[2]));
    assert_int_equal(table.count, 5);
    udp_table_free(&table);
}

static void many_come_and_go(void **state)
{
    struct udp_table table = {.seed = 1};
    struct udp_entry *entries = calloc(MANY, sizeof(*entries)), *any;
    size_t at = 0, left = 0;

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        entries[i].flow = flow_of(i / 7, (uint16_t)i, 9);
        udp_table_put(&table, &entries[i]);
    }
    assert_true(table.size >= MANY && table.size <= 2 * MANY);
    for (uint32_t i = 0; i < MANY; i += 2) {
        udp_table_take(&table, &entries[i]);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(udp_table_find(&table, &entries[i].flow), i % 2 ? &entries[i] : NULL);
    }
    while ((any = udp_table_any(&table, &at))) {
        udp_table_take(&table, any);
        left++;
    }
    assert_int_equal(left, MANY / 2);
    assert_int_equal(table.count, 0);
    udp_table_free(&table);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_a_flow_counts),
        cmocka_unit_test(many_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
