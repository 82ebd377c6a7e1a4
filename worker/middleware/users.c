/*
 * users.c - see users.h.
 */
#include "worker/middleware/users.h"

bool users_find(const struct exchange *ex, const struct string_map *users, struct slice name,
                struct slice *secret)
{
    const struct string_pair *items = exchange_items(ex, (struct list){users->items, users->count});
    size_t from = 0, to = users->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = slice_cmp(exchange_text(ex, items[middle].key), name);

        if (order == 0) {
            *secret = exchange_text(ex, items[middle].value);
            return true;
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return false;
}

void users_admit(struct exchange *ex, struct slice header_field, bool remove_header, struct slice user)
{
    exchange_set_user(ex, user);
    struct slice field = exchange_text(ex, header_field);

    if (field.len) {
        headers_remove_spellings(&ex->request.headers, field);
        headers_set(&ex->request.headers, field, user);
    }
    headers_keep_first(&ex->request.headers, HEADER_AUTHORIZATION);
    if (remove_header) {
        headers_remove_id(&ex->request.headers, HEADER_AUTHORIZATION);
    }
}

int users_refuse(struct exchange *ex, struct slice challenge)
{
    headers_set(&ex->response.headers, SLICE("Www-Authenticate"), challenge);
    headers_set_id(&ex->response.headers, HEADER_CONTENT_TYPE, SLICE("text/plain"));
    return exchange_answer_plain(ex, 401, REASON_unauthenticated, SLICE("401 Unauthorized\n"));
}
