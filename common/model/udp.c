/*
 * udp.c - the options of udp.h: one row each, names as in Traefik.
 */
#include "common/model/udp.h"

#include "common/model/dynamic.h"
#include "common/model/rows.h"

static const struct schema_field router_fields[] = {
    ROW("entryPoints", STRINGS, struct udp_router_config, entry_points, .flags = OMIT,
        .text = "UDP entry points that the router listens on; all of them when empty."),
    ROW("service", STRING, struct udp_router_config, service, .flags = OMIT,
        .text = "UDP service that gets the datagrams."),
};
const struct schema udp_router_schema = SCHEMA(struct udp_router_config, "udpRouter", router_fields);

static const struct schema_field server_fields[] = {
    ROW("address", STRING, struct udp_server, address, .flags = OMIT,
        .text = "Address of the server: HOST:PORT."),
};
static const struct schema udp_server_schema = SCHEMA(struct udp_server, "udpServer", server_fields);

static const struct schema_field load_balancer_fields[] = {
    ROW("servers", LIST, struct udp_load_balancer, servers, .flags = OMIT, .sub = &udp_server_schema,
        .text = "The servers."),
};
static const struct schema udp_load_balancer_schema =
    SCHEMA(struct udp_load_balancer, "udpLoadBalancer", load_balancer_fields);

static const struct schema_field weighted_fields[] = {
    ROW("services", LIST, struct udp_weighted, services, .flags = OMIT, .sub = &weighted_service_schema,
        .text = "The services and their shares."),
};
static const struct schema udp_weighted_schema = SCHEMA(struct udp_weighted, "udpWeighted", weighted_fields);

static const struct schema_field service_fields[] = {
    ROW("loadBalancer", OPTIONAL, struct udp_service_config, load_balancer, .flags = OMIT,
        .sub = &udp_load_balancer_schema, .text = "Spreads clients over servers."),
    ROW("weighted", OPTIONAL, struct udp_service_config, weighted, .flags = OMIT, .sub = &udp_weighted_schema,
        .text = "Spreads clients over services by weight."),
};
const struct schema udp_service_schema = SCHEMA(struct udp_service_config, "udpService", service_fields);

static const struct schema_field udp_fields[] = {
    ROW("routers", MAP, struct udp_section, routers, .flags = OMIT, .sub = &udp_router_schema,
        .text = "UDP routers by name."),
    ROW("services", MAP, struct udp_section, services, .flags = OMIT, .sub = &udp_service_schema,
        .text = "UDP services by name."),
};
const struct schema udp_section_schema = SCHEMA(struct udp_section, "udp", udp_fields);
