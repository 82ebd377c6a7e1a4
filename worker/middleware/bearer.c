/*
 * bearer.c - see bearer.h.
 */
#include "worker/middleware/bearer.h"

#include "common/rule/rule.h"

bool bearer_of_header(const struct exchange *ex, struct slice name, struct slice scheme, struct slice *out)
{
    const struct header *header = name.len ? headers_find(&ex->request.headers, name) : NULL;

    if (header == NULL) {
        return false;
    }
    *out = header->value;
    if (scheme.len) {
        if (!slice_eq_nocase(slice_head(*out, scheme.len), scheme) || out->len <= scheme.len ||
            out->ptr[scheme.len] != ' ') {
            return false;
        }
        *out = slice_from(*out, scheme.len + 1);
    }
    return out->len > 0;
}

struct found {
    struct pool *pool;
    struct slice *out;
    bool good;
};

static bool take(void *context, struct slice value)
{
    struct found *found = context;

    found->good = value.len > 0 && pool_join(found->pool, value, SLICE(""), found->out);
    return true;
}

bool bearer_of_query(struct exchange *ex, struct slice name, struct slice *out)
{
    const struct rule_request request = {.query = ex->request.query, .scratch = ex->pool};
    struct found found = {.pool = ex->pool, .out = out};

    return name.len && rule_query_values(&request, name, take, &found) && found.good;
}
