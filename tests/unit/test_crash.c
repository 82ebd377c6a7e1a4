/* test_crash.c - what a process that crashes says of itself stays whole beside what others write. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/crash.h"

/* Each write is a packet of such a pipe. */
static void a_line_is_one_write(void **state)
{
    static const char first[] = "weir: test: SIGABRT, stack trace:\n",
                      last[] = "weir: test: end of stack trace\n";
    char packet[4096] = "", begin[4096] = "";
    size_t packets = 0;
    int ends[2], status;
    ssize_t got;

    (void)state;
    assert_int_equal(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
    pid_t child = fork();

    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        crash_install("test");
        abort();
    }
    (void)close(ends[1]);
    while ((got = read(ends[0], packet, sizeof(packet) - 1)) > 0) {
        packet[got] = '\0';
        if (packets++ == 0) {
            memcpy(begin, packet, (size_t)got + 1);
        }
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(begin, first);
    assert_true(packets > 2);
    assert_string_equal(packet, last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_line_is_one_write)};

    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
