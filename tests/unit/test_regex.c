/*
 * test_regex.c - Go's regular expressions: what is refused, what matches, groups, replacing, required
 * literals, limits.
 *
 * The answers are those of Go's regexp package.
 */
#include "common/rule/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "common/base/pool.h"

static struct regex *compile(const char *pattern, bool jit)
{
    struct regex *regex = NULL;
    struct error why = {{0}};

    if (regex_compile(slice_cstr(pattern), jit, &regex, &why) < 0) {
        fail_msg("%s: %s", pattern, why.text);
    }
    return regex;
}

static void refusals_have_gos_words(void **state)
{
    static const struct {
        const char *pattern, *text;
    } cases[] = {
        {"(", "missing closing ): `(`"},
        {"a)", "unexpected ): `a)`"},
        {"[a", "missing closing ]: `[a`"},
        {"[z-a]", "invalid character class range: `z-a`"},
        {"[[:foo:]]", "invalid character class range: `[:foo:]`"},
        {"\\", "trailing backslash at end of expression: ``"},
        {"*", "missing argument to repetition operator: `*`"},
        {"a|*", "missing argument to repetition operator: `*`"},
        {"(?i)*", "missing argument to repetition operator: `*`"},
        {"a**", "invalid nested repetition operator: `**`"},
        {"a*+", "invalid nested repetition operator: `*+`"},
        {"a??+", "invalid nested repetition operator: `?"
                 "?+`"},
        {"a{1001}", "invalid repeat count: `{1001}`"},
        {"a{2,1}", "invalid repeat count: `{2,1}`"},
        {"(?:a{50}){50}", "invalid repeat count"},
        {"\\1", "invalid escape sequence: `\\1`"},
        {"\\8", "invalid escape sequence: `\\8`"},
        {"\\Z", "invalid escape sequence: `\\Z`"},
        {"\\G", "invalid escape sequence: `\\G`"},
        {"\\K", "invalid escape sequence: `\\K`"},
        {"\\R", "invalid escape sequence: `\\R`"},
        {"\\h", "invalid escape sequence: `\\h`"},
        {"\\C", "invalid escape sequence: `\\C`"},
        {"\\e", "invalid escape sequence: `\\e`"},
        {"\\x{110000}", "invalid escape sequence"},
        {"\\xg1", "invalid escape sequence"},
        {"(?=a)", "invalid or unsupported Perl syntax: `(?=`"},
        {"(?!a)", "invalid or unsupported Perl syntax: `(?!`"},
        {"(?<=a)", "invalid named capture"},
        {"(?<!a)", "invalid named capture"},
        {"(?>a)", "invalid or unsupported Perl syntax: `(?>`"},
        {"(?|a)", "invalid or unsupported Perl syntax: `(?|`"},
        {"(?R)", "invalid or unsupported Perl syntax: `(?R`"},
        {"(?1)", "invalid or unsupported Perl syntax: `(?1`"},
        {"(?x)a", "invalid or unsupported Perl syntax: `(?x`"},
        {"(?#c)", "invalid or unsupported Perl syntax: `(?#`"},
        {"(?(1)a|b)", "invalid or unsupported Perl syntax: `(?(`"},
        {"(?'n'a)", "invalid or unsupported Perl syntax: `(?'`"},
        {"(?P=n)", "invalid or unsupported Perl syntax: `(?P`"},
        {"(?P<n", "invalid named capture: `(?P<n`"},
        {"(?P<n-m>a)", "invalid named capture: `(?P<n-m>`"},
        {"(?P<>a)", "invalid named capture: `(?P<>`"},
        {"(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"},
        {"\\p{Foo}", "\\p{Foo}"},
        {"\\p{", "invalid character class range: `\\p{`"},
        {"a\xff", "invalid UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *regex = NULL;
        struct error why = {{0}};

        if (regex_compile(slice_cstr(cases[i].pattern), false, &regex, &why) == 0) {
            fail_msg("%s is accepted", cases[i].pattern);
        }
        if (!strstr(why.text, cases[i].text)) {
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].pattern, why.text, cases[i].text);
        }
        assert_null(regex);
    }
}

