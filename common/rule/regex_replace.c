/*
 * regex_replace.c - replaces every match, as Go's Regexp.ReplaceAllString.
 *
 * In the replacement $1, ${1}, $name, ${name} stand for groups and $$ for a dollar; a name is the longest
 * run of letters, digits and underscores ($1W is the group named "1W"); unknown groups are empty; a lone $
 * is itself.
 */
#include "common/rule/regex_inner.h"
#include "common/rule/regex_tree.h"

#include <pthread.h>

struct reference { /* $name at the head of a replacement */
    struct slice name;
    int number; /* -1: by name */
    size_t len; /* bytes behind the dollar */
};

static struct regex *letters; /* \p{L} or \p{Nd}, for names outside ASCII */
static pthread_once_t letters_once = PTHREAD_ONCE_INIT;

static void letters_make(void)
{
    if (regex_compile(SLICE("^[\\p{L}\\p{Nd}_]"), false, &letters, NULL) < 0) {
        letters = NULL;
    }
}

static bool is_name_rune(struct slice at, size_t *width)
{
    uint32_t rune;

    *width = regex_decode(at, &rune);
    if (*width == 0) {
        return false;
    }
    if (rune < 0x80) {
        unsigned char c = ascii_lower((unsigned char)rune);

        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    pthread_once(&letters_once, letters_make);
    return letters && regex_match(letters, slice_head(at, *width));
}

static int group_number(struct slice name)
{
    int number = 0;

    if (name.ptr[0] == '0' && name.len > 1) {
        return -1;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9' || number >= 100000000) {
            return -1;
        }
        number = number * 10 + (name.ptr[i] - '0');
    }
    return number;
}

/* text: behind the dollar. False when it is no reference. */
static bool read_reference(struct slice text, struct reference *out)
{
    bool brace = text.len && text.ptr[0] == '{';
    struct slice rest = slice_from(text, brace ? 1 : 0);
    size_t len = 0, width;

    while (is_name_rune(slice_from(rest, len), &width)) {
        len += width;
    }
    if (len == 0 || (brace && (len >= rest.len || rest.ptr[len] != '}'))) {
        return false;
    }
    out->name = slice_head(rest, len);
    out->number = group_number(out->name);
    out->len = len + (brace ? 2 : 0);
    return true;
}

static void add_reference(struct text *out, const struct regex *regex, const struct reference *reference,
                          const struct regex_subject *subject, const size_t *spans, size_t set)
{
    if (reference->number >= 0) {
        if ((size_t)reference->number < set) {
            text_add(out, regex_span(subject, spans, (size_t)reference->number));
        }
        return;
    }
    for (size_t i = 1; i <= regex_captures(regex) && i < set; i++) {
        if (slice_eq(regex_capture_name(regex, i), reference->name) && spans[2 * i] != SIZE_MAX) {
            text_add(out, regex_span(subject, spans, i));
            return;
        }
    }
}

static void expand(struct text *out, const struct regex *regex, struct slice replacement,
                   const struct regex_subject *subject, const size_t *spans, size_t set)
{
    for (;;) {
        ptrdiff_t dollar = slice_find(replacement, '$');
        struct reference reference;

        if (dollar < 0) {
            text_add(out, replacement);
            return;
        }
        text_add(out, slice_head(replacement, (size_t)dollar));
        replacement = slice_from(replacement, (size_t)dollar + 1);
        if (replacement.len && replacement.ptr[0] == '$') {
            text_add_char(out, '$');
            replacement = slice_from(replacement, 1);
        } else if (read_reference(replacement, &reference)) {
            add_reference(out, regex, &reference, subject, spans, set);
            replacement = slice_from(replacement, reference.len);
        } else {
            text_add_char(out, '$');
        }
    }
}

/* The part of the given text that lies between two positions of the checked one. */
static struct slice between(const struct regex_subject *subject, size_t from, size_t to)
{
    size_t pair[2] = {from, to};

    return regex_span(subject, pair, 0);
}

static enum regex_replaced replace(const struct regex *regex, const struct regex_subject *subject,
                                   struct slice replacement, struct text *out)
{
    size_t last = 0, at = 0, end = subject->text.len, *spans;
    struct regex_effort effort = {0};
    enum regex_replaced result = REGEX_UNTOUCHED;

    while (at <= end) {
        int set = at == 0 || regex_effort_left(&effort) ? regex_run(regex, subject, at, &effort, &spans)
                                                        : REGEX_RUN_LIMIT;

        if (set < 0) {
            return REGEX_GAVE_UP;
        }
        if (set == 0) {
            break;
        }

        size_t start = spans[0], stop = spans[1];
        uint32_t rune;
        size_t width = regex_decode(slice_from(subject->text, at), &rune);

        text_add(out, between(subject, last, start));
        if (stop > last || start == 0) { /* not for an empty match right behind a match */
            expand(out, regex, replacement, subject, spans, (size_t)set);
        }
        if (out->len > REGEX_MAX_REPLACED) {
            return REGEX_TOO_LONG;
        }
        result = REGEX_REPLACED;
        last = stop;
        if (at + width > stop) {
            at += width;
        } else {
            at = at + 1 > stop ? at + 1 : stop;
        }
    }
    text_add(out, between(subject, last, end));
    return result;
}

enum regex_replaced regex_replace_all(const struct regex *regex, struct slice text, struct slice replacement,
                                      struct pool *pool, struct slice *out)
{
    struct regex_subject subject;
    struct text made;
    enum regex_replaced result;

    if (regex == NULL || !regex_subject_open(&subject, text)) {
        return REGEX_GAVE_UP;
    }
    text_init(&made);
    result = replace(regex, &subject, replacement, &made);
    if (result == REGEX_REPLACED &&
        (made.len > REGEX_MAX_REPLACED || !pool_join(pool, text_slice(&made), slice_of("", 0), out))) {
        result = REGEX_TOO_LONG;
    }
    text_free(&made);
    regex_subject_close(&subject);
    return result;
}
