/* test_board.c - the board: words keep their place over generations, slabs outlive their workers, little memory. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/board_helper.h"

static void an_identity_keeps_its_word(void **state)
{
    struct board *board = *state;
    struct board_ref first[100], again;

    for (uint64_t i = 0; i < 100; i++) {
        first[i] = board_word(board, i * 0x9e3779b97f4a7c15ULL, 1); /* the identity 0 too */
        assert_int_not_equal(first[i].slot, 0);
        atomic_store(board_at(board, first[i]), i + 1000);
        for (uint64_t k = 0; k < i; k++) {
            assert_int_not_equal(first[k].slot, first[i].slot);
        }
    }
    for (uint64_t generation = 2; generation < 5; generation++) {
        for (uint64_t i = 0; i < 100; i++) {
            again = board_word(board, i * 0x9e3779b97f4a7c15ULL, generation);
            assert_memory_equal(&again, &first[i], sizeof(again));
            assert_int_equal(atomic_load(board_at(board, again)), i + 1000);
        }
        board_sweep(board, generation);
    }
}

static void a_new_master_finds_the_words(void **state)
{
    struct board *board = *state, *other;
    struct board_ref ref = board_word(board, 12345, 1), found;
    struct error why;

    (void)board_word(board, 777, 1);
    atomic_store(board_at(board, ref), 42);
    assert_int_equal(board_map(board_fd, &other, &why), 0);
    found = board_word(other, 12345, 2);
    assert_memory_equal(&found, &ref, sizeof(ref));
    assert_int_equal(atomic_load(board_at(other, found)), 42);
    board_sweep(other, 2); /* 777 is gone, its slot is taken again under another epoch */
    found = board_word(other, 888, 2);
    assert_int_equal(atomic_load(board_at(other, found)), 0);
    board_unmap(other);
}

static void a_freed_word_is_out_of_reach(void **state)
{
    struct board *board = *state;
    struct board_ref old = board_word(board, 1, 5), kept = board_word(board, 2, 5), fresh;

    atomic_store(board_at(board, old), 9);
    (void)board_word(board, 2, 6);
    board_sweep(board, 5);
    assert_non_null(board_at(board, old)); /* generation 5 still names it */
    board_sweep(board, 6);
    assert_null(board_at(board, old));
    assert_non_null(board_at(board, kept));
    fresh = board_word(board, 3, 6);
    assert_int_equal(fresh.slot, old.slot); /* its place is used again */
    assert_int_not_equal(fresh.epoch, old.epoch);
    assert_int_equal(atomic_load(board_at(board, fresh)), 0);
    assert_null(board_at(board, old));
    old = board_word(board, 1, 7); /* the identity comes back: another word */
    assert_int_equal(atomic_load(board_at(board, old)), 0);
}

static void bad_references_have_no_word(void **state)
{
    static const struct board_ref cases[] = {{0, 0},          {0, 1},        {1, 1},
                                             {UINT32_MAX, 0}, {1u << 21, 0}, {(1u << 21) - 1, 7}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(board_at(*state, cases[i]));
    }
}

static void many_words(void **state)
{
    struct board *board = *state;
    const uint64_t count = 300000, step = 0x9e3779b97f4a7c15ULL;

    for (uint64_t i = 1; i <= count; i++) {
        assert_int_equal(board_word(board, i * step, 1).slot, i); /* densely, from the front */
    }
    for (uint64_t i = 1; i <= count; i += 1000) {
        assert_int_equal(board_word(board, i * step, 2).slot, i);
    }
    board_sweep(board, 2);
    for (uint64_t i = 1; i <= count; i += 1000) {
        assert_int_equal(board_word(board, i * step, 2).slot, i);
    }
    assert_int_equal(board_word(board, 7 * step, 2).slot, 2); /* the lowest free place */
}