static void matches(void **state)
{
    static const struct {
        const char *pattern, *subject;
        bool match;
    } cases[] = {
        {"b", "abc", true},
        {"^b", "abc", false},
        {"^abc$", "abc", true},
        {"^abc$", "abc\n", false}, /* $ is the end of the text, not before a last line feed */
        {"abc\\z", "abc\n", false},
        {"(?m)^b$", "a\nb\nc", true},
        {"(?m)^$", "a\n", true},
        {".", "\n", false},
        {"(?s).", "\n", true},
        {"(?s)(?-s).", "\n", false},
        {"(?i)ABC", "abc", true},
        {"(?i:a)B", "aB", true},
        {"(?i:a)B", "Ab", false},
        {"(?i)k", "\xe2\x84\xaa", true}, /* the Kelvin sign */
        {"a(?i)b|c", "C", true},         /* a flag holds to the end of the group */
        {"(a(?i)b)c", "aBC", false},
        {"^.$", "\xc3\xa9", true}, /* one character */
        {"^.$", "\xff", true},     /* a malformed byte is one too */
        {"^..$", "\xc3\xc3", true},
        {"^[^a]$", "\xff", true},
        {"\xef\xbf\xbd", "\xff", true},
        {"^\\w+$", "a\xc3\xa9", false}, /* \w is ASCII */
        {"^\\pL+$", "a\xc3\xa9", true},
        {"^\\p{Greek}$", "\xce\xb1", true},
        {"^\\p{Greek}$", "a", false},
        {"^\\p{^Greek}$", "a", true},
        {"^\\P{Greek}$", "a", true},
        {"^[[:alpha:]]+$", "ab", true},
        {"^[[:^alpha:]]+$", "12", true},
        {"^[\\d_]+$", "1_2", true},
        {"^\\s$", "\v", false},
        {"^[[:space:]]$", "\v", true},
        {"^\\Qa.b*\\E$", "a.b*", true},
        {"^\\Qa.b", "a.b", true},
        {"^\\x41\\x{42}\\103$", "ABC", true},
        {"^a{,2}$", "a{,2}", true}, /* no repetition: literal */
        {"^a{2}$", "aa", true},
        {"^a{2,}?$", "aaa", true},
        {"^{$", "{", true},
        {"^[]a]+$", "]a", true},
        {"^[a-]+$", "-a", true},
        {"^[^]]$", "]", false},
        {"\\bfoo\\b", "a foo b", true},
        {"\\Boo\\b", "a foo b", true},
        {"(?P<n>a)(?<m>b)", "ab", true},
        {"^(|a)+$", "aaa", true},
        {"a b#c", "a b#c", true}, /* blanks and # mean nothing */
        {"", "", true},
        {"^*", "x", true},
        {"[^\\x00-\\x{10FFFF}]", "x", false},
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        struct regex *regex = compile(cases[i / 2].pattern, i % 2);

        if (regex_match(regex, slice_cstr(cases[i / 2].subject)) != cases[i / 2].match) {
            fail_msg("%s on \"%s\" (jit %zu)", cases[i / 2].pattern, cases[i / 2].subject, i % 2);
        }
        regex_free(regex);
    }
}

