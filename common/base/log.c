/*
 * log.c - one line a record, in Traefik's common text or JSON format; see log.h.
 *
 * Formatting happens only for records that pass the threshold. Values are quoted where they hold blanks, so that a
 * line stays a line whatever a peer sent. Not here: rings and files (the sink's business).
 */
#include "common/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/text.h"

#define MESSAGE_MOST 1020 /* bytes; more is cut */

enum log_level log_threshold = LOG_LEVEL_INFO;

static enum log_format log_style = LOG_FORMAT_COMMON;
static const char *log_process;
static log_sink *sink_write;
static void *sink_context;

static const struct {
    const char *json, *common;
} level_names[] = {
    [LOG_LEVEL_TRACE] = {"trace", "TRC"}, [LOG_LEVEL_DEBUG] = {"debug", "DBG"},
    [LOG_LEVEL_INFO] = {"info", "INF"},   [LOG_LEVEL_WARN] = {"warn", "WRN"},
    [LOG_LEVEL_ERROR] = {"error", "ERR"}, [LOG_LEVEL_FATAL] = {"fatal", "FTL"},
};

void log_setup(enum log_level level, enum log_format format, const char *process)
{
    log_threshold = level;
    log_style = format;
    log_process = process;
}

void log_set_sink(log_sink *sink, void *context)
{
    sink_write = sink;
    sink_context = context;
}

bool log_level_parse(struct slice name, enum log_level *out)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {
        {"TRACE", LOG_LEVEL_TRACE}, {"DEBUG", LOG_LEVEL_DEBUG},  {"INFO", LOG_LEVEL_INFO},
        {"WARN", LOG_LEVEL_WARN},   {"WARNING", LOG_LEVEL_WARN}, {"ERROR", LOG_LEVEL_ERROR},
        {"FATAL", LOG_LEVEL_FATAL}, {"PANIC", LOG_LEVEL_FATAL},  {"DISABLED", LOG_LEVEL_NONE},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq_nocase(name, slice_cstr(names[i].name))) {
            *out = names[i].level;
            return true;
        }
    }
    return false;
}

static bool needs_quotes(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return true;
        }
    }
    return s.len == 0;
}

/* Ends a line or drives a terminal; U+0080 to U+009F do that too. */
static bool is_control(const unsigned char *at, size_t len)
{
    return at[0] < ' ' || at[0] == 0x7f || (len == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

/* The message of a text line: control characters and bytes that are not UTF-8 are escaped. */
static void add_plain(struct text *line, struct slice s)
{
    while (s.len > 0) {
        const unsigned char *at = (const unsigned char *)s.ptr;
        size_t len = text_utf8_length(s), taken = len ? len : 1;

        if (len > 0 && !is_control(at, len)) {
            text_add(line, slice_of(s.ptr, len));
        } else {
            for (size_t i = 0; i < taken; i++) {
                text_printf(line, "\\x%02x", at[i]);
            }
        }
        s = slice_of(s.ptr + taken, s.len - taken);
    }
}

/* The longest part of s, of at most `most` bytes, that ends with a whole character. */
static struct slice whole_characters(struct slice s, size_t most)
{
    size_t len = s.len < most ? s.len : most, back = 0;

    while (len < s.len && back < 3 && back < len && ((unsigned char)s.ptr[len - back] & 0xc0) == 0x80) {
        back++;
    }
    return slice_of(s.ptr, len - back);
}

static void add_field(struct text *line, const char *key, struct slice value)
{
    if (log_style == LOG_FORMAT_JSON) {
        text_add_char(line, ',');
        text_add_json(line, slice_cstr(key));
        text_add_char(line, ':');
        text_add_json(line, value);
    } else {
        text_printf(line, " %s=", key);
        if (needs_quotes(value)) {
            text_add_json(line, value);
        } else {
            text_add(line, value);
        }
    }
}

static void write_out(struct slice line)
{
    if (sink_write) {
        sink_write(sink_context, line);
        return;
    }
    (void)!write(STDOUT_FILENO, line.ptr, line.len); /* a dead pipe costs the line, never the process */
}

static void add_stamp(char *out, size_t size)
{
    struct timespec now;
    struct tm broken;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &broken);
    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &broken);
}

static const char *level_name(enum log_level level)
{
    if ((size_t)level >= ARRAY_LEN(level_names)) {
        return "?";
    }
    return log_style == LOG_FORMAT_JSON ? level_names[level].json : level_names[level].common;
}

/* Adds the line with its line feed. */
static void add_line(struct text *line, enum log_level level, const char *fields[], struct slice message)
{
    char stamp[32];

    add_stamp(stamp, sizeof(stamp));
    if (log_style == LOG_FORMAT_JSON) {
        text_printf(line, "{\"level\":\"%s\"", level_name(level));
    } else {
        text_printf(line, "%s %s ", stamp, level_name(level));
        add_plain(line, message);
    }
    if (log_process) {
        add_field(line, "process", slice_cstr(log_process));
    }
    for (size_t i = 0; fields && fields[i]; i += 2) {
        if (fields[i + 1]) {
            add_field(line, fields[i], slice_cstr(fields[i + 1]));
        }
    }
    if (log_style == LOG_FORMAT_JSON) {
        add_field(line, "time", slice_cstr(stamp));
        add_field(line, "message", message);
        text_add_char(line, '}');
    }
    text_add_char(line, '\n');
}

static void add_formatted(struct text *line, enum log_level level, const char *fields[], const char *format,
                          va_list args)
{
    struct text message;
    char buf[1024];
    int len = vsnprintf(buf, sizeof(buf), format, args);

    text_init(&message);
    text_add(&message,
             whole_characters(slice_of(buf, len < 0 ? 0 : strnlen(buf, sizeof(buf) - 1)), MESSAGE_MOST));
    if (len > MESSAGE_MOST) {
        text_add(&message, SLICE("..."));
    }
    add_line(line, level, fields, text_slice(&message));
    text_free(&message);
}

void log_line(struct text *line, enum log_level level, const char *fields[], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_formatted(line, level, fields, format, args);
    va_end(args);
}

void log_write(enum log_level level, const char *fields[], const char *format, ...)
{
    struct text line;
    va_list args;

    text_init(&line);
    va_start(args, format);
    add_formatted(&line, level, fields, format, args);
    va_end(args);
    write_out(text_slice(&line));
    text_free(&line);
}
