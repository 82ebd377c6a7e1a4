/*
 * udp.h - UDP entry points as a worker serves them, for control.c and serve.c.
 *
 * The guard says which shards (sockets of an entry point, shm/control.h) this worker reads. Each client has a session: a
 * socket connected to one server, chosen when the first datagram came; it ends by silence (udp.timeout), when the server
 * cannot be reached, or with the worker. A generation changes whom new sessions go to and no session.
 *
 * udp.c           shards and what guard and generations say about them
 * udp_sessions.c  sessions: begin, end, time-out, whom they go to
 * udp_datagrams.c datagrams both ways, in batches
 * udp_lane.c      shards that move to another worker, with their sessions
 * udp_table.c     sessions by flow
 */
#ifndef WEIR_WORKER_UDP_H
#define WEIR_WORKER_UDP_H

#include "shm/control.h"
#include "worker/worker.h"

void udp_start(struct worker *worker);
void udp_stop(struct worker *worker);
/* Messages of the guard (CONTROL_UDP_*); their descriptors, message->fd_count of them, are taken over. */
void udp_message(struct worker *worker, const struct control_message *message, const int *fds);
/* Another build takes over: sessions go where the guard said (CONTROL_AT_THE_END); off: forgets that. */
void udp_leave(struct worker *worker);
void udp_stay(struct worker *worker);
/* After worker->generation has changed. */
void udp_switch(struct worker *worker);
/* No session is left, and none is on its way to or from another worker. */
bool udp_is_idle(const struct worker *worker);

#endif
