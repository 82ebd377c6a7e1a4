/*
 * rule_match.c - does a request match a predicate, a rule: the plain evaluator, the truth that the index
 * agrees with.
 *
 * Three answers, because a regexp may run into its limit: then neither "matches" nor "does not match" is
 * known, a negation of it is not known either, nor is a rule that depends on it: routers behind it are not asked.
 */
#include "common/rule/regex.h"
#include "common/rule/rule.h"

struct slice rule_host_key(struct slice host)
{
    return host.len && host.ptr[host.len - 1] == '.' ? slice_head(host, host.len - 1) : host;
}

struct slice rule_host_wildcard(struct slice host_key)
{
    ptrdiff_t dot = slice_find(host_key, '.');

    return dot < 0 ? slice_from(host_key, host_key.len) : slice_from(host_key, (size_t)dot);
}

bool rule_header_hidden(struct slice name)
{
    return slice_eq_nocase(name, SLICE("host")) || slice_eq_nocase(name, SLICE("transfer-encoding")) ||
           slice_eq_nocase(name, SLICE("trailer"));
}

struct search { /* a value that is wanted among those of a header or query parameter */
    struct slice value;
    const struct regex *regex; /* NULL: equality */
    struct regex_effort *effort;
    enum rule_answer answer;
};

static enum rule_answer answer_to(enum regex_result result)
{
    switch (result) {
    case REGEX_MATCH:
        return RULE_YES;
    case REGEX_NO_MATCH:
        return RULE_NO;
    case REGEX_LIMIT:
        break;
    }
    return RULE_UNKNOWN;
}

/* That of the request, with a little more for the expression that is asked now; own where it has none. */
static struct regex_effort *effort_of(const struct rule_request *request, struct regex_effort *own)
{
    if (request->effort == NULL) {
        return own;
    }
    regex_effort_more(request->effort);
    return request->effort;
}

static enum rule_answer regex_answer(const struct regex *regex, struct slice subject,
                                     const struct rule_request *request)
{
    struct regex_effort own = {0};

    return answer_to(regex_test_among(regex, subject, effort_of(request, &own)));
}

static bool search_visit(void *context, struct slice value)
{
    struct search *search = context;

    if (!search->regex) {
        search->answer = slice_eq(search->value, value) ? RULE_YES : RULE_NO;
    } else {
        enum rule_answer answer = answer_to(regex_test_among(search->regex, value, search->effort));

        search->answer = answer == RULE_NO ? search->answer : answer; /* one unknown value taints a "no" */
    }
    return search->answer == RULE_YES;
}

static enum rule_answer header_answer(struct slice name, struct slice value, const struct regex *regex,
                                      const struct rule_request *request)
{
    struct regex_effort own = {0};
    struct search search = {
        .value = value, .regex = regex, .effort = regex ? effort_of(request, &own) : NULL, .answer = RULE_NO};

    if (!request->header || rule_header_hidden(name)) {
        return RULE_NO;
    }
    request->header(request, name, search_visit, &search);
    return search.answer;
}

static enum rule_answer query_answer(struct slice name, struct slice value, const struct regex *regex,
                                     const struct rule_request *request)
{
    struct regex_effort own = {0};
    struct search search = {
        .value = value, .regex = regex, .effort = regex ? effort_of(request, &own) : NULL, .answer = RULE_NO};

    return rule_query_values(request, name, search_visit, &search) ? search.answer : RULE_UNKNOWN;
}

struct first { /* the question to the first value of a query parameter */
    enum rule_predicate predicate;
    struct slice name, value;
    const struct regex *regex;
    const struct rule_request *request;
    bool found;
    enum rule_answer answer;
};

/* The regexp sees "name=value". */
static enum rule_answer joined_answer(const struct first *first, struct slice value)
{
    char buffer[1024];
    struct slice text = slice_of(buffer, first->name.len + 1 + value.len);
    char *to = buffer;

    if (text.len > sizeof(buffer)) {
        to = first->request->scratch ? pool_try_alloc(first->request->scratch, text.len) : NULL;
        text.ptr = to;
    }
    if (!to) {
        return RULE_UNKNOWN;
    }
    if (first->name.len) {
        memcpy(to, first->name.ptr, first->name.len);
    }
    to[first->name.len] = '=';
    if (value.len) {
        memcpy(to + first->name.len + 1, value.ptr, value.len);
    }
    return regex_answer(first->regex, text, first->request);
}