static void replacing(void **state)
{
    static const struct {
        const char *pattern, *subject, *replacement, *result;
    } cases[] = {
        {"b", "abcb", "x", "axcx"},
        {"^/api/(.*)", "/api/v1", "/$1", "/v1"},
        {"^/(?P<a>\\w+)/(?P<b>\\w+)", "/x/y/z", "/${b}/$a", "/y/x/z"},
        {"(a)(b)?", "a", "[$1$2]", "[a]"},
        {"(a)", "a", "$1W", ""}, /* the group named "1W" */
        {"(a)", "a", "${1}W", "aW"},
        {"(a)", "a", "$$1", "$1"},
        {"(a)", "a", "$", "$"},
        {"(a)", "a", "${1", "${1"},
        {"(a)", "a", "$-", "$-"},
        {"(a)", "a", "$9$x", ""},
        {"(a)", "a", "$01", ""},
        {"(a)", "a", "$0$0", "aa"},
        {"(a)", "a", "$1\xc3\xa9", ""},                  /* a letter belongs to the name */
        {"(a)", "a", "$1\xe2\x86\x92", "a\xe2\x86\x92"}, /* an arrow does not */
        {"a*", "baac", "x", "xbxcx"},
        {"", "ab", "-", "-a-b-"},
        {"", "\xc3\xa9", "-", "-\xc3\xa9-"},
        {"x", "abc", "y", "abc"},
        {"^", "ab", "-", "-ab"},
        {"$", "ab", "-", "ab-"},
        {"b",
         "a\xff"
         "b",
         "x",
         "a\xff"
         "x"}, /* malformed bytes around a match stay */
        {"(.)b",
         "a\xff"
         "b",
         "<$1>", "a<\xff>"},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *regex = compile(cases[i].pattern, true);
        struct slice out;

        out = slice_cstr(cases[i].subject);
        assert_true(regex_replace_all(regex, out, slice_cstr(cases[i].replacement), pool, &out) <=
                    REGEX_REPLACED);
        if (!slice_eq(out, slice_cstr(cases[i].result))) {
            fail_msg("%s %s %s: \"%.*s\"", cases[i].pattern, cases[i].subject, cases[i].replacement,
                     SLICE_ARG(out));
        }
        regex_free(regex);
    }
    pool_free(pool);
}

static void a_replacement_past_the_limit_is_refused(void **state)
{
    struct pool *pool = pool_new(64, 100), *open = pool_new(64, 0);
    struct regex *regex = compile("a", true);
    char subject[2000], replacement[2000];
    struct slice out;

    (void)state;
    memset(subject, 'a', sizeof(subject));
    memset(replacement, 'x', sizeof(replacement));
    assert_int_equal(regex_replace_all(regex, slice_of(subject, 200), SLICE("a"), pool, &out),
                     REGEX_TOO_LONG);
    assert_int_equal(regex_replace_all(regex, slice_of(subject, sizeof(subject)),
                                       slice_of(replacement, sizeof(replacement)), open, &out),
                     REGEX_TOO_LONG);
    assert_int_equal(regex_replace_all(regex, SLICE("bb"), SLICE("c"), open, &out), REGEX_UNTOUCHED);
    regex_free(regex);
    pool_free(pool);
    pool_free(open);
}

static void finding(void **state)
{
    struct regex *regex = compile("(a)(x)?(b+)", true);
    struct slice found;

    (void)state;
    assert_int_equal(regex_find(regex, SLICE("-abb-"), &found), REGEX_MATCH);
    assert_true(slice_eq(found, SLICE("abb")));
    assert_int_equal(regex_find(regex, SLICE("---"), &found), REGEX_NO_MATCH);
    regex_free(regex);
    regex = compile(".b", true);
    assert_int_equal(regex_find(regex,
                                SLICE("a\xff"
                                      "b"),
                                &found),
                     REGEX_MATCH);
    assert_true(slice_eq(found, SLICE("\xff"
                                      "b")));
    regex_free(regex);
}

/* Backtracking without end stops at the limit, with and without JIT. */
static void matching_is_bounded(void **state)
{
    static const char *const patterns[] = {"^(a|a?)+$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"};
    char subject[4000];
    struct pool *pool = pool_new(64, 0);
    struct slice found;

    (void)state;
    assert_int_equal(regex_test(NULL, SLICE("")), REGEX_LIMIT);
    assert_int_equal(regex_find(NULL, SLICE(""), &found), REGEX_LIMIT);
    assert_int_equal(regex_replace_all(NULL, SLICE(""), SLICE(""), pool, &found), REGEX_GAVE_UP);
    for (size_t i = 0; i < 2 * ARRAY_LEN(patterns); i++) {
        struct regex *regex = compile(patterns[i / 2], i % 2);

        memset(subject, i / 2 == 1 ? 'x' : 'a', sizeof(subject));
        subject[sizeof(subject) - 2] = '!';
        subject[sizeof(subject) - 1] = 'y'; /* so that no quick look for a needed letter ends it */
        assert_int_equal(regex_test(regex, slice_of(subject, sizeof(subject))), REGEX_LIMIT);
        assert_false(regex_match(regex, slice_of(subject, sizeof(subject))));
        assert_int_equal(regex_find(regex, slice_of(subject, sizeof(subject)), &found), REGEX_LIMIT);
        assert_int_equal(
            regex_replace_all(regex, slice_of(subject, sizeof(subject)), SLICE("$1"), pool, &found),
            REGEX_GAVE_UP);
        regex_free(regex);
    }
    pool_free(pool);
}

