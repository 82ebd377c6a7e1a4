/* test_log_ring.c - records come out whole, in order and once, whoever dies in the middle; what does not fit is counted. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/log_ring_inner.h"

struct scene {
    int fd;
    struct log_rings *rings;
    struct log_reader *reader;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct error why = {""};

    assert_int_equal(log_rings_create(&scene->fd, &why), 0);
    assert_int_equal(log_rings_map(scene->fd, &scene->rings, &why), 0);
    scene->reader = log_reader_new(scene->rings);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    log_reader_free(scene->reader);
    log_rings_unmap(scene->rings);
    close(scene->fd);
    free(scene);
    return 0;
}

static struct log_ring *take(struct scene *scene, const char *name, enum log_ring_size size)
{
    struct log_ring *ring = NULL;
    struct error why = {""};

    assert_int_equal(log_ring_take(scene->rings, name, size, &ring, &why), 0);
    return ring;
}

/* The text of a record; its length is returned. */
static size_t text_of(const struct log_record *record, char *text, size_t size)
{
    size_t len = record->bytes[0].len + record->bytes[1].len;

    assert_true(len < size);
    memcpy(text, record->bytes[0].ptr, record->bytes[0].len);
    memcpy(text + record->bytes[0].len, record->bytes[1].ptr, record->bytes[1].len);
    text[len] = '\0';
    return len;
}

static bool read_one(struct scene *scene, char *text, size_t size)
{
    struct log_record record;

    log_reader_refresh(scene->reader);
    if (!log_reader_next(scene->reader, &record)) {
        return false;
    }
    text_of(&record, text, size);
    log_reader_release(scene->reader, &record);
    return true;
}

static bool put(struct log_ring *ring, const char *text)
{
    return log_ring_put(ring, LOG_STREAM_LINE, slice_cstr(text));
}

static uint64_t untold(struct scene *scene)
{
    struct log_loss loss;

    log_reader_refresh(scene->reader);
    return log_reader_next_loss(scene->reader, 0, &loss) ? loss.count : 0;
}

/* ---- order ---- */
static void oldest_first_over_all_rings(void **state)
{
    struct scene *scene = *state;
    struct log_ring *guard = take(scene, "guard", LOG_RING_LARGE);
    struct log_ring *worker = take(scene, "worker 0", LOG_RING_NORMAL);
    char text[32], expected[32];

    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof(text), "%d\n", i);
        assert_true(put(i % 3 == 0 ? guard : worker, text));
    }
    for (int i = 0; i < 20; i++) {
        (void)snprintf(expected, sizeof(expected), "%d\n", i);
        assert_true(read_one(scene, text, sizeof(text)));
        assert_string_equal(text, expected);
    }
    assert_false(read_one(scene, text, sizeof(text)));
    assert_true(log_rings_empty(scene->rings));
    log_ring_free(guard);
    log_ring_free(worker);
}

static void what_was_not_released_is_read_again(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    struct log_record record;
    char text[32];

    assert_true(put(ring, "one") && put(ring, "two") && put(ring, "three"));
    log_reader_refresh(scene->reader);
    assert_true(log_reader_next(scene->reader, &record));
    log_reader_release(scene->reader, &record);
    assert_true(log_reader_next(scene->reader, &record));
    assert_true(log_reader_next(scene->reader, &record));
    assert_false(log_reader_next(scene->reader, &record));
    struct log_reader *next = log_reader_new(scene->rings); /* of another process */

    log_reader_refresh(next);
    assert_true(log_reader_next(next, &record));
    text_of(&record, text, sizeof(text));
    assert_string_equal(text, "two");
    log_reader_free(next);
    log_ring_free(ring);
}

/* ---- bounds ---- */
static void full_ring_drops_and_counts(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 3", LOG_RING_NORMAL);
    struct log_loss loss;
    char text[1001], got[1001];
    unsigned fitted = 0;

    memset(text, 'x', 1000);
    text[1000] = '\0';
    while (put(ring, text)) {
        fitted++;
    }
    assert_int_equal(fitted, LOG_RING_BYTES / record_space(1000));
    assert_false(put(ring, text));
    log_reader_refresh(scene->reader);
    assert_true(log_reader_next_loss(scene->reader, 0, &loss));
    assert_int_equal(loss.count, 2);
    assert_string_equal(loss.name, "worker 3");
    assert_false(log_reader_next_loss(scene->reader, loss.ring + 1, &loss));
    assert_false(log_rings_empty(scene->rings));
    for (unsigned i = 0; i < fitted; i++) {
        assert_true(read_one(scene, got, sizeof(got)));
        assert_string_equal(got, text);
    }
    assert_false(log_rings_empty(scene->rings)); /* somebody is to be told */
    log_reader_told(scene->reader, &loss);
    assert_true(log_rings_empty(scene->rings));
    assert_int_equal(untold(scene), 0);
    assert_true(put(ring, text));
    log_ring_free(ring);
}

