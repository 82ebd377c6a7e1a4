/*
 * expression.h - what the small expression languages of middlewares share: operands with && and || between them, && closer
 * than ||, and parentheses. The master compiles them into a few bytes in reverse Polish order, which workers run.
 *
 * A language compiles and runs its own operands (retry_expression.c, breaker_expression.c). An operand's first byte is a small
 * letter.
 */
#ifndef WEIR_COMMON_RULE_EXPRESSION_H
#define WEIR_COMMON_RULE_EXPRESSION_H

#include "common/base/error.h"
#include "common/base/pool.h"

struct expression { /* while it is compiled */
    struct slice rest;
    char *out; /* room for as many bytes as the text has, and 8 */
    size_t len;
    unsigned nesting;
    const char *option; /* for error texts */
    struct error *why;
    bool (*operand)(struct expression *expression); /* false: *why is set */
    void *context;                                  /* the language's */
};

/* option, operand and context are set. False: *why says what is wrong and where. The program lies in the pool. No operand may
 * take more bytes than its text. */
bool expression_compile(struct pool *pool, struct expression *expression, struct slice text,
                        struct slice *program, struct error *why);
/* Runs it; holds() answers for the operand at *at and moves behind it. */
bool expression_holds(struct slice program,
                      bool (*holds)(const void *facts, struct slice program, size_t *at), const void *facts);

/* ---- for operands ---- */
enum comparison { EQUAL, DIFFERENT, LESS, MORE, LESS_EQUAL, MORE_EQUAL, NO_COMPARISON };

/* Blanks and the word, if it is there. */
bool expression_eat(struct expression *expression, struct slice word);
enum comparison expression_comparison(struct expression *expression);
void expression_put(struct expression *expression, const void *bytes, size_t len);
/* Sets *why; returns false. */
bool expression_wrong(struct expression *expression, const char *what);
bool comparison_holds(double value, enum comparison what, double with);

#endif
