/*
 * h2_connect.c - WebSocket over HTTP/2: extended CONNECT (RFC 8441) as the exchange knows it, a GET that asks for a switch of
 * protocol. See h2_client.h.
 *
 * When the server switches (101), the stream stays one of its connection: what follows goes on as bodies, both ways and without
 * framing, so windows of the client and buffers of the server hold each other back as with any body. The client's
 * END_STREAM is the end of what the server gets; the end of what the server sends ends the stream.
 */
#include <openssl/base64.h>
#include <openssl/rand.h>

#include "worker/h2_client.h"
#include "worker/worker.h"

#define NONCE_SIZE 16
#define KEY_SIZE 25 /* of it in base64, and the NUL that BoringSSL writes */

bool h2_connect_known(const struct h2_stream *stream)
{
    return slice_eq_nocase(stream->protocol, SLICE("websocket"));
}

void h2_connect_request(struct h2_stream *stream)
{
    struct exchange_request *request = &stream->ex.request;
    struct headers *headers = &request->headers;
    char *key = pool_alloc(stream->ex.pool, KEY_SIZE);
    uint8_t nonce[NONCE_SIZE];

    RAND_bytes(nonce, sizeof(nonce));
    EVP_EncodeBlock((uint8_t *)key, nonce, sizeof(nonce));
    headers_remove(headers, SLICE("Sec-WebSocket-Key")); /* that of HTTP/1, which HTTP/2 has no use for */
    headers_remove_id(headers, HEADER_CONTENT_LENGTH);
    headers_add(headers, SLICE("Sec-WebSocket-Key"), slice_of(key, KEY_SIZE - 1));
    headers_add_id(headers, HEADER_CONNECTION, SLICE("Upgrade"));
    headers_add_id(headers, HEADER_UPGRADE, SLICE("websocket"));
    request->method = SLICE("GET");
    request->upgrade = request->tunnel = true;
    request->has_body = request->expect_continue = false;
    request->content_length = 0;
    stream->body_given = stream->ex.request_done = false; /* it comes after the switch */
    stream->body_deadline = TIMER_NEVER;
}

uint16_t h2_connect_answer(struct h2_stream *stream)
{
    struct exchange *ex = &stream->ex;
    uint16_t status = ex->response.status;

    if (status == 101) {
        headers_remove(&ex->response.headers, SLICE("Sec-WebSocket-Accept"));
        stream->write_deadline = TIMER_NEVER;
        stream->tunnel = true;
        return 200;
    }
    if (status >= 200 && status < 300) { /* to the client it would mean that the server switched */
        ex->reason = REASON_bad_response;
        return 502;
    }
    return status;
}
