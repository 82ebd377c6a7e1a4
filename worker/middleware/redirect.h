/*
 * redirect.h - what redirectScheme and redirectRegex share: the URL as the client asked for it, and where to
 * send it.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_REDIRECT_H
#define WEIR_WORKER_MIDDLEWARE_REDIRECT_H

#include "worker/exchange.h"
#include "worker/middleware.h"

/* parts in one piece in the exchange's pool; false past its limit. */
bool redirect_join(struct exchange *ex, const struct slice *parts, size_t count, struct slice *out);

/* A URL, or what may be none, cut the way Traefik's expressions cut it: "http" or "https", a host of letters,
 * digits, "_",
 * "." and "-" or in brackets, ":port", and the rest. Parts may be empty; scheme is empty when the text is no
 * URL. */
struct redirect_url {
    struct slice scheme, host, port, rest;
};
struct redirect_url redirect_cut(struct slice text);

/* Sends the client from `from` to `to`: MW_PASS when both are the same. GET gets 302 or 301 (permanent),
 * other methods 307 or 308, so that they keep their method. A malformed `to` is 502, as Traefik has it. */
enum mw_verdict redirect_to(struct exchange *ex, struct slice from, struct slice to, bool permanent);

/* The answer to a URL that outgrew its bound. */
enum mw_verdict redirect_too_long(struct exchange *ex);

#endif
