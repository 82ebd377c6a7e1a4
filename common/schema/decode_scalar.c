/*
 * decode_scalar.c - a document node into one field: booleans, numbers, durations, texts, and lists and maps of texts.
 *
 * What has options below it (structs, lists and maps of them) is decode.c's business.
 */
#include <stdlib.h>

#include "common/rule/regex.h"
#include "common/schema/schema_internal.h"

struct field_decoder {
    struct decoder *decoder;
    const struct schema_field *field;
    const struct doc *node;
    const struct place *place;
};

static bool lenient(const struct decoder *decoder)
{
    return (decoder->flags & SCHEMA_LENIENT_TYPES) != 0;
}

bool decode_text(const struct decoder *decoder, const struct doc *node, struct slice *out)
{
    if (node->kind == DOC_STRING) {
        *out = node->text;
        return true;
    }
    if (!lenient(decoder)) {
        return false;
    }
    switch (node->kind) {
    case DOC_BOOL:
        *out = node->boolean ? SLICE("true") : SLICE("false");
        return true;
    case DOC_INT: /* 0x10 is 16, as Traefik's reader would have it */
        *out = pool_printf(decoder->pool, "%lld", (long long)node->integer);
        return true;
    case DOC_FLOAT:
        *out = node->text;
        return true;
    default:
        return false;
    }
}

bool decode_empty_list(const struct decoder *decoder, const struct doc *node)
{
    return lenient(decoder) && node->kind == DOC_MAP && node->map.count == 0;
}

static struct slice shown(const struct field_decoder *fd, const struct doc *node)
{
    return doc_shown(fd->decoder->pool, node, fd->field->flags);
}

static bool wrong(const struct field_decoder *fd, const struct doc *node, const char *what)
{
    decoder_error(fd->decoder, node, fd->place, "%.*s %s", SLICE_ARG(shown(fd, node)), what);
    return false;
}

static bool not_text(const struct field_decoder *fd, const struct doc *node, const struct place *place)
{
    bool quotable = node->kind == DOC_BOOL || node->kind == DOC_INT || node->kind == DOC_FLOAT;

    decoder_error(fd->decoder, node, place, "%.*s is no text%s", SLICE_ARG(shown(fd, node)),
                  quotable ? ": put it in quotes" : "");
    return false;
}

static bool read_bool(const struct field_decoder *fd, bool *out)
{
    struct slice text;

    if (fd->node->kind == DOC_BOOL) {
        *out = fd->node->boolean;
        return true;
    }
    if (lenient(fd->decoder) && decode_text(fd->decoder, fd->node, &text) &&
        parse_bool(text, out, NULL) == 0) {
        return true;
    }
    return wrong(fd, fd->node, "is neither true nor false");
}

