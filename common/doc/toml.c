/*
 * toml.c - TOML into document trees: keys, tables, arrays of tables, inline tables.
 *
 * TOML 1.0 and what 1.1 adds to it (Traefik's reader takes that too): line ends and a last comma in inline tables, the
 * escapes \e and \x41, times without seconds.
 *
 * Beside the tree stands one of struct table, which remembers how each table came to be: that decides who may still
 * add to it. Single values are the business of toml_string.c and toml_scalar.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/doc/toml_internal.h"

enum origin {
    IMPLICIT, /* [a.b] made a: may still be defined by [a] */
    HEADER,   /* [a] */
    DOTTED,   /* a.b = 1 made a: only dotted keys of the same section and deeper headers add to it */
    INLINE,   /* a = {...}: closed */
    ARRAY,    /* [[a]]: adding means the last item */
};

struct table {
    enum origin origin;
    unsigned depth;
    struct doc *doc;      /* DOC_MAP; of an ARRAY the DOC_LIST */
    struct table *last;   /* of an ARRAY: its newest item */
    struct table **below; /* for each entry of doc: its table, or NULL when the value is none */
    size_t below_capacity;
    struct doc_index index; /* key to number of the entry */
    struct table *next;     /* all tables of the reader, for freeing */
};

struct reader {
    struct toml toml;
    struct table *tables;
};

static int read_value(struct reader *reader, unsigned depth, struct doc **out, struct table **table);

static struct table *new_table(struct reader *reader, enum origin origin, unsigned depth)
{
    struct toml *toml = &reader->toml;
    struct table *table = pool_zalloc(toml->pool, sizeof(*table));

    table->origin = origin;
    table->depth = depth;
    table->doc =
        doc_make(toml->pool, origin == ARRAY ? DOC_LIST : DOC_MAP, toml->name, toml->line, toml_column(toml));
    table->next = reader->tables;
    reader->tables = table;
    return table;
}

static void free_tables(struct reader *reader)
{
    for (struct table *table = reader->tables; table; table = table->next) {
        doc_index_free(&table->index);
    }
}

/* False: no entry of this key. */
static bool find(const struct table *table, struct slice key, struct table **below)
{
    uint32_t number;

    if (!doc_index_find(&table->index, key, &number)) {
        return false;
    }
    *below = table->below[number];
    return true;
}

static void add(struct reader *reader, struct table *table, struct slice key, size_t line, struct doc *value,
                struct table *below)
{
    struct pool *pool = reader->toml.pool;
    size_t count = table->doc->map.count;

    table->below = pool_grow(pool, table->below, count, &table->below_capacity, sizeof(*table->below));
    table->below[count] = below;
    doc_map_append(pool, table->doc, key, line, value);
    doc_index_add(&table->index, key, (uint32_t)count);
}

static int add_table(struct reader *reader, struct table *table, struct slice key, enum origin origin,
                     struct table **out)
{
    if (table->depth + 1 >= DOC_MAX_DEPTH) {
        return toml_fail(&reader->toml, "nested deeper than %d", DOC_MAX_DEPTH);
    }
    *out = new_table(reader, origin, table->depth + 1);
    add(reader, table, key, reader->toml.line, (*out)->doc, *out);
    return 0;
}

/* ---- blanks and keys ---- */

static void skip_blanks(struct toml *toml)
{
    while (toml_peek(toml) == ' ' || toml_peek(toml) == '\t') {
        toml->at++;
    }
}

static int skip_comment(struct toml *toml)
{
    if (toml_peek(toml) != '#') {
        return 0;
    }
    while (toml->at < toml->end && *toml->at != '\n' && !slice_has_prefix(toml_rest(toml), SLICE("\r\n"))) {
        if (((unsigned char)*toml->at < 0x20 && *toml->at != '\t') || *toml->at == 0x7f) {
            return toml_fail(toml, "control character 0x%02x in a comment",
                             (unsigned)(unsigned char)*toml->at);
        }
        toml->at++;
    }
    return 0;
}

/* Blanks, comments and line ends: what may stand between the items of an array. */
static int skip_lines(struct toml *toml)
{
    do {
        skip_blanks(toml);
        int rc = skip_comment(toml);

        if (rc < 0) {
            return rc;
        }
    } while (toml_newline(toml));
    return 0;
}

static int end_line(struct toml *toml)
{
    skip_blanks(toml);
    int rc = skip_comment(toml);

    if (rc == 0 && toml->at < toml->end && !toml_newline(toml)) {
        return toml_fail(toml, "the line should end here");
    }
    return rc;
}

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int read_key(struct toml *toml, struct slice *key)
{
    const char *start = toml->at;

    if (toml_peek(toml) == '"' || toml_peek(toml) == '\'') {
        return toml_string(toml, false, key);
    }
    while (toml->at < toml->end && is_bare(*toml->at)) {
        toml->at++;
    }
    if (toml->at == start) {
        return toml_fail(toml, "a key is expected (letters, digits, _ and -, everything else in quotes)");
    }
    *key = pool_copy(toml->pool, slice_of(start, (size_t)(toml->at - start)));
    return 0;
}

