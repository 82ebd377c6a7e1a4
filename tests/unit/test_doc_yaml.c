/*
 * test_doc_yaml.c - what YAML means, what is refused and where, and that one bad document of a stream costs no other.
 */
#include "tests/unit/doc_cases.h"

#include <errno.h>

static const struct doc_case cases[] = {
    /* scalars as Go's reader sees them */
    GOOD("", "null"),
    GOOD("# only a comment\n", "null"),
    GOOD("---\n", "null"),
    GOOD("---\n---\na: 1\n", "{\"a\":1}"),
    GOOD("[~, null, Null, NULL, nULL]", "[null,null,null,null,\"nULL\"]"),
    GOOD("a:\nb: 1", "{\"a\":null,\"b\":1}"),
    GOOD("[true, True, TRUE, false, False, FALSE, tRue]", "[true,true,true,false,false,false,\"tRue\"]"),
    GOOD("[yes, no, on, off, y, n]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]"),
    GOOD("[0, 12, -3, +4, 1_000, 0x1F, 0o17, 017, 0b101, -0x10]", "[0,12,-3,4,1000,31,15,15,5,-16]"),
    GOOD("[9223372036854775807, -9223372036854775808]", "[9223372036854775807,-9223372036854775808]"),
    GOOD("[1.5, -0.25, 1e3, .5, 5., 1E-2, 08]", "[1.5,-0.25,1000,0.5,5,0.01,8]"),
    GOOD("[9223372036854775808]", "[9.223372036854776e+18]"),
    GOOD("[.inf, -.INF, .nan]", "[null,null,null]"),
    GOOD("[1.2.3, 1:30, 0xzz, 1e, -, +, 12a, 10.0.0.0/8, 2001-01-01]",
         "[\"1.2.3\",\"1:30\",\"0xzz\",\"1e\",\"-\",\"+\",\"12a\",\"10.0.0.0/8\",\"2001-01-01\"]"),
    GOOD("[\"true\", '12', \"null\", '']", "[\"true\",\"12\",\"null\",\"\"]"),
    GOOD("a: |\n  x\n  y\nb: >-\n  p\n  q\n", "{\"a\":\"x\\ny\\n\",\"b\":\"p q\"}"),
    GOOD("\"a\\tb\\u00e9\\x41\"", "\"a\\tb\xc3\xa9"
                                  "A\""),
    GOOD("\xef\xbb\xbf"
         "a: 1",
         "{\"a\":1}"),
    GOOD("a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}"),
    GOOD("80: x\ntrue: y\n1.5: z", "{\"80\":\"x\",\"true\":\"y\",\"1.5\":\"z\"}"),
    GOOD("rule: Host(`a.b`) && Path(`/x`)", "{\"rule\":\"Host(`a.b`) && Path(`/x`)\"}"),
    GOOD("{\"a\": [1, {\"b\": null}]}", "{\"a\":[1,{\"b\":null}]}"),
    /* tags */
    GOOD("[!!str 12, !!int 12, !!float 3, !!bool true, !!null '', ! 12]", "[\"12\",12,3,true,null,\"12\"]"),
    GOOD("!!map {a: !!seq [1]}", "{\"a\":[1]}"),
    BAD("a: !!int x", "f:1:4: the value does not fit its tag"),
    BAD("a: !!binary aGk=", "does not fit its tag"),
    BAD("a: !mine x", "does not fit its tag !mine"),
    BAD("a: !mine [x]", "does not fit its tag !mine"),
    BAD("a: !!set {x: }", "does not fit its tag"),
    /* anchors, aliases, merge keys */
    GOOD("a: &x {p: 1}\nb: *x\nc: [*x]", "{\"a\":{\"p\":1},\"b\":{\"p\":1},\"c\":[{\"p\":1}]}"),
    GOOD("a: &x 1\nb: &x 2\nc: *x", "{\"a\":1,\"b\":2,\"c\":2}"),
    GOOD("&k key: 1\nb: *k", "{\"key\":1,\"b\":\"key\"}"),
    GOOD("a: &x k\n*x : 2", "{\"a\":\"k\",\"k\":2}"),
    GOOD("d: &d {p: 1, q: 2}\ne:\n  <<: *d\n  q: 3", "{\"d\":{\"p\":1,\"q\":2},\"e\":{\"q\":3,\"p\":1}}"),
    GOOD("- &a {p: 1}\n- &b {p: 2, q: 2}\n- <<: [*a, *b]\n  r: 3",
         "[{\"p\":1},{\"p\":2,\"q\":2},{\"r\":3,\"p\":1,\"q\":2}]"),
    GOOD("- {<<: {p: 1}, q: 2}", "[{\"q\":2,\"p\":1}]"),
    GOOD("\"<<\": 1", "{\"<<\":1}"),
    BAD("a: *x", "f:1:4: unknown anchor 'x'"),
    BAD("a: &x [*x]", "contains itself"),
    BAD("a: &x {b: {<<: *x}}", "contains itself"),
    BAD("a: {<<: 1}", "merge key << must be a map"),
    BAD("- &a {p: 1}\n- <<: [*a, 1]", "merge key << must be a map"),
    BAD("- &a {p: 1}\n- <<: *a\n  <<: *a", "merge key << is there twice"),
    /* what is refused */
    BAD("a: 1\nb: 2\na: 3", "f:3: the key \"a\" is there twice"),
    BAD("a: 1\n'a': 3", "the key \"a\" is there twice"),
    BAD("{1: a, 1: b}", "the key \"1\" is there twice"),
    BAD("{a0: , a1: , a2: , a3: , a4: , a5: , a6: , a7: , a8: , a9: , a3: }",
        "the key \"a3\" is there twice"),
    BAD("? [a]\n: 1", "a list or map cannot be a key"),
    BAD("{{a: 1}: 2}", "a list or map cannot be a key"),
    BAD("a: &x [1]\n*x : 2", "a list or map cannot be a key"),
    BAD("~: 1", "a key is missing"),
    BAD("{: 1}", "f:1:2: "),
    BAD("? \n: 1", "a key is missing"),
    BAD(": 1", "f:1:1: "),
    BAD("a: b: c", "f:1:"),
    BAD("a: [1, 2", "f:"),
    BAD("a:\n  b: 1\n   c: 2\n",
        "f:3:5: mapping values are not allowed in this context (is the line indented too far"),
    BAD("a:\n    b: 1\n  c: 2\n",
        "f:3:3: did not find expected key (keys of one mapping begin in one column"),
    BAD("a: \"Host(\"b\")\"\n", "f:1:11: did not find expected key (keys of one mapping"),
    BAD("a:\n\tb: 1\n",
        "f:2:1: found character that cannot start any token (a tab: YAML is indented by blanks)"),
    BAD("a: `b`\n", "f:1:4: found character that cannot start any token (text that begins so needs quotes)"),
    BAD("a:\n  - b\n  c: d\n",
        "f:3:3: did not find expected '-' indicator (items of one list begin in one column)"),
    BAD("a: \"x", "f:"),
    BAD("a:\n\t- 1", "f:2:1: "),
    BAD("a: 1\n b: 2", "f:2:"),
    BAD("a: 1\n---\nb: 2", "more than one document"),
    BAD("a: 1\n...\nb: 2", "f:3:1: did not find expected <document start>"),
    BAD("a: \"\\0\"", "NUL"),
    BAD("a: x\0y", "f:1:5: control characters are not allowed"),
    BAD("a: 1\nb: \x01", "f:2:4: control characters"),
    BAD("a: \xff", "f:1:4: invalid leading UTF-8"),
    BAD("a: \xc3(", "f:1:5: "),
    BAD("a: \xed\xa0\x80", "f:1:4: "),
    BAD("a: \xe2\x82", "f:1:4: "),
    BAD("\xff\xfe"
        "a\0",
        "f:1:1: "),
    BAD("@x", "f:1:1: "),
    BAD("%YAML 3.0\n---\na: 1", "f:1:"),
};

