/*
 * static_providers.c - the options of all providers of Traefik: file, kubernetesCRD and kubernetesIngress are served, the
 * others are checked, accepted and named as not yet served.
 */
#include "common/model/rows.h"
#include "common/model/static.h"

/* ---- served ---- */

static const struct schema_field file_fields[] = {
    ROW("directory", STRING, struct file_provider, directory,
        .text = "Folder whose *.yml, *.yaml, *.toml and *.json are read."),
    ROW("filename", STRING, struct file_provider, filename,
        .text = "One file; not read when directory is written."),
    ROW("watch", BOOL, struct file_provider, watch, .fallback = "true",
        .text = "Read again when something changes."),
    ROW("debugLogGeneratedTemplate", BOOL, struct file_provider, debug_log_generated_template,
        .text = "Log the files at DEBUG after their templates were filled in."),
};
static const struct schema file_schema = SCHEMA(struct file_provider, "file", file_fields);

#define K struct kubernetes_provider
/* Rows that the providers of Kubernetes objects have in common. */
#define KUBERNETES_SOURCE                                                                                    \
    ROW("manifests", STRING, K, manifests,                                                                   \
        .text = "Own option: a file or folder of manifests that stands for the API server."),                \
        ROW("endpoint", STRING, K, endpoint, .text = "URL of the API server."),                              \
        ROW("token", STRING, K, token, .flags = SCHEMA_SECRET, .text = "Bearer token, or its file."),        \
        ROW("certAuthFilePath", STRING, K, cert_auth_file_path,                                              \
            .text = "Authority of the API server's certificate."),                                           \
        ROW("namespaces", STRINGS, K, namespaces, .text = "Namespaces that are read; all when empty.")
#define KUBERNETES_OBJECTS                                                                                   \
    ROW("status", BOOL, K, status, .fallback = "true",                                                       \
        .text = "Own option: write into the cluster what became of its objects (status, Events), if a "      \
                "Lease says so."),                                                                           \
        ROW("crossProviderNamespaces", STRINGS, K, cross_provider_namespaces,                                \
            .text = "Namespaces whose objects may refer to other providers; all when empty."),               \
        ROW("labelSelector", STRING, K, label_selector, .text = "Only objects with these labels are read."), \
        ROW("throttleDuration", DURATION, K, throttle_duration,                                              \
            .text = "Least time between two readings; the first change is always taken at once."),           \
        ROW("allowEmptyServices", BOOL, K, allow_empty_services,                                             \
            .text = "Services without endpoints are kept (503) instead of refused (404)."),                  \
        ROW("nativeLBByDefault", BOOL, K, native_lb_by_default,                                              \
            .text = "Send to the Service's own address instead of its endpoints."),                          \
        ROW("disableClusterScopeResources", BOOL, K, disable_cluster_scope_resources,                        \
            .text = "Do not read what belongs to no namespace (IngressClasses, Nodes).")

static const struct schema_field crd_fields[] = {
    KUBERNETES_SOURCE,
    ROW("allowCrossNamespace", BOOL, K, allow_cross_namespace,
        .text = "Objects may refer to objects of other namespaces."),
    ROW("allowExternalNameServices", BOOL, K, allow_external_name_services,
        .text = "Routes may refer to Services of type ExternalName."),
    ROW("ingressClass", STRING, K, ingress_class,
        .text = "Only objects with this class in the annotation kubernetes.io/ingress.class are read."),
    KUBERNETES_OBJECTS,
};
static const struct schema crd_schema = SCHEMA(struct kubernetes_provider, "kubernetesCRD", crd_fields);

#define E struct ingress_endpoint
static const struct schema_field ingress_endpoint_fields[] = {
    ROW("ip", STRING, E, ip, .text = "Address written into the status."),
    ROW("hostname", STRING, E, hostname, .text = "Host name written into the status."),
    ROW("publishedService", STRING, E, published_service,
        .text = "Service (namespace/name) whose status is copied."),
};
static const struct schema ingress_endpoint_schema =
    SCHEMA(struct ingress_endpoint, "ingressEndpoint", ingress_endpoint_fields);

