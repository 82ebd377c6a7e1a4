/*
 * url.h - whole URLs, as redirections need them: read and written again the way Go's net/url does.
 *
 * Not here: the path of a request (path.h).
 */
#ifndef WEIR_COMMON_HTTP_URL_H
#define WEIR_COMMON_HTTP_URL_H

#include "common/http/path.h"

/* What Go's url.Parse(text) gives with String(): scheme in lower case, what may not stand in a URL escaped.
 * PATH_BAD when Go calls it malformed. */
enum path_result url_normalise(struct pool *pool, struct slice text, struct slice *out);

/* The path alone, in both forms. */
enum path_result url_path_of(struct pool *pool, struct slice text, struct url_path *out);

/* A reference from an http(s) base, resolved (RFC 3986 5.2); base_path begins with '/'. Then as url_normalise(). */
enum path_result url_resolve(struct pool *pool, struct slice scheme, struct slice authority,
                             struct slice base_path, struct slice reference, struct slice *out);

/* As Go's url.QueryEscape: blanks as +, everything but letters, digits and -_.~ as %XX. */
struct slice url_query_escape(struct pool *pool, struct slice text);

#endif
