/*
 * doc_internal.c - what the readers share: error texts with positions, duplicate keys, UTF-8, numbers.
 */
#include "common/doc/doc_internal.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/hash.h"
#include "common/base/memory.h"

struct doc_index_slot {
    struct slice key;
    uint32_t value;
    bool used;
};

/* Made once per process, whichever thread comes first. Not a secret: it only keeps the order of buckets out of
 * a stranger's hands. */
static uint64_t index_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t current = atomic_load_explicit(&seed, memory_order_relaxed), fresh = 0;

    if (current != 0) {
        return current;
    }
    if (getrandom(&fresh, sizeof(fresh), GRND_NONBLOCK) != (ssize_t)sizeof(fresh) || fresh == 0) {
        fresh = 0x9e3779b97f4a7c15ULL;
    }
    return atomic_compare_exchange_strong(&seed, &current, fresh) ? fresh : current;
}

void doc_index_free(struct doc_index *index)
{
    free(index->slots);
    *index = (struct doc_index){0};
}

static struct doc_index_slot *probe(const struct doc_index *index, struct slice key)
{
    size_t mask = index->capacity - 1;
    size_t i = (size_t)hash_slice(index_seed(), key) & mask;

    while (index->slots[i].used && !slice_eq(index->slots[i].key, key)) {
        i = (i + 1) & mask;
    }
    return &index->slots[i];
}

static void grow(struct doc_index *index)
{
    struct doc_index bigger = {.capacity = index->capacity ? index->capacity * 2 : 32, .used = index->used};

    bigger.slots = xcalloc(bigger.capacity, sizeof(*bigger.slots));
    for (size_t i = 0; i < index->capacity; i++) {
        if (index->slots[i].used) {
            *probe(&bigger, index->slots[i].key) = index->slots[i];
        }
    }
    free(index->slots);
    *index = bigger;
}

static bool add(struct doc_index *index, struct slice key, uint32_t value, bool overwrite)
{
    if (index->used * 4 >= index->capacity * 3) {
        grow(index);
    }
    struct doc_index_slot *slot = probe(index, key);

    if (slot->used) {
        if (overwrite) {
            slot->value = value;
        }
        return false;
    }
    *slot = (struct doc_index_slot){.key = key, .value = value, .used = true};
    index->used++;
    return true;
}

bool doc_index_add(struct doc_index *index, struct slice key, uint32_t value)
{
    return add(index, key, value, false);
}

void doc_index_set(struct doc_index *index, struct slice key, uint32_t value)
{
    add(index, key, value, true);
}

bool doc_index_find(const struct doc_index *index, struct slice key, uint32_t *value)
{
    if (index->used == 0) {
        return false;
    }
    const struct doc_index_slot *slot = probe(index, key);

    if (!slot->used) {
        return false;
    }
    *value = slot->value;
    return true;
}

const struct doc_entry *doc_map_duplicate(const struct doc *map)
{
    const struct doc_entry *found = NULL;
    struct doc_index index = {0};

    if (map->map.count <= 8) { /* most maps: no table needed */
        for (size_t i = 1; i < map->map.count; i++) {
            for (size_t j = 0; j < i; j++) {
                if (slice_eq(map->map.entries[i].key, map->map.entries[j].key)) {
                    return &map->map.entries[i];
                }
            }
        }
        return NULL;
    }
    for (size_t i = 0; i < map->map.count && found == NULL; i++) {
        if (!doc_index_add(&index, map->map.entries[i].key, 0)) {
            found = &map->map.entries[i];
        }
    }
    doc_index_free(&index);
    return found;
}

int doc_fail(struct error *why, struct slice name, size_t line, size_t column, const char *format, ...)
{
    char text[400], place[64] = "";
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *at = text; *at; at++) { /* a message is one line, whatever it quotes */
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
    if (line > 0 && column > 0) {
        snprintf(place, sizeof(place), "%zu:%zu", line, column);
    } else if (line > 0) {
        snprintf(place, sizeof(place), "%zu", line);
    }
    return error_set(why, -EINVAL, "%.*s%s%s%s%s", SLICE_ARG(slice_head(name, 300)),
                     name.len && place[0] ? ":" : "", place, name.len || place[0] ? ": " : "", text);
}

int doc_check_size(struct error *why, struct slice name, struct slice text)
{
    if (text.len > DOC_MAX_BYTES) {
        doc_fail(why, name, 0, 0, "%zu bytes are too many: at most %zu are read", text.len, DOC_MAX_BYTES);
        return -EFBIG;
    }
    return 0;
}

/* Length of the valid sequence at the start of text (1 to 4), or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    size_t len = c < 0x80                ? 1
                 : c >= 0xc2 && c < 0xe0 ? 2
                 : c >= 0xe0 && c < 0xf0 ? 3
                 : c >= 0xf0 && c < 0xf5 ? 4
                                         : 0;

    if (len == 0 || len > left) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* overlong forms, surrogates, beyond U+10FFFF */
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

ptrdiff_t doc_invalid_utf8(struct slice text)
{
    size_t i = 0;

    while (i < text.len) {
        size_t len = utf8_sequence((const unsigned char *)text.ptr + i, text.len - i);

        if (len == 0) {
            return (ptrdiff_t)i;
        }
        i += len;
    }
    return -1;
}

bool doc_is_utf8(struct slice text)
{
    return doc_invalid_utf8(text) < 0;
}

size_t doc_put_utf8(uint32_t codepoint, char out[4])
{
    if (codepoint < 0x80) {
        out[0] = (char)codepoint;
        return 1;
    }
    if (codepoint < 0x800) {
        out[0] = (char)(0xc0 | codepoint >> 6);
        out[1] = (char)(0x80 | (codepoint & 0x3f));
        return 2;
    }
    if (codepoint < 0x10000) {
        if (codepoint >= 0xd800 && codepoint < 0xe000) {
            return 0;
        }
        out[0] = (char)(0xe0 | codepoint >> 12);
        out[1] = (char)(0x80 | (codepoint >> 6 & 0x3f));
        out[2] = (char)(0x80 | (codepoint & 0x3f));
        return 3;
    }
    if (codepoint > 0x10ffff) {
        return 0;
    }
    out[0] = (char)(0xf0 | codepoint >> 18);
    out[1] = (char)(0x80 | (codepoint >> 12 & 0x3f));
    out[2] = (char)(0x80 | (codepoint >> 6 & 0x3f));
    out[3] = (char)(0x80 | (codepoint & 0x3f));
    return 4;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    unsigned char lower = ascii_lower((unsigned char)c);

    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : 99;
}

bool doc_parse_int(struct slice text, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    unsigned base = 10;
    uint64_t value = 0;

    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        text = slice_from(text, 1);
    }
    if (text.len > 1 && text.ptr[0] == '0') {
        unsigned char mark = ascii_lower((unsigned char)text.ptr[1]);

        base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
        text = slice_from(text, mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
    }
    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = digit_value(text.ptr[i]);

        if (digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value)) {
            return false;
        }
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool doc_parse_float(struct slice text, double *out)
{
    char buffer[400];
    char *end;

    if (!slice_to_cstr(text, buffer, sizeof(buffer)) || buffer[0] == '\0') {
        return false;
    }
    double value = strtod(buffer, &end);

    if (*end != '\0' || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}
