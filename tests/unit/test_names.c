/* test_names.c - names become addresses: asked once, kept when answers fail, told when they change, forgotten unused.
 *
 * A name server of the test's own answers on the same loop; time is moved by making answers due. */
#include "master/compile/names.c"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

static uv_loop_t loop;
static uv_udp_t server;
static struct names *names;
static struct pool *pool;
static unsigned changes, questions;

/* What the server says: addresses of A records; none: NXDOMAIN; silent: nothing. */
static const char *answers[4];
static size_t answer_count;
static bool silent;

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    static char room[4096];

    (void)handle, (void)suggested;
    *out = uv_buf_init(room, sizeof(room));
}

static void on_question(uv_udp_t *handle, ssize_t len, const uv_buf_t *in, const struct sockaddr *from,
                        unsigned flags)
{
    static unsigned char reply[4096];
    size_t at = 12, type;
    uv_buf_t out;

    (void)flags;
    if (len < 17 || !from || silent) {
        return;
    }
    memset(reply, 0, sizeof(reply));
    while (at < (size_t)len && in->base[at]) {
        at += (size_t)(unsigned char)in->base[at] + 1;
    }
    type = (size_t)(unsigned char)in->base[at + 2]; /* 1: A, 28: AAAA */
    at += 5;
    memcpy(reply, in->base, at);
    reply[2] = 0x81; /* an answer, recursion desired */
    reply[3] = answer_count ? 0x80 : 0x83;
    reply[5] = 1;
    memset(reply + 6, 0, 6);
    if (type == 1) {
        questions++;
        reply[7] = (unsigned char)answer_count;
        for (size_t i = 0; i < answer_count; i++) {
            static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};

            memcpy(reply + at, record, sizeof(record));
            at += sizeof(record);
            assert_int_equal(inet_pton(AF_INET, answers[i], reply + at), 1);
            at += 4;
        }
    }
    out = uv_buf_init((char *)reply, (unsigned)at);
    (void)uv_udp_try_send(handle, &out, 1, from); /* what is lost is asked again */
}

static void on_changed(void *context)
{
    assert_ptr_equal(context, &changes);
    changes++;
}

static int set_up(void **state)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int size = sizeof(here);
    struct error why;
    char text[64];

    (void)state;
    changes = questions = 0;
    silent = false;
    answer_count = 0;
    pool = pool_new(4096, 0);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_udp_init(&loop, &server), 0);
    assert_int_equal(uv_udp_bind(&server, (struct sockaddr *)&here, 0), 0);
    assert_int_equal(uv_udp_getsockname(&server, (struct sockaddr *)&here, &size), 0);
    assert_int_equal(uv_udp_recv_start(&server, on_alloc, on_question), 0);
    assert_int_equal(names_new(&loop, on_changed, &changes, &names, &why), 0);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(here.sin_port));
    assert_int_equal(ares_set_servers_ports_csv(names->channel, text), ARES_SUCCESS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&server, NULL);
    names_close(names);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    pool_free(pool);
    return 0;
}

static struct list lookup(const char *host)
{
    return names_lookup(names, slice_cstr(host), pool);
}

static void answer_with(const char *first, const char *second)
{
    answers[0] = first;
    answers[1] = second;
    answer_count = (size_t)(first != NULL) + (second != NULL);
}

static void addresses_are(const char *host, const char *want) /* "10.0.0.1 10.0.0.2" */
{
    struct list found = lookup(host);
    char text[256] = "", one[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < found.count; i++) {
        const struct address *address = (const struct address *)found.items + i;

        assert_int_equal(address->port, 0);
        (void)address_format(address, one);
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", one);
    }
    assert_string_equal(text, want);
}

static struct name *entry(const char *host)
{
    return names_find(names, host, strlen(host));
}

/* As if its time had come. */
static void ask_again(const char *host)
{
    struct name *name = entry(host);
    unsigned before = questions;

    assert_non_null(name);
    name->due_ms = 0;
    ask_due(names);
    schedule(names);
    while (questions == before || entry(host)->asking) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
}

static void a_name_is_asked_once_and_kept(void **state)
{
    (void)state;
    answer_with("10.0.0.2", "10.0.0.1");
    addresses_are("Backend.test", "");
    addresses_are("backend.TEST", "");
    assert_true(names_pending(names));
    names_settle(names, 5000);
    assert_false(names_pending(names));
    addresses_are("backend.test", "10.0.0.1 10.0.0.2"); /* sorted: the order of answers means nothing */
    assert_int_equal(changes, 1);
    assert_int_equal(questions, 1);
    ask_again("backend.test");
    assert_int_equal(questions, 2);
    assert_int_equal(changes, 1); /* the same answer is no news */
    answer_with("10.0.0.1", "10.0.0.2");
    ask_again("backend.test");
    assert_int_equal(changes, 1);
    answer_with("10.0.0.3", NULL);
    ask_again("backend.test");
    assert_int_equal(changes, 2);
    addresses_are("backend.test", "10.0.0.3");
}

static void a_failure_takes_nothing_away(void **state)
{
    (void)state;
    answer_with("10.0.0.1", NULL);
    (void)lookup("backend.test");
    names_settle(names, 5000);
    answer_with(NULL, NULL);
    ask_again("backend.test");
    addresses_are("backend.test", "10.0.0.1");
    assert_int_equal(changes, 1);
    assert_int_equal(entry("backend.test")->retry_ms, RETRY_MIN);
    ask_again("backend.test");
    assert_int_equal(entry("backend.test")->retry_ms, 2 * RETRY_MIN);
    for (int i = 0; i < 8; i++) {
        ask_again("backend.test");
    }
    assert_int_equal(entry("backend.test")->retry_ms, RETRY_MAX);
    answer_with("10.0.0.1", NULL);
    ask_again("backend.test");
    assert_int_equal(changes, 1);
    assert_int_equal(entry("backend.test")->retry_ms, 0);
}