static void longest_record_and_beyond(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    char *text = calloc(1, LOG_RECORD_MOST + 2), *got = calloc(1, LOG_RECORD_MOST + 2);

    memset(text, 'y', LOG_RECORD_MOST);
    for (int i = 0; i < 5; i++) { /* around the end, too */
        assert_true(put(ring, text));
        assert_true(read_one(scene, got, LOG_RECORD_MOST + 1));
        assert_string_equal(got, text);
    }
    text[LOG_RECORD_MOST] = 'y';
    assert_false(put(ring, text));
    assert_int_equal(untold(scene), 1);
    assert_true(log_ring_put(ring, LOG_STREAM_LINE, slice_of(NULL, 0)));
    assert_true(read_one(scene, got, 8));
    assert_string_equal(got, "");
    free(text);
    free(got);
    log_ring_free(ring);
}

/* Random sizes, random turns of writing and reading: what went in comes out, in order. */
static void any_sizes_come_out_as_they_went_in(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    static char text[4096], got[4096];
    static unsigned sizes[8192];
    unsigned first = 0, last = 0, dropped = 0;

    srand(7);
    while (last < 8192) {
        for (int n = rand() % 40; n > 0 && last < 8192; n--) {
            unsigned len = rand() % 8 == 0 ? (unsigned)rand() % 4000 : (unsigned)rand() % 200;

            memset(text, 'a' + (int)(last % 26), len);
            if (log_ring_put(ring, LOG_STREAM_LINE, slice_of(text, len))) {
                sizes[last++] = len;
            } else {
                dropped++;
            }
        }
        for (int n = rand() % 40; n > 0 && first < last; n--) {
            assert_true(read_one(scene, got, sizeof(got)));
            assert_int_equal(strlen(got), sizes[first]);
            memset(text, 'a' + (int)(first % 26), sizes[first]);
            assert_memory_equal(got, text, sizes[first]);
            first++;
        }
    }
    while (first < last) {
        assert_true(read_one(scene, got, sizeof(got)));
        assert_int_equal(strlen(got), sizes[first++]);
    }
    assert_int_equal(untold(scene), dropped);
    log_ring_free(ring);
}

/* ---- threads ---- */
#define EACH 20000

struct producer {
    struct log_ring *ring;
    char letter;
    unsigned dropped;
};

static void *produce(void *context)
{
    struct producer *producer = context;
    char text[64];

    for (int i = 0; i < EACH; i++) {
        (void)snprintf(text, sizeof(text), "%c %d", producer->letter, i);
        producer->dropped += !put(producer->ring, text);
    }
    return NULL;
}

