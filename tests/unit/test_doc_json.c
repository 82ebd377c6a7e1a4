/*
 * test_doc_json.c - JSON: exact integers, positions, and everything that cJSON alone would let pass.
 */
#include "tests/unit/doc_cases.h"

static const struct doc_case cases[] = {
    GOOD("null", "null"),
    GOOD(" { } ", "{}"),
    GOOD("[ ]\n", "[]"),
    GOOD("\xef\xbb\xbf{\"a\":1}", "{\"a\":1}"),
    GOOD("{\"a\":[1,true,false,null,\"x\",{\"b\":{}}]}", "{\"a\":[1,true,false,null,\"x\",{\"b\":{}}]}"),
    GOOD("\t[\r\n1 ,\n2 ]\r\n", "[1,2]"),
    GOOD("[0,-0,12,-3,9007199254740993,9223372036854775807,-9223372036854775808]",
         "[0,0,12,-3,9007199254740993,9223372036854775807,-9223372036854775808]"),
    GOOD("[1.5,-0.25,1e3,1E-2,2.5e+2]", "[1.5,-0.25,1000,0.01,250]"),
    GOOD("[9223372036854775808,1.0,0.1]", "[9.223372036854776e+18,1,0.1]"),
    GOOD("\"a\\n\\\"\\\\\\/\\u00e9\\ud83d\\ude00\"", "\"a\\n\\\"\\\\/\xc3\xa9\xf0\x9f\x98\x80\""),
    GOOD("\"\xc3\xa9\x7f\"", "\"\xc3\xa9\\u007f\""),
    GOOD("\"\\\\u0000\"", "\"\\\\u0000\""),
    GOOD("{\"\":1,\" \":2}", "{\"\":1,\" \":2}"),
    /* syntax */
    BAD("", "the text is empty"),
    BAD(" \n", "the text is empty"),
    BAD("{", "f:1:"),
    BAD("{\n \"a\": tru\n}", "f:2:7: not JSON here"),
    BAD("[1,]", "f:1:4: "),
    BAD("[1 2]", "f:1:4: "),
    BAD("{\"a\":1,}", "f:1:"),
    BAD("{\"a\" 1}", "f:1:"),
    BAD("{a:1}", "f:1:3: not JSON here"),
    BAD("{'a':1}", "f:1:3: not JSON here"),
    BAD("[1] x", "f:1:5: something follows the value"),
    BAD("{}{}", "f:1:3: something follows the value"),
    BAD("1\0", "f:1:2: something follows the value"),
    BAD("nullx", "f:1:5: something follows the value"),
    BAD("[nullx]", "f:1:6: "),
    BAD("// c\n1", "f:1:1: "),
    BAD("[\x01"
        "1]",
        "f:1:2: "),
    BAD("[1\0,2]", "f:1:3: "),
    BAD("NaN", "f:1:1: "),
    BAD("Infinity", "f:1:1: "),
    /* numbers */
    BAD("01", "f:1:1: malformed number"),
    BAD("-01", "malformed number"),
    BAD("[1, -]", "f:1:"),
    BAD("1.", "malformed number"),
    BAD("1.e3", "malformed number"),
    BAD("+1", "f:1:1: "),
    BAD(".5", "f:1:1: "),
    BAD("1e", "f:1:"),
    BAD("0x10", "f:1:2: something follows"),
    BAD("1e999", "the number is too large"),
    BAD("1e-", "f:1:"),
    /* strings */
    BAD("\"a", "f:1:"),
    BAD("\"\\x\"", "f:1:"),
    BAD("\"\\u12\"", "f:1:"),
    BAD("\"\\ud83d\"", "f:1:"),
    BAD("\"\\ude00\"", "f:1:"),
    BAD("\"a\nb\"", "f:1:3: control character 0x0a"),
    BAD("\"a\0b\"", "f:1:3: control character 0x00"),
    BAD("\"\\u0000\"", "f:1:2: a NUL character"),
    BAD("{\"a\\u0000b\":1}", "f:1:4: a NUL character"),
    BAD("[\"ok\",\"\xff\"]", "f:1:8: byte 0xff is not UTF-8"),
    BAD("\"\xc0\xaf\"", "byte 0xc0 is not UTF-8"),
    BAD("\"\xed\xa0\x80\"", "byte 0xed is not UTF-8"),
    BAD("\"\xf4\x90\x80\x80\"", "byte 0xf4 is not UTF-8"),
    BAD("\"\xe2\x82\"", "byte 0xe2 is not UTF-8"),
    BAD("\"\xe0\x80\x80\"", "byte 0xe0 is not UTF-8"),
    BAD("\"\xf0\x8f\x80\x80\"", "byte 0xf0 is not UTF-8"),
    /* keys */
    BAD("{\"a\":1,\n\"a\":2}", "f:2: the key \"a\" is there twice"),
    BAD("{\"a\":1,\"\\u0061\":2}", "the key \"a\" is there twice"),
    BAD("{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,\"5\":2}",
        "the key \"5\" is there twice"),
};

