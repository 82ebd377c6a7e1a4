/*
 * moment.c - contract in moment.h.
 */
#include "master/kube/moment.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define MICRO INT64_C(1000000)

void moment_text(int64_t unix_s, char out[MOMENT_TEXT])
{
    time_t at = (time_t)unix_s;
    struct tm parts = {0};

    (void)gmtime_r(&at, &parts);
    if (strftime(out, MOMENT_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        out[0] = '\0';
    }
}

void moment_micro_text(int64_t unix_us, char out[MOMENT_TEXT])
{
    size_t len;

    moment_text(unix_us / MICRO, out);
    len = strlen(out);
    if (len > 0) { /* in the place of the Z */
        (void)snprintf(out + len - 1, MOMENT_TEXT - len + 1, ".%06dZ", (int)(unix_us % MICRO));
    }
}

int moment_parse(struct slice text, int64_t *out)
{
    struct tm parts = {0};
    char buf[64];
    const char *rest;
    time_t at;

    if (!slice_to_cstr(text, buf, sizeof(buf))) {
        return -EINVAL;
    }
    rest = strptime(buf, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest && *rest == '.') {
        rest += 1 + strspn(rest + 1, "0123456789");
    }
    if (rest == NULL || strcmp(rest, "Z") != 0) {
        return -EINVAL;
    }
    at = timegm(&parts);
    *out = (int64_t)at;
    return 0;
}

int64_t moment_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * MICRO + now.tv_nsec / 1000;
}