/* Steps over a dot with its blanks; false when another character follows. */
static bool take_dot(struct toml *toml)
{
    skip_blanks(toml);
    if (toml_peek(toml) != '.') {
        return false;
    }
    toml->at++;
    skip_blanks(toml);
    return true;
}

static int fail_taken(struct reader *reader, struct slice key, const char *what)
{
    return toml_fail(&reader->toml, "\"%.*s\" %s", SLICE_ARG(slice_head(key, 100)), what);
}

/* ---- a = 1, a.b = 1 ---- */

/* The table that the part of a dotted key in front of a dot leads to. */
static int enter_dotted(struct reader *reader, struct table **table, struct slice key)
{
    struct table *below;

    if (!find(*table, key, &below)) {
        return add_table(reader, *table, key, DOTTED, table);
    }
    if (below == NULL || below->origin == INLINE || below->origin == ARRAY || below->origin == HEADER) {
        return fail_taken(reader, key, "is defined already: a dotted key cannot add to it");
    }
    below->origin = DOTTED;
    *table = below;
    return 0;
}

static int read_pair(struct reader *reader, struct table *table)
{
    struct toml *toml = &reader->toml;
    struct table *unused, *below = NULL;
    struct doc *value = NULL;
    struct slice key;
    int rc;

    while ((rc = read_key(toml, &key)) == 0 && take_dot(toml)) {
        if ((rc = enter_dotted(reader, &table, key)) < 0) {
            return rc;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (toml_peek(toml) != '=') {
        return toml_fail(toml, "'=' is expected behind a key");
    }
    if (find(table, key, &unused)) {
        return fail_taken(reader, key, "is there twice");
    }
    size_t line = toml->line;

    toml->at++;
    skip_blanks(toml);
    if ((rc = read_value(reader, table->depth + 1, &value, &below)) == 0) {
        add(reader, table, key, line, value, below);
    }
    return rc;
}

/* ---- values with something in them ---- */

static int read_array(struct reader *reader, unsigned depth, struct doc **out)
{
    struct toml *toml = &reader->toml;
    struct doc *list = doc_make(toml->pool, DOC_LIST, toml->name, toml->line, toml_column(toml));
    int rc;

    toml->at++;
    for (;;) {
        struct doc *item;
        struct table *unused;

        if ((rc = skip_lines(toml)) < 0) {
            return rc;
        }
        if (toml_peek(toml) == ']') {
            break;
        }
        if ((rc = read_value(reader, depth + 1, &item, &unused)) < 0 || (rc = skip_lines(toml)) < 0) {
            return rc;
        }
        doc_list_add(toml->pool, list, item);
        if (toml_peek(toml) == ',') {
            toml->at++;
        } else if (toml_peek(toml) != ']') {
            return toml_fail(toml, "',' or ']' is expected in the array that began in line %u", list->line);
        }
    }
    toml->at++;
    *out = list;
    return 0;
}

static int read_inline(struct reader *reader, unsigned depth, struct table **out)
{
    struct toml *toml = &reader->toml;
    struct table *table = new_table(reader, DOTTED, depth);
    int rc;

    toml->at++;
    while ((rc = skip_lines(toml)) == 0 && toml_peek(toml) != '}') {
        if ((rc = read_pair(reader, table)) < 0 || (rc = skip_lines(toml)) < 0) {
            return rc;
        }
        if (toml_peek(toml) == ',') {
            toml->at++;
        } else if (toml_peek(toml) != '}') {
            return toml_fail(toml, "',' or '}' is expected in the inline table that began in line %u",
                             table->doc->line);
        }
    }
    if (rc < 0) {
        return rc;
    }
    toml->at++;
    table->origin = INLINE;
    *out = table;
    return 0;
}

/* *table: of an inline table, else NULL. */
static int read_value(struct reader *reader, unsigned depth, struct doc **out, struct table **table)
{
    struct toml *toml = &reader->toml;
    char c = toml_peek(toml);
    int rc;

    *table = NULL;
    if ((c == '[' || c == '{') && depth >= DOC_MAX_DEPTH) {
        return toml_fail(toml, "nested deeper than %d", DOC_MAX_DEPTH);
    }
    if (c == '[') {
        return read_array(reader, depth, out);
    }
    if (c == '{') {
        if ((rc = read_inline(reader, depth, table)) == 0) {
            *out = (*table)->doc;
        }
        return rc;
    }
    if (c == '"' || c == '\'') {
        struct doc *node = doc_make(toml->pool, DOC_STRING, toml->name, toml->line, toml_column(toml));

        *out = node;
        return toml_string(toml, true, &node->text);
    }
    return toml_scalar(toml, out);
}

/* ---- [a.b] and [[a.b]] ---- */

/* The table that a part of a header in front of a dot leads to. */
static int enter_header(struct reader *reader, struct table **table, struct slice key)
{
    struct table *below;

    if (!find(*table, key, &below)) {
        return add_table(reader, *table, key, IMPLICIT, table);
    }
    if (below == NULL || below->origin == INLINE) {
        return fail_taken(reader, key,
                          below ? "is an inline table: nothing can be added to it" : "is no table");
    }
    *table = below->origin == ARRAY ? below->last : below;
    return 0;
}

static int open_table(struct reader *reader, struct table *parent, struct slice key, struct table **out)
{
    struct table *below;

    if (!find(parent, key, &below)) {
        return add_table(reader, parent, key, HEADER, out);
    }
    if (below == NULL || below->origin != IMPLICIT) {
        return fail_taken(reader, key, "is defined already");
    }
    below->origin = HEADER;
    *out = below;
    return 0;
}

static int open_item(struct reader *reader, struct table *parent, struct slice key, struct table **out)
{
    struct table *array;
    int rc;

    if (!find(parent, key, &array)) {
        if ((rc = add_table(reader, parent, key, ARRAY, &array)) < 0) {
            return rc;
        }
    } else if (array == NULL || array->origin != ARRAY) {
        return fail_taken(reader, key, "is defined already, and not as an array of tables");
    }
    if (array->depth + 1 >= DOC_MAX_DEPTH) {
        return toml_fail(&reader->toml, "nested deeper than %d", DOC_MAX_DEPTH);
    }
    array->last = new_table(reader, HEADER, array->depth + 1);
    doc_list_add(reader->toml.pool, array->doc, array->last->doc);
    *out = array->last;
    return 0;
}

static int read_header(struct reader *reader, struct table *root, struct table **current)
{
    struct toml *toml = &reader->toml;
    bool is_array = slice_has_prefix(toml_rest(toml), SLICE("[["));
    struct table *table = root;
    struct slice key;
    int rc;

    toml->at += is_array ? 2 : 1;
    skip_blanks(toml);
    while ((rc = read_key(toml, &key)) == 0 && take_dot(toml)) {
        if ((rc = enter_header(reader, &table, key)) < 0) {
            return rc;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (!slice_has_prefix(toml_rest(toml), is_array ? SLICE("]]") : SLICE("]"))) {
        return toml_fail(toml, "'%s' is expected", is_array ? "]]" : "]");
    }
    rc = is_array ? open_item(reader, table, key, current) : open_table(reader, table, key, current);
    toml->at += is_array ? 2 : 1;
    return rc;
}

static int read_document(struct reader *reader, struct table *root)
{
    struct toml *toml = &reader->toml;
    struct table *current = root;

    for (;;) {
        int rc = skip_lines(toml);

        if (rc < 0 || toml->at == toml->end) {
            return rc;
        }
        rc = toml_peek(toml) == '[' ? read_header(reader, root, &current) : read_pair(reader, current);
        if (rc < 0 || (rc = end_line(toml)) < 0) {
            return rc;
        }
    }
}

/* The whole text is checked once, so that nothing behind needs to. */
static int check_utf8(struct toml *toml, struct slice text)
{
    ptrdiff_t bad = doc_invalid_utf8(text);

    if (bad < 0) {
        return 0;
    }
    for (toml->at = text.ptr; toml->at < text.ptr + bad; toml->at++) {
        if (*toml->at == '\n') {
            toml->line++;
            toml->line_start = toml->at + 1;
        }
    }
    return toml_fail(toml, "byte 0x%02x is not UTF-8", (unsigned)(unsigned char)text.ptr[bad]);
}

int doc_read_toml(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                  struct error *why)
{
    int rc = doc_check_size(why, name, text);

    if (rc < 0) {
        return rc;
    }
    if (slice_has_prefix(text, SLICE("\xef\xbb\xbf"))) {
        text = slice_from(text, 3);
    }
    if (text.ptr == NULL) {
        text = SLICE("");
    }
    struct reader reader = {
        .toml =
            {
                .pool = pool,
                .name = pool_copy(pool, name),
                .at = text.ptr,
                .end = text.ptr + text.len,
                .line_start = text.ptr,
                .line = 1,
                .why = why,
            },
    };

    if ((rc = check_utf8(&reader.toml, text)) < 0) {
        return rc;
    }
    struct table *root = new_table(&reader, HEADER, 0);

    rc = read_document(&reader, root);
    free_tables(&reader);
    if (rc == 0) {
        *out = root->doc;
    }
    return rc;
}
