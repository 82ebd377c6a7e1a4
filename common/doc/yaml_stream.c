/*
 * yaml_stream.c - many YAML documents in one text, each read by itself: what is wrong with one leaves the others.
 *
 * The text is cut at the lines that begin with "---", which nothing inside a document may.
 */
#include "common/doc/doc_internal.h"
#include "common/doc/yaml_inner.h"

static bool is_line_start(struct slice text, size_t at)
{
    return at == 0 || text.ptr[at - 1] == '\n' || text.ptr[at - 1] == '\r';
}

static bool is_marker(struct slice text, size_t at, const char *marker)
{
    struct slice rest = slice_from(text, at);

    return is_line_start(text, at) && slice_has_prefix(rest, slice_cstr(marker)) &&
           (rest.len == 3 || rest.ptr[3] == ' ' || rest.ptr[3] == '\t' || rest.ptr[3] == '\n' ||
            rest.ptr[3] == '\r');
}

/* Directives (%YAML, %TAG) belong to the document behind them: moves the cut in front of them. */
static size_t before_directives(struct slice text, size_t floor, size_t cut)
{
    size_t at = cut, best = cut;

    while (at > floor) {
        size_t line = at - 1;

        while (line > floor && !is_line_start(text, line)) {
            line--;
        }
        char first = text.ptr[line];

        if (first == '%') {
            best = line;
        } else if (first != '#' && first != '\n' && first != '\r') {
            return is_marker(text, line, "...") ? best : cut;
        }
        at = line;
    }
    return best;
}

/* Where the document that begins at `from` ends. */
static size_t chunk_end(struct slice text, size_t from)
{
    size_t at = from + 1;

    /* skip what opens this chunk: directives up to their own marker */
    if (from < text.len && text.ptr[from] == '%') {
        while (at < text.len && !is_marker(text, at, "---")) {
            at++;
        }
        at++;
    }
    while (at < text.len) {
        const char *dash = memchr(text.ptr + at, '-', text.len - at);

        if (dash == NULL) {
            return text.len;
        }
        at = (size_t)(dash - text.ptr);
        if (is_marker(text, at, "---")) {
            return before_directives(text, from, at);
        }
        at++;
    }
    return text.len;
}

static size_t count_lines(struct slice text)
{
    size_t lines = 0;

    for (size_t i = 0; i < text.len; i++) {
        lines +=
            text.ptr[i] == '\n' || (text.ptr[i] == '\r' && (i + 1 == text.len || text.ptr[i + 1] != '\n'));
    }
    return lines;
}

struct stream {
    doc_found *on_document;
    void *context;
};

static void pass_on(void *context, struct doc *document)
{
    const struct stream *stream = context;

    if (document->kind != DOC_NULL) {
        stream->on_document(stream->context, document);
    }
}

int doc_read_yaml_stream(struct pool *pool, struct slice name, struct slice text, doc_found *on_document,
                         doc_bad *on_error, void *context)
{
    struct stream stream = {.on_document = on_document, .context = context};
    struct slice file = pool_copy(pool, name);
    struct error why;
    size_t line = 0;
    int bad = 0;

    text = yaml_without_bom(text);
    if (doc_check_size(&why, name, text) < 0) {
        on_error(context, &why);
        return 1;
    }
    for (size_t at = 0; at < text.len;) {
        size_t end = chunk_end(text, at);
        struct slice chunk = slice_of(text.ptr + at, end - at);

        if (yaml_read_text(pool, file, line, chunk, pass_on, &stream, &why) < 0) {
            on_error(context, &why);
            bad++;
        }
        line += count_lines(chunk);
        at = end;
    }
    return bad;
}
