/*
 * explain_question.c - what `weir explain` is asked: the request of its command line. See explain.h.
 */
#include <stdio.h>

#include "master/tools/explain.h"

static int usage(const char *problem)
{
    fprintf(stderr,
            "error: %s\nusage: weir explain [DIR] [flags] METHOD URL [-H 'Name: value']... [--from IP] "
            "[--entry-point NAME]\n",
            problem);
    return 1;
}

static bool is_method(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!((text.ptr[i] >= 'A' && text.ptr[i] <= 'Z') || text.ptr[i] == '-')) {
            return false;
        }
    }
    return text.len > 0 && text.ptr[0] != '-';
}

static bool take_url(struct question *question, struct slice url)
{
    ptrdiff_t after = slice_find_slice(url, SLICE("://"));
    struct slice rest;
    size_t end = 0;

    if (after <= 0) {
        return false;
    }
    question->scheme = slice_of(url.ptr, (size_t)after);
    question->tls = slice_eq_nocase(question->scheme, SLICE("https"));
    if (!question->tls && !slice_eq_nocase(question->scheme, SLICE("http"))) {
        return false;
    }
    rest = slice_of(url.ptr + after + 3, url.len - (size_t)after - 3);
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#') {
        end++;
    }
    question->authority = slice_of(rest.ptr, end);
    question->target = slice_of(rest.ptr + end, rest.len - end);
    ptrdiff_t fragment = slice_find(question->target, '#');

    if (fragment >= 0) { /* browsers and curl keep it to themselves */
        question->target.len = (size_t)fragment;
    }
    return question->authority.len > 0;
}

static bool take_header(struct question *question, struct slice text)
{
    ptrdiff_t colon = slice_find(text, ':');
    struct slice name, value;

    if (colon <= 0 || question->header_count == EXPLAIN_HEADERS_MAX) {
        return false;
    }
    name = slice_of(text.ptr, (size_t)colon);
    value = slice_trim(slice_of(text.ptr + colon + 1, text.len - (size_t)colon - 1));
    if (slice_eq_nocase(name, SLICE("Host"))) {
        question->host = value;
        return true;
    }
    question->names[question->header_count] = name;
    question->values[question->header_count++] = value;
    return true;
}

/* Which half of METHOD and URL is there, among the arguments that nobody has taken. */
static int nothing_asked(const struct question *question)
{
    struct question unused;
    char problem[600];

    for (int i = 0; i < question->argc; i++) {
        struct slice arg = slice_cstr(question->argv[i]), other;

        if (take_url(&unused, arg) && slice_find(arg, '=') < 0) {
            other = slice_cstr(i > 0 ? question->argv[i - 1] : "");
            if (other.len == 0 || other.ptr[0] == '-') {
                (void)snprintf(problem, sizeof(problem), "METHOD is missing in front of %.*s",
                               SLICE_ARG(slice_head(arg, 200)));
            } else {
                (void)snprintf(problem, sizeof(problem),
                               "\"%.*s\" in front of %.*s is no method: it has capital letters",
                               SLICE_ARG(slice_head(other, 200)), SLICE_ARG(slice_head(arg, 200)));
            }
            return usage(problem);
        }
        if (is_method(arg) && i + 1 < question->argc && question->argv[i + 1][0] != '-') {
            other = slice_head(slice_cstr(question->argv[i + 1]), 200);
            (void)snprintf(problem, sizeof(problem),
                           "\"%.*s\" behind %.*s is no whole URL: write http://%s%.*s", SLICE_ARG(other),
                           SLICE_ARG(slice_head(arg, 200)),
                           slice_has_prefix(other, SLICE("/")) ? "example.com" : "", SLICE_ARG(other));
            return usage(problem);
        }
    }
    return usage("METHOD and URL are missing: GET http://example.com/path");
}

/* METHOD and URL are found as a pair, wherever they stand: flags may have values of their own behind them. */
int explain_question(struct question *question, struct pool *pool, int argc, char **argv)
{
    bool found = false;

    question->argv = pool_alloc(pool, (size_t)(argc + 1) * sizeof(*question->argv));
    address_parse(SLICE("127.0.0.1"), &question->client);
    for (int i = 0; i < argc; i++) {
        struct slice arg = slice_cstr(argv[i]), next = slice_cstr(i + 1 < argc ? argv[i + 1] : "");
        bool more = i + 1 < argc;

        if (!found && more && is_method(arg) && take_url(question, next)) {
            question->method = arg;
            found = true;
            i++;
        } else if (slice_eq(arg, SLICE("-H"))) {
            if (!more || !take_header(question, next)) {
                char problem[300];

                (void)snprintf(problem, sizeof(problem), "\"%.*s\": -H needs 'Name: value'",
                               SLICE_ARG(slice_head(next, 200)));
                return usage(problem);
            }
            i++;
        } else if (slice_eq(arg, SLICE("--from"))) {
            if (!more || !address_parse(next, &question->client)) {
                return usage("--from needs an IP address");
            }
            i++;
        } else if (slice_eq(arg, SLICE("--entry-point"))) {
            if (!more) {
                return usage("--entry-point needs a name");
            }
            question->entry_point = next;
            i++;
        } else {
            question->argv[question->argc++] = argv[i];
        }
    }
    question->argv[question->argc] = NULL;
    if (!found) {
        return nothing_asked(question);
    }
    if (question->host.len == 0) {
        question->host = question->authority;
    }
    return 0;
}
