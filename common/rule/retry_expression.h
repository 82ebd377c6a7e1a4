/*
 * retry_expression.h - when a buffered request is sent again: IsNetworkError() && Attempts() < 3.
 *
 * IsNetworkError() (status 502 or 504), Attempts(), ResponseCode() and RequestMethod(); the numbers are compared by == != < >
 * <= >= with a number, the method by == and != with a "text"; && binds closer than ||, parentheses group. The master compiles
 * it into a few bytes, which workers run.
 */
#ifndef WEIR_COMMON_RULE_RETRY_EXPRESSION_H
#define WEIR_COMMON_RULE_RETRY_EXPRESSION_H

#include "common/base/error.h"
#include "common/base/pool.h"

/* False: *why says what is wrong and where. The program lies in the pool. */
bool retry_expression_compile(struct pool *pool, struct slice text, struct slice *program, struct error *why);

struct retry_facts {
    unsigned attempts, status;
    struct slice method;
};

/* program: as compiled. */
bool retry_expression_holds(struct slice program, const struct retry_facts *facts);

#endif
