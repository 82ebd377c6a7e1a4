/*
 * probe.c - how probes of every kind end. See probe.h.
 */
#include "master/health/probe.h"

void probe_finish(struct probe *probe, const struct error *why)
{
    probe->stop(probe); /* its memory stays until the loop comes by */
    probe->done(probe->context, why);
}

void probe_cancel(struct probe *probe)
{
    if (probe) {
        probe->stop(probe);
    }
}
