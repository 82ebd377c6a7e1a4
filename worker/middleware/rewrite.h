/*
 * rewrite.h - what the middlewares that change the path share.
 *
 * They work on both forms of the path, as Traefik's do: decoded to compare with their options, escaped for
 * the upstream. A path may become empty in between ("/api" without its prefix); the next addPrefix puts its
 * text in front of nothing, and the upstream gets "/".
 */
#ifndef WEIR_WORKER_MIDDLEWARE_REWRITE_H
#define WEIR_WORKER_MIDDLEWARE_REWRITE_H

#include "common/http/path.h"
#include "worker/exchange.h"
#include "worker/middleware.h"

/* The path of the request in both forms. False: it did not fit into the pool's limit, answer with
 * rewrite_refuse(). */
bool rewrite_load(struct exchange *ex, struct url_path *url);

/* Makes url the path of the request: MW_PASS, or MW_ANSWERED when it is over the bound. */
enum mw_verdict rewrite_store(struct exchange *ex, const struct url_path *url);

/* As rewrite_store, but refuses with 400 what has become a path that sanitizing would change ("/../x",
 * "//host"): the upstream must not see what the rules could not. */
enum mw_verdict rewrite_store_clean(struct exchange *ex, struct url_path *url);

/* The answer to a path that outgrew its bound. */
enum mw_verdict rewrite_refuse(struct exchange *ex);

/* The answer to a configured path with a malformed escape: 500, and the text says which. */
enum mw_verdict rewrite_bad_escape(struct exchange *ex, struct slice escaped);

/* "/" in front of a text that has none; an empty one stays empty. False past the limit. */
bool rewrite_lead(struct exchange *ex, struct slice *path);

/* How many bytes of the escaped path stand for so many decoded ones. */
size_t rewrite_escaped_len(struct slice escaped, size_t decoded);

#endif
