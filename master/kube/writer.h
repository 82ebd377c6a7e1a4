/*
 * writer.h - says in a cluster what became of its objects: their status, and Events of those that are refused.
 *
 * One request at a time, 20 a second after a burst of 100, and only for what differs from what the objects carry: in a
 * steady state none. What waits is the set of verdicts itself, so a newer set replaces what is not written yet.
 *
 * A kind whose status does not exist (404) or may not be written (403) is said once and left alone for a while, first
 * 5 s, at last 10 minutes. On the loop of its API. Not here: what is said (verdict.h), whether we may (elector.h).
 */
#ifndef WEIR_MASTER_KUBE_WRITER_H
#define WEIR_MASTER_KUBE_WRITER_H

#include "master/kube/api.h"
#include "master/kube/verdict.h"

struct kube_writer;

struct kube_writer_options {
    struct uv_loop_s *loop;
    struct kube_api *api;
    struct kube_table *table;
    struct slice instance; /* for Events; outlives it */
};

struct kube_writer *kube_writer_new(const struct kube_writer_options *options);
/* Takes the set over. */
void kube_writer_take(struct kube_writer *writer, struct kube_verdicts *verdicts);
/* A new term begins; what is to be said comes by kube_writer_take(). */
void kube_writer_begin(struct kube_writer *writer);
/* Nothing is written from now on. What is on its way may arrive. */
void kube_writer_end(struct kube_writer *writer);
/* Memory goes with the loop's next turns. */
void kube_writer_close(struct kube_writer *writer);

#endif
