/*
 * flags.c - command-line flags into a document tree, by Traefik's rules of what is a flag and what its value.
 *
 * Where Traefik stops reading at the first argument that is no flag and forgets the rest, this is an error.
 */
#include <errno.h>

#include "common/schema/dotted.h"

struct flags {
    const struct schema *schema;
    struct pool *pool;
    struct dotted_setting *settings;
    size_t count, capacity;
};

/* Given again: lists are joined, for all else the last one counts. */
static void remember(struct flags *flags, const struct dotted_setting *setting, bool is_list)
{
    for (size_t i = 0; i < flags->count; i++) {
        struct dotted_setting *earlier = &flags->settings[i];

        if (!slice_eq_nocase(earlier->name, setting->name)) {
            continue;
        }
        if (is_list) {
            earlier->value =
                pool_printf(flags->pool, "%.*s,%.*s", SLICE_ARG(earlier->value), SLICE_ARG(setting->value));
        } else {
            earlier->value = setting->value;
            earlier->bare = setting->bare;
        }
        return;
    }
    flags->settings =
        pool_grow(flags->pool, flags->settings, flags->count, &flags->capacity, sizeof(*flags->settings));
    flags->settings[flags->count++] = *setting;
}

static bool looks_like_flag(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0' && !(arg[1] >= '0' && arg[1] <= '9');
}

/* Does the flag without '=' take the next argument? */
static int wants_next(enum dotted_kind kind, struct slice shown, const char *next, bool *wants,
                      struct error *why)
{
    *wants = false;
    if (kind == DOTTED_SWITCH) {
        return 0;
    }
    if (kind == DOTTED_FREE) { /* nobody knows; what does not begin with a dash is a value */
        *wants = next != NULL && !looks_like_flag(next);
        return 0;
    }
    if (next == NULL || looks_like_flag(next)) {
        return error_set(why, -EINVAL, "%.*s: needs a value, write %.*s=VALUE", SLICE_ARG(shown),
                         SLICE_ARG(shown));
    }
    *wants = true;
    return 0;
}

/* One flag, and its value when that is an argument of its own: *used counts both. */
static int read_flag(struct flags *flags, char *const *args, int left, int *used, struct error *why)
{
    struct slice arg = slice_cstr(args[0]);
    struct slice body = slice_from(arg, arg.ptr[1] == '-' ? 2 : 1);
    ptrdiff_t equals = slice_find(body, '=');
    struct dotted_setting setting = {0};
    struct error unknown = {0};

    if (body.len == 0 || body.ptr[0] == '-' || equals == 0) {
        return error_set(why, -EINVAL, "%.*s: bad flag, write --name=value", SLICE_ARG(slice_head(arg, 100)));
    }
    setting.name = pool_copy(flags->pool, equals < 0 ? body : slice_head(body, (size_t)equals));
    setting.shown = pool_printf(flags->pool, "--%.*s", SLICE_ARG(setting.name));
    enum dotted_kind kind = dotted_resolve(flags->schema, setting.name, NULL, &unknown);

    if (kind == DOTTED_UNKNOWN) {
        return error_set(why, -EINVAL, "flag --%.*s: %s", SLICE_ARG(slice_head(setting.name, 200)),
                         unknown.text);
    }
    *used = 1;
    if (equals >= 0) {
        setting.value = pool_copy(flags->pool, slice_from(body, (size_t)equals + 1));
    } else {
        bool wants;
        int rc = wants_next(kind, setting.shown, left > 1 ? args[1] : NULL, &wants, why);

        if (rc < 0) {
            return rc;
        }
        setting.bare = !wants;
        if (wants) {
            setting.value = pool_copy(flags->pool, slice_cstr(args[1]));
            *used = 2;
        }
    }
    remember(flags, &setting, kind == DOTTED_LIST);
    return 0;
}

static int stray(const char *arg, const char *before, struct error *why)
{
    if (before) {
        return error_set(why, -EINVAL,
                         "unexpected argument \"%.100s\" behind %.200s: values of switches need a '='", arg,
                         before);
    }
    return error_set(why, -EINVAL, "unexpected argument \"%.100s\": flags begin with --", arg);
}

int schema_from_flags(const struct schema *schema, struct pool *pool, int argc, char **argv, struct doc **out,
                      struct error *why)
{
    struct flags flags = {.schema = schema, .pool = pool};
    const char *before = NULL;

    for (int i = 0; i < argc; i++) {
        if (!doc_is_utf8(slice_cstr(argv[i]))) {
            return error_set(why, -EINVAL, "argument %d is not UTF-8: %.100s", i + 1, argv[i]);
        }
    }
    for (int i = 0; i < argc;) {
        const char *arg = argv[i];
        int used = 1;

        if (arg[0] == '-' && arg[1] == '-' && arg[2] == '\0') { /* ends the flags */
            if (i + 1 < argc) {
                return stray(argv[i + 1], arg, why);
            }
            break;
        }
        if (arg[0] != '-' || arg[1] == '\0') {
            return stray(arg, before, why);
        }
        int rc = read_flag(&flags, argv + i, argc - i, &used, why);

        if (rc < 0) {
            return rc;
        }
        before = arg;
        i += used;
    }
    return dotted_tree(schema, pool, flags.settings, flags.count, out, why);
}
