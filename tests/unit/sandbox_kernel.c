/*
 * sandbox_kernel.c - attempts of a worker on files, other processes, memory and the rest of the kernel: none may succeed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/sandbox_scene.h"

/* ---- files, processes ---- */

static long try_open(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

#ifdef SYS_open
static long try_old_open(void)
{
    return syscall(SYS_open, "/etc/passwd", O_RDONLY);
}
#endif

static long try_openat2(void)
{
    static const uint64_t how[3];

    return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}

static long try_create(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/tmp/weir-sandbox-test", O_CREAT | O_WRONLY, 0600);
}

static long try_memory_of_parent(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", scene.parent);
    return syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
}

static long try_stat(void)
{
    struct stat st;

    return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0);
}

static long try_readlink(void)
{
    char target[64];

    return syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", target, sizeof(target));
}

static long try_unlink(void)
{
    return syscall(SYS_unlinkat, AT_FDCWD, "/tmp/weir-sandbox-none", 0);
}

static long try_rename(void)
{
    return syscall(SYS_renameat2, AT_FDCWD, "/tmp/weir-sandbox-none", AT_FDCWD, "/tmp/weir-sandbox-else", 0);
}

static long try_chdir(void)
{
    return syscall(SYS_chdir, "/");
}

static long try_mount(void)
{
    return syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
}

static long try_exec(void)
{
    static char *const arguments[] = {(char *)"true", NULL};

    return syscall(SYS_execve, "/bin/true", arguments, NULL);
}

static long try_exec_by_descriptor(void)
{
    static char *const arguments[] = {(char *)"true", NULL};

    return syscall(SYS_execveat, scene.file, "", arguments, NULL, AT_EMPTY_PATH);
}

static long try_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0) {
        _exit(0);
    }
    return pid;
}

static void *nothing_to_do(void *nothing)
{
    return nothing;
}

static long try_thread(void)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, nothing_to_do, NULL);
    return errno == 0 ? 0 : -1;
}

static long try_share_memory_only(void)
{
    return syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD | CLONE_NEWUSER, NULL, NULL, NULL, NULL);
}

static long try_unshare(void)
{
    return syscall(SYS_unshare, CLONE_NEWUSER);
}

static long try_ptrace(void)
{
    return ptrace(PTRACE_ATTACH, scene.parent, NULL, NULL);
}

static long try_read_parent(void)
{
    char got[sizeof(scene.secret)];
    struct iovec to = {got, sizeof(got)}, from = {scene.secret, sizeof(scene.secret)};

    return process_vm_readv(scene.parent, &to, 1, &from, 1, 0);
}

static long try_write_parent(void)
{
    struct iovec piece = {scene.secret, sizeof(scene.secret)};

    return process_vm_writev(scene.parent, &piece, 1, &piece, 1, 0);
}

static long try_take_descriptor(void)
{
    return syscall(SYS_pidfd_getfd, scene.pidfd, scene.file, 0);
}

static long try_pidfd(void)
{
    return syscall(SYS_pidfd_open, scene.parent, 0);
}

static long try_kill(void)
{
    return syscall(SYS_kill, scene.parent, SIGCONT);
}

static long try_tgkill(void)
{
    return syscall(SYS_tgkill, scene.parent, scene.parent, SIGCONT);
}

static long try_signal_by_pidfd(void)
{
    return syscall(SYS_pidfd_send_signal, scene.pidfd, SIGCONT, NULL, 0);
}

static long try_limit_parent(void)
{
    static const struct rlimit none;

    return syscall(SYS_prlimit64, scene.parent, RLIMIT_CORE, &none, NULL);
}

static long try_setuid(void)
{
    return syscall(SYS_setuid, getuid());
}

