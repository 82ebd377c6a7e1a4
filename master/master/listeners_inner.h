/*
 * listeners_inner.h - between listeners.c and opening.c only.
 */
#ifndef WEIR_MASTER_LISTENERS_INNER_H
#define WEIR_MASTER_LISTENERS_INNER_H

#include "master/master/master.h"

struct kept_sockets { /* what the guard keeps for one entry point */
    char name[CONTROL_TEXT];
    struct sockaddr_storage bound; /* where, as the kernel says */
    bool slots[BOARD_WORKERS];
    bool wanted;     /* by the configuration that is being applied */
    bool leaving;    /* gone or moved: the guard empties them, until then the port is ours */
    int64_t left_ns; /* when the guard closed them; 0: not yet */
    struct kept_sockets *next;
};

struct opening {                /* one entry point while a configuration is applied */
    struct slice name, address; /* for messages: "web", ":80" */
    struct sockaddr_storage where;
    bool wildcard, share;      /* share: reusePort, may join sockets of other programs */
    bool ours;                 /* we listen on that port already, on another address */
    struct kept_sockets *kept; /* fits and stays; NULL: all sockets are new */
    int fds[BOARD_WORKERS];    /* new ones, -1 elsewhere */
};

/* wildcard: everywhere; udp: it is one of datagrams.c. */
int opening_read_address(const struct entry_point *entry, struct sockaddr_storage *out, bool *wildcard,
                         bool *udp, struct error *why);
uint16_t opening_port(const struct sockaddr_storage *address);
/* Would opening this again give the socket that is there? */
bool opening_fits(const struct opening *opening, const struct sockaddr_storage *bound);
/* Those that are missing in the slots of so many workers; a failure names the entry point, and what was bound stays in fds. */
int opening_bind(struct opening *opening, unsigned workers, struct error *why);
int opening_listen(const struct opening *opening, unsigned workers, struct error *why);

#endif