/* Two threads and a reader that sleeps when there is nothing: every record once, each thread's in order. */
static void threads_share_a_ring(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    struct producer producers[2] = {{.ring = ring, .letter = 'a'}, {.ring = ring, .letter = 'b'}};
    int next[2] = {0, 0}, seen = 0, number;
    struct log_record record;
    pthread_t threads[2];
    char text[64], letter;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    while ((uint64_t)seen + untold(scene) < 2 * EACH) {
        log_reader_refresh(scene->reader);
        while (log_reader_next(scene->reader, &record)) {
            text_of(&record, text, sizeof(text));
            assert_int_equal(sscanf(text, "%c %d", &letter, &number), 2);
            assert_true(number >= next[letter - 'a']);
            next[letter - 'a'] = number + 1;
            seen++;
            log_reader_release(scene->reader, &record);
        }
        if ((uint64_t)seen + untold(scene) < 2 * EACH && log_reader_arm(scene->reader)) {
            log_reader_sleep(scene->reader,
                             100000000); /* the last one may have been dropped: no record tells */
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal((unsigned)seen + producers[0].dropped + producers[1].dropped, 2 * EACH);
    log_ring_free(ring);
}

static void *write_later(void *ring)
{
    (void)usleep(20000); /* most times the reader sleeps by then: it must work either way */
    assert_true(put(ring, "late"));
    return NULL;
}

static void sleeping_reader_is_woken(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    pthread_t thread;
    char text[16];

    log_reader_refresh(scene->reader);
    assert_int_equal(pthread_create(&thread, NULL, write_later, ring), 0);
    while (log_reader_arm(scene->reader)) {
        log_reader_sleep(scene->reader, -1);
    }
    assert_true(read_one(scene, text, sizeof(text)));
    assert_string_equal(text, "late");
    assert_int_equal(pthread_join(thread, NULL), 0);
    log_ring_free(ring);
}

/* ---- deaths ---- */
static void killed_in_the_middle_of_records(void **state)
{
    struct scene *scene = *state;
    static char text[600], got[600];

    for (int death = 0; death < 20; death++) {
        int ready[2];
        char c;

        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();

        if (pid == 0) {
            struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);

            (void)!write(ready[1], "r", 1);
            for (unsigned i = 0;; i++) {
                memset(text, 'a' + (int)(i % 26), 500);
                (void)log_ring_put(ring, LOG_STREAM_LINE, slice_of(text, 400 + i % 100));
            }
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        for (int i = 0; i < 200 * (1 + death % 3); i++) { /* at some point of its work */
            (void)read_one(scene, got, sizeof(got));
        }
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        log_rings_release(scene->rings, pid);
        while (read_one(scene, got, sizeof(got))) {
            assert_true(strlen(got) >= 400 && strlen(got) < 500);
            assert_int_equal(strspn(got, (char[]){got[0], '\0'}), strlen(got));
        }
        close(ready[0]);
        close(ready[1]);
    }
    assert_int_equal(atomic_load(&scene->rings->head->used),
                     RINGS_LARGE + 1); /* all went on in the same ring */
}

static void half_a_record_is_written_over(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    char *bytes = ring_bytes(scene->rings, RINGS_LARGE);
    char text[16];

    assert_true(put(ring, "whole"));
    memset(bytes + record_space(5), 0xff, 40); /* and here it died */
    assert_true(read_one(scene, text, sizeof(text)));
    assert_string_equal(text, "whole");
    assert_false(read_one(scene, text, sizeof(text)));
    assert_true(put(ring, "next"));
    assert_true(read_one(scene, text, sizeof(text)));
    assert_string_equal(text, "next");
    assert_int_equal(untold(scene), 0);
    log_ring_free(ring);
}

/* ---- damage ---- */
static void damaged_rings_are_emptied(void **state)
{
    static const struct {
        uint64_t head, tail;
        uint32_t len;
    } cases[] = {
        {1u << 20, 0, 5}, {0, 32, 5},         {17, 0, 5},  {33, 0, 5},          {32, 1, 5},
        {8, 0, 5},        {UINT64_MAX, 0, 5}, {32, 0, 17}, {32, 0, UINT32_MAX}, {32, 0, LOG_RECORD_MOST + 1},
    };
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    struct ring_head *head = &scene->rings->head->rings[RINGS_LARGE];
    struct log_loss loss;
    char text[16];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct record_head record = {.len = cases[i].len, .stream = LOG_STREAM_LINE};

        print_message("case %zu\n", i);
        memcpy(ring_bytes(scene->rings, RINGS_LARGE), &record, sizeof(record));
        atomic_store(&head->head, cases[i].head);
        atomic_store(&head->tail, cases[i].tail);
        while (read_one(scene, text, sizeof(text))) {
        }
        assert_true(log_reader_next_loss(scene->reader, 0, &loss));
        log_reader_told(scene->reader, &loss);
        assert_true(log_rings_empty(scene->rings));
        assert_true(put(ring, "on"));
        assert_true(read_one(scene, text, sizeof(text)));
        assert_string_equal(text, "on");
    }
    log_ring_free(ring);
}

static void other_memory_is_refused(void **state)
{
    struct scene *scene = *state;
    struct log_rings *rings = NULL;
    struct error why = {""};
    int null = memfd_create("other", MFD_CLOEXEC);

    assert_int_equal(log_rings_map(null, &rings, &why), -EBADMSG);
    assert_int_equal(ftruncate(null, 4096 * 1024), 0);
    assert_int_equal(log_rings_map(null, &rings, &why), -EBADMSG);
    close(null);
    scene->rings->head->layout++;
    assert_int_equal(log_rings_map(scene->fd, &rings, &why), -EBADMSG);
    assert_non_null(strstr(why.text, "layout"));
    scene->rings->head->layout--;
}

/* ---- whose ring ---- */
static unsigned number_of(struct scene *scene, const char *name)
{
    struct log_ring *ring = take(scene, name, LOG_RING_NORMAL);
    struct log_record record;

    assert_true(put(ring, "?"));
    log_reader_refresh(scene->reader);
    assert_true(log_reader_next(scene->reader, &record));
    log_reader_release(scene->reader, &record);
    log_ring_free(ring);
    return record.ring - RINGS_LARGE;
}

static void rings_have_one_owner_and_heirs(void **state)
{
    struct scene *scene = *state;
    struct ring_head *heads = scene->rings->head->rings + RINGS_LARGE;
    const uint32_t other = 1; /* a process that is not this one */

    assert_int_equal(number_of(scene, "worker 0"), 0);
    assert_int_equal(number_of(scene, "worker 0"), 0); /* after an exec */
    atomic_store(&heads[0].owner, other);
    assert_int_equal(number_of(scene, "worker 0"), 1); /* of another build, beside the first */
    assert_int_equal(number_of(scene, "worker 1"), 2);
    log_rings_release(scene->rings, (pid_t)other);
    log_rings_release(scene->rings, getpid());
    assert_int_equal(number_of(scene, "worker 1"), 2);
    assert_int_equal(number_of(scene, "worker 0"), 0);
    assert_int_equal(number_of(scene, "worker 2"), 3);
    for (unsigned i = 0; i < RINGS - RINGS_LARGE; i++) {
        if (i != 2) {
            atomic_store(&heads[i].owner, other);
            heads[i].name[0] = 'x';
        }
    }
    log_rings_release(scene->rings, getpid());
    assert_int_equal(number_of(scene, "worker 9"), 2); /* anybody's, when none was never used */
    atomic_store(&heads[2].owner, other);
    struct log_ring *ring;
    struct error why = {""};

    assert_int_equal(log_ring_take(scene->rings, "worker 9", LOG_RING_NORMAL, &ring, &why), -ENOSPC);
}

static bool is_us(const void *us, pid_t pid)
{
    return pid == *(const pid_t *)us;
}

/* A worker that went wrong may say that all rings have an owner, or that this memory is something else. */
static void mended_memory_has_room_again(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL), *other = NULL;
    struct log_head *head = scene->rings->head;
    struct log_rings *again;
    struct error why = {""};
    pid_t us = getpid();

    log_rings_mend(scene->rings, is_us, &us);
    head->magic = head->layout = head->size = 0;
    for (unsigned i = 0; i < RINGS; i++) {
        if (i != RINGS_LARGE) { /* ours */
            atomic_store(&head->rings[i].owner, (uint32_t)us + 1);
        }
    }
    atomic_store(&head->used, 0);
    log_rings_mend(scene->rings, is_us, &us);
    assert_int_equal(atomic_load(&head->used), RINGS_LARGE + 1);
    atomic_store(&head->used, UINT32_MAX);
    log_rings_mend(scene->rings, is_us, &us);
    assert_int_equal(atomic_load(&head->used), RINGS);
    assert_int_equal(atomic_load(&head->rings[RINGS_LARGE].owner), us);
    assert_int_equal(log_rings_map(scene->fd, &again, &why), 0);
    log_rings_unmap(again);
    assert_int_equal(log_ring_take(scene->rings, "worker 1", LOG_RING_NORMAL, &other, &why), 0);
    log_ring_free(other);
    log_ring_free(ring);
}

