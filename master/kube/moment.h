/*
 * moment.h - times as the API writes them (RFC 3339, UTC), to the second and to the microsecond.
 */
#ifndef WEIR_MASTER_KUBE_MOMENT_H
#define WEIR_MASTER_KUBE_MOMENT_H

#include "common/base/slice.h"

#define MOMENT_TEXT 32

/* "2026-11-21T09:39:55Z"; seconds since 1970. */
void moment_text(int64_t unix_s, char out[MOMENT_TEXT]);
/* "2026-11-21T09:39:55.123456Z": what the API calls MicroTime. */
void moment_micro_text(int64_t unix_us, char out[MOMENT_TEXT]);
/* Seconds since 1970 of such a text, fractions are cut; -EINVAL. */
int moment_parse(struct slice text, int64_t *out);
/* The clock of the day, microseconds since 1970. */
int64_t moment_now_us(void);

#endif
