/* test_page.c - pages: what goes in comes out, damage is refused, seals hold, the last reader unmaps. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rule/regex.h"
#include "shm/page.h"
#include "shm/page_inner.h"

struct sample {
    struct slice text;
    uint64_t number;
};

static struct page_builder *sample_builder(enum page_kind kind, const char *text)
{
    struct page_builder *builder = builder_new(kind);
    uint64_t root = builder_alloc(builder, sizeof(struct sample), 8);
    struct slice stored = builder_text(builder, slice_cstr(text));
    struct sample *sample = builder_at(builder, root);

    sample->text = stored;
    sample->number = 42;
    builder_set_root(builder, root);
    return builder;
}

static int sample_page(const char *text)
{
    struct page_builder *builder = sample_builder(PAGE_ROUTES, text);
    struct error why = {""};
    int fd = -1;

    assert_int_equal(page_seal(builder, 7, &fd, &why), 0);
    builder_free(builder);
    return fd;
}

static void round_trip(void **state)
{
    int fd = sample_page("hello");
    struct page *page;
    struct error why;

    (void)state;
    assert_int_equal(page_adopt(fd, PAGE_ROUTES, &page, &why), 0);
    close(fd);
    const struct sample *sample = page_root(page);

    assert_true(page_holds(page, page_offset(page, sample), 1, sizeof(*sample), 8));
    assert_true(slice_eq(page_text(page, sample->text), SLICE("hello")));
    assert_int_equal(sample->number, 42);
    assert_int_equal(page_number(page), 7);
    assert_true(page_size(page) >= sizeof(struct page_header) + sizeof(*sample) + 5);
    page_unref(page);
    page_unref(NULL);
}

static void equal_texts_are_stored_once(void **state)
{
    struct page_builder *builder = builder_new(PAGE_ROUTES);
    struct slice first = builder_text(builder, SLICE("abc")), other, none;
    char text[32];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        (void)snprintf(text, sizeof(text), "text %d", i);
        (void)builder_text(builder, slice_cstr(text));
    }
    uint64_t before = builder_alloc(builder, 0, 1);

    for (int i = 0; i < 200000; i++) {
        (void)snprintf(text, sizeof(text), "text %d", i);
        (void)builder_text(builder, slice_cstr(text));
    }
    assert_int_equal(builder_alloc(builder, 0, 1), before);
    assert_ptr_equal(builder_text(builder, SLICE("abc")).ptr, first.ptr);
    other = builder_text(builder, SLICE("ab"));
    assert_ptr_not_equal(other.ptr, first.ptr);
    assert_int_equal(other.len, 2);
    none = builder_text(builder, SLICE(""));
    assert_null(none.ptr);
    assert_int_equal(none.len, 0);
    builder_free(builder);
}

static void memory_is_zero_and_aligned(void **state)
{
    struct page_builder *builder = builder_new(PAGE_ROUTES);

    (void)state;
    for (size_t align = 1; align <= 64; align *= 2) {
        uint64_t at = builder_alloc(builder, 100001, align);
        const char *bytes = builder_at(builder, at);

        assert_int_equal(at % align, 0);
        assert_int_equal((uintptr_t)bytes % align, 0);
        for (size_t i = 0; i < 100001; i++) {
            assert_int_equal(bytes[i], 0);
        }
        memset(builder_at(builder, at), 0xff, 100001);
    }
    builder_free(builder);
}

static void the_hash_is_of_the_content(void **state)
{
    struct page_builder *a = sample_builder(PAGE_ROUTES, "one"), *b = sample_builder(PAGE_ROUTES, "one");
    struct page_builder *c = sample_builder(PAGE_ROUTES, "two"), *d = sample_builder(PAGE_SERVICES, "one");
    struct error why;
    int fd;

    (void)state;
    assert_int_equal(builder_hash(a), builder_hash(b));
    assert_int_not_equal(builder_hash(a), builder_hash(c));
    assert_int_not_equal(builder_hash(a), builder_hash(d));
    assert_int_equal(page_seal(a, 99, &fd, &why), 0); /* its number is not content */
    assert_int_equal(builder_hash(a), builder_hash(b));
    close(fd);
    builder_free(a);
    builder_free(b);
    builder_free(c);
    builder_free(d);
}

