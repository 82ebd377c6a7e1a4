/*
 * test_share.c - leaving a port to the other sockets of its group: nobody new comes to ours, before, while and after they close.
 * Ours and the others' are sockets of this one process here; to the kernel that is no difference.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "master/guard/guard.h"

#define CLIENTS 60
#define SOCKETS_MOST 8

static int listening(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    socklen_t size = sizeof(*address);

    assert_true(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
                bind(fd, (struct sockaddr *)address, size) == 0 && listen(fd, 1024) == 0 &&
                getsockname(fd, (struct sockaddr *)address, &size) == 0);
    return fd;
}

/* Takes all that wait; how many there were. */
static unsigned accept_all(int fd)
{
    unsigned count = 0;

    for (int client; (client = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) != -1; count++) {
        close(client);
    }
    return count;
}

static void connect_all(const struct sockaddr_in *address, int clients[CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(clients[i], (const struct sockaddr *)address, sizeof(*address)), 0);
    }
}

struct group {
    struct guard *guard;
    struct sockaddr_in address;
    int others[SOCKETS_MOST];
    unsigned other_count, own_count;
    int own[SOCKETS_MOST];
};

/* order: 'o' one of ours, 'x' one of somebody else, in the order in which they join. */
static void make(struct group *group, const char *order)
{
    *group = (struct group){.guard = xcalloc(1, sizeof(struct guard)),
                            .address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    struct kept *kept = keep_new(group->guard, "web");

    kept->shared = true;
    for (; *order; order++) {
        int fd = listening(&group->address);

        if (*order == 'o') {
            group->own[group->own_count] = fd;
            keep_store(kept, group->own_count++, fd);
        } else {
            group->others[group->other_count++] = fd;
        }
    }
}

static void end(struct group *group)
{
    keep_close_all(group->guard);
    for (unsigned i = 0; i < group->other_count; i++) {
        close(group->others[i]);
    }
    free(group->guard);
}

static unsigned accept_others(const struct group *group)
{
    unsigned count = 0;

    for (unsigned i = 0; i < group->other_count; i++) {
        count += accept_all(group->others[i]);
    }
    return count;
}

static void test_others_get_all_that_come(void **state)
{
    static const char *const orders[] = {"ox", "xo", "ooxx", "xxoo", "oxox", "xoxo", "oooxx", "xooxx"};

    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct group group;
        int clients[CLIENTS];

        make(&group, orders[i]);
        assert_true(share_leave(group.guard));
        (void)accept_others(&group);
        for (unsigned slot = 0; slot < group.own_count; slot++) {
            (void)accept_all(group.own[slot]); /* what it was found out with */
        }
        connect_all(&group.address, clients);
        for (unsigned slot = 0; slot < group.own_count; slot++) {
            assert_int_equal(accept_all(group.own[slot]), 0);
        }
        assert_int_equal(accept_others(&group), CLIENTS);
        for (int client = 0; client < CLIENTS; client++) {
            close(clients[client]);
        }
        keep_close_all(group.guard);
        (void)accept_others(&group); /* found out again */
        connect_all(&group.address, clients);
        assert_int_equal(accept_others(&group), CLIENTS);
        for (int client = 0; client < CLIENTS; client++) {
            close(clients[client]);
        }
        end(&group);
    }
}

static void test_nothing_is_done_where_nobody_stays(void **state)
{
    struct group group;
    int clients[CLIENTS];
    unsigned count = 0;

    (void)state;
    make(&group, "ooo");
    assert_false(share_leave(group.guard));
    connect_all(&group.address, clients);
    for (unsigned slot = 0; slot < group.own_count; slot++) {
        count += accept_all(group.own[slot]);
    }
    assert_int_equal(count, CLIENTS);
    for (int client = 0; client < CLIENTS; client++) {
        close(clients[client]);
    }
    end(&group);
}

static void test_ports_of_our_own_are_left_alone(void **state)
{
    struct group group;

    (void)state;
    make(&group, "ox");
    group.guard->kept->shared = false;
    assert_false(share_leave(group.guard));
    end(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_get_all_that_come),
        cmocka_unit_test(test_nothing_is_done_where_nobody_stays),
        cmocka_unit_test(test_ports_of_our_own_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