static void texts_are_read_strictly(void **state)
{
    (void)state;
    check_doc_cases(doc_read_json, cases, ARRAY_LEN(cases));
}

static void positions_are_those_of_the_text(void **state)
{
    struct pool *pool = pool_new(1024, 0);
    struct doc *root = NULL;

    (void)state;
    assert_int_equal(doc_read_json(pool, SLICE("a.json"),
                                   SLICE("{\n \"a\" :\n  {\"b\": 12.50,\n   \"c\":[true,\n  \"x\\ny\"]}}"),
                                   &root, NULL),
                     0);
    const struct doc *a = doc_get(root, "a"), *b = doc_get(a, "b"), *c = doc_get(a, "c");

    assert_int_equal(a->line, 3);
    assert_int_equal(a->column, 3);
    assert_int_equal(root->map.entries[0].line, 2);
    assert_int_equal(b->column, 9);
    assert_true(slice_eq(b->text, SLICE("12.50")));
    assert_int_equal(c->list.items[0]->line, 4);
    assert_true(slice_eq(c->list.items[0]->text, SLICE("true")));
    assert_int_equal(c->list.items[1]->line, 5);
    assert_int_equal(c->list.items[1]->column, 3);
    assert_true(slice_eq(c->file, SLICE("a.json")));
    pool_free(pool);
}

static void check_depth(int depth, const char *error)
{
    struct text closing;

    text_init(&closing);
    for (int i = 0; i < depth; i++) {
        text_add_char(&closing, ']');
    }
    check_repeated(doc_read_json, "", "[", (size_t)depth, closing.ptr, error);
    text_free(&closing);
}

static void hostile_texts_end(void **state)
{
    (void)state;
    check_repeated(doc_read_json, "", "[", 100000, "", "f:");
    check_depth(64, NULL);
    check_depth(65, "f:1:65: nested deeper than 64");
    check_depth(900, "nested deeper than 64");
    check_repeated(doc_read_json, "", "{\"a\":", 900, "1", "f:");
    check_repeated(doc_read_json, "\"", "x", 1000000, "\"", NULL);
    check_repeated(doc_read_json, "[1", ",1", 200000, "]", NULL);
    check_repeated(doc_read_json, "1", "0", 1000, "", "f:1:");
}

/* ---- the tree itself ---- */

static void builders_copy_and_replace(void **state)
{
    struct pool *pool = pool_new(256, 0);
    struct doc *map = doc_new(pool, DOC_MAP), *list = doc_new(pool, DOC_LIST);
    char name[] = "key";
    struct text json;
    int64_t number;
    bool boolean;

    (void)state;
    doc_map_set(pool, map, slice_cstr(name), doc_new_string(pool, slice_cstr(name)));
    name[0] = 'X';
    doc_map_set(pool, map, SLICE("n"), doc_new(pool, DOC_NULL));
    doc_map_set(pool, map, SLICE("n"), list);
    for (int i = 0; i < 20; i++) {
        struct doc *item = doc_new(pool, DOC_INT);

        item->integer = i;
        doc_list_add(pool, list, item);
    }
    text_init(&json);
    doc_to_json(map, &json);
    assert_string_equal(json.ptr,
                        "{\"key\":\"key\",\"n\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]}");
    assert_true(doc_int(list->list.items[7], &number) && number == 7);
    assert_false(doc_int(map, &number));
    assert_false(doc_int(NULL, &number));
    assert_false(doc_bool(list, &boolean));
    assert_null(doc_get(map, "KEY"));
    assert_null(doc_get(NULL, "x"));
    assert_null(doc_get(list, "x"));
    assert_null(doc_path(map, "key", "deeper", NULL));
    assert_ptr_equal(doc_path(map, NULL), map);
    assert_true(slice_eq(doc_text(doc_get(map, "key"), SLICE("-")), SLICE("key")));
    assert_true(slice_eq(doc_text(list, SLICE("-")), SLICE("-")));
    assert_true(slice_eq(doc_text(NULL, SLICE("-")), SLICE("-")));
    text_free(&json);
    pool_free(pool);
}

static struct doc *yaml(struct pool *pool, const char *text)
{
    struct doc *out = NULL;
    struct error why = {0};

