/*
 * regex.h - Go's regular expressions (RE2 syntax) on PCRE2 with JIT and match limits.
 *
 * regex_compile() reads the expression as Go does into a tree of its own, refuses what Go refuses (back
 * references, look-around, possessive...) with Go's words, and writes the tree anew in PCRE2's syntax, so
 * that nothing is left to differences between the two. Matching never runs away: past the match limit, or
 * 20 ms of the processor's time, it fails closed (no match). Matching is unanchored unless the expression
 * anchors itself. Subjects need not be UTF-8: a malformed byte counts as the character U+FFFD, as in Go.
 * Thread-safe: one compiled regex may be used by many threads.
 */
#ifndef WEIR_COMMON_RULE_REGEX_H
#define WEIR_COMMON_RULE_REGEX_H

#include "common/base/error.h"
#include "common/base/pool.h"
#include "common/base/slice.h"

struct regex;

/* *out is the caller's; regex_free() it. With jit false the compiled form stays small (master). */
int regex_compile(struct slice pattern, bool jit, struct regex **out, struct error *why);
void regex_free(struct regex *regex);

/* What asks a regex takes NULL, too: one that memory was not there for. It says nothing of any subject. */

/* REGEX_LIMIT: it took too long to say. */
enum regex_result { REGEX_NO_MATCH, REGEX_MATCH, REGEX_LIMIT };
enum regex_result regex_test(const struct regex *regex, struct slice subject);
bool regex_match(const struct regex *regex, struct slice subject); /* REGEX_MATCH */

/* As regex_test, for subjects whose number a peer chooses: together they take no longer than one may. Begins as zero. */
struct regex_effort {
    int64_t begun_ns, processor_ns;
    int64_t more_ns; /* than the 20 ms */
    bool used;
};
/* Before another expression is asked: as many as the configuration has get to their turn. */
void regex_effort_more(struct regex_effort *effort);
enum regex_result regex_test_among(const struct regex *regex, struct slice subject,
                                   struct regex_effort *effort);

/* The first match, a part of the subject. */
enum regex_result regex_find(const struct regex *regex, struct slice subject, struct slice *match);

/* As Go's Regexp.ReplaceAllString: replaces every match, $1 ${1} ${name} $$ expanded. *out, in the pool, is set when something
 * was replaced, and then only. REGEX_TOO_LONG: past the pool's limit, or 1 MiB. */
enum regex_replaced { REGEX_UNTOUCHED, REGEX_REPLACED, REGEX_GAVE_UP, REGEX_TOO_LONG };
enum regex_replaced regex_replace_all(const struct regex *regex, struct slice subject,
                                      struct slice replacement, struct pool *pool, struct slice *out);

/* ---- what every match must contain, for prefilters ---- */
struct regex_literals {
    struct slice *items; /* texts that every match contains, in order, none empty */
    size_t count;
    struct slice prefix; /* what the subject must begin with; empty when nothing is certain */
    bool exact;          /* the subject must be equal to prefix */
};
/* lower_case: the subject will be lower-case ASCII (a host), so literals under (?i) count too. Lives in the
 * pool. Nothing is found in a pattern that does not compile. */
void regex_literals(struct pool *pool, struct slice pattern, bool lower_case, struct regex_literals *out);

/* The longest of them, or an empty slice. */
struct slice regex_required_literal(struct pool *pool, struct slice pattern);

#endif
