/*
 * regex_inner.h - what matching and replacing share; nobody outside the regex layer includes it.
 */
#ifndef WEIR_COMMON_RULE_REGEX_INNER_H
#define WEIR_COMMON_RULE_REGEX_INNER_H

#include "common/rule/regex.h"

#define REGEX_RUN_LIMIT (-1)
#define REGEX_MAX_REPLACED (1024 * 1024) /* bytes of one replaced text */

struct regex_subject {
    struct slice given; /* as the caller has it */
    struct slice text;  /* valid UTF-8 */
    char *copy;         /* with the next: only when given was not valid UTF-8 */
    size_t *origin;     /* positions of text's bytes in given */
};

/* False when memory is out. */
bool regex_subject_open(struct regex_subject *subject, struct slice text);
void regex_subject_close(struct regex_subject *subject);

/* Between two pieces of work that count as one: false when it took too long. */
bool regex_effort_left(struct regex_effort *effort);
/* The first match that starts at `from` or later: number of spans set (> 0), 0 for none, REGEX_RUN_LIMIT.
 * The spans are pairs of positions in subject->text, good until this thread matches again. */
int regex_run(const struct regex *regex, const struct regex_subject *subject, size_t from,
              struct regex_effort *effort, size_t **spans);
/* One span as a part of the given text; empty when unset. */
struct slice regex_span(const struct regex_subject *subject, const size_t *spans, size_t number);
size_t regex_captures(const struct regex *regex);
struct slice regex_capture_name(const struct regex *regex, size_t number);

#endif
