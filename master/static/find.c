/*
 * find.c - where the file with the static configuration is: --configFile, TRAEFIK_CONFIGFILE, WEIR_CONFIGFILE, or the
 * first of the usual places.
 *
 * A file that is named but not there is passed over with a warning, because Traefik does so; any other trouble with it
 * is an error.
 */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/static/static_internal.h"

static const char *const places[] = {
    "/etc/weir/weir.toml",
    "/etc/weir/weir.yaml",
    "/etc/weir/weir.yml",
    "./weir.toml",
    "./weir.yaml",
    "./weir.yml",
    "/etc/traefik/traefik.toml",
    "/etc/traefik/traefik.yaml",
    "/etc/traefik/traefik.yml",
    "$XDG_CONFIG_HOME/traefik.toml",
    "$XDG_CONFIG_HOME/traefik.yaml",
    "$XDG_CONFIG_HOME/traefik.yml",
    "$HOME/.config/traefik.toml",
    "$HOME/.config/traefik.yaml",
    "$HOME/.config/traefik.yml",
    "./traefik.toml",
    "./traefik.yaml",
    "./traefik.yml",
};

struct slice environment_get(char **environment, const char *name)
{
    size_t len = strlen(name);

    for (char **at = environment; at && *at; at++) {
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=') {
            return slice_cstr(*at + len + 1);
        }
    }
    return (struct slice){NULL, 0};
}

static bool name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* $NAME and ${NAME} replaced; a variable that is not set counts as empty, as in Traefik. */
static struct slice expand(struct pool *pool, char **environment, struct slice text)
{
    struct slice out = SLICE("");

    for (size_t i = 0; i < text.len;) {
        size_t start = i, end;
        bool braces;

        if (text.ptr[i] != '$') {
            while (i < text.len && text.ptr[i] != '$') {
                i++;
            }
            out = pool_printf(pool, "%.*s%.*s", SLICE_ARG(out), (int)(i - start), text.ptr + start);
            continue;
        }
        braces = i + 1 < text.len && text.ptr[i + 1] == '{';
        start = i + 1 + braces;
        for (end = start; end < text.len && name_char(text.ptr[end]); end++) {
        }
        struct slice name = pool_copy(pool, slice_of(text.ptr + start, end - start));
        struct slice value = environment_get(environment, name.ptr);

        out = pool_printf(pool, "%.*s%.*s", SLICE_ARG(out), SLICE_ARG(value));
        i = braces && end < text.len && text.ptr[end] == '}' ? end + 1 : end;
    }
    return out;
}

static struct slice absolute(struct pool *pool, struct slice path)
{
    char *here;

    if (slice_has_prefix(path, SLICE("./"))) {
        path = slice_from(path, 2);
    }
    if (path.len && path.ptr[0] == '/') {
        return pool_copy(pool, path);
    }
    here = get_current_dir_name();
    if (here == NULL) {
        return pool_copy(pool, path);
    }
    struct slice joined =
        pool_printf(pool, "%s%s%.*s", here, strcmp(here, "/") == 0 ? "" : "/", SLICE_ARG(path));

    free(here);
    return joined;
}

/* The value of --configFile, in any of the ways to write a flag; an empty slice with ptr NULL when it is not there. */
static struct slice flag_value(int argc, char **argv)
{
    struct slice found = {NULL, 0};

    for (int i = 0; i < argc; i++) {
        struct slice arg = slice_cstr(argv[i]);
        size_t dashes = arg.len > 1 && arg.ptr[0] == '-' ? (arg.ptr[1] == '-' ? 2 : 1) : 0;
        struct slice body = slice_from(arg, dashes);
        ptrdiff_t equals = slice_find(body, '=');
        struct slice name = equals < 0 ? body : slice_head(body, (size_t)equals);

        if (dashes == 0 || !slice_eq_nocase(name, SLICE("configFile"))) {
            continue;
        }
        if (equals >= 0) {
            found = slice_from(body, (size_t)equals + 1);
        } else if (i + 1 < argc) {
            found = slice_cstr(argv[++i]);
        }
    }
    return found;
}

/* 1: there, 0: not there, negative: there is something, but it cannot be looked at. */
static int there(struct slice path, struct error *why)
{
    char text[4096];
    struct stat st;

    if (!slice_to_cstr(path, text, sizeof(text))) {
        return error_set(why, -ENAMETOOLONG,
                         "the path of the configuration file is too long or holds a NUL byte");
    }
    if (stat(text, &st) == 0) {
        return 1;
    }
    if (errno == ENOENT) {
        return 0;
    }
    return error_set(why, -errno, "%s: %s", text, strerror(errno));
}

int config_file_find(struct pool *pool, int argc, char **argv, char **environment, struct slice *path,
                     struct static_loaded *loaded, struct error *why)
{
    struct {
        const char *source;
        struct slice value;
    } named[] = {
        {"--configFile", flag_value(argc, argv)},
        {"WEIR_CONFIGFILE", environment_get(environment, "WEIR_CONFIGFILE")},
        {"TRAEFIK_CONFIGFILE", environment_get(environment, "TRAEFIK_CONFIGFILE")},
    };

    *path = (struct slice){NULL, 0};
    for (size_t i = 0; i < ARRAY_LEN(named) + ARRAY_LEN(places); i++) {
        bool by_name = i < ARRAY_LEN(named);
        struct slice text = by_name ? slice_trim(named[i].value) : slice_cstr(places[i - ARRAY_LEN(named)]);

        if (text.len == 0) {
            continue;
        }
        struct slice candidate = absolute(pool, expand(pool, environment, text));
        int rc = there(candidate, why);

        if (rc < 0) {
            /* a folder of the usual places that we may not enter is no reason not to start: ENOTDIR, EACCES */
            if (by_name) {
                error_prefix(why, "%s", named[i].source);
                return rc;
            }
            static_warn(loaded, "%s: not looked at", why->text);
        } else if (rc > 0 && path->len == 0) {
            *path = candidate;
        } else if (rc > 0 && !slice_eq(*path, candidate)) {
            static_warn(loaded, "%.*s is there too and is not read: %.*s comes first", SLICE_ARG(candidate),
                        SLICE_ARG(*path));
        } else if (by_name) {
            static_warn(loaded, "%s: there is no file %.*s", named[i].source, SLICE_ARG(candidate));
        }
    }
    return 0;
}
