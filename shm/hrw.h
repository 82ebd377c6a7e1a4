/*
 * hrw.h - highest random weight (rendezvous hashing): every candidate has a score for a client, the highest one wins, so a
 * candidate that comes or goes moves the clients that it gets or had, and no others.
 *
 * The scores are Traefik's: clients keep their servers over a change-over. Names that differ in their last letter alone have
 * scores so close that the heavier one gets everybody, there as here.
 */
#ifndef WEIR_SHM_HRW_H
#define WEIR_SHM_HRW_H

#include "common/base/slice.h"

/* What all candidates' scores begin with: of the client. */
uint64_t hrw_client(struct slice client);
/* 0 or more; weight at least 1. */
double hrw_score(uint64_t client, struct slice candidate, uint32_t weight);

#endif
