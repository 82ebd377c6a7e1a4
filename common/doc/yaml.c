/*
 * yaml.c - YAML into document trees: libyaml's events, our own tree, bounds and positions.
 *
 * Strict where YAML is generous: duplicate keys, keys that are no scalars, unknown tags and aliases that explode are
 * errors. An alias shares the nodes of its anchor (trees are not changed once read); what it stands for is counted as
 * if it were copied, so that whoever walks the tree later is safe too. Scalars: yaml_scalar.c;
 * many documents in one text: yaml_stream.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#include "common/base/memory.h"
#include "common/doc/doc_internal.h"
#include "common/doc/yaml_hint.h"
#include "common/doc/yaml_inner.h"
#include "common/doc/yaml_scalar.h"

/* What all aliases of one document may stand for: bytes of text plus NODE_WEIGHT for each node. */
#define ALIAS_WEIGHT_MAX ((uint64_t)16 * 1024 * 1024)
#define NODE_WEIGHT 16u

/* How much a node is, itself included. */
struct extent {
    uint64_t weight;
    unsigned height;
};

struct anchor {
    struct slice name;
    struct doc *node;
    struct extent extent;
    bool open; /* its node is still being read: an alias to it would be a cycle */
};

struct reader {
    struct pool *pool;
    struct slice name; /* in the pool */
    struct slice text;
    size_t line_base; /* lines before the text */
    yaml_parser_t parser;
    struct anchor *anchors;
    size_t anchor_count, anchor_capacity;
    struct doc_index anchor_index; /* name to the latest anchor of that name */
    uint64_t alias_weight;
    struct error *why;
};

static int read_node(struct reader *reader, yaml_event_t *event, unsigned depth, struct doc **out,
                     struct extent *extent);

#define fail_at(reader, mark, ...)                                                                           \
    doc_fail((reader)->why, (reader)->name, (reader)->line_base + (mark).line + 1, (mark).column + 1,        \
             __VA_ARGS__)

