/*
 * request_template.c - see request_template.h. The program: steps of a letter, two bytes of length and a text. 't': the text
 * itself; 'f': a field, whose number is the first byte of the text, a header's name the rest.
 */
#include "common/rule/request_template.h"

#include <errno.h>
#include <string.h>

#define STEP_MOST 0xffff

/* ---- compile ---- */

struct compiler {
    struct slice rest;
    char *out;
    size_t len;
    struct error *why;
};

static bool wrong(struct compiler *c, const char *what, struct slice at)
{
    error_set(c->why, -EINVAL, "%s at \"%.*s\"", what, SLICE_ARG(slice_head(at, 100)));
    return false;
}

static void put(struct compiler *c, char step, const char *head, struct slice text)
{
    size_t len = (head ? 1 : 0) + text.len;

    c->out[c->len++] = step;
    c->out[c->len++] = (char)(len >> 8);
    c->out[c->len++] = (char)len;
    if (head) {
        c->out[c->len++] = *head;
    }
    if (text.len) {
        memcpy(c->out + c->len, text.ptr, text.len);
        c->len += text.len;
    }
}

static bool put_field(struct compiler *c, enum template_field field, struct slice name)
{
    char head = (char)field;

    put(c, 'f', &head, name);
    return true;
}

/* "text" or `text`, without escapes; *inside is what stands in it. */
static bool quoted(struct slice text, struct slice *inside)
{
    if (text.len < 2 || (text.ptr[0] != '"' && text.ptr[0] != '`') || text.ptr[text.len - 1] != text.ptr[0]) {
        return false;
    }
    *inside = slice_of(text.ptr + 1, text.len - 2);
    return slice_find(*inside, text.ptr[0]) < 0 && slice_find(*inside, '\\') < 0;
}

static bool action(struct compiler *c, struct slice text)
{
    static const struct {
        struct slice text;
        enum template_field field;
        struct slice header;
    } fields[] = {
        {SLICE_INIT(".Host"), TEMPLATE_HOST, SLICE_INIT("")},
        {SLICE_INIT(".Method"), TEMPLATE_METHOD, SLICE_INIT("")},
        {SLICE_INIT(".Proto"), TEMPLATE_PROTO, SLICE_INIT("")},
        {SLICE_INIT(".RequestURI"), TEMPLATE_URI, SLICE_INIT("")},
        {SLICE_INIT(".URL"), TEMPLATE_URI, SLICE_INIT("")},
        {SLICE_INIT(".URL.String"), TEMPLATE_URI, SLICE_INIT("")},
        {SLICE_INIT(".URL.Path"), TEMPLATE_PATH, SLICE_INIT("")},
        {SLICE_INIT(".URL.RawPath"), TEMPLATE_RAW_PATH, SLICE_INIT("")},
        {SLICE_INIT(".URL.EscapedPath"), TEMPLATE_RAW_PATH, SLICE_INIT("")},
        {SLICE_INIT(".URL.RawQuery"), TEMPLATE_QUERY, SLICE_INIT("")},
        {SLICE_INIT(".RemoteAddr"), TEMPLATE_REMOTE, SLICE_INIT("")},
        {SLICE_INIT(".UserAgent"), TEMPLATE_HEADER, SLICE_INIT("User-Agent")},
        {SLICE_INIT(".Referer"), TEMPLATE_HEADER, SLICE_INIT("Referer")},
    };
    struct slice inside;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (slice_eq(text, fields[i].text)) {
            return put_field(c, fields[i].field, fields[i].header);
        }
    }
    if (slice_has_prefix(text, SLICE(".Header.Get ")) && quoted(slice_trim(slice_from(text, 12)), &inside)) {
        return put_field(c, TEMPLATE_HEADER, inside);
    }
    if (quoted(text, &inside)) {
        put(c, 't', NULL, inside);
        return true;
    }
    if (text.len >= 4 && slice_has_prefix(text, SLICE("/*")) && slice_has_suffix(text, SLICE("*/"))) {
        return true;
    }
    return wrong(c,
                 "the template is not served: .Host, .Method, .Proto, .RequestURI, .RemoteAddr, .UserAgent, "
                 ".Referer, .URL, .URL.Path, .URL.RawQuery and .Header.Get \"Name\" are,",
                 text);
}

/* What stands between the marks; a minus inside of one cuts blanks off the text on its side. */
static struct slice trimmed(struct slice text, bool *before, bool *after)
{
    *before = text.len > 1 && text.ptr[0] == '-' && slice_trim(slice_head(slice_from(text, 1), 1)).len == 0;
    text = slice_from(text, *before ? 1 : 0);
    *after = text.len > 1 && text.ptr[text.len - 1] == '-' &&
             slice_trim(slice_of(text.ptr + text.len - 2, 1)).len == 0;
    return slice_trim(slice_head(text, text.len - (*after ? 1 : 0)));
}

static struct slice cut(struct slice text, bool front, bool back)
{
    struct slice inner = slice_trim(text);

    if (inner.len == 0 && (front || back)) {
        return SLICE("");
    }
    if (front && inner.len) {
        text = slice_from(text, (size_t)(inner.ptr - text.ptr));
    }
    if (back && inner.len) {
        text = slice_head(text, (size_t)(inner.ptr + inner.len - text.ptr));
    }
    return text;
}

bool request_template_compile(struct pool *pool, struct slice text, struct slice open, struct slice close,
                              struct slice *program, struct error *why)
{
    struct compiler c = {.rest = text, .why = why};
    bool cut_front = false, before = false, after = false;

    if (text.len > STEP_MOST - 1) {
        return wrong(&c, "the text is too long", text);
    }
    c.out = pool_alloc(pool, 4 * text.len + 64); /* a step is 4 bytes and no longer than twice its text */
    for (;;) {
        ptrdiff_t at = slice_find_slice(c.rest, open);
        struct slice inner = at < 0 ? SLICE("") : slice_from(c.rest, (size_t)at + open.len);
        ptrdiff_t end = at < 0 ? 0 : slice_find_slice(inner, close);

        if (end < 0) {
            return wrong(&c, "the end of the template is missing", inner);
        }

        struct slice code = at < 0 ? SLICE("") : trimmed(slice_head(inner, (size_t)end), &before, &after);
        struct slice plain =
            cut(at < 0 ? c.rest : slice_head(c.rest, (size_t)at), cut_front, at >= 0 && before);

        if (plain.len) {
            put(&c, 't', NULL, plain);
        }
        if (at < 0) {
            break;
        }
        if (!action(&c, code)) {
            return false;
        }
        cut_front = after;
        c.rest = slice_from(inner, (size_t)end + close.len);
    }
    *program = slice_of(c.out, c.len);
    return true;
}

/* ---- run ---- */

struct slice request_template_run(struct pool *pool, struct slice program,
                                  struct slice (*field)(void *context, enum template_field field,
                                                        struct slice name),
                                  void *context)
{
    struct slice made = SLICE("");

    while (program.len > 2) {
        const unsigned char *step = (const unsigned char *)program.ptr;
        struct slice text = slice_head(slice_from(program, 3), (size_t)step[1] << 8 | step[2]);

        program = slice_from(program, 3 + text.len);
        if (step[0] == 'f' && text.len) {
            text = field(context, (enum template_field)text.ptr[0], slice_from(text, 1));
        }
        made = made.len ? pool_printf(pool, "%.*s%.*s", SLICE_ARG(made), SLICE_ARG(text)) : text;
    }
    return made;
}
