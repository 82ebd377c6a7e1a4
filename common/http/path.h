/*
 * path.h - the request path: normalised once, before routing; router, middlewares and upstream see the same
 * bytes.
 *
 * As Traefik does it: the target is split into path and query; unreserved percent escapes are decoded and the
 * rest upper-cased; the path is cleaned (sanitizePath); encoded characters are checked against what the entry
 * point allows; the routing path is the decoded path in which reserved characters stay encoded.
 *
 * Where a pool has a limit, what would go over it is PATH_TOO_LONG: sizes here are a peer's. Whole URLs:
 * url.h.
 */
#ifndef WEIR_COMMON_HTTP_PATH_H
#define WEIR_COMMON_HTTP_PATH_H

#include "common/base/pool.h"
#include "common/base/slice.h"

enum path_encoded { /* bits: characters whose encoded form is refused */
                    PATH_SLASH = 1,
                    PATH_BACK_SLASH = 2,
                    PATH_NULL = 4,
                    PATH_SEMICOLON = 8,
                    PATH_PERCENT = 16,
                    PATH_QUESTION = 32,
                    PATH_HASH = 64,
};

struct request_path {
    struct slice
        host;         /* of an absolute-form or authority-form target, without user information; else empty */
    struct slice raw; /* escaped path as it goes upstream, normalised; "*" for OPTIONS *; empty only for an
                         absolute target without path when sanitize is off ("/" is then to be sent) */
    struct slice path;  /* for routing: decoded, reserved characters kept encoded */
    struct slice query; /* raw, without '?' */
    bool has_query;     /* "/a?" has an empty one */
};

enum path_result {
    PATH_OK,
    PATH_BAD,     /* 400 as for any malformed request: body and close */
    PATH_REFUSED, /* fragment or encoded character: Traefik answers 400 with an empty body and keeps the
                     connection */
    PATH_TOO_LONG
};

/* target: origin-form, absolute-form, authority-form (CONNECT) or "*". Allocates only when bytes change.
 * refused: Traefik checks encoded characters only once a router has matched (no router: 404); who wants that
 * order gives 0 here and asks path_encoded_refused() afterwards. */
enum path_result path_prepare(struct pool *pool, struct slice method, struct slice target, bool sanitize,
                              unsigned refused, struct request_path *out);

/* What a request line may hold: no control byte, no blank. */
bool target_valid(struct slice text);

/* True when an escaped path holds an encoded form of one of the characters. */
bool path_encoded_refused(struct slice raw, unsigned refused);

/* The path as rules see it: what is escaped is decoded, but for reserved characters. PATH_BAD: malformed
 * escape. */
enum path_result path_routing(struct pool *pool, struct slice escaped, struct slice *out);

/* Go's url.PathUnescape (PATH_BAD: malformed escape), the default escaping of a path, and path.Clean of a
 * path that begins with '/'. The input itself is returned where nothing changes. */
enum path_result path_unescape(struct pool *pool, struct slice escaped, struct slice *out);
enum path_result path_escape(struct pool *pool, struct slice path, struct slice *out);
enum path_result path_clean(struct pool *pool, struct slice path, struct slice *out);

/* Absolute, clean, and the same in all forms: nothing in it is escaped or would have to be. As nearly all are. */
bool path_is_plain(struct slice path);

/* The two forms that Go's url.URL keeps of a path, and its functions on them; middlewares work on these. */
struct url_path {
    struct slice path; /* decoded */
    struct slice raw;  /* a hint for the escaped form; empty when the default escaping of path is meant */
};
enum path_result url_path_parse(struct pool *pool, struct slice escaped,
                                struct url_path *out); /* PATH_BAD: escape */
enum path_result url_path_escaped(struct pool *pool, const struct url_path *url, struct slice *out);
/* Removes "//", "/./" and "/../", keeps a final slash (URL.JoinPath without elements). */
enum path_result url_path_clean(struct pool *pool, struct url_path *url);

/* The path of a target that path_prepare() took, as Traefik keeps it without sanitizing: its hint may hold
 * what no escaped path may. *changed: its escapes had to be normalised. */
enum path_result path_written(struct pool *pool, struct slice method, struct slice target,
                              struct url_path *out, bool *changed);

/* ';' in a query becomes "%3B" (encodeQuerySemicolons), or '&' (what the upstream gets otherwise). */
enum path_result query_encode_semicolons(struct pool *pool, struct slice query, struct slice *out);
enum path_result query_split_semicolons(struct pool *pool, struct slice query, struct slice *out);

/* Canonical host for matching: lower case, without port, IPv6 without brackets. A trailing dot stays
 * (expressions see it; Host() takes it off by itself). False when the header is no host (bad bytes). An empty
 * one is valid and stays empty. */
bool host_canonical(struct pool *pool, struct slice host, struct slice *out);
bool host_valid(struct slice host); /* bytes that a Host header may have; may be empty */
/* Splits "host:port", "[v6]:port" as Go's net.SplitHostPort; false when that fails (no port, too many
 * colons). The host comes without brackets, the port without colon. */
bool host_split(struct slice host_port, struct slice *host, struct slice *port);

#endif
