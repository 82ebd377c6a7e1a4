/*
 * kubernetes_selector.c - Kubernetes' label selectors, equality-based and set-based.
 *
 * As the API server reads them: requirements joined by commas, all must hold; != and notin hold for objects without the
 * label too; > and < compare integers. Not here: field selectors.
 */
#include "master/provider/kubernetes.h"

#include <errno.h>

enum operator{ OP_EXISTS, OP_ABSENT, OP_IN, OP_NOT_IN, OP_GREATER, OP_LESS };

struct requirement {
    enum operator op;
    struct slice key;
    struct list values; /* struct slice */
};

struct selector {
    struct requirement *items;
    size_t count, capacity;
};

struct reader {
    struct slice rest, whole;
    struct pool *pool;
};

static void skip_blanks(struct reader *reader)
{
    while (reader->rest.len && (reader->rest.ptr[0] == ' ' || reader->rest.ptr[0] == '\t')) {
        reader->rest.ptr++;
        reader->rest.len--;
    }
}

static bool take(struct reader *reader, struct slice token)
{
    skip_blanks(reader);
    if (!slice_has_prefix(reader->rest, token)) {
        return false;
    }
    reader->rest = slice_of(reader->rest.ptr + token.len, reader->rest.len - token.len);
    return true;
}

static struct slice take_word(struct reader *reader)
{
    size_t len = 0;

    skip_blanks(reader);
    while (len < reader->rest.len && strchr(" \t,()=!<>", reader->rest.ptr[len]) == NULL) {
        len++;
    }
    struct slice out = slice_of(reader->rest.ptr, len);

    reader->rest = slice_of(reader->rest.ptr + len, reader->rest.len - len);
    return out;
}

static int fail(const struct reader *reader, struct error *why, const char *text)
{
    return error_set(why, -EINVAL, "invalid label selector \"%.*s\": %s at column %zu",
                     SLICE_ARG(reader->whole), text, reader->whole.len - reader->rest.len + 1);
}

static void add_value(struct reader *reader, struct requirement *requirement, struct slice value)
{
    struct slice *old = requirement->values.items;
    struct slice *values = pool_alloc(reader->pool, (requirement->values.count + 1) * sizeof(*values));

    if (requirement->values.count) {
        memcpy(values, old, requirement->values.count * sizeof(*values));
    }
    values[requirement->values.count] = value;
    requirement->values = (struct list){values, requirement->values.count + 1};
}

static int read_set(struct reader *reader, struct requirement *requirement, struct error *why)
{
    if (!take(reader, SLICE("("))) {
        return fail(reader, why, "'(' is missing");
    }
    do {
        add_value(reader, requirement, take_word(reader));
    } while (take(reader, SLICE(",")));
    return take(reader, SLICE(")")) ? 0 : fail(reader, why, "')' is missing");
}

static int read_requirement(struct reader *reader, struct requirement *requirement, struct error *why)
{
    bool absent = take(reader, SLICE("!"));

    requirement->key = take_word(reader);
    if (requirement->key.len == 0) {
        return fail(reader, why, "a label is missing");
    }
    skip_blanks(reader);
    if (absent || reader->rest.len == 0 || reader->rest.ptr[0] == ',') {
        requirement->op = absent ? OP_ABSENT : OP_EXISTS;
        return 0;
    }
    if (take(reader, SLICE("!="))) {
        requirement->op = OP_NOT_IN;
    } else if (take(reader, SLICE("==")) || take(reader, SLICE("="))) {
        requirement->op = OP_IN;
    } else if (take(reader, SLICE(">")) || take(reader, SLICE("<"))) {
        int64_t number;
        struct slice value;

        requirement->op = reader->rest.ptr[-1] == '>' ? OP_GREATER : OP_LESS;
        value = take_word(reader);
        if (!slice_to_i64(value, &number)) {
            return fail(reader, why, "an integer is missing");
        }
        add_value(reader, requirement, value);
        return 0;
    } else {
        struct slice name = take_word(reader);

        if (!slice_eq(name, SLICE("in")) && !slice_eq(name, SLICE("notin"))) {
            return fail(reader, why, "one of = == != in notin is missing");
        }
        requirement->op = name.len == 2 ? OP_IN : OP_NOT_IN;
        return read_set(reader, requirement, why);
    }
    add_value(reader, requirement, take_word(reader));
    return 0;
}

int selector_parse(struct pool *pool, struct slice text, struct selector **out, struct error *why)
{
    struct reader reader = {.rest = slice_trim(text), .whole = text, .pool = pool};
    struct selector *selector = pool_zalloc(pool, sizeof(*selector));

    if (reader.rest.len == 0) {
        *out = NULL;
        return 0;
    }
    do {
        struct requirement requirement = {0};
        int rc = read_requirement(&reader, &requirement, why);

        if (rc < 0) {
            return rc;
        }
        selector->items =
            pool_grow(pool, selector->items, selector->count, &selector->capacity, sizeof(requirement));
        selector->items[selector->count++] = requirement;
    } while (take(&reader, SLICE(",")));
    skip_blanks(&reader);
    if (reader.rest.len) {
        return fail(&reader, why, "a comma is missing");
    }
    *out = selector;
    return 0;
}

static const struct doc *label_of(const struct doc *labels, struct slice key)
{
    for (size_t i = 0; labels && labels->kind == DOC_MAP && i < labels->map.count; i++) {
        if (slice_eq(labels->map.entries[i].key, key)) {
            return labels->map.entries[i].value;
        }
    }
    return NULL;
}

static bool requirement_holds(const struct requirement *requirement, const struct doc *labels)
{
    const struct doc *label = label_of(labels, requirement->key);
    struct slice text = doc_text(label, SLICE(""));
    const struct slice *values = requirement->values.items;
    int64_t number, bound;
    bool among = false;

    for (size_t i = 0; label && i < requirement->values.count; i++) {
        among |= slice_eq(text, values[i]);
    }
    switch (requirement->op) {
    case OP_EXISTS:
        return label != NULL;
    case OP_ABSENT:
        return label == NULL;
    case OP_IN:
        return among;
    case OP_NOT_IN:
        return !among;
    case OP_GREATER:
    case OP_LESS:
        if (!label || !slice_to_i64(text, &number) || !slice_to_i64(values[0], &bound)) {
            return false;
        }
        return requirement->op == OP_GREATER ? number > bound : number < bound;
    }
    return false;
}

bool selector_matches(const struct selector *selector, const struct doc *labels)
{
    for (size_t i = 0; selector && i < selector->count; i++) {
        if (!requirement_holds(&selector->items[i], labels)) {
            return false;
        }
    }
    return true;
}
