/*
 * media_type.c - see media_type.h.
 */
#include "common/http/media_type.h"

#include "common/http/headers.h"

static bool wrong(const char **why, const char *text)
{
    if (why) {
        *why = text;
    }
    return false;
}

static const char *type_wrong(struct slice type)
{
    ptrdiff_t slash = slice_find(type, '/');

    if (type.len == 0) {
        return "mime: no media type";
    }
    if (slash < 0) {
        return header_name_valid(type) ? NULL : "mime: expected slash after first token";
    }
    if (!header_name_valid(slice_head(type, (size_t)slash))) {
        return "mime: expected slash after first token";
    }

    struct slice sub = slice_from(type, (size_t)slash + 1);

    if (sub.len == 0) {
        return "mime: expected token after slash";
    }
    return header_name_valid(sub) ? NULL : "mime: unexpected content after media subtype";
}

/* The bytes of a quoted string at the beginning, both quotes included; 0: it does not end. */
static size_t quoted(struct slice text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            return i + 1;
        }
        if (text.ptr[i] == '\\') {
            i++;
        }
    }
    return 0;
}

/* One parameter behind its semicolon; *rest is what follows it. */
static bool parameter(struct slice text, struct slice *rest)
{
    ptrdiff_t equals = slice_find(text, '=');

    if (equals < 0 || !header_name_valid(slice_trim(slice_head(text, (size_t)equals)))) {
        return false;
    }
    text = slice_trim(slice_from(text, (size_t)equals + 1));
    if (text.len && text.ptr[0] == '"') {
        size_t len = quoted(text);

        *rest = slice_trim(slice_from(text, len));
        return len > 0;
    }

    ptrdiff_t end = slice_find(text, ';');
    size_t len = end < 0 ? text.len : (size_t)end;

    *rest = slice_from(text, len);
    return header_name_valid(slice_trim(slice_head(text, len)));
}

bool media_type_parse(struct slice value, struct slice *type, const char **why)
{
    ptrdiff_t semicolon = slice_find(value, ';');
    struct slice rest = semicolon < 0 ? slice_of(NULL, 0) : slice_from(value, (size_t)semicolon);
    const char *text;

    *type = slice_trim(semicolon < 0 ? value : slice_head(value, (size_t)semicolon));
    if ((text = type_wrong(*type)) != NULL) {
        return wrong(why, text);
    }
    while (rest.len) {
        if (rest.ptr[0] != ';') {
            return wrong(why, "mime: invalid media parameter");
        }
        rest = slice_trim(slice_from(rest, 1));
        if (rest.len && !parameter(rest, &rest)) {
            return wrong(why, "mime: invalid media parameter");
        }
    }
    return true;
}
