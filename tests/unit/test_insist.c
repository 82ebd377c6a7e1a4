/* test_insist.c - what is asked for again and what is not, and that somebody is told when it takes long. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "common/base/slice.h"
#include "master/guard/insist.h"

/* What was logged while there were so many refusals. */
static size_t refused(unsigned times, char *out, size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC), before = dup(STDOUT_FILENO);
    ssize_t len;

    (void)fflush(stdout);

    assert_true(fd != -1 && before != -1 && dup2(fd, STDOUT_FILENO) != -1);
    for (unsigned i = 0; i < times; i++) {
        assert_true(insist_again(-ENFILE));
    }
    assert_true(dup2(before, STDOUT_FILENO) != -1);
    close(before);
    len = pread(fd, out, size, 0);
    close(fd);
    assert_true(len >= 0);
    return (size_t)len;
}

static void asks_again_and_says_so(void **state)
{
    char text[512];

    (void)state;
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_COMMON, "guard");
    assert_false(insist_again(-ENFILE)); /* nobody insists yet */
    insist_begin();
    assert_false(insist_again(0));
    assert_false(insist_again(-EBADMSG));
    assert_int_equal(refused(20, text, sizeof(text)), 0);
    assert_false(insist_again(0)); /* counts anew */
    assert_int_equal(refused(99, text, sizeof(text)), 0);
    size_t len = refused(2, text, sizeof(text));

    assert_true(slice_find_slice(slice_of(text, len), SLICE("Too many open files in system")) >= 0);
    assert_int_equal(slice_find(slice_of(text, len), '\n'), (ptrdiff_t)len - 1); /* once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(asks_again_and_says_so)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