static void texts_mean_what_go_reads(void **state)
{
    (void)state;
    check_doc_cases(doc_read_yaml, cases, ARRAY_LEN(cases));
}

static void positions_are_those_of_the_text(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct doc *root = NULL;

    (void)state;
    assert_int_equal(
        doc_read_yaml(pool, SLICE("dir/a.yml"), SLICE("# c\na:\n  bc: 12\n  d: [x,\n    y]\n"), &root, NULL),
        0);
    const struct doc *bc = doc_path(root, "a", "bc", NULL), *d = doc_path(root, "a", "d", NULL);

    assert_int_equal(bc->line, 3);
    assert_int_equal(bc->column, 7);
    assert_true(slice_eq(bc->file, SLICE("dir/a.yml")));
    assert_int_equal(d->list.items[1]->line, 5);
    assert_int_equal(d->list.items[1]->column, 5);
    assert_int_equal(root->map.entries[0].line, 2);
    assert_int_equal(doc_get(root, "a")->map.entries[1].line, 4);
    assert_true(slice_eq(doc_text(bc, SLICE("-")), SLICE("12")));
    pool_free(pool);
}

static void hostile_texts_end(void **state)
{
    (void)state;
    check_repeated(doc_read_yaml, "", "[", 64, "", "f:"); /* unclosed */
    check_repeated(doc_read_yaml, "", "[", 65, "", "nested deeper than 64");
    check_repeated(doc_read_yaml, "", "[", 100000, "", "nested deeper than 64");
    check_repeated(doc_read_yaml, "", "{a: ", 100000, "", "nested deeper than 64");
    check_repeated(doc_read_yaml, "", "- ", 70, "x", "nested deeper than 64");
    check_repeated(doc_read_yaml, "", "- ", 64, "x", NULL);
    check_repeated(doc_read_yaml, "a: ", "x", 1000000, "", NULL);
    check_repeated(doc_read_yaml, "[", "x,", 100000, "]", NULL);
    check_repeated(doc_read_yaml, "a: &a ", "x", 1000000,
                   "\nb: [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]", "too much text");
}

