/*
 * answer.c - answers that weir makes itself, and the small services that middlewares use. See exchange.h.
 */
#include "common/base/log.h"
#include "common/http/h1.h"
#include "common/http/path.h"
#include "worker/exchange_inner.h"
#include "worker/middleware.h"

static int answered(struct exchange *ex, uint16_t status, enum reason reason, struct slice body)
{
    ex->answered = true;
    ex->reason = reason;
    ex->response.status = status;
    ex->response.phrase = SLICE("");
    ex->response.own_body = body;
    return MW_ANSWERED;
}

int exchange_answer_plain(struct exchange *ex, uint16_t status, enum reason reason, struct slice body)
{
    return answered(ex, status, reason, body);
}

int exchange_answer_body(struct exchange *ex, uint16_t status, enum reason reason, struct slice content_type,
                         struct slice body)
{
    if (content_type.len) {
        headers_set_id(&ex->response.headers, HEADER_CONTENT_TYPE, content_type);
        headers_set(&ex->response.headers, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
    }
    return answered(ex, status, reason, body);
}

bool exchange_is_final(const struct exchange *ex)
{
    return ex->answered && reason_is_final(ex->reason);
}

/* Go's http.Error with the status text and a line feed. */
int exchange_answer(struct exchange *ex, uint16_t status, enum reason reason)
{
    struct slice body = pool_printf(ex->pool, "%s\n", http_status_text(status));

    return exchange_answer_body(ex, status, reason, SLICE("text/plain; charset=utf-8"), body);
}

int exchange_answer_close(struct exchange *ex, uint16_t status, enum reason reason)
{
    headers_set_id(&ex->response.headers, HEADER_CONTENT_TYPE, SLICE("text/plain; charset=utf-8"));
    ex->close = true;
    return answered(ex, status, reason, pool_printf(ex->pool, "%u %s", status, http_status_text(status)));
}

int exchange_redirect(struct exchange *ex, uint16_t status, struct slice location)
{
    headers_set_id(&ex->response.headers, HEADER_LOCATION, location);
    return answered(ex, status, REASON_redirect, slice_cstr(http_status_text(status)));
}

void exchange_set_user(struct exchange *ex, struct slice name)
{
    ex->user = name;
    log_debug("%s: the user is %.*s", ex->doing, SLICE_ARG(slice_head(name, 256)));
}

struct slice exchange_scheme(const struct exchange *ex)
{
    return ex->request.tls ? SLICE("https") : SLICE("http");
}

struct slice exchange_url(const struct exchange *ex)
{
    const struct exchange_request *request = &ex->request;

    return pool_printf(ex->pool, "%.*s://%.*s%.*s%s%.*s", SLICE_ARG(exchange_scheme(ex)),
                       SLICE_ARG(request->host), SLICE_ARG(request->raw_path), request->has_query ? "?" : "",
                       SLICE_ARG(request->query));
}

void exchange_set_path(struct exchange *ex, struct slice raw, struct slice path)
{
    ex->request.raw_path = raw;
    ex->request.path = path;
    ex->request.bad_path = !target_valid(raw);
}

void exchange_set_host(struct exchange *ex, struct slice host)
{
    ex->request.host = host;
    ex->request.bad_host = !target_valid(host);
}

/* ---- parameters in the arena ---- */

struct slice exchange_text(const struct exchange *ex, struct slice stored)
{
    return page_text(ex->generation->pages[PAGE_MIDDLEWARES], stored);
}

const void *exchange_items(const struct exchange *ex, struct list stored)
{
    return page_at(ex->generation->pages[PAGE_MIDDLEWARES], stored.items);
}

const struct regex *exchange_regex(const struct exchange *ex, const struct regex_text *stored)
{
    return page_regex(ex->generation->pages[PAGE_MIDDLEWARES], stored);
}
