/*
 * dial.h - the one place where a worker connects to anything.
 */
#ifndef WEIR_WORKER_DIAL_H
#define WEIR_WORKER_DIAL_H

#include "shm/services.h"

struct worker;

/* A TCP socket that connects to `to`, or has done so already. A negative errno when there is none: -EMFILE, -ENFILE when
 * descriptors are short, -EADDRNOTAVAIL when this address is not among those that may be connected to (any more). */
int dial_address(const struct worker *worker, const struct server_address *to);

/* What became of connecting the socket that dial_address() returned, once it is writable: 0 or an errno. */
int dial_error(int fd);

/* The same as dial_address() as a UDP socket, connected: it hears nobody else. */
int dial_datagrams(const struct worker *worker, const struct server_address *to);

#endif
