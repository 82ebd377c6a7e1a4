/*
 * whoami_echo.c - the WebSocket at /echo: every message comes back as it is (RFC 6455).
 */
#include <openssl/base64.h>
#include <openssl/sha.h>

#include "master/tools/whoami.h"

#define FRAME_MOST (16u << 20)

enum opcode { OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct frame {
    uint8_t first; /* FIN, reserved bits and opcode */
    bool masked;
    uint8_t mask[4];
    size_t head, len;
};

bool whoami_echo_accept(const struct h1_message *message, struct text *out)
{
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const struct header *key = headers_find(&message->headers, SLICE("Sec-WebSocket-Key"));
    uint8_t digest[SHA_DIGEST_LENGTH], encoded[64];
    SHA_CTX sha;

    if (key == NULL || key->value.len == 0) {
        return false;
    }
    (void)SHA1_Init(&sha);
    (void)SHA1_Update(&sha, key->value.ptr, key->value.len);
    (void)SHA1_Update(&sha, suffix, sizeof(suffix) - 1);
    (void)SHA1_Final(digest, &sha);
    size_t len = EVP_EncodeBlock(encoded, digest, sizeof(digest));

    text_printf(out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: %.*s\r\n\r\n",
                (int)len, (const char *)encoded);
    return true;
}

/* 1: *out is a whole frame; 0: more bytes are needed; -1: too large. */
static int frame_read(struct slice input, struct frame *out)
{
    const uint8_t *bytes = (const uint8_t *)input.ptr;
    uint64_t len;

    if (input.len < 2) {
        return 0;
    }
    *out = (struct frame){.first = bytes[0], .masked = (bytes[1] & 0x80) != 0, .head = 2};
    len = bytes[1] & 0x7f;
    size_t extra = len == 126 ? 2 : (len == 127 ? 8 : 0);

    if (input.len < 2 + extra + (out->masked ? 4 : 0)) {
        return 0;
    }
    if (extra > 0) {
        len = 0;
        for (size_t i = 0; i < extra; i++) {
            len = len << 8 | bytes[2 + i];
        }
    }
    out->head += extra;
    if (out->masked) {
        memcpy(out->mask, bytes + out->head, 4);
        out->head += 4;
    }
    if (len > FRAME_MOST) {
        return -1;
    }
    out->len = (size_t)len;
    return input.len >= out->head + out->len ? 1 : 0;
}

static void frame_answer(const struct frame *frame, const char *payload, struct text *out)
{
    uint8_t opcode = frame->first & 0x0f;

    if (opcode == OP_PONG) {
        return;
    }
    text_add_char(out, (char)(opcode == OP_PING ? 0x80 | OP_PONG : frame->first));
    if (frame->len < 126) {
        text_add_char(out, (char)frame->len);
    } else if (frame->len < 65536) {
        text_add_char(out, 126);
        text_add_char(out, (char)(frame->len >> 8));
        text_add_char(out, (char)frame->len);
    } else {
        text_add_char(out, 127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            text_add_char(out, (char)((uint64_t)frame->len >> shift));
        }
    }
    for (size_t i = 0; i < frame->len; i++) {
        text_add_char(out, (char)(payload[i] ^ (frame->masked ? frame->mask[i % 4] : 0)));
    }
}

size_t whoami_echo_frames(struct slice input, struct text *out, bool *closed)
{
    struct frame frame;
    size_t used = 0;
    int rc = 0;

    *closed = false;
    while (!*closed && (rc = frame_read(slice_from(input, used), &frame)) == 1) {
        frame_answer(&frame, input.ptr + used + frame.head, out);
        used += frame.head + frame.len;
        *closed = (frame.first & 0x0f) == OP_CLOSE;
    }
    *closed = *closed || rc < 0;
    return used;
}
