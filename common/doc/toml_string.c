/*
 * toml_string.c - the four forms of strings in TOML.
 */
#include "common/base/text.h"
#include "common/doc/toml_internal.h"

bool toml_newline(struct toml *toml)
{
    size_t len = slice_has_prefix(toml_rest(toml), SLICE("\r\n")) ? 2 : toml_peek(toml) == '\n' ? 1 : 0;

    if (len == 0) {
        return false;
    }
    toml->at += len;
    toml->line++;
    toml->line_start = toml->at;
    return true;
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static int read_unicode(struct toml *toml, int digits, struct text *out)
{
    uint32_t codepoint = 0;
    char bytes[4];

    for (int i = 0; i < digits; i++) {
        char c = toml_peek(toml);
        unsigned char lower = ascii_lower((unsigned char)c);

        if (c >= '0' && c <= '9') {
            codepoint = codepoint * 16 + (uint32_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            codepoint = codepoint * 16 + (uint32_t)(lower - 'a') + 10;
        } else {
            return toml_fail(toml, "%d hexadecimal digits expected", digits);
        }
        toml->at++;
    }
    size_t len = codepoint == 0 ? 0 : doc_put_utf8(codepoint, bytes);

    if (len == 0) {
        return toml_fail(toml, codepoint == 0 ? "a NUL character is not allowed" : "U+%04X is no character",
                         (unsigned)codepoint);
    }
    text_add(out, slice_of(bytes, len));
    return 0;
}

/* A backslash at the end of a line swallows all blanks and line ends up to the next text. */
static bool swallow_line_end(struct toml *toml)
{
    const struct toml before = *toml;

    while (toml_peek(toml) == ' ' || toml_peek(toml) == '\t') {
        toml->at++;
    }
    if (!toml_newline(toml)) {
        *toml = before;
        return false;
    }
    while (toml_peek(toml) == ' ' || toml_peek(toml) == '\t' || toml_newline(toml)) {
        if (toml_peek(toml) == ' ' || toml_peek(toml) == '\t') {
            toml->at++;
        }
    }
    return true;
}

static int read_escape(struct toml *toml, bool multi_line, struct text *out)
{
    static const char letters[] = "btnfre\"\\", meanings[] = "\b\t\n\f\r\x1b\"\\";
    char c;

    toml->at++;
    if (multi_line && swallow_line_end(toml)) {
        return 0;
    }
    c = toml_peek(toml);
    const char *found = c != '\0' ? strchr(letters, c) : NULL;

    if (found) {
        text_add_char(out, meanings[found - letters]);
        toml->at++;
        return 0;
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        toml->at++;
        return read_unicode(toml, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
    }
    return toml_fail(toml, "unknown escape in a string (a backslash is written \\\\)");
}

/* How many quotes stand here. */
static size_t count_quotes(const struct toml *toml, char quote)
{
    size_t count = 0;

    while (toml->at + count < toml->end && toml->at[count] == quote) {
        count++;
    }
    return count;
}

/* Plain characters up to the next one that means something; at least one. */
static int read_run(struct toml *toml, char quote, struct text *out)
{
    const char *start = toml->at;

    while (toml->at < toml->end && *toml->at != quote && !(quote == '"' && *toml->at == '\\') &&
           !is_control(*toml->at)) {
        toml->at++;
    }
    if (toml->at == start) {
        return toml_fail(toml, "control character 0x%02x in a string", (unsigned)(unsigned char)*toml->at);
    }
    text_add(out, slice_of(start, (size_t)(toml->at - start)));
    return 0;
}

static int read_short(struct toml *toml, char quote, struct text *out)
{
    toml->at++;
    while (toml_peek(toml) != quote) {
        int rc;

        if (toml->at == toml->end || *toml->at == '\n' || *toml->at == '\r') {
            return toml_fail(toml, "the string does not end on its line");
        }
        rc = *toml->at == '\\' && quote == '"' ? read_escape(toml, false, out) : read_run(toml, quote, out);
        if (rc < 0) {
            return rc;
        }
    }
    toml->at++;
    return 0;
}

static int read_long(struct toml *toml, char quote, struct text *out)
{
    const size_t began = toml->line;

    toml->at += 3;
    toml_newline(toml); /* one directly behind the quotes is not part of the text */
    for (;;) {
        size_t quotes = count_quotes(toml, quote);
        const char *line = toml->at;
        int rc = 0;

        if (quotes >= 3) { /* up to two more may stand in front of the closing ones */
            if (quotes > 5) {
                return toml_fail(toml, "too many quotes");
            }
            text_add(out, slice_of(toml->at, quotes - 3));
            toml->at += quotes;
            return 0;
        }
        if (toml->at == toml->end) {
            return toml_fail(toml, "the string that began in line %zu does not end", began);
        }
        if (quotes > 0) {
            text_add(out, slice_of(toml->at, quotes));
            toml->at += quotes;
        } else if (toml_newline(toml)) {
            text_add(out, slice_of(line, (size_t)(toml->at - line)));
        } else {
            rc =
                *toml->at == '\\' && quote == '"' ? read_escape(toml, true, out) : read_run(toml, quote, out);
        }
        if (rc < 0) {
            return rc;
        }
    }
}

int toml_string(struct toml *toml, bool multi_line, struct slice *out)
{
    char quote = *toml->at;
    bool is_long = multi_line && count_quotes(toml, quote) >= 3;
    struct text text;

    text_init(&text);
    int rc = is_long ? read_long(toml, quote, &text) : read_short(toml, quote, &text);

    if (rc == 0) {
        *out = pool_copy(toml->pool, text_slice(&text));
    }
    text_free(&text);
    return rc;
}
