/*
 * error.c - texts of failures; see error.h.
 */
#include "common/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *why, int rc, const char *format, ...)
{
    if (why) {
        struct error written; /* an argument may be why->text itself */
        va_list args;

        va_start(args, format);
        vsnprintf(written.text, sizeof(written.text), format, args);
        va_end(args);
        *why = written;
    }
    return rc;
}

void error_prefix(struct error *why, const char *format, ...)
{
    if (why == NULL) {
        return;
    }
    struct error joined;
    va_list args;

    va_start(args, format);
    int len = vsnprintf(joined.text, sizeof(joined.text), format, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    if ((size_t)len + 3 < sizeof(joined.text)) {
        size_t room = sizeof(joined.text) - (size_t)len - 3, tail = strnlen(why->text, room);

        memcpy(joined.text + len, ": ", 2);
        memcpy(joined.text + len + 2, why->text, tail);
        joined.text[(size_t)len + 2 + tail] = '\0';
    }
    *why = joined;
}
