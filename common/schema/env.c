/*
 * env.c - environment variables into a document tree: TRAEFIK_ENTRYPOINTS_WEB_ADDRESS is entrypoints.web.address.
 *
 * Names of map entries become lower case, as in Traefik. A variable whose first word is no option at all may be meant
 * for somebody else (Kubernetes makes TRAEFIK_SERVICE_HOST): a warning. One that begins like an option and then
 * leads nowhere is a mistake: an error, as in Traefik.
 */
#include <errno.h>

#include "common/schema/dotted.h"

struct variables {
    const struct schema *schema;
    struct pool *pool;
    struct schema_report *report;
    struct dotted_setting *settings;
    size_t count, capacity;
};

/* "ENTRYPOINTS_WEB_ADDRESS" -> "entrypoints.web.address" */
static struct slice dotted_name(struct pool *pool, struct slice variable)
{
    char *name = pool_alloc(pool, variable.len + 1);

    for (size_t i = 0; i < variable.len; i++) {
        name[i] = variable.ptr[i] == '_' ? '.' : (char)ascii_lower((unsigned char)variable.ptr[i]);
    }
    name[variable.len] = '\0';
    return slice_of(name, variable.len);
}

static void remember(struct variables *variables, const struct dotted_setting *setting)
{
    for (size_t i = 0; i < variables->count; i++) {
        if (slice_eq(variables->settings[i].name, setting->name)) {
            variables->settings[i].value = setting->value;
            return;
        }
    }
    variables->settings = pool_grow(variables->pool, variables->settings, variables->count,
                                    &variables->capacity, sizeof(*variables->settings));
    variables->settings[variables->count++] = *setting;
}

static void read_variable(struct variables *variables, struct slice variable, struct slice name,
                          struct slice value)
{
    struct dotted_setting setting = {
        .name = dotted_name(variables->pool, name),
        .value = pool_copy(variables->pool, value),
        .shown = pool_copy(variables->pool, variable),
    };
    struct doc at = {.file = setting.shown};
    struct error unknown = {0};
    bool root_known;

    if (!doc_is_utf8(setting.name) || !doc_is_utf8(value)) {
        schema_report_add(variables->report, SCHEMA_ERROR, &at, (struct slice){0}, "is not UTF-8");
        return;
    }
    if (dotted_resolve(variables->schema, setting.name, &root_known, &unknown) != DOTTED_UNKNOWN) {
        remember(variables, &setting);
    } else if (root_known) {
        schema_report_add(variables->report, SCHEMA_ERROR, &at, setting.name, "%s", unknown.text);
    } else {
        schema_report_add(variables->report, SCHEMA_WARNING, &at, setting.name, "ignored, %s", unknown.text);
    }
}

int schema_from_env(const struct schema *schema, struct pool *pool, const char *prefix, char **environment,
                    struct doc **out, struct schema_report *report)
{
    struct variables variables = {.schema = schema, .pool = pool, .report = report};
    size_t prefix_len = strlen(prefix), errors = report->errors;
    struct error why = {0};

    for (char **at = environment; at && *at; at++) {
        struct slice entry = slice_cstr(*at);
        ptrdiff_t equals = slice_find(entry, '=');
        struct slice name = slice_head(entry, equals < 0 ? entry.len : (size_t)equals);

        if (equals < 0 || name.len <= prefix_len + 1 || name.ptr[prefix_len] != '_' ||
            !slice_eq_nocase(slice_head(name, prefix_len), slice_cstr(prefix))) {
            continue;
        }
        read_variable(&variables, name, slice_from(name, prefix_len + 1),
                      slice_from(entry, (size_t)equals + 1));
    }
    *out = NULL;
    if (variables.count > 0 &&
        dotted_tree(schema, pool, variables.settings, variables.count, out, &why) < 0) {
        schema_report_add(report, SCHEMA_ERROR, NULL, (struct slice){0}, "%s", why.text);
        *out = NULL;
    }
    return report->errors == errors ? 0 : -EINVAL;
}