static double processor_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* `count` times `unit`, then `end`. */
static struct slice repeated(struct pool *pool, const char *unit, size_t count, const char *end)
{
    size_t len = strlen(unit);
    char *text = pool_alloc(pool, len * count + strlen(end));

    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * len, unit, len);
    }
    memcpy(text + len * count, end, strlen(end));
    return slice_of(text, len * count + strlen(end));
}

/* Neither many places with some steps each nor steps that walk far keep anybody waiting: seconds and minutes, else. */
static void a_long_subject_is_given_up(void **state)
{
    static const struct {
        const char *pattern, *unit;
        size_t count;
        const char *end;
    } cases[] = {
        {"([a-z]+)+X[0-9]", "aaaaaaaaaaaaaaaa!", 8000, "X"},
        {"(x+x+)+y!", "xxxxxxxxxxxxxxxxxx!", 8000, "y"},
        {"^/?[a-z]*[a-z]*[0-9]", "a", 256000, "!9"},
        {"(([a-z]+)+!)?Y", "aaaaaaaaaaaaaaaaaaaY!", 8000, "!"},
    };
    struct pool *pool = pool_new(64, 0);
    struct slice out;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *regex = compile(cases[i].pattern, true);
        struct slice subject = repeated(pool, cases[i].unit, cases[i].count, cases[i].end);
        double begun = processor_seconds();

        (void)regex_test(regex, subject);
        (void)regex_find(regex, subject, &out);
        (void)regex_replace_all(regex, subject, SLICE("-"), pool, &out);
        assert_true(processor_seconds() - begun < 1.5);
        regex_free(regex);
    }
    pool_free(pool);
}

static void many_subjects_are_given_up_together(void **state)
{
    struct regex *regex = compile("^(([a-z])+.)+[A-Z]([a-z])+$", true);
    struct regex_effort effort = {0};
    double begun = processor_seconds();

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(regex_test_among(regex, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), &effort),
                         REGEX_LIMIT);
    }
    assert_true(processor_seconds() - begun < 1.5);
    effort = (struct regex_effort){0};
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(regex_test_among(regex, SLICE("abc.Def"), &effort), REGEX_MATCH);
    }
    regex_free(regex);
}

/* However many expressions a configuration has, a text that each of them judges at once is judged by all. */
static void many_expressions_get_to_their_turn(void **state)
{
    struct regex *regex = compile("^[a-z]+/[0-9]+$", true);
    struct regex_effort effort = {0};
    char subject[400];

    (void)state;
    memset(subject, 'a', sizeof(subject));
    for (size_t i = 0; i < 200000; i++) {
        regex_effort_more(&effort);
        if (regex_test_among(regex, slice_of(subject, sizeof(subject)), &effort) != REGEX_NO_MATCH) {
            fail_msg("given up at the %zuth", i);
        }
    }
    regex_free(regex);
}

/* A match is found wherever it starts, whatever the characters before it are. */
static void long_subjects_are_searched_whole(void **state)
{
    struct regex *middle = compile("(é)(b+)$", true), *end = compile("$", true);
    struct pool *pool = pool_new(64, 0);
    struct slice found;

    (void)state;
    for (size_t count = 0; count < 300; count++) {
        struct slice subject = repeated(pool, count % 2 ? "é" : "bé", count, "xébb");

        assert_int_equal(regex_find(middle, subject, &found), REGEX_MATCH);
        assert_ptr_equal(found.ptr, subject.ptr + subject.len - 4);
        assert_int_equal(regex_find(end, subject, &found), REGEX_MATCH);
        assert_ptr_equal(found.ptr, subject.ptr + subject.len);
    }
    regex_free(middle);
    regex_free(end);
    pool_free(pool);
}

