/* test_postgres.c - the first message of a PostgreSQL client, told from others however few bytes of it are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/net/postgres.h"

static const struct {
    struct slice bytes;
    enum postgres_first kind;
    size_t known; /* bytes after which it is */
} cases[] = {
    {SLICE_INIT("\0\0\0\x08\x04\xd2\x16\x2f"), POSTGRES_SSL, 8},
    {SLICE_INIT("\0\0\0\x08\x04\xd2\x16\x2f\x16\x03\x01"), POSTGRES_SSL, 8},
    {SLICE_INIT("\0\0\0\x08\x04\xd2\x16\x30"), POSTGRES_GSSENC, 8},
    {SLICE_INIT("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"), POSTGRES_CANCEL, 8},
    {SLICE_INIT("\0\0\0\x2c\x04\xd2\x16\x2e\0\0\0\x01"), POSTGRES_CANCEL, 8}, /* a key of 32 bytes */
    {SLICE_INIT("\0\0\0\x09\0\x03\0\0\0"), POSTGRES_STARTUP, 8},
    {SLICE_INIT("\0\0\0\x20\0\x03\0\x02user\0me\0"), POSTGRES_STARTUP, 8},
    {SLICE_INIT("\0\0\x27\x10\0\x03\0\0user\0me\0"), POSTGRES_STARTUP, 8},
    /* others, as early as can be */
    {SLICE_INIT("\x16\x03\x01"), POSTGRES_OTHER, 1},
    {SLICE_INIT("GET / HTTP/1.1\r\n"), POSTGRES_OTHER, 1},
    {SLICE_INIT("\0\x01\0\x08\x04\xd2\x16\x2f"), POSTGRES_OTHER, 2},
    {SLICE_INIT("\0\0\x28\0\0\x03\0\0"), POSTGRES_OTHER, 3},
    {SLICE_INIT("\0\0\0\x07\x04\xd2\x16\x2f"), POSTGRES_OTHER, 4},
    {SLICE_INIT("\0\0\x27\x11\0\x03\0\0"), POSTGRES_OTHER, 4},
    {SLICE_INIT("\0\0\0\0\0\0\0\0"), POSTGRES_OTHER, 4},
    {SLICE_INIT("\0\0\0\x08\x05\xd2\x16\x2f"), POSTGRES_OTHER, 5},
    {SLICE_INIT("\0\0\0\x20\0\x02\0\0user\0me\0"), POSTGRES_OTHER, 6}, /* version 2 */
    {SLICE_INIT("\0\0\0\x08\x04\xd3\x16\x2f"), POSTGRES_OTHER, 6},
    {SLICE_INIT("\0\0\0\x08\x04\xd2\x17\x2f"), POSTGRES_OTHER, 7},
    {SLICE_INIT("\0\0\0\x08\x04\xd2\x16\x31"), POSTGRES_OTHER, 8},
    {SLICE_INIT("\0\0\0\x09\x04\xd2\x16\x2f"), POSTGRES_OTHER, 8}, /* an SSLRequest has nothing more */
    {SLICE_INIT("\0\0\0\x09\x04\xd2\x16\x30"), POSTGRES_OTHER, 8},
    {SLICE_INIT("\0\0\0\x0f\x04\xd2\x16\x2e"), POSTGRES_OTHER, 8},
    {SLICE_INIT("\0\0\0\x08\0\x03\0\0"), POSTGRES_OTHER, 8},
};

static void tells_first_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t len = 0; len <= cases[i].bytes.len; len++) {
            enum postgres_first is = postgres_first_read(slice_head(cases[i].bytes, len));
            enum postgres_first wanted = len < cases[i].known ? POSTGRES_MORE : cases[i].kind;

            if (is != wanted) {
                fail_msg("case %zu with %zu bytes: %d, not %d", i, len, (int)is, (int)wanted);
            }
        }
    }
}

static void waits_for_an_ssl_request_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice bytes = cases[i].bytes;
        size_t same = 0;

        while (same < postgres_ssl_request.len && bytes.ptr[same] == postgres_ssl_request.ptr[same]) {
            same++;
        }
        for (size_t len = 0; len <= bytes.len; len++) {
            bool wanted = len <= same || same == postgres_ssl_request.len;

            assert_int_equal(postgres_maybe_ssl(slice_head(bytes, len)), wanted);
        }
    }
    assert_int_equal(postgres_first_read(postgres_ssl_request), POSTGRES_SSL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_first_messages),
        cmocka_unit_test(waits_for_an_ssl_request_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
