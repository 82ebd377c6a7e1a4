/*
 * load.c - the static configuration: which form of it counts, decoding, and what is said about the forms that lost.
 *
 * As in Traefik exactly one form counts: the file if there is one, else the flags if there are any, else the variables.
 * Not here: where the file is (find.c), what is derived and checked (check.c), the options (common/model/static*.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "master/static/static_internal.h"

#define FILE_MAX (4u << 20)
#define PIPE_WAIT_MS 5000 /* less than the guard waits for a master */

/* ---- what is noticed ---- */

static void add(struct pool *pool, struct list *list, struct slice text)
{
    struct slice *grown = pool_alloc(pool, (list->count + 1) * sizeof(*grown));

    if (list->count) {
        memcpy(grown, list->items, list->count * sizeof(*grown));
    }
    grown[list->count] = text;
    *list = (struct list){grown, list->count + 1};
}

static struct slice format_text(struct pool *pool, const char *format, va_list args)
{
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    struct slice copy = len < 0 ? SLICE("a message that could not be formatted")
                                : pool_copy(pool, slice_of(text, (size_t)len));

    free(text);
    return copy;
}

void static_warn(struct static_loaded *loaded, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(loaded->pool, &loaded->warnings, format_text(loaded->pool, format, args));
    va_end(args);
}

void static_error(struct static_loaded *loaded, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(loaded->pool, &loaded->errors, format_text(loaded->pool, format, args));
    va_end(args);
}

static void take_report(struct static_loaded *loaded, const struct schema_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        struct slice text = schema_issue_text(loaded->pool, &report->issues[i]);

        add(loaded->pool, report->issues[i].severity == SCHEMA_ERROR ? &loaded->errors : &loaded->warnings,
            text);
    }
}

/* ---- variables ---- */

static bool all_digits(struct slice text)
{
    uint64_t number;

    return slice_to_u64(text, &number);
}

/* Kubernetes and Docker tell a container of the services beside it by variables: TRAEFIK_SERVICE_HOST,
 * TRAEFIK_PORT_80_TCP_ADDR... where a service is called traefik. These are no settings. */
static bool is_service_variable(struct slice name, struct slice value)
{
    struct slice rest = name;
    bool after_service = false, after_port = false;

    while (rest.ptr) {
        struct slice part = slice_split(&rest, '_');

        if ((after_service && (slice_eq(part, SLICE("HOST")) || slice_eq(part, SLICE("PORT")))) ||
            (after_port && all_digits(part) && rest.len >= 3)) {
            return true;
        }
        after_service = slice_eq(part, SLICE("SERVICE"));
        after_port = slice_eq(part, SLICE("PORT"));
        if (after_port && rest.ptr == NULL) {
            return slice_find_slice(value, SLICE("://")) > 0;
        }
    }
    return false;
}

static bool has_prefix(struct slice name)
{
    return (name.len > 8 && slice_eq_nocase(slice_head(name, 8), SLICE("TRAEFIK_"))) ||
           (name.len > 5 && slice_eq_nocase(slice_head(name, 5), SLICE("WEIR_")));
}

/* The variables that are meant for us, NULL-terminated. */
static char **own_variables(struct pool *pool, char **environment)
{
    char **own;
    size_t count = 0;

    while (environment && environment[count]) {
        count++;
    }
    own = pool_alloc(pool, (count + 1) * sizeof(*own));
    count = 0;
    for (char **at = environment; at && *at; at++) {
        struct slice entry = slice_cstr(*at);
        ptrdiff_t equals = slice_find(entry, '=');
        struct slice name = slice_head(entry, equals < 0 ? entry.len : (size_t)equals);

        if (equals > 0 && has_prefix(name) &&
            !is_service_variable(name, slice_from(entry, (size_t)equals + 1))) {
            own[count++] = *at;
        }
    }
    own[count] = NULL;
    return own;
}

static bool is_config_file(struct slice name)
{
    return slice_eq_nocase(name, SLICE("TRAEFIK_CONFIGFILE")) ||
           slice_eq_nocase(name, SLICE("WEIR_CONFIGFILE"));
}

/* ---- what the losing forms said ---- */

struct slice static_flag_name(const char *argument)
{
    struct slice arg = slice_cstr(argument);
    size_t dashes = arg.len > 1 && arg.ptr[0] == '-' ? (arg.ptr[1] == '-' ? 2 : 1) : 0;
    ptrdiff_t equals = slice_find(arg, '=');

    return dashes ? slice_from(equals < 0 ? arg : slice_head(arg, (size_t)equals), dashes) : SLICE("");
}

static void warn_unused_flags(struct static_loaded *loaded, int argc, char **argv)
{
    struct text names;

    text_init(&names);
    for (int i = 0; i < argc; i++) {
        struct slice name = static_flag_name(argv[i]);

        if (name.len == 0 || slice_eq_nocase(name, SLICE("configFile"))) {
            continue;
        }
        text_printf(&names, "%s--%.*s", names.len ? ", " : "",
                    SLICE_ARG(name)); /* names only: values may be secret */
    }
    if (names.len) {
        static_warn(loaded, "the file %.*s is the configuration, these flags are ignored: %.*s",
                    SLICE_ARG(loaded->file), SLICE_ARG(text_slice(&names)));
    }
    text_free(&names);
}