/* libyaml stops at the first byte that is no character, and says only where it was. */
static int fail_bad_byte(struct reader *reader)
{
    size_t offset = reader->parser.problem_offset, line = 1, column = 1;

    for (size_t i = 0; i < offset && i < reader->text.len; i++) {
        column++;
        if (reader->text.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return doc_fail(reader->why, reader->name, reader->line_base + line, column, "%s (byte 0x%02x)",
                    reader->parser.problem ? reader->parser.problem : "not UTF-8",
                    (unsigned)reader->parser.problem_value & 0xffu);
}

static int fail_of_parser(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;

    if (parser->error == YAML_MEMORY_ERROR) {
        return error_set(reader->why, -ENOMEM, "out of memory");
    }
    if (parser->error == YAML_READER_ERROR) {
        return fail_bad_byte(reader);
    }

    const char *problem = parser->problem ? parser->problem : "malformed";
    const char *hint =
        yaml_hint(problem, reader->text, parser->problem_mark.line, parser->problem_mark.column);
    const char *open = hint ? " (" : "", *close = hint ? ")" : "";

    hint = hint ? hint : "";
    if (parser->context) {
        return fail_at(reader, parser->problem_mark, "%s%s%s%s, %s that began in line %zu", problem, open,
                       hint, close, parser->context, reader->line_base + parser->context_mark.line + 1);
    }
    return fail_at(reader, parser->problem_mark, "%s%s%s%s", problem, open, hint, close);
}

static int next_event(struct reader *reader, yaml_event_t *event)
{
    return yaml_parser_parse(&reader->parser, event) ? 0 : fail_of_parser(reader);
}

static void anchors_forget(struct reader *reader)
{
    reader->anchor_count = 0;
    reader->alias_weight = 0;
    doc_index_free(&reader->anchor_index);
}

/* Remembers the anchor of a node that begins; returns its number or -1 when there is none. */
static ptrdiff_t anchor_open(struct reader *reader, const yaml_char_t *name, struct doc *node)
{
    if (name == NULL) {
        return -1;
    }
    if (reader->anchor_count == reader->anchor_capacity) {
        reader->anchor_capacity = reader->anchor_capacity ? reader->anchor_capacity * 2 : 8;
        reader->anchors = xrealloc(reader->anchors, reader->anchor_capacity * sizeof(*reader->anchors));
    }
    struct slice copy = pool_copy(reader->pool, slice_cstr((const char *)name));

    reader->anchors[reader->anchor_count] = (struct anchor){.name = copy, .node = node, .open = true};
    doc_index_set(&reader->anchor_index, copy, (uint32_t)reader->anchor_count);
    return (ptrdiff_t)reader->anchor_count++;
}

static void anchor_close(struct reader *reader, ptrdiff_t number, struct extent extent)
{
    if (number >= 0) {
        reader->anchors[number].open = false;
        reader->anchors[number].extent = extent;
    }
}

static int read_alias(struct reader *reader, yaml_event_t *event, unsigned depth, struct doc **out,
                      struct extent *extent)
{
    const char *name = (const char *)event->data.alias.anchor;
    uint32_t number;

    if (!doc_index_find(&reader->anchor_index, slice_cstr(name), &number)) {
        return fail_at(reader, event->start_mark, "unknown anchor '%.64s'", name);
    }
    const struct anchor *anchor = &reader->anchors[number];

    if (anchor->open) {
        return fail_at(reader, event->start_mark, "the value of anchor '%.64s' contains itself", name);
    }
    reader->alias_weight += anchor->extent.weight;
    if (reader->alias_weight > ALIAS_WEIGHT_MAX) {
        return fail_at(reader, event->start_mark, "the aliases stand for too much text (alias bomb?)");
    }
    if (depth + anchor->extent.height > DOC_MAX_DEPTH) {
        return fail_at(reader, event->start_mark, "nested deeper than %d", DOC_MAX_DEPTH);
    }
    *out = anchor->node;
    *extent = anchor->extent;
    return 0;
}

static int read_scalar(struct reader *reader, yaml_event_t *event, struct doc **out, struct extent *extent)
{
    struct slice text = slice_of((const char *)event->data.scalar.value, event->data.scalar.length);
    struct doc *node = doc_make(reader->pool, DOC_STRING, reader->name,
                                reader->line_base + event->start_mark.line + 1, event->start_mark.column + 1);

    if (slice_find(text, '\0') >= 0) {
        return fail_at(reader, event->start_mark, "a NUL character is not allowed");
    }
    node->text = pool_copy(reader->pool, text);
    if (event->data.scalar.tag) {
        if (!yaml_resolve_tagged(node, slice_cstr((const char *)event->data.scalar.tag))) {
            return fail_at(reader, event->start_mark, "the value does not fit its tag %.64s",
                           (const char *)event->data.scalar.tag);
        }
    } else if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        yaml_resolve_plain(node);
    }
    *extent = (struct extent){.weight = NODE_WEIGHT + text.len};
    anchor_close(reader, anchor_open(reader, event->data.scalar.anchor, node), *extent);
    *out = node;
    return 0;
}

static void extent_add(struct extent *whole, const struct extent *part, size_t key_len)
{
    whole->weight += part->weight + key_len;
    if (part->height + 1 > whole->height) {
        whole->height = part->height + 1;
    }
}

static int read_sequence(struct reader *reader, unsigned depth, struct doc *list, struct extent *extent)
{
    for (;;) {
        yaml_event_t event;
        struct doc *item = NULL;
        struct extent part = {0};
        int rc = next_event(reader, &event);

        if (rc < 0) {
            return rc;
        }
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        if ((rc = read_node(reader, &event, depth + 1, &item, &part)) < 0) {
            return rc;
        }
        doc_list_add(reader->pool, list, item);
        extent_add(extent, &part, 0);
    }
}

/* Is this key the merge key? Only unquoted: "<<" in quotes is a key like any other. */
static bool is_merge_key(const yaml_event_t *event)
{
    const char *tag = event->type == YAML_SCALAR_EVENT ? (const char *)event->data.scalar.tag : NULL;

    return event->type == YAML_SCALAR_EVENT && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (tag == NULL || slice_eq(slice_cstr(tag), SLICE("tag:yaml.org,2002:merge"))) &&
           slice_eq(slice_of((const char *)event->data.scalar.value, event->data.scalar.length), SLICE("<<"));
}

static int read_key(struct reader *reader, yaml_event_t *event, unsigned depth, struct slice *key,
                    size_t *line)
{
    yaml_mark_t mark = event->start_mark;
    struct extent extent;
    struct doc *node = NULL;

    if (event->type != YAML_SCALAR_EVENT && event->type != YAML_ALIAS_EVENT) {
        yaml_event_delete(event);
        return fail_at(reader, mark, "a list or map cannot be a key");
    }
    int rc = read_node(reader, event, depth, &node, &extent);

    if (rc < 0) {
        return rc;
    }
    if (node->kind == DOC_LIST || node->kind == DOC_MAP || node->kind == DOC_NULL) {
        return fail_at(reader, mark,
                       node->kind == DOC_NULL ? "a key is missing in front of the ':'"
                                              : "a list or map cannot be a key");
    }
    *key = node->text;
    *line = reader->line_base + mark.line + 1;
    return 0;
}

/* Entries of `source` that the map does not have yet. `seen` holds the keys that it has. */
static void merge_map(struct reader *reader, struct doc *map, const struct doc *source,
                      struct doc_index *seen)
{
    for (size_t i = 0; i < source->map.count; i++) {
        const struct doc_entry *entry = &source->map.entries[i];

        if (doc_index_add(seen, entry->key, 0)) {
            doc_map_append(reader->pool, map, entry->key, entry->line, entry->value);
        }
    }
}

/* `<<: *a` or `<<: [*a, *b]`: what is written wins over what is merged, the first of a list over the next. */
static int merge(struct reader *reader, struct doc *map, const struct doc *source)
{
    const struct doc *single[1] = {source};
    const struct doc *const *sources =
        source->kind == DOC_LIST ? (const struct doc *const *)source->list.items : single;
    size_t count = source->kind == DOC_LIST ? source->list.count : 1;
    struct doc_index seen = {0};

    for (size_t i = 0; i < count; i++) {
        if (sources[i]->kind != DOC_MAP) {
            return doc_fail(reader->why, reader->name, source->line, source->column,
                            "what follows the merge key << must be a map or a list of maps");
        }
    }
    for (size_t i = 0; i < map->map.count; i++) {
        doc_index_add(&seen, map->map.entries[i].key, 0);
    }
    for (size_t i = 0; i < count; i++) {
        merge_map(reader, map, sources[i], &seen);
    }
    doc_index_free(&seen);
    return 0;
}

static int finish_map(struct reader *reader, struct doc *map, const struct doc *merged)
{
    const struct doc_entry *twice = doc_map_duplicate(map);

    if (twice) {
        return doc_fail(reader->why, reader->name, twice->line, 0, "the key \"%.*s\" is there twice",
                        SLICE_ARG(slice_head(twice->key, 100)));
    }
    return merged ? merge(reader, map, merged) : 0;
}

static int read_mapping(struct reader *reader, unsigned depth, struct doc *map, struct extent *extent)
{
    const struct doc *merged = NULL;

    for (;;) {
        yaml_event_t event;
        struct slice key = {0};
        struct doc *value = NULL;
        struct extent part = {0};
        size_t line = 0;
        int rc = next_event(reader, &event);

        if (rc < 0) {
            return rc;
        }
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return finish_map(reader, map, merged);
        }
        bool merging = is_merge_key(&event);
        yaml_mark_t mark = event.start_mark;

        if (merging) {
            yaml_event_delete(&event);
        } else if ((rc = read_key(reader, &event, depth, &key, &line)) < 0) {
            return rc;
        }
        if (merging && merged) {
            return fail_at(reader, mark, "the merge key << is there twice: give it a list");
        }
        if ((rc = next_event(reader, &event)) < 0 ||
            (rc = read_node(reader, &event, depth + 1, &value, &part)) < 0) {
            return rc;
        }
        if (merging) {
            merged = value;
        } else {
            doc_map_append(reader->pool, map, key, line, value);
        }
        extent_add(extent, &part, key.len);
    }
}

