/*
 * names.h - host names of servers become addresses: asked asynchronously, kept with their TTL and the last good answer.
 *
 * A compile looks names up (from any thread); one that is not known yet is asked by the loop, and when an answer differs
 * from what was known `changed` is called there: compile again. An answer that fails or is empty never takes away what
 * was known. Names that the last compile did not look up are forgotten with the next one.
 *
 * Not here: what a name is used for (compile.h). Workers never resolve.
 */
#ifndef WEIR_MASTER_COMPILE_NAMES_H
#define WEIR_MASTER_COMPILE_NAMES_H

#include <uv.h>

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/net/addr.h"
#include "common/schema/schema.h"

struct names;

typedef void names_changed(void *context); /* on the loop */

int names_new(uv_loop_t *loop, names_changed *changed, void *context, struct names **out, struct error *why);
/* On the loop, before the first compile: what an earlier master wrote to fd (a memfd, taken over) is known from now on, until
 * better answers come; and those are written there. */
void names_remember(struct names *names, int fd);
/* On the loop. Its memory is freed when the loop has closed its handles. NULL is fine. */
void names_close(struct names *names);

/* ---- from the thread that compiles; a compile calls names_begin() once, then looks up ---- */
void names_begin(struct names *names);
/* List of struct address with port 0, sorted, in the pool; empty while nothing is known. */
struct list names_lookup(struct names *names, struct slice host, struct pool *pool);

/* True while a name that was looked up has neither been resolved nor failed. */
bool names_pending(struct names *names);
/* On the loop: runs it until no name is pending, or the time is over. For tools and tests. */
void names_settle(struct names *names, unsigned timeout_ms);

#endif
