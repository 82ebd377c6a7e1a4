/*
 * rewrite.h - the path and the request line as middlewares see and change them.
 *
 * Traefik's middlewares work on three things that Go keeps of a request: the decoded path, a hint for its
 * escaped form, and the request line's target. They are made when the first middleware asks for them and kept
 * with the exchange, so that each sees exactly what the one before left: an empty path ("/api" without its
 * prefix, in front of which the next addPrefix puts its text), a hint that is no valid escaping ("/a b" of
 * replacePath). The router and the upstream only ever see the valid escaped form.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_REWRITE_H
#define WEIR_WORKER_MIDDLEWARE_REWRITE_H

#include "common/http/path.h"
#include "worker/exchange.h"
#include "worker/middleware.h"

/* The path of the request in both forms. False: it did not fit into the pool's limit, answer with
 * rewrite_refuse(). */
bool rewrite_load(struct exchange *ex, struct url_path *url);

/* Path and query as Go's RequestURI has them: as the client wrote them, or as the last middleware left them.
 */
bool rewrite_uri(struct exchange *ex, struct slice *uri);

/* The path as X-Replaced-Path shows it. */
bool rewrite_shown(struct exchange *ex, struct slice *path);

/* Makes url the path of the request: MW_PASS, or MW_ANSWERED when it is over the bound. */
enum mw_verdict rewrite_store(struct exchange *ex, const struct url_path *url);

/* As rewrite_store, with another spelling of the query in rewrite_uri(). */
enum mw_verdict rewrite_store_shown(struct exchange *ex, const struct url_path *url, struct slice query);

/* Stores a path whose escaped form is new; the decoded one is made from it: 500, and the text says which escape, when that
 * cannot be. clean: refuses with 400 what has become a path that sanitizing would change ("/../x", "//host"): the upstream must
 * not see what the rules could not. */
enum mw_verdict rewrite_replace(struct exchange *ex, struct url_path *url, bool clean);

/* Cuts a prefix off the decoded path, and what stands for it off the escaped one; it goes into X-Forwarded-Prefix. What
 * remains gets its slash (rewrite_lead()); force_slash: also when nothing remains. What is not clean then is refused,
 * as above. */
enum mw_verdict rewrite_strip(struct exchange *ex, struct url_path *url, struct slice prefix,
                              bool force_slash);

/* The answer to a path that outgrew its bound. */
enum mw_verdict rewrite_refuse(struct exchange *ex);

/* The answer where an expression took too long to say whether it matches: what it would have changed must not pass unchanged. */
enum mw_verdict rewrite_gave_up(struct exchange *ex);

/* "/" in front of a text that has none; an empty one stays empty. False past the limit. */
bool rewrite_lead(struct exchange *ex, struct slice *path);

#endif
