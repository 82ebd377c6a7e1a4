/* test_prepared.c - the tables by which prepared middlewares are packed leave no member of their structs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/model/prepared.h"

struct extent {
    size_t size, alignment;
};

static struct extent extent_of(const struct schema_field *field)
{
#define EXTENT(type) ((struct extent){sizeof(type), _Alignof(type)})
    switch (field->kind) {
    case SCHEMA_BOOL:
        return EXTENT(bool);
    case SCHEMA_OPT_BOOL:
        return EXTENT(struct opt_bool);
    case SCHEMA_INT:
    case SCHEMA_DURATION:
        return EXTENT(int64_t);
    case SCHEMA_OPT_INT:
        return EXTENT(struct opt_int);
    case SCHEMA_DOUBLE:
        return EXTENT(double);
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
        return EXTENT(struct slice);
    case SCHEMA_STRINGS:
    case SCHEMA_REGEXES:
    case SCHEMA_LIST:
        return EXTENT(struct list);
    case SCHEMA_STRING_MAP:
        return EXTENT(struct string_map);
    case SCHEMA_REGEX:
        return EXTENT(struct regex_text);
    case SCHEMA_MAP:
        return EXTENT(struct map);
    case SCHEMA_STRUCT:
        return (struct extent){field->sub->size, _Alignof(max_align_t)};
    case SCHEMA_OPTIONAL:
    case SCHEMA_DOC:
        return EXTENT(void *);
    }
    return (struct extent){0};
}

/* The row that begins at or behind this place, the first one; NULL: there is none. */
static const struct schema_field *row_from(const struct schema *schema, size_t at)
{
    const struct schema_field *next = NULL;

    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];

        next = field->offset >= at && (!next || field->offset < next->offset) ? field : next;
    }
    return next;
}

/* What no row names would not be packed: workers would read zero. */
static void check_members(const struct schema *schema)
{
    const struct schema_field *field;
    size_t at = 0;

    while ((field = row_from(schema, at)) != NULL) {
        struct extent extent = extent_of(field);

        if (field->offset - at >= extent.alignment || field->offset - at >= sizeof(void *)) {
            fail_msg("%s: a member before %s has no row", schema->name, field->name);
        }
        at = field->offset + extent.size;
        if (field->sub) {
            check_members(field->sub);
        }
    }
    if (schema->size - at >= sizeof(void *)) {
        fail_msg("%s: the last member has no row", schema->name);
    }
}

static void every_prepared_member_has_a_row(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < MIDDLEWARE_KINDS; kind++) {
        if (middleware_prepared_schema(kind)) {
            check_members(middleware_prepared_schema(kind));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_prepared_member_has_a_row)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
