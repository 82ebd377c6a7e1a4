/*
 * error.h - the words of a failure: functions return 0 or a negative errno, the text goes here.
 */
#ifndef WEIR_COMMON_BASE_ERROR_H
#define WEIR_COMMON_BASE_ERROR_H

struct error {
    char text[512]; /* cut, always NUL-terminated */
};

/* Writes the text (why may be NULL) and returns rc, so that `return error_set(why, -EINVAL, ...)` reads well. */
int error_set(struct error *why, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the text that is there. */
void error_prefix(struct error *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