static void a_sealed_page_cannot_be_changed(void **state)
{
    int fd = sample_page("hello");
    void *base;

    (void)state;
    assert_int_equal(pwrite(fd, "x", 1, 100), -1);
    assert_int_equal(ftruncate(fd, 10), -1);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    base = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_equal(base, MAP_FAILED);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static char *page_bytes(size_t *size)
{
    int fd = sample_page("some text that is a little longer than a word");
    struct page *page;
    struct error why;
    char *bytes;

    assert_int_equal(page_adopt(fd, PAGE_ROUTES, &page, &why), 0);
    *size = page_size(page);
    bytes = malloc(*size);
    assert_non_null(bytes);
    memcpy(bytes, ((struct page_base *)(void *)page)->base, *size);
    page_unref(page);
    close(fd);
    return bytes;
}

/* Every byte of the page matters, those of the number aside. */
static void any_changed_byte_is_refused(void **state)
{
    size_t size;
    char *bytes = page_bytes(&size);
    struct page *page = NULL;
    struct error why;

    (void)state;
    assert_int_equal(page_adopt_memory(bytes, size, PAGE_ROUTES, &page, &why), 0);
    page_unref(page);
    for (size_t i = 0; i < size; i++) {
        bool is_number = i >= offsetof(struct page_header, number) && i < offsetof(struct page_header, size);

        page = NULL;
        bytes[i] ^= 0x10;
        if (is_number) {
            assert_int_equal(page_adopt_memory(bytes, size, PAGE_ROUTES, &page, &why), 0);
            page_unref(page);
        } else {
            assert_int_equal(page_adopt_memory(bytes, size, PAGE_ROUTES, &page, &why), -EBADMSG);
            assert_null(page);
        }
        bytes[i] ^= 0x10;
    }
    free(bytes);
}

static void any_other_length_is_refused(void **state)
{
    size_t size;
    char *bytes = page_bytes(&size);
    char *longer = calloc(1, size + 1);
    struct page *page = NULL;
    struct error why;

    (void)state;
    assert_non_null(longer);
    memcpy(longer, bytes, size);
    for (size_t len = 0; len <= size + 1; len++) {
        if (len != size) {
            assert_int_equal(page_adopt_memory(longer, len, PAGE_ROUTES, &page, &why), -EBADMSG);
        }
    }
    assert_int_equal(page_adopt_memory(bytes, size, PAGE_SERVICES, &page, &why), -EBADMSG);
    assert_string_equal(why.text, "services page: kind 1 where 8 is wanted");
    free(longer);
    free(bytes);
}

static void header_numbers_are_bounded(void **state)
{
    static const struct {
        uint64_t root, regexes;
        bool good;
    } cases[] = {
        {64, 0, true},           {0, 0, true},   {8, 0, false},
        {63, 0, false},          {65, 0, false}, {UINT64_MAX & ~7ULL, 0, false},
        {4096, 0, false},        {64, 8, true},  {64, 1 << 20, false},
        {64, UINT64_MAX, false},
    };
    size_t size;
    char *bytes = page_bytes(&size);
    struct page_header *header = (void *)bytes;
    struct error why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct page *page = NULL;

        print_message("case %zu\n", i);
        header->root = cases[i].root;
        header->regexes = cases[i].regexes;
        header->checksum = page_checksum(bytes, size);
        assert_int_equal(page_adopt_memory(bytes, size, PAGE_ROUTES, &page, &why),
                         cases[i].good ? 0 : -EBADMSG);
        page_unref(page);
    }
    free(bytes);
}

static void what_is_not_sealed_is_refused(void **state)
{
    static const int seals[] = {0, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW,
                                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL};
    size_t size;
    char *bytes = page_bytes(&size);
    struct page *page = NULL;
    struct error why;
    FILE *file;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(seals); i++) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_int_equal(write(fd, bytes, size), size);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
        assert_int_equal(page_adopt(fd, PAGE_ROUTES, &page, &why), -EBADMSG);
        close(fd);
    }
    file = tmpfile(); /* an ordinary file has no seals at all */
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fflush(file);
    assert_true(page_adopt(fileno(file), PAGE_ROUTES, &page, &why) < 0);
    fclose(file);
    assert_true(page_adopt(-1, PAGE_ROUTES, &page, &why) < 0);
    assert_null(page);
    free(bytes);
}

/* In a process that may not map anything MAP_SHARED, as kernels before 6.7 for write-sealed memfds. */
static void mapping_shared_is_never_needed(void **state)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
    int fd = sample_page("hello"), status;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        struct page *page;
        struct error why;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
            _exit(2);
        }
        if (mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
            _exit(3);
        }
        if (page_adopt(fd, PAGE_ROUTES, &page, &why) < 0) {
            _exit(4);
        }
        page_unref(page);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(fd);
}

static bool maps_name(const char *name)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    bool found = false;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        found = found || strstr(line, name);
    }
    fclose(maps);
    return found;
}

static void the_last_reader_unmaps(void **state)
{
    int fd = sample_page("hello");
    struct page *page;
    struct error why;

    (void)state;
    assert_false(maps_name("memfd:weir-routes"));
    assert_int_equal(page_adopt(fd, PAGE_ROUTES, &page, &why), 0);
    close(fd);
    assert_ptr_equal(page_ref(page), page);
    page_unref(page);
    assert_true(maps_name("memfd:weir-routes"));
    page_unref(page);
    assert_false(maps_name("memfd:weir-routes"));
}

