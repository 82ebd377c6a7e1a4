/*
 * api.c - one API server to ask; contract in api.h.
 */
#include "master/kube/api.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/doc/doc.h"

#define CONNECT_MS 10000
#define HEAD_MS 30000
#define IDLE_MS 30000

struct kube_api {
    struct kube_access *access;
    struct http_client *client;
    bool renew, away, refused;
    pthread_mutex_t mutex;
    struct error last;
};

int kube_api_new(struct uv_loop_s *loop, struct kube_access *access, struct kube_api **out, struct error *why)
{
    struct http_client_options options = {
        .host = access->host,
        .port = access->port,
        .server_name = access->tls_name,
        .connect_ms = CONNECT_MS,
        .idle_ms = IDLE_MS,
    };
    struct kube_api *api = xcalloc(1, sizeof(*api));
    int rc = kube_access_tls(access, &options.tls, why);

    api->access = access;
    (void)pthread_mutex_init(&api->mutex, NULL);
    if (rc == 0) {
        rc = http_client_new(loop, &options, &api->client, why);
        tls_context_unref(options.tls);
    }
    if (rc < 0) {
        error_prefix(why, "%.*s", SLICE_ARG(access->origin));
        kube_api_close(api);
        return rc;
    }
    *out = api;
    return 0;
}

void kube_api_close(struct kube_api *api)
{
    if (api) {
        http_client_close(api->client);
        kube_access_free(api->access);
        (void)pthread_mutex_destroy(&api->mutex);
        free(api);
    }
}

/* Certificates may have been rotated on disk. */
static int renew(struct kube_api *api, struct error *why)
{
    struct tls_context *tls;
    int rc = kube_access_tls(api->access, &tls, why);

    if (rc == 0) {
        http_client_set_tls(api->client, tls);
        tls_context_unref(tls);
        api->renew = false;
    }
    return rc;
}

int kube_api_send(struct kube_api *api, const struct kube_request *request,
                  const struct http_handlers *handlers, void *context, struct http_call **out,
                  struct error *why)
{
    struct text fields, whole;
    int rc = api->renew ? renew(api, why) : 0;

    text_init(&fields);
    text_init(&whole);
    text_add_cstr(&fields, "User-Agent: weir/" WEIR_VERSION "\r\nAccept: application/json\r\n");
    if (request->content_type.len) {
        text_printf(&fields, "Content-Type: %.*s\r\n", SLICE_ARG(request->content_type));
    }
    if (rc == 0) {
        rc = kube_access_fields(api->access, &fields, why);
    }
    if (rc == 0) {
        text_add(&whole, api->access->prefix);
        text_add(&whole, request->target);

        const struct http_request sent = {.method = request->method,
                                          .target = text_slice(&whole),
                                          .fields = text_slice(&fields),
                                          .body = request->body,
                                          .head_ms = HEAD_MS,
                                          .read_ms = request->read_ms};

        *out = http_client_call(api->client, &sent, handlers, context);
    }
    explicit_bzero(fields.ptr, fields.len);
    text_free(&fields);
    text_free(&whole);
    return rc;
}

int kube_api_get(struct kube_api *api, struct slice target, unsigned read_ms,
                 const struct http_handlers *handlers, void *context, struct http_call **out,
                 struct error *why)
{
    const struct kube_request request = {.method = SLICE("GET"), .target = target, .read_ms = read_ms};

    return kube_api_send(api, &request, handlers, context, out, why);
}

void kube_problem_words(struct slice body, char *out, size_t size)
{
    struct pool *pool = pool_new(1024, 0);
    struct slice words = slice_trim(body);
    struct doc *status = NULL;

    if (words.len && doc_read_json(pool, SLICE("answer"), words, &status, NULL) == 0) {
        words = doc_text(doc_get(status, "message"), SLICE(""));
    }
    (void)snprintf(out, size, "%.*s", SLICE_ARG(slice_head(words, size - 1)));
    for (char *at = out; *at; at++) {
        if ((unsigned char)*at < 0x20) {
            *at = ' ';
        }
    }
    pool_free(pool);
}

/* said: of this sort already. */
static void failed(struct kube_api *api, const struct error *why, bool *said)
{
    api->renew = true;
    pthread_mutex_lock(&api->mutex);
    api->last = *why;
    pthread_mutex_unlock(&api->mutex);
    if (!*said) {
        log_warn("API server %.*s (%.*s): %s; what is known stays in force, it is asked again",
                 SLICE_ARG(api->access->host), SLICE_ARG(api->access->origin), why->text);
    }
    *said = api->away = true;
}

void kube_api_failed(struct kube_api *api, const struct error *why)
{
    failed(api, why, &api->away);
}

void kube_api_refused(struct kube_api *api, const struct error *why)
{
    failed(api, why, &api->refused);
}

void kube_api_worked(struct kube_api *api)
{
    if (api->away) {
        log_info("API server %.*s answers again", SLICE_ARG(api->access->host));
        api->away = api->refused = false;
        pthread_mutex_lock(&api->mutex);
        api->last.text[0] = '\0';
        pthread_mutex_unlock(&api->mutex);
    }
}

void kube_api_last(struct kube_api *api, struct error *out)
{
    pthread_mutex_lock(&api->mutex);
    *out = api->last;
    pthread_mutex_unlock(&api->mutex);
}
