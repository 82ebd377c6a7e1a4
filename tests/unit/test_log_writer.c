/* test_log_writer.c - every line comes out whole and once, through descriptors that take it in pieces or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "master/guard/log_writer.h"

#define LINES 100
#define LINE_BYTES 1000
#define STOP_MOST (INT64_C(30) * 1000000000)

struct scene {
    int fd, pipe[2], real_stdout;
    char folder[64], path[96];
    struct log_rings *rings;
    struct log_ring *ring;
    struct log_writer *writer;
    atomic_bool enough;
};

/* Standard output is a small pipe that somebody else made non-blocking. */
static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct error why = {""};

    assert_int_equal(log_rings_create(&scene->fd, &why), 0);
    assert_int_equal(log_rings_map(scene->fd, &scene->rings, &why), 0);
    assert_int_equal(log_ring_take(scene->rings, "worker 0", LOG_RING_NORMAL, &scene->ring, &why), 0);
    assert_int_equal(pipe2(scene->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(fcntl(scene->pipe[1], F_SETPIPE_SZ, 4096) >= 4096);
    (void)snprintf(scene->folder, sizeof(scene->folder), "/tmp/weir-log-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    (void)snprintf(scene->path, sizeof(scene->path), "%s/log", scene->folder);
    (void)fflush(stdout);
    scene->real_stdout = dup(STDOUT_FILENO);
    assert_int_not_equal(dup2(scene->pipe[1], STDOUT_FILENO), -1);
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_COMMON, "test");
    *state = scene;
    return 0;
}

static void restore_stdout(struct scene *scene)
{
    if (scene->real_stdout != -1) {
        (void)fflush(stdout);
        (void)dup2(scene->real_stdout, STDOUT_FILENO);
        close(scene->real_stdout);
        scene->real_stdout = -1;
    }
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    restore_stdout(scene);
    log_set_sink(NULL, NULL);
    log_ring_free(scene->ring);
    log_rings_unmap(scene->rings);
    close(scene->fd);
    close(scene->pipe[0]);
    close(scene->pipe[1]);
    (void)unlink(scene->path);
    (void)rmdir(scene->folder);
    free(scene);
    return 0;
}

static void start(struct scene *scene, const char *path)
{
    struct error why = {""};

    assert_int_equal(log_writer_start(scene->rings, path, &scene->writer, &why), 0);
}

static void put_line(struct scene *scene, int number)
{
    char line[LINE_BYTES + 1];

    memset(line, 'a' + number % 26, LINE_BYTES - 1);
    line[LINE_BYTES - 1] = '\n';
    assert_true(log_ring_put(scene->ring, LOG_STREAM_LINE, slice_of(line, LINE_BYTES)));
}

static void check_line(const char *at, int number)
{
    for (int i = 0; i < LINE_BYTES - 1; i++) {
        assert_int_equal(at[i], 'a' + number % 26);
    }
    assert_int_equal(at[LINE_BYTES - 1], '\n');
}

/* Adds what the pipe holds, after waiting for something. */
static void take(struct scene *scene, struct text *text)
{
    struct pollfd polled = {.fd = scene->pipe[0], .events = POLLIN};
    char piece[700];

    assert_int_equal(poll(&polled, 1, 30000), 1);
    ssize_t n = read(scene->pipe[0], piece, sizeof(piece));

    assert_true(n > 0);
    text_add(text, slice_of(piece, (size_t)n));
}

static void pieces_make_whole_lines(void **state)
{
    struct scene *scene = *state;
    struct text text;

    text_init(&text);
    start(scene, NULL);
    for (int i = 0; i < LINES; i++) {
        put_line(scene, i);
    }
    while (text.len < (size_t)LINES * LINE_BYTES) {
        take(scene, &text);
    }
    log_writer_stop(scene->writer, STOP_MOST);
    restore_stdout(scene);
    assert_int_equal(text.len, LINES * LINE_BYTES);
    for (int i = 0; i < LINES; i++) {
        check_line(text.ptr + (size_t)i * LINE_BYTES, i);
    }
    assert_true(log_rings_empty(scene->rings));
    text_free(&text);
}

static size_t file_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_int_not_equal(fd, -1);
    ssize_t n = read(fd, text, size - 1);

    close(fd);
    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

/* The line that had begun in the old place is whole in the new one; none is missing and none is in both. */
static void another_file_begins_with_a_whole_line(void **state)
{
    struct scene *scene = *state;
    static char text[LINES * LINE_BYTES + 1];
    struct text before;

    text_init(&before);
    for (int i = 0; i < LINES; i++) {
        put_line(scene, i);
    }
    start(scene, NULL);
    take(scene, &before);
    log_writer_reopen(scene->writer, scene->path);
    log_writer_stop(scene->writer, STOP_MOST);
    while (poll(&(struct pollfd){.fd = scene->pipe[0], .events = POLLIN}, 1, 0) == 1) {
        take(scene, &before);
    }
    restore_stdout(scene);
    size_t len = file_text(scene->path, text, sizeof(text));
    int first = (int)(before.len / LINE_BYTES);

    assert_int_equal(len, (LINES - first) * LINE_BYTES);
    for (int i = 0; i < LINES; i++) {
        check_line(i < first ? before.ptr + (size_t)i * LINE_BYTES : text + (size_t)(i - first) * LINE_BYTES,
                   i);
    }
    text_free(&before);
}

/* What was said before the move was asked for is in the old file. */
static void earlier_lines_go_to_the_old_file(void **state)
{
    struct scene *scene = *state;
    static char text[2 * LINES * LINE_BYTES + 1];
    char second[128];

    (void)snprintf(second, sizeof(second), "%s/second", scene->folder);
    put_line(scene, 0);
    start(scene, scene->path);
    while (!log_rings_empty(scene->rings)) { /* the file is open */
        (void)usleep(1000);
    }
    for (int i = 1; i < LINES; i++) {
        put_line(scene, i);
    }
    log_writer_reopen(scene->writer, second);
    for (int i = LINES; i < 2 * LINES; i++) {
        put_line(scene, i);
    }
    log_writer_stop(scene->writer, STOP_MOST);
    restore_stdout(scene);
    size_t len = file_text(scene->path, text, sizeof(text));

    assert_true(len >= LINES * LINE_BYTES);
    assert_int_equal(file_text(second, text + len, sizeof(text) - len) + len, 2 * LINES * LINE_BYTES);
    for (int i = 0; i < 2 * LINES; i++) {
        check_line(text + (size_t)i * LINE_BYTES, i);
    }
    (void)unlink(second);
}

static void what_is_lost_is_said_once(void **state)
{
    struct scene *scene = *state;
    static char text[64 * 1024], *long_line;
    char *at;

    long_line = calloc(1, LOG_RECORD_MOST + 1);
    assert_false(log_ring_put(scene->ring, LOG_STREAM_LINE, slice_of(long_line, LOG_RECORD_MOST + 1)));
    assert_true(log_ring_put(scene->ring, (enum log_stream)77, SLICE("of a stream of another build")));
    put_line(scene, 0);
    start(scene, scene->path);
    log_writer_stop(scene->writer, STOP_MOST);
    start(scene, scene->path);
    log_writer_stop(scene->writer, STOP_MOST);
    restore_stdout(scene);
    (void)file_text(scene->path, text, sizeof(text));
    check_line(text, 0);
    at = strstr(text, "ERR 2 log lines were lost: ");
    assert_non_null(at);
    assert_non_null(strstr(at, "of=\"worker 0\"\n"));
    assert_null(strstr(at + 1, "ERR"));
    assert_null(strstr(text, "another build"));
    assert_true(log_rings_empty(scene->rings));
    free(long_line);
}

static void *produce(void *context)
{
    struct scene *scene = context;

    while (!atomic_load(&scene->enough)) {
        if (!log_ring_put(scene->ring, LOG_STREAM_LINE,
                          SLICE("a line like any other that is written in a hurry\n"))) {
            (void)usleep(100);
        }
    }
    return NULL;
}

/* The ring is full all the time, the writer is never done: it has to be said nevertheless. */
static void losses_are_said_while_it_goes_on(void **state)
{
    struct scene *scene = *state;
    struct text text;
    pthread_t producer;

    text_init(&text);
    assert_int_equal(fcntl(scene->pipe[1], F_SETFL, 0), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pthread_create(&producer, NULL, produce, scene), 0);
    start(scene, NULL);
    for (int i = 0; text.ptr == NULL || strstr(text.ptr, "lines were lost") == NULL; i++) {
        assert_true(i < 200000);
        text_clear(&text);
        take(scene, &text);
        take(scene, &text);
        (void)usleep(100);
    }
    atomic_store(&scene->enough, true);
    assert_int_equal(pthread_join(producer, NULL), 0);
    close(scene->pipe[0]);
    log_writer_stop(scene->writer, STOP_MOST);
    scene->pipe[0] = -1;
    text_free(&text);
}

static void path_that_cannot_be_opened(void **state)
{
    struct scene *scene = *state;
    static char text[4096];
    char missing[128];

    log_ring_sink(scene->ring);
    start(scene, scene->path);
    put_line(scene, 1);
    while (!log_rings_empty(scene->rings)) { /* the file is open */
        (void)usleep(1000);
    }
    (void)snprintf(missing, sizeof(missing), "%s/none/log", scene->folder);
    log_writer_reopen(scene->writer, missing);
    put_line(scene, 0);
    log_writer_stop(scene->writer, STOP_MOST);
    restore_stdout(scene);
    (void)file_text(scene->path, text, sizeof(text));
    assert_non_null(strstr(text, "ERR log.filePath: cannot open \""));
    assert_non_null(strstr(text, "No such file or directory; the log goes on where it went before"));
    assert_non_null(strstr(text, "aaaa\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_make_whole_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_file_begins_with_a_whole_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(earlier_lines_go_to_the_old_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_lost_is_said_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(losses_are_said_while_it_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(path_that_cannot_be_opened, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