static int read_collection(struct reader *reader, yaml_event_t *event, unsigned depth, struct doc **out,
                           struct extent *extent)
{
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    const char *tag =
        (const char *)(is_list ? event->data.sequence_start.tag : event->data.mapping_start.tag);
    const char *wanted = is_list ? "tag:yaml.org,2002:seq" : "tag:yaml.org,2002:map";

    if (depth >= DOC_MAX_DEPTH) {
        return fail_at(reader, event->start_mark, "nested deeper than %d", DOC_MAX_DEPTH);
    }
    if (tag && !slice_eq(slice_cstr(tag), slice_cstr(wanted)) && !slice_eq(slice_cstr(tag), SLICE("!"))) {
        return fail_at(reader, event->start_mark, "the value does not fit its tag %.64s", tag);
    }
    struct doc *node = doc_make(reader->pool, is_list ? DOC_LIST : DOC_MAP, reader->name,
                                reader->line_base + event->start_mark.line + 1, event->start_mark.column + 1);
    ptrdiff_t anchor = anchor_open(
        reader, is_list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor, node);

    *extent = (struct extent){.weight = NODE_WEIGHT};
    int rc = is_list ? read_sequence(reader, depth, node, extent) : read_mapping(reader, depth, node, extent);

    if (rc == 0) {
        anchor_close(reader, anchor, *extent);
        *out = node;
    }
    return rc;
}

