/*
 * kubernetes_crd_kinds.h - the custom resources: which there are, and how each is described to an API server.
 */
#ifndef WEIR_MASTER_PROVIDER_KUBERNETES_CRD_KINDS_H
#define WEIR_MASTER_PROVIDER_KUBERNETES_CRD_KINDS_H

#include "common/schema/schema.h"

struct crd_kind {
    const char *name, *plural, *singular;
    const struct schema *spec;
    const struct schema_part *parts; /* of the spec, in another form than the table has them */
    size_t part_count;
    bool old_group;   /* it is there in traefik.containo.us too */
    bool has_points;  /* spec.entryPoints, shown by kubectl get */
    bool has_rules;   /* spec.routes[].match, likewise */
    const char *text; /* what it is, for kubectl explain */
};

extern const struct crd_kind crd_kinds[];
extern const size_t crd_kind_count;

#endif
