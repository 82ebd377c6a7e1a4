/* test_control.c - control messages: whole with their descriptors, or refused with nothing left open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/control.h"

static int ends[2];

static int set_up(void **state)
{
    struct error why;

    (void)state;
    return control_pair(ends, &why);
}

static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int open_descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the directory itself */

    assert_non_null(all);
    while (readdir(all)) {
        count++;
    }
    closedir(all);
    return count;
}

static bool same_file(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void whole_with_descriptors(void **state)
{
    struct control_message sent = {.kind = CONTROL_LISTEN,
                                   .number = 1ULL << 40,
                                   .worker = 3,
                                   .entry_point = 2,
                                   .base = 4,
                                   .pages = {5, 6, 7, 8},
                                   .places = {0, 3, 259},
                                   .page_count = 260,
                                   .part = 1,
                                   .grace_ns = {-1, 2},
                                   .text = "websecure"};
    struct control_message got;
    int fds[CONTROL_FDS], own[CONTROL_FDS];

    (void)state;
    for (size_t i = 0; i < CONTROL_FDS; i++) {
        assert_int_not_equal(own[i] = memfd_create("own", MFD_CLOEXEC), -1);
    }
    for (size_t count = 0; count <= CONTROL_FDS; count++) {
        assert_int_equal(control_send(ends[0], &sent, own, count), 0);
        assert_int_equal(control_receive(ends[1], &got, fds), 0);
        assert_int_equal(got.fd_count, count);
        assert_memory_equal(&got, &sent, sizeof(sent));
        for (size_t i = 0; i < count; i++) {
            assert_true(same_file(fds[i], own[i]));
            assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
            close(fds[i]);
        }
    }
    assert_int_equal(control_send(ends[0], &sent, own, CONTROL_FDS + 1), -EINVAL);
    assert_int_equal(control_receive(ends[1], &got, fds), -EAGAIN);
    for (size_t i = 0; i < CONTROL_FDS; i++) {
        close(own[i]);
    }
}

static void a_full_channel_says_so_and_keeps_all(void **state)
{
    struct control_message message = {.kind = CONTROL_ACK}, got;
    int fds[CONTROL_FDS], rc;
    uint64_t sent = 0;

    (void)state;
    while ((rc = control_send(ends[0], &message, NULL, 0)) == 0) {
        message.number = ++sent;
    }
    assert_int_equal(rc, -EAGAIN);
    assert_true(sent > 3);
    for (uint64_t i = 0; i < sent; i++) {
        assert_int_equal(control_receive(ends[1], &got, fds), 0);
        assert_int_equal(got.number, i);
    }
    assert_int_equal(control_receive(ends[1], &got, fds), -EAGAIN);
}

static void a_peer_that_is_gone(void **state)
{
    struct control_message message = {.kind = CONTROL_ACK};
    int fds[CONTROL_FDS];

    (void)state;
    assert_int_equal(control_send(ends[0], &message, NULL, 0), 0);
    close(ends[0]);
    assert_int_equal(control_receive(ends[1], &message, fds), 0); /* what it said last is not lost */
    assert_int_equal(control_receive(ends[1], &message, fds), -EPIPE);
    assert_int_equal(control_send(ends[1], &message, NULL, 0), -EPIPE);
    ends[0] = dup(ends[1]);
}

/* Sends any bytes with `count` copies of standard input. */
static void send_raw(const void *bytes, size_t size, size_t count)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 64)];
        struct cmsghdr align;
    } room = {{0}};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = room.bytes,
                          .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&head);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (size_t i = 0; i < count; i++) {
        memcpy(CMSG_DATA(rights) + i * sizeof(int), &ends[0], sizeof(int));
    }
    assert_int_equal(sendmsg(ends[0], &head, 0), size);
}

static void bad_messages_leave_nothing_open(void **state)
{
    struct control_message good = {.kind = CONTROL_LISTEN, .fd_count = 2, .build_id = build_id()}, bad[7],
                           got;
    char longer[sizeof(good) + 1] = {0};
    int fds[CONTROL_FDS], before = open_descriptors();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        bad[i] = good;
    }
    bad[0].kind = 0;
    bad[1].kind = CONTROL_KINDS;
    bad[2].build_id++;
    bad[3].fd_count = 1;
    bad[4].fd_count = 3;
    bad[5].fd_count = UINT32_MAX;
    memset(bad[6].text, 'x', sizeof(bad[6].text));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        print_message("case %zu\n", i);
        send_raw(&bad[i], sizeof(bad[i]), 2);
        assert_int_equal(control_receive(ends[1], &got, fds), -EBADMSG);
        assert_int_equal(open_descriptors(), before);
    }
    memcpy(longer, &good, sizeof(good));
    send_raw(longer, sizeof(longer), 2);
    assert_int_equal(control_receive(ends[1], &got, fds), -EBADMSG);
    send_raw(&good, sizeof(good) - 1, 2);
    assert_int_equal(control_receive(ends[1], &got, fds), -EBADMSG);
    send_raw(&good, 1, 2);
    assert_int_equal(control_receive(ends[1], &got, fds), -EBADMSG);
    good.fd_count = CONTROL_FDS;
    send_raw(&good, sizeof(good), CONTROL_FDS + 1); /* more than there is room for */
    assert_int_equal(control_receive(ends[1], &got, fds), -EBADMSG);
    assert_int_equal(open_descriptors(), before);
    send_raw(&good, sizeof(good), CONTROL_FDS); /* the channel still works */
    assert_int_equal(control_receive(ends[1], &got, fds), 0);
    for (size_t i = 0; i < got.fd_count; i++) {
        close(fds[i]);
    }
}

static void descriptors_that_find_no_room_are_an_error(void **state)
{
    struct control_message message = {.kind = CONTROL_LISTEN}, got;
    struct rlimit limit, tight;
    int own[4], fds[CONTROL_FDS], before, next;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        own[i] = ends[0];
    }
    before = open_descriptors();
    assert_int_equal(control_send(ends[0], &message, own, ARRAY_LEN(own)), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_not_equal(next = dup(ends[0]), -1);
    close(next);
    tight = (struct rlimit){.rlim_cur = (rlim_t)next + 2, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0); /* two of the four fit */
    int rc = control_receive(ends[1], &got, fds);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(rc, -EBADMSG);
    assert_int_equal(open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_with_descriptors),
        TEST(a_full_channel_says_so_and_keeps_all),
        TEST(a_peer_that_is_gone),
        TEST(bad_messages_leave_nothing_open),
        TEST(descriptors_that_find_no_room_are_an_error),
    };

    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