/* Rows of kubernetesIngress that [kubernetes] of Traefik 1 had too. */
#define INGRESS_OBJECTS                                                                                      \
    ROW("ingressClass", STRING, K, ingress_class,                                                            \
        .text = "Only Ingresses of this class (name of an IngressClass, or annotation) are read."),          \
        ROW("ingressEndpoint", OPTIONAL, K, ingress_endpoint, .flags = SCHEMA_ALLOW_EMPTY,                   \
            .sub = &ingress_endpoint_schema, .text = "What is written into the status of Ingresses.")

static const struct schema_field ingress_fields[] = {
    KUBERNETES_SOURCE,
    INGRESS_OBJECTS,
    ROW("allowExternalNameServices", BOOL, K, allow_external_name_services,
        .text = "Ingresses may refer to Services of type ExternalName."),
    ROW("disableIngressClassLookup", BOOL, K, disable_ingress_class_lookup,
        .text = "Do not read IngressClasses; disableClusterScopeResources is the newer name."),
    ROW("strictPrefixMatching", BOOL, K, strict_prefix_matching,
        .text = "Prefix paths match whole segments only."),
    ROW("reportNodeInternalIPs", BOOL, K, report_node_internal_ips,
        .text = "Write the nodes' addresses into the status."),
    KUBERNETES_OBJECTS,
};
static const struct schema ingress_schema =
    SCHEMA(struct kubernetes_provider, "kubernetesIngress", ingress_fields);

#define GONE_OPTION(label)                                                                                   \
    ROW(label, DOC, K, legacy.others, .flags = SCHEMA_DEPRECATED, .text = "Without effect: remove it.")

static const struct schema_field legacy_fields[] = {
    KUBERNETES_SOURCE,
    INGRESS_OBJECTS,
    KUBERNETES_OBJECTS,
    ROW("disablePassHostHeaders", BOOL, K, legacy.disable_pass_host_headers,
        .text = "Do not send the client's Host header on, unless the annotation preserve-host says so."),
    ROW("enablePassTLSCert", BOOL, K, legacy.enable_pass_tls_cert,
        .text = "Send clients' certificates on, unless the annotation pass-tls-cert says otherwise."),
    GONE_OPTION("watch"),
    GONE_OPTION("filename"),
    GONE_OPTION("constraints"),
    GONE_OPTION("trace"),
    GONE_OPTION("templateVersion"),
    GONE_OPTION("debugLogGeneratedTemplate"),
};
const struct schema legacy_kubernetes_schema =
    SCHEMA(struct kubernetes_provider, "kubernetes", legacy_fields);

static const struct schema_field rest_fields[] = {
    ROW("insecure", BOOL, struct rest_provider, insecure,
        .text = "Take configurations on the entry point traefik."),
};
static const struct schema rest_schema = SCHEMA(struct rest_provider, "rest", rest_fields);

/* ---- Kubernetes ---- */

#define KUBERNETES_ACCESS                                                                                    \
    U_TEXT("endpoint", NULL, "URL of the API server."), U_SECRET("token", "Bearer token, or its file."),     \
        U_TEXT("certAuthFilePath", NULL, "Authority of the API server's certificate."),                      \
        U_TIME("throttleDuration", NULL, "Least time between two readings.")
#define NAMESPACES U_LIST("namespaces", "Namespaces that are read; all when empty.")
#define LABELS U_TEXT("labelSelector", NULL, "Only objects with these labels are read.")
#define CROSS_PROVIDER                                                                                       \
    U_LIST("crossProviderNamespaces", "Namespaces whose objects may refer to other providers.")
#define NATIVE U_FLAG("nativeLBByDefault", "Send to the Service's own address instead of its endpoints.")

static const struct schema_field named_service_fields[] = {
    U_TEXT("name", NULL, "Name of the Service."),
    U_TEXT("namespace", NULL, "Its namespace."),
};
static const struct schema named_service_schema = SCHEMA(struct unserved, "service", named_service_fields);

static const struct schema_field status_address_fields[] = {
    U_TEXT("ip", NULL, "Address written into the status."),
    U_TEXT("hostname", NULL, "Host name written into the status."),
    U_SUB("service", named_service_schema, "Service whose status is copied."),
};
static const struct schema status_address_schema =
    SCHEMA(struct unserved, "statusAddress", status_address_fields);

