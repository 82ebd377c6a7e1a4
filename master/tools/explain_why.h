/*
 * explain_why.h - why a rule does not match a request: the predicates that decide, in words.
 */
#ifndef WEIR_MASTER_TOOLS_EXPLAIN_WHY_H
#define WEIR_MASTER_TOOLS_EXPLAIN_WHY_H

#include "common/base/text.h"
#include "common/rule/rule.h"

/* Appends "Host(`a.test`) does not match host b.test; ..." and returns how many predicates stand in the way (the fewest
 * over the alternatives of an "or"). rule_text is what the user wrote. */
size_t explain_why(const struct rule *rule, struct slice rule_text, const struct rule_request *request,
                   struct text *out);

#endif
