/*
 * secret.c - what is printed in place of a secret: *** and a short hash under a key that this process made up.
 *
 * The hash lets two outputs of one process be compared ("did the password change?") and tells nothing to somebody
 * who guesses: the key never leaves the process. SipHash-2-4, cut to 32 bits.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/schema/schema_internal.h"

static uint64_t key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
        fprintf(stderr, "weir: the kernel gives no random numbers\n");
        abort();
    }
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

static uint64_t siphash(struct slice data)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
                     key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
    uint64_t word = 0;
    size_t at = 0;

    for (; at + 8 <= data.len; at += 8) {
        memcpy(&word, data.ptr + at, 8);
        sip_word(v, word);
    }
    word = (uint64_t)data.len << 56;
    for (size_t i = 0; at + i < data.len; i++) {
        word |= (uint64_t)(unsigned char)data.ptr[at + i] << (8 * i);
    }
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void schema_secret_text(struct slice secret, struct text *out)
{
    pthread_once(&key_once, make_key);
    text_printf(out, "***%08x", (unsigned)(siphash(secret) & 0xffffffffu));
}
