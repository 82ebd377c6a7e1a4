/*
 * keeper.h - writes what a table holds to its file (state.h): at once when it is first asked to, then at most every 5 s
 * while there are changes, on a thread of the pool.
 *
 * It belongs to the thread of its loop. A file that cannot be written is said once for each reason and tried again after a
 * minute. Not here: reading.
 */
#ifndef WEIR_MASTER_KUBE_KEEPER_H
#define WEIR_MASTER_KUBE_KEEPER_H

#include "master/kube/table.h"

struct kube_keeper;
struct uv_loop_s;

/* The table and the source's text outlive it. */
struct kube_keeper *kube_keeper_new(struct uv_loop_s *loop, struct kube_table *table, struct slice source);
/* Where; an empty dir for nowhere. provider: static. Another place is written to with the next change. */
void kube_keeper_place(struct kube_keeper *keeper, const char *provider, struct slice dir);
/* The table has changed, and holds everything. */
void kube_keeper_changed(struct kube_keeper *keeper);
/* A file that is being written is finished; what is not begun is left. Memory goes with the loop's next turns. */
void kube_keeper_close(struct kube_keeper *keeper);

#endif
