/*
 * explain.h - the inside of `weir explain`: what happens to one request, said in words.
 *
 * explain_question.c  the command line -> struct question
 * explain.c           the request -> entry point, TCP router, router, children: the way it goes
 * explain_goal.c      what stands there: router, middlewares, service, servers
 * explain_misses.c    routers that did not get it, and why
 * explain_why.c       why one rule does not match
 *
 * Answers come from the compiled pages through the code that workers route with. All print to stdout.
 */
#ifndef WEIR_MASTER_TOOLS_EXPLAIN_H
#define WEIR_MASTER_TOOLS_EXPLAIN_H

#include "common/http/path.h"
#include "common/rule/rule.h"
#include "master/tools/common.h"
#include "shm/routes.h"

#define EXPLAIN_HEADERS_MAX 64

struct question {
    struct slice method, scheme, authority, target, entry_point;
    struct slice names[EXPLAIN_HEADERS_MAX], values[EXPLAIN_HEADERS_MAX];
    size_t header_count;
    struct slice host; /* of -H Host, else the URL's authority */
    struct address client;
    bool tls;
    int argc; /* what is left: flags of the configuration */
    char **argv;
};

struct answer {
    struct tool tool;
    struct pool *pool;
    struct question question;
    struct rule_request request;
    struct request_path path;
    uint32_t entry_point;
    uint32_t layer; /* whose routers are looked at; 0: those of the entry point */
};

/* ---- explain.c ---- */
const struct page *explain_page(const struct answer *answer, enum page_kind kind);
struct slice explain_entry_point(const struct answer *answer, uint32_t number);

/* ---- explain_question.c ---- */
/* Text stays that of argv. 0, or the exit status after saying on stderr what is wrong. */
int explain_question(struct question *question, struct pool *pool, int argc, char **argv);

/* ---- explain_goal.c ---- */
void explain_router(const struct answer *answer, const struct route *route);
void explain_middlewares(const struct answer *answer, const struct route *route);
/* Its middlewares, then its service down to the servers. */
void explain_goal(const struct answer *answer, const struct route *route);

/* ---- explain_misses.c ---- */
/* Each router that is asked before the winner. */
void explain_passed_over(const struct answer *answer, uint32_t winner);
/* Nobody wins: those that come nearest. */
void explain_near_misses(const struct answer *answer);
/* Routers that are broken and would have been asked: what an operator looks for first. */
void explain_disabled(const struct answer *answer);

#endif
