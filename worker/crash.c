/*
 * crash.c - a stack trace from a signal handler: only calls that are safe there, on a stack of its own.
 *
 * It goes to standard error, which is there whatever has become of the log. Addresses are offsets into the binary:
 * `addr2line -fe weir 0x...` names the line.
 */
#include "worker/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/slice.h"

#define DEEPEST 48

static const char *process_name = "worker";
static _Alignas(16) char spare_stack[64 * 1024]; /* what overflowed may be the stack itself */

/* "weir: NAME: " and the texts, in one piece: other processes write there too. */
static void say(const char *first, const char *second)
{
    const char *texts[] = {"weir: ", process_name, ": ", first, second};
    struct iovec pieces[ARRAY_LEN(texts)];

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        pieces[i] = (struct iovec){(void *)(uintptr_t)texts[i], strlen(texts[i])};
    }
    (void)!writev(STDERR_FILENO, pieces, (int)ARRAY_LEN(texts));
}

static const char *name_of(int number)
{
    switch (number) {
    case SIGABRT:
        return "SIGABRT";
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGILL:
        return "SIGILL";
    default:
        return "SIGFPE";
    }
}

static void on_crash(int number)
{
    void *frames[DEEPEST];
    int count = backtrace(frames, DEEPEST);

    say(name_of(number), ", stack trace:\n");
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    say("end of stack trace", "\n");
    (void)raise(number); /* the action is the default again: ends the process with that signal */
}

void crash_install(const char *name)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction action = {.sa_handler = on_crash,
                               .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_ONSTACK)};
    stack_t stack = {.ss_sp = spare_stack, .ss_size = sizeof(spare_stack)};
    void *frame[1];

    process_name = name;
    (void)backtrace(frame, 1); /* the first call loads a library: not in the handler */
    (void)sigaltstack(&stack, NULL);
#if !defined(__SANITIZE_ADDRESS__)
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        (void)sigaction(numbers[i], &action, NULL);
    }
#else
    (void)sigaction(numbers[0], &action, NULL); /* AddressSanitizer reports the others better */
#endif
}
