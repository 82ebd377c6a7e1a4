/*
 * headers.c - the list of header fields and the table of known names; see headers.h.
 *
 * A name is looked up by its length and its first and last eight bytes, letter case folded, in a table
 * without collisions; one comparison confirms. The multiplier that makes the table collision-free is searched
 * once at program start (a few microseconds), so that adding a name to HEADER_NAMES is all there is to do.
 */
#include "common/http/headers.h"

#include <stdlib.h>

#include "common/http/scan.h"

#define SLOTS_BITS 10
#define FOLD 0x2020202020202020ull /* sets the letter case bit of eight bytes */
#define NAME_MAX_LEN 40
#define FIRST_ITEMS 24 /* a typical browser sends 10 to 20 fields */

static const struct slice names[HEADER_IDS] = {[HEADER_OTHER] = SLICE_INIT(""),
#define HEADER(id, name) [HEADER_##id] = SLICE_INIT(name),
                                               HEADER_NAMES(HEADER)
#undef HEADER
};

/* Fields that concern one connection only (RFC 9110 7.6.1 and what Go's reverse proxy drops). */
static const uint8_t name_flags[HEADER_IDS] = {
    [HEADER_CONNECTION] = HEADER_HOP_BY_HOP,
    [HEADER_KEEP_ALIVE] = HEADER_HOP_BY_HOP,
    [HEADER_PROXY_CONNECTION] = HEADER_HOP_BY_HOP,
    [HEADER_PROXY_AUTHENTICATE] = HEADER_HOP_BY_HOP,
    [HEADER_PROXY_AUTHORIZATION] = HEADER_HOP_BY_HOP,
    [HEADER_TE] = HEADER_HOP_BY_HOP,
    [HEADER_TRAILER] = HEADER_HOP_BY_HOP,
    [HEADER_TRANSFER_ENCODING] = HEADER_HOP_BY_HOP,
    [HEADER_UPGRADE] = HEADER_HOP_BY_HOP,
};

static uint8_t slots[1u << SLOTS_BITS];
static uint64_t multiplier;

static inline uint64_t load64(const char *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof(x));
    return x;
}

static inline uint32_t load32(const char *p)
{
    uint32_t x;

    memcpy(&x, p, sizeof(x));
    return x;
}

/* Sixteen folded bytes at most: the first and the last eight, which overlap in short names. */
static inline unsigned name_slot(const char *p, size_t len, uint64_t factor)
{
    uint64_t first, last;

    if (len >= 8) {
        first = load64(p);
        last = load64(p + len - 8);
    } else if (len >= 4) {
        first = load32(p);
        last = load32(p + len - 4);
    } else {
        first = (unsigned char)p[0];
        last = (uint64_t)(unsigned char)p[len / 2] << 8 | (unsigned char)p[len - 1];
    }
    uint64_t mixed = ((first | FOLD) ^ ((last | FOLD) << 3 | (last | FOLD) >> 61)) + len;

    return (unsigned)((mixed * factor) >> (64 - SLOTS_BITS));
}

static inline bool same_eight(const char *a, const char *b)
{
    return ((load64(a) ^ load64(b)) & ~FOLD) == 0;
}

static inline bool same_four(const char *a, const char *b)
{
    return ((load32(a) ^ load32(b)) & ~(uint32_t)FOLD) == 0;
}

/* Folded bytes, several at a time, the last of which may overlap. Exact for any name without control bytes, because known
 * names hold letters and '-' only; the caller excludes control bytes. */
static inline bool name_same(const char *a, const char *b, size_t len)
{
    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            if (!same_eight(a + i, b + i)) {
                return false;
            }
        }
        return same_eight(a + len - 8, b + len - 8);
    }
    if (len >= 4) {
        return same_four(a, b) && same_four(a + len - 4, b + len - 4);
    }
    for (size_t i = 0; i < len; i++) {
        if (((a[i] ^ b[i]) & ~0x20) != 0) {
            return false;
        }
    }
    return true;
}

static bool slots_fill(uint64_t factor)
{
    memset(slots, 0, sizeof(slots));
    for (unsigned id = HEADER_OTHER + 1; id < HEADER_IDS; id++) {
        unsigned slot = name_slot(names[id].ptr, names[id].len, factor);

        if (slots[slot] != 0) {
            return false;
        }
        slots[slot] = (uint8_t)id;
    }
    return true;
}

__attribute__((constructor)) static void slots_build(void)
{
    uint64_t factor = 0x9e3779b97f4a7c15ull;

    for (unsigned attempt = 0; attempt < 1u << 20; attempt++) {
        if (slots_fill(factor)) {
            multiplier = factor;
            return;
        }
        factor = factor * 0xd6e8feb86659fd93ull + 0x2545f4914f6cdd1dull;
        factor |= 1;
    }
    abort(); /* two names that cannot be told apart: seen at the first start after the change */
}

