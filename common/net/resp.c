/*
 * resp.c - see resp.h.
 */
#include "common/net/resp.h"

#include <errno.h>
#include <inttypes.h>

/* The line that begins at bytes[1], without its end. Its length with first byte and end; 0: not complete; or -EBADMSG. */
static ssize_t read_line(struct slice bytes, struct slice *line)
{
    size_t most = bytes.len < RESP_ANSWER_MOST ? bytes.len : RESP_ANSWER_MOST;

    for (size_t at = 1; at < most; at++) {
        if (bytes.ptr[at] == '\n') {
            return -EBADMSG;
        }
        if (bytes.ptr[at] != '\r') {
            continue;
        }
        if (at + 1 == RESP_ANSWER_MOST) {
            return -EBADMSG;
        }
        if (at + 1 == bytes.len) {
            return 0;
        }
        *line = slice_of(bytes.ptr + 1, at - 1);
        return bytes.ptr[at + 1] == '\n' ? (ssize_t)at + 2 : -EBADMSG;
    }
    return bytes.len < RESP_ANSWER_MOST ? 0 : -EBADMSG;
}

/* As Redis writes them: no sign but -, no leading zeros are asked for, no more than 64 bits. */
static bool read_number(struct slice digits, int64_t *out)
{
    bool negative = digits.len > 0 && digits.ptr[0] == '-';
    uint64_t value = 0, most = (uint64_t)INT64_MAX + negative;

    if (negative) {
        digits = slice_from(digits, 1);
    }
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = (unsigned char)digits.ptr[i] - (unsigned)'0';

        if (digit > 9 || value > (most - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)-value : (int64_t)value;
    return digits.len > 0;
}

/* Behind the line that says how long it is. */
static ssize_t read_text(struct slice bytes, size_t head, struct resp_answer *out)
{
    if (out->number == -1) {
        out->kind = RESP_NULL;
        return (ssize_t)head;
    }
    if (out->number < 0 || out->number > (int64_t)(RESP_ANSWER_MOST - head - 2)) {
        return -EBADMSG;
    }

    size_t end = head + (size_t)out->number;

    if ((bytes.len > end && bytes.ptr[end] != '\r') || (bytes.len > end + 1 && bytes.ptr[end + 1] != '\n')) {
        return -EBADMSG;
    }
    if (bytes.len < end + 2) {
        return 0;
    }
    out->kind = RESP_TEXT;
    out->text = slice_of(bytes.ptr + head, end - head);
    return (ssize_t)end + 2;
}

ssize_t resp_read(struct slice bytes, struct resp_answer *out)
{
    struct slice line;
    ssize_t head;

    *out = (struct resp_answer){.text = SLICE("")};
    if (bytes.len == 0) {
        return 0;
    }
    if (memchr("+-:$", bytes.ptr[0], 4) == NULL) {
        return -EBADMSG;
    }
    head = read_line(bytes, &line);
    if (head <= 0) {
        return head;
    }
    switch (bytes.ptr[0]) {
    case '+':
    case '-':
        out->kind = bytes.ptr[0] == '+' ? RESP_LINE : RESP_ERROR;
        out->text = line;
        return head;
    case ':':
        out->kind = RESP_NUMBER;
        return read_number(line, &out->number) ? head : -EBADMSG;
    default:
        return read_number(line, &out->number) ? read_text(bytes, (size_t)head, out) : -EBADMSG;
    }
}

bool resp_is_error(const struct resp_answer *answer, struct slice code)
{
    return answer->kind == RESP_ERROR && slice_eq(slice_head(answer->text, code.len), code) &&
           (answer->text.len == code.len || answer->text.ptr[code.len] == ' ');
}

struct slice resp_error_words(const struct resp_answer *answer)
{
    ptrdiff_t at = slice_find_slice(answer->text, SLICE(", with args"));

    return at < 0 ? answer->text : slice_head(answer->text, (size_t)at);
}

/* ---- commands ---- */

/* By hand: there are eight of them in each question, and one question for a request. */
static void add_count(struct text *out, char kind, size_t count)
{
    char line[24];
    size_t at = sizeof(line);

    line[--at] = '\n';
    line[--at] = '\r';
    do {
        line[--at] = (char)('0' + count % 10);
        count /= 10;
    } while (count);
    line[--at] = kind;
    text_add(out, slice_of(line + at, sizeof(line) - at));
}

void resp_add_head(struct text *out, size_t words)
{
    add_count(out, '*', words);
}

void resp_add_word(struct text *out, struct slice word)
{
    add_count(out, '$', word.len);
    text_add(out, word);
    text_add(out, SLICE("\r\n"));
}

void resp_add_number(struct text *out, int64_t number)
{
    struct text digits;

    text_init(&digits);
    text_printf(&digits, "%" PRId64, number);
    resp_add_word(out, text_slice(&digits));
    text_free(&digits);
}
