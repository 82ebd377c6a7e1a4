/*
 * file_template.c - {{ env "NAME" }}, also with `NAME` in back quotes and with the blanks around it trimmed ({{- and -}}).
 *
 * The rest of Go's template language (loops, conditions, pipes, other functions) is refused by name, never passed through.
 */
#include "master/provider/file_template.h"

#include <errno.h>
#include <stdlib.h>

#define NAME_MAX_LENGTH 255

struct action {
    struct slice whole; /* from {{ through }} */
    char name[NAME_MAX_LENGTH + 1];
    bool trim_left, trim_right;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice skip_blanks(struct slice s)
{
    while (s.len && blank(s.ptr[0])) {
        s = slice_of(s.ptr + 1, s.len - 1);
    }
    return s;
}

/* The text between quotes of either kind at the start of *rest, which moves behind it. */
static bool take_string(struct slice *rest, char *out, size_t size)
{
    char quote = rest->len ? rest->ptr[0] : '\0';
    size_t len = 0, i = 1;

    if (quote != '"' && quote != '`') {
        return false;
    }
    for (; i < rest->len && rest->ptr[i] != quote; i++) {
        char c = rest->ptr[i];

        if (quote == '"' && c == '\\') {
            i++;
            c = i < rest->len ? rest->ptr[i] : '\0';
            if (c != '"' && c != '\\') {
                return false;
            }
        }
        if (c == '\0' || (c == '\n' && quote == '"') || len + 1 >= size) {
            return false;
        }
        out[len++] = c;
    }
    if (i >= rest->len) {
        return false;
    }
    out[len] = '\0';
    *rest = slice_of(rest->ptr + i + 1, rest->len - i - 1);
    return true;
}

/* Reads the action that *rest begins with. */
static bool take_action(struct slice text, struct action *out)
{
    struct slice rest = slice_of(text.ptr + 2, text.len - 2), before;

    *out = (struct action){.whole = text};
    if (rest.len > 1 && rest.ptr[0] == '-' && blank(rest.ptr[1])) {
        out->trim_left = true;
        rest = slice_of(rest.ptr + 1, rest.len - 1);
    }
    rest = skip_blanks(rest);
    if (!slice_has_prefix(rest, SLICE("env"))) {
        return false;
    }
    before = rest = slice_of(rest.ptr + 3, rest.len - 3);
    rest = skip_blanks(rest);
    if (rest.len == before.len && rest.len && rest.ptr[0] != '"' && rest.ptr[0] != '`') {
        return false;
    }
    if (!take_string(&rest, out->name, sizeof(out->name))) {
        return false;
    }
    before = rest;
    rest = skip_blanks(rest);
    if (rest.len < before.len && rest.len && rest.ptr[0] == '-') {
        out->trim_right = true;
        rest = slice_of(rest.ptr + 1, rest.len - 1);
    }
    if (!slice_has_prefix(rest, SLICE("}}"))) {
        return false;
    }
    out->whole.len = text.len - rest.len + 2;
    return true;
}

/* What to show of an action that is refused: its first line, at most 60 bytes. */
static struct slice shown(struct slice text)
{
    size_t len = 0;

    while (len < text.len && len < 60 && text.ptr[len] != '\n') {
        if (len >= 4 && text.ptr[len - 1] == '}' && text.ptr[len - 2] == '}') {
            break;
        }
        len++;
    }
    return slice_of(text.ptr, len);
}

int file_template_expand(struct slice text, template_unset *unset, void *context, struct text *out,
                         uint32_t *line, struct error *why)
{
    *line = 1;
    for (;;) {
        ptrdiff_t at = slice_find_slice(text, SLICE("{{"));
        struct action action;

        if (at < 0) {
            text_add(out, text);
            return 0;
        }
        text_add(out, slice_of(text.ptr, (size_t)at));
        for (ptrdiff_t i = 0; i < at; i++) {
            *line += text.ptr[i] == '\n';
        }
        text = slice_of(text.ptr + at, text.len - (size_t)at);
        if (!take_action(text, &action)) {
            struct slice what = shown(text);

            return error_set(why, -EINVAL,
                             "template action %.*s is not supported: only {{ env \"NAME\" }} is",
                             SLICE_ARG(what));
        }
        if (action.trim_left) {
            while (out->len && blank(out->ptr[out->len - 1])) {
                out->ptr[--out->len] = '\0';
            }
        }
        const char *value = getenv(action.name);

        if (value) {
            text_add_cstr(out, value);
        } else {
            unset(context, *line, slice_cstr(action.name));
        }
        for (size_t i = 0; i < action.whole.len; i++) {
            *line += text.ptr[i] == '\n';
        }
        text = slice_of(text.ptr + action.whole.len, text.len - action.whole.len);
        while (action.trim_right && text.len && blank(text.ptr[0])) {
            *line += text.ptr[0] == '\n';
            text = slice_of(text.ptr + 1, text.len - 1);
        }
    }
}