static const struct schema_field gateway_fields[] = {
    KUBERNETES_ACCESS,
    NAMESPACES,
    LABELS,
    CROSS_PROVIDER,
    NATIVE,
    U_NUMBER("qps", "50", "Requests a second to the API server."),
    U_NUMBER("burst", "100", "Requests at once to the API server."),
    U_FLAG("experimentalChannel", "Serve the kinds of the experimental channel."),
    U_SUB("statusAddress", status_address_schema, "What is written into the status of Gateways."),
};
static const struct schema gateway_schema = SCHEMA(struct unserved, "kubernetesGateway", gateway_fields);

static const struct schema_field client_ip_fields[] = {
    U_NUMBER("depth", NULL, "Position in X-Forwarded-For, counted from the right."),
    U_LIST("excludedIPs", "Addresses that are passed over in X-Forwarded-For."),
    U_NUMBER("ipv6Subnet", NULL, "Length of the IPv6 prefix that counts as one client."),
};
static const struct schema client_ip_schema = SCHEMA(struct unserved, "ipStrategy", client_ip_fields);

static const struct schema_field nginx_fields[] = {
    KUBERNETES_ACCESS,
    U_TEXT("globalAuthURL", NULL, "Service that authenticates all requests."),
    U_TEXT("watchNamespace", NULL, "The one namespace that is read."),
    U_TEXT("watchNamespaceSelector", NULL, "Only namespaces with these labels are read."),
    U_TEXT("ingressClass", "nginx", "Only Ingresses of this class are read."),
    U_TEXT("controllerClass", "k8s.io/ingress-nginx", "Controller that the IngressClass names."),
    U_FLAG("watchIngressWithoutClass", "Read Ingresses without a class too."),
    U_FLAG("ingressClassByName", "Go by the name of the class, not by its controller."),
    U_TEXT("publishService", NULL, "Service (namespace/name) whose addresses are written into the status."),
    U_LIST("publishStatusAddress", "Addresses written into the status."),
    U_TEXT("defaultBackendService", NULL, "Service that gets what no Ingress matches."),
    U_FLAG("disableSvcExternalName", "Refuse Services of type ExternalName."),
    U_SUB("ipAllowListStrategy", client_ip_schema, "How the client's address is found for allow lists."),
    U_TEXT("httpEntryPoint", NULL, "Entry point of plain HTTP."),
    U_TEXT("httpsEntryPoint", NULL, "Entry point of HTTPS."),
    U_FLAG("proxyRequestBuffering", "Buffer requests."),
    U_NUMBER("clientBodyBufferSize", "16384", "Bytes of a body kept in memory."),
    U_NUMBER("proxyBodySize", "1048576", "Largest body of a request."),
    U_FLAG("proxyBuffering", "Buffer responses."),
    U_NUMBER("proxyBufferSize", "8192", "Size of a buffer."),
    U_NUMBER("proxyBuffersNumber", "4", "Number of buffers."),
    U_NUMBER("proxyConnectTimeout", "60", "Seconds to open a connection to a server."),
    U_NUMBER("proxyReadTimeout", "60", "Seconds between two reads from a server."),
    U_NUMBER("proxySendTimeout", "60", "Seconds between two writes to a server."),
    U_TEXT("proxyNextUpstream", "error timeout", "When the next server is tried."),
    U_NUMBER("proxyNextUpstreamTries", "3", "How many servers are tried."),
    U_NUMBER("proxyNextUpstreamTimeout", NULL, "Seconds in which they are tried."),
    U_LIST("customHTTPErrors", "Statuses that the default backend answers."),
    U_NUMBER("upstreamKeepaliveTimeout", "60", "Seconds that idle connections to servers are kept."),
    U_FLAG("allowCrossNamespaceResources", "Annotations may refer to objects of other namespaces."),
    U_LIST("globalAllowedResponseHeaders", "Headers that annotations may set."),
    U_FLAG("allowSnippetAnnotations", "Take snippet annotations."),
    U_FLAG_ON("strictValidatePathType", "Check paths by their type."),
};
static const struct schema nginx_schema = SCHEMA(struct unserved, "kubernetesIngressNGINX", nginx_fields);

