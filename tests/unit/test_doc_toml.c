/*
 * test_doc_toml.c - TOML (1.0 and what 1.1 adds): every form of value, who may add to which table, and what is refused.
 */
#include "tests/unit/doc_cases.h"

static const struct doc_case cases[] = {
    GOOD("", "{}"),
    GOOD("# c\n\n\t\n", "{}"),
    GOOD("\xef\xbb\xbf"
         "a=1",
         "{\"a\":1}"),
    GOOD("a = 1 # c\r\nb = 2\r\n", "{\"a\":1,\"b\":2}"),
    /* keys */
    GOOD("a-b_9 = 1\n1234 = 2\n\"x y\" = 3\n'q\"' = 4\n\"\" = 5\n\"\\u00e9\" = 6",
         "{\"a-b_9\":1,\"1234\":2,\"x y\":3,\"q\\\"\":4,\"\":5,\"\xc3\xa9\":6}"),
    GOOD("a.b.c = 1\na . \"d.e\" . 'f' = 2\na.b.g = 3",
         "{\"a\":{\"b\":{\"c\":1,\"g\":3},\"d.e\":{\"f\":2}}}"),
    GOOD("3.14 = 'pi'", "{\"3\":{\"14\":\"pi\"}}"),
    /* strings */
    GOOD("a = \"x\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"",
         "{\"a\":\"x\\b\\t\\n\\f\\r\\\"\\\\\xc3\xa9\xf0\x9f\x98\x80\"}"),
    GOOD("a = 'C:\\n\"x\"'", "{\"a\":\"C:\\\\n\\\"x\\\"\"}"),
    GOOD("a = \"\"\nb = ''", "{\"a\":\"\",\"b\":\"\"}"),
    GOOD("a = \"\"\"\nx\n y\"\"\"", "{\"a\":\"x\\n y\"}"),
    GOOD("a = \"\"\"x\\\n   \n  y\\  \n z\"\"\"", "{\"a\":\"xyz\"}"),
    GOOD("a = \"\"\"\"q\" \"\"r\"\"\"\"\"", "{\"a\":\"\\\"q\\\" \\\"\\\"r\\\"\\\"\"}"),
    GOOD("a = '''\nx\\n'y''\nz'''''", "{\"a\":\"x\\\\n'y''\\nz''\"}"),
    GOOD("a = \"\"\"\"\"\"\nb = ''''''", "{\"a\":\"\",\"b\":\"\"}"),
    GOOD("rule = \"Host(`a`)\"\nt = 'a\tb'", "{\"rule\":\"Host(`a`)\",\"t\":\"a\\tb\"}"),
    /* integers */
    GOOD("a = [0, -0, +9, 1_000, -17, 0xDEAD_beef, 0o755, 0b1101, 9223372036854775807, -9223372036854775808]",
         "{\"a\":[0,0,9,1000,-17,3735928559,493,13,9223372036854775807,-9223372036854775808]}"),
    /* floats */
    GOOD("a = [1.0, -0.01, 5e+22, 1e06, -2E-2, 6.626e-34, 9_2.1_1, inf, -inf, +nan]",
         "{\"a\":[1,-0.01,5e+22,1000000,-0.02,6.626e-34,92.11,null,null,null]}"),
    GOOD("a = [true, false]", "{\"a\":[true,false]}"),
    /* dates and times stay text */
    GOOD("a = [1979-05-27T07:32:00Z, 1979-05-27t07:32:00.999-07:00, 1979-05-27 07:32:00, 2024-02-29, "
         "07:32:00.5]",
         "{\"a\":[\"1979-05-27T07:32:00Z\",\"1979-05-27t07:32:00.999-07:00\",\"1979-05-27 07:32:00\","
         "\"2024-02-29\",\"07:32:00.5\"]}"),
    GOOD("a = [07:32, 1979-05-27T07:32Z, \"\\x41\\e\"]",
         "{\"a\":[\"07:32\",\"1979-05-27T07:32Z\",\"A\\u001b\"]}"),
    GOOD("a = 1979-05-27 # c", "{\"a\":\"1979-05-27\"}"),
    /* arrays and inline tables */
    GOOD("a = [ 1, [ 'x', [] ], {b = 1}, # c\n # d\n 2,\n]", "{\"a\":[1,[\"x\",[]],{\"b\":1},2]}"),
    GOOD("a = { x = 1, \"y z\" = [1,\n2], p.q = {} }\nb = {}",
         "{\"a\":{\"x\":1,\"y z\":[1,2],\"p\":{\"q\":{}}},\"b\":{}}"),
    GOOD("a = { # c\n x = 1,\n\n y = {z = 2,},\n}\nb = 3", "{\"a\":{\"x\":1,\"y\":{\"z\":2}},\"b\":3}"),
    /* tables */
    GOOD("x = 0\n[a]\nb = 1\n[ c . \"d e\" ]\nf = 2\n[a.g]",
         "{\"x\":0,\"a\":{\"b\":1,\"g\":{}},\"c\":{\"d e\":{\"f\":2}}}"),
    GOOD("[a.b.c]\nx = 1\n[a]\ny = 2\n[a.b]\nz = 3", "{\"a\":{\"b\":{\"c\":{\"x\":1},\"z\":3},\"y\":2}}"),
    GOOD("[a]\nb.c = 1\n[a.b.d]\nx = 1", "{\"a\":{\"b\":{\"c\":1,\"d\":{\"x\":1}}}}"),
    GOOD("[[s]]\nu = 1\n[[s]]\n[[s]]\nu = 3\n", "{\"s\":[{\"u\":1},{},{\"u\":3}]}"),
    GOOD("[[f]]\nn=1\n[f.p]\nc=1\n[[f.v]]\nn=2\n[[f.v]]\nn=3\n[[f]]\n[[f.v]]\nn=4",
         "{\"f\":[{\"n\":1,\"p\":{\"c\":1},\"v\":[{\"n\":2},{\"n\":3}]},{\"v\":[{\"n\":4}]}]}"),
    GOOD("[entryPoints.web]\naddress = \":80\"\n[entryPoints.web.http.redirections.entryPoint]\nto = "
         "\"websecure\"",
         "{\"entryPoints\":{\"web\":{\"address\":\":80\",\"http\":{\"redirections\":{\"entryPoint\":{\"to\":"
         "\"websecure\"}}}}}}"),
    /* who may not add to what */
    BAD("a = 1\na = 2", "f:2:3: \"a\" is there twice"),
    BAD("a = 1\n\"a\" = 2", "\"a\" is there twice"),
    BAD("a = 1\na.b = 2", "\"a\" is defined already: a dotted key cannot add to it"),
    BAD("a.b = 1\na = 2", "\"a\" is there twice"),
    BAD("[a]\n[a]", "f:2:3: \"a\" is defined already"),
    BAD("[a]\nb = 1\n[a.b]", "\"b\" is defined already"),
    BAD("[a]\nb = 1\n[a.b.c]", "\"b\" is no table"),
    BAD("a.b = 1\n[a]", "\"a\" is defined already"),
    BAD("[a]\nb.c = 1\n[a.b]", "\"b\" is defined already"),
    BAD("[a.b.c]\nz = 9\n[a]\nb.c.t = 1", "\"c\" is defined already: a dotted key"),
    BAD("a = {}\n[a.b]", "\"a\" is an inline table"),
    BAD("a = {}\na.b = 1", "\"a\" is defined already: a dotted key"),
    BAD("a = {b = 1, b = 2}", "\"b\" is there twice"),
    BAD("a = {b.c = {}, b.c.d = 1}", "\"c\" is defined already: a dotted key"),
    BAD("a = []\n[[a]]", "not as an array of tables"),
    BAD("a = [{}]\n[[a]]", "not as an array of tables"),
    BAD("[[a]]\n[a]", "\"a\" is defined already"),
    BAD("[a]\n[[a]]", "not as an array of tables"),
    BAD("[a.b]\n[[a]]", "not as an array of tables"),
    BAD("[[a.b]]\n[a]\nb.c = 1", "\"b\" is defined already: a dotted key"),
    /* syntax */
    BAD("a", "f:1:2: '=' is expected"),
    BAD("a =", "f:1:4: a value is missing"),
    BAD("a = # c", "a value is missing"),
    BAD("= 1", "f:1:1: a key is expected"),
    BAD("a. = 1", "a key is expected"),
    BAD("a..b = 1", "a key is expected"),
    BAD(".a = 1", "a key is expected"),
    BAD("a = 1 b = 2", "f:1:7: the line should end here"),
    BAD("a = 1\rb = 2", "the line should end here"),
    BAD("\xc3\xa9 = 1", "a key is expected"),
    BAD("\"\"\"a\"\"\" = 1", "'=' is expected"),
    BAD("a\n= 1", "'=' is expected"),
    BAD("[a", "']' is expected"),
    BAD("[]", "a key is expected"),
    BAD("[a]]", "the line should end here"),
    BAD("[[a]", "']]' is expected"),
    BAD("[a] b = 1", "the line should end here"),
    BAD("[ [a]]", "a key is expected"),
    BAD("a = [1 2]", "',' or ']' is expected"),
    BAD("a = [1,,2]", "a value is missing"),
    BAD("a = [1", "',' or ']' is expected in the array that began in line 1"),
    BAD("a = {b = 1,,}", "a key is expected"),
    BAD("a = {b = 1\nc = 2}", "f:2:1: ',' or '}' is expected in the inline table that began in line 1"),
    BAD("a = {b\n= 1}", "'=' is expected"),
    BAD("a = {b = 1 c = 2}", "',' or '}' is expected"),
    BAD("a = {,}", "a key is expected"),
    BAD("a = {", "a key is expected"),
    /* values */
    BAD("a = yes", "\"yes\" is no value (text needs quotes)"),
    BAD("a = True", "is no value"),
    BAD("a = 01", "is no value"),
    BAD("a = 1__0", "is no value"),
    BAD("a = _1", "is no value"),
    BAD("a = 1_", "is no value"),
    BAD("a = 0x", "is no value"),
    BAD("a = 0x_1", "is no value"),
    BAD("a = +0x1", "is no value"),
    BAD("a = 0o8", "is no value"),
    BAD("a = 0b2", "is no value"),
    BAD("a = 0XA", "is no value"),
    BAD("a = 9223372036854775808", "does not fit 64 bits"),
    BAD("a = -9223372036854775809", "does not fit 64 bits"),
    BAD("a = 0xFFFFFFFFFFFFFFFFF", "does not fit 64 bits"),
    BAD("a = .5", "is no value"),
    BAD("a = 5.", "is no value"),
    BAD("a = 1.e2", "is no value"),
    BAD("a = 1e", "is no value"),
    BAD("a = 1e+", "is no value"),
    BAD("a = 1.5_", "is no value"),
    BAD("a = 03.1", "is no value"),
    BAD("a = 1e999", "is no value"),
    BAD("a = Inf", "is no value"),
    BAD("a = -", "is no value"),
    BAD("a = 2023-02-29", "is no value"),
    BAD("a = 2023-13-01", "is no value"),
    BAD("a = 2023-1-1", "is no value"),
    BAD("a = 2023-01-01T", "is no value"),
    BAD("a = 2023-01-01T25:00:00", "is no value"),
    BAD("a = 2023-01-01T01:0", "is no value"),
    BAD("a = 01:00:0", "is no value"),
    BAD("a = 2023-01-01T01:00:00.", "is no value"),
    BAD("a = 2023-01-01T01:00:00+1", "is no value"),
    BAD("a = 2023-01-01T01:00:00+25:00", "is no value"),
    BAD("a = 01:00:00Z", "is no value"),
    BAD("a = 2023-01-01 x", "the line should end here"),
    /* strings */
    BAD("a = \"x", "does not end on its line"),
    BAD("a = \"x\ny\"", "does not end on its line"),
    BAD("a = 'x\ny'", "does not end on its line"),
    BAD("a = \"\\q\"", "unknown escape"),
    BAD("a = \"\\x4\"", "2 hexadecimal digits"),
    BAD("a = \"\\x00\"", "NUL"),
    BAD("a = \"\\u12\"", "4 hexadecimal digits"),
    BAD("a = \"\\uD800\"", "U+D800 is no character"),
    BAD("a = \"\\U00110000\"", "U+110000 is no character"),
    BAD("a = \"\\u0000\"", "NUL"),
    BAD("a = \"x\x01\"", "f:1:7: control character 0x01"),
    BAD("a = \"x\0\"", "control character 0x00"),
    BAD("a = 'x\x7f'", "control character 0x7f"),
    BAD("\na = \"\"\"x\n", "the string that began in line 2 does not end"),
    BAD("a = \"\"\"x\\ y\"\"\"", "unknown escape"),
    BAD("a = \"\"\"x\ry\"\"\"", "control character 0x0d"),
    BAD("a = \"\"\"x\"\"\"\"\"\"", "too many quotes"),
    BAD("a = 'x\xff'\n", "f:1:7: byte 0xff is not UTF-8"),
    BAD("# \xc3\n", "is not UTF-8"),
    BAD("# \x01\n", "control character 0x01 in a comment"),
    BAD("\0", "a key is expected"),
    BAD("a = 1\0", "the line should end here"),
};

