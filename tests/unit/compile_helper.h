/*
 * compile_helper.h - for tests of compiling: a small model built by hand, and the generation that it becomes.
 */
#ifndef WEIR_TESTS_UNIT_COMPILE_HELPER_H
#define WEIR_TESTS_UNIT_COMPILE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/compile/compile.h"
#include "shm/generation.h"
#include "shm/routes.h"
#include "shm/services.h"
#include "shm/static_page.h"

extern struct entry_point points[3]; /* traefik, web, websecure */
extern struct static_config config;  /* with them */
extern struct model *model;

int compile_set_up(void **state);
int compile_tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, compile_set_up, compile_tear_down)

/* ---- into the model; lists are words with blanks between them, in its pool ---- */
struct list names(const char *text);
/* Host(`NAME.test`) on web. */
struct http_router *router(const char *name, const char *service, const char *chain);
struct http_service *balancer(const char *name, const char *urls);
/* The last of n children has weight 1, the first n. */
struct http_service *weighted(const char *name, const char *children);
struct http_middleware *prefix(const char *name);

/* ---- compiling it ---- */
struct compiled compile_with(struct board *board, uint64_t generation);
/* Also shows that the pages fit together. */
struct generation *adopt(struct compiled *compiled);
struct generation *compile_now(void);

/* ---- what became of it; NULL: it is not there ---- */
const struct service *service_at(struct generation *generation, const char *name);
const struct route *route_at(struct generation *generation, const char *name);
const struct server *server_at(struct generation *generation, const char *service, size_t i);
bool has_error(const struct element *element, const char *part);

#endif