static const struct schema_field knative_fields[] = {
    KUBERNETES_ACCESS,
    NAMESPACES,
    LABELS,
    U_LIST("publicEntrypoints", "Entry points of public services."),
    U_SUB("publicService", named_service_schema, "Service named in the status of public services."),
    U_LIST("privateEntrypoints", "Entry points of private services."),
    U_SUB("privateService", named_service_schema, "Service named in the status of private services."),
};
static const struct schema knative_schema = SCHEMA(struct unserved, "knative", knative_fields);

/* ---- containers and catalogues ---- */

#define EXPOSED U_FLAG_ON("exposedByDefault", "Containers are published unless they say no.")
#define CONSTRAINTS U_TEXT("constraints", NULL, "Only containers with these labels are read.")
#define DEFAULT_RULE U_TEXT("defaultRule", "Host(`{{ normalize .Name }}`)", "Rule of routers that have none.")
#define EMPTY_SERVICES U_FLAG("allowEmptyServices", "Keep services without healthy servers (503).")
#define TLS U_SUB("tls", unserved_tls_client, "TLS of the connection.")

#define DOCKER_COMMON                                                                                        \
    EXPOSED, CONSTRAINTS, DEFAULT_RULE, EMPTY_SERVICES, TLS,                                                 \
        U_TEXT("network", NULL, "Network whose addresses are used."),                                        \
        U_FLAG("useBindPortIP", "Use the published port instead of the container's."),                       \
        U_FLAG_ON("watch", "Take changes as they come."),                                                    \
        U_TEXT("username", NULL, "Name for basic authentication."),                                          \
        U_SECRET("password", "Password for basic authentication."),                                          \
        U_TEXT("endpoint", "unix:///var/run/docker.sock", "Socket or URL of the Docker API."),               \
        U_TIME("httpClientTimeout", NULL, "How long an answer may take.")

static const struct schema_field docker_fields[] = {
    DOCKER_COMMON,
    U_ROW("swarmMode", BOOL, flag, .flags = SCHEMA_DEPRECATED,
          .text = "Gone since Traefik 3; write providers.swarm."),
};
static const struct schema docker_schema = SCHEMA(struct unserved, "docker", docker_fields);

static const struct schema_field swarm_fields[] = {
    DOCKER_COMMON,
    U_TIME("refreshSeconds", "15s", "Time between two readings."),
};
static const struct schema swarm_schema = SCHEMA(struct unserved, "swarm", swarm_fields);

static const struct schema_field http_auth_fields[] = {
    U_TEXT("username", NULL, "Name for basic authentication."),
    U_SECRET("password", "Password for basic authentication."),
};
static const struct schema http_auth_schema = SCHEMA(struct unserved, "httpAuth", http_auth_fields);

static const struct schema_field catalog_endpoint_fields[] = {
    U_TEXT("address", NULL, "Address of the Consul server."),
    U_TEXT("scheme", NULL, "http or https."),
    U_TEXT("datacenter", NULL, "Datacenter that is asked."),
    U_SECRET("token", "Access token."),
    TLS,
    U_SUB("httpAuth", http_auth_schema, "Basic authentication."),
    U_TIME("endpointWaitTime", NULL, "How long a blocking question may wait."),
};
static const struct schema catalog_endpoint_schema =
    SCHEMA(struct unserved, "endpoint", catalog_endpoint_fields);

static const struct schema_field consul_catalog_fields[] = {
    EXPOSED,
    CONSTRAINTS,
    DEFAULT_RULE,
    NAMESPACES,
    U_ROW("namespace", STRING, text, .flags = SCHEMA_DEPRECATED,
          .text = "Gone since Traefik 3; write namespaces."),
    U_SUB("endpoint", catalog_endpoint_schema, "The Consul server."),
    U_TEXT("prefix", "traefik", "Prefix of the tags."),
    U_TIME("refreshInterval", "15s", "Time between two readings."),
    U_FLAG("requireConsistent", "Ask for consistent answers."),
    U_FLAG("stale", "Stale answers will do."),
    U_FLAG("cache", "Answers from the agent's cache will do."),
    U_FLAG("connectAware", "Serve Consul Connect."),
    U_FLAG("connectByDefault", "Services are of Connect unless they say no."),
    U_TEXT("serviceName", "traefik", "Name of this service in the catalogue."),
    U_FLAG("watch", "Take changes as they come."),
    U_LIST("strictChecks", "States of checks that count as healthy: passing and warning."),
};
static const struct schema consul_catalog_schema =
    SCHEMA(struct unserved, "consulCatalog", consul_catalog_fields);

