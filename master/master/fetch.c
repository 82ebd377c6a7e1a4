/*
 * fetch.c - see fetch.h.
 */
#include "master/master/fetch.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/pool.h"
#include "common/base/process.h"
#include "common/base/text.h"
#include "common/http/client.h"
#include "master/compile/url.h"

struct fetch {
    struct http_client *client;
    struct fetch_result result;
    struct text body;
    size_t most;
    int64_t since_ns, whole_ns;
    uint16_t status;
    bool done;
};

/* ---- the URL ---- */
/* Path and query, in the pool. */
static struct slice target_of(struct pool *pool, struct slice text, const struct server_url *url)
{
    const char *end = url->authority.ptr + url->authority.len;
    struct slice rest = slice_of(end, (size_t)(text.ptr + text.len - end));
    ptrdiff_t fragment = slice_find(rest, '#');

    rest = fragment < 0 ? rest : slice_head(rest, (size_t)fragment);
    return pool_printf(pool, "%s%.*s", rest.len && rest.ptr[0] == '/' ? "" : "/", SLICE_ARG(rest));
}

/* ---- the answer ---- */
int64_t fetch_max_age(struct slice value)
{
    int64_t age = -1;

    while (value.ptr) {
        struct slice item = slice_trim(slice_split(&value, ','));
        uint64_t number;

        if (slice_eq_nocase(item, SLICE("no-store")) || slice_eq_nocase(item, SLICE("no-cache"))) {
            return 0;
        }
        if (slice_eq_nocase(slice_head(item, 8), SLICE("max-age=")) &&
            slice_to_u64(slice_from(item, 8), &number)) {
            age = number > INT32_MAX ? INT32_MAX : (int64_t)number;
        }
    }
    return age;
}

static void on_head(void *context, const struct h1_message *message)
{
    struct fetch *fetch = context;
    const struct header *cache = headers_get(&message->headers, HEADER_CACHE_CONTROL);

    fetch->status = message->status;
    fetch->result.max_age_s = cache ? fetch_max_age(cache->value) : -1;
}

static void on_body(void *context, struct slice piece)
{
    struct fetch *fetch = context;

    if (fetch->body.len + piece.len > fetch->most) {
        fetch->result.rc =
            error_set(&fetch->result.why, -EMSGSIZE, "its answer is longer than %zu bytes", fetch->most);
    } else if (fetch->result.rc == 0) {
        text_add(&fetch->body, piece);
    }
}

/* The client is closed later: it is on the stack here. */
static void on_done(void *context, int rc, const struct error *why)
{
    struct fetch *fetch = context;
    struct fetch_result *result = &fetch->result;

    if (rc < 0) {
        result->rc = rc;
        result->why = *why;
    } else if (fetch->status / 100 != 2) {
        result->rc = error_set(&result->why, -EBADMSG, "it answers %u", fetch->status);
    }
    fetch->done = true;
}

static const struct http_handlers handlers = {.on_head = on_head, .on_body = on_body, .on_done = on_done};

/* ---- the call ---- */
static unsigned patience_ms(const struct fetch_request *asked)
{
    return asked->timeout_ns ? (unsigned)(asked->timeout_ns / 1000000) : FETCH_PATIENCE_MS;
}

static int client_for(struct uv_loop_s *loop, const struct fetch_request *asked, const struct server_url *url,
                      struct http_client **out, struct error *why)
{
    struct http_client_options options = {
        .host = url->host, .port = url->port, .connect_ms = patience_ms(asked), .idle_ms = FETCH_PATIENCE_MS};
    int rc = 0;

    if (slice_eq_nocase(url->scheme, SLICE("https"))) {
        rc = tls_context_client(&asked->tls, &options.tls, why);
    }
    if (rc == 0) {
        rc = http_client_new(loop, &options, out, why);
    }
    tls_context_unref(options.tls);
    return rc;
}

int fetch_new(struct uv_loop_s *loop, const struct fetch_request *asked, struct fetch **out,
              struct error *why)
{
    struct fetch *fetch;
    struct server_url url;
    int rc = server_url_to_ask(asked->url, &url, why);

    if (rc < 0) {
        return rc;
    }
    fetch = xcalloc(1, sizeof(*fetch));
    fetch->most = asked->most;
    fetch->since_ns = process_clock_ns();
    fetch->whole_ns = asked->timeout_ns ? asked->timeout_ns : FETCH_WHOLE_NS;
    fetch->result.max_age_s = -1;
    text_init(&fetch->body);
    rc = client_for(loop, asked, &url, &fetch->client, why);
    if (rc < 0) {
        fetch_free(fetch);
        return rc;
    }

    struct pool *pool = pool_new(1024, 0);
    struct http_request request = {
        .method = asked->method,
        .target = target_of(pool, asked->url, &url),
        .fields = pool_printf(pool, "User-Agent: weir/" WEIR_VERSION "\r\n%.*s", SLICE_ARG(asked->fields)),
        .body = asked->body,
        .head_ms = patience_ms(asked),
        .read_ms = patience_ms(asked)};

    (void)http_client_call(fetch->client, &request, &handlers, fetch);
    pool_free(pool);
    *out = fetch;
    return 0;
}

const struct fetch_result *fetch_result(struct fetch *fetch)
{
    struct fetch_result *result = &fetch->result;

    if (!fetch->done && result->rc == 0 && process_clock_ns() - fetch->since_ns > fetch->whole_ns) {
        result->rc = error_set(&result->why, -ETIMEDOUT, "its answer was not whole in time");
    }
    if (!fetch->done && result->rc == 0) {
        return NULL;
    }
    result->body = text_slice(&fetch->body);
    return result;
}

void fetch_free(struct fetch *fetch)
{
    if (fetch) {
        http_client_close(fetch->client);
        text_free(&fetch->body);
        free(fetch);
    }
}