static void warn_unused_variables(struct static_loaded *loaded, char **variables)
{
    struct text names;

    text_init(&names);
    for (char **at = variables; *at; at++) {
        struct slice name = slice_head(slice_cstr(*at), (size_t)slice_find(slice_cstr(*at), '='));

        if (!is_config_file(name)) {
            text_printf(&names, "%s%.*s", names.len ? ", " : "", SLICE_ARG(name));
        }
    }
    if (names.len && loaded->form == STATIC_FILE) {
        static_warn(loaded, "the file %.*s is the configuration, these variables are ignored: %.*s",
                    SLICE_ARG(loaded->file), SLICE_ARG(text_slice(&names)));
    } else if (names.len) {
        static_warn(loaded, "the flags are the configuration, these variables are ignored: %.*s",
                    SLICE_ARG(text_slice(&names)));
    }
    text_free(&names);
}

/* ---- the three forms ---- */

/* Of a named pipe too, for which nobody waits long. Bytes, 0 at the end, or a negative errno. */
static ssize_t read_some(int fd, char *buffer, size_t size)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    ssize_t got;
    int ready;

    do {
        ready = poll(&polled, 1, PIPE_WAIT_MS);
        got = ready > 0 ? read(fd, buffer, size) : 0;
    } while ((ready == -1 || got == -1) && errno == EINTR);
    if (ready == 0) {
        return -ETIMEDOUT;
    }
    return ready == -1 || got == -1 ? -errno : got;
}

static int read_file(struct pool *pool, struct slice path, struct slice *out, struct error *why)
{
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* of the pool: NUL-terminated */
    char *buffer = NULL;
    size_t len = 0;
    ssize_t got = 0;
    int rc = 0;

    if (fd == -1) {
        return error_set(why, -errno, "%.*s: %s", SLICE_ARG(path), strerror(errno));
    }
    buffer = pool_alloc(pool, FILE_MAX + 1);
    while (len <= FILE_MAX && (got = read_some(fd, buffer + len, FILE_MAX + 1 - len)) > 0) {
        len += (size_t)got;
    }
    if (got < 0) {
        rc = error_set(why, (int)got, "%.*s: cannot be read: %s", SLICE_ARG(path), strerror((int)-got));
    } else if (len > FILE_MAX) {
        rc = error_set(why, -EFBIG, "%.*s: larger than %u MiB", SLICE_ARG(path), FILE_MAX >> 20);
    } else {
        *out = slice_of(buffer, len);
    }
    close(fd);
    return rc;
}

static int tree_of_file(struct static_loaded *loaded, struct doc **out, struct error *why)
{
    struct pool *scratch = pool_new(4096, 0);
    struct slice text = loaded->text;
    int rc = text.ptr ? 0 : read_file(scratch, loaded->file, &text, why);

    if (rc == 0) {
        loaded->text = pool_copy(loaded->pool, text);
        loaded->file_hash = hash_slice(0, text);
        rc = doc_read_file_text(loaded->pool, loaded->file, loaded->text, out, why);
    }
    pool_free(scratch);
    return rc;
}

/* Puts `from` over `into`: what both have is taken from `from`. */
static void lay_over(struct pool *pool, struct doc *into, const struct doc *from)
{
    for (size_t i = 0; i < from->map.count; i++) {
        const struct doc_entry *entry = &from->map.entries[i];
        struct doc *there = NULL;
        struct slice key = entry->key;

        for (size_t j = 0; j < into->map.count; j++) {
            if (slice_eq_nocase(into->map.entries[j].key, entry->key)) {
                key = into->map.entries[j].key;
                there = into->map.entries[j].value;
            }
        }
        if (there && there->kind == DOC_MAP && entry->value->kind == DOC_MAP) {
            lay_over(pool, there, entry->value);
        } else {
            doc_map_set(pool, into, key, entry->value);
        }
    }
}

static void tree_of_variables(struct static_loaded *loaded, char **variables, struct doc **out)
{
    struct doc *traefik = NULL, *weir = NULL;
    struct schema_report report;

    schema_report_init(&report, loaded->pool);
    schema_from_env(&static_schema, loaded->pool, "TRAEFIK", variables, &traefik, &report);
    schema_from_env(&static_schema, loaded->pool, "WEIR", variables, &weir, &report);
    take_report(loaded, &report);
    if (traefik && weir) {
        lay_over(loaded->pool, traefik, weir);
    }
    *out = traefik ? traefik : weir;
}