static const struct schema_field nomad_endpoint_fields[] = {
    U_TEXT("address", "http://127.0.0.1:4646", "URL of the Nomad server."),
    U_TEXT("region", NULL, "Region that is asked."),
    U_SECRET("token", "Access token."),
    TLS,
    U_TIME("endpointWaitTime", NULL, "How long a blocking question may wait."),
};
static const struct schema nomad_endpoint_schema = SCHEMA(struct unserved, "endpoint", nomad_endpoint_fields);

static const struct schema_field nomad_fields[] = {
    EXPOSED,
    CONSTRAINTS,
    DEFAULT_RULE,
    NAMESPACES,
    U_ROW("namespace", STRING, text, .flags = SCHEMA_DEPRECATED,
          .text = "Gone since Traefik 3; write namespaces."),
    EMPTY_SERVICES,
    U_SUB("endpoint", nomad_endpoint_schema, "The Nomad server."),
    U_TEXT("prefix", "traefik", "Prefix of the tags."),
    U_FLAG("stale", "Stale answers will do."),
    U_TIME("refreshInterval", "15s", "Time between two readings."),
    U_FLAG("watch", "Take changes as they come."),
    U_TIME("throttleDuration", NULL, "Least time between two readings."),
};
static const struct schema nomad_schema = SCHEMA(struct unserved, "nomad", nomad_fields);

static const struct schema_field ecs_fields[] = {
    EXPOSED,
    CONSTRAINTS,
    DEFAULT_RULE,
    U_TIME("refreshSeconds", "15s", "Time between two readings."),
    U_LIST("clusters", "Clusters that are read; the one named default when empty."),
    U_FLAG("autoDiscoverClusters", "Read all clusters."),
    U_FLAG("healthyTasksOnly", "Only healthy tasks get requests."),
    U_FLAG("ecsAnywhere", "Read ECS Anywhere too."),
    U_TEXT("region", NULL, "AWS region."),
    U_SECRET("accessKeyID", "AWS access key."),
    U_SECRET("secretAccessKey", "AWS secret key."),
};
static const struct schema ecs_schema = SCHEMA(struct unserved, "ecs", ecs_fields);

/* ---- key-value stores ---- */

#define ROOT_KEY U_TEXT("rootKey", "traefik", "Key under which the configuration stands.")
#define ENDPOINTS(default_) U_LIST("endpoints", "Addresses of the store; " default_ " when empty.")
#define LOGIN                                                                                                \
    U_TEXT("username", NULL, "Name to log in with."), U_SECRET("password", "Password to log in with.")

static const struct schema_field consul_fields[] = {
    ROOT_KEY,
    ENDPOINTS("127.0.0.1:8500"),
    TLS,
    NAMESPACES,
    U_SECRET("token", "Access token."),
    U_ROW("namespace", STRING, text, .flags = SCHEMA_DEPRECATED,
          .text = "Gone since Traefik 3; write namespaces."),
};
static const struct schema consul_schema = SCHEMA(struct unserved, "consul", consul_fields);

static const struct schema_field etcd_fields[] = {ROOT_KEY, ENDPOINTS("127.0.0.1:2379"), TLS, LOGIN};
static const struct schema etcd_schema = SCHEMA(struct unserved, "etcd", etcd_fields);

static const struct schema_field zookeeper_fields[] = {ROOT_KEY, ENDPOINTS("127.0.0.1:2181"), LOGIN};
static const struct schema zookeeper_schema = SCHEMA(struct unserved, "zooKeeper", zookeeper_fields);

static const struct schema_field sentinel_fields[] = {
    U_TEXT("masterName", NULL, "Name of the set."),
    LOGIN,
    U_FLAG("latencyStrategy", "Ask the nearest server."),
    U_FLAG("randomStrategy", "Ask any server."),
    U_FLAG("replicaStrategy", "Ask replicas."),
    U_FLAG("useDisconnectedReplicas", "Ask replicas that lost their master too."),
};
static const struct schema sentinel_schema = SCHEMA(struct unserved, "sentinel", sentinel_fields);