/* That it sleeps is said in memory where a worker may say that it does not. */
static void a_sleeping_reader_looks_by_itself(void **state)
{
    struct scene *scene = *state;
    struct log_ring *ring = take(scene, "worker 0", LOG_RING_NORMAL);
    struct log_record record;

    log_reader_refresh(scene->reader);
    assert_true(log_reader_arm(scene->reader));
    atomic_store(&scene->rings->head->waiting, 0);
    assert_true(log_ring_put(ring, LOG_STREAM_LINE, SLICE("unheard\n")));
    log_reader_sleep(scene->reader, -1);
    log_reader_refresh(scene->reader);
    assert_true(log_reader_next(scene->reader, &record));
    log_ring_free(ring);
}

static void little_memory(void **state)
{
    struct scene *scene = *state;
    struct log_ring *guard = take(scene, "guard", LOG_RING_LARGE), *worker;
    struct stat st;

    worker = take(scene, "worker 0", LOG_RING_NORMAL);
    assert_true(put(guard, "a line\n") && put(worker, "a line\n"));
    log_reader_refresh(scene->reader);
    assert_int_equal(fstat(scene->fd, &st), 0);
    assert_true(st.st_blocks * 512 <= 16 * 1024);
    log_ring_free(guard);
    log_ring_free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(oldest_first_over_all_rings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_released_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_ring_drops_and_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(longest_record_and_beyond, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_sizes_come_out_as_they_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_share_a_ring, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sleeping_reader_is_woken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_in_the_middle_of_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_record_is_written_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_rings_are_emptied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_memory_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rings_have_one_owner_and_heirs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mended_memory_has_room_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sleeping_reader_looks_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(little_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