static long try_dumpable(void)
{
    return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_personality(void)
{
    return syscall(SYS_personality, 0xffffffffUL);
}

/* Standard output may be a file of the user's. */
static long try_write_within_standard_output(void)
{
    (void)dup2(scene.spool, STDOUT_FILENO);
    return syscall(SYS_pwrite64, STDOUT_FILENO, "x", 1, 0);
}

static long try_punch_standard_output(void)
{
    (void)dup2(scene.spool, STDOUT_FILENO);
    return syscall(SYS_fallocate, STDOUT_FILENO, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static long try_fill_the_disk(void)
{
    return syscall(SYS_fallocate, scene.spool, 0, 0, 1 << 20);
}

static long try_cut_the_file(void)
{
    return syscall(SYS_ftruncate, scene.spool, 0);
}

/* ---- memory and the rest of the kernel ---- */

static long try_map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, scene.memory, 0) == MAP_FAILED ? -1 : 0;
}

static long try_make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? 0 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long try_memfd(void)
{
    return memfd_create("x", 0);
}

static long try_terminal_input(void)
{
    return syscall(SYS_ioctl, STDIN_FILENO, 0x5412 /* TIOCSTI */, "x");
}

static long try_limits(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit);
}

static long try_owner_of_signals(void)
{
    return fcntl(scene.pair[0], F_SETOWN, scene.parent);
}

/* For everybody who accepts on it. */
static long try_blocking(void)
{
    return fcntl(scene.listener, F_SETFL, 0);
}

static long try_blocking_otherwise(void)
{
    int off = 0;

    return ioctl(scene.listener, FIONBIO, &off);
}

static long try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_perf(void)
{
    return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}

static long try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long try_keys(void)
{
    return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static long try_userfaultfd(void)
{
    return syscall(SYS_userfaultfd, 0);
}

#ifdef __x86_64__
static long try_x32(void)
{
    return syscall(0x40000000 | SYS_getpid);
}

static void no_such_instruction(int number)
{
    (void)number;
    _exit(0);
}

/* socket(AF_UNIX, SOCK_STREAM, 0) by its number for 32-bit programs; a kernel without those faults on it */
static long try_32_bit(void)
{
    long result;

    (void)signal(SIGSEGV, no_such_instruction);
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(359L), "b"(1L), "c"(1L), "d"(0L) : "memory");
    errno = result < 0 ? (int)-result : 0;
    return result < 0 ? -1 : result;
}
#endif

const struct attempt sandbox_kernel_attempts[] = {
    ATTEMPT(try_open),
    ATTEMPT(try_openat2),
    ATTEMPT(try_create),
    ATTEMPT(try_memory_of_parent),
    ATTEMPT(try_stat),
    ATTEMPT(try_readlink),
    ATTEMPT(try_unlink),
    ATTEMPT(try_rename),
    ATTEMPT(try_chdir),
    ATTEMPT(try_mount),
    ATTEMPT(try_exec),
    ATTEMPT(try_exec_by_descriptor),
    ATTEMPT(try_fork),
    ATTEMPT(try_thread),
    ATTEMPT(try_share_memory_only),
    ATTEMPT(try_unshare),
    ATTEMPT(try_ptrace),
    ATTEMPT(try_read_parent),
    ATTEMPT(try_write_parent),
    ATTEMPT(try_take_descriptor),
    ATTEMPT(try_pidfd),
    ATTEMPT(try_kill),
    ATTEMPT(try_tgkill),
    ATTEMPT(try_signal_by_pidfd),
    ATTEMPT(try_limit_parent),
    ATTEMPT(try_setuid),
    ATTEMPT(try_dumpable),
    ATTEMPT(try_personality),
    ATTEMPT(try_write_within_standard_output),
    ATTEMPT(try_punch_standard_output),
    ATTEMPT(try_fill_the_disk),
    ATTEMPT(try_cut_the_file),
    ATTEMPT(try_map_code),
    ATTEMPT(try_make_code),
    ATTEMPT(try_memfd),
    ATTEMPT(try_terminal_input),
    ATTEMPT(try_limits),
    ATTEMPT(try_owner_of_signals),
    ATTEMPT(try_blocking),
    ATTEMPT(try_blocking_otherwise),
    ATTEMPT(try_bpf),
    ATTEMPT(try_perf),
    ATTEMPT(try_io_uring),
    ATTEMPT(try_keys),
    ATTEMPT(try_userfaultfd),
#ifdef SYS_open
    ATTEMPT(try_old_open),
#endif
#ifdef __x86_64__
    ATTEMPT(try_x32),
    ATTEMPT(try_32_bit),
#endif
};
const size_t sandbox_kernel_attempt_count = ARRAY_LEN(sandbox_kernel_attempts);
