/* test_handover.c - what one guard writes another one reads; a text that is not right is refused, whatever it says. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "master/guard/guard.h"
#include "shm/page.h"

static struct guard *guard_make(void)
{
    struct guard *guard = xcalloc(1, sizeof(*guard));

    guard->board_fd = guard->rings_fd = guard->names_fd = guard->keys_fd = guard->settings_fd = -1;
    outbox_init(&guard->master.out, -1);
    for (unsigned slot = 0; slot < BOARD_WORKERS; slot++) {
        outbox_init(&guard->workers[slot].out, -1);
        guard->workers[slot].lent_to = -1;
    }
    return guard;
}

/* The two guards of a test share descriptors: only one of them closes them. */
static void guard_drop(struct guard *guard, bool closes)
{
    while (guard->kept) {
        struct kept *kept = guard->kept;

        guard->kept = kept->next;
        for (unsigned i = 0; closes && i < kept->count; i++) {
            close(kept->fds[kept->order[i]]);
        }
        free(kept);
    }
    while (guard->old) {
        struct old_child *old = guard->old;

        guard->old = old->next;
        if (closes && old->channel != -1) {
            close(old->channel);
        }
        free(old);
    }
    if (closes) {
        outbox_close(&guard->master.out);
        outbox_close(&guard->workers[1].out);
        close(guard->board_fd);
        close(guard->rings_fd);
    }
    free(guard);
}

static int listening(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void all_comes_back(void **state)
{
    struct guard *from = guard_make(), *to = guard_make();
    struct error why = {""};
    uint64_t build = 0;

    (void)state;
    from->board_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    from->rings_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    from->keys_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    from->settings_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    from->wanted = 2;
    from->slots = 3;
    from->master_starts = 7;
    from->upgrades = 4;
    from->since_ns = 77;
    from->was_ready = true;
    from->grace_ns[0] = 5;
    from->grace_ns[1] = 6000000000;
    from->log_format = LOG_FORMAT_JSON;
    from->master.pid = 100;
    from->master.out.channel = open("/dev/null", O_RDWR | O_CLOEXEC);
    from->workers[1].pid = 101;
    from->workers[1].out.channel = open("/dev/null", O_RDWR | O_CLOEXEC);
    from->workers[2].retire_ns = 9;
    from->workers[2].lent_to = 1;
    upgrade_add_old(from, 99, -1, 3, 55);
    struct kept *web = keep_new(from, "web"), *odd = keep_new(from, "a name with spaces");

    for (unsigned slot = 0; slot < 3; slot++) {
        keep_store(web, 2 - slot, listening()); /* the order is not that of the slots */
    }
    web->id = 1;
    odd->id = from->sets = 2;
    odd->leaving_ns = 1;
    keep_store(odd, 0, listening());

    int fd = handover_write(from, &why);

    assert_true(fd >= 0);
    assert_int_equal(handover_read(to, fd, true, &build, &why), 0);
    assert_true(build == build_id());
    assert_int_equal(to->board_fd, from->board_fd);
    assert_int_equal(to->rings_fd, from->rings_fd);
    assert_int_equal(to->keys_fd, from->keys_fd);
    assert_int_equal(to->settings_fd, from->settings_fd);
    assert_int_equal(to->wanted, 2);
    assert_int_equal(to->slots, 3);
    assert_int_equal(to->master_starts, 7);
    assert_int_equal(to->upgrades, 4);
    assert_true(to->since_ns == 77 && to->was_ready);
    assert_int_equal(to->sets, 2);
    assert_true(to->grace_ns[0] == 5 && to->grace_ns[1] == 6000000000);
    assert_int_equal(to->log_format, LOG_FORMAT_JSON);
    assert_int_equal(to->master.pid, 100);
    assert_int_equal(to->master.out.channel, from->master.out.channel);
    assert_int_equal(to->workers[1].pid, 101);
    assert_int_equal(to->workers[1].out.channel, from->workers[1].out.channel);
    assert_int_equal(to->workers[2].lent_to, 1);
    assert_true(to->workers[2].retire_ns != 0 && to->workers[1].retire_ns == 0);
    assert_true(to->old && to->old->pid == 99 && to->old->set == 3 && to->old->next == NULL);
    assert_int_equal(to->old->since_ns, 55);

    const struct kept *got = to->kept;

    assert_string_equal(got->name, "a name with spaces");
    assert_true(got->id == odd->id && got->leaving_ns != 0 && got->count == 1);
    got = got->next;
    assert_string_equal(got->name, "web");
    assert_memory_equal(got->fds, web->fds, sizeof(web->fds));
    assert_memory_equal(got->order, web->order, 3 * sizeof(web->order[0]));
    assert_null(got->next);
    close(fd);
    close(from->keys_fd);
    close(from->settings_fd);
    guard_drop(to, false);
    guard_drop(from, true);
}

static void shards_come_back(void **state)
{
    struct guard *from = guard_make(), *to = guard_make();
    struct error why = {""};
    uint64_t build = 0;
    int fds[3], lane = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_not_equal(fds[i], -1);
    }
    from->board_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    from->rings_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    shards_add(from, "a name", 0, fds, ARRAY_LEN(fds));
    from->sharded->shards[1].owner = 4;
    from->sharded->shards[1].owner_pid = 99;
    from->sharded->shards[2].lane = lane;

    int fd = handover_write(from, &why);

    assert_true(fd >= 0);
    assert_int_equal(handover_read(to, fd, true, &build, &why), 0);

    const struct sharded *got = to->sharded;

    assert_non_null(got);
    assert_null(got->next);
    assert_string_equal(got->name, "a name");
    assert_true(got->id == 1 && to->sets == 1);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        assert_int_equal(got->shards[i].fd, fds[i]);
        assert_int_equal(got->shards[i].owner, i == 1 ? 4 : -1);
        assert_int_equal(got->shards[i].owner_pid, i == 1 ? 99 : 0);
        assert_int_equal(got->shards[i].lane, i == 2 ? lane : -1);
    }
    assert_int_equal(got->shards[3].fd, -1);
    close(fd);
    free(to->sharded);
    to->sharded = NULL;
    shards_close_all(from);
    guard_drop(to, false);
    guard_drop(from, true);
}

