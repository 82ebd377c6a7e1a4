/*
 * health.c - options of health checks that are not taken as they are: warnings on the service.
 */
#include "master/resolve/resolver.h"

static void note_time(struct resolver *resolver, struct http_service *service, const char *option,
                      int64_t time, const char *instead)
{
    if (time <= 0) {
        element_error(resolver->model, &service->element, false,
                      "healthCheck.%s is not greater than zero: %s is taken instead", option, instead);
    }
}

void health_note(struct resolver *resolver, struct http_service *service, const struct health_check *options)
{
    note_time(resolver, service, "interval", options->interval, "30s");
    note_time(resolver, service, "timeout", options->timeout, "5s");
    if (options->unhealthy_interval < 0) {
        note_time(resolver, service, "unhealthyInterval", options->unhealthy_interval, "30s");
    }
    if (slice_eq(options->mode, SLICE("grpc")) && slice_eq_nocase(options->scheme, SLICE("https"))) {
        element_error(resolver->model, &service->element, false,
                      "healthCheck.mode grpc over TLS is not yet served by this build: its servers are not "
                      "asked and count as up");
    }
}
