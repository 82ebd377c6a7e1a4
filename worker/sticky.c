/*
 * sticky.c - see sticky.h.
 */
#include "worker/sticky.h"

#include "common/http/cookie.h"
#include "worker/exchange.h"

const struct sticky_value *sticky_find(const struct exchange *ex, const struct page *page,
                                       const struct service *service)
{
    struct slice value;

    if (service->cookie.len == 0 ||
        !cookie_find(&ex->request.headers, page_text(page, service->cookie), &value)) {
        return NULL;
    }
    return services_sticky(page, service, value);
}

static struct slice cookie_of(struct exchange *ex, const struct page *page, const struct service *service,
                              uint32_t position)
{
    const struct slice *cookies = page_at(page, service->cookies.items);

    return pool_copy(ex->pool, page_text(page, cookies[position])); /* the page may go before the answer */
}

struct set_cookie *sticky_set(struct exchange *ex, const struct page *page, const struct service *service,
                              uint32_t position)
{
    struct set_cookie **last = &ex->set_cookies, *made;

    if (service->cookie.len == 0) {
        return NULL;
    }
    while (*last) {
        last = &(*last)->next;
    }
    made = pool_alloc(ex->pool, sizeof(*made));
    *made = (struct set_cookie){.value = cookie_of(ex, page, service, position)};
    return *last = made;
}

struct set_cookie *sticky_reset(struct exchange *ex, struct set_cookie *before, const struct page *page,
                                const struct service *service, uint32_t position)
{
    if (before == NULL) {
        return sticky_set(ex, page, service, position);
    }
    before->value = cookie_of(ex, page, service, position);
    return before;
}

void sticky_send(struct exchange *ex)
{
    for (const struct set_cookie *cookie = ex->set_cookies; cookie; cookie = cookie->next) {
        headers_add_id(&ex->response.headers, HEADER_SET_COOKIE, cookie->value);
    }
    ex->set_cookies = NULL;
}
