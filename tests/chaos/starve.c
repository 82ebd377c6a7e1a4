/*
 * starve.c - refuses a guard that has just taken another's place half of what it asks the machine for: a library for LD_PRELOAD.
 *
 * Only in a process that an upgrade announces ("go:" in WEIR_HANDOVER), from its first call of its own (that of /dev/null) until
 * it has its signals; then one line says how often it was refused. Half by a fixed sequence: whoever asks again gets it.
 * With STARVE_MEMORY malloc() and its like as well (not under a sanitizer, which brings its own).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool announced, active;
static unsigned refusals;
static uint64_t state = 42;

__attribute__((constructor)) static void look(void)
{
    const char *value = getenv("WEIR_HANDOVER");

    announced = value && strncmp(value, "go:", 3) == 0;
}

static bool refused(int code)
{
    if (!active) {
        return false;
    }
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    if ((state >> 33) % 2 == 0) {
        return false;
    }
    refusals++;
    errno = code;
    return true;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

void *mmap(void *place, size_t size, int protection, int flags, int fd, off_t offset)
{
    return refused(ENOMEM) ? MAP_FAILED
                           : (void *)syscall(SYS_mmap, place, size, protection, flags, fd, offset);
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);

    mode_t mode = va_arg(args, mode_t);

    va_end(args);
    if (announced && strcmp(path, "/dev/null") == 0) {
        active = true;
        announced = false;
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    }
    return refused(ENFILE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int memfd_create(const char *name, unsigned flags)
{
    return refused(ENFILE) ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

int ftruncate(int fd, off_t size)
{
    return refused(ENOMEM) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

FILE *fdopen(int fd, const char *mode)
{
    return refused(ENOMEM) ? NULL : REAL(FILE *, fdopen, int, const char *)(fd, mode);
}

int signalfd(int fd, const sigset_t *mask, int flags)
{
    static const char words[] = "starve: refused ";
    char line[64];

    if (refused(ENFILE)) {
        return -1;
    }
    if (active) {
        active = false;
        (void)!write(STDERR_FILENO, line, (size_t)snprintf(line, sizeof(line), "%s%u\n", words, refusals));
    }
    return REAL(int, signalfd, int, const sigset_t *, int)(fd, mask, flags);
}

#ifdef STARVE_MEMORY
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);

void *malloc(size_t size)
{
    return refused(ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refused(ENOMEM) ? NULL : __libc_calloc(count, size);
}
#endif
