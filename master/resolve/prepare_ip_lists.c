/*
 * prepare_ip_lists.c - ipAllowList and ipWhiteList: ranges become a set. An empty or unreadable list lets nobody in: its routers
 * are disabled.
 */
#include "common/http/h1.h"
#include "master/resolve/prepare.h"

static const void *ip_list(struct preparation *at, const char *type, const struct list *ranges,
                           const struct ip_strategy *strategy, int64_t status)
{
    struct prepared_ip_list *made = pool_zalloc(at->pool, sizeof(*made));

    if (ranges->count == 0) {
        return prepare_wrong(at, "sourceRange is empty, %s not created", type);
    }
    if (status != 0 && (status < 200 || status > 999 || http_status_text((uint16_t)status)[0] == '\0')) {
        return prepare_wrong(at, "invalid HTTP status code %lld", (long long)status);
    }
    if (!prepare_ranges(at, ranges, &made->allowed)) {
        return prepare_wrong(at, "cannot parse CIDRs: %.*s", SLICE_ARG(at->wrong));
    }
    if (!prepare_client(at, strategy, &made->client)) {
        return prepare_wrong(at, "ipStrategy.excludedIPs: %.*s", SLICE_ARG(at->wrong));
    }
    made->reject_status = status ? status : 403;
    return made;
}

const void *prepare_ip_white_list(struct preparation *at, const struct ip_white_list *options)
{
    return ip_list(at, "IPWhiteLister", &options->source_range, options->ip_strategy, 0);
}

const void *prepare_ip_allow_list(struct preparation *at, const struct ip_allow_list *options)
{
    return ip_list(at, "IPAllowLister", &options->source_range, options->ip_strategy,
                   options->reject_status_code);
}