static inline enum header_id id_of_token(const char *p, size_t len)
{
    if (len == 0 || len > NAME_MAX_LEN) {
        return HEADER_OTHER;
    }
    unsigned id = slots[name_slot(p, len, multiplier)];

    return names[id].len == len && name_same(p, names[id].ptr, len) ? (enum header_id)id : HEADER_OTHER;
}

enum header_id header_id(struct slice name)
{
    /* a control byte folds onto '-' or a digit: exclude it, then the folded comparison is exact */
    enum header_id id = id_of_token(name.ptr, name.len);

    return id != HEADER_OTHER && header_name_valid(name) ? id : HEADER_OTHER;
}

struct slice header_name(enum header_id id)
{
    return names[id];
}

uint8_t header_flags_of(enum header_id id)
{
    return name_flags[id];
}

void headers_init(struct headers *headers, struct pool *pool)
{
    *headers = (struct headers){.pool = pool};
}

/* Doubles the room, whether all of it is taken or not: what pool_grow() is told. */
static void more_room(struct headers *headers)
{
    if (headers->capacity == 0) {
        headers->capacity = FIRST_ITEMS;
        headers->items = pool_alloc(headers->pool, FIRST_ITEMS * sizeof(*headers->items));
    } else {
        headers->items = pool_grow(headers->pool, headers->items, headers->capacity, &headers->capacity,
                                   sizeof(*headers->items));
    }
}

static inline struct header *append(struct headers *headers, enum header_id id, struct slice name,
                                    struct slice value)
{
    if (headers->count == headers->capacity) {
        more_room(headers);
    }

    struct header *item = &headers->items[headers->count++];

    *item = (struct header){.name = name, .value = value, .id = (uint8_t)id, .flags = name_flags[id]};
    headers->ids |= HEADER_BIT(id);
    return item;
}

struct header *headers_add(struct headers *headers, struct slice name, struct slice value)
{
    return append(headers, header_id(name), name, value);
}

struct header *headers_add_token(struct headers *headers, struct slice name, struct slice value)
{
    return append(headers, id_of_token(name.ptr, name.len), name, value);
}

struct header *headers_add_id(struct headers *headers, enum header_id id, struct slice value)
{
    return append(headers, id, names[id], value);
}

void headers_add_known(struct headers *headers, const struct known_field *fields, size_t count)
{
    uint64_t ids = 0;

    while (headers->capacity - headers->count < count) {
        more_room(headers);
    }
    struct header *item = &headers->items[headers->count];

    for (const struct known_field *field = fields; field < fields + count; field++, item++) {
        *item = (struct header){.name = names[field->id],
                                .value = field->value,
                                .id = (uint8_t)field->id,
                                .flags = HEADER_SAFE | name_flags[field->id]};
        ids |= HEADER_BIT(field->id);
    }
    headers->count += count;
    headers->ids |= ids;
}

void headers_copy(struct headers *to, const struct headers *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct header *item = &from->items[i];

        if (!(item->flags & HEADER_REMOVED)) {
            append(to, (enum header_id)item->id, pool_copy(to->pool, item->name),
                   pool_copy(to->pool, item->value))
                ->flags = item->flags & (uint8_t)~HEADER_RAW_LINE;
        }
    }
}

void headers_own(struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (item->flags & HEADER_REMOVED) {
            continue;
        }
        if (item->flags & HEADER_RAW_LINE) {
            size_t value_at = (size_t)(item->value.ptr - item->name.ptr);

            item->name.ptr = pool_copy(headers->pool, slice_of(item->name.ptr, item->line_len)).ptr;
            item->value.ptr = item->name.ptr + value_at;
        } else {
            item->name = pool_copy(headers->pool, item->name);
            item->value = pool_copy(headers->pool, item->value);
        }
    }
}

struct header *headers_get_present(const struct headers *headers, enum header_id id)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id == id && !(headers->items[i].flags & HEADER_REMOVED)) {
            return &headers->items[i];
        }
    }
    return NULL;
}

void headers_keep_first(struct headers *headers, enum header_id id)
{
    struct header *first = headers_get(headers, id);

    for (size_t i = 0; first && i < headers->count; i++) {
        if (headers->items[i].id == id && &headers->items[i] != first) {
            headers->items[i].flags |= HEADER_REMOVED;
        }
    }
}

static bool same_name(const struct header *item, enum header_id id, struct slice name)
{
    return item->id == id && !(item->flags & HEADER_REMOVED) &&
           (id != HEADER_OTHER || slice_eq_nocase(item->name, name));
}

struct header *headers_find(const struct headers *headers, struct slice name)
{
    enum header_id id = header_id(name);