static bool whole_number(double number, int64_t *out)
{
    if (number < -9007199254740992.0 || number > 9007199254740992.0 || number != (double)(int64_t)number) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

static bool has_bounds(const struct schema_field *field)
{
    return field->min != 0 || field->max != 0;
}

static void add_bound(struct text *out, const struct schema_field *field, double bound)
{
    if (field->kind == SCHEMA_DURATION) {
        format_duration((int64_t)bound, out);
    } else {
        text_printf(out, "%.15g", bound);
    }
}

/* A bound of 2^63 and more stands for "no upper bound", so that min alone can be asked for. */
static bool in_bounds(const struct field_decoder *fd, double value)
{
    const struct schema_field *field = fd->field;
    bool open = field->max >= 9.2e18;

    if (!has_bounds(field) || (value >= field->min && (open || value <= field->max))) {
        return true;
    }
    struct text bounds;

    text_init(&bounds);
    if (open) {
        text_add_cstr(&bounds, "at least ");
        add_bound(&bounds, field, field->min);
    } else {
        text_add_cstr(&bounds, "between ");
        add_bound(&bounds, field, field->min);
        text_add_cstr(&bounds, " and ");
        add_bound(&bounds, field, field->max);
    }
    decoder_error(fd->decoder, fd->node, fd->place, "%.*s is out of bounds, it must be %s",
                  SLICE_ARG(shown(fd, fd->node)), bounds.ptr);
    text_free(&bounds);
    return false;
}

static bool read_int(const struct field_decoder *fd, int64_t *out)
{
    const struct doc *node = fd->node;
    int64_t value = 0;
    bool good = (node->kind == DOC_INT && (value = node->integer, true)) ||
                (node->kind == DOC_FLOAT && whole_number(node->number, &value)) ||
                (node->kind == DOC_STRING && lenient(fd->decoder) && slice_to_i64(node->text, &value));

    if (!good) {
        return wrong(fd, node, "is no whole number");
    }
    if (!in_bounds(fd, (double)value)) {
        return false;
    }
    *out = value;
    return true;
}

static bool text_to_double(struct slice text, double *out)
{
    char buffer[64];
    char *end;

    if (!slice_to_cstr(text, buffer, sizeof(buffer)) || buffer[0] == '\0' || buffer[0] == ' ') {
        return false;
    }
    *out = strtod(buffer, &end);
    return *end == '\0';
}

static bool read_double(const struct field_decoder *fd, double *out)
{
    const struct doc *node = fd->node;
    double value = 0;
    bool good = (node->kind == DOC_INT && (value = (double)node->integer, true)) ||
                (node->kind == DOC_FLOAT && (value = node->number, true)) ||
                (node->kind == DOC_STRING && lenient(fd->decoder) && text_to_double(node->text, &value));

    if (!good || !__builtin_isfinite(value)) {
        return wrong(fd, node, "is no number");
    }
    if (!in_bounds(fd, value)) {
        return false;
    }
    *out = value;
    return true;
}

static bool read_duration(const struct field_decoder *fd, int64_t *out)
{
    const struct doc *node = fd->node;
    int64_t value;
    struct slice text = node->text;

    if (node->kind == DOC_INT) {
        text = pool_printf(fd->decoder->pool, "%lld", (long long)node->integer);
    }
    if ((node->kind != DOC_INT && node->kind != DOC_STRING) || parse_duration(text, &value, NULL) < 0) {
        return wrong(fd, node, "is no duration (write 10s, 1m30s or seconds as a number)");
    }
    if (!in_bounds(fd, (double)value)) {
        return false;
    }
    *out = value;
    return true;
}

static bool read_enum(const struct field_decoder *fd, struct slice *out)
{
    struct slice text;
    struct text known;

    if (!decode_text(fd->decoder, fd->node, &text)) {
        return not_text(fd, fd->node, fd->place);
    }
    for (const char *const *choice = fd->field->choices; choice && *choice; choice++) {
        if (slice_eq(text, slice_cstr(*choice))) {
            *out = text;
            return true;
        }
    }
    if (text.len == 0) {
        return true; /* as if it were not written */
    }
    text_init(&known);
    for (const char *const *choice = fd->field->choices; choice && *choice; choice++) {
        text_printf(&known, "%s%s", choice == fd->field->choices ? "" : ", ", **choice ? *choice : "\"\"");
    }
    bool soft = fd->field->flags & SCHEMA_SOFT_CHOICES;

    if (soft) {
        struct schema_report *report = fd->decoder->report;

        *out = text;
        schema_report_add(report, SCHEMA_WARNING, fd->node, place_text(report->pool, fd->place),
                          "%.*s is not among the choices: %s", SLICE_ARG(shown(fd, fd->node)),
                          known.ptr ? known.ptr : "");
    } else {
        decoder_error(fd->decoder, fd->node, fd->place, "%.*s is not among the choices: %s",
                      SLICE_ARG(shown(fd, fd->node)), known.ptr ? known.ptr : "");
    }
    text_free(&known);
    return soft;
}

static bool check_regex(const struct field_decoder *fd, const struct doc *node, const struct place *place,
                        struct slice pattern)
{
    struct regex *regex = NULL;
    struct error why = {0};

    if (regex_compile(pattern, false, &regex, &why) < 0) {
        decoder_error(fd->decoder, node, place, "\"%.*s\" is no regular expression: %s",
                      SLICE_ARG(slice_head(pattern, 200)), why.text);
        return false;
    }
    regex_free(regex);
    return true;
}

static void read_regex(const struct field_decoder *fd, struct regex_text *out)
{
    struct slice text;

    if (!decode_text(fd->decoder, fd->node, &text)) {
        not_text(fd, fd->node, fd->place);
    } else if (check_regex(fd, fd->node, fd->place, text)) {
        *out = (struct regex_text){.pattern = text};
    }
}

/* "a, b" split at its commas: how flags, environment and lenient files write a list. */
static void split_texts(struct pool *pool, struct slice text, struct list *out)
{
    struct slice *items = NULL;
    size_t capacity = 0, count = 0;

    if (text.len == 0) {
        return; /* nothing written */
    }
    while (text.ptr) {
        items = pool_grow(pool, items, count, &capacity, sizeof(*items));
        items[count++] = slice_trim(slice_split(&text, ','));
    }
    *out = (struct list){.items = items, .count = count};
}

static bool all_numbers(const struct list *texts)
{
    const struct slice *items = texts->items;
    double value;

    for (size_t i = 0; i < texts->count; i++) {
        if (!text_to_double(items[i], &value) || !__builtin_isfinite(value)) {
            return false;
        }
    }
    return true;
}

static void read_any_texts(const struct field_decoder *fd, struct list *out)
{
    const struct doc *node = fd->node;
    struct slice text;
    bool good = true;

    if (decode_empty_list(fd->decoder, node)) {
        return;
    }
    if (node->kind != DOC_LIST) {
        if (lenient(fd->decoder) && decode_text(fd->decoder, node, &text)) {
            split_texts(fd->decoder->pool, text, out);
        } else {
            wrong(fd, node, "is no list of texts");
        }
        return;
    }
    if (node->list.count == 0 && fd->field->fallback) {
        return; /* the default stays, as in Traefik */
    }
    struct slice *items = pool_alloc(fd->decoder->pool, node->list.count * sizeof(*items));

    for (size_t i = 0; i < node->list.count; i++) {
        struct place place = {.above = fd->place, .index = i};

        if (!decode_text(fd->decoder, node->list.items[i], &items[i])) {
            good = not_text(fd, node->list.items[i], &place);
        } else if (lenient(fd->decoder)) {
            items[i] = slice_trim(items[i]);
        }
    }
    if (good) {
        *out = (struct list){.items = items, .count = node->list.count};
    }
}

static void read_texts(const struct field_decoder *fd, struct list *out)
{
    struct list texts = *out;

    read_any_texts(fd, &texts);
    if ((fd->field->flags & SCHEMA_NUMBERS) && !all_numbers(&texts)) {
        wrong(fd, fd->node, "is no list of numbers");
    } else {
        *out = texts;
    }
}

static void read_regexes(const struct field_decoder *fd, struct list *out)
{
    struct list texts = {0};
    bool good = true;

    read_texts(fd, &texts);
    const struct slice *patterns = texts.items;
    struct regex_text *items = pool_zalloc(fd->decoder->pool, texts.count * sizeof(*items));

    for (size_t i = 0; i < texts.count; i++) {
        struct place place = {.above = fd->place, .index = i};
        const struct doc *at = fd->node->kind == DOC_LIST ? fd->node->list.items[i] : fd->node;

        items[i].pattern = patterns[i];
        good = check_regex(fd, at, &place, patterns[i]) && good;
    }
    if (good && texts.count > 0) {
        *out = (struct list){.items = items, .count = texts.count};
    }
}

static int by_pair_key(const void *a, const void *b)
{
    return slice_cmp(((const struct string_pair *)a)->key, ((const struct string_pair *)b)->key);
}

struct pairs {
    struct string_pair *items;
    size_t count, capacity;
};

/* With lenient types `a.b=c` (a map in a map) is the key "a.b", as Traefik reads its flags. */
static void collect_pairs(const struct field_decoder *fd, const struct doc *map, struct slice prefix,
                          const struct place *above, struct pairs *out)
{
    struct pool *pool = fd->decoder->pool;

    for (size_t i = 0; i < map->map.count; i++) {
        const struct doc_entry *entry = &map->map.entries[i];
        struct place place = {.above = above, .name = entry->key};
        struct slice key = entry->key, value = {0};

        if (prefix.len > 0) {
            key = pool_printf(pool, "%.*s.%.*s", SLICE_ARG(prefix), SLICE_ARG(key));
        }
        if (entry->value->kind == DOC_MAP && lenient(fd->decoder) && entry->value->map.count > 0) {
            collect_pairs(fd, entry->value, key, &place, out);
            continue;
        }
        if (entry->value->kind == DOC_NULL) {
            continue; /* nothing is not the empty text, which removes a header, say */
        }
        if (!decode_text(fd->decoder, entry->value, &value)) {
            not_text(fd, entry->value, &place);
            continue;
        }
        out->items = pool_grow(pool, out->items, out->count, &out->capacity, sizeof(*out->items));
        out->items[out->count++] = (struct string_pair){.key = key, .value = value};
    }
}

static void read_string_map(const struct field_decoder *fd, struct string_map *out)
{
    struct pairs pairs = {0};

    if (fd->node->kind != DOC_MAP) {
        wrong(fd, fd->node, "is no map of texts");
        return;
    }
    collect_pairs(fd, fd->node, (struct slice){0}, fd->place, &pairs);
    if (pairs.count > 1) {
        qsort(pairs.items, pairs.count, sizeof(*pairs.items), by_pair_key);
    }
    for (size_t i = 1; i < pairs.count; i++) {
        if (slice_eq(pairs.items[i - 1].key, pairs.items[i].key)) {
            decoder_error(fd->decoder, fd->node, fd->place, "the key \"%.*s\" is there twice",
                          SLICE_ARG(slice_head(pairs.items[i].key, 100)));
            return;
        }
    }
    *out = (struct string_map){.items = pairs.items, .count = pairs.count};
}

void decode_scalar(struct decoder *decoder, const struct schema_field *field, const struct doc *node,
                   void *target, const struct place *place)
{
    const struct field_decoder fd = {.decoder = decoder, .field = field, .node = node, .place = place};
    struct opt_bool opt_bool = {.set = true};
    struct opt_int opt_int = {.set = true};

    switch (field->kind) {
    case SCHEMA_BOOL:
        read_bool(&fd, target);
        break;
    case SCHEMA_INT:
        read_int(&fd, target);
        break;
    case SCHEMA_DOUBLE:
        read_double(&fd, target);
        break;
    case SCHEMA_OPT_BOOL:
        if (read_bool(&fd, &opt_bool.value)) {
            *(struct opt_bool *)target = opt_bool;
        }
        break;
    case SCHEMA_OPT_INT:
        if (read_int(&fd, &opt_int.value)) {
            *(struct opt_int *)target = opt_int;
        }
        break;
    case SCHEMA_DURATION:
        read_duration(&fd, target);
        break;
    case SCHEMA_STRING:
        if (!decode_text(decoder, node, target)) {
            not_text(&fd, node, place);
        }
        break;
    case SCHEMA_ENUM:
        read_enum(&fd, target);
        break;
    case SCHEMA_STRINGS:
        read_texts(&fd, target);
        break;
    case SCHEMA_STRING_MAP:
        read_string_map(&fd, target);
        break;
    case SCHEMA_REGEX:
        read_regex(&fd, target);
        break;
    case SCHEMA_REGEXES:
        read_regexes(&fd, target);
        break;
    case SCHEMA_STRUCT:
    case SCHEMA_OPTIONAL:
    case SCHEMA_LIST:
    case SCHEMA_MAP:
    case SCHEMA_DOC:
        break; /* decode.c */
    }
}
