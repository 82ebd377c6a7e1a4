/*
 * health.c - options of health checks that are not taken as they are: warnings on the service.
 */
#include "master/resolve/resolver.h"

static void note_time(struct resolver *resolver, struct element *service, const char *option, int64_t time,
                      const char *instead)
{
    if (time <= 0) {
        element_error(resolver->model, service, false,
                      "healthCheck.%s is not greater than zero: %s is taken instead", option, instead);
    }
}

static void note_times(struct resolver *resolver, struct element *service, int64_t interval, int64_t timeout,
                       int64_t unhealthy_interval)
{
    note_time(resolver, service, "interval", interval, "30s");
    note_time(resolver, service, "timeout", timeout, "5s");
    if (unhealthy_interval < 0) {
        note_time(resolver, service, "unhealthyInterval", unhealthy_interval, "30s");
    }
}

void health_note(struct resolver *resolver, struct http_service *service, const struct health_check *options)
{
    note_times(resolver, &service->element, options->interval, options->timeout, options->unhealthy_interval);
}

void health_note_tcp(struct resolver *resolver, struct element *service,
                     const struct tcp_health_check *options)
{
    note_times(resolver, service, options->interval, options->timeout, options->unhealthy_interval);
    if (options->send.len > TCP_HEALTH_TEXT_MOST) {
        element_error(resolver->model, service, false,
                      "healthCheck.send is longer than %u bytes: nothing is sent", TCP_HEALTH_TEXT_MOST);
    }
    if (options->expect.len > TCP_HEALTH_TEXT_MOST) {
        element_error(resolver->model, service, false,
                      "healthCheck.expect is longer than %u bytes: nothing is expected",
                      TCP_HEALTH_TEXT_MOST);
    }
}
