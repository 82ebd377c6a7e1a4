/*
 * ip_allow_list.c - lets only addresses of the given ranges pass (ipAllowList, and ipWhiteList as it was called before).
 *
 * Who sends no address where one is looked for does not pass. Test: tests/unit/test_middleware_ip_lists.c
 */
#include "common/http/h1.h"
#include "common/net/ranges.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/source.h"

static enum mw_verdict on_request(struct exchange *ex, const void *params)
{
    const struct prepared_ip_list *p = params;
    struct address address;
    struct slice text;

    source_address(ex, &p->client, &address, &text);
    if (ranges_hold(exchange_text(ex, p->allowed), &address)) {
        return MW_PASS;
    }

    uint16_t status = (uint16_t)p->reject_status;

    return exchange_answer_plain(ex, status, REASON_ip_denied, slice_cstr(http_status_text(status)));
}

const struct middleware_type mw_ip_allow_list = {.name = "ipAllowList", .on_request = on_request};
const struct middleware_type mw_ip_white_list = {.name = "ipWhiteList", .on_request = on_request};