static int read_text(struct guard *to, const char *text, bool strict, struct error *why)
{
    uint64_t build = 0;
    int fd = memfd_create("handover", MFD_CLOEXEC), rc;

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    rc = handover_read(to, fd, strict, &build, why);
    close(fd);
    return rc;
}

static void numbers_that_older_builds_do_not_write_are_optional(void **state)
{
    struct guard *to = guard_make();
    struct error why = {""};

    (void)state;
    to->since_ns = 5;
    assert_int_equal(read_text(to, "weir-handover 2\ncounts 2 7 3 4\nold 99 -1 3\nend\n", true, &why), 0);
    assert_int_equal(to->upgrades, 4);
    assert_true(to->since_ns == 5 && !to->was_ready);
    assert_true(to->old && to->old->pid == 99 && to->old->since_ns > 0);
    guard_drop(to, false);
}

static void what_is_not_right_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "weir-handover 1\nend\n",
        "weir-handover 2\n",
        "weir-handover 2\nbuild 1\n",
        "weir-handover 2\nnonsense\nend\n",
        "weir-handover 2\nworker 256 0 -1 -1 0 0\nend\n",
        "weir-handover 2\nworker 0 1 -1 256 0 0\nend\n",
        "weir-handover 2\nworker 0 -5 -1 -1 0 0\nend\n",
        "weir-handover 2\nworker 0 1 9999 -1 0 0\nend\n",
        "weir-handover 2\nsocket 0 1\nend\n",
        "weir-handover 2\nkept 1 0 0 0 web\nsocket 0 0\nend\n",
        "weir-handover 2\nkept 1 0 0 0 web\nsocket 256 5\nend\n",
        "weir-handover 2\nkept 1 0 0\nend\n",
        "weir-handover 2\nold 0 -1 1\nend\n",
        "weir-handover 2\ncounts 257 1 1 1\nend\n",
        "weir-handover 2\nboard 9999\nend\n",
        "weir-handover 2\nlog 77 0 0\nend\n",
        "weir-handover 2\nlog 1 0 -1\nend\n",
        "weir-handover 2\nlog 1 0 9999\nend\n",
        "weir-handover 2\nmaster 1 9999\nend\n",
        "weir-handover 2\nudp web\nend\n",
        "weir-handover 2\nshard 0 0 -1 -1 0\nend\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct guard *guard = guard_make();
        struct error why = {""};

        print_message("case %zu\n", i);
        assert_true(read_text(guard, texts[i], true, &why) < 0);
        assert_true(why.text[0] != '\0');
        guard_drop(guard, false);
    }
    struct guard *guard = guard_make();
    struct error why = {""};
    uint64_t build;

    assert_true(handover_read(guard, 9999, true, &build, &why) < 0);
    guard_drop(guard, false);
}

static void behind_the_point_of_no_return_one_line_is_left_out(void **state)
{
    struct guard *to = guard_make();
    struct error why = {""};

    (void)state;
    assert_int_equal(
        read_text(to, "weir-handover 2\nworker 0 1 9999 -1 0 0\ncounts 2 7 3 4\nend\n", false, &why), 0);
    assert_int_equal(to->upgrades, 4);
    assert_int_equal(to->workers[0].pid, 0);
    guard_drop(to, false);
}

/* As the kernel's group: who leaves is replaced by the last. */
static void order_follows_the_kernel(void **state)
{
    struct guard *guard = guard_make();
    struct kept *kept = keep_new(guard, "web");

    (void)state;
    for (unsigned slot = 0; slot < 4; slot++) {
        keep_store(kept, slot, listening());
    }
    keep_close_slot(guard, 1);
    assert_int_equal(kept->count, 3);
    assert_true(kept->order[0] == 0 && kept->order[1] == 3 && kept->order[2] == 2);
    assert_false(keep_has_slot(guard, 1));
    keep_store(kept, 1, listening());
    assert_true(kept->order[3] == 1);
    assert_true(keep_has_slot(guard, 1) && keep_slot_empty(guard, 1) && keep_set_empty(kept));
    guard->board_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    guard_drop(guard, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_comes_back),
        cmocka_unit_test(shards_come_back),
        cmocka_unit_test(numbers_that_older_builds_do_not_write_are_optional),
        cmocka_unit_test(what_is_not_right_is_refused),
        cmocka_unit_test(behind_the_point_of_no_return_one_line_is_left_out),
        cmocka_unit_test(order_follows_the_kernel),
    };

    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
