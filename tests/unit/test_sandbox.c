/* test_sandbox.c - from inside the sandbox: what must be refused is, what a worker lives on works. The attempts: sandbox_scene.h.
 *
 * Each case runs in a process of its own that enters the sandbox like a worker does. A sanitizer build has no sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/control.h"
#include "tests/unit/sandbox_scene.h"
#include "worker/crash.h"
#include "worker/sandbox.h"

struct scene scene;

/* The wait status of a process that has given up its privileges and runs main. */
static int status_of(int (*run)(const struct attempt *), const struct attempt *attempt)
{
    int status;
    pid_t pid = fork();

    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        sandbox_drop_privileges();
        _exit(run(attempt));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int aborts(const struct attempt *attempt)
{
    (void)attempt;
    (void)dup2(scene.pair[0], STDERR_FILENO);
    crash_install("test");
    sandbox_enter(&scene.fence);
    abort();
}

static void a_worker_lives_in_it(void **state)
{
    (void)state;
    assert_int_equal(status_of(sandbox_lives, NULL), 0);
}

static void its_crash_leaves_a_stack_trace(void **state)
{
    char text[8192];
    size_t len = 0;
    ssize_t n;

    (void)state;
    int status = status_of(aborts, NULL);

    while (len < sizeof(text) - 1 &&
           (n = recv(scene.pair[1], text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "SIGABRT, stack trace"));
    assert_non_null(strstr(text, "test_sandbox("));
    assert_non_null(strstr(text, "end of stack trace"));
}

#ifndef __SANITIZE_ADDRESS__

/* What would not be refused outside must be refused inside; the process itself goes on. */
static int refused(const struct attempt *attempt)
{
    sandbox_enter(&scene.fence);

    long result = attempt->make();
    int error = errno;

    if (result == -1 && error == EPERM) {
        return 0;
    }
    (void)fprintf(stderr, "%s: %ld, %s\n", attempt->name, result,
                  result == -1 ? strerror(error) : "not refused");
    return 1;
}

static void all_are_refused(const struct attempt *attempts, size_t count)
{
    unsigned failed = 0;

    for (size_t i = 0; i < count; i++) {
        failed += status_of(refused, &attempts[i]) != 0;
    }
    assert_int_equal(failed, 0);
}

static void the_kernel_is_out_of_reach(void **state)
{
    (void)state;
    all_are_refused(sandbox_kernel_attempts, sandbox_kernel_attempt_count);
}

static void sockets_of_others_are_out_of_reach(void **state)
{
    (void)state;
    all_are_refused(sandbox_socket_attempts, sandbox_socket_attempt_count);
}

#endif

/* As guard, master and worker make it, in one process. */
static int set_fence(void)
{
    struct address address;
    struct target *targets;
    struct error why;

    address_from_sockaddr((struct sockaddr *)&scene.address, &address);
    if (targets_create(&scene.targets, &why) < 0 || targets_map(scene.targets, NULL, &targets, &why) < 0) {
        return -1;
    }
    targets_put(targets, 1, &address);
    targets_put(targets, 2, &(struct address){.bytes = {[15] = 1}, .family = 6, .port = address.port});
    targets_put(targets, 3, &address);
    targets_clear(targets, 3);
    targets_unmap(targets);
    return fence_build(scene.targets, &scene.fence, &why);
}

static int set_scene(void **state)
{
    socklen_t len = sizeof(scene.address);
    struct error why;

    (void)state;
    scene.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    scene.parent = getpid();
    memcpy(scene.secret, "a secret of ours", sizeof(scene.secret));
    scene.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    scene.other_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    scene.memory = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    scene.file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    scene.spool = memfd_create("spool", MFD_CLOEXEC);
    scene.pidfd = (int)syscall(SYS_pidfd_open, scene.parent, 0);
    scene.datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    scene.epoll = epoll_create1(EPOLL_CLOEXEC);
    return bind(scene.other_listener, (struct sockaddr *)&scene.address, len) == -1 ||
           bind(scene.listener, (struct sockaddr *)&scene.address, len) == -1 ||
           listen(scene.listener, 8) == -1 ||
           getsockname(scene.listener, (struct sockaddr *)&scene.address, &len) == -1 || set_fence() < 0 ||
           ftruncate(scene.memory, 4096) == -1 || pwrite(scene.memory, "page", 4, 0) != 4 ||
           scene.file == -1 || scene.spool == -1 || scene.pidfd == -1 || scene.epoll == -1 ||
           pipe2(scene.pipe, O_CLOEXEC | O_NONBLOCK) == -1 || control_pair(scene.pair, &why) < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_lives_in_it),
        cmocka_unit_test(its_crash_leaves_a_stack_trace),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(the_kernel_is_out_of_reach),
        cmocka_unit_test(sockets_of_others_are_out_of_reach),
#endif
    };

    return cmocka_run_group_tests(tests, set_scene, NULL);
}
