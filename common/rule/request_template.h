/*
 * request_template.h - texts with Go templates over a request: "from [[.RemoteAddr]]".
 *
 * Of Go's language the parts that make sense in the value of a header: .Host, .Method, .Proto, .RequestURI, .RemoteAddr,
 * .UserAgent, .Referer, .URL (also .URL.String), .URL.Path, .URL.RawPath, .URL.EscapedPath, .URL.RawQuery, .Header.Get "Name",
 * texts in quotes, comments, and the minus that cuts blanks off. Anything else is an error. The master compiles it into a few
 * bytes, which workers run.
 */
#ifndef WEIR_COMMON_RULE_REQUEST_TEMPLATE_H
#define WEIR_COMMON_RULE_REQUEST_TEMPLATE_H

#include "common/base/error.h"
#include "common/base/pool.h"

enum template_field {
    TEMPLATE_HOST,
    TEMPLATE_METHOD,
    TEMPLATE_PROTO,
    TEMPLATE_URI,    /* .RequestURI, .URL */
    TEMPLATE_REMOTE, /* address with port */
    TEMPLATE_PATH,   /* decoded */
    TEMPLATE_RAW_PATH,
    TEMPLATE_QUERY,
    TEMPLATE_HEADER, /* by name: the first value */
};

/* open, close: "[[" and "]]". False: *why says what is wrong and where. The program lies in the pool. */
bool request_template_compile(struct pool *pool, struct slice text, struct slice open, struct slice close,
                              struct slice *program, struct error *why);

/* field() gives what stands there; name is of a header. The text lies in the pool or is what field() gave. */
struct slice request_template_run(struct pool *pool, struct slice program,
                                  struct slice (*field)(void *context, enum template_field field,
                                                        struct slice name),
                                  void *context);

#endif
