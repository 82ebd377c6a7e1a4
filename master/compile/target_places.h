/*
 * target_places.h - which address has which place in shm/targets.h, and for how long.
 *
 * An address has one place, the same over generations, so pages do not change for it. It is held by the sealed pages that
 * name it. When the last one has gone it stays for a while, for requests that began before: then nobody can connect
 * there any more. A new master takes over what stands there as if all of it had just been let go.
 *
 * Any thread may call these (the job makes holds, the loop gives them back).
 */
#ifndef WEIR_MASTER_COMPILE_TARGET_PLACES_H
#define WEIR_MASTER_COMPILE_TARGET_PLACES_H

#include "shm/page.h"

struct target_places;
struct target_hold; /* the addresses of one page */

/* fd: of targets_create(), taken over when this succeeds. */
int target_places_open(int fd, struct target_places **out, struct error *why);
void target_places_free(struct target_places *places); /* every hold has been given back; NULL is fine */

/* Finds or makes a place for each address of a services page that is not sealed yet and writes its number there. An address
 * for which there is none (said in the log) gets 0: workers cannot connect to it. */
struct target_hold *target_hold_page(struct target_places *places, struct page_builder *services);
void target_hold_free(struct target_hold *hold); /* NULL is fine */

/* Clears what nobody has held for so long; the first call counts from itself. Its time grows with the number of places. */
void target_places_sweep(struct target_places *places, int64_t now_ns, int64_t unused_ns);

#endif
