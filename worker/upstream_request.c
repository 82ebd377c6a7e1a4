/*
 * upstream_request.c - what of a request on its way to a server is the same for HTTP/1 and 2. See upstream_inner.h.
 */
#include "worker/forwarded.h"
#include "worker/upstream_inner.h"

/* One User-Agent, and none that is empty: as Go sends them. */
static void settle_user_agent(struct headers *headers)
{
    bool first = true;

    if (!(headers->ids & HEADER_BIT(HEADER_USER_AGENT))) {
        return;
    }
    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (item->id == HEADER_USER_AGENT && !(item->flags & HEADER_REMOVED)) {
            if (!first || item->value.len == 0) {
                item->flags |= HEADER_REMOVED;
            }
            first = false;
        }
    }
}

void upstream_request_settle(struct exchange *ex)
{
    if (!ex->client_appended) {
        ex->client_appended = true;
        forwarded_append_client(ex);
    }
    settle_user_agent(
        &ex->request.headers); /* also of what weir asks by itself, which has a client's fields */
}

struct slice upstream_request_host(const struct upstream_exchange *ux)
{
    if (ux->pick.service->pass_host_header && ux->ex->request.host.len) {
        return ux->ex->request.host;
    }
    return page_text(ux->pick.page, ux->pick.server->host);
}

unsigned upstream_request_target(const struct upstream_exchange *ux, struct slice pieces[TARGET_PIECES])
{
    const struct exchange_request *request = &ux->ex->request;
    struct slice path = request->raw_path.len ? request->raw_path : SLICE("/");
    unsigned count = 0;

    if (ux->pick.server->preserve_path) {
        struct slice base = page_text(ux->pick.page, ux->pick.server->path);

        if (base.len && base.ptr[base.len - 1] == '/') {
            base.len--;
        }
        pieces[count++] = base;
        if (path.ptr[0] != '/') {
            pieces[count++] = SLICE("/");
        }
    }
    pieces[count++] = path;
    if (request->has_query) {
        pieces[count++] = SLICE("?");
        pieces[count++] = request->query;
    }
    return count;
}

static bool announces_empty_body(struct slice method)
{
    return slice_eq(method, SLICE("POST")) || slice_eq(method, SLICE("PUT")) ||
           slice_eq(method, SLICE("PATCH"));
}

int64_t upstream_request_length(const struct exchange *ex)
{
    if (ex->request.has_body) {
        return ex->request.content_length;
    }
    return announces_empty_body(ex->request.method) ? 0 : -1;
}

bool upstream_request_takes_trailers(const struct exchange *ex)
{
    const struct headers *headers = &ex->request.headers;
    const struct header *te = headers_get(headers, HEADER_TE);
    const struct header *connection = headers_get(headers, HEADER_CONNECTION);

    return te && header_list_has(te->value, SLICE("trailers")) &&
           !(connection && header_list_has(connection->value, SLICE("te")));
}