static void counters_stay_and_gauges_go(void **state)
{
    struct board *board = *state;
    struct board_slab *slab = board_slab(board, 1), *other = board_slab(board, 0);

    slab_count(slab, COUNT_REQUESTS, 5);
    slab_count(other, COUNT_REQUESTS, 2);
    slab_gauge(slab, GAUGE_CONNECTIONS, 3);
    slab_gauge(other, GAUGE_CONNECTIONS, 1);
    atomic_store(&slab->pid, 77);
    atomic_store(&slab->heartbeat_ns, 1);
    atomic_store(&slab->generation, 4);
    assert_int_equal(board_counter_sum(board, COUNT_REQUESTS), 7);
    assert_int_equal(board_gauge_sum(board, GAUGE_CONNECTIONS), 4);
    board_fold(board, 1);
    assert_int_equal(board_counter_sum(board, COUNT_REQUESTS), 7);
    assert_int_equal(board_gauge_sum(board, GAUGE_CONNECTIONS), 1);
    assert_int_equal(atomic_load(&slab->pid), 0);
    assert_int_equal(atomic_load(&slab->heartbeat_ns), 0);
    assert_int_equal(atomic_load(&slab->generation), 0);
    slab_count(slab, COUNT_REQUESTS, 1); /* its successor */
    assert_int_equal(board_counter_sum(board, COUNT_REQUESTS), 8);
    assert_null(board_slab(board, BOARD_WORKERS));
    assert_non_null(board_slab(board, BOARD_WORKERS - 1));
    assert_int_equal(board_counter_sum(board, COUNT_REQUESTS), 8);
    board_fold(board, BOARD_WORKERS + 1);
}

/* Workers are killed in the middle of what they do, again and again; sums are read all the while. */
static void killed_workers_leave_the_board_whole(void **state)
{
    struct board *board = *state;
    struct board_ref ticket = board_word(board, 99, 1);
    uint64_t before = 0;

    for (int round = 0; round < 10; round++) {
        uint64_t begun = atomic_load(board_at(board, ticket));
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
            struct board_slab *slab = board_slab(board, 2);

            for (;;) {
                slab_gauge(slab, GAUGE_EXCHANGES, 1);
                slab_count(slab, COUNT_REQUESTS, 1);
                atomic_fetch_add(board_at(board, ticket), 1);
                slab_count(slab, COUNT_BYTES_OUT, 100);
            }
        }
        while (atomic_load(board_at(board, ticket)) < begun + 1000) {
            uint64_t now = board_counter_sum(board, COUNT_REQUESTS);

            assert_true(now >= before);
            before = now;
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(board_gauge_sum(board, GAUGE_EXCHANGES) > 0);
        board_fold(board, 2);
        assert_int_equal(board_gauge_sum(board, GAUGE_EXCHANGES), 0);
        uint64_t after = board_counter_sum(board, COUNT_REQUESTS);

        assert_true(after >= before && after >= (uint64_t)(round + 1) * 1000);
        assert_true(atomic_load(board_at(board, ticket)) <= after);
        before = after;
    }
}

static void little_memory_is_touched(void **state)
{
    struct board *board = *state;
    struct error why;
    struct board *other;

    assert_true(board_bytes() <= 2 * 4096);
    (void)board_counter_sum(board, COUNT_REQUESTS);
    (void)board_gauge_sum(board, GAUGE_CONNECTIONS);
    assert_int_equal(board_map(board_fd, &other, &why), 0);
    board_sweep(other, 100);
    board_unmap(other);
    assert_true(board_bytes() <= 2 * 4096);
    for (uint64_t i = 1; i <= 50; i++) {
        (void)board_word(board, i, 1);
    }
    slab_count(board_slab(board, 0), COUNT_REQUESTS, 1);
    slab_count(board_slab(board, 1), COUNT_REQUESTS, 1);
    assert_true(board_bytes() <= 6 * 4096);
}

