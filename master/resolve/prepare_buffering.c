/*
 * prepare_buffering.c - buffering: bounds of bodies, how much of them stays in memory, when a request is sent again.
 */
#include "common/rule/retry_expression.h"
#include "master/resolve/prepare.h"

#define MEMORY_DEFAULT ((int64_t)1 << 20) /* bytes of one body */

const void *prepare_buffering(struct preparation *at, const struct buffering *options)
{
    struct prepared_buffering *made = pool_zalloc(at->pool, sizeof(*made));
    struct error why;

    made->request_most = options->max_request_body_bytes;
    made->response_most = options->max_response_body_bytes;
    made->request_memory = options->mem_request_body_bytes ? options->mem_request_body_bytes : MEMORY_DEFAULT;
    made->response_memory =
        options->mem_response_body_bytes ? options->mem_response_body_bytes : MEMORY_DEFAULT;
    if (options->retry_expression.len &&
        !retry_expression_compile(at->pool, options->retry_expression, &made->again, &why)) {
        return prepare_wrong(at, "%s", why.text);
    }
    return made;
}
