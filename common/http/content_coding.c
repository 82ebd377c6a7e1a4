/*
 * content_coding.c - see content_coding.h. Order of equal weights as in Traefik: "*", then those on offer, then identity.
 */
#include "common/http/content_coding.h"

#define RANK_ANY 0
#define WEIGHT_ONE 1000 /* of q=1: weights have three digits */

static const struct slice names[CODINGS] = {
    [CODING_IDENTITY] = {"identity", 8},
    [CODING_GZIP] = {"gzip", 4},
    [CODING_BROTLI] = {"br", 2},
    [CODING_ZSTD] = {"zstd", 4},
};

struct slice coding_name(enum content_coding coding)
{
    return names[coding];
}

enum content_coding coding_find(struct slice name)
{
    for (int coding = CODING_IDENTITY + 1; coding < CODINGS; coding++) {
        if (slice_eq(name, names[coding])) {
            return (enum content_coding)coding;
        }
    }
    return CODING_IDENTITY;
}

/* "0.5" and ".5" are 500; malformed: 0, not wanted. */
static unsigned weight_of(struct slice text)
{
    unsigned weight = 0, unit = WEIGHT_ONE / 10;
    size_t whole = text.len > 1 && text.ptr[0] == '.' ? 0 : 1;

    if (text.len == 0 || (whole && text.ptr[0] != '0' && text.ptr[0] != '1') ||
        (text.len > whole && text.ptr[whole] != '.')) {
        return 0;
    }
    weight = text.ptr[0] == '1' ? WEIGHT_ONE : 0;
    for (size_t i = whole + 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return 0;
        }
        weight += (unsigned)(text.ptr[i] - '0') * unit;
        unit /= 10;
    }
    return weight < WEIGHT_ONE ? weight : WEIGHT_ONE;
}

/* The place of a name among those on offer, the lower the better; -1: it is not on offer. */
static int rank_of(struct slice name, struct slice offered)
{
    if (slice_eq(name, SLICE("*"))) {
        return RANK_ANY;
    }
    if (slice_eq_nocase(name, names[CODING_IDENTITY])) {
        return (int)offered.len + 1;
    }
    for (size_t i = 0; i < offered.len; i++) {
        if (slice_eq_nocase(name, names[(unsigned char)offered.ptr[i]])) {
            return (int)i + 1;
        }
    }
    return -1;
}

struct choice {
    unsigned weight; /* 0: nothing yet */
    int rank;
};

static void consider(struct slice item, struct slice offered, struct choice *best)
{
    struct slice rest = item;
    struct slice name = slice_trim(slice_split(&rest, ';'));
    struct slice parameter = slice_trim(rest);
    unsigned weight = WEIGHT_ONE;
    int rank = rank_of(name, offered);

    if (parameter.len > 1 && ascii_lower((unsigned char)parameter.ptr[0]) == 'q' && parameter.ptr[1] == '=') {
        weight = weight_of(slice_from(parameter, 2));
    }
    if (rank >= 0 && (weight > best->weight || (weight == best->weight && weight > 0 && rank < best->rank))) {
        *best = (struct choice){weight, rank};
    }
}

enum content_coding coding_choose(const struct headers *headers, struct slice offered,
                                  enum content_coding any, enum content_coding unasked)
{
    struct choice best = {0, 0};
    bool asked = false;

    for (size_t i = 0; i < headers->count; i++) {
        const struct header *field = &headers->items[i];
        struct slice rest = field->value, item;

        if (field->id != HEADER_ACCEPT_ENCODING || (field->flags & HEADER_REMOVED)) {
            continue;
        }
        asked = true;
        while (header_list_next(&rest, &item)) {
            consider(item, offered, &best);
        }
    }
    if (!asked) {
        return unasked;
    }
    if (best.weight == 0 || best.rank > (int)offered.len) {
        return CODING_IDENTITY;
    }
    return best.rank == RANK_ANY ? any : (enum content_coding)offered.ptr[best.rank - 1];
}
