/*
 * probe_http.c - a probe by HTTP: the status of the answer tells. Its body is not waited for.
 *
 * A connection of its own each time: that the server takes connections is part of the question.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/pool.h"
#include "common/base/text.h"
#include "common/http/client.h"
#include "common/http/headers.h"
#include "common/http/url.h"
#include "master/compile/url.h"
#include "master/health/probe.h"

#define REDIRECTS_MOST 10 /* as Go's client */

struct http_probe {
    struct probe probe; /* first */
    uv_loop_t *loop;
    const struct probe_options *options;
    struct pool *pool;
    struct slice url;    /* asked now */
    struct slice method; /* a redirection may change it */
    struct slice hostname;
    bool elsewhere; /* a redirection led to another server: what is secret stays here */
    struct http_client *client;
    uv_timer_t timer; /* the start, then the deadline */
    unsigned redirects;
};

static void on_closed(uv_handle_t *handle)
{
    struct http_probe *probe = handle->data;

    pool_free(probe->pool);
    free(probe);
}

static void stop(struct probe *base)
{
    struct http_probe *probe = (struct http_probe *)base;

    http_client_close(probe->client);
    probe->client = NULL;
    uv_close((uv_handle_t *)&probe->timer, on_closed);
}

static void fail(struct http_probe *probe, int rc, const char *words, const char *detail)
{
    struct error why;

    (void)error_set(&why, rc, "checking HTTP health: %s%s", words, detail);
    probe_finish(&probe->probe, &why);
}

/* ---- the request ---- */

/* Lines of the header; false when one cannot be sent. */
static bool fields_make(const struct http_probe *probe, struct text *out)
{
    const struct probe_options *options = probe->options;
    bool agent = false;

    for (size_t i = 0; i < options->header_count; i++) {
        const struct string_pair *pair = &options->headers[i];

        if (!header_name_valid(pair->key) || !header_value_valid(pair->value)) {
            return false;
        }
        switch (header_id(pair->key)) {
        case HEADER_HOST: /* hostname says it */
        case HEADER_CONTENT_LENGTH:
        case HEADER_TRANSFER_ENCODING:
        case HEADER_CONNECTION:
            continue;
        case HEADER_AUTHORIZATION:
        case HEADER_COOKIE:
            if (probe->elsewhere) {
                continue;
            }
            break;
        case HEADER_USER_AGENT:
            agent = true;
            break;
        default:
            break;
        }
        text_printf(out, "%.*s: %.*s\r\n", SLICE_ARG(pair->key), SLICE_ARG(pair->value));
    }
    if (!agent) {
        text_add_cstr(out, "User-Agent: weir\r\n");
    }
    text_add_cstr(out, "Connection: close\r\n");
    return true;
}

/* "/path?query" of a whole URL. */
static struct slice target_of(struct pool *pool, struct slice url)
{
    ptrdiff_t at = slice_find_slice(url, SLICE("://")), hash, mark;
    struct slice rest = slice_from(url, (size_t)at + 3);
    size_t i = 0;

    while (i < rest.len && rest.ptr[i] != '/' && rest.ptr[i] != '?' && rest.ptr[i] != '#') {
        i++;
    }
    rest = slice_from(rest, i);
    hash = slice_find(rest, '#');
    rest = hash < 0 ? rest : slice_head(rest, (size_t)hash);
    rest = rest.len && rest.ptr[0] == '/' ? rest : pool_printf(pool, "/%.*s", SLICE_ARG(rest));
    mark = slice_find(rest, '?');

    struct slice path = server_url_sent_path(pool, mark < 0 ? rest : slice_head(rest, (size_t)mark));

    return mark < 0
               ? path
               : pool_printf(pool, "%.*s%.*s", SLICE_ARG(path), SLICE_ARG(slice_from(rest, (size_t)mark)));
}

static void on_head(void *context, const struct h1_message *message);

static void on_done(void *context, int rc, const struct error *why)
{
    if (rc < 0) { /* else on_head() was there before */
        fail(context, rc, "HTTP request failed: ", why->text);
    }
}

/* False, with words. */
static bool connect_to(struct http_probe *probe, const struct server_url *url, struct error *why)
{
    const struct probe_options *options = probe->options;
    struct http_client_options to = {.host = url->host,
                                     .port = url->port,
                                     .server_name = options->server_name,
                                     .connect_ms = options->timeout_ms,
                                     .idle_ms = 1};
    int rc;

    if (slice_eq_nocase(url->scheme, SLICE("https"))) {
        if (tls_context_client(&options->tls, &to.tls, why) < 0) {
            return false;
        }
    } else if (!slice_eq_nocase(url->scheme, SLICE("http"))) {
        (void)error_set(why, -EINVAL, "unsupported protocol scheme \"%.*s\"", SLICE_ARG(url->scheme));
        return false;
    }
    rc = http_client_new(probe->loop, &to, &probe->client, why);
    tls_context_unref(to.tls);
    return rc == 0;
}

static void ask(struct http_probe *probe)
{
    static const struct http_handlers handlers = {.on_head = on_head, .on_done = on_done};
    const struct probe_options *options = probe->options;
    struct http_request request = {
        .method = probe->method,
        .host = probe->hostname,
        .head_ms = options->timeout_ms,
        .read_ms = options->timeout_ms,
    };
    struct server_url url;
    struct error why;
    struct text fields;

    if (server_url_parse(probe->url, &url, &why) < 0 || !connect_to(probe, &url, &why)) {
        fail(probe, -EINVAL, "HTTP request failed: ", why.text);
        return;
    }
    text_init(&fields);
    if (!fields_make(probe, &fields)) {
        text_free(&fields);
        fail(probe, -EINVAL, "HTTP request failed: ", "a header of the check cannot be sent");
        return;
    }
    request.fields = text_slice(&fields);
    request.target = target_of(probe->pool, probe->url);
    (void)http_client_call(probe->client, &request, &handlers, probe);
    text_free(&fields);
}

