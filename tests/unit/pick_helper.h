/*
 * pick_helper.h - for tests of picking servers: a board, one exchange of one worker, services that lie on pages.
 */
#ifndef WEIR_TESTS_UNIT_PICK_HELPER_H
#define WEIR_TESTS_UNIT_PICK_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/exchange.h"
#include "worker/pick.h"
#include "worker/worker.h"

extern struct worker worker;
extern struct exchange exchange; /* of that worker */
extern struct server_address somewhere;

int pick_setup(void **state);
int pick_teardown(void **state);

struct server server_named(const char *name);

/* Services on pages of two each, so that some refer to others on another page. */
struct whole {
    struct services services;
    struct page *pages[4];
};

struct whole *whole_of(const struct service *services, size_t count);
void whole_free(struct whole *whole);
/* First letters of the servers that `count` picks give. */
const char *picks(const struct whole *whole, uint32_t service, size_t count);

#endif
