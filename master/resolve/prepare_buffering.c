/*
 * prepare_buffering.c - buffering: bounds of bodies, when a request is sent again. mem*BodyBytes say where Traefik begins to
 * write to a disk: here all is memory (docs/differences.md), and a bound holds where none is given.
 */
#include "common/rule/retry_expression.h"
#include "master/resolve/prepare.h"

#define MOST_DEFAULT ((int64_t)64 << 20) /* bytes of one body */

const void *prepare_buffering(struct preparation *at, const struct buffering *options)
{
    struct prepared_buffering *made = pool_zalloc(at->pool, sizeof(*made));
    struct error why;

    made->request_most = options->max_request_body_bytes ? options->max_request_body_bytes : MOST_DEFAULT;
    made->response_most = options->max_response_body_bytes ? options->max_response_body_bytes : MOST_DEFAULT;
    if (options->retry_expression.len &&
        !retry_expression_compile(at->pool, options->retry_expression, &made->again, &why)) {
        return prepare_wrong(at, "%s", why.text);
    }
    return made;
}
