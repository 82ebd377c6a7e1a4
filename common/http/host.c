/*
 * host.c - what a Host header may be, and its form for matching; see path.h.
 */
#include "common/http/path.h"

#include "common/http/scan.h"

/* Those classes that all bytes belong to. */
static unsigned classes_of(struct slice s)
{
    unsigned classes = SCAN_HOST | SCAN_HOST_PLAIN;

    for (const char *p = s.ptr, *end = p + s.len; p < end; p++) {
        classes &= scan_classes[(unsigned char)*p];
    }
    return classes;
}

bool host_valid(struct slice host)
{
    return (classes_of(host) & SCAN_HOST) != 0;
}

bool host_split(struct slice host_port, struct slice *host, struct slice *port)
{
    ptrdiff_t colon = slice_rfind(host_port, ':');
    size_t brackets = 0; /* bytes of a part in brackets */

    if (colon < 0) {
        return false;
    }
    if (host_port.ptr[0] == '[') {
        ptrdiff_t close = slice_find(host_port, ']');

        if (close < 0 || close + 1 != colon) {
            return false;
        }
        brackets = (size_t)close + 1;
    } else if (slice_find(slice_head(host_port, (size_t)colon), ':') >= 0) {
        return false;
    }
    if (slice_find(slice_from(host_port, brackets > 0 ? 1 : 0), '[') >= 0 ||
        slice_find(slice_from(host_port, brackets), ']') >= 0) {
        return false;
    }
    *host = brackets > 0 ? slice_of(host_port.ptr + 1, brackets - 2) : slice_head(host_port, (size_t)colon);
    *port = slice_from(host_port, (size_t)colon + 1);
    return true;
}

bool host_canonical(struct pool *pool, struct slice host, struct slice *out)
{
    struct slice name = host, port;
    unsigned classes = classes_of(host);
    bool lower = true;

    if (classes & SCAN_HOST_PLAIN) { /* nearly all are lower case and have no port */
        *out = host;
        return true;
    }
    if (!(classes & SCAN_HOST)) {
        return false;
    }
    if (!host_split(host, &name, &port) && host.len > 1 && host.ptr[0] == '[' &&
        host.ptr[host.len - 1] == ']') {
        name = slice_of(host.ptr + 1, host.len - 2);
    }
    for (size_t i = 0; i < name.len; i++) {
        lower &= name.ptr[i] < 'A' || name.ptr[i] > 'Z';
    }
    if (!lower) {
        char *to = pool_try_alloc(pool, name.len);

        if (to == NULL) {
            return false;
        }
        for (size_t i = 0; i < name.len; i++) {
            to[i] = (char)ascii_lower((unsigned char)name.ptr[i]);
        }
        name = slice_of(to, name.len);
    }
    *out = name;
    return true;
}