    if (doc_read_yaml(pool, SLICE("f"), slice_cstr(text), &out, &why) < 0) {
        fail_msg("%s", why.text);
    }
    return out;
}

static void equality_is_about_content(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } pairs[] = {
        {"{a: 1, b: [x, y]}", "b:\n- x\n- y\na: 1\n", true},
        {"{a: 1}", "{a: 1, b: 2}", false},
        {"{a: 1, c: 2}", "{a: 1, b: 2}", false},
        {"{a: 1}", "{a: \"1\"}", false},
        {"{a: 1}", "{a: 1.0}", false},
        {"[a, b]", "[b, a]", false},
        {"[a]", "[a, b]", false},
        {"~", "", true},
        {"true", "false", false},
        {"0x10", "16", true},
        {"1.50", "1.50", true},
        {".nan", ".nan", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct pool *pool = pool_new(256, 0);
        struct doc *a = yaml(pool, pairs[i].a), *b = yaml(pool, pairs[i].b);

        print_message("case %zu\n", i);
        assert_int_equal(doc_equal(a, b), pairs[i].equal);
        assert_int_equal(doc_equal(b, a), pairs[i].equal);
        assert_true(doc_equal(a, a));
        assert_false(doc_equal(a, NULL));
        pool_free(pool);
    }
    assert_true(doc_equal(NULL, NULL));
}

static void large_maps_compare_in_any_order(void **state)
{
    struct pool *pool = pool_new(256, 0);
    struct doc *a = doc_new(pool, DOC_MAP), *b = doc_new(pool, DOC_MAP);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        doc_map_set(pool, a, pool_printf(pool, "k%d", i), doc_new_string(pool, pool_printf(pool, "v%d", i)));
        doc_map_set(pool, b, pool_printf(pool, "k%d", 999 - i),
                    doc_new_string(pool, pool_printf(pool, "v%d", 999 - i)));
    }
    assert_true(doc_equal(a, b));
    doc_map_set(pool, b, SLICE("k500"), doc_new_string(pool, SLICE("other")));
    assert_false(doc_equal(a, b));
    pool_free(pool);
}

static void a_clone_stands_alone(void **state)
{
    struct pool *pool = pool_new(256, 0), *other = pool_new(256, 0);
    struct doc *clone = doc_clone(other, yaml(pool, "{a: [1, x, {b: ~}], c: 1.5, d: true}"));
    struct text json;

    (void)state;
    pool_free(pool);
    text_init(&json);
    doc_map_set(other, clone, SLICE("e"), doc_new(other, DOC_MAP));
    doc_to_json(clone, &json);
    assert_string_equal(json.ptr, "{\"a\":[1,\"x\",{\"b\":null}],\"c\":1.5,\"d\":true,\"e\":{}}");
    assert_true(slice_eq(clone->file, SLICE("f")));
    assert_int_equal(clone->line, 1);
    text_free(&json);
    pool_free(other);
}

static void files_are_read_by_their_ending(void **state)
{
    static const struct {
        const char *name, *text, *json;
    } files[] = {
        {"a.yml", "a: 1", "{\"a\":1}"},
        {"a.b.YAML", "a: 1", "{\"a\":1}"},
        {"a.json", "{\"a\":1}", "{\"a\":1}"},
        {"a.toml", "a = 1", "{\"a\":1}"},
        {"a.json", "a: 1", NULL},
        {"a.toml", "a: 1", NULL},
        {"a.txt", "a: 1", NULL},
        {"yaml", "a: 1", NULL},
        {"", "a: 1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct pool *pool = pool_new(256, 0);
        struct doc *out = NULL;
        struct error why = {0};
        struct text json;

        print_message("case %zu\n", i);
        text_init(&json);
        int rc = doc_read_file_text(pool, slice_cstr(files[i].name), slice_cstr(files[i].text), &out, &why);

        assert_int_equal(rc < 0, files[i].json == NULL);
        if (files[i].json) {
            doc_to_json(out, &json);
            assert_string_equal(json.ptr, files[i].json);
        } else {
            assert_true(why.text[0] != '\0');
        }
        text_free(&json);
        pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_strictly),   cmocka_unit_test(positions_are_those_of_the_text),
        cmocka_unit_test(hostile_texts_end),         cmocka_unit_test(builders_copy_and_replace),
        cmocka_unit_test(equality_is_about_content), cmocka_unit_test(large_maps_compare_in_any_order),
        cmocka_unit_test(a_clone_stands_alone),      cmocka_unit_test(files_are_read_by_their_ending),
    };

    return cmocka_run_group_tests_name("doc_json", tests, NULL, NULL);
}
