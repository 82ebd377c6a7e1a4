/*
 * waiting.h - what is served while the first generation waits for a cluster (hold.h): /ping and /ready, and nothing else.
 *
 * A generation of its own, with the entry point "traefik" alone and no objects but those of the provider internal. Workers
 * accept on the other entry points when a generation knows them: until then connections of users wait in the kernel's
 * queue, which is better than an answer that is not theirs. Where ping is on an entry point of the users, or left to their
 * routers, there is none.
 */
#ifndef WEIR_MASTER_MASTER_WAITING_H
#define WEIR_MASTER_MASTER_WAITING_H

struct job;

/* On the thread, of a job that waits for a cluster: compiles and seals it. It is of no importance: what fails is left. */
void waiting_work(struct job *job);
/* On the loop, when the job is back: in force, if there is one and it is not yet. */
void waiting_publish(struct job *job);

#endif
