/*
 * sandbox_scene.h - between the files of test_sandbox.c: what lies around the process that tries something.
 *
 * sandbox_kernel.c, sandbox_sockets.c  what must be refused: each attempt returns what the system call did
 * sandbox_lives.c                      what must work
 */
#ifndef WEIR_TESTS_UNIT_SANDBOX_SCENE_H
#define WEIR_TESTS_UNIT_SANDBOX_SCENE_H

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/base/slice.h"
#include "worker/fence.h"

/* What was there before: made by the parent, as the guard makes it for workers. */
extern struct scene {
    int listener, other_listener; /* the second is bound, but does not listen */
    int memory;                   /* a memfd of one page */
    int file;                     /* /etc/passwd, open */
    int spool;                    /* a file that may be written */
    int pair[2];
    int pidfd;                  /* of the parent */
    struct sockaddr_in address; /* of the first one */
    int targets;                /* shm/targets.h: that address stands in place 1, an IPv6 one in place 2 */
    struct fence fence;
    int epoll;
    int datagrams; /* a bound UDP socket */
    int pipe[2];
    pid_t parent;
    char secret[16]; /* in the parent's memory */
} scene;

#define FENCE_PART ((size_t)1 << 32) /* fence.h */

struct attempt {
    const char *name;
    long (*make)(void);
};
#define ATTEMPT(name)                                                                                        \
    {                                                                                                        \
#name, name                                                                                          \
    }

extern const struct attempt sandbox_kernel_attempts[], sandbox_socket_attempts[];
extern const size_t sandbox_kernel_attempt_count, sandbox_socket_attempt_count;

/* Enters the sandbox; 0: all of it worked, else standard error says what did not. */
int sandbox_lives(const struct attempt *attempt);

#endif