/* a0 is ten letters, each further anchor holds the one before ten times. */
static void alias_bombs_do_not_go_off(void **state)
{
    struct text text;
    struct pool *pool = pool_new(1024, 0);
    struct doc *root = NULL;
    struct error why = {0};

    (void)state;
    text_init(&text);
    text_add_cstr(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++) {
        text_printf(&text, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++) {
            text_printf(&text, "%s*a%d", j ? "," : "", i - 1);
        }
        text_add_cstr(&text, "]\n");
    }
    assert_int_equal(doc_read_yaml(pool, SLICE("f"), text_slice(&text), &root, &why), -EINVAL);
    assert_non_null(strstr(why.text, "f:6:")); /* before the tree stands for millions of nodes */
    assert_non_null(strstr(why.text, "alias"));
    assert_true(pool_bytes(pool) < 1024 * 1024);

    text_clear(&text); /* merge keys: the same in another shape */
    text_add_cstr(&text, "m0: &m0 {a: x, b: x}\n");
    for (int i = 1; i < 40; i++) {
        text_printf(&text, "m%d: &m%d {<<: *m%d, p%d: *m%d, q%d: *m%d}\n", i, i, i - 1, i, i - 1, i, i - 1);
    }
    assert_int_equal(doc_read_yaml(pool, SLICE("f"), text_slice(&text), &root, &why), -EINVAL);
    assert_non_null(strstr(why.text, "alias"));

    text_clear(&text); /* depth by aliases: the list of all counts, too */
    text_add_cstr(&text, "- &l0 x\n");
    for (int i = 1; i <= 63; i++) {
        text_printf(&text, "- &l%d [*l%d]\n", i, i - 1);
    }
    assert_int_equal(doc_read_yaml(pool, SLICE("f"), text_slice(&text), &root, &why), 0);
    text_add_cstr(&text, "- [*l63]\n");
    assert_int_equal(doc_read_yaml(pool, SLICE("f"), text_slice(&text), &root, &why), -EINVAL);
    assert_non_null(strstr(why.text, "f:65:4: nested deeper than 64"));
    text_free(&text);
    pool_free(pool);
}

static void many_keys_take_no_quadratic_time(void **state)
{
    struct text text;
    struct pool *pool = pool_new(1024, 0);
    struct doc *root = NULL;
    struct error why = {0};

    (void)state;
    text_init(&text);
    for (int i = 0; i < 200000; i++) {
        text_printf(&text, "k%d: 1\n", i);
    }
    assert_int_equal(doc_read_yaml(pool, SLICE("f"), text_slice(&text), &root, &why), 0);
    assert_int_equal(root->map.count, 200000);
    text_add_cstr(&text, "k4711: 2\n");
    assert_int_equal(doc_read_yaml(pool, SLICE("f"), text_slice(&text), &root, &why), -EINVAL);
    assert_non_null(strstr(why.text, "f:200001: the key \"k4711\" is there twice"));
    text_free(&text);
    pool_free(pool);
}

static void too_many_bytes_are_refused(void **state)
{
    size_t len = (size_t)64 * 1024 * 1024 + 1;
    char *huge = calloc(len, 1);
    struct doc *out = NULL;
    struct error why = {0};
    struct pool *pool = pool_new(1024, 0);

    (void)state;
    assert_int_equal(doc_read_yaml(pool, SLICE("f"), slice_of(huge, len), &out, &why), -EFBIG);
    assert_int_equal(doc_read_json(pool, SLICE("f"), slice_of(huge, len), &out, &why), -EFBIG);
    assert_int_equal(doc_read_toml(pool, SLICE("f"), slice_of(huge, len), &out, &why), -EFBIG);
    assert_non_null(strstr(why.text, "f: 67108865 bytes are too many"));
    pool_free(pool);
    free(huge);
}

/* ---- streams ---- */

struct found {
    struct text log; /* documents as JSON with their line, errors as !text, one a line */
};

static void on_document(void *context, struct doc *document)
{
    struct found *found = context;

    text_printf(&found->log, "%u ", document->line);
    doc_to_json(document, &found->log);
    text_add_char(&found->log, '\n');
}