/* Takes the event over. */
static int read_node(struct reader *reader, yaml_event_t *event, unsigned depth, struct doc **out,
                     struct extent *extent)
{
    int rc;

    switch (event->type) {
    case YAML_ALIAS_EVENT:
        rc = read_alias(reader, event, depth, out, extent);
        break;
    case YAML_SCALAR_EVENT:
        rc = read_scalar(reader, event, out, extent);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        rc = read_collection(reader, event, depth, out, extent);
        break;
    default:
        rc = fail_at(reader, event->start_mark, "a value is missing");
        break;
    }
    yaml_event_delete(event);
    return rc;
}

/* Hands over every document of the text, until the end (0) or the first error. */
static int read_documents(struct reader *reader, doc_found *on_document, void *context)
{
    for (;;) {
        yaml_event_t event;
        struct doc *root = NULL;
        struct extent extent;
        int rc = next_event(reader, &event);

        if (rc < 0) {
            return rc;
        }
        yaml_event_type_t type = event.type;

        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT) {
            return 0;
        }
        if (type != YAML_DOCUMENT_START_EVENT) {
            continue; /* start of the stream */
        }
        anchors_forget(reader);
        if ((rc = next_event(reader, &event)) < 0 ||
            (rc = read_node(reader, &event, 0, &root, &extent)) < 0 ||
            (rc = next_event(reader, &event)) < 0) { /* the last: its end, where trailing nonsense shows */
            return rc;
        }
        yaml_event_delete(&event);
        on_document(context, root);
    }
}

int yaml_read_text(struct pool *pool, struct slice name, size_t line_base, struct slice text,
                   doc_found *on_document, void *context, struct error *why)
{
    struct reader reader = {.pool = pool, .name = name, .text = text, .line_base = line_base, .why = why};

    if (!yaml_parser_initialize(&reader.parser)) {
        return error_set(why, -ENOMEM, "out of memory");
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)(text.len ? text.ptr : ""), text.len);
    int rc = read_documents(&reader, on_document, context);

    anchors_forget(&reader);
    free(reader.anchors);
    yaml_parser_delete(&reader.parser);
    return rc;
}

struct slice yaml_without_bom(struct slice text)
{
    return slice_has_prefix(text, SLICE("\xef\xbb\xbf")) ? slice_from(text, 3) : text;
}

struct single {
    struct doc *document;
    size_t count;
};

static void keep_single(void *context, struct doc *document)
{
    struct single *single = context;

    if (document->kind != DOC_NULL) {
        single->document = document;
        single->count++;
    }
}

int doc_read_yaml(struct pool *pool, struct slice name, struct slice text, struct doc **out,
                  struct error *why)
{
    struct slice file = pool_copy(pool, name);
    struct single single = {0};
    int rc = doc_check_size(why, name, text);

    if (rc < 0 ||
        (rc = yaml_read_text(pool, file, 0, yaml_without_bom(text), keep_single, &single, why)) < 0) {
        return rc;
    }
    if (single.count > 1) {
        return doc_fail(why, name, single.document->line, 0, "more than one document in the file");
    }
    *out = single.document ? single.document : doc_make(pool, DOC_NULL, file, 0, 0);
    return 0;
}
