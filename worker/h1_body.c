/*
 * h1_body.c - see h1_body.h.
 */
#include "worker/h1_body.h"

#define TRAILERS_MAX (8 * 1024)
#define TRAILERS_FIRST 256

void h1_body_start(struct h1_body *body, const struct h1_message *message)
{
    body->framing = message->framing;
    body->done = message->framing == H1_NO_BODY;
    body->left = message->content_length;
    body->trailers = slice_of(NULL, 0);
    body->trailers_room = 0;
    h1_chunked_init(&body->chunked);
}

/* The room doubles: a section that comes byte by byte takes no more memory than one that comes whole. */
static bool collect_trailer(struct h1_body *body, struct pool *pool, struct slice piece)
{
    size_t len = body->trailers.len + piece.len;
    char *to = (char *)(uintptr_t)body->trailers.ptr;

    if (len > TRAILERS_MAX) {
        return false;
    }
    if (len > body->trailers_room) {
        size_t room = 2 * len > TRAILERS_FIRST ? 2 * len : TRAILERS_FIRST;

        if ((to = pool_try_alloc(pool, room)) == NULL) {
            return false;
        }
        if (body->trailers.len) {
            memcpy(to, body->trailers.ptr, body->trailers.len);
        }
        body->trailers_room = (uint32_t)room;
    }
    if (piece.len) {
        memcpy(to + body->trailers.len, piece.ptr, piece.len);
    }
    body->trailers = slice_of(to, len);
    return true;
}

static bool take_chunks(struct h1_body *body, struct pool *pool, struct slice *input, struct slice *payload)
{
    char *start = (char *)(uintptr_t)input->ptr;
    size_t length = 0;
    struct slice piece;

    for (;;) {
        switch (h1_chunked_next(&body->chunked, input, &piece)) {
        case H1_CHUNK_DATA:
            if (length == 0) {
                start = (char *)(uintptr_t)piece.ptr;
            } else {
                memmove(start + length, piece.ptr, piece.len);
            }
            length += piece.len;
            break;
        case H1_CHUNK_TRAILER:
            if (!collect_trailer(body, pool, piece)) {
                return false;
            }
            break;
        case H1_CHUNK_END:
            body->done = true;
            *payload = slice_of(start, length);
            return true;
        case H1_CHUNK_MORE:
            *payload = slice_of(start, length);
            return true;
        case H1_CHUNK_BAD:
            return false;
        }
    }
}

bool h1_body_take(struct h1_body *body, struct pool *pool, struct slice *input, struct slice *payload)
{
    *payload = slice_of(NULL, 0);
    if (body->done) {
        return true;
    }
    switch (body->framing) {
    case H1_NO_BODY:
        break;
    case H1_LENGTH:
        *payload = slice_head(*input, body->left < input->len ? (size_t)body->left : input->len);
        *input = slice_from(*input, payload->len);
        body->left -= payload->len;
        body->done = body->left == 0;
        break;
    case H1_CHUNKED:
        return take_chunks(body, pool, input, payload);
    case H1_UNTIL_CLOSE:
        *payload = *input;
        *input = slice_of(NULL, 0);
        break;
    }
    return true;
}

const char *h1_body_why(const struct h1_body *body)
{
    return body->chunked.why ? body->chunked.why : "trailers over the bound";
}

const struct headers *h1_body_trailers(const struct h1_body *body, struct pool *pool, struct headers *out)
{
    if (body->trailers.len == 0) {
        return NULL;
    }
    headers_init(out, pool);
    h1_trailers_parse(body->trailers, out);
    return out;
}
