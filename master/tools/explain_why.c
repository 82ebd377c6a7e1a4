/*
 * explain_why.c - walks the tree of a rule that does not match and names the predicates that would have to change.
 *
 * Each predicate is asked by rule_matches(), the plain evaluator, so that words and routing cannot disagree. Not here: which
 * routers are asked (explain.c).
 */
#include "master/tools/explain_why.h"

struct why {
    struct slice rule_text;
    const struct rule_request *request;
    struct text *out;
    bool any; /* something was said already */
};

/* "Host(`a`)": the text of the predicate, from its column to the bracket that closes it. */
static struct slice predicate_text(const struct why *why, const struct rule *rule)
{
    struct slice text = why->rule_text;
    size_t from = rule->column ? rule->column - 1 : text.len, depth = 0;
    char quote = '\0';

    for (size_t i = from; i < text.len; i++) {
        char c = text.ptr[i];

        if (quote) {
            if (c == '\\' && quote == '"') {
                i++;
            } else if (c == quote) {
                quote = '\0';
            }
        } else if (c == '`' || c == '"') {
            quote = c;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && (depth == 0 || --depth == 0)) {
            return slice_of(text.ptr + from, i + 1 - from);
        }
    }
    return from < text.len ? slice_of(text.ptr + from, text.len - from) : SLICE("a predicate");
}

struct values {
    struct text *out;
    size_t count;
};

static bool add_value(void *context, struct slice value)
{
    struct values *values = context;

    text_printf(values->out, "%s\"%.*s\"", values->count++ ? ", " : "", SLICE_ARG(value));
    return false; /* all of them */
}

/* What the request has where the predicate looks. */
static void add_actual(struct why *why, const struct rule *rule)
{
    const struct rule_request *request = why->request;
    struct values values = {.out = why->out};
    char address[ADDRESS_TEXT_SIZE];

    switch (rule->predicate) {
    case RULE_ANY:
        text_add_cstr(why->out, "anything");
        return;
    case RULE_HOST:
    case RULE_HOST_SUFFIX:
    case RULE_HOST_REGEXP:
        text_printf(why->out, "host \"%.*s\"", SLICE_ARG(request->host));
        return;
    case RULE_PATH:
    case RULE_PATH_PREFIX:
    case RULE_PATH_REGEXP:
        text_printf(why->out, "path \"%.*s\"", SLICE_ARG(request->path));
        return;
    case RULE_METHOD:
        text_printf(why->out, "method %.*s", SLICE_ARG(request->method));
        return;
    case RULE_HEADER:
    case RULE_HEADER_REGEXP:
        text_printf(why->out, "header %.*s: ", SLICE_ARG(rule->name));
        request->header(request, rule->name, add_value, &values);
        text_add_cstr(why->out, values.count ? "" : "not sent");
        return;
    case RULE_QUERY:
    case RULE_QUERY_REGEXP:
    case RULE_QUERY_FIRST:
    case RULE_QUERY_FIRST_REGEXP:
        text_printf(why->out, "query \"%.*s\"", SLICE_ARG(request->query));
        return;
    case RULE_CLIENT_IP:
        address_format(&request->client, address);
        text_printf(why->out, "client %s", address);
        return;
    case RULE_ALPN: /* no request has it: rules of TCP routers are for connections */
    case RULE_PREDICATES:
        break;
    }
    text_add_cstr(why->out, "the request");
}

static void say(struct why *why, const struct rule *rule, bool wanted)
{
    struct slice text = predicate_text(why, rule);

    text_printf(why->out, "%s%s%.*s %s ", why->any ? "; " : "", wanted ? "" : "!", SLICE_ARG(text),
                wanted ? "does not match" : "excludes");
    add_actual(why, rule);
    why->any = true;
}

/* The rule is not `wanted`: says which predicates keep it from being so, and counts them. */
static size_t walk(struct why *why, const struct rule *rule, bool wanted)
{
    bool both = rule->op == RULE_AND ? wanted : !wanted; /* must both sides change, or is one enough? */
    size_t count = 0, fewest = SIZE_MAX;

    switch (rule->op) {
    case RULE_NOT:
        return walk(why, rule->left, !wanted);
    case RULE_PREDICATE:
        say(why, rule, wanted);
        return 1;
    case RULE_AND:
    case RULE_OR:
        break;
    }
    const struct rule *sides[] = {rule->left, rule->right};

    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        if (rule_matches(sides[i], why->request) == wanted) {
            continue;
        }
        size_t side = walk(why, sides[i], wanted);

        count += side;
        fewest = side < fewest ? side : fewest;
    }
    return both ? count : fewest == SIZE_MAX ? 0 : fewest;
}

size_t explain_why(const struct rule *rule, struct slice rule_text, const struct rule_request *request,
                   struct text *out)
{
    struct why why = {.rule_text = rule_text, .request = request, .out = out};

    return walk(&why, rule, true);
}
