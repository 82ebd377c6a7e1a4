/*
 * rule_hints.c - rules that are right and yet mean something else than who wrote them meant: a template of the v2 syntax in a
 * rule of v3, where {name} stands for itself. The router serves as its rule says; the hint is a notice of the model.
 */
#include "common/rule/rule.h"
#include "master/resolve/resolver.h"

static bool begins_template(struct slice value, size_t at)
{
    unsigned char first = ascii_lower((unsigned char)value.ptr[at + 1]);
    bool step = at == 0 || value.ptr[at - 1] == '.' || value.ptr[at - 1] == '/' || value.ptr[at - 1] == '-';

    return value.ptr[at] == '{' && step && ((first >= 'a' && first <= 'z') || first == '_');
}

/* The first {name} or {name:pattern}; what begins with a digit or a comma repeats, in a regular expression. */
static bool find_template(struct slice value, struct slice *out)
{
    ptrdiff_t last = slice_rfind(value, '}'); /* whatever begins before it ends as well */

    for (size_t i = 0; last > 0 && i < (size_t)last; i++) {
        if (begins_template(value, i)) {
            struct slice rest = slice_from(value, i);

            *out = slice_head(rest, (size_t)slice_find(rest, '}') + 1);
            return true;
        }
    }
    return false;
}

static bool takes_templates(const struct rule *rule)
{
    return rule->predicate == RULE_HOST_REGEXP || rule->predicate == RULE_HOST ||
           rule->predicate == RULE_PATH || rule->predicate == RULE_PATH_PREFIX;
}

static bool find_in(const struct rule *rule, struct slice *out)
{
    if (rule->op == RULE_PREDICATE) {
        return takes_templates(rule) && find_template(rule->value, out);
    }
    return find_in(rule->left, out) || (rule->right && find_in(rule->right, out));
}

void rule_hint(struct resolver *resolver, const struct http_router *router)
{
    struct slice found;

    if (router->v2 || slice_find(router->config.rule, '{') < 0 || !find_in(router->rule, &found)) {
        return;
    }
    model_notice(
        resolver->model, false, &router->element.origin,
        "router %.*s: rule: %.*s is a template of the v2 syntax, and stands for itself here: write a regular "
        "expression into HostRegexp or PathRegexp, or ruleSyntax: v2",
        SLICE_ARG(router->element.name), SLICE_ARG(found));
}
