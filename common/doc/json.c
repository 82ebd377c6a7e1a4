/*
 * json.c - JSON into document trees.
 *
 * cJSON reads the text and decides what its values are. A small walker goes over the same text beside it: it knows
 * lines and columns, takes integers exactly (cJSON has doubles only), and refuses what cJSON lets pass: leading zeros,
 * raw control characters, bytes that are not UTF-8, NUL characters, duplicate keys, depth, anything behind the value.
 */
#include <cjson/cJSON.h>
#include <errno.h>

#include "common/doc/doc_internal.h"

struct walker {
    struct pool *pool;
    struct slice name; /* in the pool */
    const char *at, *end, *line_start;
    size_t line;
    struct error *why;
};

static int walk_value(struct walker *walker, const cJSON *item, unsigned depth, struct doc **out);

static size_t column(const struct walker *walker)
{
    return (size_t)(walker->at - walker->line_start) + 1;
}

#define fail_here(walker, ...)                                                                               \
    doc_fail((walker)->why, (walker)->name, (walker)->line, column(walker), __VA_ARGS__)

static void skip_blanks(struct walker *walker)
{
    while (walker->at < walker->end) {
        char c = *walker->at;

        if (c == '\n') {
            walker->line++;
            walker->line_start = walker->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
        walker->at++;
    }
}

static char peek(const struct walker *walker)
{
    return walker->at < walker->end ? *walker->at : '\0';
}

/* Steps over one character that must be there. */
static int expect(struct walker *walker, char c)
{
    if (peek(walker) != c) {
        return fail_here(walker, "'%c' expected", c);
    }
    walker->at++;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Steps over a string and checks what cJSON does not. The value itself is cJSON's. */
static int walk_string(struct walker *walker)
{
    int rc = expect(walker, '"');
    const char *start = walker->at;

    if (rc < 0) {
        return rc;
    }
    for (; peek(walker) != '"'; walker->at++) {
        if (walker->at == walker->end) {
            return fail_here(walker, "the string does not end");
        }
        if ((unsigned char)*walker->at < 0x20) {
            return fail_here(walker, "control character 0x%02x in a string: write it as \\u%04x",
                             (unsigned)(unsigned char)*walker->at, (unsigned)(unsigned char)*walker->at);
        }
        if (*walker->at == '\\') {
            if (slice_has_prefix(slice_of(walker->at, (size_t)(walker->end - walker->at)),
                                 SLICE("\\u0000"))) {
                return fail_here(walker, "a NUL character is not allowed");
            }
            walker->at++; /* cJSON has seen that a good escape follows */
            if (walker->at == walker->end) {
                return fail_here(walker, "the string does not end");
            }
        }
    }
    struct slice raw = slice_of(start, (size_t)(walker->at - start));
    ptrdiff_t bad = doc_invalid_utf8(raw);

    if (bad >= 0) {
        walker->at = start + bad;
        return fail_here(walker, "byte 0x%02x is not UTF-8", (unsigned)(unsigned char)*walker->at);
    }
    walker->at++;
    return 0;
}

/* JSON's own grammar of a number; *whole says whether it is written as an integer. Returns its length or 0. */
static size_t number_length(const struct walker *walker, bool *whole)
{
    const char *p = walker->at, *end = walker->end;

    *whole = true;
    if (p < end && *p == '-') {
        p++;
    }
    if (p == end || !is_digit(*p) || (*p == '0' && p + 1 < end && is_digit(p[1]))) {
        return 0;
    }
    while (p < end && is_digit(*p)) {
        p++;
    }
    if (p < end && *p == '.') {
        *whole = false;
        if (++p == end || !is_digit(*p)) {
            return 0;
        }
        while (p < end && is_digit(*p)) {
            p++;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        *whole = false;
        p++;
        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }
        if (p == end || !is_digit(*p)) {
            return 0;
        }
        while (p < end && is_digit(*p)) {
            p++;
        }
    }
    return (size_t)(p - walker->at);
}

static int walk_number(struct walker *walker, const cJSON *item, struct doc *node)
{
    bool whole;
    size_t len = number_length(walker, &whole);

    if (len == 0) {
        return fail_here(walker, "malformed number");
    }
    node->text = pool_copy(walker->pool, slice_of(walker->at, len));
    if (whole && slice_to_i64(node->text, &node->integer)) {
        node->kind = DOC_INT;
    } else {
        node->kind = DOC_FLOAT;
        node->number = item->valuedouble;
        if (!__builtin_isfinite(node->number)) {
            return fail_here(walker, "the number is too large");
        }
    }
    walker->at += len;
    return 0;
}

static int walk_word(struct walker *walker, const cJSON *item, struct doc *node)
{
    struct slice word = cJSON_IsNull(item)   ? SLICE("null")
                        : cJSON_IsTrue(item) ? SLICE("true")
                                             : SLICE("false");

    if (!slice_has_prefix(slice_of(walker->at, (size_t)(walker->end - walker->at)), word)) {
        return fail_here(walker, "'%s' expected", word.ptr);
    }
    node->kind = cJSON_IsNull(item) ? DOC_NULL : DOC_BOOL;
    if (node->kind == DOC_BOOL) {
        node->boolean = cJSON_IsTrue(item);
    }
    node->text = word;
    walker->at += word.len;
    return 0;
}

/* Behind an item: a comma when another follows, else the closing bracket. */
static int walk_separator(struct walker *walker, const cJSON *next, char closing)
{
    skip_blanks(walker);
    return expect(walker, next ? ',' : closing);
}

static int walk_list(struct walker *walker, const cJSON *item, unsigned depth, struct doc *node)
{
    int rc = expect(walker, '[');

    skip_blanks(walker);
    if (rc == 0 && item->child == NULL) {
        return expect(walker, ']');
    }
    for (const cJSON *child = item->child; child && rc == 0; child = child->next) {
        struct doc *value;

        if ((rc = walk_value(walker, child, depth + 1, &value)) == 0) {
            doc_list_add(walker->pool, node, value);
            rc = walk_separator(walker, child->next, ']');
        }
    }
    return rc;
}

static int walk_entry(struct walker *walker, const cJSON *child, unsigned depth, struct doc *map)
{
    struct doc *value;
    int rc;

    skip_blanks(walker);
    size_t line = walker->line;

    if ((rc = walk_string(walker)) < 0) {
        return rc;
    }
    skip_blanks(walker);
    if ((rc = expect(walker, ':')) < 0 || (rc = walk_value(walker, child, depth + 1, &value)) < 0) {
        return rc;
    }
    doc_map_append(walker->pool, map, pool_copy(walker->pool, slice_cstr(child->string)), line, value);
    return walk_separator(walker, child->next, '}');
}

static int walk_map(struct walker *walker, const cJSON *item, unsigned depth, struct doc *node)
{
    int rc = expect(walker, '{');

    skip_blanks(walker);
    if (rc == 0 && item->child == NULL) {
        return expect(walker, '}');
    }
    for (const cJSON *child = item->child; child && rc == 0; child = child->next) {
        rc = walk_entry(walker, child, depth, node);
    }
    const struct doc_entry *twice = rc == 0 ? doc_map_duplicate(node) : NULL;

    if (twice) {
        return doc_fail(walker->why, walker->name, twice->line, 0, "the key \"%.*s\" is there twice",
                        SLICE_ARG(slice_head(twice->key, 100)));
    }
    return rc;
}

static int walk_value(struct walker *walker, const cJSON *item, unsigned depth, struct doc **out)
{
    int rc;

    skip_blanks(walker);
    struct doc *node = doc_make(walker->pool, DOC_NULL, walker->name, walker->line, column(walker));

    if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
        if (depth >= DOC_MAX_DEPTH) {
            return fail_here(walker, "nested deeper than %d", DOC_MAX_DEPTH);
        }
        node->kind = cJSON_IsArray(item) ? DOC_LIST : DOC_MAP;
        rc = cJSON_IsArray(item) ? walk_list(walker, item, depth, node) : walk_map(walker, item, depth, node);
    } else if (cJSON_IsString(item)) {
        node->kind = DOC_STRING;
        if ((rc = walk_string(walker)) == 0) {
            node->text = pool_copy(walker->pool, slice_cstr(item->valuestring));
        }
    } else if (cJSON_IsNumber(item)) {
        rc = walk_number(walker, item, node);
    } else {
        rc = walk_word(walker, item, node);
    }
    *out = node;
    return rc;
}

/* cJSON says where it stopped, as a pointer into the text: turned into line and column. */
static int fail_syntax(struct walker *walker, struct slice text, const char *stopped)
{
    if (stopped < text.ptr || stopped > text.ptr + text.len) {
        stopped = text.ptr;
    }
    for (walker->at = text.ptr; walker->at < stopped; walker->at++) {
        if (*walker->at == '\n') {
            walker->line++;
            walker->line_start = walker->at + 1;
        }
    }
    if (walker->at >= walker->end) {
        return fail_here(walker, "the text ends too early");
    }
    return fail_here(walker, "not JSON here");
}

int doc_read_json(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                  struct error *why)
{
    int rc = doc_check_size(why, name, text);
    const char *stopped = NULL;
    struct doc *root = NULL;

    if (rc < 0) {
        return rc;
    }
    if (slice_has_prefix(text, SLICE("\xef\xbb\xbf"))) {
        text = slice_from(text, 3);
    }
    struct walker walker = {
        .pool = pool,
        .name = pool_copy(pool, name),
        .at = text.ptr,
        .end = text.ptr + text.len,
        .line_start = text.ptr,
        .line = 1,
        .why = why,
    };

    if (slice_trim(text).len == 0) {
        return doc_fail(why, name, 0, 0, "the text is empty: JSON needs a value");
    }
    cJSON *tree = cJSON_ParseWithLengthOpts(text.ptr, text.len, &stopped, false);

    if (tree == NULL) {
        return fail_syntax(&walker, text, stopped);
    }
    rc = walk_value(&walker, tree, 0, &root);
    cJSON_Delete(tree);
    if (rc < 0) {
        return rc;
    }
    skip_blanks(&walker);
    if (walker.at < walker.end) {
        return fail_here(&walker, "something follows the value");
    }
    *out = root;
    return 0;
}
