/*
 * errors.c - replaces answers of certain statuses by a page that a service gives (errors).
 *
 * The answer is dropped as soon as its status is known; the page comes by a request of our own (subrequest.h), with the status
 * of the answer or the one that statusRewrites says. The page is streamed. When its server fails the client gets that
 * answer's body with the status all the same, as with Traefik. While weir is short of memory or descriptors it asks for no
 * page. Test: tests/integration/test_middleware_errors.py
 */
#include "common/http/url.h"
#include "common/model/prepared.h"
#include "worker/exchange.h"
#include "worker/middleware.h"
#include "worker/subrequest.h"

struct page {
    uint16_t status;
};

static void on_head(struct subrequest *sub)
{
    const struct page *page = sub->context;

    subrequest_copy_head(sub);
    sub->feeds->response.status = page->status;
    sub->feeds->response.phrase = SLICE("");
    if (!sub->ex.response
             .has_body) { /* 204 and 304 may name a length; with that status it would be believed */
        sub->feeds->response.content_length = 0;
    }
    (void)exchange_response_resume(sub->feeds);
}

static const struct subrequest_hooks hooks = {.on_head = on_head};

/* `text` with each `name` in it replaced. */
static struct slice replace(struct pool *pool, struct slice text, struct slice name, struct slice value)
{
    ptrdiff_t at;
    struct slice done = SLICE("");

    while ((at = slice_find_slice(text, name)) >= 0) {
        done = pool_printf(pool, "%.*s%.*s%.*s", SLICE_ARG(done), SLICE_ARG(slice_head(text, (size_t)at)),
                           SLICE_ARG(value));
        text = slice_from(text, (size_t)at + name.len);
    }
    return done.len ? pool_printf(pool, "%.*s%.*s", SLICE_ARG(done), SLICE_ARG(text)) : text;
}

/* The query of the options as a target. */
static struct slice fill_in(struct exchange *ex, struct slice query, uint16_t status, uint16_t original)
{
    struct slice url = url_query_escape(ex->pool, exchange_url(ex));

    query = replace(ex->pool, query, SLICE("{status}"), pool_printf(ex->pool, "%u", status));
    query = replace(ex->pool, query, SLICE("{originalStatus}"), pool_printf(ex->pool, "%u", original));
    query = replace(ex->pool, query, SLICE("{url}"), url);
    return query.ptr[0] == '/' ? query : pool_printf(ex->pool, "/%.*s", SLICE_ARG(query));
}

/* As the client sent it: what was put behind X-Forwarded-For was for the server that gave the answer. */
static struct slice value_of(const struct exchange *ex, const struct header *item)
{
    struct slice value = item->value, client = ex->client_text;

    if (item->id != HEADER_X_FORWARDED_FOR || !ex->client_appended || ex->not_append_forwarded_for ||
        client.len == 0 || client.len > value.len ||
        !slice_eq(slice_from(value, value.len - client.len), client)) {
        return value;
    }
    value = slice_head(value, value.len - client.len);
    return value.len < 2 ? SLICE("") : slice_head(value, value.len - 2);
}

static void copy_headers(struct exchange *ex, const struct prepared_errors *p, struct headers *to)
{
    const struct headers *from = &ex->request.headers;
    const struct slice *names = exchange_items(ex, p->headers);

    for (size_t i = 0; i < from->count; i++) {
        const struct header *item = &from->items[i];
        bool wanted = p->all_headers;

        for (size_t k = 0; k < p->headers.count && !wanted; k++) {
            wanted = slice_eq_nocase(item->name, exchange_text(ex, names[k]));
        }
        if (wanted && !(item->flags & (HEADER_REMOVED | HEADER_HOP_BY_HOP)) &&
            item->id != HEADER_CONTENT_LENGTH) {
            struct slice value = value_of(ex, item);

            if (value.len || item->value.len == 0) {
                headers_add(to, item->name, value);
            }
        }
    }
}

/* A path as people write it, with blanks and letters of any kind, is asked for in its escaped form. */
static void set_target(struct subrequest *sub, struct slice target)
{
    struct exchange_request *request = &sub->ex.request;
    ptrdiff_t hash = slice_find(target, '#');
    struct slice escaped;
    struct url_path path;

    if (hash >= 0) {
        target = slice_head(target, (size_t)hash);
    }

    ptrdiff_t mark = slice_find(target, '?');

    request->raw_path = mark >= 0 ? slice_head(target, (size_t)mark) : target;
    if (url_path_parse(sub->ex.pool, request->raw_path, &path) == PATH_OK &&
        url_path_escaped(sub->ex.pool, &path, &escaped) == PATH_OK) {
        request->raw_path = escaped;
    }
    request->has_query = mark >= 0;
    if (mark >= 0) {
        request->query = slice_from(target, (size_t)mark + 1);
    }
}

static uint16_t rewritten(const struct exchange *ex, const struct prepared_errors *p, uint16_t status)
{
    struct slice rewrites = exchange_text(ex, p->rewrites);

    for (size_t i = 0; i + sizeof(struct status_rewrite) <= rewrites.len;
         i += sizeof(struct status_rewrite)) {
        const struct status_rewrite *rewrite = (const void *)(rewrites.ptr + i);

        if (status_range_holds(&rewrite->from, status)) {
            return (uint16_t)(rewrite->to[0] << 8 | rewrite->to[1]);
        }
    }
    return status;
}

static enum mw_verdict on_response(struct exchange *ex, const void *params)
{
    const struct prepared_errors *p = params;
    uint16_t original = ex->response.status;

    if (!status_ranges_hold(exchange_text(ex, p->statuses), original) || original == 101 ||
        (ex->answered && ex->reason == REASON_limit)) {
        return MW_PASS;
    }

    struct page *page = pool_alloc(ex->pool, sizeof(*page));
    struct slice query = exchange_text(ex, p->query);
    struct subrequest *sub = subrequest_new(ex, &hooks, page);

    page->status = rewritten(ex, p, original);
    sub->ex.request.method = SLICE("GET");
    sub->ex.request.host = ex->request.host;
    if (query.len) {
        query = fill_in(ex, query, page->status, original);
    }
    set_target(sub, query);
    copy_headers(ex, p, &sub->ex.request.headers);
    exchange_discard_response(ex);
    subrequest_feed(sub, ex);
    subrequest_start(sub, exchange_asked_service(ex, 0));
    return MW_SUSPENDED;
}

const struct middleware_type mw_errors = {.name = "errors", .on_response = on_response};