static void texts_mean_what_the_standard_says(void **state)
{
    (void)state;
    check_doc_cases(doc_read_toml, cases, ARRAY_LEN(cases));
}

static void positions_are_those_of_the_text(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct doc *root = NULL;

    (void)state;
    assert_int_equal(
        doc_read_toml(pool, SLICE("a.toml"), SLICE("# c\n[a.b]\n  c = [1,\n   0x2]\n"), &root, NULL), 0);
    const struct doc *c = doc_path(root, "a", "b", "c", NULL);

    assert_int_equal(c->line, 3);
    assert_int_equal(c->column, 7);
    assert_int_equal(c->list.items[1]->line, 4);
    assert_int_equal(c->list.items[1]->column, 4);
    assert_true(slice_eq(c->list.items[1]->text, SLICE("0x2")));
    assert_true(slice_eq(c->file, SLICE("a.toml")));
    assert_int_equal(doc_get(root, "a")->map.entries[0].line, 2);
    pool_free(pool);
}

static void hostile_texts_end(void **state)
{
    (void)state;
    check_repeated(doc_read_toml, "a = ", "[", 100000, "", "nested deeper than 64");
    check_repeated(doc_read_toml, "a = ", "{a=", 100000, "", "nested deeper than 64");
    check_repeated(doc_read_toml, "a", ".a", 100000, " = 1", "nested deeper than 64");
    check_repeated(doc_read_toml, "[a", ".a", 100000, "]", "nested deeper than 64");
    check_repeated(doc_read_toml, "[[a]]\n[[a.a]]\n[[a.a", ".a", 100, "]]", "nested deeper than 64");
    check_repeated(doc_read_toml, "a = \"", "x", 1000000, "\"", NULL);
    check_repeated(doc_read_toml, "a = [", "1,", 200000, "]", NULL);
    check_repeated(doc_read_toml, "", "[[a]]\nx.y = 1\n", 50000, "", NULL);
    check_repeated(doc_read_toml, "a = 1", "0", 500, "", "is no value");
    check_repeated(doc_read_toml, "a = 1", "0", 500, "e-500", "is no value");
    check_repeated(doc_read_toml, "a = 1.", "0", 500, "e1", "is no value");
    check_repeated(doc_read_toml, "a = 0x1", "_0", 500, "", "is no value");
}

static void many_keys_take_no_quadratic_time(void **state)
{
    struct text text;
    struct pool *pool = pool_new(1024, 0);
    struct doc *root = NULL;
    struct error why = {0};

    (void)state;
    text_init(&text);
    for (int i = 0; i < 100000; i++) {
        text_printf(&text, "[a.k%d]\nx = %d\n", i, i);
    }
    assert_int_equal(doc_read_toml(pool, SLICE("f"), text_slice(&text), &root, &why), 0);
    assert_int_equal(doc_get(root, "a")->map.count, 100000);
    text_free(&text);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_mean_what_the_standard_says),
        cmocka_unit_test(positions_are_those_of_the_text),
        cmocka_unit_test(hostile_texts_end),
        cmocka_unit_test(many_keys_take_no_quadratic_time),
    };

    return cmocka_run_group_tests_name("doc_toml", tests, NULL, NULL);
}
