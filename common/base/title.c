/*
 * title.c - process titles; see title.h.
 *
 * The kernel lays argument and environment strings out in one piece. Once both are copied elsewhere the piece is ours:
 * what stands there is what /proc/PID/cmdline gives. The rest is filled with NUL bytes.
 */
#include "common/base/title.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/memory.h"

static char *area; /* NULL until title_init() */
static size_t area_size;
/* Both live as long as the process; volatile, so that they are really stored and leak checkers find them. */
static char **volatile kept_environment;
static char **volatile kept_arguments;

static char **copy_strings(char **from, size_t count)
{
    char **copy = xcalloc(count + 1, sizeof(*copy));

    for (size_t i = 0; i < count; i++) {
        copy[i] = xstrndup(from[i], strlen(from[i]));
    }
    return copy;
}

/* Arguments end where the environment begins, unless somebody moved it already or there is none. */
static size_t measure_area(char *start, int argc, char **argv)
{
    static const size_t most = (size_t)4 << 20;
    char *first = environ ? environ[0] : NULL, *last = argc > 0 ? argv[argc - 1] : NULL;
    char *end = start + strlen(start) + 1;

    if (first && first > start && first <= start + most) {
        end = first;
        for (size_t i = 0; environ[i] == end; i++) {
            end += strlen(end) + 1;
        }
    } else if (last && last > start && last <= start + most) {
        end = last + strlen(last) + 1;
    }
    return (size_t)(end - start);
}

char **title_init(int argc, char **argv)
{
    size_t variables = 0;

    area = program_invocation_name; /* glibc: argv[0] of main, as the kernel put it there */
    area_size = measure_area(area, argc, argv);
    while (environ && environ[variables]) {
        variables++;
    }
    kept_environment = copy_strings(environ, variables);
    environ = kept_environment;
    kept_arguments = copy_strings(argv, argc > 0 ? (size_t)argc : 0);
    program_invocation_name = program_invocation_short_name = (char *)(uintptr_t) "weir";
    return kept_arguments;
}

void title_set(const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)prctl(PR_SET_NAME, text);
    if (area && area_size > 0) {
        size_t len = strlen(text) < area_size ? strlen(text) : area_size - 1;

        memset(area, 0, area_size);
        memcpy(area, text, len);
    }
}
