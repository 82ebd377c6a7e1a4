/*
 * users.h - what basicAuth and digestAuth do in the same way: look a user up, tell the server who it is.
 */
#ifndef WEIR_WORKER_MIDDLEWARE_USERS_H
#define WEIR_WORKER_MIDDLEWARE_USERS_H

#include "worker/exchange.h"

/* In a map of the arena (prepare_users()). False: there is none of that name. */
bool users_find(const struct exchange *ex, const struct string_map *users, struct slice name,
                struct slice *secret);
/* The user may pass. header_field: of the arena, empty for none. */
void users_admit(struct exchange *ex, struct slice header_field, bool remove_header, struct slice user);
/* 401 as Go's library for both makes it. */
int users_refuse(struct exchange *ex, struct slice challenge);

#endif
