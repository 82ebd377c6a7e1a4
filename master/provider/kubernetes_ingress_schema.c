/*
 * kubernetes_ingress_schema.c - the tables of kubernetes_ingress.h: one row for each field of an Ingress and for each
 * annotation of today's Traefik.
 *
 * Not here: the annotations of Traefik 1 (kubernetes_legacy*.c).
 */
#include "common/model/rows.h"
#include "master/provider/kubernetes_ingress.h"

static const struct schema_field port_fields[] = {
    ROW("name", STRING, struct ingress_port, name, .text = "Name of a port of the Service."),
    ROW("number", INT, struct ingress_port, number, .min = 0, .max = 65535, .text = "Its number."),
};
static const struct schema port_schema = SCHEMA(struct ingress_port, "port", port_fields);

static const struct schema_field backend_service_fields[] = {
    ROW("name", STRING, struct ingress_service, name, .flags = SCHEMA_REQUIRED,
        .text = "Name of the Service."),
    ROW("port", OPTIONAL, struct ingress_service, port, .sub = &port_schema, .text = "Port of the Service."),
};
static const struct schema backend_service_schema =
    SCHEMA(struct ingress_service, "service", backend_service_fields);

#define BACKEND struct ingress_backend_spec
#define RESOURCE ROW("resource", DOC, BACKEND, resource, .text = "An object other than a Service.")

static const struct schema_field backend_fields[] = {
    ROW("service", OPTIONAL, BACKEND, service, .sub = &backend_service_schema,
        .text = "The Service that answers."),
    RESOURCE,
};
static const struct schema backend_schema = SCHEMA(BACKEND, "backend", backend_fields);

static const struct schema_field old_backend_fields[] = {
    ROW("serviceName", STRING, BACKEND, service_name, .text = "Name of the Service that answers."),
    ROW("servicePort", DOC, BACKEND, service_port, .text = "Port of the Service: number or name."),
    RESOURCE,
};
static const struct schema old_backend_schema = SCHEMA(BACKEND, "backend", old_backend_fields);

static const struct schema_field tls_fields[] = {
    ROW("hosts", STRINGS, struct ingress_tls, hosts, .text = "Names in the certificate."),
    ROW("secretName", STRING, struct ingress_tls, secret_name, .text = "Secret with the certificate."),
};
static const struct schema tls_schema = SCHEMA(struct ingress_tls, "tls", tls_fields);

#define SPEC struct ingress_spec
#define SPEC_ROWS                                                                                            \
    ROW("ingressClassName", STRING, SPEC, class_name, .text = "Name of an IngressClass."),                   \
        ROW("tls", LIST, SPEC, tls, .sub = &tls_schema, .text = "Certificates."),                            \
        ROW("rules", DOC, SPEC, rules, .text = "Hosts and paths.")

static const struct schema_field spec_fields[] = {
    SPEC_ROWS,
    ROW("defaultBackend", OPTIONAL, SPEC, default_backend, .sub = &backend_schema,
        .text = "Who answers what no rule matches."),
};
const struct schema ingress_spec_schema = SCHEMA(SPEC, "ingress", spec_fields);

static const struct schema_field old_spec_fields[] = {
    SPEC_ROWS,
    ROW("backend", OPTIONAL, SPEC, default_backend, .sub = &old_backend_schema,
        .text = "Who answers what no rule matches."),
};
const struct schema ingress_old_spec_schema = SCHEMA(SPEC, "ingress", old_spec_fields);

static const struct schema_field rule_fields[] = {
    ROW("host", STRING, struct ingress_rule, host, .text = "Host of the requests; any when empty."),
    ROW("http", DOC, struct ingress_rule, http, .text = "The paths."),
};
const struct schema ingress_rule_schema = SCHEMA(struct ingress_rule, "rule", rule_fields);

static const char *const path_types[] = {"Exact", "Prefix", "ImplementationSpecific", "", NULL};

#define PATH struct ingress_path
#define PATH_ROWS                                                                                            \
    ROW("path", STRING, PATH, path, .text = "Path of the requests; any when empty."),                        \
        ROW("pathType", ENUM, PATH, path_type, .choices = path_types, .text = "How it is compared.")

static const struct schema_field path_fields[] = {
    PATH_ROWS,
    ROW("backend", OPTIONAL, PATH, backend, .sub = &backend_schema, .text = "Who answers."),
};
const struct schema ingress_path_schema = SCHEMA(PATH, "path", path_fields);

static const struct schema_field old_path_fields[] = {
    PATH_ROWS,
    ROW("backend", OPTIONAL, PATH, backend, .sub = &old_backend_schema, .text = "Who answers."),
};
const struct schema ingress_old_path_schema = SCHEMA(PATH, "path", old_path_fields);

/* ---- annotations ---- */

#define ROUTER(label, kind_, member, ...) ROW(label, kind_, struct router_annotations, member, __VA_ARGS__)

static const struct schema_field router_fields[] = {
    ROUTER("pathMatcher", STRING, path_matcher, .text = "Path, PathPrefix or PathRegexp."),
    ROUTER("entryPoints", STRINGS, entry_points, .text = "Entry points; all default ones when empty."),
    ROUTER("middlewares", STRINGS, middlewares, .text = "Middlewares in the order of the request."),
    ROUTER("priority", INT, priority, .text = "Which router is asked first; 0: length of the rule."),
    ROUTER("ruleSyntax", STRING, rule_syntax, .text = "Version of the rule language: v3 or v2."),
    ROUTER("tls", OPTIONAL, tls, .flags = SCHEMA_ALLOW_EMPTY, .sub = &router_tls_schema,
           .text = "When there, the routers take TLS connections only."),
    ROUTER("observability", OPTIONAL, observability, .flags = SCHEMA_ALLOW_EMPTY | SCHEMA_NOT_SERVED,
           .sub = &router_observability_schema, .text = "What is recorded of the requests."),
};
const struct schema router_annotations_schema =
    SCHEMA(struct router_annotations, "annotations", router_fields);

#define SERVICE(label, kind_, member, ...) ROW(label, kind_, struct service_annotations, member, __VA_ARGS__)

static const struct schema_field service_annotation_fields[] = {
    SERVICE("serversScheme", STRING, servers_scheme, .text = "Scheme of the servers."),
    SERVICE("serversTransport", STRING, servers_transport, .text = "Name of a servers transport."),
    SERVICE("passHostHeader", OPT_BOOL, pass_host_header, .text = "Send the client's Host header on."),
    SERVICE("middlewares", STRINGS, middlewares, .text = "Middlewares of the service."),
    SERVICE("sticky", OPTIONAL, sticky, .flags = SCHEMA_ALLOW_EMPTY, .sub = &sticky_schema,
            .text = "Keep a client on its server."),
    SERVICE("nativeLB", OPT_BOOL, native_lb, .text = "Send to the cluster address instead of the pods."),
    SERVICE("nodePortLB", BOOL, node_port_lb, .text = "Send to the nodes' ports instead of the pods."),
};
const struct schema service_annotations_schema =
    SCHEMA(struct service_annotations, "annotations", service_annotation_fields);
