/*
 * board_text.c - short texts on the board, without a lock: words around a sequence number.
 */
#include "shm/board_life.h"

#define TRIES 4 /* then a mixed text has to do */

static void pack(struct slice s, uint64_t words[BOARD_TEXT / 8])
{
    size_t len = s.len < BOARD_TEXT ? s.len : BOARD_TEXT - 1;

    while (len < s.len && len > 0 && ((unsigned char)s.ptr[len] & 0xc0) == 0x80) {
        len--; /* not in the middle of a character */
    }
    memset(words, 0, BOARD_TEXT);
    if (len > 0) {
        memcpy(words, s.ptr, len);
    }
}

void board_text_set(struct board_text *text, struct slice s)
{
    uint64_t words[BOARD_TEXT / 8];
    uint64_t before = atomic_load_explicit(&text->sequence, memory_order_relaxed) & ~UINT64_C(1);
    bool same = (atomic_load_explicit(&text->sequence, memory_order_relaxed) & 1) == 0;

    pack(s, words);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        same = same && atomic_load_explicit(&text->words[i], memory_order_relaxed) == words[i];
    }
    if (same) {
        return;
    }
    atomic_store_explicit(&text->sequence, before + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        atomic_store_explicit(&text->words[i], words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&text->sequence, before + 2, memory_order_release);
}

void board_text_get(const struct board_text *text, char out[BOARD_TEXT])
{
    uint64_t words[BOARD_TEXT / 8];
    uint64_t before, after;

    for (int tries = 0; tries < TRIES; tries++) {
        before = atomic_load_explicit(&text->sequence, memory_order_acquire);
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            words[i] = atomic_load_explicit(&text->words[i], memory_order_relaxed);
        }
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&text->sequence, memory_order_relaxed);
        if (before == after && (before & 1) == 0) {
            break;
        }
    }
    memcpy(out, words, BOARD_TEXT);
    out[BOARD_TEXT - 1] = '\0';
    for (char *at = out; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
}
