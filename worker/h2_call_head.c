/*
 * h2_call_head.c - heads on an HTTP/2 connection to a server: of the request, of the response. See h2_upstream.h.
 */
#include "common/base/log.h"
#include "worker/codec.h"
#include "worker/h2_upstream.h"
#include "worker/head_write.h"
#include "worker/worker.h"

#define OWN_FIELDS 6 /* four pseudo fields, content-length, te */
#define INTERIM_MAX 16

/* ---- request ---- */

static struct slice target_of(const struct upstream_exchange *ux)
{
    struct slice pieces[TARGET_PIECES];
    unsigned count = upstream_request_target(ux, pieces);
    size_t len = 0;
    char *to, *at;

    if (count == 1) {
        return pieces[0];
    }
    for (unsigned i = 0; i < count; i++) {
        len += pieces[i].len;
    }
    to = at = pool_alloc(ux->ex->pool, len + 1);
    for (unsigned i = 0; i < count; i++) {
        if (pieces[i].len) {
            memcpy(at, pieces[i].ptr, pieces[i].len);
        }
        at += pieces[i].len;
    }
    return slice_of(to, len);
}

/* gRPC asks for it, whatever the client was that a middleware speaks gRPC for. */
static bool is_grpc(const struct headers *headers)
{
    const struct header *type = headers_get(headers, HEADER_CONTENT_TYPE);

    return type && slice_has_prefix(type->value, SLICE("application/grpc"));
}

int h2_call_submit(struct h2_call *call, const nghttp2_data_provider *body)
{
    struct upstream_exchange *ux = call->ux;
    struct exchange *ex = ux->ex;
    const struct headers *headers = &ex->request.headers;
    char digits[20];
    uint64_t written = 0;
    size_t count = 0;
    int32_t id;

    upstream_request_settle(ex); /* may add one */

    nghttp2_nv *fields = pool_alloc(ex->pool, (headers->count + OWN_FIELDS) * sizeof(*fields));
    int64_t length = upstream_request_length(ex);

    fields[count++] = h2_pair(SLICE(":method"), ex->request.method);
    fields[count++] = h2_pair(SLICE(":scheme"), ux->pick.server->tls ? SLICE("https") : SLICE("http"));
    fields[count++] = h2_pair(SLICE(":authority"), upstream_request_host(ux));
    fields[count++] = h2_pair(SLICE(":path"), target_of(ux));
    count += h2_put_fields(fields + count, headers,
                           HEADER_BIT(HEADER_HOST) | HEADER_BIT(HEADER_CONTENT_LENGTH), &written);
    if (upstream_request_takes_trailers(ex) || is_grpc(headers)) {
        fields[count++] = h2_pair(SLICE("te"), SLICE("trailers"));
    }
    if (length >= 0) {
        fields[count++] =
            h2_pair(SLICE("content-length"), h2_number((uint64_t)length, digits, sizeof(digits)));
    }
    id = nghttp2_submit_request(call->server->engine, NULL, fields, count, body, call);
    if (id < 0) {
        return id;
    }
    call->id = id;
    return 0;
}

/* ---- response ---- */

static void fill_response(struct upstream_exchange *ux, const struct h2_head *head, bool end)
{
    struct exchange_response *response = &ux->ex->response;
    const struct header *length = headers_get(&head->headers, HEADER_CONTENT_LENGTH);
    bool bodiless =
        head->status == 204 || head->status == 304 || slice_eq(ux->ex->request.method, SLICE("HEAD"));
    uint64_t number;

    response->status = head->status;
    response->phrase = slice_of(NULL, 0);
    response->headers = head->headers;
    response->has_body = !bodiless && !end;
    response->content_length = length && slice_to_u64(length->value, &number) && number <= INT64_MAX
                                   ? (int64_t)number
                               : end && !bodiless ? 0
                                                  : -1;
}

/* Goes on at once; 100 lets the body come. False: the call is gone. */
static bool interim(struct h2_call *call, struct h2_head *head)
{
    struct upstream_exchange *ux = call->ux;
    struct exchange *ex = ux->ex;

    if (++call->interim > INTERIM_MAX || head->status == 101) {
        upstream_attempt_failed(ux, REASON_bad_response);
        return false;
    }
    ux->phase = RESPONSE_HEAD; /* the server has begun to answer: no retry */
    if (head->status != 100 || ex->request.expect_continue) {
        ux->message.status = head->status;
        ux->message.headers = head->headers;
        exchange_interim(ex, &ux->message);
    }
    if (ux->body_held && head->status == 100) {
        ux->body_held = false;
        exchange_want_body(ex);
    }
    upstream_arm(ux);
    return true;
}

bool h2_call_heads(struct h2_call *call)
{
    struct upstream_exchange *ux = call->ux;
    struct worker *worker = ux->ex->worker;

    while (call->heads) {
        struct h2_head *head = call->heads;

        call->heads = head->next;
        if (call->heads == NULL) {
            call->heads_tail = &call->heads;
        }
        if (ux->phase == RESPONSE_NOTHING) {
            pick_answered(worker, &ux->pick, worker->now_ns - ux->sent_ns);
        }
        if (head->status < 200) {
            if (!interim(call, head)) {
                return false;
            }
            continue;
        }
        ux->phase = RESPONSE_BODY;
        ux->body_held = false;
        upstream_arm(ux);
        fill_response(ux, head, call->end && call->in.len == 0 && call->answer_trailers.count == 0);
        ux->entered = true;
        (void)exchange_response_head(ux->ex); /* false: then ux was let go, too */
        if (!upstream_leave(worker, ux)) {
            return false;
        }
    }
    return true;
}
