/*
 * udp.h - what stands under `udp:` in a dynamic configuration: an entry point's datagrams go to one service.
 */
#ifndef WEIR_COMMON_MODEL_UDP_H
#define WEIR_COMMON_MODEL_UDP_H

#include "common/schema/schema.h"

struct udp_router_config {
    struct list entry_points; /* struct slice */
    struct slice service;
};

struct udp_server {
    struct slice address; /* HOST:PORT */
};

struct udp_load_balancer {
    struct list servers; /* struct udp_server */
};

struct udp_weighted {
    struct list services; /* struct weighted_service (dynamic.h) */
};

struct udp_service_config {
    struct udp_load_balancer *load_balancer;
    struct udp_weighted *weighted;
};

/* What a user writes under `udp:` in a dynamic file. */
struct udp_section {
    struct map routers;  /* struct udp_router_config */
    struct map services; /* struct udp_service_config */
};

extern const struct schema udp_router_schema, udp_service_schema, udp_section_schema;

#endif
