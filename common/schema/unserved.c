/*
 * unserved.c - options of a decoded object that are set and that this build does not act upon.
 */
#include "common/schema/schema.h"

static bool field_set(const struct schema_field *field, const void *object)
{
    const void *at = (const char *)object + field->offset;

    switch (field->kind) {
    case SCHEMA_OPT_BOOL:
        return ((const struct opt_bool *)at)->set;
    case SCHEMA_OPT_INT:
        return ((const struct opt_int *)at)->set;
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
        return ((const struct slice *)at)->len > 0;
    case SCHEMA_STRINGS:
    case SCHEMA_REGEXES:
    case SCHEMA_LIST:
        return ((const struct list *)at)->count > 0;
    case SCHEMA_STRING_MAP:
        return ((const struct string_map *)at)->count > 0;
    case SCHEMA_MAP:
        return ((const struct map *)at)->count > 0;
    case SCHEMA_REGEX:
        return ((const struct regex_text *)at)->pattern.len > 0;
    case SCHEMA_OPTIONAL:
    case SCHEMA_DOC:
        return *(const void *const *)at != NULL;
    case SCHEMA_STRUCT:
        return false; /* always there: its own rows tell */
    case SCHEMA_BOOL:
        return *(const bool *)at;
    case SCHEMA_INT:
    case SCHEMA_DURATION:
        return *(const int64_t *)at != 0;
    case SCHEMA_DOUBLE:
        return *(const double *)at < 0 || *(const double *)at > 0;
    }
    return false;
}

const struct schema_field *schema_unserved(const struct schema *schema, const void *object, size_t *from)
{
    while (*from < schema->count) {
        const struct schema_field *field = &schema->fields[(*from)++];

        if ((field->flags & SCHEMA_NOT_SERVED) && !field->fallback && field_set(field, object)) {
            return field;
        }
    }
    return NULL;
}
