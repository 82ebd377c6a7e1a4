/*
 * yaml_hint.c - what is mostly wrong where libyaml says what it expected: indentation, tabs, quotes.
 */
#include "common/doc/yaml_hint.h"

#include <string.h>

static const struct {
    const char *problem, *hint;
} hints[] = {
    {"mapping values are not allowed in this context",
     "is the line indented too far, or are quotes missing?"},
    {"did not find expected key",
     "keys of one mapping begin in one column, and nothing follows a closing quote"},
    {"did not find expected '-' indicator", "items of one list begin in one column"},
    {"could not find expected ':'", "a key has ':' and a blank behind it"},
};

const char *yaml_hint(const char *problem, struct slice text, size_t line, size_t column)
{
    for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
        if (strcmp(problem, hints[i].problem) == 0) {
            return hints[i].hint;
        }
    }
    if (strcmp(problem, "found character that cannot start any token") != 0) {
        return NULL;
    }
    for (struct slice rest = text, row; rest.ptr; line--) {
        row = slice_split(&rest, '\n');
        if (line ==
            0) { /* columns count characters: what is in front of a tab are blanks and tabs alone, mostly */
            return column < row.len && row.ptr[column] == '\t' ? "a tab: YAML is indented by blanks"
                                                               : "text that begins so needs quotes";
        }
    }
    return NULL;
}
