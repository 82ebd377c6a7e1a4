/*
 * rule_cookie.c - Cookie(`name`, `value`), a matcher of ours: requests with that pair, whole, in any Cookie field, with or
 * without quotes around the value. It becomes the expression on Cookie that one would write otherwise. Test:
 * tests/unit/test_rule_match.c
 */
#include "common/rule/rule_inner.h"

#include <string.h>

static bool cookie_text_good(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= ' ' || c >= 0x7f || c == ';' || c == ',' || c == '"' || c == '\\') {
            return false; /* RFC 6265 4.1.1: no value holds them, and none is found with them */
        }
    }
    return true;
}

int rule_build_cookie(const struct rule_call *call, struct rule **out, struct error *why)
{
    struct slice pair =
        pool_printf(call->pool, "%.*s=%.*s", SLICE_ARG(call->values[0]), SLICE_ARG(call->values[1]));
    size_t cut = call->values[0].len + 1, len = 0;
    char *quoted = pool_alloc(call->pool, 2 * pair.len + 4);

    if (!cookie_text_good(pair) || slice_find(call->values[0], '=') >= 0) {
        return rule_error(call, why, "\"%.*s\" is no name and value of a cookie",
                          SLICE_ARG(slice_head(pair, 100)));
    }
    for (size_t i = 0; i < pair.len; i++) {
        if (i == cut) {
            quoted[len++] = '"';
            quoted[len++] = '?';
        }
        if (strchr("\\.+*?()|[]{}^$", pair.ptr[i])) {
            quoted[len++] = '\\';
        }
        quoted[len++] = pair.ptr[i];
    }
    return rule_new_regex(call, RULE_HEADER_REGEXP, SLICE("Cookie"),
                          pool_printf(call->pool, "(^|;)[ \t]*%.*s\"?[ \t]*(;|$)", (int)len, quoted), out,
                          why);
}
