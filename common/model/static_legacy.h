/*
 * static_legacy.h - options of Traefik 1 that are read and have no effect: each is named in a warning that says what to write
 * instead. What still has one stands in static.c, what is made of it in master/static/legacy.c.
 */
#ifndef WEIR_COMMON_MODEL_STATIC_LEGACY_H
#define WEIR_COMMON_MODEL_STATIC_LEGACY_H

/* OLD(name, what to write) */
#define TRAEFIK_1(OLD)                                                                                       \
    OLD("debug", "log.level=DEBUG.")                                                                         \
    OLD("traefikLog", "log.filePath and log.format.")                                                        \
    OLD("traefikLogsFile", "log.filePath.")                                                                  \
    OLD("accessLogsFile", "accessLog.filePath.")                                                             \
    OLD("web", "api, ping and metrics.")                                                                     \
    OLD("statistics", "metrics.prometheus.")                                                                 \
    OLD("graceTimeOut", "entryPoints.NAME.transport.lifeCycle.graceTimeOut.")                                \
    OLD("lifeCycle", "entryPoints.NAME.transport.lifeCycle.")                                                \
    OLD("respondingTimeouts", "entryPoints.NAME.transport.respondingTimeouts.")                              \
    OLD("idleTimeout", "entryPoints.NAME.transport.respondingTimeouts.idleTimeout.")                         \
    OLD("forwardingTimeouts", "serversTransport.forwardingTimeouts.")                                        \
    OLD("insecureSkipVerify", "serversTransport.insecureSkipVerify.")                                        \
    OLD("rootCAs", "serversTransport.rootCAs.")                                                              \
    OLD("maxIdleConnsPerHost", "serversTransport.maxIdleConnsPerHost.")                                      \
    OLD("providersThrottleDuration", "providers.providersThrottleDuration.")                                 \
    OLD("checkNewVersion", "global.checkNewVersion.")                                                        \
    OLD("sendAnonymousUsage", "global.sendAnonymousUsage.")                                                  \
    OLD("retry", "a retry middleware on the routers.")                                                       \
    OLD("constraints", "the constraints of each provider.")                                                  \
    OLD("keepTrailingSlash", "nothing: trailing slashes are always kept.")                                   \
    OLD("allowMinWeightZero", "nothing: a weight of 0 is always allowed.")                                   \
    OLD("acme", "certificatesResolvers.NAME.acme.")                                                          \
    OLD("docker", "providers.docker.")                                                                       \
    OLD("file", "providers.file.")                                                                           \
    OLD("rest", "providers.rest.")                                                                           \
    OLD("consul", "providers.consul.")                                                                       \
    OLD("consulCatalog", "providers.consulCatalog.")                                                         \
    OLD("etcd", "providers.etcd.")                                                                           \
    OLD("zookeeper", "providers.zooKeeper.")                                                                 \
    OLD("ecs", "providers.ecs.")                                                                             \
    OLD("boltdb", "another provider: there is none for boltdb any more.")                                    \
    OLD("marathon", "another provider: there is none for marathon any more.")                                \
    OLD("mesos", "another provider: there is none for mesos any more.")                                      \
    OLD("rancher", "another provider: there is none for rancher any more.")                                  \
    OLD("eureka", "another provider: there is none for eureka any more.")                                    \
    OLD("dynamodb", "another provider: there is none for dynamodb any more.")                                \
    OLD("servicefabric", "another provider: there is none for servicefabric any more.")                      \
    OLD("cluster", "nothing: there is no cluster mode any more.")                                            \
    OLD("frontends", "routers in a file of the file provider.")                                              \
    OLD("backends", "services in a file of the file provider.")

#endif