static void on_error(void *context, const struct error *why)
{
    struct found *found = context;

    text_printf(&found->log, "!%.9s\n", why->text);
}

static void one_bad_document_costs_no_other(void **state)
{
    static const struct {
        struct slice text;
        int bad;
        const char *log;
    } streams[] = {
        {SLICE_INIT(""), 0, ""},
        {SLICE_INIT("---\n---\n# nothing\n---\n"), 0, ""},
        {SLICE_INIT("a: 1\n---\nb: 2\n"), 0, "1 {\"a\":1}\n3 {\"b\":2}\n"},
        {SLICE_INIT("---\na: 1\n---\n\n---\nb: 2\n...\n"), 0, "2 {\"a\":1}\n6 {\"b\":2}\n"},
        {SLICE_INIT("a: 1\n...\nb: 2\n---\nc: 3\n"), 1, "1 {\"a\":1}\n!f:3:1: di\n5 {\"c\":3}\n"},
        {SLICE_INIT("--- {a: 1}\n--- # x\nb: 2"), 0, "1 {\"a\":1}\n3 {\"b\":2}\n"},
        {SLICE_INIT("a: 1\n---\nb: [\n---\nc: 3\n"), 1, "1 {\"a\":1}\n!f:4:1: di\n5 {\"c\":3}\n"},
        {SLICE_INIT("a: \"x\n---\nc: 3\n"), 1, "!f:2:1: fo\n3 {\"c\":3}\n"},
        {SLICE_INIT("a: \xff\n---\nc: 3\n"), 1, "!f:1:4: in\n3 {\"c\":3}\n"},
        {SLICE_INIT("a: 1\n---\nb: x\0\n---\nc: 3\n"), 1, "1 {\"a\":1}\n!f:3:5: co\n5 {\"c\":3}\n"},
        {SLICE_INIT("a: 1\na: 2\n---\nb: *x\n---\nc: 3\n---\n\t@\n"), 3,
         "!f:2: the \n!f:4:4: un\n6 {\"c\":3}\n!f:8:1: fo\n"},
        {SLICE_INIT("a: &x 1\n---\nb: *x\n"), 1,
         "1 {\"a\":1}\n!f:3:4: un\n"}, /* anchors end with their document */
        {SLICE_INIT("a: |\n  x\n  ---\nb: '\n  --- '\n"), 0, "1 {\"a\":\"x\\n---\\n\",\"b\":\" --- \"}\n"},
        {SLICE_INIT("a: ---x\n---x: 1\n"), 0, "1 {\"a\":\"---x\",\"---x\":1}\n"},
        {SLICE_INIT("a: 1\r\n---\r\nb: 2\r\n"), 0, "1 {\"a\":1}\n3 {\"b\":2}\n"},
        {SLICE_INIT("\xef\xbb\xbf---\na: 1\n"), 0, "2 {\"a\":1}\n"},
        {SLICE_INIT("%YAML 1.2\n---\na: 1\n...\n%YAML 1.1\n# c\n---\nb: 2\n"), 0,
         "3 {\"a\":1}\n8 {\"b\":2}\n"},
        {SLICE_INIT("# c\n%YAML 1.2\n---\na: 1\n---\nb: 2\n"), 0, "4 {\"a\":1}\n6 {\"b\":2}\n"},
        {SLICE_INIT("a: [\n...\n%YAML 1.1\n---\nb: 2\n"), 1, "!f:2:1: di\n5 {\"b\":2}\n"},
        {SLICE_INIT("%YAML 1.2\n"), 1, "!f:2:1: di\n"},
        {SLICE_INIT("word\n--- 12\n"), 0, "1 \"word\"\n2 12\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct pool *pool = pool_new(1024, 0);
        struct found found;

        print_message("case %zu\n", i);
        text_init(&found.log);
        text_add_cstr(&found.log, "");
        int bad = doc_read_yaml_stream(pool, SLICE("f"), streams[i].text, on_document, on_error, &found);

        assert_string_equal(found.log.ptr, streams[i].log);
        assert_int_equal(bad, streams[i].bad);
        text_free(&found.log);
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_mean_what_go_reads),
        cmocka_unit_test(positions_are_those_of_the_text),
        cmocka_unit_test(hostile_texts_end),
        cmocka_unit_test(alias_bombs_do_not_go_off),
        cmocka_unit_test(many_keys_take_no_quadratic_time),
        cmocka_unit_test(too_many_bytes_are_refused),
        cmocka_unit_test(one_bad_document_costs_no_other),
    };

    return cmocka_run_group_tests_name("doc_yaml", tests, NULL, NULL);
}