static void nesting_and_length_are_bounded(void **state)
{
    size_t size = 200000;
    char *pattern = malloc(size);
    struct regex *regex = NULL;
    struct error why = {{0}};

    (void)state;
    assert_non_null(pattern);
    memset(pattern, '(', size);
    assert_int_not_equal(regex_compile(slice_of(pattern, 20000), false, &regex, &why), 0);
    assert_non_null(strstr(why.text, "nests too deeply"));
    memset(pattern, 'a', size);
    assert_int_not_equal(regex_compile(slice_of(pattern, size), false, &regex, &why), 0);
    assert_non_null(strstr(why.text, "longer than"));
    free(pattern);
}

static void required_literals(void **state)
{
    static const struct {
        const char *pattern, *longest, *prefix;
        bool exact, lower;
    } cases[] = {
        {"^/api/v[0-9]+/users$", "/api/v", "/api/v", false, false},
        {"^/api$", "/api", "/api", true, false},
        {"/api$", "/api", "", false, false},
        {"^/(api)/x", "/api/x", "/api/x", false, false},
        {"^/(api|web)/xy", "/xy", "/", false, false},
        {"a|b", "", "", false, false},
        {"^a|b", "", "", false, false},
        {"(?i)abc", "", "", false, false},
        {"(?i)abc-12", "-12", "", false, false},
        {"(?i)^ABC\\.test$", "abc.test", "abc.test", true, true},
        {"ab?cd", "cd", "", false, false},
        {"(abc)?d", "d", "", false, false},
        {"(abc)+d", "abc", "", false, false},
        {"x(abc){2}", "xabc", "", false, false},
        {"(abc){0}d", "d", "", false, false},
        {"a\\.b[.]c", "a.b.c", "", false, false},
        {"\\bfoo\\b bar", "foo bar", "", false, false},
        {"(?m)^foo", "foo", "", false, false},
        {"\\Qa.b\\E", "a.b", "", false, false},
        {"^$", "", "", true, false},
        {"(?:^a)?bc", "bc", "", false, false},
        {"ab\xef\xbf\xbd"
         "cde",
         "cde", "", false, false}, /* stands for malformed bytes as well */
        {"(", "", "", false, false},
    };
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex_literals found;
        struct slice longest = SLICE("");

        regex_literals(pool, slice_cstr(cases[i].pattern), cases[i].lower, &found);
        for (size_t j = 0; j < found.count; j++) {
            longest = found.items[j].len > longest.len ? found.items[j] : longest;
        }
        if (!slice_eq(longest, slice_cstr(cases[i].longest)) ||
            !slice_eq(found.prefix, slice_cstr(cases[i].prefix)) || found.exact != cases[i].exact) {
            fail_msg("%s: \"%.*s\" \"%.*s\" %d", cases[i].pattern, SLICE_ARG(longest),
                     SLICE_ARG(found.prefix), found.exact);
        }
        if (!cases[i].lower) {
            assert_true(slice_eq(regex_required_literal(pool, slice_cstr(cases[i].pattern)), longest));
        }
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_have_gos_words),
        cmocka_unit_test(matches),
        cmocka_unit_test(replacing),
        cmocka_unit_test(a_replacement_past_the_limit_is_refused),
        cmocka_unit_test(finding),
        cmocka_unit_test(matching_is_bounded),
        cmocka_unit_test(a_long_subject_is_given_up),
        cmocka_unit_test(many_subjects_are_given_up_together),
        cmocka_unit_test(many_expressions_get_to_their_turn),
        cmocka_unit_test(long_subjects_are_searched_whole),
        cmocka_unit_test(nesting_and_length_are_bounded),
        cmocka_unit_test(required_literals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