static const struct schema_field redis_fields[] = {
    ROOT_KEY,
    ENDPOINTS("127.0.0.1:6379"),
    TLS,
    LOGIN,
    U_NUMBER("db", NULL, "Number of the database."),
    U_SUB("sentinel", sentinel_schema, "Redis Sentinel."),
};
static const struct schema redis_schema = SCHEMA(struct unserved, "redis", redis_fields);

static const struct schema_field http_fields[] = {
    U_TEXT("endpoint", NULL, "URL that answers the configuration."),
    U_TIME("pollInterval", "5s", "Time between two readings."),
    U_TIME("pollTimeout", "5s", "How long an answer may take."),
    U_SECRETS("headers", "Headers of the request."),
    TLS,
    U_NUMBER("maxResponseBodySize", "-1", "Largest answer; -1 for no bound."),
};
static const struct schema http_schema_ = SCHEMA(struct unserved, "http", http_fields);

/* ---- all ---- */

#define P struct providers
#define LATER (SCHEMA_ALLOW_EMPTY | SCHEMA_NOT_SERVED)
#define PROVIDER(label, member, schema_, what)                                                               \
    ROW(label, OPTIONAL, P, member, .flags = LATER, .sub = &(schema_), .text = what)
#define GONE(label)                                                                                          \
    ROW(label, DOC, P, removed, .flags = SCHEMA_DEPRECATED,                                                  \
        .text = "This provider is gone since Traefik 3: without effect, remove it.")

static const struct schema_field providers_fields[] = {
    ROW("providersThrottleDuration", DURATION, P, throttle_duration, .fallback = "2s",
        .text = "Least time between two changes taken over; the first is taken at once."),
    ROW("precedence", STRINGS, P, precedence,
        .text = "Which provider's router wins between equal priorities; Traefik's order when empty."),
    ROW("file", OPTIONAL, P, file, .sub = &file_schema,
        .text = "Files with routers, services and middlewares."),
    ROW("kubernetesCRD", OPTIONAL, P, kubernetes_crd, .flags = SCHEMA_ALLOW_EMPTY, .sub = &crd_schema,
        .text = "Custom resources of Kubernetes."),
    ROW("kubernetesIngress", OPTIONAL, P, kubernetes_ingress, .flags = SCHEMA_ALLOW_EMPTY,
        .sub = &ingress_schema, .text = "Ingresses of Kubernetes."),
    PROVIDER("kubernetesIngressNGINX", kubernetes_ingress_nginx, nginx_schema,
             "Ingresses of Kubernetes with the annotations of ingress-nginx."),
    PROVIDER("kubernetesGateway", kubernetes_gateway, gateway_schema, "Gateway API of Kubernetes."),
    PROVIDER("knative", knative, knative_schema, "Knative."),
    PROVIDER("docker", docker, docker_schema, "Docker."),
    PROVIDER("swarm", swarm, swarm_schema, "Docker Swarm."),
    PROVIDER("rest", rest, rest_schema, "Configurations sent with PUT."),
    PROVIDER("consulCatalog", consul_catalog, consul_catalog_schema, "Consul's catalogue of services."),
    PROVIDER("nomad", nomad, nomad_schema, "Nomad."),
    PROVIDER("ecs", ecs, ecs_schema, "AWS ECS."),
    PROVIDER("consul", consul, consul_schema, "Consul's key-value store."),
    PROVIDER("etcd", etcd, etcd_schema, "etcd."),
    PROVIDER("zooKeeper", zookeeper, zookeeper_schema, "ZooKeeper."),
    PROVIDER("redis", redis, redis_schema, "Redis."),
    PROVIDER("http", http, http_schema_, "A configuration fetched over HTTP."),
    ROW("plugin", DOC, P, plugin, .flags = SCHEMA_NOT_SERVED | SCHEMA_SECRET,
        .text = "Providers that are plugins."),
    GONE("marathon"),
    GONE("rancher"),
};
const struct schema providers_schema = SCHEMA(struct providers, "providers", providers_fields);