static bool first_visit(void *context, struct slice value)
{
    struct first *first = context;

    first->found = true;
    if (first->predicate == RULE_QUERY_FIRST) {
        first->answer = slice_eq(first->value, value) ? RULE_YES : RULE_NO;
    } else {
        first->answer = joined_answer(first, value);
    }
    return true;
}

static enum rule_answer query_first_answer(enum rule_predicate predicate, struct slice name,
                                           struct slice value, const struct regex *regex,
                                           const struct rule_request *request)
{
    struct first first = {.predicate = predicate,
                          .name = name,
                          .value = value,
                          .regex = regex,
                          .request = request,
                          .answer = RULE_NO};

    if (!rule_query_values(request, name, first_visit, &first)) {
        return RULE_UNKNOWN;
    }
    return first.found || predicate == RULE_QUERY_FIRST ? first.answer
                                                        : regex_answer(regex, slice_of("", 0), request);
}

static enum rule_answer answer_of(bool matches)
{
    return matches ? RULE_YES : RULE_NO;
}

static bool offers(struct slice alpn, struct slice protocol)
{
    while (alpn.len) {
        size_t len = (unsigned char)alpn.ptr[0];

        alpn = slice_from(alpn, 1);
        len = len < alpn.len ? len : alpn.len;
        if (slice_eq(slice_head(alpn, len), protocol)) {
            return true;
        }
        alpn = slice_from(alpn, len);
    }
    return false;
}

enum rule_answer rule_predicate_test(enum rule_predicate predicate, struct slice name, struct slice value,
                                     const struct cidr *network, const struct regex *regex,
                                     const struct rule_request *request)
{
    switch (predicate) {
    case RULE_ANY:
        return RULE_YES;
    case RULE_HOST:
        return answer_of(request->host.len && slice_eq(rule_host_key(request->host), value));
    case RULE_HOST_SUFFIX:
        return answer_of(request->host.len &&
                         slice_eq(rule_host_wildcard(rule_host_key(request->host)), value));
    case RULE_HOST_REGEXP:
        return regex_answer(regex, request->host, request);
    case RULE_PATH:
        return answer_of(slice_eq(request->path, value));
    case RULE_PATH_PREFIX:
        return answer_of(slice_has_prefix(request->path, value));
    case RULE_PATH_REGEXP:
        return regex_answer(regex, request->path, request);
    case RULE_METHOD:
        return answer_of(slice_eq(request->method, value));
    case RULE_HEADER:
        return header_answer(name, value, NULL, request);
    case RULE_HEADER_REGEXP:
        return regex ? header_answer(name, value, regex, request) : RULE_UNKNOWN;
    case RULE_QUERY:
        return query_answer(name, value, NULL, request);
    case RULE_QUERY_REGEXP:
        return regex ? query_answer(name, value, regex, request) : RULE_UNKNOWN;
    case RULE_QUERY_FIRST:
    case RULE_QUERY_FIRST_REGEXP:
        return query_first_answer(predicate, name, value, regex, request);
    case RULE_CLIENT_IP:
        return answer_of(network && cidr_contains(network, &request->client));
    case RULE_ALPN:
        return answer_of(offers(request->alpn, value));
    case RULE_PREDICATES:
        break;
    }
    return RULE_UNKNOWN;
}

static enum rule_answer rule_answer(const struct rule *rule, const struct rule_request *request)
{
    enum rule_answer left, right;

    switch (rule->op) {
    case RULE_PREDICATE:
        return rule_predicate_test(rule->predicate, rule->name, rule->value, &rule->network, rule->regex,
                                   request);
    case RULE_NOT:
        left = rule_answer(rule->left, request);
        return left == RULE_UNKNOWN ? left : answer_of(left == RULE_NO);
    case RULE_AND:
        left = rule_answer(rule->left, request);
        if (left == RULE_NO) {
            return left;
        }
        right = rule_answer(rule->right, request);
        return right == RULE_YES ? left : right;
    case RULE_OR:
        left = rule_answer(rule->left, request);
        if (left == RULE_YES) {
            return left;
        }
        right = rule_answer(rule->right, request);
        return right == RULE_NO ? left : right;
    }
    return RULE_UNKNOWN;
}

bool rule_matches(const struct rule *rule, const struct rule_request *request)
{
    return rule_answer(rule, request) == RULE_YES;
}