static void another_board_is_refused(void **state)
{
    struct error why = {""};
    struct board *board = NULL;
    struct stat st;
    char byte;

    (void)state;
    assert_int_equal(fstat(board_fd, &st), 0);
    for (off_t at = 0; at < 32; at += 8) { /* magic, layout, build, size */
        int fd;

        assert_int_equal(board_create(&fd, &why), 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(board_map(fd, &board, &why), -EBADMSG);
        assert_null(board);
        close(fd);
    }
    int small = memfd_create("small", MFD_CLOEXEC);

    assert_int_equal(board_map(small, &board, &why), -EBADMSG);
    close(small);
    assert_true(board_map(-1, &board, &why) < 0);
    assert_int_equal(ftruncate(board_fd, 0), -1); /* nobody can pull it away under the others */
    assert_int_equal(ftruncate(board_fd, st.st_size * 2), -1);
}

static void the_tree_is_shared(void **state)
{
    struct board *other;
    struct error why;

    assert_int_equal(board_map(board_fd, &other, &why), 0);
    atomic_store(&board_tree(*state)->generation, 12);
    assert_int_equal(atomic_load(&board_tree(other)->generation), 12);
    board_unmap(other);
}

/* Whether the kernel may write there for us. */
static bool writable(void *at)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "\0\0\0\0\0\0\0", 8), 8);

    bool done = read(ends[0], at, 8) == 8;

    close(ends[0]);
    close(ends[1]);
    return done;
}

static void a_worker_writes_its_own_part_only(void **state)
{
    const unsigned own = 3;
    struct board *board = *state, *joined;
    struct board_ref word = board_word(board, 1, 1);
    struct error why;
    void *place = mmap(NULL, BOARD_ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(place != MAP_FAILED);
    assert_int_equal(board_join(board_fd, place, BOARD_WORKERS, &joined, &why), -ERANGE);
    assert_int_equal(board_join(board_fd, place, own, &joined, &why), 0);
    for (unsigned slot = 0; slot < 2 * own; slot++) {
        struct board_slab *slab = board_slab(joined, slot);

        assert_int_equal(writable(slab), slot == own);
        assert_int_equal(writable(&slab->gauges[BOARD_GAUGES - 1]), slot == own);
        atomic_store(&board_slab(board, slot)->pid, slot + 1);
        assert_int_equal(atomic_load(&slab->pid), slot + 1);
    }
    assert_false(writable(board_guard(joined)) || writable(board_master(joined)));
    assert_true(writable(board_tree(joined)) && writable(board_at(joined, word)));
    board_unmap(joined);
}

static void texts_are_whole_and_harmless(void **state)
{
    static const struct {
        const char *text, *read;
    } cases[] = {
        {"file", "file"},
        {"", ""},
        {"two\nlines\033[1m", "two?lines?[1m"},
        {"\303\244", "\303\244"},
    };
    struct board_text *text = &board_master(*state)->settings_error;
    char out[BOARD_TEXT], longer[BOARD_TEXT + 8];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        board_text_set(text, slice_cstr(cases[i].text));
        board_text_get(text, out);
        assert_string_equal(out, cases[i].read);
    }
    uint64_t before = atomic_load(&text->sequence);

    board_text_set(text, slice_cstr("\303\244"));
    assert_int_equal(atomic_load(&text->sequence), before); /* nothing new, nothing stored */
    atomic_store(&text->sequence, before + 1);              /* the writer died here */
    board_text_get(text, out);
    board_text_set(text, SLICE("after"));
    board_text_get(text, out);
    assert_string_equal(out, "after");
    assert_int_equal(atomic_load(&text->sequence) & 1, 0);

    memset(longer, 'x', sizeof(longer)); /* cut, and never within a character */
    memcpy(longer + BOARD_TEXT - 2, "\303\244", 2);
    board_text_set(text, slice_of(longer, sizeof(longer)));
    board_text_get(text, out);
    assert_int_equal(strlen(out), BOARD_TEXT - 2);
}

