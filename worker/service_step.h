/*
 * service_step.h - what services do that is more than choosing: each a step of the chain (chain.h), one file each.
 */
#ifndef WEIR_WORKER_SERVICE_STEP_H
#define WEIR_WORKER_SERVICE_STEP_H

#include "worker/middleware.h"

extern const struct middleware_type step_failover, step_mirroring;

#endif
