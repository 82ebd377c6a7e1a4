/*
 * fuzz_path.c - request targets, hosts and URLs. What comes out of path_prepare() must be safe to route on
 * and to send: only bytes that need no escape, whole escapes, no dot segments, and stable when prepared once
 * more. The first byte of the input chooses method, sanitizing and limits.
 */
#include <stdlib.h>

#include "common/http/scan.h"
#include "common/http/url.h"
#include "tests/fuzz/require.h"

static void check_raw(struct slice raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '%') {
            REQUIRE(raw.len - i > 2 && scan_is(raw.ptr[i + 1], SCAN_HEX) &&
                    scan_is(raw.ptr[i + 2], SCAN_HEX));
            REQUIRE(raw.ptr[i + 1] <= 'F' && raw.ptr[i + 2] <= 'F');
            i += 2;
        } else {
            REQUIRE(scan_is(raw.ptr[i], SCAN_PATH));
        }
    }
}

static void check_clean(struct slice raw)
{
    static const char *const dirty[] = {"//", "/./", "/../"};

    REQUIRE(raw.len > 0 && (raw.ptr[0] == '/' || slice_eq(raw, SLICE("*"))));
    for (size_t i = 0; i < sizeof(dirty) / sizeof(dirty[0]); i++) {
        REQUIRE(slice_find_slice(raw, slice_cstr(dirty[i])) < 0);
    }
    REQUIRE(!slice_has_suffix(raw, SLICE("/.")) && !slice_has_suffix(raw, SLICE("/..")));
}

static void check_target(struct pool *pool, uint8_t choice, struct slice target)
{
    struct slice method = choice & 1 ? SLICE("CONNECT") : SLICE("GET");
    struct request_path path, again;
    struct slice routing;
    bool sanitize = (choice & 2) != 0;
    enum path_result result = path_prepare(pool, method, target, sanitize, choice >> 2 & 0x1f, &path);

    if (result != PATH_OK) {
        return;
    }
    check_raw(path.raw);
    REQUIRE(path_routing(pool, path.raw, &routing) == PATH_OK && slice_eq(routing, path.path));
    if (!sanitize) {
        struct url_path written;
        struct slice escaped;
        bool changed;

        REQUIRE(path_written(pool, method, target, &written, &changed) == PATH_OK);
        REQUIRE(url_path_escaped(pool, &written, &escaped) == PATH_OK && slice_eq(escaped, path.raw));
        return;
    }
    check_clean(path.raw);
    REQUIRE(path_prepare(pool, SLICE("GET"), path.raw, true, choice >> 2 & 0x1f, &again) == PATH_OK);
    REQUIRE(slice_eq(path.raw, again.raw) && slice_eq(path.path, again.path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text, out;

    if (size < 1 || size > 4096) {
        return 0;
    }
    char *copy = malloc(size); /* of its own size: reading too far is seen */
    struct pool *roomy = pool_new(256, 0), *tight = pool_new(16, 64);

    text = slice_of(memcpy(copy, data + 1, size - 1), size - 1);
    check_target(roomy, data[0], text);
    if (path_prepare(tight, SLICE("GET"), text, true, 0, &(struct request_path){0}) == PATH_OK) {
        REQUIRE(pool_bytes(tight) < 4096);
    }
    if (url_normalise(roomy, text, &out) == PATH_OK) {
        for (size_t i = 0; i < out.len; i++) { /* nothing that could end a header line */
            REQUIRE((unsigned char)out.ptr[i] >= 0x20 && out.ptr[i] != 0x7f);
        }
    }
    if (host_canonical(roomy, text, &out)) {
        REQUIRE(host_valid(out));
    }
    pool_free(roomy);
    pool_free(tight);
    free(copy);
    return 0;
}