static void looking_changes_nothing(void **state)
{
    struct board *other;
    struct error why;

    (void)board_slab(*state, 2);
    assert_int_equal(board_look(board_fd, &other, &why), 0);
    assert_non_null(board_slab(other, 2));
    assert_null(board_slab(other, 3)); /* nobody has used it */
    atomic_store(&board_guard(*state)->pid, 12);
    assert_int_equal(life_get(&board_guard(other)->pid), 12);
    board_unmap(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

/* Where workers write they may write anything: the header, for one, which lies at the front. */
static void scribble(size_t at, size_t bytes, unsigned seed)
{
    unsigned char noise[4096];

    for (size_t i = 0; i < bytes; i += sizeof(noise)) {
        for (size_t k = 0; k < sizeof(noise); k++) {
            seed = seed * 1103515245u + 12345u;
            noise[k] = seed % 3 == 0 ? 0xff : (unsigned char)(seed >> 16);
        }
        size_t left = bytes - i < sizeof(noise) ? bytes - i : sizeof(noise);

        assert_int_equal(pwrite(board_fd, noise, left, (off_t)(at + i)), left);
    }
}

static void a_scribbled_header_leads_nobody_astray(void **state)
{
    struct board *board = *state, *other;
    struct error why = {""};

    for (unsigned round = 0; round < 50; round++) {
        struct board_ref ref[300];

        scribble(0, 40, round);
        for (uint64_t i = 0; i < ARRAY_LEN(ref); i++) {
            ref[i] = board_word(board, round * 1000 + i + 1, round + 1);
            assert_int_not_equal(ref[i].slot, 0);
            assert_true(i == 0 || ref[i].slot != ref[i - 1].slot);
        }
        scribble(0, 40, round + 1000);
        for (uint64_t i = 0; i < ARRAY_LEN(ref); i++) {
            assert_int_equal(board_word(board, round * 1000 + i + 1, round + 1).slot, ref[i].slot);
        }
        board_sweep(board, round + 2);
        (void)board_counter_sum(board, COUNT_REQUESTS);
        assert_non_null(board_slab(board, 3));
        board_mend(board, 4);
        assert_int_equal(board_map(board_fd, &other, &why), 0); /* the next one that starts */
        assert_int_not_equal(board_word(other, round + 5, round + 1).slot, 0);
        board_unmap(other);
    }
    assert_true(board_bytes() < 4 << 20);
}

static void scribbled_words_lead_nobody_astray(void **state)
{
    struct board *board = *state, *other;
    struct error why = {""};
    struct board_ref first = board_word(board, 1, 1);
    size_t words =
        (size_t)((const char *)board_at(board, first) - (const char *)board_tree(board)) & ~(size_t)4095;

    for (unsigned round = 0; round < 20; round++) {
        for (uint64_t i = 0; i < 2000; i++) {
            (void)board_word(board, i * 0x9e3779b97f4a7c15ULL, round + 1);
        }
        scribble(words, 300000, round);
        board_sweep(board, round + 1);
        assert_int_equal(board_map(board_fd, &other, &why), 0);
        for (uint64_t i = 0; i < 2000; i++) {
            (void)board_word(other, i * 0x9e3779b97f4a7c15ULL, round + 1);
        }
        board_unmap(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_identity_keeps_its_word),
        TEST(a_new_master_finds_the_words),
        TEST(a_freed_word_is_out_of_reach),
        TEST(bad_references_have_no_word),
        TEST(many_words),
        TEST(counters_stay_and_gauges_go),
        TEST(killed_workers_leave_the_board_whole),
        TEST(little_memory_is_touched),
        TEST(another_board_is_refused),
        TEST(the_tree_is_shared),
        TEST(a_worker_writes_its_own_part_only),
        TEST(texts_are_whole_and_harmless),
        TEST(looking_changes_nothing),
        TEST(a_scribbled_header_leads_nobody_astray),
        TEST(scribbled_words_lead_nobody_astray),
    };

    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