/* The file alone, as in Traefik since 2; of Traefik 1 the flags hold too, and before it. */
static int tree_of_file_and_flags(struct static_loaded *loaded, int argc, char **argv, struct doc **out,
                                  struct error *why)
{
    struct doc *flags = NULL;
    int rc = tree_of_file(loaded, out, why);

    if (rc < 0 || !static_first_generation(argc, argv, *out)) {
        warn_unused_flags(loaded, argc, argv);
        return rc;
    }
    static_hint_flags(loaded, argc, argv);
    rc = schema_from_flags(&static_schema, loaded->pool, argc, argv, &flags, why);
    if (rc == 0 && flags && (*out)->kind == DOC_MAP) {
        lay_over(loaded->pool, *out, flags);
    } else if (rc == 0 && flags && (*out)->kind == DOC_NULL) {
        *out = flags;
    }
    return rc;
}

/* 0 with *out NULL when nothing is configured at all. earlier: NULL, or what counts instead of what is found. */
static int choose(struct static_loaded *loaded, int argc, char **argv, char **environment,
                  const struct static_loaded *earlier, struct doc **out, struct error *why)
{
    char **variables = own_variables(loaded->pool, environment);
    int rc = 0;

    if (earlier) {
        loaded->file = pool_copy(loaded->pool, earlier->file);
        loaded->text = earlier->text;
    } else {
        rc = config_file_find(loaded->pool, argc, argv, environment, &loaded->file, loaded, why);
    }

    *out = NULL;
    if (rc < 0) {
        return rc;
    }
    if (loaded->file.len) {
        loaded->form = STATIC_FILE;
        warn_unused_variables(loaded, variables);
        return tree_of_file_and_flags(loaded, argc, argv, out, why);
    }
    if (argc > 0) {
        loaded->form = STATIC_FLAGS;
        warn_unused_variables(loaded, variables);
        static_hint_flags(loaded, argc, argv);
        return schema_from_flags(&static_schema, loaded->pool, argc, argv, out, why);
    }
    tree_of_variables(loaded, variables, out);
    loaded->form = *out ? STATIC_ENVIRONMENT : STATIC_NONE;
    return 0;
}

/* Mistakes that many make and that the table alone would answer with a bare "unknown field". */
static void hint_misplaced(struct static_loaded *loaded, const struct doc *tree)
{
    static const char *const dynamic[] = {"http", "tcp", "udp", "tls"};

    for (size_t i = 0; i < ARRAY_LEN(dynamic); i++) {
        const struct doc *found = doc_get(tree, dynamic[i]);

        if (found && found->line) {
            static_error(loaded,
                         "%.*s:%u: %s: belongs into a file of its own, named by providers.file.filename",
                         SLICE_ARG(found->file), found->line, dynamic[i]);
        }
    }
}

void static_decode(struct static_loaded *loaded, const struct schema *schema, struct slice key,
                   const struct doc *tree, void *object)
{
    struct schema_report report;

    schema_report_init(&report, loaded->pool);
    schema_decode(schema, loaded->pool, tree, SCHEMA_ANY_CASE | SCHEMA_LENIENT_TYPES, object, &report);
    for (size_t i = 0; key.len && i < report.count; i++) {
        struct slice *field = &report.issues[i].key;

        *field =
            pool_printf(loaded->pool, "%.*s%s%.*s", SLICE_ARG(key), field->len ? "." : "", SLICE_ARG(*field));
    }
    take_report(loaded, &report);
}

int static_load(int argc, char **argv, char **environment, struct static_loaded *out, struct error *why)
{
    return static_load_as(argc, argv, environment, NULL, out, why);
}

int static_load_as(int argc, char **argv, char **environment, const struct static_loaded *earlier,
                   struct static_loaded *out, struct error *why)
{
    struct error reason = {0};
    struct doc *tree = NULL;
    int rc;

    memset(out, 0, sizeof(*out));
    out->pool = pool_new(16384, 0);
    schema_defaults(&static_schema, out->pool, &out->config);
    rc = choose(out, argc, argv, environment, earlier, &tree, &reason);
    out->choice_warnings = out->warnings.count;
    if (rc < 0) {
        static_error(out, "%s", reason.text);
    } else if (out->errors.count == 0) {
        hint_misplaced(out, tree);
        static_hint_entry_points(out, tree);
        static_decode(out, &static_schema, SLICE(""), tree, &out->config);
    }
    if (out->errors.count == 0) {
        static_derive(out);
        static_check(out);
    }
    if (out->errors.count == 0) {
        return 0;
    }
    struct slice first = ((struct slice *)out->errors.items)[0];

    if (out->errors.count == 1) {
        return error_set(why, rc < 0 ? rc : -EINVAL, "%.*s", SLICE_ARG(first));
    }
    return error_set(why, -EINVAL, "%.*s (and %zu more: `weir check` with the same flags prints all)",
                     SLICE_ARG(slice_head(first, 440)), out->errors.count - 1);
}

void static_unload(struct static_loaded *loaded)
{
    pool_free(loaded->pool);
    memset(loaded, 0, sizeof(*loaded));
}
