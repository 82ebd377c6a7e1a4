/*
 * fuzz_rule.c - rules from anywhere: the parser must stay sane, and the index must answer as the plain
 * evaluator does.
 *
 * Input: lines. The first is a request ("GET host/path?query"), the second a header value, each further one
 * a rule; a rule that starts with '2' is read in the v2 syntax (without the digit), one with 't' or 'T' as that of a TCP
 * router in v3 or v2. A tab in a rule stands for a line break.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/rule/regex.h"
#include "common/rule/rule.h"
#include "shm/routes.h"

#define MAX_RULES 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool one_header(const struct rule_request *request, struct slice name,
                       bool (*visit)(void *, struct slice), void *context)
{
    return slice_eq_nocase(name, SLICE("x-a")) && visit(context, *(const struct slice *)request->context);
}

static void read_request(struct slice line, struct rule_request *request)
{
    request->method = slice_split(&line, ' ');
    ptrdiff_t slash = slice_find(line, '/');

    request->host = slice_head(line, slash < 0 ? line.len : (size_t)slash);
    line = slice_from(line, slash < 0 ? line.len : (size_t)slash);
    request->path = slice_split(&line, '?');
    request->query = line;
    address_parse(SLICE("10.0.0.1"), &request->client);
}

static void with_breaks(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        text[i] = text[i] == '\t' ? '\n' : text[i];
    }
}

/* A rule of a TCP router: it is parsed and nothing more. */
static void read_tcp_rule(struct pool *pool, struct slice text, enum rule_syntax syntax)
{
    struct rule *rule = NULL;
    struct error why = {{0}};

    if (rule_parse(pool, text, syntax, &rule, &why) == 0) {
        rule_first_sni(rule);
    } else if (!why.text[0] || strchr(why.text, '\n')) {
        abort();
    }
    rule_free(rule);
}

static size_t read_rules(struct pool *pool, struct slice rest, struct rule **rules,
                         struct route_input *inputs)
{
    static const uint32_t entry_point[] = {0};
    size_t count = 0;

    while (rest.ptr && count < MAX_RULES) {
        struct slice line = slice_split(&rest, '\n');
        bool v2 = line.len && line.ptr[0] == '2';
        struct slice text = pool_copy(pool, slice_from(line, v2 ? 1 : 0));
        struct error why = {{0}};

        with_breaks((char *)(uintptr_t)text.ptr, text.len);
        if (text.len && (text.ptr[0] == 't' || text.ptr[0] == 'T')) {
            read_tcp_rule(pool, slice_from(text, 1), text.ptr[0] == 't' ? RULE_TCP_V3 : RULE_TCP_V2);
            continue;
        }
        if (rule_parse(pool, text, v2 ? RULE_V2 : RULE_V3, &rules[count], &why) < 0) {
            if (!why.text[0] || strchr(why.text, '\n')) {
                abort(); /* an error must say something, in one line */
            }
            continue;
        }
        inputs[count] = (struct route_input){.rule = rules[count],
                                             .rule_text = text,
                                             .v2 = v2,
                                             .priority = (int64_t)text.len,
                                             .precedence = -(int32_t)count,
                                             .entry_points = entry_point,
                                             .entry_point_count = 1,
                                             .service = (uint32_t)count};
        count++;
    }
    return count;
}

static uint32_t plain_answer(const struct route_input *inputs, size_t count,
                             const struct rule_request *request)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t i = 0; i < count; i++) {
        if ((best == UINT32_MAX || inputs[i].priority > inputs[best].priority) &&
            rule_matches(inputs[i].rule, request)) {
            best = i;
        }
    }
    return best;
}

static uint32_t index_answer(const struct route_input *inputs, size_t count,
                             const struct rule_request *request)
{
    struct page_builder *builder = builder_new(PAGE_ROUTES);
    struct page *page = NULL;
    struct error why;
    uint32_t answer;
    int fd;

    routes_build(builder, inputs, count);
    if (page_seal(builder, 1, &fd, &why) < 0 || page_adopt(fd, PAGE_ROUTES, &page, &why) < 0 ||
        routes_check(page, &why) < 0) {
        abort();
    }
    close(fd);
    builder_free(builder);
    answer = routes_match(page, 0, false, request);
    answer = answer == ROUTE_NONE ? UINT32_MAX : routes_at(page, answer)->service;
    page_unref(page);
    return answer;
}

/* LIMIT, or so long that it may be at another time. */
static bool takes_long(const struct regex *regex, struct slice subject)
{
    clock_t begun = clock();

    return regex_test(regex, subject) == REGEX_LIMIT || clock() - begun > CLOCKS_PER_SEC / 500;
}

/* With JIT (in the index) and without (plain) a regexp runs into its limit at different places: then they
 * may differ. */
static bool near_a_limit(const struct rule *rule, const struct rule_request *request)
{
    const struct slice subjects[] = {request->host, request->path, request->query,
                                     *(const struct slice *)request->context};
    struct regex *jit = NULL;
    bool near = false;

    if (!rule) {
        return false;
    }
    if (rule->regex && regex_compile(rule->value, true, &jit, NULL) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
            near = near || takes_long(rule->regex, subjects[i]) || takes_long(jit, subjects[i]);
        }
        regex_free(jit);
    }
    return near || near_a_limit(rule->left, request) || near_a_limit(rule->right, request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pool *pool = pool_new(4096, 0), *scratch = pool_new(4096, 1 << 20);
    struct slice rest = slice_of((const char *)data, size), line = slice_split(&rest, '\n');
    struct slice header = rest.ptr ? slice_split(&rest, '\n') : rest;
    struct rule *rules[MAX_RULES] = {NULL};
    struct route_input inputs[MAX_RULES];
    struct rule_request request = {.header = one_header, .context = &header, .scratch = scratch};
    size_t count = read_rules(pool, rest, rules, inputs);

    read_request(line, &request);
    bool limited = false;

    for (size_t i = 0; i < count; i++) {
        limited = limited || near_a_limit(rules[i], &request);
    }
    if (count && plain_answer(inputs, count, &request) != index_answer(inputs, count, &request) && !limited) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        rule_free(rules[i]);
    }
    pool_free(pool);
    pool_free(scratch);
    return 0;
}