/* ---- the answer ---- */

static bool is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_absolute(struct slice path)
{
    return slice_has_prefix(path, SLICE("//")) || slice_find_slice(path, SLICE("://")) >= 0;
}

/* False when it leads nowhere: then the status counts. */
static bool redirected(struct http_probe *probe, const struct h1_message *message)
{
    const struct header *location = headers_get(&message->headers, HEADER_LOCATION);
    struct server_url url;
    struct error why;
    struct slice next;

    if (location == NULL || location->value.len == 0 || server_url_parse(probe->url, &url, &why) < 0 ||
        url_resolve(probe->pool, url.scheme, url.authority, url.path.len ? url.path : SLICE("/"),
                    location->value, &next) != PATH_OK) {
        return false;
    }
    /* the message goes with the client: what is needed of it comes first */
    bool absolute = is_absolute(location->value), get = message->status < 304;

    http_client_close(probe->client);
    probe->client = NULL;
    if (++probe->redirects >= REDIRECTS_MOST) {
        fail(probe, -ELOOP, "HTTP request failed: ", "stopped after 10 redirects");
        return true;
    }
    if (get && !slice_eq(probe->method, SLICE("HEAD"))) {
        probe->method = SLICE("GET");
    }
    if (absolute) {
        struct server_url there;

        probe->hostname = SLICE("");
        probe->elsewhere = probe->elsewhere || server_url_parse(next, &there, &why) < 0 ||
                           !slice_eq_nocase(there.authority, url.authority);
    }
    probe->url = next;
    ask(probe);
    return true;
}

static void on_head(void *context, const struct h1_message *message)
{
    struct http_probe *probe = context;
    int64_t status = message->status, wanted = probe->options->status;
    char words[96];

    if (probe->options->follow_redirects && is_redirect(message->status) && redirected(probe, message)) {
        return;
    }
    if (wanted == 0 ? status >= 200 && status < 400 : status == wanted) {
        probe_finish(&probe->probe, NULL);
        return;
    }
    if (wanted) {
        (void)snprintf(words, sizeof(words), "%lld expected status code: %lld", (long long)status,
                       (long long)wanted);
    } else {
        (void)snprintf(words, sizeof(words), "%lld", (long long)status);
    }
    fail(probe, -EBADMSG, "received error status code: ", words);
}

/* ---- where to ----- */

static bool first_url(struct http_probe *probe)
{
    const struct probe_options *options = probe->options;
    struct server_url url;
    struct error why;
    struct slice joined, scheme, rest, base;
    bool v6;

    if (server_url_parse(options->url, &url, &why) < 0) {
        fail(probe, -EINVAL, "create HTTP request: ", why.text);
        return false;
    }
    base = url.path.len ? url.path : SLICE("/");
    if (is_absolute(options->path)) {
        fail(probe, -EINVAL, "create HTTP request: ", "health check path must be a relative URL");
        return false;
    }
    if (url_resolve(probe->pool, SLICE("http"), SLICE("a"), base, options->path.len ? options->path : base,
                    &joined) != PATH_OK) {
        fail(probe, -EINVAL, "create HTTP request: ", "the path is malformed");
        return false;
    }
    rest = target_of(probe->pool, joined);
    scheme = options->scheme.len ? options->scheme : url.scheme;
    v6 = slice_find(url.host, ':') >= 0;
    probe->url = options->port
                     ? pool_printf(probe->pool, "%.*s://%s%.*s%s:%u%.*s", SLICE_ARG(scheme), v6 ? "[" : "",
                                   SLICE_ARG(url.host), v6 ? "]" : "", options->port, SLICE_ARG(rest))
                     : pool_printf(probe->pool, "%.*s://%.*s%.*s", SLICE_ARG(scheme),
                                   SLICE_ARG(url.authority), SLICE_ARG(rest));
    return true;
}

static void on_deadline(uv_timer_t *timer)
{
    struct http_probe *probe = timer->data;
    char words[64];

    (void)snprintf(words, sizeof(words), "no answer within %u ms", probe->options->timeout_ms);
    fail(probe, -ETIMEDOUT, "HTTP request failed: ", words);
}

static void on_start(uv_timer_t *timer)
{
    struct http_probe *probe = timer->data;

    (void)uv_timer_start(timer, on_deadline, probe->options->timeout_ms, 0);
    if (first_url(probe)) {
        ask(probe);
    }
}

struct probe *probe_http_start(uv_loop_t *loop, const struct probe_options *options, probe_done *done,
                               void *context)
{
    struct http_probe *probe = xcalloc(1, sizeof(*probe));

    probe->probe = (struct probe){.stop = stop, .done = done, .context = context};
    probe->loop = loop;
    probe->options = options;
    probe->hostname = options->hostname;
    probe->method = options->method.len ? options->method : SLICE("GET");
    probe->pool = pool_new(1024, 0);
    (void)uv_timer_init(loop, &probe->timer);
    probe->timer.data = probe;
    (void)uv_timer_start(&probe->timer, on_start, 0, 0);
    return &probe->probe;
}
