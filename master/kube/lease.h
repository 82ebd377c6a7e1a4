/*
 * lease.h - who of several may write: the rules of a Lease (coordination.k8s.io/v1), without clock and without network.
 *
 * As everybody does it (client-go): the holder renews every 2 s and gives up when it could not for 10 s; another one takes
 * the Lease when it has seen the record unchanged for the 15 s that stand in it. Only differences of one's own monotonic
 * clock count, never the times in the record: clocks of nodes may differ.
 *
 *     lease_seen()     what the API server has was read: says what to do about it
 *     lease_written()  it took our record
 *     lease_due_ms()   how long to wait until it is asked again
 *
 * Not here: requests (elector.c).
 */
#ifndef WEIR_MASTER_KUBE_LEASE_H
#define WEIR_MASTER_KUBE_LEASE_H

#include "common/base/error.h"
#include "common/base/text.h"
#include "master/kube/moment.h"

#define LEASE_HOLDER 256

struct lease_record {
    char holder[LEASE_HOLDER]; /* "": nobody */
    int64_t duration_s;
    char acquired[MOMENT_TEXT], renewed[MOMENT_TEXT]; /* as they are written; only compared */
    int64_t transitions;
    char version[64]; /* resourceVersion; "": it is not there yet */
};

enum lease_step {
    LEASE_WAIT,   /* somebody else has it */
    LEASE_CREATE, /* there is none: POST the record */
    LEASE_UPDATE, /* PUT it, with its resourceVersion: it fails if another one was faster */
};

struct lease {
    char identity[LEASE_HOLDER];
    struct lease_record seen; /* the last one */
    int64_t seen_ns;          /* when it was first seen like this */
    int64_t renewed_ns;       /* when ours was written last, the time before the request; 0: it is not ours */
    bool is_known;            /* `seen` is something */
    bool must_ask;            /* it may have changed since */
};

void lease_init(struct lease *lease, struct slice identity);
/* The record as the API server has it; NULL: there is none. *next is what is to be written unless LEASE_WAIT. */
enum lease_step lease_seen(struct lease *lease, const struct lease_record *record, int64_t now_ns,
                           int64_t now_us, struct lease_record *next);
/* The same without asking: for the holder, who knows what it wrote. False when it has to ask. */
bool lease_renewal(const struct lease *lease, int64_t now_us, struct lease_record *next);
/* It was taken: began_ns is the time before the request, `version` its new resourceVersion. */
void lease_written(struct lease *lease, const struct lease_record *record, struct slice version,
                   int64_t began_ns);
/* It was not: what the API server has is to be read before the next try. */
void lease_refused(struct lease *lease);
/* Whether we may write now: at most 10 s after the last renewal. */
bool lease_leads(const struct lease *lease, int64_t now_ns);
/* What gives it back, while we hold it; false: we do not. */
bool lease_release(struct lease *lease, int64_t now_us, struct lease_record *next);
/* Milliseconds until the next request; noise: any number, so that many do not come at once. */
uint64_t lease_due_ms(const struct lease *lease, uint32_t noise);

/* The object as JSON, and back. */
void lease_write(const struct lease_record *record, struct slice namespace, struct slice name,
                 struct text *out);
int lease_read(struct slice text, struct lease_record *out, struct error *why);

#endif