    if (!(headers->ids & HEADER_BIT(id))) {
        return NULL;
    }
    for (size_t i = 0; i < headers->count; i++) {
        if (same_name(&headers->items[i], id, name)) {
            return &headers->items[i];
        }
    }
    return NULL;
}

static unsigned mark_removed(struct headers *headers, enum header_id id, struct slice name)
{
    unsigned removed = 0;

    if (!(headers->ids & HEADER_BIT(id))) {
        return 0;
    }
    for (size_t i = 0; i < headers->count; i++) {
        if (same_name(&headers->items[i], id, name)) {
            headers->items[i].flags |= HEADER_REMOVED;
            removed++;
        }
    }
    return removed;
}

unsigned headers_remove_id(struct headers *headers, enum header_id id)
{
    return mark_removed(headers, id, names[id]);
}

unsigned headers_remove(struct headers *headers, struct slice name)
{
    return mark_removed(headers, header_id(name), name);
}

void headers_suppress(struct headers *headers, struct slice name)
{
    enum header_id id = header_id(name);

    mark_removed(headers, id, name);
    append(headers, id, name, SLICE(""))->flags |= HEADER_REMOVED | HEADER_SUPPRESSED;
}

bool headers_suppressed(const struct headers *headers, enum header_id id)
{
    bool suppressed = false;

    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id == id) {
            suppressed = (headers->items[i].flags & HEADER_SUPPRESSED) != 0;
        }
    }
    return suppressed;
}

struct header *headers_replace(struct headers *headers, enum header_id id, struct slice name,
                               struct slice value)
{
    mark_removed(headers, id, name);
    return append(headers, id, name, value);
}

void headers_set(struct headers *headers, struct slice name, struct slice value)
{
    headers_replace(headers, header_id(name), name, value);
}

void headers_set_id(struct headers *headers, enum header_id id, struct slice value)
{
    headers_replace(headers, id, names[id], value);
}

static inline bool is_sign(char c)
{
    return !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static inline unsigned char alias_fold(char c)
{
    return is_sign(c) ? '-' : ascii_lower((unsigned char)c);
}

void headers_remove_spellings(struct headers *headers, struct slice name)
{
    if (!(headers->ids & HEADER_BIT(HEADER_OTHER))) {
        return;
    }
    for (size_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];

        if (item->id == HEADER_OTHER && header_name_alias(item->name, name)) {
            item->flags |= HEADER_REMOVED;
        }
    }
}

bool header_name_odd(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (is_sign(name.ptr[i]) && name.ptr[i] != '-') {
            return true;
        }
    }
    return false;
}

struct slice header_name_dashed(struct pool *pool, struct slice name)
{
    char *dashed = pool_alloc(pool, name.len);

    for (size_t i = 0; i < name.len; i++) {
        dashed[i] = is_sign(name.ptr[i]) ? '-' : name.ptr[i];
    }
    return slice_of(dashed, name.len);
}

bool header_name_alias(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (alias_fold(a.ptr[i]) != alias_fold(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool header_name_valid(struct slice name)
{
    return name.len > 0 && scan_token(name.ptr, name.ptr + name.len) == name.ptr + name.len;
}

bool header_value_valid(struct slice value)
{
    return value.len == 0 || scan_value(value.ptr, value.ptr + value.len) == value.ptr + value.len;
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool header_list_next(struct slice *rest, struct slice *item)
{
    while (rest->ptr != NULL) {
        struct slice part = slice_split(rest, ',');

        while (part.len > 0 && is_blank(part.ptr[0])) {
            part = slice_from(part, 1);
        }
        while (part.len > 0 && is_blank(part.ptr[part.len - 1])) {
            part.len--;
        }
        if (part.len > 0) {
            *item = part;
            return true;
        }
    }
    return false;
}

bool header_list_has(struct slice value, struct slice token)
{
    struct slice item;

    while (header_list_next(&value, &item)) {
        if (slice_eq_nocase(item, token)) {
            return true;
        }
    }
    return false;
}

static bool canonical_already(struct slice name)
{
    bool upper = true;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if ((upper && c >= 'a' && c <= 'z') || (!upper && c >= 'A' && c <= 'Z')) {
            return false;
        }
        upper = c == '-';
    }
    return true;
}

struct slice header_name_canonical(struct pool *pool, struct slice name)
{
    if (canonical_already(name) || !header_name_valid(name)) {
        return name;
    }
    char *copy = pool_alloc(pool, name.len);
    bool upper = true;

    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = ascii_lower((unsigned char)name.ptr[i]);

        copy[i] = (char)(upper && c >= 'a' && c <= 'z' ? c & ~0x20 : c);
        upper = c == '-';
    }
    return slice_of(copy, name.len);
}
