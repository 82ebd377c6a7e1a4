/*
 * process.h - what guard, master and workers agree on about being processes of one tree.
 */
#ifndef WEIR_COMMON_BASE_PROCESS_H
#define WEIR_COMMON_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Where the guard puts the descriptors that a child starts with. */
enum process_fd {
    PROCESS_CONTROL_FD = 3, /* channel to the guard */
    PROCESS_BOARD_FD = 4,
    PROCESS_LOG_FD = 5,     /* rings for log lines */
    PROCESS_TARGETS_FD = 6, /* addresses that workers may connect to */
    PROCESS_LAST_FD = PROCESS_TARGETS_FD,
};

#define PROCESS_DESCRIPTORS_LEAST 40 /* RLIMIT_NOFILE with which each process of the tree can do its work */
#define PROCESS_DESCRIPTORS_RAISE                                                                            \
    "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile of containers)"

#define PROCESS_DATA_LEAST (UINT64_C(64) << 20) /* RLIMIT_DATA: of the master's threads 8 MiB each */

#define PROCESS_SPACE_LEAST                                                                                  \
    (UINT64_C(40) << 30) /* RLIMIT_AS: a worker takes 32 GiB at once (worker/fence.h) */

/* A sanitizer looks into its process with ptrace and starts a program that reads symbols. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PROCESS_SANITIZED 1
#elif defined(__has_feature)
#define PROCESS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define PROCESS_SANITIZED 0
#endif

/* Nanoseconds of the monotonic clock: what heartbeats, deadlines and backoff count in. */
int64_t process_clock_ns(void);

/* For a child, first thing after exec (which may have cleared what was set before): asks the kernel to kill this
 * process when the guard dies, and makes those descriptors close on exec. False when the guard, which made the other
 * end of the channel, is not (or no longer) the parent: then leave at once. */
bool process_adopt_channel(void);

/* For processes that hold secrets: no core dump, no debugger of the same user; files of /proc/PID become root's. Not in a
 * sanitizer build. 0, or -1 with errno. */
int process_hide(void);

/* Makes use of the capability to open ports below 1024 where it is permitted and not in effect: so it comes from the file of a
 * program that others may start without it (`setcap cap_net_bind_service=p`). Elsewhere nothing changes. */
void process_take_low_ports(void);

/* What this process alone takes of the machine's memory, in bytes (resident and not shared with a file or others), read
 * from a descriptor that was opened at the start: -1 and 0 when there is no /proc. */
int process_memory_open(void);
uint64_t process_memory(int fd);

#endif