static void ranges_are_checked_without_overflow(void **state)
{
    static const struct {
        uint64_t offset, count;
        size_t size, align;
        bool good;
    } cases[] = {
        {64, 1, 8, 8, true},
        {64, 3, 8, 8, true},
        {0, 0, 8, 8, true},
        {0, 1, 8, 8, false},
        {56, 1, 8, 8, false},
        {65, 1, 8, 8, false},
        {65, 1, 1, 1, true},
        {UINT64_MAX, 1, 1, 1, false},
        {UINT64_MAX - 7, 2, 8, 8, false},
        {64, UINT64_MAX, 8, 8, false},
        {64, UINT64_MAX / 8 + 2, 8, 8, false},
        {1 << 20, 0, 8, 8, false},
        {64, 1 << 20, 1, 1, false},
    };
    int fd = sample_page("hello");
    struct page *page;
    struct error why;

    (void)state;
    assert_int_equal(page_adopt(fd, PAGE_ROUTES, &page, &why), 0);
    close(fd);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(page_holds(page, cases[i].offset, cases[i].count, cases[i].size, cases[i].align),
                         cases[i].good);
    }
    assert_true(page_holds(page, page_size(page) - 1, 1, 1, 1));
    assert_false(page_holds(page, page_size(page) - 1, 2, 1, 1));
    page_unref(page);
}

static void regexes_are_compiled_once(void **state)
{
    struct page_builder *builder = builder_new(PAGE_ROUTES);
    uint64_t root = builder_alloc(builder, 3 * sizeof(struct regex_text), 8);
    const char *const patterns[] = {"^a+$", "(", ""};
    struct error why;
    struct page *page;
    int fd;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct slice pattern = builder_text(builder, slice_cstr(patterns[i]));
        uint32_t slot = builder_regex(builder);
        struct regex_text *stored = (struct regex_text *)builder_at(builder, root) + i;

        stored->pattern = pattern;
        stored->slot = slot;
    }
    builder_set_root(builder, root);
    assert_int_equal(page_seal(builder, 1, &fd, &why), 0);
    builder_free(builder);
    assert_int_equal(page_adopt(fd, PAGE_ROUTES, &page, &why), 0);
    close(fd);
    const struct regex_text *stored = page_root(page);
    const struct regex *regex = page_regex(page, &stored[0]);

    assert_non_null(regex);
    assert_true(regex_match(regex, SLICE("aaa")));
    assert_false(regex_match(regex, SLICE("aab")));
    assert_ptr_equal(page_regex(page, &stored[0]), regex);
    assert_null(page_regex(page, &stored[1]));
    assert_null(page_regex(page, &stored[1]));
    assert_null(page_regex(page, &stored[2]));
    assert_null(page_regex(page, &(struct regex_text){.pattern = stored[0].pattern, .slot = 3}));
    page_unref(page);
}

static void the_build_id_is_one_for_all_processes(void **state)
{
    uint64_t id = build_id();
    int pipes[2], status;
    uint64_t other = 0;
    pid_t child;

    (void)state;
    assert_int_not_equal(id, 0);
    assert_int_equal(build_id(), id);
    assert_int_equal(pipe(pipes), 0);
    if ((child = fork()) == 0) {
        char *const arguments[] = {(char *)(uintptr_t) "self", (char *)(uintptr_t) "--build-id", NULL};

        dup2(pipes[1], STDOUT_FILENO);
        execv("/proc/self/exe", arguments); /* another address space layout */
        _exit(1);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &other, sizeof(other)), sizeof(other));
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(other, id);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(equal_texts_are_stored_once),
        cmocka_unit_test(memory_is_zero_and_aligned),
        cmocka_unit_test(the_hash_is_of_the_content),
        cmocka_unit_test(a_sealed_page_cannot_be_changed),
        cmocka_unit_test(any_changed_byte_is_refused),
        cmocka_unit_test(any_other_length_is_refused),
        cmocka_unit_test(header_numbers_are_bounded),
        cmocka_unit_test(what_is_not_sealed_is_refused),
        cmocka_unit_test(mapping_shared_is_never_needed),
        cmocka_unit_test(the_last_reader_unmaps),
        cmocka_unit_test(ranges_are_checked_without_overflow),
        cmocka_unit_test(regexes_are_compiled_once),
        cmocka_unit_test(the_build_id_is_one_for_all_processes),
    };

    if (argc > 1 && strcmp(argv[1], "--build-id") == 0) {
        uint64_t id = build_id();

        return write(STDOUT_FILENO, &id, sizeof(id)) == (ssize_t)sizeof(id) ? 0 : 1;
    }
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