static void a_name_that_never_resolved_is_not_pending_for_ever(void **state)
{
    (void)state;
    addresses_are("gone.test", "");
    names_settle(names, 5000);
    assert_false(names_pending(names));
    addresses_are("gone.test", "");
    assert_int_equal(changes, 0);
    answer_with("10.0.0.9", NULL); /* it comes into being */
    ask_again("gone.test");
    addresses_are("gone.test", "10.0.0.9");
    assert_int_equal(changes, 1);
}

static void what_is_not_looked_up_is_forgotten(void **state)
{
    (void)state;
    answer_with("10.0.0.1", NULL);
    names_begin(names);
    (void)lookup("a.test");
    (void)lookup("b.test");
    names_settle(names, 5000);
    for (int i = 0; i < 2; i++) {
        names_begin(names);
        (void)lookup("b.test");
        ask_due(names);
        assert_int_equal(entry("a.test") != NULL,
                         i == 0); /* one compile that failed half-way costs nothing */
    }
    assert_non_null(entry("b.test"));
    assert_int_equal(names->count, 1);
}

static void many_names_are_asked_a_few_at_a_time(void **state)
{
    char host[32];

    (void)state;
    answer_with("10.0.0.1", NULL);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(host, sizeof(host), "n%d.test", i);
        (void)lookup(host);
    }
    uv_update_time(&loop);
    ask_due(names);
    assert_int_equal(names->queries, QUERIES_MAX);
    names_settle(names, 10000);
    assert_false(names_pending(names));
    assert_int_equal(names->queries, 0);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(host, sizeof(host), "n%d.test", i);
        addresses_are(host, "10.0.0.1");
    }
}

static void localhost_is_never_asked(void **state)
{
    (void)state;
    addresses_are("localhost", "127.0.0.1 ::1");
    addresses_are("app.LOCALHOST", "127.0.0.1 ::1");
    assert_false(names_pending(names));
    assert_int_equal(changes, 0);
}

static void closing_with_a_question_open(void **state)
{
    (void)state;
    silent = true;
    (void)lookup("slow.test");
    for (int i = 0; i < 3; i++) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(names->queries, 1); /* tear_down() closes: nothing leaks, nothing is called */
}

static void another_name_server_is_noticed(void **state)
{
    ares_channel before = names->channel;

    (void)state;
    ask_due(names);
    assert_ptr_equal(names->channel, before);
    names->resolver_time.tv_nsec ^= 1; /* the file is another than when it was read */
    names->queries = 1;
    ask_due(names);
    assert_ptr_equal(names->channel, before); /* not while an answer is awaited */
    names->queries = 0;
    ask_due(names);
    assert_ptr_not_equal(names->channel, before);
    before = names->channel;
    ask_due(names);
    assert_ptr_equal(names->channel, before);
}

static void names_too_long_have_no_address(void **state)
{
    char host[400];

    (void)state;
    memset(host, 'a', sizeof(host));
    host[sizeof(host) - 1] = '\0';
    addresses_are(host, "");
    addresses_are("", "");
    assert_int_equal(names->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void known_by_the_next_master(void **state)
{
    int fd = memfd_create("names", MFD_CLOEXEC), copy = dup(fd);
    struct names *first = names;
    struct error why;

    (void)state;
    names_remember(names, fd); /* nothing is there yet */
    answer_with("10.0.0.2", "10.0.0.1");
    names_begin(names);
    (void)lookup("a.test");
    (void)lookup("localhost");
    names_settle(names, 5000);
    answer_with("2.2.2.2", NULL);
    (void)lookup("b.test");
    names_settle(names, 5000);

    assert_int_equal(names_new(&loop, on_changed, &changes, &names, &why), 0); /* no name server is set */
    names_remember(names, dup(copy));
    names_begin(names);
    addresses_are("a.test", "10.0.0.1 10.0.0.2");
    addresses_are("b.test", "2.2.2.2");
    assert_false(names_pending(names));
    addresses_are("c.test", "");
    assert_true(names_pending(names));
    names_close(first);
    close(copy);
}

static void half_of_a_memory_is_none(void **state)
{
    static const char *const texts[] = {
        "weir names 1\na.test 10.0.0.1\n",
        "weir names 1\na.test 10.0.0.1\nen",
        "weir names 2\na.test 10.0.0.1\nend\n",
        "weir names 1\na.test 10.0.0\nend\n",
        "weir names 1\na.test\nend\n",
        "weir names 1\n 10.0.0.1\nend\n",
        "end\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int fd = memfd_create("names", MFD_CLOEXEC);

        assert_int_equal(pwrite(fd, texts[i], strlen(texts[i]), 0), (ssize_t)strlen(texts[i]));
        names_remember(names, fd);
        assert_null(entry("a.test"));
        assert_int_equal(names->count, 0);
        close(fd);
        names->store_fd = -1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_asked_once_and_kept),
        TEST(a_failure_takes_nothing_away),
        TEST(a_name_that_never_resolved_is_not_pending_for_ever),
        TEST(what_is_not_looked_up_is_forgotten),
        TEST(many_names_are_asked_a_few_at_a_time),
        TEST(localhost_is_never_asked),
        TEST(closing_with_a_question_open),
        TEST(another_name_server_is_noticed),
        TEST(names_too_long_have_no_address),
        TEST(known_by_the_next_master),
        TEST(half_of_a_memory_is_none),
    };

    log_setup(LOG_LEVEL_NONE, LOG_FORMAT_COMMON, "test");
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
