/*
 * postgres.c - see postgres.h.
 */
#include "common/net/postgres.h"

#define CODE_MAJOR 1234 /* no version: what stands behind it says what is asked for */
#define VERSION_MAJOR 3
#define CANCEL_LEAST 16 /* process and key, which is longer since version 3.2 */
#define STARTUP_LEAST 9 /* at least the NUL that ends the parameters */

enum { CODE_CANCEL = 5678, CODE_SSL = 5679, CODE_GSSENC = 5680 };

const struct slice postgres_ssl_request = SLICE_INIT("\0\0\0\x08\x04\xd2\x16\x2f");

static unsigned byte_at(struct slice bytes, size_t at)
{
    return (unsigned char)bytes.ptr[at];
}

static unsigned pair_at(struct slice bytes, size_t at)
{
    return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

/* By a whole head. */
static enum postgres_first kind_of(unsigned length, unsigned major, unsigned minor)
{
    if (major == VERSION_MAJOR) {
        return length >= STARTUP_LEAST ? POSTGRES_STARTUP : POSTGRES_OTHER;
    }
    if (major != CODE_MAJOR) {
        return POSTGRES_OTHER;
    }
    switch (minor) {
    case CODE_CANCEL:
        return length >= CANCEL_LEAST ? POSTGRES_CANCEL : POSTGRES_OTHER;
    case CODE_SSL:
        return length == POSTGRES_HEAD_SIZE ? POSTGRES_SSL : POSTGRES_OTHER;
    case CODE_GSSENC:
        return length == POSTGRES_HEAD_SIZE ? POSTGRES_GSSENC : POSTGRES_OTHER;
    default:
        return POSTGRES_OTHER;
    }
}

/* The first bytes of the code can still be those of a message of that length (0: not known). */
static bool code_begins(struct slice code)
{
    static const unsigned char starts[][3] = {{0, VERSION_MAJOR, 0},
                                              {CODE_MAJOR >> 8, CODE_MAJOR & 0xff, 0x16}};

    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        size_t known = i == 0 ? 2 : 3; /* any minor version */

        if (memcmp(code.ptr, starts[i], code.len < known ? code.len : known) == 0) {
            return true;
        }
    }
    return false;
}

enum postgres_first postgres_first_read(struct slice bytes)
{
    unsigned length;

    for (size_t i = 0; i < bytes.len && i < 2; i++) {
        if (byte_at(bytes, i) != 0) {
            return POSTGRES_OTHER;
        }
    }
    if (bytes.len < 4) {
        return bytes.len == 3 && byte_at(bytes, 2) > POSTGRES_MOST >> 8 ? POSTGRES_OTHER : POSTGRES_MORE;
    }
    length = pair_at(bytes, 2);
    if (length < POSTGRES_HEAD_SIZE || length > POSTGRES_MOST) {
        return POSTGRES_OTHER;
    }
    if (bytes.len < POSTGRES_HEAD_SIZE) {
        struct slice code = slice_from(bytes, 4);

        return code.len == 0 || code_begins(code) ? POSTGRES_MORE : POSTGRES_OTHER;
    }
    return kind_of(length, pair_at(bytes, 4), pair_at(bytes, 6));
}

bool postgres_maybe_ssl(struct slice bytes)
{
    return slice_has_prefix(bytes, postgres_ssl_request) || slice_has_prefix(postgres_ssl_request, bytes);
}
