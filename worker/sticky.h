/*
 * sticky.h - clients that come back to the server or service that they had: reading the cookie, and setting it.
 *
 * What is set stands in a list of the exchange and goes out with the head of the response, whoever made that.
 */
#ifndef WEIR_WORKER_STICKY_H
#define WEIR_WORKER_STICKY_H

#include "shm/services.h"

struct exchange;

struct set_cookie { /* in the exchange's pool */
    struct slice value;
    struct set_cookie *next;
};

/* Whom the client's cookie for this service names; NULL: nobody. */
const struct sticky_value *sticky_find(const struct exchange *ex, const struct page *page,
                                       const struct service *service);
/* From now on the client is told to come back to `position`; does nothing where the service is not sticky. */
struct set_cookie *sticky_set(struct exchange *ex, const struct page *page, const struct service *service,
                              uint32_t position);
/* The same in place of what was to be set before; NULL: nothing was. */
struct set_cookie *sticky_reset(struct exchange *ex, struct set_cookie *before, const struct page *page,
                                const struct service *service, uint32_t position);
/* Puts what is to be set into the response. */
void sticky_send(struct exchange *ex);

#endif
