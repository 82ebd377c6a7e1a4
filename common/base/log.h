/*
 * log.h - what weir says about itself: levels, Traefik's common text and JSON formats.
 *
 * A record is one line: time, level, message, then key=value fields in the order given.
 * The level test is inline and comes before any formatting. Where the line goes is a sink:
 * stdout by default, in guard, master and workers a ring in shared memory (shm/log_ring.h).
 */
#ifndef WEIR_COMMON_BASE_LOG_H
#define WEIR_COMMON_BASE_LOG_H

#include <stdbool.h>

#include "common/base/slice.h"

struct text;

enum log_level {
    LOG_LEVEL_TRACE,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_FATAL,
    LOG_LEVEL_NONE
};
enum log_format { LOG_FORMAT_COMMON, LOG_FORMAT_JSON };

extern enum log_level log_threshold; /* read by the macros, set by log_setup */

/* A whole line with its line feed. Must not block the caller for long. */
typedef void log_sink(void *context, struct slice line);

/* process: "guard", "master", "worker 1"... kept by pointer, shown as a field. */
void log_setup(enum log_level level, enum log_format format, const char *process);

/* NULL restores the default: one write(2) to stdout for each line. */
void log_set_sink(log_sink *sink, void *context);

/* Traefik's level names in any letter case (also "WARNING", "PANIC"); false if unknown. */
bool log_level_parse(struct slice name, enum log_level *out);

/* fields: pairs of const char *key, const char *value, ended by NULL; a NULL value drops its pair. */
void log_write(enum log_level level, const char *fields[], const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, but the line goes behind `line` and nowhere else: for who writes lines out himself. */
void log_line(struct text *line, enum log_level level, const char *fields[], const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define LOG_FIELDS(...) ((const char *[]){__VA_ARGS__, NULL})
#define log_at(level, fields, ...)                                                                           \
    ((level) >= log_threshold ? log_write((level), (fields), __VA_ARGS__) : (void)0)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, NULL, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)

#endif
